"""The bug hunt at the end of a chapter: a cell with a mistake in one line, which the reader finds by clicking.

A hunt is a catch of the chapter, picked by hand: below `#| catches: old -> new` stands `#| hunt: what comes of it`.
The mistake was made and run by the test suite; what the check said then is kept in `hunts.json`
(`python -m chapters --record NAME`, in tests/), and compared whenever the catches are tried.
The page needs no Python. Without scripts it shows the lines and, folded, the answer.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from html import escape
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util import logging

from book.notebooks import ROOT, Catch, Cell, Notebook, read

log = logging.getLogger(__name__)

RECORD = ROOT / "book" / "hunts.json"
LONG = 18  # lines; of a longer cell a hunt shows one function

INTRODUCTION = """## Bug hunt

In each piece of code below, one line has been changed. It looks right, it runs, and a check on this page fails for it.
Which line is it? Click on it, or move there with <kbd>Tab</kbd> or the arrow keys and press <kbd>Enter</kbd>.
"""


@dataclass(frozen=True)
class Hunt:
    "A mistake to be found: the check that noticed it, the lines as they are right, and the one that is wrong."

    check: int
    labels: tuple[str, ...]
    catch: Catch
    meaning: str
    lines: tuple[str, ...]
    wrong: str
    place: int  # of the wrong line among the lines, counted from 0

    @property
    def key(self) -> str:
        "The name of the mistake in the record."
        return f"{self.catch.old} -> {self.catch.new}"


def marked(cell: Cell) -> list[tuple[Catch, str]]:
    "The catches of a check cell that are hunts, with the sentence that says what comes of each."
    found, before = [], ("", "")
    for name, argument in cell.directives:
        if name == "hunt":
            if before[0] != "catches" or not argument:
                raise ValueError(f"hunt: expected a sentence, below the line of a catch, got {argument!r} below {before[0] or 'nothing'!r}")
            found.append((Catch.parse(before[1]), argument))
        before = name, argument
    return found


def hunts(notebook: Notebook) -> list[Hunt]:
    "The hunts of a notebook, in its order."
    return [
        _hunt(notebook, index, catch, meaning)
        for index, cell in enumerate(notebook.cells)
        for catch, meaning in marked(cell)
    ]


def _hunt(notebook: Notebook, check: int, catch: Catch, meaning: str) -> Hunt:
    "A hunt with the code that the page shows."
    cell = notebook.cells[notebook.place_of(check, catch)]
    lines, mistaken = cell.source.splitlines(), cell.source.replace(catch.old, catch.new).splitlines()
    wrong = [n for n, pair in enumerate(zip(lines, mistaken)) if pair[0] != pair[1]]
    if len(lines) != len(mistaken) or len(wrong) != 1:
        raise ValueError(f"{notebook.name}: expected one line that differs, got {len(wrong)} for {catch}")
    kept = _worth_reading(cell.source, wrong[0] + 1)
    lines = _closed(cell.source)
    shift = min(len(lines[n - 1]) - len(lines[n - 1].lstrip()) for n in kept if lines[n - 1].strip())
    shown = tuple(lines[n - 1][shift:] for n in kept)
    return Hunt(check, tuple(notebook.cells[check].checks), catch, meaning, shown, mistaken[wrong[0]][shift:], kept.index(wrong[0] + 1))


def _docstrings(source: str) -> list[ast.stmt]:
    "The docstrings of some source that take more than a line."
    definitions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node)]
    return [node.body[0] for node in definitions if node.body[0].end_lineno > node.body[0].lineno]


def _closed(source: str) -> list[str]:
    "The lines of some source, with docstrings that end where their first line does."
    lines = [line.removesuffix("  # fmt: skip") for line in source.splitlines()]
    for docstring in _docstrings(source):
        lines[docstring.lineno - 1] += '"""'
    return lines


def _worth_reading(source: str, wrong: int) -> list[int]:
    """The numbers of the lines that a hunt shows of a cell.

    Declarations of arguments and the rest of long docstrings are left out; of what is then still long,
    the function that has the wrong line stays.
    """
    left_out: set[int] = set()
    functions = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            if node.decorator_list:
                left_out |= set(range(node.decorator_list[0].lineno, node.lineno))
        if isinstance(node, ast.FunctionDef) and node.lineno <= wrong <= node.end_lineno:
            functions.append(node)
    for docstring in _docstrings(source):
        left_out |= set(range(docstring.lineno + 1, docstring.end_lineno + 1))
    lines = [n for n in range(1, 1 + len(source.splitlines())) if n not in left_out]
    if len(lines) > LONG and functions:
        lines = [n for n in lines if functions[-1].lineno <= n <= functions[-1].end_lineno]
    return lines


# What the checks said


