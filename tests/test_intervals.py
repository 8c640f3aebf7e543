"Intervals beside SciPy's, for few samples and for many; what the winner of many has claimed; bad input."

import math

import numpy as np
import pytest
from scipy import stats

from dlnbook import intervals
from dlnbook.intervals import expected_largest, mean_interval, paired_difference, student_quantile, wilson_interval


@pytest.mark.parametrize("right, samples", [(0, 1), (1, 1), (0, 30), (7, 9), (97, 100), (1000, 1000), (123456, 10**6)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_wilson_is_scipy_s(right, samples, level):
    z = float(stats.norm.isf((1 - level) / 2))
    peer = stats.binomtest(right, samples).proportion_ci(level, method="wilson")
    assert wilson_interval(right, samples, z) == pytest.approx((peer.low, peer.high), rel=1e-10, abs=1e-12)


FREEDOMS = [1, 2, 3, 4, 9, 30, 200, 1000, 10**4, 10**6, 10**9, 10**12]


@pytest.mark.parametrize("freedom", FREEDOMS)
@pytest.mark.parametrize("probability", [1e-30, 1e-5, 0.001, 0.3, 0.5, 0.9, 0.975, 0.99995, 1 - 1e-16])
def test_quantiles_are_scipy_s(probability, freedom):
    assert student_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_quantiles_give_their_probability_back(freedom):
    "Far out, where SciPy's quantile is infinite, its tail still is a number."
    for probability in (1e-250, 1e-40, 1e-3, 0.25):
        assert stats.t.sf(-student_quantile(probability, freedom), freedom) == pytest.approx(probability, rel=1e-9)
        assert student_quantile(1 - 0.25, freedom) == -student_quantile(0.25, freedom)


def test_no_freedom_takes_for_ever_and_many_are_normal():
    "A sum with as many terms as the freedom would not end."
    for freedom in (1, 10**3, 10**6, 10**18, 10**300):
        found = student_quantile(0.9, freedom)
    assert found == pytest.approx(stats.norm.ppf(0.9), rel=1e-13)
    z, nu = stats.norm.ppf(0.99), 10**5
    assert student_quantile(0.99, nu) - z == pytest.approx((z**3 + z) / (4 * nu), rel=1e-4)


def test_beyond_all_floats_is_infinite():
    assert student_quantile(1e-310, 1) == -math.inf and student_quantile(5e-324, 10**6) == pytest.approx(-38.5, abs=0.1)


def test_mean_interval_is_scipy_s():
    values = np.random.default_rng(0).gamma(1, size=7)
    for level in (0.5, 0.95, 0.999):
        mean, half = mean_interval(values, level)
        peer = stats.t.interval(level, 6, values.mean(), stats.sem(values))
        assert (mean - half, mean + half) == pytest.approx(peer, rel=1e-12)
    assert mean_interval([3, 3]) == (3.0, 0.0) and mean_interval(np.array([True, False]))[0] == 0.5


def test_paired_difference_is_scipy_s():
    rng = np.random.default_rng(0)
    for V in (2, 3, 50):
        a, b = rng.gamma(1, size=(2, V))
        difference, error = paired_difference(a, b)
        assert difference == pytest.approx(a.mean() - b.mean())
        assert difference / error == pytest.approx(stats.ttest_rel(a, b).statistic)
        single = paired_difference(a.astype(np.float32), b.astype(np.float32))
        assert single == pytest.approx((difference, error), rel=1e-5, abs=1e-6) and type(single[0]) is float


def test_paired_difference_of_whole_and_true_numbers():
    assert paired_difference([1, 0, 1, 1], [0, 0, 1, 0]) == pytest.approx((0.5, math.sqrt(1 / 3 / 4)))
    assert paired_difference(np.array([True, False]), np.array([False, False]))[0] == 0.5
    assert paired_difference(np.array([1, 2], np.uint8), np.array([3, 4], np.uint8)) == (-2.0, 0.0)


@pytest.mark.parametrize("candidates", [1, 2, 7, 100, 10**5])
def test_the_largest_of_many_is_quadrature_s(candidates):
    from scipy.integrate import quad

    peer = quad(lambda x: x * candidates * stats.norm.cdf(x) ** (candidates - 1) * stats.norm.pdf(x), -9, 12, epsabs=1e-12, limit=200)[0]
    assert expected_largest(candidates) == pytest.approx(peer, abs=1e-10)


def test_the_largest_of_very_many_is_near_its_bound():
    for power in (12, 60, 300):
        bound = math.sqrt(2 * power * math.log(10))
        assert 0.9 * bound < expected_largest(10**power) < bound


GOOD = {
    wilson_interval: {"right": 3, "samples": 5, "z": 1.96},
    student_quantile: {"probability": 0.9, "freedom": 3},
    mean_interval: {"values": [1.0, 2.0], "level": 0.95},
    paired_difference: {"first": [1.0, 2.0], "second": [0.5, 1.0]},
    expected_largest: {"candidates": 3},
}
COUNTS = [(-2, ValueError, "at least"), (2.0, TypeError, "integer"), (True, TypeError, "integer"), ("2", TypeError, "integer"), (None, TypeError, "integer")]
NUMBERS = [(math.nan, ValueError, "finite"), (math.inf, ValueError, "finite"), (-1.0, ValueError, ""), ("1", TypeError, "number"), (1j, TypeError, "number"), (True, TypeError, "number")]
ARRAYS = [([1.0, math.nan], ValueError, "finite"), ([1.0, math.inf], ValueError, "finite"), ([1j, 2j], TypeError, "real"), (["a", "b"], TypeError, "real numbers"),
          ([[1.0, 2.0]], ValueError, "shape"), ([], ValueError, ""), (1.0, ValueError, "shape"), (np.ma.masked_equal([1.0, 2.0], 2.0), TypeError, "mask")]  # fmt: skip
BAD = [
    *((f, name, *row) for f, name in ((wilson_interval, "right"), (wilson_interval, "samples"), (student_quantile, "freedom"), (expected_largest, "candidates")) for row in COUNTS),
    *((f, name, 0, ValueError, "at least 1") for f, name in ((wilson_interval, "samples"), (student_quantile, "freedom"), (expected_largest, "candidates"))),
    *((f, name, 10**400, ValueError, "at most") for f, name in ((wilson_interval, "samples"), (student_quantile, "freedom"), (expected_largest, "candidates"))),
    *((f, name, *row) for f, name in ((wilson_interval, "z"), (student_quantile, "probability"), (mean_interval, "level")) for row in NUMBERS),
    *((f, name, value, ValueError, "above 0 and below 1") for f, name in ((student_quantile, "probability"), (mean_interval, "level")) for value in (0, 1)),
    (wilson_interval, "z", 0.0, ValueError, "positive"),
    (wilson_interval, "right", 6, ValueError, "at most 5"),
    *((f, name, *row) for f, name in ((paired_difference, "first"), (paired_difference, "second"), (mean_interval, "values")) for row in ARRAYS),
    *((f, name, [1.0], ValueError, "at least two samples") for f, name in ((paired_difference, "first"), (mean_interval, "values"))),
    (paired_difference, "second", [1.0, 2.0, 3.0], ValueError, "(2,)"),
]  # fmt: skip


@pytest.mark.parametrize("function, parameter, value, error, words", BAD, ids=[f"{row[0].__name__}-{row[1]}-{i}" for i, row in enumerate(BAD)])
def test_bad_input_is_refused(function, parameter, value, error, words):
    function(**GOOD[function])
    with pytest.raises(error) as caught:
        function(**(GOOD[function] | {parameter: value}))
    message = str(caught.value)
    assert words in message and message.startswith(f"{parameter}: expected")


def test_every_parameter_has_a_row():
    assert set(GOOD) == {getattr(intervals, name) for name in intervals.__all__}
    for function, arguments in GOOD.items():
        assert set(arguments) == {row[1] for row in BAD if row[0] is function}
