"Spaces, candidates, tables, searches that are interrupted; bad input."

import importlib.util
import io
import json
import math
import pickle
import signal
import sys
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import FrozenInstanceError, fields
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from dlnbook import searching
from dlnbook.fitting import TrainingDiverged, fit
from dlnbook.hyperparameters import rivals, winner
from dlnbook.network import Network
from dlnbook.searching import Choice, Integers, LogUniform, Trials, Uniform, grid, sample, search, successive_halving

X = np.random.default_rng(0).normal(size=(40, 3))
y = (X[:, 0] * X[:, 1] > 0).astype(int)


# the table


def test_the_list_of_rivals_is_the_chapter_s():
    rng = np.random.default_rng(0)
    for level in (0.8, 0.95):
        scores = rng.normal(size=(8, 5)) + rng.random((8, 1))
        trials = Trials([{"i": i} for i in range(8)], list(range(5)), scores)
        assert trials.rivals(level) == rivals(scores, level) and trials.best == winner(scores) == trials.winner["i"]


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


def named(scores):
    "A table of two candidates with names that not every terminal knows."
    return Trials([{"η": 0.1}, {"η": 0.2}], [0, 1, 2], np.array(scores))


@pytest.mark.parametrize("encoding, marks, name", [("utf-8", "≈±", "η"), ("ascii", "~+-", "\\u03b7"), ("cp1252", "~+-", "\\u03b7"), ("iso8859-7", "~+-", "η"), (None, "≈±", "η")])
def test_a_table_is_printed_on_any_terminal(monkeypatch, encoding, marks, name):
    written = io.BytesIO()
    terminal = io.StringIO() if encoding is None else io.TextIOWrapper(written, encoding, write_through=True)
    monkeypatch.setattr(sys, "stdout", terminal)
    print(named([[1.0, 2.0, 3.0], [1.0, 2.5, 3.0]]))
    text = terminal.getvalue() if encoding is None else written.getvalue().decode(encoding)
    first, second = text.splitlines()
    assert second.startswith(marks[0]) and marks[1:] in first and f"{name}=0.1" in first


def test_a_table_holds_no_nan():
    with pytest.raises(ValueError, match="^scores: expected numbers or infinity, got NaN"):
        named([[1.0, 2.0, 3.0], [1.0, math.nan, 3.0]])


def test_a_table_shows_the_ten_best_and_numbers_in_short():
    trials = Trials([{"eta": i / 3, "widths": [i, 3]} for i in range(12)], [0], np.arange(12.0)[:, None])
    lines = str(trials).splitlines()
    assert len(lines) == 10 and lines[1].endswith("eta=0.3333 widths=[1, 3]")


def test_one_candidate_has_a_standard_error():
    assert Trials([{"i": 0}], [0, 1], np.array([[1.0, 2.0]])).error == pytest.approx(0.5)  # √½ / √2


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


OBJECTS = [Uniform(0, 1), LogUniform(0.1, 1), Integers(1, 3), Choice((1, "a"))]


@pytest.mark.parametrize("each", OBJECTS, ids=repr)
def test_a_repr_says_all_and_objects_travel(each):
    assert eval(repr(each), vars(searching)) == each == pickle.loads(pickle.dumps(each))


@pytest.mark.parametrize("each", [*OBJECTS, Trials([{"i": 0}], [0], np.ones((1, 1)))], ids=lambda each: type(each).__name__)
def test_what_was_checked_cannot_be_replaced(each):
    for field in fields(each):
        with pytest.raises(FrozenInstanceError):
            setattr(each, field.name, None)


@pytest.mark.parametrize("rng", [0, None])
def test_seeds_are_taken(rng):
    first, again = (sample({"x": Uniform(0, 1)}, 3, rng) for _ in range(2))
    assert (first == again) == (rng == 0)


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


class AtOnce(Executor):
    "Computes what it is given before it returns."

    def __init__(self):
        self.submitted = 0

    def submit(self, function, *arguments):
        self.submitted += 1
        future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def test_what_an_executor_has_finished_is_kept_once_when_others_fail(tmp_path):
    path = tmp_path / "search"

    def half(candidate, seed):
        return score(candidate, seed) if candidate["x"] % 2 else broken(candidate, seed)

    with pytest.raises(KeyError, match="of the caller's"):
        search(half, [{"x": x} for x in range(12)], seeds=[0], file=path, jobs=AtOnce(), progress=False)
    written = [json.loads(line)[0]["x"] for line in path.read_text().splitlines()[1:]]
    assert sorted(written) == [1, 3, 5, 7, 9, 11]


