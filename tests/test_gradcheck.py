"The three verdicts of check_gradient: right only on evidence, wrong only beyond it, can't tell with a reason."

import math
import warnings

import numpy as np
import pytest

from dlnbook import loss
from dlnbook.gradcheck import check_gradient

ALL = {"directions": 0, "coordinates": None}
LINES = {"directions": 4, "coordinates": 0}
ASKED = pytest.mark.parametrize("asked", [{}, ALL, LINES], ids=["both", "coordinates", "directions"])
FORMATS = pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])


def judged(f, gradient, parameters, **asked):
    "The report, with the promises that hold for each of them checked on the way."
    before = [np.array(each) for each in parameters]
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        report = check_gradient(f, gradient, parameters, rng=0, **asked)
    assert report.verdict in ("right", "wrong", "can't tell")
    assert bool(report) is report.ok is (report.verdict == "right")
    assert bool(report.reason) is (report.verdict == "can't tell")
    assert all(np.array_equal(old, new) for old, new in zip(before, parameters))
    if report:
        assert report.raise_if_failed() is report
    else:
        with pytest.raises(AssertionError) as refused:
            report.raise_if_failed()
        assert report.reason in str(refused.value)
        assert ("CAN'T TELL" in str(refused.value)) is (report.verdict == "can't tell")
    return report


@ASKED
@pytest.mark.parametrize("place", [1.0, 1e-2, 1e-5, 5e-6, 2e-6, 1e-12, 1e-200, 1e200])
@pytest.mark.parametrize("log", [lambda p: np.log(p[0]).sum(), lambda p: math.log(p[0][0])], ids=["numpy", "math"])
def test_a_step_is_small_beside_a_small_parameter(log, place, asked):
    assert judged(log, [[1 / place]], [[place]], **asked).verdict == "right"
    for factor in (1.05, 1.001, -1, 0):
        assert judged(log, [[factor / place]], [[place]], **asked).verdict == "wrong"


@ASKED
def test_small_parameters_among_others(asked):
    def f(p):
        return np.log(p[0][0]) + (p[0] ** 2).sum() + np.sqrt(p[1]).sum()

    at = [np.array([2e-6, 0.7, -3.0]), np.array([1e-9, 2.0])]
    right = [2 * at[0] + [1 / at[0][0], 0, 0], 0.5 / np.sqrt(at[1])]
    assert judged(f, right, at, **asked).verdict == "right"
    for array, entry in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1)):
        wrong = [each.copy() for each in right]
        wrong[array][entry] *= 1.05
        if asked is not LINES or (array, entry) == (0, 0):  # the largest slope hides the others
            report = judged(f, wrong, at, **asked)
            assert report.verdict == "wrong"
            if asked is not LINES:
                assert (report.array, report.index) == (array, (entry,))


@ASKED
@pytest.mark.parametrize("dtype, loss_size", [(np.float64, 1e12), (np.float64, 1e16), (np.float32, 1e5), (np.float32, 1e8)])
def test_a_slope_below_the_rounding_of_the_loss_cannot_be_told(dtype, loss_size, asked):
    at = np.ones(3, dtype)
    for factor in (0, 1, 2, 3):
        report = judged(lambda p: (p[0] ** 2).sum() + dtype(loss_size), [factor * at], [at], **asked)
        assert report.verdict == "can't tell" and "would pass" in report.reason
    largest = dtype(loss_size) * at  # this one is beyond all rounding
    assert judged(lambda p: (p[0] ** 2).sum() + dtype(loss_size), [largest], [at], **asked).verdict == "wrong"


@ASKED
@FORMATS
def test_every_format_is_judged_by_its_own_rounding(dtype, asked):
    at = (np.array([1, 2, -3, 0.25], dtype) / dtype(3)).astype(dtype)
    report = judged(lambda p: (p[0] ** 3).sum(), [3 * at**2], [at], **asked)
    assert report.verdict == "right" and report.dtype == ("float32" if dtype is np.float32 else "float64")
    assert judged(lambda p: (p[0] ** 3).sum(), [3.1 * at**2], [at], **asked).verdict == "wrong"
    only_result = judged(lambda p: np.longdouble((p[0] ** 3).sum()), [3 * at**2], [at], **asked)
    assert only_result.verdict == "right"


@ASKED
@pytest.mark.parametrize("inputs", [10**3, 10**5])
def test_zeros_never_pass_for_the_gradient_of_many_parameters(inputs, asked):
    asked = asked | ({"coordinates": 16} if asked is ALL else {})
    x = np.random.default_rng(1).standard_normal(inputs)
    for dtype in (np.float32, np.float64):
        xd = x.astype(dtype)
        f, right, at = lambda p: dtype(2.3) + np.mean(p[0] * xd), xd / dtype(inputs), np.zeros(inputs, dtype)
        assert judged(f, [right], [at], **asked).verdict == ("can't tell" if dtype is np.float32 else "right")
        assert not judged(f, [0 * right], [at], **asked)
        assert not judged(f, [dtype(1.1) * right], [at], **asked)
        few = inputs == 1000  # a float32 gradient is allowed a millionth of the loss
        assert judged(f, [right], [at], promote=True, **asked).verdict == ("right" if few or dtype is np.float64 else "can't tell")


