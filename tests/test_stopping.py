"Replays beside real trainings, Prechelt's rules beside a literal reading of them, bad input."

import math
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest

from benchmarks import stopping as benchmark
from dlnbook.data import digits
from dlnbook.fitting import Epoch, History, Patience, Threshold, fit
from dlnbook.intervals import paired_difference
from dlnbook.network import Network
from dlnbook.stopping import GeneralizationLoss, ProgressQuotient, Regret, RelativePatience, Rising, regret, stopped_at


def history(validation, training=None):
    "Epochs with these losses; without validation data if they are None."
    training = validation if training is None else training
    validation = [None] * len(training) if validation is None else validation
    rows = enumerate(zip(training, validation), 1)
    return History([Epoch(e, 0.1, float(way), 0.5, None if loss is None else float(loss), None if loss is None else 0.5) for e, (way, loss) in rows])


def noisy_losses(seed, E=60):
    "Losses that fall, then rise, with noise."
    rng = np.random.default_rng(seed)
    e = np.arange(E)
    return np.exp(-e / 8) + 0.01 * e + 0.05 * rng.random(E), np.exp(-e / 10) * (1 + 0.2 * rng.random(E))


# the rules


def literally(kind, validation, training, setting, n):
    "The first epoch at which one of L. Prechelt's rules stops, from his formulas, in epochs from 1."
    va, tr = (lambda t: validation[t - 1]), (lambda t: training[t - 1])
    opt = lambda t: min(va(u) for u in range(1, t + 1))
    gl = lambda t: 100 * (va(t) / opt(t) - 1)
    strip = lambda t: [tr(u) for u in range(t - n + 1, t + 1)]
    p = lambda t: 1000 * (sum(strip(t)) / (n * min(strip(t))) - 1)

    def up(s, t):
        return t > n and va(t) > va(t - n) and (s == 1 or up(s - 1, t - n))

    for t in range(1, len(validation) + 1):
        if kind == "GL" and gl(t) > setting:
            return t
        if kind == "PQ" and t % n == 0 and gl(t) / p(t) > setting:
            return t
        if kind == "UP" and t % n == 0 and up(setting, t):
            return t
    return None


@pytest.mark.parametrize("seed", range(12))
def test_the_rules_are_prechelt_s(seed):
    va, tr = noisy_losses(seed)
    record = history(va, tr)
    stops = set()
    for n in (2, 5, 7):
        for alpha in (0.001, 0.05, 0.3, 2.0):
            stops.add(literally("PQ", va, tr, alpha, n))
            assert stopped_at(ProgressQuotient(alpha, n), record) == literally("PQ", va, tr, alpha, n)
        for m in (1, 2, 3, 5):
            stops.add(literally("UP", va, tr, m, n))
            assert stopped_at(Rising(m, n), record) == literally("UP", va, tr, m, n)
    for alpha in (0, 3.0, 15.0, 60.0):
        assert stopped_at(GeneralizationLoss(alpha), record) == literally("GL", va, tr, alpha, 5)
    assert len(stops) > 5


@pytest.mark.parametrize("seed", range(6))
def test_relative_patience_is_its_definition(seed):
    va, _ = noisy_losses(seed)
    best = lambda e: 1 + int(np.argmin(va[:e]))
    for share in (0.2, 0.5, 1.0):
        for least in (1, 5):
            stops = [e for e in range(1, 61) if e - best(e) >= max(least, share * best(e))]
            assert stopped_at(RelativePatience(share, least), history(va)) == (stops[0] if stops else None)


@pytest.mark.parametrize("m, n", [(1, 1), (1, 4), (2, 3), (3, 2), (4, 5)])
def test_losses_that_rise_from_the_start_are_given_all_their_strips(m, n):
    "The first comparison is after two strips, and each further rise takes one more."
    rising = np.arange(1.0, 40.0)
    assert stopped_at(Rising(m, n), history(rising)) == literally("UP", rising, rising, m, n) == (m + 1) * n


def test_progress_is_in_thousandths_and_the_generalization_loss_in_percent():
    "Twice the lowest loss is 100 percent; a mean half above the least is a progress of 500. Their quotient is 0.2."
    record = history([0.5, 1.0], [0.5, 0.25])
    assert stopped_at(ProgressQuotient(0.2, 2), record) is None
    assert stopped_at(ProgressQuotient(0.1999, 2), record) == 2
    assert stopped_at(GeneralizationLoss(100), record) is None and stopped_at(GeneralizationLoss(99.99), record) == 2


def test_without_validation_data_the_losses_on_the_way_count():
    way = [1.0, 0.5, 0.6, 0.7, 0.8, 0.9]
    record = history(None, way)
    assert record.judged == way
    assert stopped_at(GeneralizationLoss(19), record) == 3
    assert stopped_at(Rising(2, 1), record) == 4
    assert stopped_at(RelativePatience(1.0, 1), record) == 4
    assert regret(Patience(1), record, way).kept == 2


