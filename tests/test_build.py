"""What the build of the book promises, tried on a small book in a copy of the project.

Its notebooks write a line to a file whenever they run: so the tests know which ones were executed.
"""

import hashlib
import json
import os
import re
import subprocess
from contextlib import contextmanager
from unittest.mock import MagicMock

import jupyter_cache.executors.utils as execution
import nbformat
import pytest
from conftest import ROOT
from copies import project
from nbformat.v4 import new_code_cell, new_notebook

from book import depth, extension, notebooks
from book.notebooks import Cell, split_directives

# base <- middle <- through: what a notebook imports; the others import a part of the library or nothing at all
BOOK = {
    "base": ["#| default_exp base", "#| export\ndef value() -> int:\n    'A number.'\n    return 41"],
    "middle": [
        "#| default_exp middle",
        "#| export\nfrom dlnbook.base import value\n\n\ndef twice() -> int:\n    'Twice the number.'\n    return 2 * value()",
    ],
    "direct": ["from dlnbook.base import value\nprint('the value is', value())"],
    "through": ["import dlnbook.middle\nprint('twice the value is', dlnbook.middle.twice())"],
    "data": ["from dlnbook.data import digits\nprint(len(digits()[0]), 'digits')"],
    "sizes": ["from dlnbook.page import sized\nprint('the size is', sized(full='large', book='medium', live='small'))"],
    "alone": ["print(6 * 7)"],
}
REFERENCE = """
(cell-dlnbook.figures.shade)=
```{eval-rst}
.. automodule:: dlnbook.base
   :members:
.. automodule:: dlnbook.middle
   :members:
.. automodule:: dlnbook.figures
   :members: shade
```
"""


class Book:
    "A small book in a copy of the project."

    def __init__(self, folder, pages):
        self.folder = project(folder)
        for name in (".venv", "node_modules"):
            (folder / name).symlink_to(ROOT / name)
        for path in (folder / "nbs").glob("*.ipynb"):
            if path.stem not in ("tools_front", "tools_figures"):  # these two are exported, but have no page
                path.unlink()
        (folder / "index.md").write_text("# A small book\n" + REFERENCE if "base" in pages else "# A small book\n")
        self.pages = []
        for name, cells in pages.items():
            self.add(name, cells)

    def add(self, name, cells):
        "Write a notebook with these cells (a formula is markdown, all else is code), and list it in the contents."
        new = {True: nbformat.v4.new_markdown_cell, False: nbformat.v4.new_code_cell}
        cells = [new[cell.startswith("$$")](cell) for cell in cells]
        title = nbformat.v4.new_markdown_cell(f"# The page {name}")
        note = nbformat.v4.new_code_cell(f"with open('../runs.txt', 'a') as file:\n    print('{name}', file=file)")
        nbformat.write(nbformat.v4.new_notebook(cells=[title, note, *cells]), self.folder / "nbs" / f"{name}.ipynb")
        self.pages.append(name)
        self._list()

    def remove(self, name):
        (self.folder / "nbs" / f"{name}.ipynb").unlink()
        self.pages.remove(name)
        self._list()

    def _list(self):
        chapters = [{"file": f"nbs/{name}"} for name in self.pages]
        (self.folder / "_toc.yml").write_text(json.dumps({"format": "jb-book", "root": "index", "chapters": chapters}))

    @contextmanager
    def having(self, **pages):
        "With more pages, for a while."
        for name, cells in pages.items():
            self.add(name, cells)
        try:
            yield
        finally:
            for name in pages:
                self.remove(name)

    def build(self, size="book"):
        "Build; return the exit code, what was printed (without colors) and which notebooks were executed."
        runs = self.folder / "runs.txt"
        runs.write_text("")
        environment = os.environ | {"PYTHONPATH": str(self.folder), "DLNBOOK_SIZE": size, "NO_COLOR": "1"}
        command = [str(self.folder / ".venv" / "bin" / "python"), "-m", "book.build"]
        done = subprocess.run(command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, re.sub(r"\x1b\[[\d;]*m", "", done.stdout), sorted(runs.read_text().split())

    def page(self, name):
        return (self.folder / "_build" / "html" / "nbs" / f"{name}.html").read_text()

    def change(self, path, old, new):
        path = self.folder / path
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))

    def site(self):
        "A digest of every file of the finished book."
        files = sorted(path for path in (self.folder / "_build" / "html").rglob("*") if path.is_file())
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


