"""Two depths of reading: which cells are folded into a line, and what that line says.

The page opens with prose, formulas, figures, exported cells, checks and what the prose talks about. Set-up, plotting
and timing wait behind a line that says what is inside and how long it is. `#| fold: what is inside` folds a cell,
`#| fold: no` keeps one open; without either, the cell's own code decides. What is exported or checks an equation is
never folded: what is too long to be read belongs elsewhere.
"""

from __future__ import annotations

import ast
from html import escape

from docutils import nodes

from book.notebooks import Cell

CLOCKS = ("perf_counter", "process_time", "timeit", "tracemalloc")


def facts_of(cell: Cell) -> dict | None:
    "What a cell's own text says of its folding, for `fold`; None where the cell is open whatever it shows."
    asked = cell.arguments("fold")
    if cell.kind != "code" or cell.has("hide") or cell.has("export") or cell.has("exports") or cell.checks or asked == ["no"]:
        return None
    quiet = ("echo", "false") in cell.directives
    return {"asked": asked[0] if asked else "", "quiet": quiet, "does": _does(cell.source)}


def _does(source: str) -> str:
    "What some code only does: draw, prepare, measure time, hand numbers to the prose; '' for all else, and for checks."
    body = ast.parse(source).body
    if any(isinstance(node, ast.Assert) for each in body for node in ast.walk(each)):
        return ""
    if any(_called(each) == "figure" for node in body if isinstance(node, ast.FunctionDef) for each in node.decorator_list):
        return "draws"
    if all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in body):
        return "imports"
    if all(isinstance(node, ast.Expr) and _called(node.value) == "glue" for node in body):
        return "numbers"
    return "times" if any(clock in source for clock in CLOCKS) else "all else"


def _called(node: ast.expr) -> str:
    "The name of what is called, as in f(x); '' if nothing is."
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def line_of(facts: dict, shown: str) -> str:
    "The line behind which a cell that shows a figure, an explorable, a table, something else or nothing waits; '' if it is open."
    if facts["asked"]:
        return facts["asked"]
    if facts["quiet"]:
        return f"show the code of this {shown}" if shown else "numbers for the text"
    if shown in ("figure", "explorable") and facts["does"]:
        return f"show the code of this {shown}"
    return {"draws": "the code of a figure", "imports": "imports", "numbers": "numbers for the text", "times": "timing"}.get(facts["does"], "")


def shown_by(cell: nodes.container) -> str:
    "What a reader sees below the code, in a word."
    outputs = [child for child in cell if "cell_output" in child.get("classes", ())]
    html = "".join(raw.astext() for output in outputs for raw in output.findall(nodes.raw))
    for mark, word in {"dln-explorable": "explorable", "<svg": "figure", "<table": "table"}.items():
        if mark in html:
            return word
    return "output" if html or any(output.astext().strip() for output in outputs) else ""


def length(source: str) -> str:
    "How long some code is, in words."
    count = sum(bool(line.strip()) for line in source.splitlines())
    return "1 line" if count == 1 else f"{count} lines"


def fold(cell: nodes.container, facts: dict) -> None:
    "Put a cell's code, if it is to be folded, into a `details`: links and searches open it, and it needs no script."
    inputs = [child for child in cell if "cell_input" in child.get("classes", ())]
    shown = shown_by(cell)
    line = line_of(facts, shown)
    if not inputs or not line:
        return
    [code] = inputs
    apparatus = "" if facts["asked"] else " dln-apparatus"  # on paper only a line in somebody's own words says anything
    text = f"{escape(line[:1].upper() + line[1:])} <span>· {length(code.astext())}</span>"
    start = nodes.raw("", f'<details class="dln-fold{apparatus}"><summary>{text}</summary>', format="html")
    cell.remove(code)
    place = len(cell) if shown in ("figure", "explorable", "table") else 0  # a figure's code comes below it
    cell[place:place] = [start, code, nodes.raw("", "</details>", format="html")]