def test_a_loss_of_zero():
    assert stopped_at(GeneralizationLoss(0), history([1.0, 0.0, 0.0])) is None
    assert stopped_at(GeneralizationLoss(1e9), history([1.0, 0.0, 1e-300])) == 3
    for alpha in (0, 0.1):  # of an unbounded progress, any loss is the share 0
        assert stopped_at(ProgressQuotient(alpha, 2), history([1.0, 1.0, 1.0, 2.0], [1.0, 1.0, 0.0, 0.0])) is None
    assert stopped_at(ProgressQuotient(0.1, 2), history([1.0, 1.0, 1.0, 2.0], [1.0, 1.0, 1.0, 1.0])) == 4


def test_reasons_are_sentences_for_a_history():
    record = history([0.5, 0.6, 0.7, 0.8])
    for rule in (GeneralizationLoss(1), ProgressQuotient(0.01, 2), Rising(1, 2), RelativePatience(1.0, 1)):
        assert isinstance(rule(record), str) and len(rule(record)) > 10
        assert rule == type(rule)(*vars(rule).values()) and str(tuple(vars(rule).values())[0]) in repr(rule)


RULES = [GeneralizationLoss(5.0), ProgressQuotient(0.5, 3), Rising(2, 3), RelativePatience(0.5, 3), Regret(7, 4, 8, 0.25, 0.5, True)]


@pytest.mark.parametrize("each", RULES, ids=repr)
def test_what_has_been_checked_stays(each):
    "Nothing can be set past the door."
    with pytest.raises(FrozenInstanceError):
        setattr(each, fields(each)[0].name, -1.0)
    assert hash(each) == hash(replace(each))


def test_strips_are_of_five_epochs_as_prechelt_s_and_so_is_the_least_patience():
    assert ProgressQuotient(0.5) == ProgressQuotient(0.5, strip=5) and Rising(2) == Rising(2, strip=5)
    assert RelativePatience(0.5) == RelativePatience(0.5, least=5)


# replays


