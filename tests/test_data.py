"Scalings and splits: the right digits wherever the numbers lie, and statistics that outlive their samples."

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from dlnbook import data, files
from dlnbook.data import Scaling, split, standardize

LARGEST = np.finfo(float).max


def in_fractions(column):
    "A column after standardization, computed without rounding up to the root."
    exact = [Fraction(float(x)) for x in column]
    mean = sum(exact) / len(exact)
    variance = sum((x - mean) ** 2 for x in exact) / len(exact)
    # the quotient's square is a fraction; its root is taken at the end
    return [0.0 if variance == 0 else float(np.sign(float(np.sign(x - mean)))) * float((x - mean) ** 2 / variance) ** 0.5 for x in exact]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(arrays_of.arrays(np.float64, st.integers(1, 6), elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_any_column_is_standardized_to_the_last_digits(column):
    with np.errstate(all="raise", under="ignore"):
        (found,) = standardize(column[:, None])
    np.testing.assert_allclose(found[:, 0], in_fractions(column), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("pair", [[1e15, 1e15 + 0.125], [1.0, 1 + 2**-52], [-LARGEST, LARGEST], [0, 5e-324], [5e-324, 1e-323], [1e308, 1e308 * (1 + 1e-15)]])
def test_two_numbers_are_one_below_and_one_above(pair):
    for dtype in (np.float64, np.longdouble):
        assert standardize(np.array([pair], dtype).T)[0].tolist() == [[-1], [1]]


def test_a_scaling_remembers():
    rng = np.random.default_rng(0)
    train, test = rng.normal(1e6, 3, (50, 4)), rng.normal(1e6, 3, (7, 4))
    train[:, 2] = 5
    scaling = Scaling.of(train)
    first, second = standardize(train, test)
    assert np.array_equal(scaling(train), first) and np.array_equal(scaling(test), second)
    assert np.array_equal(scaling(test[3]), second[3]) and scaling(test[3].tolist()).shape == (4,)
    np.testing.assert_allclose(scaling.mean, train.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(scaling.spread, train.std(axis=0), rtol=1e-9, atol=1e-300)
    assert scaling(test.astype("f")).dtype == np.float32 and scaling(np.ones((2, 4), int)).dtype == np.float64
    for again in (pickle.loads(pickle.dumps(scaling)), copy.deepcopy(scaling), Scaling(scaling.parts), Scaling.of(train.tolist())):
        assert again == scaling and np.array_equal(again(test), second)
    assert scaling != Scaling.of(train + 1) and scaling != "scaling" and repr(scaling) == "Scaling of 4 columns"
    with pytest.raises(TypeError):
        hash(scaling)
    with pytest.raises(ValueError, match="read-only"):
        scaling.parts[0] = 0
    train[:] = 0
    assert np.array_equal(scaling(test), second)


def test_scaling_and_names_in_a_file(tmp_path):
    scaling, names = Scaling.of([[1.0, 2.0], [3.0, 2.0]]), np.array(["cat", "dög"])
    for some in ((scaling, names), (scaling, None), (None, names), (None, None)):
        files.save_arrays(tmp_path / "x", "test", 1, data._packed(*some))
        found = data._unpacked(files.load_arrays(tmp_path / "x", "test", 1)[0], N=2, K=2)
        assert found[0] == some[0] and (found[1] is some[1] or found[1].tolist() == names.tolist())


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"scaling": np.ones((3, 2))}, "parts: expected shape (4, N)"),
        ({"scaling": np.ones((4, 3))}, "scaling: expected one of 2 columns, got a Scaling of 3 columns"),
        ({"scaling": -np.ones((4, 2))}, "parts: expected half ranges"),
        ({"scaling": np.full((4, 2), np.nan)}, "parts: expected finite numbers"),
        ({"scaling": np.ones((4, 2)) + 0j}, "parts: expected real numbers"),
        ({"classes": np.array(["a", "b", "c"])}, "classes: expected 2 names"),
        ({"classes": np.array(["a", "a"])}, "classes: expected different names"),
        ({"classes": np.array([1.0, 2.0])}, "classes: expected strings, integers or bools"),
        ({"classes": np.array("ab")}, "classes: expected"),
    ],
)
def test_what_does_not_fit_is_refused(arrays, said):
    with pytest.raises((TypeError, ValueError)) as refused:
        data._unpacked(arrays, N=2, K=2)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize("names", [["a", 1], ["a", None], "ab", {"a", "b"}, 3, [1.5, 2.5], [["a"], ["b"]]])
def test_names_are_of_one_kind(names):
    with pytest.raises((TypeError, ValueError), match="^classes: expected"):
        data.class_names.check(names, "classes", {"K": 2})


def test_rows_that_do_not_fit_a_scaling():
    scaling = Scaling.of([[1.0, 2.0], [1.0 + 1e-9, 3.0]])
    for X, said in ((np.ones(3), "(2,)"), (np.ones((2, 3)), "(M, 2)"), ([[1e308, 1.0]], "stay finite"), ([[np.nan, 1]], "finite"), ([["a", "b"]], "numbers")):
        with pytest.raises((TypeError, ValueError), match="^X: expected") as refused:
            scaling(X)
        assert said in str(refused.value)
    with pytest.raises(ValueError, match="^others: expected numbers that stay finite"):
        standardize([[1.0], [1 + 1e-9]], [[1e308]])


def test_split_tells_who_brings_labels_first():
    X, labels = np.arange(20.0).reshape(10, 2), np.arange(10) % 2
    for first in (labels, labels.tolist()):
        with pytest.raises(ValueError, match="^X: expected shape .* then their labels$"):
            split(first, X)
    assert "scikit-learn" in split.__doc__