@ASKED
def test_flat_places_are_right_where_the_function_has_a_size(asked):
    zero = [np.zeros(3)]
    for f in (
        lambda p: (p[0] ** 2).sum(),
        lambda p: (p[0] ** 2).sum() + 3,
        lambda p: (p[0] ** 3).sum(),
        lambda p: 5.0,
        lambda p: 0.0,
    ):
        assert judged(f, zero, [np.zeros(3)], **asked).verdict == "right"
    assert judged(lambda p: 5.0, [np.full(3, 1e-12)], [np.zeros(3)], **asked).verdict == "can't tell"
    assert judged(lambda p: 5.0, [np.full(3, 1e-3)], [np.zeros(3)], **asked).verdict == "wrong"


@ASKED
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("distance", [1.0, 1e-3, 1e-9, 1e-12, -1e-3, -1e-9])
def test_beside_a_kink(distance, dtype, asked):
    def hinge(p):
        return np.maximum(0, p[0]).sum() + p[1].sum()

    at = [np.full(2, distance, dtype), np.ones(2, dtype)]
    right = [np.full(2, distance > 0, dtype), np.ones(2, dtype)]
    wrong = [np.full(2, distance < 0, dtype), np.ones(2, dtype)]
    if abs(distance) >= (1e-9 if dtype is np.float64 else 1e-3):
        assert judged(hinge, right, at, **asked).verdict == "right"
    assert not judged(hinge, wrong, at, **asked)


def test_at_a_kink_the_report_says_so():
    report = judged(lambda p: np.maximum(0, p[0]).sum(), [np.zeros(2)], [np.zeros(2)])
    assert report.verdict == "wrong" and report.kink and "likely a kink" in str(report)


@ASKED
def test_no_finite_value_beside_the_parameters(asked):
    for f in (lambda p: np.sqrt(p[0]).sum(), lambda p: float(p[0][0] / (p[0][0] >= 0)), lambda p: 1 / int(p[0][0] >= 0)):
        report = judged(f, [np.zeros(1)], [np.zeros(1)], **asked)
        assert report.verdict == "can't tell" and "not finite" in report.reason and math.isnan(report.numeric)
    largest = np.finfo(float).max
    assert judged(lambda p: p[0].sum(), [np.ones(1)], [np.full(1, largest)], **asked).verdict == "can't tell"


def test_a_question_without_an_answer_is_never_dropped():
    def f(p):
        return np.sqrt(p[0]).sum() + p[1] @ p[1]

    at = [np.zeros(1), np.ones(3)]
    assert judged(f, [np.zeros(1), 2 * at[1]], at).verdict == "can't tell"
    assert judged(f, [np.zeros(1), 3 * at[1]], at).verdict == "wrong"  # another question convicts
    asked = judged(lambda p: np.log(p[0]).sum(), [[1 / 2e-6, 1.0]], [[2e-6, 1.0]])
    assert asked.verdict == "right"


@ASKED
def test_a_wave_finer_than_the_steps_cannot_be_told(asked):
    place, k = 0.1234, 4e10
    report = judged(lambda p: np.sin(k * p[0]).sum(), [[k * np.cos(k * place)]], [[place]], **asked)
    assert report.verdict == "can't tell" and "depends on the step" in report.reason


@ASKED
def test_a_tolerance_of_ones_own_does_not_let_zeros_pass(asked):
    for claimed in (0.0, 2.0):
        report = judged(lambda p: (p[0] ** 2).sum() + 1e4, [[claimed]], [[1.0]], tolerance=1e-3, **asked)
        assert report.verdict == "can't tell"
    assert judged(lambda p: (p[0] ** 2).sum(), [[2.1]], [[1.0]], tolerance=0.1, **asked).verdict == "right"


def test_a_functions_own_mistakes_still_come_out():
    with pytest.raises(ValueError, match="^f: expected a finite number"):
        check_gradient(lambda p: np.nan, [[1.0]], [[1.0]])
    with pytest.raises(ZeroDivisionError):
        check_gradient(lambda p: 1 / 0, [[1.0]], [[1.0]])
    with pytest.raises(TypeError, match="^f: expected one number"):
        check_gradient(lambda p: p[0], [[1.0, 2.0]], [[1.0, 2.0]])


@ASKED
def test_the_books_own_gradients_are_right(asked):
    rng = np.random.default_rng(3)
    X, T = rng.standard_normal((20, 6)), loss.one_hot(rng.integers(3, size=20), 3)
    for size in (1e-8, 1e-3, 1.0, 5.0):
        at = [size * rng.standard_normal((3, 6)), size * rng.standard_normal(3)]

        def f(p):
            return loss.cross_entropy(loss.linear_scores(*p, X), T).mean()

        right = loss.linear_gradient(*at, X, T)
        assert judged(f, right, at, **asked).verdict == "right"
        assert judged(f, [1.01 * each for each in right], at, **asked).verdict == "wrong"


@ASKED
def test_the_near_direction_hides_no_mistake(asked):
    at = [np.array([1e-9, 1.0])]
    for factor in ([2, 1], [1, 2], [1.001, 1], [0, 1]):
        assert judged(lambda p: p[0].sum(), [np.array(factor, float)], at, **asked).verdict == "wrong"
