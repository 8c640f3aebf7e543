"Winners and rivals, points of a grid, the range test; bad input; the kept results."

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from scipy import stats

from benchmarks import hyperparameters as benchmark
from dlnbook import hyperparameters
from dlnbook.fitting import fit
from dlnbook.hyperparameters import RangeTest, grid_points, log_scale, range_test, rivals, score_table, spread, winner
from dlnbook.network import Network
from dlnbook.optimizers import Adam, Momentum

X = np.random.default_rng(0).normal(size=(40, 3))
y = (X[:, 0] * X[:, 1] > 0).astype(int)


# winners and rivals


def test_the_list_of_rivals_misses_the_best_as_seldom_as_promised():
    rng = np.random.default_rng(0)
    for level, S in ((0.95, 5), (0.8, 3)):
        missed = 0
        for _ in range(1000):
            truth = np.r_[0.0, 0.2 * rng.random(7)]
            missed += 0 not in rivals(truth[:, None] + rng.normal(size=(8, S)) + 3 * rng.normal(size=S), level)
        assert missed / 1000 < 1 - level + 3 * math.sqrt(level * (1 - level) / 1000)


@pytest.mark.parametrize("C, S, level", [(2, 2, 0.95), (3, 5, 0.9), (8, 4, 0.99)])
def test_a_rival_is_one_by_a_paired_test_of_scipy_s(C, S, level):
    rng = np.random.default_rng(C)
    for _ in range(50):
        scores = rng.normal(size=(C, S)) + 2 * rng.random((C, 1))
        best = winner(scores)
        p = [1.0 if i == best else stats.ttest_rel(scores[i], scores[best], alternative="greater").pvalue for i in range(C)]
        assert sorted(rivals(scores, level)) == [i for i in range(C) if p[i] >= (1 - level) / (C - 1)]
        assert rivals(scores, level)[0] == best


def test_failures_are_no_rivals():
    inf = math.inf
    assert rivals([[1.0, inf], [1.0, 1.1], [inf, inf]]) == [1] and winner([[1.0, inf], [1.0, 1.1]]) == 1
    assert rivals([[1, 2]]) == [0] and winner([[3], [1], [1]]) == 1


def test_nothing_handed_in_is_changed():
    scores = np.arange(6.0).reshape(3, 2)
    assert rivals(scores) == rivals(scores.tolist()) and (scores.ravel() == np.arange(6)).all()


def test_a_table_of_scores_is_in_order():
    seen = []
    found = score_table(lambda candidate, seed: seen.append((candidate, seed)) or 10 * candidate + seed, (1, 2), range(3))
    assert found.tolist() == [[10, 11, 12], [20, 21, 22]] and seen == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]


# points


def test_points_of_a_grid():
    assert grid_points([2, 3], [0.5, 0.5]).tolist() == [[x, y] for x in (0.25, 0.75) for y in (1 / 6, 0.5, 2.5 / 3)]
    assert grid_points([4], [0.0]).ravel().tolist() == spread(4, 0).tolist() == [0, 0.25, 0.5, 0.75]
    assert [log_scale(u, 0.01, 100) for u in (0, 0.5, 1)] == pytest.approx([0.01, 1, 100])


# the range test


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_range_test_is_a_training_with_these_rates(dtype):
    network = Network((3, 8, 2), rng=np.random.default_rng(2), dtype=dtype)
    before = network.parameters.copy()
    test = range_test(network, X, y, low=0.01, high=1, steps=10, batch_size=8, rng=np.random.default_rng(3), optimizer=Momentum(0.5))
    assert np.array_equal(network.parameters, before)
    np.testing.assert_allclose(test.etas, np.geomspace(0.01, 1, 10))
    rates, losses = iter(test.etas), []
    schedule = lambda clock: next(rates)
    fit(network, X, y, epochs=2, batch_size=8, eta=schedule, rng=np.random.default_rng(3), optimizer=Momentum(0.5), progress=False)
    rng, network = np.random.default_rng(3), Network((3, 8, 2), rng=np.random.default_rng(2), dtype=dtype)
    ball = Momentum(0.5)
    state = ball.start(network.parameters)
    for epoch in range(2):
        order = rng.permutation(40)
        for i in range(5):
            rows = order[8 * i : 8 * i + 8]
            losses.append(network.loss(X[rows], y[rows]))
            ball.step(network.parameters, network.gradient(X[rows], y[rows]), test.etas[5 * epoch + i], state)
    np.testing.assert_allclose(test.losses, losses, rtol=1e-9 if dtype == np.float64 else 1e-3)


