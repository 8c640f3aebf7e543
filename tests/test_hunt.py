"The bug hunt: each is a catch of its chapter, in one line, with what its check said; and the page plays it."

import pytest

from book import hunt
from book.notebooks import chapters, read_all

BOOKS = [book for book in read_all() if any(cell.has("hunt") for cell in book.cells)]


@pytest.mark.parametrize("book", chapters(), ids=lambda book: book.name)
def test_a_chapter_has_two(book):
    assert len(hunt.hunts(book)) >= 2


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_each_is_a_catch_in_one_line_with_its_record(book):
    found = hunt.hunts(book)  # a line that differs, exactly: `hunts` refuses all else
    recorded = hunt.recorded()[book.name]
    assert list(recorded) == list(dict.fromkeys(recorded)) and set(recorded) == {each.key for each in found}
    for each in found:
        assert each.catch in book.cells[each.check].catches
        assert each.lines[each.place] != each.wrong and each.lines[each.place].strip(), "a line to click on"
        assert sum(bool(line.strip()) for line in each.lines) >= 3, "lines to choose from"
        assert all(recorded[each.key].values())