def recorded() -> dict[str, dict[str, dict[str, str]]]:
    "For each notebook and mistake, the assertion that failed and what it said."
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def record(name: str, said: dict[str, dict[str, str]]) -> None:
    "Keep what the checks of a notebook said."
    everything = recorded() | {name: said}
    RECORD.write_text(json.dumps(dict(sorted(everything.items())), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


# The page


def insert(raw: dict, notebook: Notebook) -> None:
    "Put the hunts of a notebook before its table of symbols, or at its end."
    found = hunts(notebook)
    if not found:
        return
    text = INTRODUCTION + "".join(f"\n`````{{dln-hunt}} {n}\n{hunt.meaning}\n`````\n" for n, hunt in enumerate(found))
    closing = [i for i, cell in enumerate(raw["cells"]) if "".join(cell["source"]).startswith(("## Symbols", "## References", "## From here"))]
    place = closing[0] if closing else len(raw["cells"])
    raw["cells"].insert(place, {"cell_type": "markdown", "id": "bug-hunt", "metadata": {}, "source": text})


class HuntNote(Directive):
    "One hunt: the lines, a place for what a click says, and the answer."

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        env = self.state.document.settings.env
        env.note_dependency(str(RECORD))
        notebook = read(Path(env.doc2path(env.docname)))
        hunt = hunts(notebook)[int(self.arguments[0])]
        said = recorded().get(notebook.name, {}).get(hunt.key)
        if said is None:
            log.warning("no record of what the check says of %r: run `python -m chapters --record %s`", hunt.key, notebook.name)
            said = {"assertion": "", "words": ""}
        box = nodes.container(classes=["dln-hunt"])
        lead = nodes.paragraph("", "Behind " if hunt.labels else "Behind a check of this chapter:", classes=["dln-hunt-lead"])
        if hunt.labels:
            lead += [*_equations(hunt.labels), nodes.Text(":")]
        box += lead
        code = nodes.raw("", _code(hunt, said["words"]), format="html")
        code["dln_code"] = True
        box += code
        box += nodes.raw("", '<details class="dln-hunt-answer"><summary>The answer</summary>', format="html")
        right = hunt.lines[hunt.place].strip()
        box += nodes.paragraph(
            "", "", nodes.Text(f"Line {hunt.place + 1} says "), nodes.literal("", hunt.wrong.strip(), classes=["dln-wrong"]),
            nodes.Text(" and should say "), nodes.literal("", right, classes=["dln-right"]), nodes.Text("."),
        )  # fmt: skip
        meaning = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, meaning)
        box += meaning.children
        failed = nodes.paragraph("", "With it, the ")
        where = f"#check-{hunt.labels[0]}" if hunt.labels else ""
        failed += nodes.reference("", "check", refuri=where, internal=True) if where else nodes.Text("check")
        failed += [nodes.Text(" of "), *_equations(hunt.labels)] if hunt.labels else []
        failed += [nodes.Text(" fails at "), nodes.literal("", said["assertion"]), nodes.Text(": " + said["words"] + ".")]
        box += failed
        box += nodes.raw("", "</details>", format="html")
        return [box]


def _equations(labels: tuple[str, ...]) -> list[nodes.Node]:
    "References to equations, by number."
    found: list[nodes.Node] = []
    for n, label in enumerate(labels):
        if n:
            found.append(nodes.Text(" and "))
        found.append(
            pending_xref("", nodes.literal("", label), refdomain="math", reftype="eq", reftarget=label, refexplicit=False, refwarn=True)
        )
    return found


def _code(hunt: Hunt, words: str) -> str:
    "The lines, colored, each in an element of its own, and the place for what a click says."
    lines = [*hunt.lines[: hunt.place], hunt.wrong, *hunt.lines[hunt.place + 1 :]]
    colored = highlight("\n".join(lines), PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).split("\n")
    width = len(str(len(lines)))
    shown = "".join(
        f'<span class="dln-hunt-line" data-line="{n}"><span class="dln-hunt-number">{n:>{width}}</span> <code>{html}</code></span>\n'
        if lines[n - 1].strip()
        else '<span class="dln-hunt-gap"></span>\n'
        for n, html in enumerate(colored[: len(lines)], start=1)
    )
    return (
        f'<div class="dln-hunt-code highlight" role="group" aria-label="Code with a mistake in one line" data-wrong="{hunt.place + 1}" '
        f'data-words="{escape(words)}">{shown}</div><p class="dln-hunt-said" role="status"></p>'
    )


def setup(app: Sphinx) -> None:
    "Called by the extension."
    app.add_directive("dln-hunt", HuntNote)
    app.add_css_file("hunt.css")
    app.add_js_file("hunt.js", loading_method="defer")