def test_smoothed_losses_and_the_end_are_read_off_the_definition():
    "Steps so small that the losses go past four times the least and end well below five."
    test = range_test(Network((3, 8, 2), rng=np.random.default_rng(2)), X, y, low=0.1, high=1e5, steps=2000, batch_size=8, rng=3, smoothing=0.8)
    weights = [0.8 ** np.arange(i, -1.0, -1.0) for i in range(len(test.losses))]
    expected = [w @ test.losses[: len(w)] / w.sum() for w in weights]
    np.testing.assert_allclose(test.smoothed, expected, rtol=1e-12)
    beyond = test.smoothed / np.minimum.accumulate(test.smoothed)
    assert (beyond[:-1] <= 4).all() and 4 < beyond[-1] < 5 and test.losses.max() > 4 * test.smoothed.min()
    assert test.lowest == test.etas[test.smoothed.argmin()] and test.suggestion == pytest.approx(test.lowest / 3, rel=0.05)
    with pytest.raises(FrozenInstanceError):
        test.etas = test.losses


def test_a_range_test_that_starts_beyond_the_format_ends_with_its_first_loss():
    network = Network((3, 8, 2), rng=np.random.default_rng(2))
    network.parameters *= 1e160
    test = range_test(network, X, y, low=0.01, rng=3)
    assert test.losses.tolist() == test.smoothed.tolist() == [math.inf] and test.edge == pytest.approx(0.01)


def test_a_range_test_that_blows_up_ends_quietly():
    test = range_test(Network((3, 8, 2), rng=np.random.default_rng(2)), 100 * X, y, low=1, high=1e9, rng=np.random.default_rng(3))
    assert len(test.etas) < 200 and test.edge == test.etas[-1] >= test.lowest and math.isfinite(test.suggestion)


def test_a_range_test_takes_any_optimizer_and_price():
    from dlnbook.regularization import L2

    start, how = Network((3, 8, 2), rng=np.random.default_rng(2)), dict(low=1e-3, high=0.1, steps=8, batch_size=8)
    tests = [range_test(start, X, y, rng=seed, **how, **more) for seed in (3, 4) for more in ({}, {"optimizer": Adam()}, {"penalty": L2(0.1)})]
    assert len({test.losses[-1] for test in tests}) == 6 and tests[0].losses[0] != tests[3].losses[0]
    assert tests[0].losses.tolist() == range_test(start, X, y, rng=np.random.default_rng(3), optimizer=Momentum(0.0), **how).losses.tolist()


def test_what_is_left_out():
    "A range test over five powers of ten takes some forty steps for each."
    start = Network((3, 8, 2), rng=np.random.default_rng(2))
    short, long = range_test(start, X, y, rng=3), range_test(start, X, y, rng=3, low=1e-4, high=10, steps=200, batch_size=32, smoothing=0.9)
    assert all(np.array_equal(getattr(short, name), getattr(long, name)) for name in ("etas", "losses", "smoothed"))
    assert short != long  # there is no equality of many numbers
    scores = np.random.default_rng(0).normal(size=(8, 4))
    assert rivals(scores) == rivals(scores, 0.95) and spread(3).tolist() == spread(3, 0.5).tolist()


# bad input