FAULTS = {
    "bitmap": (["import matplotlib.pyplot as plt\nplt.plot([1, 2]);"], "a picture without alternative text"),
    "image": (["from IPython.display import HTML\nHTML('<img src=\"data:,\" width=\"9\">')"], "a picture without alternative text"),
    "unlabeled": (["$$\nx = 1\n$$"], "a displayed equation needs a label"),
    "misnamed": (["$$\nx = 2\n$$ (three)"], "a displayed equation needs a label eq-… or def-…, got 'three'"),
    "unchecked": (["$$\nx = 3\n$$ (eq-unchecked)"], "equation eq-unchecked has no check"),
    "folded": (["#| fold: dull\n#| checks: eq-nowhere\n#| catches: 1 -> 2\nassert 1 < 2"], "is never folded"),
    "ideas": (["#| idea\nprint(1)", "#| idea\nprint(2)"], "a chapter has one idea"),
    "figureless": (["$$\nx = 4\n$$ (def-figureless)\n\n{numref}`fig-nowhere` shows it."], "undefined label: 'fig-nowhere'"),
    "astray": (["#| checks: eq-nowhere\n#| catches: 1 -> 2\nassert 1 < 2"], "a cell checks eq-nowhere, but there is no such equation"),
}
HEAVY = """from random import Random

from dlnbook.figures import Picture
from dlnbook.page import explore

noise = Random(0).randbytes(700_000).hex()
explore(lambda x: Picture(f"<svg>{noise[::x]}</svg>", alt="Noise."), x=[1, -1])"""


@pytest.mark.slow
def test_what_depends_on_a_change_is_executed_again_and_nothing_else(tmp_path):
    book = Book(tmp_path, BOOK)
    code, printed, executed = book.build()
    assert code == 0, printed
    assert executed == sorted(BOOK)
    assert "the value is 41" in book.page("direct") and "twice the value is 82" in book.page("through")

    before = book.site()
    code, printed, executed = book.build()
    assert code == 0, printed
    assert executed == [], "nothing has changed"
    assert book.site() == before

    book.change("nbs/base.ipynb", "return 41", "return 43")
    book.change("nbs/tools_figures.ipynb", "A colormap from transparent to", "Shades from transparent to")
    code, printed, executed = book.build()
    assert code == 0, printed
    assert executed == ["base", "direct", "middle", "through"], "the library has changed"
    assert "the value is 43" in book.page("direct") and "twice the value is 86" in book.page("through")
    assert "return 43" in (book.folder / "dlnbook" / "base.py").read_text()
    assert "Shades from transparent to" in (book.folder / "_build" / "html" / "index.html").read_text(), "the reference is old"

    code, printed, executed = book.build(size="full")
    assert code == 0, printed
    assert "the size is large" in book.page("sizes"), "the size has changed"

    with (book.folder / "requirements.lock").open("a") as file:
        print("# another package", file=file)
    code, printed, executed = book.build()
    assert code == 0, printed
    assert executed == sorted(BOOK), "the packages have changed"
    assert "__version__ = " in (book.folder / "dlnbook" / "__init__.py").read_text(), "the package has lost its version"


@pytest.mark.slow
def test_a_page_that_breaks_the_rules_of_the_house_fails_the_build_and_the_last_good_book_stays(tmp_path):
    book = Book(tmp_path, {"alone": BOOK["alone"]})
    code, printed, _ = book.build()
    assert code == 0, printed
    before = book.site()

    with book.having(broken=["divisor = 0\nquotient = 1 / divisor  # cannot be"]):
        code, printed, _ = book.build()
    assert code != 0 and book.site() == before
    for said in ("nbs/broken.ipynb", "quotient = 1 / divisor  # cannot be", "ZeroDivisionError", "division by zero", "FAILED"):
        assert said in printed, said

    with book.having(**{page: cells for page, (cells, _) in FAULTS.items()}):
        code, printed, _ = book.build()
    assert code != 0 and book.site() == before
    said = {page: re.findall(rf"nbs/{page}\.ipynb.*WARNING: (.*)", printed) for page in FAULTS}
    assert not {page: lines for page, lines in said.items() if not any(FAULTS[page][1] in line for line in lines)}

    with book.having(heavy=[HEAVY]):
        code, printed, _ = book.build()
    assert code != 0 and book.site() == before
    assert re.search(r"nbs/heavy\.html: expected frames of at most 600,000 bytes gzipped, got [\d,]+", printed), printed

    code, printed, executed = book.build()
    assert code == 0, printed
    assert executed == [], "the good pages were executed before"


# What folds


FOLDED = {
    "#| export\nimport math": ("", ""),
    "#| checks: eq-x\nimport math": ("", ""),
    "#| fold: no\nimport math": ("", ""),
    "#| fold: reading the digits\nX, T = digits()": ("", "reading the digits"),
    "import math\nfrom dlnbook.page import glue": ("", "imports"),
    "glue('n', 3)": ("", "numbers for the text"),
    "began = time.perf_counter()": ("output", "timing"),
    "began = time.perf_counter()\nassert began": ("", ""),
    "#| echo: false\nprint(3)": ("output", "show the code of this output"),
    "#| echo: false\nglue('n', 3)": ("", "numbers for the text"),
    "@figure()\ndef line(ax): ...": ("", "the code of a figure"),
    "line(3)": ("figure", "show the code of this figure"),
    "explore(line, x=[1, 2])": ("explorable", "show the code of this explorable"),
    "for each in (1, 2):\n    assert explore(line, x=[each, 3])": ("explorable", ""),
    "softmax([1, 2])": ("output", ""),
}


@pytest.mark.parametrize("source", FOLDED)
def test_a_cell_folds_by_what_it_says_does_and_shows(source):
    directives, code = split_directives(source)
    facts, (shown, line) = depth.facts_of(Cell("code", code, directives)), FOLDED[source]
    assert (depth.line_of(facts, shown) if facts else "") == line


