"""Every notebook runs from top to bottom with the library's own requirements.

`test_oldest.py` asks this of the oldest packages; nbdev_test runs the notebooks with the newest ones, in IPython.
All modules are imported first: an engine room that changed an object of a chapter would show in the chapter's checks.
"""

import importlib
from unittest.mock import patch

import pytest
from chapters import at_home, run

from book.notebooks import read_all
from dlnbook.page import Slider, frame_html, slider


for notebook in read_all():
    if notebook.module:
        importlib.import_module(notebook.module.removesuffix(".__init__"))


def frames(draw, sliders):
    "The first frame of an explorable and the last."
    made = {name: each if isinstance(each, Slider) else slider(each) for name, each in sliders.items()}
    return [frame_html(draw, {name: each.values[end] for name, each in made.items()}) for end in (0, -1)]


@pytest.mark.slow
@pytest.mark.parametrize("book", read_all(), ids=lambda book: book.name)
def test_it_runs(book):
    "And at its end an explorable draws what it drew before: a reader moves a slider when all cells have run."
    seen = []
    with patch("dlnbook.page.explore", lambda draw, **sliders: seen.append((draw, sliders, frames(draw, sliders)))):
        run(book)
    with at_home():
        for draw, sliders, before in seen:
            assert frames(draw, sliders) == before, draw
