"Momentum and schedules beside PyTorch's, searches that are interrupted, bad input, the seams of fit."

import importlib.util
import json
import math
import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from scipy import stats

from benchmarks import hyperparameters as benchmark
from dlnbook import hyperparameters
from dlnbook.hyperparameters import (
    Choice, Cosine, Integers, InverseDecay, LogUniform, Momentum, RangeTest, StepDecay, Trials, Uniform, Warmup,
    grid, range_test, sample, search, successive_halving,
)  # fmt: skip
from dlnbook.network import Network
from dlnbook.fitting import TrainingDiverged, fit

torch.set_num_threads(1)

X = np.random.default_rng(0).normal(size=(40, 3))
y = (X[:, 0] * X[:, 1] > 0).astype(int)


# momentum


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_steps_are_torch_s(beta, nesterov, dtype, tolerance):
    "Also when the learning rate changes on the way."
    rng = np.random.default_rng(1)
    theta = rng.normal(size=50).astype(dtype)
    peer = torch.nn.Parameter(torch.from_numpy(theta.copy()))
    optimizer = torch.optim.SGD([peer], lr=0.1, momentum=beta, nesterov=nesterov and beta > 0)
    rule = Momentum(beta, nesterov)
    state = rule.start(theta)
    for s in range(200):
        eta, gradient = 0.1 / (1 + s / 50), (np.sin(3 * theta) + rng.normal(size=50)).astype(dtype)
        optimizer.param_groups[0]["lr"] = eta
        peer.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        rule.step(theta, gradient, eta, state)
    assert theta.dtype == dtype and all(each.dtype == dtype for each in state.values())
    np.testing.assert_allclose(theta, peer.detach().numpy(), rtol=tolerance, atol=tolerance)


