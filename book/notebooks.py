"""The book's notebooks as data: cells, `#|` directives, equations, checks, and what depends on what.

The Sphinx extension and the tests both read the notebooks through this module,
so that the page and the tests cannot disagree about what a notebook says.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "nbs"
LIBRARY = ROOT / "dlnbook"

_DIRECTIVE = re.compile(r"^\s*#\s*\|\s*([\w-]+)\s*:?\s*(.*?)\s*$")
_EQUATION = re.compile(r"^\$\$[ \t]*\n(.*?)\n\$\$[ \t]*(?:\(([\w-]+)\))?[ \t]*$", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^(`{3,}|~{3,})([^\n]*)\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)


def _said(text: str) -> str:
    "Markdown without its blocks of code; what stands in a directive is said."
    return _FENCED.sub(lambda block: _said(block[3]) if block[2].startswith("{") else "", text)


@dataclass(frozen=True)
class Catch:
    "A mistake that a check must notice: a replacement in an earlier cell."

    old: str
    new: str

    @classmethod
    def parse(cls, text: str) -> Catch:
        "Read `old -> new`."
        old, arrow, new = text.partition(" -> ")
        if not arrow or not old.strip() or old.strip() == new.strip():
            raise ValueError(f"catches: expected 'old -> new' with two different texts, got {text!r}")
        return cls(old.strip(), new.strip())


@dataclass(frozen=True)
class Cell:
    "One cell: its kind, its text without directives, and the directives as (name, argument) pairs."

    kind: str
    source: str
    directives: tuple[tuple[str, str], ...] = ()

    def has(self, name: str) -> bool:
        "Whether the directive occurs."
        return any(name == each for each, _ in self.directives)

    def arguments(self, name: str) -> list[str]:
        "The arguments of all directives of that name."
        return [argument for each, argument in self.directives if each == name]

    @property
    def checks(self) -> list[str]:
        "The labels of the equations that this cell checks."
        return [label for argument in self.arguments("checks") for label in argument.split()]

    @property
    def catches(self) -> list[Catch]:
        "The mistakes that this cell must notice."
        return [Catch.parse(argument) for argument in self.arguments("catches")]

    @property
    def runs(self) -> bool:
        "Whether it is code that is executed."
        return self.kind == "code" and ("eval", "false") not in self.directives

    @property
    def exported(self) -> list[str]:
        "The public names that the cell gives to the library."
        if not (self.has("export") or self.has("exports")):
            return []
        names: list[str] = []
        for node in ast.parse(self.source).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names.append(node.name)
            elif isinstance(node, ast.Assign):
                names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        return [name for name in names if not name.startswith("_")]


@dataclass(frozen=True)
class Notebook:
    "A chapter, an engine room, a workshop or a tour."

    path: Path
    cells: list[Cell] = field(repr=False)

    @property
    def name(self) -> str:
        "The file's name without its ending."
        return self.path.stem

    @property
    def module(self) -> str | None:
        "The module it exports, with the package's name."
        names = [argument for cell in self.cells for argument in cell.arguments("default_exp")]
        return f"dlnbook.{names[0]}" if names else None

    @property
    def needs(self) -> list[str]:
        "What it needs that is not there in a browser."
        return [argument for cell in self.cells for argument in cell.arguments("needs")]

    @property
    def equations(self) -> list[tuple[str | None, str]]:
        "Label (None where there is none) and formula of every displayed equation."
        found = []
        for cell in self.cells:
            if cell.kind == "markdown":
                found += [(label or None, formula) for formula, label in _EQUATION.findall(_said(cell.source))]
        return found

    @property
    def loose_dollars(self) -> list[str]:
        "Pieces of markdown with `$$` that are not a displayed equation on lines of its own."
        texts = (_EQUATION.sub("", _said(cell.source)) for cell in self.cells if cell.kind == "markdown")
        return [text for text in texts if "$$" in text]

    def place_of(self, check: int, catch: Catch) -> int:
        "The one cell before a check in which a mistake can be made."
        earlier = [(i, cell) for i, cell in enumerate(self.cells[:check]) if cell.runs and not (cell.checks or cell.catches)]
        counts = {i: cell.source.count(catch.old) for i, cell in earlier if catch.old in cell.source}
        if sum(counts.values()) != 1:
            raise ValueError(f"{self.name}: expected {catch.old!r} exactly once before the check in cell {check}, got {counts or 'none'}")
        return next(iter(counts))

    @property
    def code(self) -> str:
        "All its code."
        return "\n".join(cell.source for cell in self.cells if cell.kind == "code")


def split_directives(source: str) -> tuple[tuple[tuple[str, str], ...], str]:
    "Separate the `#|` lines at the top of a cell from the rest."
    lines = source.splitlines(keepends=True)
    found = []
    while lines and (match := _DIRECTIVE.match(lines[0])):
        found.append((match[1], match[2]))
        lines.pop(0)
    return tuple(found), "".join(lines).lstrip("\n")


def text_of(cell: dict) -> str:
    "The source of a cell as nbformat stores it, a string or a list of lines."
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def read(path: Path) -> Notebook:
    "Read one notebook."
    return Notebook(path, [cell_of(raw) for raw in json.loads(path.read_text(encoding="utf-8"))["cells"]])


def cell_of(raw: dict) -> Cell:
    "A cell as nbformat stores it, read."
    directives, source = split_directives(text_of(raw)) if raw["cell_type"] == "code" else ((), text_of(raw))
    return Cell(raw["cell_type"], source, directives)


def read_all() -> list[Notebook]:
    "All notebooks of the book, in the order of their names (chapters first, then the workshop)."
    return [read(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))]


def chapters() -> list[Notebook]:
    "The numbered chapters."
    return [book for book in read_all() if book.name[0].isdigit()]


def rooms() -> list[Notebook]:
    "The chapters' engine rooms: lib_NN stands on chapter NN."
    return [book for book in read_all() if re.match(r"lib_\d", book.name)]


def tours() -> list[Notebook]:
    "Ways through the chapters for those who have less time: they stand on all of them, and nothing stands on them."
    return [book for book in read_all() if book.name.startswith("tour_")]


def live() -> list[Notebook]:
    "What comes alive in the browser: the chapters, the tours and the engine rooms, not the workshop, nor what needs other packages."
    return [book for book in (*chapters(), *tours(), *rooms()) if not book.needs]


def partly_live() -> list[Notebook]:
    "What needs other packages, but has cells that do without: those that say `#| live`."
    return [book for book in (*chapters(), *tours(), *rooms()) if book.needs and any(cell.has("live") for cell in book.cells)]


def imported_modules(code: str) -> set[str]:
    "The modules of the library that some code imports, without the package's name; '' is the package itself."
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = "dlnbook" + (f".{node.module}" if node.module else "") if node.level else node.module
            names |= {f"dlnbook.{alias.name}" for alias in node.names} if origin == "dlnbook" else {origin}
    return {name.removeprefix("dlnbook").lstrip(".") for name in names if name.split(".")[0] == "dlnbook"}


def library_files(code: str) -> list[Path]:
    "The files of the library that a piece of code depends on, directly or through other modules."
    todo, seen = imported_modules(code), set()
    while todo:
        name = todo.pop()
        path = LIBRARY / f"{name}.py"
        if not path.exists():  # a name of the front door: it may lead anywhere
            todo |= {each.stem for each in LIBRARY.glob("*.py")} - {path.stem for path in seen}
            continue
        if path not in seen:
            seen.add(path)
            todo |= imported_modules(path.read_text(encoding="utf-8"))
    data = [path for path in LIBRARY.iterdir() if path.suffix in (".npz", ".txt")] if seen else []
    return sorted(seen | set(data) | ({LIBRARY / "__init__.py"} if seen else set()))


def kept_files(code: str) -> list[Path]:
    "The results of long experiments that a piece of code reads. (A name of none is an example, or refused when it runs.)"
    names = sorted(set(re.findall(r"\bkept_results\(\"(\w+)\"\)", code)))
    paths = [ROOT / "benchmarks" / "results" / f"{name}.json" for name in names]
    return [path for path in paths if path.exists()]


def digest(paths: list[Path], *texts: str) -> str:
    "A digest of files and texts."
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for text in texts:
        total.update(text.encode() + b"\0")
    return total.hexdigest()[:16]