def test_after_a_failure_an_executor_begins_nothing_more():
    begun, ended = [], threading.Event()

    def train(candidate, seed):
        begun.append(seed)
        if len(begun) == 1:
            broken(candidate, seed)
        if len(begun) == 2:
            ended.wait(10)
        return 0

    with ThreadPoolExecutor(1) as executor:
        try:
            with pytest.raises(KeyError, match="of the caller's"):
                search(train, [{"x": 1}], seeds=range(6), jobs=executor, progress=False)
        finally:
            ended.set()
    assert len(begun) <= 2  # one may be under way


@pytest.mark.parametrize("platform", ["darwin", "linux", "win32", "emscripten"])
def test_only_a_browser_does_without_the_executor(monkeypatch, platform):
    monkeypatch.setattr(searching, "sys", SimpleNamespace(platform=platform))
    executor = AtOnce()
    assert search(score, CANDIDATES, seeds=[0], jobs=executor, progress=False).winner == CANDIDATES[2]
    assert executor.submitted == (0 if platform == "emscripten" else 5)


@pytest.mark.parametrize("call", [search, successive_halving])
def test_a_bar_is_shown_unless_it_is_not_wanted(monkeypatch, call):
    shown = []
    monkeypatch.setattr("dlnbook.page.progress", lambda runs, label: shown.append(len(runs)) or iter(runs))
    how = {"train": lambda candidate, seed: candidate["x"]} | (
        {"candidates": CANDIDATES, "seeds": [0]} if call is search else {"candidates": CANDIDATES, "least": 3, "most": 3})  # fmt: skip
    call(**how, progress=False)
    assert shown == []
    call(**how)
    assert shown == [5]


def test_a_file_of_the_first_version_is_read(tmp_path):
    path = tmp_path / "search"
    path.write_text('{"kind": "dlnbook search", "version": 1, "train": "score"}\n[{"x": 1}, 0, 7.5]\n')
    assert search(score, [{"x": 1}], seeds=[0], file=path, progress=False).scores == [[7.5]]


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


# Ctrl-C within a training that `fit` takes notice of


def half_trained(strikes):
    "A training by fit; some of its runs are struck after their first epoch, by these functions."
    runs = []

    def train(candidate, seed):
        runs.append((candidate["x"], seed))
        strike = strikes.get(len(runs), lambda: None)
        network = Network((3, 4, 2), rng=np.random.default_rng(seed))
        callback = lambda epoch, network, history: strike() if epoch == 1 else None
        fit(network, X, y, epochs=3, batch_size=8, eta=0.1 * candidate["x"], rng=seed, callback=callback, progress=False)
        return network.loss(X, y)

    return train, runs


def raise_it():
    "What Ctrl-C comes to."
    raise KeyboardInterrupt


@pytest.mark.parametrize("strike", [raise_it, lambda: signal.raise_signal(signal.SIGINT)], ids=["raised", "signal"])
def test_ctrl_c_within_fit_ends_the_search_and_leaves_no_trace(tmp_path, strike, request):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores the signal
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    path, candidates = tmp_path / "search", [{"x": x} for x in (1, 2, 3)]
    train, runs = half_trained({4: strike})
    with pytest.raises(KeyboardInterrupt):
        search(train, candidates, seeds=[0, 1], file=path, progress=False)
    assert len(runs) == 4 and len(path.read_text().splitlines()) == 1 + 3
    resumed = search(train, candidates, seeds=[0, 1], file=path, progress=False)
    assert runs[4] == runs[3] and len(runs) == 4 + 3
    whole, _ = half_trained({})
    assert np.array_equal(resumed.scores, search(whole, candidates, seeds=[0, 1], progress=False).scores)


def test_ctrl_c_within_fit_ends_halving_too(tmp_path):
    train, runs = half_trained({3: raise_it})
    with pytest.raises(KeyboardInterrupt):
        successive_halving(train, [{"x": x} for x in (1, 2, 3)], least=1, most=9, file=tmp_path / "search", progress=False)
    assert len(runs) == 3 and len((tmp_path / "search").read_text().splitlines()) == 1 + 2


def test_an_interruption_before_the_search_is_another_matter():
    train, _ = half_trained({1: raise_it})
    train({"x": 1}, 0)
    assert np.isfinite(search(train, [{"x": 1}], seeds=[0, 1], progress=False).scores).all()