def test_engine_rooms_come_alive_as_chapters_do(tmp_path, monkeypatch):
    for name in ("01_scale", "lib_01_gauge", "tools_page", "tour_hour"):
        (tmp_path / f"{name}.ipynb").write_text('{"cells": []}')
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path)
    cells = [{"cell_type": "code", "id": name, "metadata": {}, "source": name} for name in ("#| needs: threads", "#| live\nx = 1", "#| hide\ny = 2")]
    (tmp_path / "02_partly.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "03_not.ipynb").write_text(json.dumps({"cells": cells[:1]}))
    assert [book.name for book in notebooks.live()] == ["01_scale", "tour_hour", "lib_01_gauge"]
    assert [book.name for book in notebooks.partly_live()] == ["02_partly"]
    tags = [cell["metadata"]["tags"] for cell in extension.prepare({"cells": cells})["cells"]]
    assert tags == [["dln-elsewhere"], [], ["dln-elsewhere", "dln-hide"]]


# The locks


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*.lock")), ids=lambda path: path.name)
def test_a_lock_holds_hashes_and_no_address(path):
    text = path.read_text()
    assert not re.search(r"https?:|file:|git\+|--(?:extra-)?index-url|--find-links|(?<![\w.])/\w|\.\./", text)
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    packages = [line for line in lines if not line.startswith(" ")]
    assert packages and all(re.match(r"[\w.-]+(?:\[[\w,-]+\])?==[\w.!+]+", line) for line in packages)
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line) for line in lines if line.startswith(" "))
    for number, line in enumerate(lines):
        if not line.startswith(" "):
            assert lines[number + 1 : number + 2] and lines[number + 1].startswith("    --hash="), line


def test_the_page_scripts_are_locked_without_an_address():
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    for name, each in packages.items():
        assert "resolved" not in each and not each.get("link"), name
        assert not name or each["integrity"].startswith("sha512-"), name
        for version in (each.get("dependencies", {}) | each.get("devDependencies", {})).values():
            assert not re.match(r"file:|git|https?:|/|\.", version), f"{name} asks for {version}"


def test_the_cache_has_its_tables_before_several_processes_read_pages(tmp_path, monkeypatch):
    "Else each of them may make the tables, and the second to do so fails."
    import jupyter_book.sphinx
    from jupyter_cache.cache.db import DB_NAME
    from jupyter_cache.cache.main import JupyterCacheBase

    from book import build

    seen = []
    monkeypatch.setattr(JupyterCacheBase, "truncate_caches", JupyterCacheBase.truncate_caches)  # put back after the test
    monkeypatch.setattr(build, "BUILD", tmp_path)
    monkeypatch.setattr(jupyter_book.sphinx, "build_sphinx", lambda *_, **__: seen.append((tmp_path / ".jupyter_cache" / DB_NAME).stat().st_size) or 0)
    assert build.render(tmp_path / "html", 0) == 0
    assert len(seen) == 1 and seen[0] > 0


def test_an_equation_between_two_notes_is_found():
    note, formula = "```{margin}\nA note.\n```\n", "$$\na = b\n$$ (eq-{})\n"
    text = note + formula.format("between") + note + "```\n$$\nno = formula\n$$\n```\n" + "````{admonition} Box\n" + formula.format("inside") + "````\n"
    found = notebooks.Notebook(notebooks.Path("x.ipynb"), [Cell("markdown", text)]).equations
    assert [label for label, _ in found] == ["eq-between", "eq-inside"]


def test_a_process_drops_nothing_that_another_one_is_about_to_keep(tmp_path, monkeypatch):
    "It is in the table first, and on the disk a moment later: whoever counts in between would take it for too much, or fail."
    from jupyter_cache.cache.db import NbCacheRecord
    from jupyter_cache.cache.main import JupyterCacheBase

    from book import build

    monkeypatch.setattr(JupyterCacheBase, "truncate_caches", JupyterCacheBase.truncate_caches)  # put back after the test
    cache = build.open_cache(tmp_path / ".jupyter_cache")
    cache.change_cache_limit(1)
    NbCacheRecord.create_record("theirs.ipynb", "on its way", cache.db)
    path = tmp_path / "ours.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")]), path)
    cache.cache_notebook_file(path, check_validity=False)
    assert [record.uri for record in cache.list_cache_records()] == ["theirs.ipynb", str(path)]


def test_what_is_printed_in_pieces_is_one_line(monkeypatch):
    "A kernel sends what is printed when it likes; a piece that ends within a line does not end the line."
    monkeypatch.setattr(execution, "executenb", execution.executenb)
    extension.setup(MagicMock())
    cell = new_code_cell("import time\nprint('one', end='', flush=True)\ntime.sleep(0.5)\nprint(' line')")
    notebook = new_notebook(cells=[cell], metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    execution.single_nb_execution(notebook, cwd=None, timeout=120, allow_errors=False)
    assert [output["text"] for output in notebook.cells[0].outputs] == ["one line\n"]
