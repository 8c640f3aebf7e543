"The library's reference: a page for each module, complete, and who uses what."

import ast
import re

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT

from book import reference
from book.notebooks import LIBRARY, read


def test_every_module_with_public_names_has_a_page(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "FOLDER", tmp_path / "reference")
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "gone.md").write_text("A module that is no more.")
    reference.write(tmp_path / "table.md")
    documented = set()
    for path in LIBRARY.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if path.stem != "__init__" and any(getattr(node, "name", "_")[0] != "_" and ast.get_docstring(node) for node in tree.body if type(node) in reference.ROLES):
            documented.add(path.stem)
    assert {path.stem for path in (tmp_path / "reference").glob("*.md")} == documented
    table = (tmp_path / "table.md").read_text()
    assert all(f"{{doc}}`{module} <reference/{module}>`" in table for module in documented)
    assert "dlnbook.loss.softmax" in table and "loss" in documented and "probing" not in documented


def test_names_that_are_bound_several_at_once_are_listed():
    from dlnbook import arguments

    assert {name for name, _ in reference.public("arguments")} == set(arguments.__all__)


def test_users_are_found_by_their_imports():
    code = "from dlnbook.loss import softmax, one_hot as hot\nfrom dlnbook import fit\nimport numpy\nfrom math import log"
    assert reference.imported(code) == {"dlnbook.loss.softmax", "dlnbook.loss.one_hot", "dlnbook.fitting.fit"}
    books = [read(ROOT / "nbs" / f"{name}.ipynb") for name in ("05_chain", "08_delta", "lib_08_network")]
    assert reference.used_in(books[:1]) == "Used in chapter :doc:`5 </nbs/05_chain>`."
    assert reference.used_in(books).startswith("Used in chapters :doc:`5 </nbs/05_chain>` and :doc:`8 </nbs/08_delta>`, and in :doc:`")


@pytest.mark.slow
def test_signatures_stand_as_the_source_has_them():
    found = 0
    for page in (ROOT / "_build" / "html" / "reference").glob("*.html"):
        for signature in BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").select("dt.sig"):
            found += 1
            text = signature.get_text()
            assert not re.search(r"[<~]| at 0x", text), f"{page.stem}: what Python says of an object is no default: {text[:200]}"
    assert found > 200
