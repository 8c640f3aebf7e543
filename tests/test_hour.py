"Backprop in an hour: what a reader has to read, and what the page says of a wrong line."

import contextlib
import io

import pytest
from chapters import Session, at_home
from test_page import SITE

from book import reading
from book.notebooks import NOTEBOOKS, read

HOUR = read(NOTEBOOKS / "tour_hour.ipynb")
WORDS = 4500


@pytest.mark.slow
def test_it_is_read_in_an_hour():
    "Everything counts here, what is folded and what is printed too."
    found = reading.measure(SITE / "nbs" / "tour_hour.html")
    steps = sum(cell.kind == "code" and not cell.has("hide") and ("echo", "false") not in cell.directives for cell in HOUR.cells)
    print(f"{found.words}: {sum(found.words.values()):,} words, {steps} cells to read or run")
    assert sum(found.words.values()) <= WORDS
    assert found.longest <= reading.LONGEST
    assert found.idea <= reading.IDEA


@pytest.fixture(scope="module")
def page():
    "The names of the page, up to the digits."
    session = Session(HOUR)
    with at_home(), contextlib.redirect_stdout(io.StringIO()):
        for index, cell in enumerate(HOUR.cells):
            if "X_train" in cell.source:
                return session.namespace
            if cell.runs:
                session.run(index)


@pytest.mark.parametrize(
    ("delta", "gradient", "names"),
    [
        ("slope(a) * (W_above.T @ delta_above)", "np.outer(delta, z)", ()),
        ("W_above.T @ delta_above", "np.outer(delta, z)", ("no slope",)),
        ("-slope(a) * (W_above.T @ delta_above)", "-np.outer(delta, z)", None),
        ("slope(a) * (W_above.T @ delta_above)", "np.outer(delta, np.ones_like(z))", None),
    ],
)
def test_the_readers_lines_are_judged(page, delta, gradient, names):
    "Names of mistakes where one is told; None where it is enough that the lines are refused."
    mine = eval(f"backward_from(lambda W_above, delta_above, a: {delta}, lambda delta, z: {gradient})", page)
    found = page["diagnose"](mine)
    assert bool(found) is (names == ()) and (names is None or found.names == names)
