"The book's signature: every displayed equation is a definition or is run, and every check notices a mistake."

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from failures import alike

from book import hunt
from book.notebooks import Catch, read_all

BOOKS = read_all()
CHECKED = [book for book in BOOKS if any(cell.checks or cell.catches for cell in book.cells)]


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_every_displayed_equation_is_labeled(book):
    assert not book.loose_dollars, "a displayed equation is not on lines of its own"
    for label, formula in book.equations:
        assert label and label.startswith(("eq-", "def-")), f"no label eq-… or def-…: {formula}"


def test_labels_are_unique():
    labels = [label for book in BOOKS for label, _ in book.equations]
    assert len(labels) == len(set(labels)), sorted(label for label in labels if labels.count(label) > 1)


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_every_label_has_a_check_and_every_check_a_label(book):
    labels = {label for label, _ in book.equations if label.startswith("eq-")}
    checked = [label for cell in book.cells for label in cell.checks]
    assert labels == set(checked)


@pytest.mark.parametrize("book", CHECKED, ids=lambda book: book.name)
def test_at_least_one_catch_an_equation_and_few_equations_a_check(book):
    for cell in book.cells:
        assert len(cell.checks) <= 3, f"one check for {cell.checks}"
        assert len(cell.catches) >= len(cell.checks), f"{cell.checks} has {len(cell.catches)} catches"


@pytest.mark.slow
@pytest.mark.parametrize("book", CHECKED, ids=lambda book: book.name)
def test_every_check_catches_its_mistakes(book):
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    done = subprocess.run([sys.executable, "-m", "chapters", book.name], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == len({(catch.old, catch.new) for cell in book.cells for catch in cell.catches})
    escaped = {mistake: came["instead"] for mistake, came in found.items() if "instead" in came}
    assert not escaped
    kept = hunt.recorded().get(book.name, {})
    changed = {mistake: found[mistake] for mistake, words in kept.items() if not alike(str(words), str(found[mistake]))}
    assert not changed, f"python -m chapters --record {book.name}, in tests/"


def test_an_ambiguous_or_absent_catch_is_refused():
    book = CHECKED[0]
    last = len(book.cells)
    for text in ("a text that stands nowhere", "="):
        with pytest.raises(ValueError, match="exactly once"):
            book.place_of(last, Catch(text, "anything"))
