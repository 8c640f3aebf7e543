"Every notebook runs from top to bottom with the library's own requirements (nbdev_test does the same in IPython)."

import pytest
from chapters import run

from book.notebooks import read_all


@pytest.mark.slow
@pytest.mark.parametrize("book", read_all(), ids=lambda book: book.name)
def test_it_runs(book):
    run(book)