RNG = np.random.default_rng(0)
SCORES = [[1.0, 2.0], [2.0, 4.0]]
GOOD = {
    score_table: {"train": lambda candidate, seed: seed, "candidates": [1, 2], "seeds": [0]},
    winner: {"scores": SCORES},
    rivals: {"scores": SCORES, "level": 0.95},
    log_scale: {"u": 0.5, "low": 0.1, "high": 1.0},
    spread: {"points": 2, "shift": 0.5},
    grid_points: {"points": [2, 3], "shifts": [0.5, 0.5]},
    range_test: {"network": Network((3, 4, 2), rng=np.random.default_rng(0)), "X": X, "y": y, "low": 0.1, "high": 1.0, "steps": 5, "batch_size": 8, "rng": RNG,
                 "optimizer": None, "penalty": None, "smoothing": 0.9},
}  # fmt: skip
NUMBERS = [(math.nan, ValueError, "finite"), (math.inf, ValueError, "finite"), ("1", TypeError, "number"), (True, TypeError, "number")]
POSITIVE = [(0, ValueError, "positive"), (-1.0, ValueError, "positive")]
COUNTS = [(2.0, TypeError, "integer"), (True, TypeError, "integer"), ("2", TypeError, "integer"), (-3, ValueError, "at least")]
BAD = [
    *((f, name, *row) for f, name in ((rivals, "level"), (log_scale, "u"), (spread, "shift"), (range_test, "smoothing")) for row in NUMBERS),
    *((f, name, *row) for f, name in ((log_scale, "low"), (range_test, "low")) for row in NUMBERS + POSITIVE),
    *((f, "high", *row) for f in (log_scale, range_test) for row in [*NUMBERS, (0.05, ValueError, "above 0.1")]),
    *((f, name, *row) for f, name in ((spread, "points"), (range_test, "steps"), (range_test, "batch_size")) for row in COUNTS),
    *((f, "scores", *row) for f in (winner, rivals) for row in (
        ([1.0, 2.0], ValueError, "shape (C, S)"), ([[1.0, math.nan]], ValueError, "NaN"), ([["a", "b"]], TypeError, "real numbers"), ([[1j, 2]], TypeError, "real numbers"),
        ([[]], ValueError, "some numbers"), ([[1.0], [2.0, 3.0]], ValueError, "equal length"))),
    *((rivals, "level", value, ValueError, "above 0 and below 1") for value in (0, 1)),
    *((score_table, "train", value, TypeError, "function") for value in (3, "train")),
    *((score_table, "seeds", *row) for row in ((3, TypeError, "list"), ([], ValueError, "at least one"), ([0.5], TypeError, "integer"), ([-1], ValueError, "at least 0"))),
    (log_scale, "u", 1.5, ValueError, "at most 1"),
    (log_scale, "u", -0.5, ValueError, "at least 0"),
    (spread, "points", 0, ValueError, "at least 1"),
    (spread, "shift", 1, ValueError, "below 1"),
    (spread, "shift", -0.1, ValueError, "at least 0"),
    *((grid_points, "points", *row) for row in ((3, TypeError, "list"), ([], ValueError, "at least one"), ([0, 1], ValueError, "at least 1"), ([1.5, 2], TypeError, "integer"))),
    *((grid_points, "shifts", *row) for row in ((0.5, TypeError, "list"), ([0.5, 1.0], ValueError, "below 1"), (["a", 0], TypeError, "number"), ([0.5, -0.1], ValueError, "at least 0"))),
    *((range_test, "rng", *row) for row in ((1.5, TypeError, "seed"), ("7", TypeError, "seed"), (-1, ValueError, "at least 0"))),
    (range_test, "network", "network", TypeError, "Network"),
    (range_test, "network", Network, TypeError, "got the class"),
    (range_test, "X", X[:, :2], ValueError, "(M, 3)"),
    (range_test, "X", np.full((40, 3), np.nan), ValueError, "finite"),
    (range_test, "X", X.astype(str), TypeError, "numbers"),
    (range_test, "X", np.ma.masked_less(X, 0), TypeError, "mask"),
    (range_test, "y", y[:3], ValueError, "(40,)"),
    (range_test, "y", y + 1, ValueError, "0 to 1"),
    (range_test, "y", y.astype(str), TypeError, "integers"),
    (range_test, "steps", 1, ValueError, "at least 2"),
    (range_test, "smoothing", 1.0, ValueError, "below 1"),
    (range_test, "smoothing", -0.1, ValueError, "at least 0"),
    (range_test, "optimizer", 3, TypeError, "start and step"),
    (range_test, "optimizer", Momentum, TypeError, "Momentum(…), got the class"),
    (range_test, "penalty", 3, TypeError, "value and add_gradient"),
]  # fmt: skip


@pytest.mark.parametrize("function, parameter, value, error, words", BAD, ids=[f"{f.__name__}-{p}-{v!r:.12}-{w}" for f, p, v, _, w in BAD])
def test_bad_input_is_refused(function, parameter, value, error, words):
    function(**GOOD[function])
    with pytest.raises(error) as caught:
        function(**(GOOD[function] | {parameter: value}))
    message = str(caught.value)
    assert words in message and message.startswith(parameter) and ": expected" in message, message


def test_every_parameter_has_a_row():
    covered = {(row[0], row[1]) for row in BAD}
    for function, arguments in GOOD.items():
        assert {name for name in arguments if (function, name) not in covered} <= {"candidates"}, function
    assert {getattr(hyperparameters, name) for name in hyperparameters.__all__} - set(GOOD) == {RangeTest}


def test_lists_of_rivals_need_two_seeds_and_grids_a_shift_an_axis():
    with pytest.raises(ValueError, match="expected at least 1"):
        rivals([[1.0], [2.0]])
    with pytest.raises(ValueError, match="shorter|longer"):
        grid_points([2, 3], [0.5])


@pytest.mark.parametrize("rng", [0, None])
def test_seeds_are_taken(rng):
    first, again = (range_test(**(GOOD[range_test] | {"rng": rng})).losses for _ in range(2))
    assert np.array_equal(first, again) == (rng == 0)


# the kept results


def test_the_benchmark_trains_like_the_kept_results():
    "One row of the table again."
    table = benchmark.EXPERIMENT.kept()["results"]["table"]
    best = int(np.argmin(np.mean(table["scores"], axis=1)))
    for seed in (0, 7):
        assert benchmark.train(table["candidates"][best], seed) == pytest.approx(table["scores"][best][seed], rel=0.02)