def test_a_training_is_torch_s():
    "The whole way through fit, on shuffled batches."
    network = Network((3, 8, 2), "tanh", rng=np.random.default_rng(2))
    layers = [torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)]
    model = torch.nn.Sequential(*layers).double()
    with torch.no_grad():
        for r, layer in ((1, model[0]), (2, model[2])):
            layer.weight.copy_(torch.from_numpy(np.array(network.W[r])))
            layer.bias.copy_(torch.from_numpy(np.array(network.b[r])))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    rng = np.random.default_rng(3)
    for _ in range(5):
        order = rng.permutation(40)
        for start in range(0, 40, 8):
            rows = order[start : start + 8]
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(torch.from_numpy(X[rows])), torch.from_numpy(y[rows])).backward()
            optimizer.step()
    fit(network, X, y, epochs=5, batch_size=8, eta=0.1, rng=np.random.default_rng(3), optimizer=Momentum(0.9), progress=False)
    np.testing.assert_allclose(network.W[1], model[0].weight.detach().numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(network.b[2], model[2].bias.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_without_momentum_it_is_the_plain_step():
    networks = [Network((3, 8, 2), rng=np.random.default_rng(2)) for _ in range(2)]
    for network, rule in zip(networks, (None, Momentum(0.0))):
        fit(network, X, y, epochs=3, batch_size=8, eta=0.1, rng=np.random.default_rng(3), optimizer=rule, progress=False)
    np.testing.assert_allclose(networks[0].parameters, networks[1].parameters, rtol=1e-13)


def test_a_step_allocates_nothing_that_grows():
    theta = np.zeros(1_000_000)
    rule, gradient = Momentum(0.9, nesterov=True), np.ones(1_000_000)
    state = rule.start(theta)
    tracemalloc.start()
    for _ in range(3):
        rule.step(theta, gradient, 0.1, state)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000 and (gradient == 1).all()


def test_a_checkpoint_with_momentum_and_a_schedule_goes_on_bit_for_bit(tmp_path):
    def run(epochs, path=None):
        network = Network((3, 8, 2), rng=np.random.default_rng(4))
        how = dict(batch_size=8, eta=Warmup(2, Cosine(0.2, 6)), optimizer=Momentum(0.9), progress=False, checkpoint=path)
        fit(network, X, y, epochs=epochs, rng=np.random.default_rng(5), **how)
        return network.parameters

    path = tmp_path / "halfway"
    run(3, path)
    assert np.array_equal(run(8, path), run(8))
    with pytest.raises(ValueError, match="optimizer"):
        fit(Network((3, 8, 2), rng=np.random.default_rng(4)), X, y, epochs=9, batch_size=8, eta=Warmup(2, Cosine(0.2, 6)),
            rng=np.random.default_rng(5), optimizer=Momentum(0.8), progress=False, checkpoint=path)  # fmt: skip


OBJECTS = [Momentum(0.9), Momentum(0.5, True), StepDecay(0.1, 0.5, 3), InverseDecay(0.1, 2), Cosine(0.1, 5, 0.01), Warmup(2, 0.1),
           Warmup(2, Cosine(0.1, 5)), Uniform(0, 1), LogUniform(0.1, 1), Integers(1, 3), Choice((1, "a"))]  # fmt: skip


@pytest.mark.parametrize("each", OBJECTS, ids=repr)
def test_a_repr_says_all_and_objects_travel(each):
    assert eval(repr(each), vars(hyperparameters)) == each == pickle.loads(pickle.dumps(each))


# schedules


def torch_s(make, epochs):
    "The learning rates of a scheduler of torch's, epoch by epoch."
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.8)
    scheduler, found = make(optimizer), []
    for _ in range(epochs):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


LR = torch.optim.lr_scheduler
SCHEDULES = [
    (StepDecay(0.8, 0.3, 4), lambda o: LR.StepLR(o, 4, 0.3)),
    (Cosine(0.8, 20), lambda o: LR.CosineAnnealingLR(o, 20)),
    (Cosine(0.8, 20, 0.1), lambda o: LR.CosineAnnealingLR(o, 20, 0.1)),
    (InverseDecay(0.8, 3), lambda o: LR.LambdaLR(o, lambda e: 1 / (1 + e / 3))),
    (Warmup(5, 0.8, 0.2), lambda o: LR.LinearLR(o, 0.2, 1.0, 5)),
    (Warmup(5, Cosine(0.8, 15), 0.2), lambda o: LR.SequentialLR(o, [LR.LinearLR(o, 0.2, 1.0, 5), LR.CosineAnnealingLR(o, 15)], [5])),
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("ours, theirs", SCHEDULES, ids=[repr(ours) for ours, _ in SCHEDULES])
def test_schedules_are_torch_s(ours, theirs):
    np.testing.assert_allclose([ours(epoch) for epoch in range(20)], torch_s(theirs, 20), rtol=1e-12, atol=1e-15)


def test_between_epochs_schedules_follow_their_formulas():
    clock = 3.7
    assert Cosine(0.8, 10, 0.2)(clock) == pytest.approx(0.2 + 0.3 * (1 + math.cos(0.37 * math.pi)))
    assert Warmup(5, 0.8, 0.2)(clock) == pytest.approx(0.8 * (0.2 + 0.8 * 0.74))
    assert Cosine(0.8, 10, 0.2)(99) == 0.2 and Warmup(5, StepDecay(0.8, 0.5, 2))(7.5) == 0.4


# rivals


def test_the_list_of_rivals_misses_the_best_as_seldom_as_promised():
    rng = np.random.default_rng(0)
    for level, S in ((0.95, 5), (0.8, 3)):
        missed = 0
        for _ in range(1000):
            truth = np.r_[0.0, 0.2 * rng.random(7)]
            scores = truth[:, None] + rng.normal(size=(8, S)) + 3 * rng.normal(size=S)
            missed += 0 not in Trials([{"i": i} for i in range(8)], list(range(S)), scores).rivals(level)
        assert missed / 1000 < 1 - level + 3 * math.sqrt(level * (1 - level) / 1000)


def test_rivals_with_infinite_scores_and_few_candidates():
    inf = math.inf
    trials = Trials([{"i": i} for i in range(3)], [0, 1], np.array([[1.0, inf], [1.0, 1.1], [inf, inf]]))
    assert trials.rivals() == [1] and trials.winner == {"i": 1} and "inf" in str(trials)
    assert Trials([{"i": 0}], [0, 1], np.ones((1, 2))).rivals() == [0]
    assert Trials([{"i": 0}, {"i": 1}], [0, 1], np.full((2, 2), inf)).rivals() == [0, 1]
    single = Trials([{"i": 0}, {"i": 1}], [0], np.array([[2.0], [1.0]]))
    assert single.winner == {"i": 1} and np.isnan(single.error).all() and str(single).startswith("   1.0000  i=1") and "nan" not in str(single) + str(trials)
    with pytest.raises(ValueError, match="seeds: expected at least 2"):
        single.rivals()


# candidates


def test_grids_and_draws():
    spaces = {"a": Uniform(0, 1), "b": Choice("xy".split() + ["z"]), "c": Integers(0, 3)}
    assert len(grid(spaces, {"a": 5, "b": 7, "c": 2})) == 5 * 2 * 2
    assert [each["a"] for each in grid({"a": Uniform(0, 1)}, 4)] == [0.125, 0.375, 0.625, 0.875]
    assert [each["a"] for each in grid({"a": Uniform(0, 1)}, 4, {"a": 0})] == [0, 0.25, 0.5, 0.75]
    first, again, other = (sample(spaces, 50, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first == again != other
    assert {each["c"] for each in first} == {0, 1, 2, 3} and all(type(each["c"]) is int for each in first)
    assert stats.kstest(np.log10([each["e"] for each in sample({"e": LogUniform(0.01, 1)}, 500, np.random.default_rng(2))]), "uniform", (-2, 2)).pvalue > 1e-3


# the search


def score(candidate, seed):
    "A score for tests."
    if candidate["x"] == 99:
        raise TrainingDiverged([np.zeros(1)], 0, 1.0, 1, None)
    return math.nan if candidate["x"] == 98 else (candidate["x"] - 2) ** 2 + 0.1 * np.random.default_rng(seed).random()


def broken(candidate, seed):
    "A training with a mistake."
    raise KeyError("of the caller's")


CANDIDATES = [{"x": x, "name": None, "widths": [3, x]} for x in range(5)]


@pytest.mark.parametrize("jobs", [1, 2, -1, None])
def test_the_table_is_the_same_whoever_computes_it(jobs, tmp_path):
    path = tmp_path / "search"
    trials = search(score, CANDIDATES, seeds=range(3), jobs=jobs, file=path, progress=False)
    assert trials.scores.tolist() == [[score(each, seed) for seed in range(3)] for each in CANDIDATES]
    assert trials.winner == CANDIDATES[2] and len(path.read_text().splitlines()) == 1 + 15
    assert np.array_equal(search(broken_name(score), CANDIDATES, seeds=range(3), file=path, progress=False).scores, trials.scores)


def broken_name(function):
    "A training that would fail, and calls itself like another one."

    def fails(candidate, seed):
        raise AssertionError("computed again")

    fails.__qualname__ = function.__qualname__
    return fails


def test_a_backend_that_gives_all_at_once(monkeypatch):
    import joblib

    with joblib.parallel_config("multiprocessing", n_jobs=2):
        trials = search(score, CANDIDATES, seeds=range(3), jobs=None, progress=False)
    assert trials.winner == CANDIDATES[2]


def test_without_joblib_one_job_works_and_more_say_how(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "joblib", None)
    assert search(score, CANDIDATES, seeds=[0], progress=False).winner == CANDIDATES[2]
    with pytest.raises(ModuleNotFoundError, match=r"jobs: expected 1 .*pip install 'dlnbook\[search\]'.*got 2"):
        search(score, CANDIDATES, seeds=[0], jobs=2, progress=False)


def test_failures_count_as_infinity_and_mistakes_end_the_search(tmp_path):
    path = tmp_path / "search"
    trials = search(score, [{"x": 99}, {"x": 98}, {"x": 1}], seeds=[0, 1], file=path, progress=False)
    assert np.isinf(trials.scores[:2]).all() and trials.best == 2
    again = search(broken_name(score), trials.candidates, seeds=[0, 1], file=path, progress=False)
    assert np.array_equal(again.scores, trials.scores) and "Infinity" not in path.read_text()
    with pytest.raises(KeyError, match="of the caller's"):
        search(broken, CANDIDATES, seeds=[0], progress=False)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_search_goes_on(tmp_path, jobs):
    path = tmp_path / "search"
    whole = search(score, CANDIDATES, seeds=range(3), progress=False)
    for cut in (0, 7, 45, 60, 61, 150, 10_000):
        search(score, CANDIDATES, seeds=range(3), file=path, progress=False)
        path.write_bytes(path.read_bytes()[:cut])
        again = search(score, CANDIDATES, seeds=range(3), file=path, jobs=jobs, progress=False)
        assert np.array_equal(again.scores, whole.scores)
        lines = path.read_text().splitlines()
        assert len(lines) == 16 and all(map(json.loads, lines))
        if jobs == 2 and cut > 7:
            break


def test_ctrl_c_leaves_what_was_done(tmp_path):
    done, path = [], tmp_path / "search"

    def until_the_seventh(candidate, seed):
        if len(done) == 7:
            raise KeyboardInterrupt
        done.append(seed)
        return score(candidate, seed)

    until_the_seventh.__qualname__ = score.__qualname__
    with pytest.raises(KeyboardInterrupt):
        search(until_the_seventh, CANDIDATES, seeds=range(3), file=path, progress=False)
    assert len(path.read_text().splitlines()) == 1 + 7


def test_more_candidates_and_seeds_use_what_is_there(tmp_path):
    path = tmp_path / "search"
    search(score, CANDIDATES[:3], seeds=[0, 1], file=path, progress=False)
    search(score, CANDIDATES, seeds=[1, 0, 2], file=path, progress=False)
    assert len(path.read_text().splitlines()) == 1 + 15


@pytest.mark.parametrize("content", [b"a thesis\n", b'{"kind": "dlnbook search", "version": 1, "train": "other"}\n', b"\x00\xff", b"x"])
def test_a_file_of_somebody_else_s_is_left_alone(tmp_path, content):
    path = tmp_path / "thesis"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="^file: expected the file of a search with score, got"):
        search(score, CANDIDATES, seeds=[0], file=path, progress=False)
    assert path.read_bytes() == content


@pytest.mark.parametrize("line", ["{}", "[1]", '[{"x": 1}, 0, "much"]', "nonsense"])
def test_a_damaged_line_is_named(tmp_path, line):
    path = tmp_path / "search"
    search(score, CANDIDATES, seeds=[0], file=path, progress=False)
    with open(path, "a") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match="^file: expected a candidate, a seed and a score, got line 7"):
        search(score, CANDIDATES, seeds=[0], file=path, progress=False)


def test_candidates_are_not_changed_and_cannot_be_by_train():
    def greedy(candidate, seed):
        return candidate.pop("x")

    given = [{"x": np.int64(3)}, {"x": np.float32(0.5)}]
    trials = search(greedy, given, seeds=[0], progress=False)
    assert trials.candidates == [{"x": 3}, {"x": 0.5}] and type(trials.candidates[0]["x"]) is int
    assert type(given[0]["x"]) is np.int64


def test_halving_resumes_and_counts(tmp_path):
    seen, path = [], tmp_path / "search"

    def train(candidate, seed):
        seen.append(candidate["epochs"])
        return candidate["x"] + 1 / candidate["epochs"]

    how = dict(least=2, most=20, factor=2, seeds=(0, 1), file=path, progress=False)
    rungs = successive_halving(train, [{"x": x} for x in range(10)], **how)
    assert [rung.candidates[0]["epochs"] for rung in rungs] == [2, 5, 10, 20]
    assert [len(rung.candidates) for rung in rungs] == [10, 5, 2, 1] and len(seen) == 36
    again = successive_halving(train, [{"x": x} for x in range(10)], **how)
    assert len(seen) == 36 and again[-1].winner == rungs[-1].winner == {"x": 0, "epochs": 20}


# the range test


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_range_test_is_a_training_with_these_rates(dtype):
    network = Network((3, 8, 2), rng=np.random.default_rng(2), dtype=dtype)
    before = network.parameters.copy()
    test = range_test(network, X, y, low=0.01, high=1, steps=10, batch_size=8, rng=np.random.default_rng(3), rule=Momentum(0.5))
    assert np.array_equal(network.parameters, before)
    np.testing.assert_allclose(test.etas, np.geomspace(0.01, 1, 10))
    rates, losses = iter(test.etas), []
    schedule = lambda clock: next(rates)
    fit(network, X, y, epochs=2, batch_size=8, eta=schedule, rng=np.random.default_rng(3), optimizer=Momentum(0.5), progress=False)
    rng, network = np.random.default_rng(3), Network((3, 8, 2), rng=np.random.default_rng(2), dtype=dtype)
    rule = Momentum(0.5)
    state = rule.start(network.parameters)
    for epoch in range(2):
        order = rng.permutation(40)
        for i in range(5):
            rows = order[8 * i : 8 * i + 8]
            losses.append(network.loss(X[rows], y[rows]))
            rule.step(network.parameters, network.gradient(X[rows], y[rows]), test.etas[5 * epoch + i], state)
    np.testing.assert_allclose(test.losses, losses, rtol=1e-9 if dtype == np.float64 else 1e-3)


def test_a_range_test_that_blows_up_ends_quietly():
    test = range_test(Network((3, 8, 2), rng=np.random.default_rng(2)), 100 * X, y, low=1, high=1e9, rng=np.random.default_rng(3))
    assert len(test.etas) < 200 and test.edge == test.etas[-1] >= test.lowest and math.isfinite(test.suggestion)


# bad input


def network():
    return Network((3, 4, 2), rng=np.random.default_rng(0))


RNG = np.random.default_rng(0)
SPACES = {"x": Uniform(0, 1)}
GOOD = {
    Momentum: {"beta": 0.9, "nesterov": False},
    StepDecay: {"eta": 0.1, "factor": 0.5, "epochs": 3},
    InverseDecay: {"eta": 0.1, "epochs": 3},
    Cosine: {"eta": 0.1, "epochs": 3, "least": 0.0},
    Warmup: {"epochs": 3, "then": 0.1, "start": 0.1},
    Uniform: {"low": 0, "high": 1},
    LogUniform: {"low": 0.1, "high": 1},
    Integers: {"low": 0, "high": 1},
    Choice: {"values": (1, 2)},
    grid: {"spaces": SPACES, "points": 2, "shift": 0.5},
    sample: {"spaces": SPACES, "candidates": 2, "rng": RNG},
    search: {"train": score, "candidates": CANDIDATES, "seeds": [0], "file": None, "jobs": 1, "progress": False},
    successive_halving: {"train": lambda candidate, seed: candidate["x"], "candidates": CANDIDATES, "least": 1, "most": 9, "factor": 3,
                         "seeds": [0], "file": None, "jobs": 1, "progress": False},
    range_test: {"network": network(), "X": X, "y": y, "low": 0.1, "high": 1.0, "steps": 5, "batch_size": 8, "rng": RNG, "rule": None,
                 "penalty": None, "smoothing": 0.9},
}  # fmt: skip
NUMBERS = [(math.nan, ValueError, "finite"), (math.inf, ValueError, "finite"), ("1", TypeError, "number"), (True, TypeError, "number")]
POSITIVE = [(0, ValueError, "positive"), (-1.0, ValueError, "positive")]
COUNTS = [(2.0, TypeError, "integer"), (True, TypeError, "integer"), ("2", TypeError, "integer"), (-3, ValueError, "at least")]
CALLS = [(3, TypeError, "function"), ("train", TypeError, "function")]
BAD = [
    *((f, name, *row) for f, name in ((Momentum, "beta"), (Cosine, "least"), (Uniform, "low"), (Uniform, "high"), (grid, "shift"),
                                      (range_test, "smoothing")) for row in NUMBERS),
    *((f, name, *row) for f, name in ((StepDecay, "eta"), (StepDecay, "factor"), (StepDecay, "epochs"), (InverseDecay, "eta"),
                                      (InverseDecay, "epochs"), (Cosine, "eta"), (Cosine, "epochs"), (Warmup, "epochs"), (Warmup, "then"),
                                      (Warmup, "start"), (LogUniform, "low"), (range_test, "low"), (range_test, "high")) for row in NUMBERS + POSITIVE),
    *((f, name, *row) for f, name in ((grid, "points"), (sample, "candidates"), (range_test, "steps"),
                                      (range_test, "batch_size"), (successive_halving, "least"), (successive_halving, "most"),
                                      (successive_halving, "factor"), (Integers, "low"), (Integers, "high")) for row in COUNTS),
    *((f, "rng", value, TypeError, "numpy.random.Generator") for f in (sample, range_test) for value in (0, None)),
    *((f, "train", *row) for f in (search, successive_halving) for row in CALLS),
    *((f, "candidates", *row) for f in (search, successive_halving) for row in (
        ({"x": 1}, TypeError, "list of dicts"), ("ab", TypeError, "list of dicts"), (3, TypeError, "list of dicts"), ([3], TypeError, "dict"),
        ([{"x": {1}}], TypeError, "JSON"), ([{"x": math.nan}], TypeError, "JSON"), ([{1: 2}], TypeError, "names"), ([], ValueError, "at least one"),
        ([{"x": 1}, {"x": 1}], ValueError, "each once"))),
    *((f, "seeds", *row) for f in (search, successive_halving) for row in (
        (3, TypeError, "list of integers"), ("ab", TypeError, "integer"), ([], ValueError, "at least one"), ([1, 1], ValueError, "each once"),
        ([0.5], TypeError, "integer"), ([-1], ValueError, "at least 0"))),
    *((f, "jobs", *row) for f in (search, successive_halving) for row in ((0, ValueError, "got 0"), (1.5, TypeError, "integer"))),
    *((f, "file", 3, TypeError, "path") for f in (search, successive_halving)),
    *((f, "spaces", *row) for f in (grid, sample) for row in ((3, TypeError, "dict of spaces"), ({}, TypeError, "dict of spaces"),
                                                             ({"x": 3}, TypeError, "space"), ({"x": Uniform}, TypeError, "space"))),
    (search, "train", lambda candidate, seed: "much", TypeError, "number"),
    (search, "train", lambda candidate, seed: True, TypeError, "number"),
    (search, "train", lambda candidate, seed: -math.inf, ValueError, "minus infinity"),
    (successive_halving, "candidates", [{"epochs": 3}], ValueError, "no epochs"),
    (successive_halving, "factor", 1, ValueError, "at least 2"),
    (successive_halving, "most", 0, ValueError, "at least 1"),
    (Momentum, "beta", 1.0, ValueError, "below 1"),
    (Momentum, "beta", -0.1, ValueError, "at least 0"),
    (Momentum, "nesterov", 1, TypeError, "True or False"),
    (StepDecay, "factor", 1.5, ValueError, "at most 1"),
    (Cosine, "least", 0.2, ValueError, "at most eta"),
    (Cosine, "least", -0.2, ValueError, "at least 0"),
    (Warmup, "start", 1.5, ValueError, "at most 1"),
    (Uniform, "high", 0, ValueError, "more than low"),
    (LogUniform, "high", 0.1, ValueError, "more than low"),
    (Integers, "high", 0, ValueError, "more than low"),
    (Choice, "values", (), ValueError, "at least one"),
    (Choice, "values", "ab", TypeError, "list or tuple"),
    (Choice, "values", 3, TypeError, "list or tuple"),
    (grid, "points", {"z": 3}, ValueError, "'x'"),
    (grid, "points", 0, ValueError, "at least 1"),
    (grid, "shift", 1, ValueError, "below 1"),
    (grid, "shift", {"z": 0.1}, ValueError, "'x'"),
    (range_test, "network", "network", TypeError, "Network"),
    (range_test, "X", X[:, :2], ValueError, "(M, 3)"),
    (range_test, "X", np.full((40, 3), np.nan), ValueError, "finite"),
    (range_test, "X", X.astype(str), TypeError, "numbers"),
    (range_test, "y", y[:3], ValueError, "40 samples"),
    (range_test, "y", y + 1, ValueError, "0 to 1"),
    (range_test, "y", y.astype(str), TypeError, ""),
    (range_test, "high", 0.05, ValueError, "more than low"),
    (range_test, "steps", 1, ValueError, "at least 2"),
    (range_test, "smoothing", 1.0, ValueError, "below 1"),
    (range_test, "rule", 3, TypeError, "start and step"),
    (range_test, "penalty", 3, TypeError, "value and add_gradient"),
]  # fmt: skip


@pytest.mark.parametrize("function, parameter, value, error, words", BAD, ids=[f"{f.__name__}-{p}-{v!r:.12}-{w}" for f, p, v, _, w in BAD])
def test_bad_input_is_refused(function, parameter, value, error, words):
    function(**GOOD[function])
    with pytest.raises(error) as caught:
        function(**(GOOD[function] | {parameter: value}))
    message = str(caught.value)
    assert words in message and message.startswith((parameter, "high: expected more")), message


def test_every_parameter_has_a_row():
    covered = {(row[0], row[1]) for row in BAD}
    for function, arguments in GOOD.items():
        assert {name for name in arguments if (function, name) not in covered} <= {"progress"}, function
    public = {getattr(hyperparameters, name) for name in hyperparameters.__all__}
    assert public - set(GOOD) == {RangeTest, Trials}


@pytest.mark.parametrize("schedule", [StepDecay(0.1, 0.5, 3), InverseDecay(0.1, 3), Cosine(0.1, 3), Warmup(3, 0.1)], ids=repr)
@pytest.mark.parametrize("clock, error", [(-1, ValueError), (math.nan, ValueError), ("1", TypeError)])
def test_a_clock_must_be_a_time(schedule, clock, error):
    with pytest.raises(error, match="^clock: expected"):
        schedule(clock)


def test_a_gradient_of_another_shape_is_refused_and_nothing_changed():
    rule, theta = Momentum(0.9), np.ones(3)
    state = rule.start(theta)
    with pytest.raises(ValueError, match="^gradient: expected shape"):
        rule.step(theta, np.ones(1), 0.1, state)
    assert (theta == 1).all() and not state["velocity"].any()


@pytest.mark.parametrize("parameters", [[1.0, 2.0], np.array([1, 2]), None])
def test_parameters_must_be_changeable_in_place(parameters):
    with pytest.raises(TypeError, match="^parameters: expected an array of floating-point numbers"):
        Momentum(0.9).start(parameters)


def test_the_level_of_rivals_is_a_probability():
    trials = Trials([{"i": 0}, {"i": 1}], [0, 1], np.ones((2, 2)))
    for level, error in ((0, ValueError), (1.0, ValueError), ("much", TypeError)):
        with pytest.raises(error, match="^level: expected"):
            trials.rivals(level)


# the kept results


def test_the_benchmark_trains_like_the_kept_results():
    "One row of the table again."
    table = benchmark.EXPERIMENT.kept()["results"]["table"]
    best = int(np.argmin(np.mean(table["scores"], axis=1)))
    for seed in (0, 7):
        assert benchmark.train(table["candidates"][best], seed) == pytest.approx(table["scores"][best][seed], rel=0.02)


def test_joblib_is_an_extra():
    assert importlib.util.find_spec("joblib")