def test_an_interrupted_training_in_a_thread_of_joblib_s_is_not_written(tmp_path):
    import joblib

    path = tmp_path / "search"
    train, _ = half_trained({2: raise_it})
    with pytest.raises(KeyboardInterrupt), joblib.parallel_config("threading"):
        search(train, [{"x": x} for x in (1, 2, 3)], seeds=[0, 1], file=path, jobs=2, progress=False)
    assert len(path.read_text().splitlines()) < 1 + 6


# bad input

SPACES = {"x": Uniform(0, 1)}
RNG = np.random.default_rng(0)
GOOD = {
    Uniform: {"low": 0, "high": 1},
    LogUniform: {"low": 0.1, "high": 1},
    Integers: {"low": 0, "high": 1},
    Choice: {"values": (1, 2)},
    grid: {"spaces": SPACES, "points": 2, "shift": 0.5},
    sample: {"spaces": SPACES, "candidates": 2, "rng": RNG},
    search: {"train": score, "candidates": CANDIDATES, "seeds": [0], "file": None, "jobs": 1, "progress": False},
    successive_halving: {"train": lambda candidate, seed: candidate["x"], "candidates": CANDIDATES, "least": 1, "most": 9, "factor": 3,
                         "seeds": [0], "file": None, "jobs": 1, "progress": False},
}  # fmt: skip
NUMBERS = [(math.nan, ValueError, "finite"), (math.inf, ValueError, "finite"), ("1", TypeError, "number"), (True, TypeError, "number")]
POSITIVE = [(0, ValueError, "positive"), (-1.0, ValueError, "positive")]
COUNTS = [(2.0, TypeError, "integer"), (True, TypeError, "integer"), ("2", TypeError, "integer"), (-3, ValueError, "at least")]
CALLS = [(3, TypeError, "function"), ("train", TypeError, "function")]
BAD = [
    *((f, name, *row) for f, name in ((Uniform, "low"), (Uniform, "high"), (LogUniform, "high"), (grid, "shift")) for row in NUMBERS),
    *((LogUniform, "low", *row) for row in NUMBERS + POSITIVE),
    *((f, name, *row) for f, name in ((grid, "points"), (sample, "candidates"), (successive_halving, "least"), (successive_halving, "most"),
                                      (successive_halving, "factor"), (Integers, "low"), (Integers, "high")) for row in COUNTS),
    *((sample, "rng", *row) for row in ((1.5, TypeError, "seed"), ("7", TypeError, "seed"), (-1, ValueError, "at least 0"))),
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
    *((f, "progress", 1, TypeError, "True or False") for f in (search, successive_halving)),
    *((f, "spaces", *row) for f in (grid, sample) for row in ((3, TypeError, "dict of spaces"), ({}, TypeError, "dict of spaces"),
                                                             ({"x": 3}, TypeError, "space"), ({"x": Uniform}, TypeError, "space"))),
    (search, "train", lambda candidate, seed: "much", TypeError, "number"),
    (search, "train", lambda candidate, seed: True, TypeError, "number"),
    (search, "train", lambda candidate, seed: -math.inf, ValueError, "minus infinity"),
    (successive_halving, "candidates", [{"epochs": 3}], ValueError, "no epochs"),
    (successive_halving, "factor", 1, ValueError, "at least 2"),
    (successive_halving, "most", 0, ValueError, "at least 1"),
    (Uniform, "high", 0, ValueError, "above 0"),
    (LogUniform, "high", 0.1, ValueError, "above 0.1"),
    (Integers, "high", 0, ValueError, "more than 0"),
    (Choice, "values", (), ValueError, "at least one"),
    (Choice, "values", "ab", TypeError, "list or tuple"),
    (Choice, "values", 3, TypeError, "list or tuple"),
    (grid, "points", {"z": 3}, ValueError, "'x'"),
    (grid, "points", {"x": 0}, ValueError, "at least 1"),
    (grid, "points", 0, ValueError, "at least 1"),
    (grid, "shift", 1, ValueError, "below 1"),
    (grid, "shift", {"z": 0.1}, ValueError, "'x'"),
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
        assert all((function, name) in covered for name in arguments), function
    assert {getattr(searching, name) for name in searching.__all__} - set(GOOD) == {Trials}


def test_the_level_of_rivals_is_a_probability():
    trials = Trials([{"i": 0}, {"i": 1}], [0, 1], np.ones((2, 2)))
    for level, error in ((0, ValueError), (1.0, ValueError), ("much", TypeError)):
        with pytest.raises(error, match="^level: expected"):
            trials.rivals(level)


def test_joblib_is_an_extra():
    assert importlib.util.find_spec("joblib")