@pytest.mark.parametrize("rule", [Patience(3), GeneralizationLoss(4), Rising(1, 3), RelativePatience(0.5, 3), Threshold(0.9), [Patience(50), Rising(1, 2)]], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_a_replay_is_the_training(rule, dtype):
    "fit with the rule stops where the record says, and hands over the network of the epoch kept."
    X, labels = digits()

    def train(epochs, **more):
        rng = np.random.default_rng(3)
        network = Network((64, 20, 10), rng=rng, dtype=dtype)
        found = fit(network, X[:150], labels[:150], epochs=epochs, batch_size=10, eta=0.3, rng=rng, validation=(X[200:260], labels[200:260]), progress=False, **more)
        return network, found

    parameters = []
    _, record = train(40, callback=lambda epoch, network, history: parameters.append(network.parameters.copy()))
    network, stopped = train(40, stop=rule)
    at = stopped_at(rule, record)
    assert len(stopped) == (at or 40)
    assert stopped == History(record.epochs[: at or 40], stopped.reason)
    kept = regret(rule, record, record.validation_loss).kept
    assert np.array_equal(network.parameters, parameters[kept - 1])


def test_nothing_handed_in_is_changed():
    va, tr = noisy_losses(0)
    record, truth = history(va, tr), va.copy()
    before = history(va, tr)
    found = regret([Patience(2), Threshold(0.3)], record, truth)
    assert record == before and record.reason == "" and np.array_equal(truth, va)
    assert found == regret([Patience(2), Threshold(0.3)], record, truth.tolist())
    assert paired_difference(va, tr) == paired_difference(va.tolist(), tr.tolist())


def test_several_rules_stop_with_the_first():
    va, _ = noisy_losses(1)
    record = history(va)
    each = [stopped_at(rule, record) for rule in (Patience(3), GeneralizationLoss(20))]
    assert stopped_at([Patience(3), GeneralizationLoss(20)], record) == min(each)
    assert stopped_at([], record) is None
    assert regret([], record, va) == Regret(60, int(va.argmin()) + 1, int(va.argmin()) + 1, 0.0, 0.0, False)


@pytest.mark.parametrize("seed", range(10))
def test_regret_is_read_off_the_definition(seed):
    rng = np.random.default_rng(seed)
    V, T = rng.random(20), rng.random(20).astype(np.float32)
    for p in (1, 3, 6):
        found = regret(Patience(p), history(V), T)
        s = stopped_at(Patience(p), history(V)) or 20
        assert found.stopped == s and found.kept == 1 + V[:s].argmin() and found.best == 1 + T.argmin()
        assert found.cut == pytest.approx(float(T[:s].min()) - float(T.min()), abs=1e-7)
        assert found.loss == pytest.approx(float(T[found.kept - 1]) - float(T.min()), abs=1e-7)
        assert found.epochs == s - found.best
        assert [type(each) for each in vars(found).values()] == [int, int, int, float, float, bool]


# bad input

RECORD = history([0.9, 0.6, 0.7, 0.5])
GOOD = {
    GeneralizationLoss: {"alpha": 5.0},
    ProgressQuotient: {"alpha": 0.5, "strip": 5},
    Rising: {"times": 2, "strip": 5},
    RelativePatience: {"share": 0.5, "least": 5},
    stopped_at: {"rule": Patience(1), "history": RECORD},
    regret: {"rule": Patience(1), "history": RECORD, "truth": [0.9, 0.6, 0.7, 0.5]},
}
COUNTS = [(-2, ValueError, "at least"), (2.0, TypeError, "integer"), (True, TypeError, "integer"), ("2", TypeError, "integer"), (None, TypeError, "integer")]
NUMBERS = [(math.nan, ValueError, "finite"), (math.inf, ValueError, "finite"), (-1.0, ValueError, ""), ("1", TypeError, "number"), (1j, TypeError, "number"), (True, TypeError, "number")]
ARRAYS = [([1.0, math.nan], ValueError, "finite"), ([1.0, math.inf], ValueError, "finite"), ([1j, 2j], TypeError, "real"), (["a", "b"], TypeError, "real numbers"), ([[1.0, 2.0]], ValueError, "shape"), ([], ValueError, ""), (1.0, ValueError, "shape")]
BAD = [
    *((f, name, *row) for f, name in ((ProgressQuotient, "strip"), (Rising, "times"), (Rising, "strip"), (RelativePatience, "least")) for row in COUNTS),
    *((f, name, *row) for f, name in ((GeneralizationLoss, "alpha"), (ProgressQuotient, "alpha"), (RelativePatience, "share")) for row in NUMBERS),
    *((f, name, 0, ValueError, "at least") for f, name in ((Rising, "times"), (Rising, "strip"), (RelativePatience, "least"))),
    (ProgressQuotient, "strip", 1, ValueError, "at least 2"),
    (RelativePatience, "share", 0, ValueError, "positive"),
    *((f, "rule", *row) for f in (stopped_at, regret) for row in ((3, TypeError, "function"), (None, TypeError, "function"), ("patience", TypeError, "function"), (Patience, TypeError, "Patience(…)"), ([Patience(1), 3], TypeError, "function"), ([Patience(1), Rising], TypeError, "Rising(…)"))),
    *((f, "history", *row) for f in (stopped_at, regret) for row in (([0.5], TypeError, "History"), (None, TypeError, "History"), (History(), ValueError, "at least one epoch"))),
    *((regret, "truth", *row) for row in ARRAYS[2:]),
    (regret, "truth", np.ma.masked_equal([0.9, 0.6, 0.7, 0.5], 0.6), TypeError, "without a mask"),
    (regret, "truth", [1.0, 2.0, 3.0], ValueError, "(4,)"),
    (regret, "truth", [1.0, 2.0, 3.0, math.nan], ValueError, "finite"),
]  # fmt: skip


@pytest.mark.parametrize("function, parameter, value, error, words", BAD, ids=[f"{row[0].__name__}-{row[1]}-{i}" for i, row in enumerate(BAD)])
def test_bad_input_is_refused(function, parameter, value, error, words):
    function(**GOOD[function])
    with pytest.raises(error) as caught:
        function(**(GOOD[function] | {parameter: value}))
    message = str(caught.value)
    assert words in message and message.startswith((f"{parameter}: expected", f"{parameter}[1]: expected"))


# the kept results


def test_the_kept_results_add_up():
    kept = benchmark.EXPERIMENT.kept()["results"]
    for name in ("clean", "noisy"):
        for by_kind in kept[name]["rules"].values():
            for kind, settings in by_kind.items():
                for row in settings.values():
                    assert row["cut"][0] + row["pick"][0] == pytest.approx(row["loss"][0], abs=2e-6)
                    assert row["early"][0] + row["late"][0] <= 1 + 1e-6
                cost = [row["trained"][0] for row in settings.values()]
                assert cost == sorted(cost, reverse=kind == "threshold"), "a larger setting waits longer"


def test_the_benchmark_trains_like_the_kept_results():
    "Two trainings lie within the spread that was kept of all."
    kept = benchmark.EXPERIMENT.kept()["results"]["noisy"]["rows"]
    mean, half = kept["best_loss"]
    spread = half * math.sqrt(benchmark.RECIPE["seeds"]) / 1.96
    for seed in (0, 1):
        _, losses, errors = benchmark.record(0.2, seed, epochs=60)
        assert losses.shape == errors.shape == (60, 1597)
        assert abs(losses[:, 400:].mean(axis=1).min() - mean) < 4 * spread
