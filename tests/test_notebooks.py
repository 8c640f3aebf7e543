"Notebooks and library: in sync, clean, one floor above the other; the rules of the house."

import ast
import importlib
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from book.notebooks import LIBRARY, imported_modules, read_all, tours

TOURS = tours()
BOOKS = [book for book in read_all() if book not in TOURS]
BY_MODULE = {book.module: book for book in BOOKS}
WORKSHOP = {book.module.removeprefix("dlnbook.") for book in BOOKS if book.name.startswith("tools_")} - {"__init__"}


def floor(book):
    "Where a notebook stands: a chapter on its number, an engine room half a floor above its chapter."
    number = re.fullmatch(r"(lib_)?(\d\d)_\w+", book.name)
    return int(number[2]) + (0.5 if number[1] else 0) if number else None


FLOORS = {book.module.removeprefix("dlnbook."): floor(book) for book in BOOKS if floor(book)}
BUILT = [book for book in BOOKS if floor(book)]
OTHERS = {"lib_19_estimator": {"sklearn"}, "lib_20_exchange": {"safetensors", "torch"}, "lib_22_parallel": {"mpi4py"}}


def test_one_notebook_one_module():
    modules = [book.module for book in BOOKS]
    assert None not in modules and len(set(modules)) == len(modules)
    files = {f"dlnbook.{path.stem}" for path in LIBRARY.glob("*.py") if path.stem != "_modidx"}
    assert files == set(modules)


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_imports_come_from_below(book):
    exported = "\n".join(cell.source for cell in book.cells if cell.has("export"))
    if floor(book):
        allowed = WORKSHOP | {module for module, height in FLOORS.items() if height < floor(book)}
        assert imported_modules(book.code) <= allowed
        at_once = [node for node in ast.parse(exported).body if isinstance(node, (ast.Import, ast.ImportFrom))]
        needed = imported_modules("\n".join(map(ast.unparse, at_once)))
        assert needed <= allowed - {"figures", "page"}, "the library's core needs NumPy alone"
    else:
        assert imported_modules(exported) <= WORKSHOP - {book.module.removeprefix("dlnbook.")}


@pytest.mark.parametrize("book", TOURS, ids=lambda book: book.name)
def test_a_tour_is_the_roof(book):
    "It may stand on every chapter and room. Nothing stands on it, as it exports nothing; and it defines again nothing of what it imports."
    assert imported_modules(book.code) <= WORKSHOP | set(FLOORS)
    assert not book.module and not any(cell.has("export") or cell.has("exports") for cell in book.cells)
    nodes = list(ast.walk(ast.parse(book.code)))
    imported = {alias.asname or alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    defined = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    assert not imported & defined


def test_an_engine_room_stands_on_its_chapter():
    heights = set(FLOORS.values())
    for book in BUILT:
        assert int(floor(book)) in heights, f"{book.name} has no chapter below it"


def test_no_module_bears_the_name_of_a_public_function():
    "`from dlnbook import fit` would give a module of that name as soon as something has imported it."
    modules = {book.module.removeprefix("dlnbook.") for book in BOOKS}
    public = {name for book in BOOKS for cell in book.cells for name in cell.exported}
    assert not modules & public


def test_importing_an_engine_room_changes_no_object_of_a_chapter():
    chapters = [module for module, height in FLOORS.items() if height == int(height)]
    code = f"""
import importlib, types
chapters = [importlib.import_module("dlnbook." + name) for name in {chapters!r}]
def looks(value):
    if isinstance(value, (dict, types.MappingProxyType)): return {{repr(key): looks(each) for key, each in value.items()}}
    if isinstance(value, (list, tuple, set)): return [looks(each) for each in value]
    return id(value), looks(vars(value)) if isinstance(value, type) and value.__module__.startswith("dlnbook") else None
before = {{module.__name__: looks({{name: each for name, each in vars(module).items() if name != "__builtins__"}}) for module in chapters}}
for name in {sorted(FLOORS)!r}: importlib.import_module("dlnbook." + name)
after = {{module.__name__: looks({{name: each for name, each in vars(module).items() if name != "__builtins__"}}) for module in chapters}}
changed = [(module, name) for module in before for name in after[module] if before[module].get(name) != after[module][name]]
assert not changed, changed
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_second_versions_are_declared_and_compared():
    "A cell that says `#| faster than: module.function` is followed by one that runs both."
    for book in BOOKS:
        for index, cell in enumerate(book.cells):
            for argument in cell.arguments("faster"):
                module, _, name = argument.removeprefix("than:").strip().partition(".")
                assert hasattr(importlib.import_module(f"dlnbook.{module}"), name), argument
                after = [each.source for each in book.cells[index + 1 :] if each.runs and not each.has("export")]
                assert any(re.search(rf"\b{name}\b", source) and "assert" in source for source in after), argument


@pytest.mark.parametrize("book", BUILT, ids=lambda book: book.name)
def test_chapters_export_with_numpy_alone(book):
    "Those of the part In practice also with the package that they are about."
    exported = ast.parse("\n".join(cell.source for cell in book.cells if cell.has("export")))
    allowed = {"numpy", "dlnbook"} | sys.stdlib_module_names
    allowed |= OTHERS.get(book.name, set())
    assert _imports(exported.body) <= allowed
    assert _imports(ast.walk(exported)) <= allowed | {"tqdm", "joblib"}, "only a progress bar and workers may be asked for later"


def _imports(nodes):
    "The packages that some nodes of a syntax tree import."
    names = set()
    for node in nodes:
        names |= {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
        names |= {node.module} if isinstance(node, ast.ImportFrom) else set()
    return {name.split(".")[0] for name in names}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    "A copy of notebooks and settings in which nbdev may write."
    folder = tmp_path_factory.mktemp("copy")
    for name in ("nbs", "dlnbook"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name in ("settings.ini", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    return folder


def _nbdev(command, folder):
    subprocess.run([str(ROOT / ".venv" / "bin" / command)], cwd=folder, check=True, capture_output=True, text=True)


def test_the_export_is_in_sync(copy):
    for path in (copy / "dlnbook").glob("*.py"):
        if path.name != "__init__.py":
            path.unlink()
    _nbdev("nbdev_export", copy)
    for path in sorted(LIBRARY.glob("*.py")):
        assert (copy / "dlnbook" / path.name).read_text() == path.read_text(), f"{path.name}: run nbdev_export"


def test_the_notebooks_are_clean(copy):
    _nbdev("nbdev_clean", copy)
    for book in [*BOOKS, *TOURS]:
        assert (copy / "nbs" / book.path.name).read_text() == book.path.read_text(), f"{book.name}: run nbdev_clean"


def test_every_reference_is_listed_once_and_can_be_read():
    "The book's build stops at the first entry that can't."
    from pybtex.database import parse_file

    text = (ROOT / "references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{([^,\s]+)", text, re.MULTILINE)
    assert len(keys) == len(set(keys)) > 100
    assert list(parse_file(ROOT / "references.bib").entries) == keys
    pages = [cell.source for book in [*BOOKS, *TOURS] for cell in book.cells if cell.kind == "markdown"]
    pages += [path.read_text(encoding="utf-8") for path in ROOT.glob("*.md")]
    cited = {key.strip() for page in pages for some in re.findall(r"\{cite:\w+\}`([^`]+)`", page) for key in some.split(",")}
    assert cited <= set(keys), cited - set(keys)
