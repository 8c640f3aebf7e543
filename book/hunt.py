"""The bug hunt at the end of a chapter: a cell with a mistake in one line, which the reader finds by clicking.

A hunt is a catch of the chapter, picked by hand: below `#| catches: old -> new` stands `#| hunt: what comes of it`.
The mistake was made and run by the test suite; what the check said then is kept in `hunts.json`
(`python -m chapters --record NAME`, in tests/), and compared whenever the catches are tried.
How a hunt looks on the page is the matter of `hunt_page.py`.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass

from book.notebooks import ROOT, Catch, Cell, Notebook

RECORD = ROOT / "book" / "hunts.json"
LONG = 18  # lines; of a longer cell a hunt shows one function


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
    shown_wrong = _with_comment_in_place(mistaken[wrong[0]], lines[wrong[0]])[shift:]
    return Hunt(check, tuple(notebook.cells[check].checks), catch, meaning, shown, shown_wrong, kept.index(wrong[0] + 1))


def _with_comment_in_place(mistaken: str, right: str) -> str:
    "A mistaken line whose comment stands in the column where it stood: a shift would give the line away."
    code, sign, comment = mistaken.rpartition("  # ")
    return f"{code.rstrip():<{right.rfind(sign)}}{sign}{comment}" if sign in right and sign else mistaken


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
