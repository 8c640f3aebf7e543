"Notebooks and library: in sync, clean, one floor above the other."

import ast
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from book.notebooks import LIBRARY, imported_modules, read_all

BOOKS = read_all()
BY_MODULE = {book.module: book for book in BOOKS}
WORKSHOP = {"doors", "files", "data", "figures", "page"}


def test_one_notebook_one_module():
    modules = [book.module for book in BOOKS]
    assert None not in modules and len(set(modules)) == len(modules)
    files = {f"dlnbook.{path.stem}" for path in LIBRARY.glob("*.py") if path.stem != "_modidx"}
    assert files == set(modules)


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_chapters_import_only_from_below(book):
    order = [each.module.removeprefix("dlnbook.") for each in BOOKS if each.name[0].isdigit()]
    own = book.module.removeprefix("dlnbook.")
    exported = "\n".join(cell.source for cell in book.cells if cell.has("export"))
    if own in order:
        allowed = WORKSHOP | set(order[: order.index(own)])
        assert imported_modules(book.code) <= allowed
        at_once = [node for node in ast.parse(exported).body if isinstance(node, (ast.Import, ast.ImportFrom))]
        needed = imported_modules("\n".join(map(ast.unparse, at_once)))
        assert needed <= allowed - {"figures", "page"}, "the library's core needs NumPy alone"
    else:
        assert imported_modules(exported) <= WORKSHOP - {own}


@pytest.mark.parametrize("book", [each for each in BOOKS if each.name[0].isdigit()], ids=lambda book: book.name)
def test_chapters_export_with_numpy_alone(book):
    exported = ast.parse("\n".join(cell.source for cell in book.cells if cell.has("export")))
    allowed = {"numpy", "dlnbook"} | sys.stdlib_module_names
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
    for book in BOOKS:
        assert (copy / "nbs" / book.path.name).read_text() == book.path.read_text(), f"{book.name}: run nbdev_clean"
