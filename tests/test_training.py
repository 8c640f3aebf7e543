"The complete training algorithm: beside PyTorch and chapter 3, its seams, what goes wrong on the way, kills, bad input, kept results."

import contextlib
import copy
import functools
import math
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import time
import tracemalloc
import types
import xml.etree.ElementTree
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from conftest import ROOT
from scipy import sparse

import benchmarks.fashion as fashion
from book.notebooks import read_all
from dlnbook import data, descent, fitting
from dlnbook.files import load_arrays
from dlnbook.fitting import Epoch, History, Patience, Threshold, TrainingDiverged, fit
from dlnbook.network import Network, as_targets
from dlnbook.training import confusion_matrix
from dlnbook.workspace import workspace_bytes

torch.set_num_threads(1)


def problem(samples=50, N=4, K=3, seed=0):
    "Inputs and labels that a small network can learn."
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((samples, N))
    return X, (X @ rng.standard_normal((N, K))).argmax(axis=1)


def start(widths=(4, 8, 3), activation="tanh", dtype="float64", seed=1):
    "A network to train."
    return Network(widths, activation, rng=np.random.default_rng(seed), dtype=dtype)


def options(**changed):
    "Arguments for a short training."
    return {"epochs": 4, "batch_size": 8, "eta": 0.2, "rng": np.random.default_rng(2), "progress": False} | changed


X, y = problem()
VALIDATION = problem(seed=5)[0], problem(seed=5)[1]


# Beside others


class InTorch:
    "The same network in PyTorch, with the same parameters."

    def __init__(self, network):
        self.layers = [
            (torch.tensor(W, requires_grad=True), torch.tensor(b, requires_grad=True))
            for W, b in zip(network.W[1:], network.b[1:])
        ]
        self.f = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}[network.activations[0].name]

    def loss(self, X, T):
        Z = torch.tensor(X)
        for W, b in self.layers[:-1]:
            Z = self.f(Z @ W.T + b)
        W, b = self.layers[-1]
        return torch.nn.functional.cross_entropy(Z @ W.T + b, torch.tensor(T))

    def parameters(self):
        return [each for pair in self.layers for each in pair]

    def flat(self):
        return np.concatenate([each.detach().numpy().ravel() for each in self.parameters()])


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("kind", ["labels", "one-hot", "soft"])
def test_a_hundred_steps_follow_torch(activation, kind):
    X, y = problem(80)
    T = np.eye(3)[y] if kind != "soft" else np.random.default_rng(3).dirichlet(np.ones(3), 80)
    network = start((4, 10, 7, 3), activation)
    theirs = InTorch(network)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.3)
    means, rng = [], np.random.default_rng(7)
    for _ in range(10):
        seen = 0.0
        for rows in descent.batches(80, 8, rng):
            loss = theirs.loss(X[rows], T[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += 8 * loss.item()
        means.append(seen / 80)
    history = fit(network, X, y if kind == "labels" else T, **options(epochs=10, eta=0.3, rng=np.random.default_rng(7)))
    np.testing.assert_allclose(network.parameters, theirs.flat(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(history.loss, means, rtol=1e-10)


@pytest.mark.parametrize("batch_size", [1, 7, 50, 51, 10**9])
def test_gd_and_sgd_are_the_ends_of_descend(batch_size):
    network = start()
    model = network.copy()

    def gradient(parameters, X, T):
        model.parameters[:] = parameters[0]
        return [model.gradient(X, T)]

    how = {"eta": 0.3, "batch_size": batch_size, "epochs": 3}
    [theta] = descent.descend([network.parameters], gradient, X, np.eye(3)[y], **how, rng=np.random.default_rng(4))
    fit(network, X, y, **how, rng=np.random.default_rng(4), progress=False)
    np.testing.assert_allclose(network.parameters, theta, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_measured_is_what_one_measures(dtype):
    network, seen = start(dtype=dtype), []
    history = fit(
        network, X, y, **options(validation=VALIDATION, callback=lambda epoch, network, history: seen.append((epoch, network.copy(), len(history))))
    )  # fmt: skip
    assert [(epoch, rows) for epoch, _, rows in seen] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    for (_, then, _), epoch in zip(seen, history.epochs):
        assert math.isclose(epoch.validation_loss, then.loss(*VALIDATION), rel_tol=tolerance)
        assert epoch.validation_accuracy == then.score(*VALIDATION)
        assert epoch.accuracy == then.score(X, y)
        assert epoch.eta == 0.2 and epoch.seconds > 0
    best = int(np.argmin(history.validation_loss))
    assert history.best_epoch == best + 1 and history.reason == "4 epochs"
    np.testing.assert_array_equal(network.parameters, seen[best][1].parameters)
    np.testing.assert_array_equal(network.parameters, history.best_parameters)


def test_the_training_accuracy_of_many_samples_is_that_of_some():
    X, y = problem(6000)
    network = start()
    history = fit(network, X, y, **options(epochs=1, batch_size=1000))
    assert (history.accuracy[0] * 1000).is_integer()
    assert abs(history.accuracy[0] - network.score(X, y)) < 0.05


def test_without_validation_the_last_network_stays():
    ends = []
    history = fit(network := start(), X, y, **options(callback=lambda e, n, h: ends.append(n.parameters.copy())))
    np.testing.assert_array_equal(network.parameters, ends[-1])
    assert history.validation_loss == [] and history.best_parameters is None
    assert history.judged == history.loss


def test_numbers_and_seeds_as_everywhere_in_scientific_python():
    plain = fit(start(), X, y, **options(rng=np.random.default_rng(5)))
    assert fit(start(), X, y, **options(rng=5, eta=np.array(0.2), epochs=np.int64(4), batch_size=np.array(8))) == plain
    assert fit(start(), X, y, **options(rng=np.random.SeedSequence(5), eta=np.float32(0.2))) == fit(start(), X, y, **options(rng=5, eta=float(np.float32(0.2))))
    assert fit(start(), X, y, **options(rng=None)) != fit(start(), X, y, **options(rng=None))


def test_inputs_are_not_changed_and_equal_calls_give_equal_results():
    before = X.copy(), y.copy()
    first, second = start(), start()
    one, two = (fit(network, X, y, **options(validation=VALIDATION)) for network in (first, second))
    np.testing.assert_array_equal(first.parameters, second.parameters)
    assert one == two and one.epochs is not two.epochs
    assert (X == before[0]).all() and (y == before[1]).all()


@pytest.mark.parametrize("make", [np.float32, lambda X: (X > 0), lambda X: (10 * X).astype(np.int16), lambda X: X.tolist(), np.asfortranarray], ids=["float32", "bool", "int16", "list", "columns"])
def test_inputs_of_any_real_dtype(make):
    given = make(X)
    ours, plain = start(), start()
    fit(ours, given, y.tolist(), **options())
    fit(plain, np.array(given, np.float64), y, **options())
    np.testing.assert_allclose(ours.parameters, plain.parameters, rtol=1e-12, atol=1e-13)


# Data larger than memory


def test_a_memory_map_trains_alike(tmp_path):
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "T.npy", np.eye(3)[y])
    mapped = [np.load(tmp_path / name, mmap_mode="r") for name in ("X.npy", "T.npy")]
    ours, plain = start(), start()
    assert fit(ours, *mapped, **options(validation=mapped)) == fit(plain, X, y, **options(validation=(X, y)))
    np.testing.assert_array_equal(ours.parameters, plain.parameters)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_memory_map_is_never_in_memory(tmp_path, dtype):
    rows, N = 20_000, 1_000 if dtype == "float32" else 4_000  # 80 MB
    with open(tmp_path / "X", "wb") as file:
        file.truncate(rows * N * np.dtype(dtype).itemsize)  # zeros that take no room on disk
    mapped = np.memmap(tmp_path / "X", dtype, "r", shape=(rows, N))
    network, labels = start((N, 4, 3), dtype="float32"), np.arange(rows) % 3
    tracemalloc.start()
    fit(network, mapped, labels, **options(epochs=1, batch_size=100, validation=(mapped[:5000], labels[:5000])))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mapped.nbytes == 80_000_000 and peak < 25e6, f"{peak / 1e6:.0f} MB"


@pytest.mark.parametrize(("widths", "batch_size"), [((784, 128, 64, 10), 128), ((784, 512, 512, 10), 256), ((20_000, 100, 10), 32)])
def test_peak_memory_is_what_the_sizes_say(widths, batch_size):
    rng = np.random.default_rng(0)
    network = Network(widths, rng=rng, dtype="float32")
    X, y = rng.random((600, widths[0]), dtype="float32"), rng.integers(0, 10, 600)
    how = options(epochs=2, batch_size=batch_size, eta=1e-3, validation=(X[:200], y[:200]))
    fit(network.copy(), X, y, **how)  # modules are loaded
    tracemalloc.start()
    fit(network, X, y, **how)
    peak = tracemalloc.get_traced_memory()[1] + network.parameters.nbytes
    tracemalloc.stop()
    assert peak <= 1.1 * sum(workspace_bytes(widths, batch_size, "float32").values())


# When it ends


def record(losses, validation=True):
    "A history with these losses."
    return History([Epoch(e, 0.1, 9.0 if validation else v, 0.5, v if validation else None) for e, v in enumerate(losses, 1)])


@pytest.mark.parametrize("validation", [True, False])
def test_stop_rules(validation):
    losses = [0.9, 0.6, 0.7, 0.5, 0.5, 0.52]
    ends = {
        rule: next((e for e in range(1, 7) if rule(record(losses[:e], validation))), None)
        for rule in (Patience(1), Patience(2), Patience(3), Threshold(0.65), Threshold(0.6), Threshold(0.5))
    }
    assert list(ends.values()) == [3, 6, None, 2, 4, None]
    assert Patience(2)(record(losses, validation)) == "no epoch better than 4 in 2 more"
    assert Threshold(0.65)(record(losses[:2], validation)) == "loss 0.6 below 0.65"


def test_a_rule_stops_the_training_and_gives_its_reason():
    history = fit(start(), X, y, **options(epochs=500, stop=Threshold(0.5)))
    assert 1 < len(history) < 500 and history.loss[-1] < 0.5 <= history.loss[-2]
    assert history.reason.startswith("loss 0.") and history.reason.endswith(" below 0.5")
    asked = []
    stop = [lambda history: asked.append(len(history)), lambda history: "enough" if len(history) == 3 else None]
    history = fit(start(), X, y, **options(epochs=5, stop=stop))
    assert history.reason == "enough" and len(history) == 3 and asked == [1, 2, 3]


def test_patience_returns_the_network_of_the_best_epoch():
    noise = np.random.default_rng(0).integers(0, 3, 50)  # labels without sense: the validation loss soon rises
    network = start((4, 30, 3))
    history = fit(network, X, noise, **options(epochs=500, validation=(VALIDATION[0], noise), stop=Patience(4), batch_size=2))
    assert len(history) < 500 and len(history) - history.best_epoch == 4
    assert math.isclose(network.loss(VALIDATION[0], noise), min(history.validation_loss), rel_tol=1e-12)


# The seams


def test_a_schedule_is_asked_before_each_step():
    asked = []

    def eta(clock):
        asked.append(clock)
        return 0.4 / (1 + clock)

    history = fit(start(), X, y, **options(epochs=2, batch_size=20, eta=eta))
    np.testing.assert_allclose(asked, [0, 0.4, 0.8, 1, 1.4, 1.8])
    assert history.eta == [0.4 / (1 + asked[2]), 0.4 / (1 + asked[5])]


@pytest.mark.parametrize("bad", [-1, math.nan, math.inf, "0.1"])
def test_a_schedule_that_fails_leaves_the_last_epoch(bad):
    network, after = start(), []
    with pytest.raises((TypeError, ValueError), match="^eta: expected .* got"):
        fit(network, X, y, **options(eta=lambda clock: 0.1 if clock < 1.5 else bad, callback=lambda e, n, h: after.append(n.parameters.copy())))
    assert len(after) == 1
    np.testing.assert_array_equal(network.parameters, after[0])


@pytest.mark.parametrize("make", [lambda: None, lambda: Momentum(0.9)], ids=["plain", "optimizer"])
def test_a_schedule_that_falls_to_zero_changes_nothing_from_there_on(make):
    eta = lambda clock: 0.2 if clock < 1.5 or clock >= 3 else 0.0
    network, after = start(), [start().parameters]
    keep = lambda e, n, h: after.append(n.parameters.copy())
    history = fit(network, X, y, **options(epochs=4, batch_size=25, eta=eta, optimizer=make(), callback=keep))
    assert len(history) == 4 and history.eta == [0.2, 0.0, 0.0, 0.2]
    np.testing.assert_array_equal(after[2], after[3])
    assert not np.array_equal(after[1], after[2]) and not np.array_equal(after[3], after[4])
    assert math.isclose(history.loss[2], start_at(after[2]).loss(X, y), rel_tol=1e-12)  # both batches seen by the same network


def start_at(parameters):
    "A network with these parameters."
    network = start()
    network.parameters[:] = parameters
    return network


class Momentum:
    "v ← μv + g, θ ← θ − ηv."

    def __init__(self, mu):
        self.mu = mu

    def __repr__(self):
        return f"Momentum({self.mu})"

    def rate(self, clock):
        return self.mu / (1 + clock)

    def start(self, parameters):
        return {"velocity": np.zeros_like(parameters), "steps": np.zeros((), np.int64)}

    def step(self, parameters, gradient, eta, state):
        state["velocity"] *= self.mu
        state["velocity"] += gradient
        state["steps"] += 1
        parameters -= eta * state["velocity"]


class Decay:
    "½λ Σ w²."

    def __init__(self, strength):
        self.strength = strength

    def __repr__(self):
        return f"Decay({self.strength})"

    def value(self, W):
        return self.strength / 2 * sum(float((w * w).sum()) for w in W[1:])

    def add_gradient(self, W, G):
        for w, g in zip(W[1:], G[1:]):
            g += self.strength * w


class Dropout:
    "Half of the activations are zero, the others twice as large."

    def __repr__(self):
        return "Dropout()"

    def __init__(self):
        self.masks, self.drawn = {}, 0

    def forward(self, Z, r, rng):
        self.masks[r] = 2.0 * (rng.random(Z.shape) < 0.5)
        self.drawn += 1
        Z *= self.masks[r]

    def backward(self, D, r):
        D *= self.masks[r]


def test_an_optimizer_of_ones_own_follows_torch():
    network = start((4, 9, 3))
    theirs, rng = InTorch(network), np.random.default_rng(2)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9)
    for _ in range(6):
        for rows in descent.batches(50, 8, rng):
            optimizer.zero_grad()
            theirs.loss(X[rows], y[rows]).backward()
            optimizer.step()
    fit(network, X, y, **options(epochs=6, eta=0.05, optimizer=Momentum(0.9)))
    np.testing.assert_allclose(network.parameters, theirs.flat(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("optimizer", [None, Momentum(0.5)], ids=["plain", "optimizer"])
def test_a_penalty_is_added_to_loss_and_gradient(optimizer):
    network, strength = start((4, 9, 3)), 0.1
    theirs, rng = InTorch(network), np.random.default_rng(2)
    torchs = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.5 if optimizer else 0)
    means = []
    for _ in range(4):
        seen = 0.0
        for rows in descent.batches(50, 8, rng):
            loss = theirs.loss(X[rows], y[rows]) + strength / 2 * sum((W**2).sum() for W, _ in theirs.layers)
            torchs.zero_grad()
            loss.backward()
            torchs.step()
            seen += len(rows) * loss.item()
        means.append(seen / 50)
    history = fit(network, X, y, **options(eta=0.1, penalty=Decay(strength), optimizer=optimizer, validation=VALIDATION))
    if history.best_epoch == 4:
        np.testing.assert_allclose(network.parameters, theirs.flat(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(history.loss, means, rtol=1e-10)
    network.parameters[:] = theirs.flat()
    assert math.isclose(history.validation_loss[-1], network.loss(*VALIDATION), rel_tol=1e-9), "no penalty in validation"


@pytest.mark.parametrize("optimizer", [None, Momentum(0.0)], ids=["plain", "optimizer"])
def test_noise_is_for_training_only(optimizer):
    class Silence(Dropout):
        def forward(self, Z, r, rng):
            self.drawn += 1
            Z *= 0.0
            self.masks[r] = np.zeros(Z.shape)

    network, silence = start((4, 9, 3)), Silence()
    before = network.copy()
    history = fit(network, X, y, **options(epochs=2, noise=silence, validation=VALIDATION, optimizer=optimizer))
    assert silence.drawn == 14  # steps, no evaluations
    np.testing.assert_array_equal(network.W[1], before.W[1])  # nothing came through the silent layer
    assert not np.array_equal(network.b[2], before.b[2])
    assert math.isclose(min(history.validation_loss), network.loss(*VALIDATION), rel_tol=1e-12)


def test_noise_draws_from_the_generator_of_the_training():
    ends = []
    for _ in range(2):
        network = start()
        history = fit(network, X, y, **options(noise=Dropout()))
        ends.append((network.parameters.copy(), history))
    np.testing.assert_array_equal(ends[0][0], ends[1][0])
    assert ends[0][1] == ends[1][1]
    plain = start()
    fit(plain, X, y, **options())
    assert not np.array_equal(plain.parameters, ends[0][0])


# What goes wrong on the way


def after_epochs(network, epochs, **changed):
    "The parameters after so many epochs of the same training."
    fit(network, X, y, **options(epochs=epochs, **changed))
    return network.parameters


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [None, Momentum(0.5)], ids=["plain", "optimizer"])
@pytest.mark.parametrize("validation", [None, VALIDATION], ids=["alone", "validated"])
def test_divergence_says_where_and_keeps_the_last_finite_epoch(dtype, optimizer, validation):
    def eta(clock):
        return 0.1 if clock < 2.3 else 1e300 if dtype == "float64" else 1e37

    network = start(activation="relu", dtype=dtype)
    with pytest.raises(TrainingDiverged, match=r"epoch 3, batch \d \(eta=1e\+\d+\); the network is as it was after epoch 2") as caught:
        fit(network, X, y, **options(eta=eta, optimizer=optimizer, validation=validation))
    error = caught.value
    assert isinstance(error, descent.Diverged)
    assert error.epoch == 2 and 3 <= error.batch <= 7 and error.eta == eta(3) and len(error.history) == 2
    np.testing.assert_array_equal(error.parameters[0], network.parameters)
    expected = after_epochs(start(activation="relu", dtype=dtype), 2, eta=0.1, optimizer=copy.deepcopy(optimizer))
    np.testing.assert_array_equal(network.parameters, expected)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and again.batch == error.batch and again.history == error.history


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("optimizer", [None, Momentum(0.5)], ids=["plain", "optimizer"])
def test_the_batch_whose_loss_is_not_finite_is_named(value, optimizer):
    class Late(Decay):
        "No penalty until the loss of the fifth batch of the second epoch."

        calls = 0

        def value(self, W):
            self.calls += 1
            return value if self.calls == 12 else 0.0

    network = start()
    with pytest.raises(TrainingDiverged, match="in epoch 2, batch 5 ") as caught:
        fit(network, X, y, **options(penalty=Late(0.0), optimizer=optimizer))
    assert caught.value.batch == 5 and caught.value.epoch == 1
    np.testing.assert_array_equal(network.parameters, after_epochs(start(), 1, penalty=Decay(0.0), optimizer=copy.deepcopy(optimizer)))


def test_divergence_in_the_first_epoch_keeps_the_start():
    network = start(activation="identity")
    before = network.parameters.copy()
    with pytest.raises(TrainingDiverged, match="in epoch 1, .* as it was at the start"):
        fit(network, X, y, **options(eta=1e200))
    np.testing.assert_array_equal(network.parameters, before)


def test_parameters_that_leave_the_numbers_in_the_last_step_are_noticed():
    class Last:
        "Fails after the loss of the last batch was seen."

        def start(self, parameters):
            return {"steps": np.zeros((), np.int64)}

        def step(self, parameters, gradient, eta, state):
            state["steps"] += 1
            if state["steps"] == 14:
                parameters[3] = np.inf

    network = start()
    with pytest.raises(TrainingDiverged, match="in epoch 2, batch 7 "):
        fit(network, X, y, **options(optimizer=Last()))
    np.testing.assert_array_equal(network.parameters, start().parameters)


def test_a_validation_loss_that_is_not_finite_is_noticed():
    network = start((4, 30, 3), "identity", "float32")
    before = network.parameters.copy()
    with pytest.raises(TrainingDiverged, match="in epoch 1, batch 7 "):
        fit(network, X, y, **options(validation=(np.full((2, 4), 3e38), [0, 1])))
    np.testing.assert_array_equal(network.parameters, before)


def test_an_error_of_the_callback_propagates_and_leaves_the_network():
    def fail(epoch, network, history):
        if epoch == 2:
            raise RuntimeError("no more room")

    network = start()
    with pytest.raises(RuntimeError, match="no more room"):
        fit(network, X, y, **options(callback=fail, validation=VALIDATION))
    np.testing.assert_array_equal(network.parameters, after_epochs(start(), 2))


class Fails:
    "A schedule, stop rule, optimizer, penalty, noise or callback that fails at its nth call."

    def __init__(self, calls):
        self.left = calls

    def __call__(self, *arguments):
        self.left -= 1
        if not self.left:
            raise LookupError("not today")
        return 0.2 if len(arguments) == 1 and isinstance(arguments[0], float) else None

    def start(self, parameters):
        return {}

    def step(self, parameters, gradient, eta, state):
        parameters -= eta * gradient
        self()

    def value(self, W):
        self()
        return 0.0

    def add_gradient(self, W, G):
        pass

    def forward(self, Z, r, rng):
        self()

    def backward(self, D, r):
        pass


@pytest.mark.parametrize(
    ("seam", "calls", "done"),
    [("eta", 16, 2), ("eta", 1, 0), ("optimizer", 18, 2), ("penalty", 18, 2), ("noise", 18, 2), ("stop", 3, 2), ("stop", 1, 0), ("callback", 2, 2)],
)
@pytest.mark.parametrize("validation", [None, VALIDATION], ids=["alone", "validated"])
def test_an_error_inside_a_training_costs_neither_history_nor_network(seam, calls, done, validation):
    network = start()
    with pytest.raises(LookupError, match="not today") as caught:
        fit(network, X, y, **options(validation=validation) | {seam: Fails(calls)})
    history, ends, expected = caught.value.history, [start().parameters], History()
    if done:
        keep = {"callback": lambda e, n, h: ends.append(n.parameters.copy())}
        expected = fit(start(), X, y, **options(epochs=done, validation=validation) | {seam: Fails(10**9)} | keep)
    assert history.epochs == expected.epochs and len(history) == done
    np.testing.assert_array_equal(network.parameters, ends[-1])
    if validation is not None and done:
        np.testing.assert_array_equal(history.best_parameters, expected.best_parameters)
    [note] = caught.value.__notes__
    assert note == f"The training had come through {done} epochs: see .history"
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.history == history and again.__notes__ == [note]


def test_an_error_without_room_for_a_history_passes_as_it_is():
    class Narrow(Exception):
        history = property(lambda self: "its own")

    def stop(history):
        raise Narrow("no room")

    with pytest.raises(Narrow, match="no room") as caught:
        fit(start(), X, y, **options(stop=stop))
    assert caught.value.history == "its own"


@pytest.mark.parametrize("validation", [None, VALIDATION], ids=["alone", "validated"])
@pytest.mark.parametrize("true", [True, np.True_])
def test_a_callback_that_returns_true_ends_the_training(validation, true):
    network, short = start(), start()
    history = fit(network, X, y, **options(epochs=50, validation=validation, callback=lambda e, n, h: true if e == 3 else e))
    expected = fit(short, X, y, **options(epochs=3, validation=validation))
    assert history.epochs == expected.epochs and history.reason == "the callback ended it"
    np.testing.assert_array_equal(network.parameters, short.parameters)
    if validation is not None:
        np.testing.assert_array_equal(history.best_parameters, expected.best_parameters)


def test_ctrl_c_in_a_callback():
    def interrupt(epoch, network, history):
        if epoch == 3:
            raise KeyboardInterrupt

    network = start()
    history = fit(network, X, y, **options(callback=interrupt, validation=VALIDATION))
    assert history.reason == "interrupted" and len(history) == 3
    np.testing.assert_array_equal(network.parameters, after_epochs(start(), 3))


INTERRUPTED = """
import signal
import sys
import numpy as np
from dlnbook.fitting import fit
from dlnbook.network import Network

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born deaf to it
rng = np.random.default_rng(0)
X, y = rng.standard_normal((2000, 20)), rng.integers(0, 3, 2000)
network = Network((20, 30, 3), rng=rng)

def tell(epoch, network, history):
    if epoch == 2:
        print("running", flush=True)

history = fit(network, X, y, epochs=10**6, batch_size=4, eta=0.01, rng=rng, callback=tell, progress=sys.argv[1] == "bar")
print(history.reason, len(history) == len(history.loss) > 1, bool(np.isfinite(network.parameters).all()), flush=True)
"""


@pytest.mark.parametrize("shown", ["bar", "silent"])
def test_a_real_ctrl_c(shown):
    environment = os.environ | {"DLNBOOK_EXPLORE": "callback"}
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED, shown], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    try:
        assert process.stdout.readline() == "running\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert out == "interrupted True True\n" and process.returncode == 0
    assert ("accuracy" in err) == (shown == "bar")


# Progress


@pytest.mark.parametrize("tqdm", [True, False])
def test_progress(monkeypatch, capsys, tqdm):
    monkeypatch.setenv("DLNBOOK_EXPLORE", "callback")
    if not tqdm:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    fit(start(), X, y, **options(progress=True, validation=VALIDATION))
    shown = capsys.readouterr()
    assert shown.out == "" and re.search(r"epoch 4/4.*loss \d\.\d+, accuracy \d+\.\d%", shown.err)
    assert ("28/28" in shown.err) == tqdm
    fit(start(), X, y, **options(progress=False))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("tqdm", ["with tqdm", "without"])
def test_progress_on_a_terminal_that_knows_ascii_only(tqdm):
    code = f"""
import sys
if {tqdm == "without"}: sys.modules["tqdm.auto"] = None
import numpy as np
from dlnbook.fitting import fit
from dlnbook.network import Network
rng = np.random.default_rng(0)
history = fit(Network((2, 3, 2), rng=rng), rng.random((20, 2)), [0, 1] * 10, epochs=3, batch_size=2, eta=lambda t: 0.1, rng=rng)
print(history)
"""
    environment = os.environ | {"DLNBOOK_EXPLORE": "callback", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr.decode()
    assert b"epoch 3/3" in done.stderr and b"3 epochs" in done.stdout
    (done.stderr + done.stdout).decode("ascii")


def test_a_history_plots_itself():
    history = fit(start(), X, y, **options(validation=VALIDATION))
    picture = history.plot()
    assert "best epoch" in picture.alt and picture.svg.startswith("<svg")
    assert fit(start(), X, y, **options(epochs=1)).plot().alt
    with pytest.raises(ValueError, match="^history: expected at least one epoch, got none"):
        History().plot()


def test_a_plot_can_be_saved_and_shown(tmp_path, monkeypatch, capsys):
    picture = fit(start(), X, y, **options(validation=VALIDATION)).plot()
    for name in ("history.svg", "history.png", "HISTORY.PDF"):
        picture.save(tmp_path / name)
    svg = xml.etree.ElementTree.parse(tmp_path / "history.svg").getroot()
    assert svg.get("aria-label") == picture.alt and "var(" not in (tmp_path / "history.svg").read_text()
    assert (tmp_path / "history.png").read_bytes().startswith(b"\x89PNG") and (tmp_path / "HISTORY.PDF").read_bytes().startswith(b"%PDF")
    for wrong in ("history", "history.doc"):
        with pytest.raises(ValueError, match=r"^path: expected it to end in \.svg, .*\.png.*, got .*history"):
            picture.save(tmp_path / wrong)
    assert sorted(os.listdir(tmp_path)) == ["HISTORY.PDF", "history.png", "history.svg"]
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    picture.show()
    file = capsys.readouterr().out.strip()
    assert opened == [Path(file).as_uri()] and Path(file).read_bytes() == (tmp_path / "history.svg").read_bytes()
    Path(file).unlink()
    for again in (copy.deepcopy(picture), pickle.loads(pickle.dumps(picture))):
        again.save(tmp_path / "again.png")
        assert again == picture and (tmp_path / "again.png").read_bytes() == (tmp_path / "history.png").read_bytes()


def test_a_plot_without_matplotlib_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModuleNotFoundError, match=r"expected Matplotlib.*, got none; pip install 'dlnbook\[figures\]'") as caught:
        record([0.5]).plot()
    assert caught.value.name == "matplotlib"


@pytest.mark.parametrize("way", ["pickle", "deepcopy", "joblib", "version 0.1"])
def test_histories_travel(tmp_path, way):
    history = fit(start(), X, y, **options(epochs=3, validation=VALIDATION))
    if way == "version 0.1":  # a pickle of this very training
        there = pickle.loads((ROOT / "tests" / "data" / "history_0_1.pickle").read_bytes())
        assert there.best_epoch == history.best_epoch and there.reason == history.reason and there.eta == history.eta
        np.testing.assert_allclose(there.validation_loss, history.validation_loss, rtol=1e-12)
        np.testing.assert_allclose(there.best_parameters, history.best_parameters, rtol=1e-12)
        assert type(there) is History and there.plot().alt == history.plot().alt
        return
    if way == "joblib":
        joblib.dump(history, tmp_path / "history")
    ways = {"pickle": lambda: pickle.loads(pickle.dumps(history)), "deepcopy": lambda: copy.deepcopy(history), "joblib": lambda: joblib.load(tmp_path / "history")}
    there = ways[way]()
    assert there == history and there.seconds == history.seconds
    np.testing.assert_array_equal(there.best_parameters, history.best_parameters)
    assert there.best_parameters is not history.best_parameters


def test_trainings_travel_to_workers():
    "What is handed in, what comes back, and what goes wrong."
    networks = [start(), start(), start(activation="identity")]
    how = [options(eta=0.2, stop=[Patience(2)], validation=VALIDATION), options(optimizer=Momentum(0.5), stop=Threshold(0.7)), options(eta=1e200)]
    here = [outcome(network.copy(), each) for network, each in zip(networks, copy.deepcopy(how))]
    there = joblib.Parallel(n_jobs=2)(joblib.delayed(outcome)(network, each) for network, each in zip(networks, how))
    for (ours, parameters), (theirs, others) in zip(here, there):
        assert ours == theirs or str(ours) == str(theirs) and ours.history == theirs.history and isinstance(theirs, TrainingDiverged)
        np.testing.assert_array_equal(parameters, others)


def outcome(network, how):
    "What comes of a training: its history or its error, and the network's parameters."
    try:
        return fit(network, X, y, **how), network.parameters
    except TrainingDiverged as error:
        return error, network.parameters


def test_histories_compare_all_but_time():
    rows = [Epoch(1, 0.1, 0.5, 0.9, 0.6, 0.8, seconds=1.0)]
    assert History(rows, "x") == History([Epoch(1, 0.1, 0.5, 0.9, 0.6, 0.8, seconds=2.0)], "x", np.zeros(3))
    assert History(rows, "x") != History(rows, "y")
    assert History(rows) != History([Epoch(1, 0.1, 0.5, 0.9, 0.6, 0.81)])
    assert pickle.loads(pickle.dumps(History(rows, "x"))) == History(rows, "x")


# The confusion matrix


def test_confusion_matrix():
    network = start((3, 3))
    network.W[1] = np.eye(3)
    rng = np.random.default_rng(0)
    y, said = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    C = confusion_matrix(network, np.eye(3)[said], y)
    assert C.dtype == np.int64 and C.tolist() == [[int(((y == k) & (said == j)).sum()) for j in range(3)] for k in range(3)]
    assert np.trace(C) / 200 == network.score(np.eye(3)[said], y)
    assert (confusion_matrix(network, np.eye(3)[said], as_targets(y, 3)) == C).all()


# Checkpoints


@pytest.mark.parametrize("generator", ["PCG64", "MT19937", "Philox", "SFC64", "PCG64DXSM"])
@pytest.mark.parametrize("extras", ["plain", "all"])
def test_a_resumed_training_ends_bit_for_bit_alike(tmp_path, generator, extras):
    def arguments():
        rng = np.random.Generator(getattr(np.random, generator)(3))
        more = {"optimizer": Momentum(0.9), "noise": Dropout(), "penalty": Decay(0.01), "validation": VALIDATION, "eta": schedule}
        return options(epochs=7, rng=rng) | (more if extras == "all" else {})

    def fail(epoch, network, history):
        raise RuntimeError("power cut")

    expected, file = start(), tmp_path / "checkpoint.npz"
    history = fit(expected, X, y, **arguments())
    for epoch in range(2, 8):  # dies in epochs 2, 3, …, 7
        network = start()
        died = lambda e, n, h: fail(e, n, h) if e == epoch else None
        with pytest.raises(RuntimeError):
            fit(network, X, y, **arguments(), checkpoint=file, callback=died)
    network = start()
    assert fit(network, X, y, **arguments(), checkpoint=file) == history
    np.testing.assert_array_equal(network.parameters, expected.parameters)
    seconds = sum(fit(start(), X, y, **arguments(), checkpoint=file).seconds)  # finished: nothing is done again
    assert seconds == sum(fit(start(), X, y, **arguments(), checkpoint=file).seconds)


def schedule(clock):
    return 0.1 / (1 + clock)


def schedule_by(first, clock):
    return getattr(first, "mu", first) / (1 + clock)


def test_a_finished_training_can_go_on(tmp_path):
    file = tmp_path / "checkpoint.npz"
    fit(start(), X, y, **options(epochs=3, validation=VALIDATION), checkpoint=file)
    longer, whole = start(), start()
    resumed = fit(longer, X, y, **options(epochs=6, validation=VALIDATION), checkpoint=file)
    assert resumed == fit(whole, X, y, **options(epochs=6, validation=VALIDATION))
    np.testing.assert_array_equal(longer.parameters, whole.parameters)


def test_a_training_stopped_by_a_rule_stays_stopped(tmp_path):
    how, file = options(epochs=300, stop=Threshold(0.6), validation=VALIDATION), tmp_path / "checkpoint.npz"
    first = fit(start(), X, y, **how, checkpoint=file)
    before = file.read_bytes()
    network = start()
    assert fit(network, X, y, **how, checkpoint=file) == first and file.read_bytes() == before
    np.testing.assert_array_equal(network.parameters, first.best_parameters)


def test_an_interrupted_epoch_is_done_again(tmp_path):
    "Ctrl-C in the middle of an epoch: the checkpoint is that of the epoch before."
    steps, file = [], tmp_path / "checkpoint.npz"

    def eta(clock):
        steps.append(clock)
        if len(steps) == 25:
            raise KeyboardInterrupt
        return 0.2

    history = fit(start(), X, y, **options(eta=eta), checkpoint=file)
    assert history.reason == "interrupted" and len(history) == 3
    network, whole = start(), start()
    assert fit(network, X, y, **options(eta=eta), checkpoint=file) == fit(whole, X, y, **options(eta=lambda clock: 0.2))
    np.testing.assert_array_equal(network.parameters, whole.parameters)


OTHERS = {
    "widths": lambda: {"network": start((4, 9, 3))},
    "activations": lambda: {"network": start(activation="relu")},
    "dtype": lambda: {"network": start(dtype="float32")},
    "batch_size": lambda: {"batch_size": 9},
    "epochs": lambda: {"epochs": 1},
    "data": lambda: {"X": X + 1},
    "data of another length": lambda: {"X": X[:-1], "y": y[:-1]},
    "labels": lambda: {"y": (y + 1) % 3},
    "validation": lambda: {"validation": VALIDATION},
    "generator": lambda: {"rng": np.random.Generator(np.random.MT19937(0))},
    "eta": lambda: {"eta": 0.3},
    "schedule": lambda: {"eta": schedule},
    "optimizer": lambda: {"optimizer": Momentum(0.9)},
    "penalty": lambda: {"penalty": Decay(0.1)},
    "noise": lambda: {"noise": Dropout()},
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, other):
    file = tmp_path / "checkpoint.npz"
    fit(start(), X, y, **options(epochs=2), checkpoint=file)
    arguments = {"network": start(), "X": X, "y": y} | options(epochs=2, checkpoint=file) | OTHERS[other]()
    before, content = arguments["network"].parameters.copy(), file.read_bytes()
    state = str(arguments["rng"].bit_generator.state)
    with pytest.raises(ValueError, match="^checkpoint: expected that of a training with .*, got .*checkpoint.npz"):
        fit(**arguments)
    np.testing.assert_array_equal(arguments["network"].parameters, before)
    assert file.read_bytes() == content and str(arguments["rng"].bit_generator.state) == state


class Nameless(Momentum):
    "An optimizer whose repr tells nothing of its settings."

    __repr__ = object.__repr__


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimizer", Nameless(0.9)),
        ("eta", functools.partial(schedule_by, Nameless(0.9))),
        ("eta", Nameless(0.2).rate),
        ("penalty", types.SimpleNamespace(value=lambda W: 0.0, add_gradient=lambda W, G: None, inner=Nameless(0.9))),
    ],
    ids=["object", "partial", "method", "namespace"],
)
def test_what_a_checkpoint_could_not_tell_apart_is_refused(tmp_path, name, value):
    file, network = tmp_path / "checkpoint.npz", start()
    with pytest.raises(TypeError, match=f"^checkpoint: expected {name} with a repr that tells the settings.*, got .*Nameless object"):
        fit(network, X, y, **options(checkpoint=file) | {name: value})
    assert not file.exists()
    np.testing.assert_array_equal(network.parameters, start().parameters)
    fit(network, X, y, **options(epochs=1) | {name: value})  # without a checkpoint nobody needs the name


def test_settings_beside_a_function_count(tmp_path):
    "The repr of a partial has the address of its function, which is another in each process."
    file = tmp_path / "checkpoint.npz"
    fit(start(), X, y, **options(epochs=2, eta=functools.partial(schedule_by, 0.1), checkpoint=file))
    with pytest.raises(ValueError, match="^checkpoint: expected that of a training with eta .*0.2.*, got .*0.1"):
        fit(start(), X, y, **options(epochs=2, eta=functools.partial(schedule_by, 0.2), checkpoint=file))
    went_on = fit(start(), X, y, **options(epochs=3, eta=functools.partial(schedule_by, 0.1), checkpoint=file))
    assert went_on == fit(start(), X, y, **options(epochs=3, eta=functools.partial(schedule_by, 0.1)))


def test_five_seeds_and_one_file_are_not_five_times_the_first_result(tmp_path):
    file = tmp_path / "checkpoint.npz"

    def train(seed, file):
        rng = np.random.default_rng(seed)
        network = Network((4, 8, 3), "tanh", rng=rng)
        return fit(network, X, y, **options(epochs=2, rng=rng, checkpoint=file))

    first = train(0, file)
    content = file.read_bytes()
    for seed in range(1, 5):
        with pytest.raises(ValueError, match="^checkpoint: expected that of a training with this start, got one with another: .*checkpoint.npz"):
            train(seed, file)
        assert train(seed, tmp_path / f"{seed}.npz") != first
    assert train(0, file) == first and file.read_bytes() == content


@pytest.mark.parametrize("seed", [9, np.random.default_rng(9), None])
def test_other_shuffles_are_another_training(tmp_path, seed):
    file = tmp_path / "checkpoint.npz"
    fit(start(), X, y, **options(epochs=2, rng=8, checkpoint=file))
    content = file.read_bytes()
    with pytest.raises(ValueError, match="^checkpoint: expected that of a training with this generator's state, got one with another: .*checkpoint.npz"):
        fit(start(), X, y, **options(epochs=3, rng=seed, checkpoint=file))
    assert file.read_bytes() == content
    longer = fit(start(), X, y, **options(epochs=3, rng=8, checkpoint=file))
    assert longer == fit(start(), X, y, **options(epochs=3, rng=np.random.default_rng(8)))


@pytest.mark.parametrize("end", ["epochs", "callback", "Ctrl-C", "Ctrl-C in an epoch", "error"])
def test_the_same_call_with_the_same_objects_goes_on(tmp_path, end):
    "As in a notebook, where the cell that makes network and generator is not run again."
    network, rng, calls = start(), np.random.default_rng(2), []

    def callback(epoch, network, history):
        calls.append(epoch)
        if len(calls) == 2 and end in ("Ctrl-C", "error"):
            raise KeyboardInterrupt if end == "Ctrl-C" else RuntimeError("power cut")
        return len(calls) == 2 and end == "callback"

    def eta(clock):
        if end == "Ctrl-C in an epoch" and len(calls) == 2 and clock > 2.5:
            calls.append(0)
            raise KeyboardInterrupt
        return 0.2

    how = dict(options(rng=rng, eta=eta, validation=VALIDATION), callback=callback, checkpoint=tmp_path / "checkpoint.npz")
    with contextlib.suppress(RuntimeError):
        history = fit(network, X, y, **how | {"epochs": 2 if end == "epochs" else 5})
        assert end in ("epochs", "callback", "Ctrl-C", "Ctrl-C in an epoch") and 0 < len(history) < 5
    whole = start()
    assert fit(network, X, y, **how | {"epochs": 5}) == fit(whole, X, y, **options(epochs=5, validation=VALIDATION))
    np.testing.assert_array_equal(network.parameters, whole.parameters)


@pytest.mark.parametrize("error", [KeyboardInterrupt, LookupError])
@pytest.mark.parametrize("seam", ["eta", "callback"])
def test_a_training_that_ends_before_its_first_checkpoint_leaves_no_file(tmp_path, seam, error):
    def fail(*arguments):
        raise error

    file = tmp_path / "checkpoint.npz"
    with contextlib.suppress(LookupError):
        history = fit(start(), X, y, **options(checkpoint=file) | {seam: fail})
        assert history.reason == "interrupted" and len(history) == (seam == "callback")
    assert not file.exists()


def test_checkpoints_of_version_0_1_go_on(tmp_path):
    "tests/data holds two trainings of which version 0.1 did three and two epochs."
    for name, done, extras in [
        ("checkpoint_0_1.npz", 3, {"eta": schedule, "optimizer": Momentum(0.9), "penalty": Decay(0.01), "validation": VALIDATION}),
        ("checkpoint_plain_0_1.npz", 2, {}),
    ]:
        file = tmp_path / name
        file.write_bytes((ROOT / "tests" / "data" / name).read_bytes())
        went_on, whole = start(), start()
        history = fit(went_on, X, y, **options(epochs=6, checkpoint=file) | extras)
        expected = fit(whole, X, y, **options(epochs=6) | extras)
        assert len(history) == 6 and history.eta == expected.eta and history.epochs[0].seconds != expected.epochs[0].seconds
        for name in ("loss", "accuracy", "validation_loss", "validation_accuracy"):
            np.testing.assert_allclose(getattr(history, name), getattr(expected, name), rtol=1e-12)
        np.testing.assert_allclose(went_on.parameters, whole.parameters, rtol=1e-10)
        with pytest.raises(ValueError, match="^checkpoint: expected that of a training with optimizer"):
            fit(start(), X, y, **options(epochs=6, checkpoint=file) | extras | {"optimizer": Momentum(0.3)})


@pytest.mark.parametrize("spoil", ["truncated", "foreign", "empty", "flipped", "network"])
def test_a_spoiled_checkpoint_is_refused(tmp_path, spoil):
    file = tmp_path / "checkpoint.npz"
    fit(start(), X, y, **options(epochs=2), checkpoint=file)
    content = bytearray(file.read_bytes())
    if spoil == "truncated":
        content = content[:-100]
    elif spoil == "flipped":
        content[len(content) // 2] ^= 1
    elif spoil == "network":
        start().save(file)
        content = file.read_bytes()
    else:
        content = b"" if spoil == "empty" else b"not ours" * 100
    file.write_bytes(content)
    network = start()
    with pytest.raises(ValueError, match="^checkpoint: expected .* got .*checkpoint.npz"):
        fit(network, X, y, **options(epochs=2), checkpoint=file)
    np.testing.assert_array_equal(network.parameters, start().parameters)
    assert file.read_bytes() == bytes(content) and os.listdir(tmp_path) == ["checkpoint.npz"]


KILLED = """
import sys
import numpy as np
sys.path[:0] = sys.argv[2:]
import test_training as t

t.train_to_the_end(sys.argv[1])
"""


def train_to_the_end(file, epochs=40):
    "The training that is killed again and again: float32, momentum, dropout, validation. Returns network and history."
    network = start((4, 12, 3), "relu", dtype="float32")
    how = options(epochs=epochs, batch_size=3, eta=schedule, optimizer=Momentum(0.9), noise=Dropout(), validation=VALIDATION)
    return network, fit(network, X, y, **how, checkpoint=file)


# A fork has everything imported already, so that most kills fall into the training itself. It comes from a process
# of its own: in this one other tests may have left threads, which a fork does not survive.
NURSERY = """
import os, sys
sys.path[:0] = sys.argv[2:]
import test_training as t

for _ in sys.stdin:
    if child := os.fork():
        print(os.waitpid(child, 0)[1], flush=True)
        continue
    print(os.getpid(), flush=True)
    t.train_to_the_end(sys.argv[1])
    os._exit(0)
"""


@pytest.mark.slow
def test_a_training_killed_twenty_times_ends_bit_for_bit_alike(tmp_path):
    file, chance = tmp_path / "checkpoint.npz", random.Random(0)
    expected, history = train_to_the_end(None)
    kills, patience, reached, moments = 0, 0.01, 0, set()
    command = [sys.executable, "-c", NURSERY, str(file), str(ROOT / "tests"), str(ROOT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as nursery:
        while kills < 24:
            nursery.stdin.write("go\n")
            nursery.stdin.flush()
            child = int(nursery.stdout.readline())
            time.sleep(chance.uniform(0, patience))
            with contextlib.suppress(ProcessLookupError):  # it came to its end
                os.kill(child, signal.SIGKILL)
            status = int(nursery.stdout.readline())
            assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
            kills += os.WIFSIGNALED(status)
            before, reached = reached, len(load_arrays(file, "dlnbook checkpoint", 2)[1]["epochs"]) if file.exists() else 0
            moments.add(reached)
            if reached == before:  # killed too soon for this machine
                patience *= 1.3
            if reached == 40:  # begin anew, and strike sooner
                check_the_end(file, expected, history)
                file.unlink()
                reached, patience = 0, patience / 1.3
        nursery.stdin.close()
        assert nursery.wait(timeout=10) == 0
    check_the_end(file, expected, history)
    assert len(moments) > 5, f"killed after epochs {moments} only"
    left = set(os.listdir(tmp_path)) - {"checkpoint.npz"}
    assert all(name.endswith(".part") for name in left), left


def check_the_end(file, expected, history):
    "Resume for the last time, and compare with the training that nothing disturbed."
    network, resumed = train_to_the_end(file)
    assert network.parameters.tobytes() == expected.parameters.tobytes()
    assert resumed == history and len(resumed) == 40
    assert resumed.best_parameters.tobytes() == history.best_parameters.tobytes()


def test_another_process_resumes_bit_for_bit_alike(tmp_path):
    file = tmp_path / "checkpoint.npz"
    expected, history = train_to_the_end(None)
    train_to_the_end(file, epochs=20)
    command = [sys.executable, "-c", KILLED, str(file), str(ROOT / "tests"), str(ROOT)]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, text=True)
    check_the_end(file, expected, history)


# Bad input: what must be said, and that nothing is changed


def row(parameter, value, error, expected, came, name=None):
    return pytest.param(parameter, value, error, expected, came, id=name or f"{parameter}-{str(value)[:20]}")


class Stateless:
    "An optimizer whose start returns no dict of arrays."

    def __init__(self, state):
        self.state = state

    def start(self, parameters):
        return self.state

    def step(self, parameters, gradient, eta, state):
        parameters -= eta * gradient


NAN = np.where(np.arange(200).reshape(50, 4) == 199, np.nan, X)
BAD = [
    row("network", None, TypeError, "Network", "NoneType"),
    row("X", X[:, :3], ValueError, "(M, 4)", "(50, 3)", "X-narrow"),
    row("X", X[0], ValueError, "(M, 4)", "(4,)", "X-vector"),
    row("X", X[:0], ValueError, "some numbers", "(0, 4)", "X-empty"),
    row("X", NAN, ValueError, "finite", "NaN", "X-nan"),
    row("X", NAN.tolist(), ValueError, "finite", "NaN", "X-nan-list"),
    row("X", X + 1j, TypeError, "real", "complex128", "X-complex"),
    row("X", np.where(X > 2, np.inf, X), ValueError, "finite", "infinity", "X-infinite"),
    row("X", X.astype(str), TypeError, "real", "<U", "X-strings"),
    row("X", X.astype(object), TypeError, "real", "object", "X-objects"),
    row("X", np.ma.masked_greater(X, 2), TypeError, "without a mask", "a masked one", "X-masked"),
    row("X", sparse.csr_array(X), TypeError, "dense", "a sparse one", "X-sparse"),
    row("y", np.ma.masked_equal(y, 0), TypeError, "without a mask", "a masked one", "y-masked"),
    row("validation", (np.ma.masked_greater(X, 2), y), TypeError, "without a mask", "a masked one", "validation-masked"),
    row("X", [[1.0], [1.0, 2.0]], ValueError, "equal length", "unequal", "X-ragged"),
    row("y", y[:-1], ValueError, "shape (50,)", "(49,)", "y-short"),
    row("y", np.eye(3)[y][:-1], ValueError, "shape (50, 3)", "(49, 3)", "rows-short"),
    row("y", np.eye(4)[y], ValueError, "shape (50, 3)", "(50, 4)", "rows-wide"),
    row("y", y + 1, ValueError, "0 to 2", "3", "y-large"),
    row("y", y - 1, ValueError, "0 to 2", "-1", "y-negative"),
    row("y", y.astype(float), TypeError, "integers", "float64", "y-float"),
    row("y", y == 1, TypeError, "integers", "bool", "y-bool"),
    row("y", y.astype(str), TypeError, "integers", "strings; number them with", "y-strings"),
    row("y", ["cat"] * 50, TypeError, "integers", "strings; number them with", "y-words"),
    row("y", np.full((50, 3), 0.5), ValueError, "sum to one", "1.5", "rows-sum"),
    row("y", np.tile([2.0, -1.0, 0.0], (50, 1)), ValueError, "negative", "-1", "rows-negative"),
    row("epochs", 0, ValueError, "at least 1", "0"),
    row("epochs", 2.0, TypeError, "integer", "2.0"),
    row("epochs", True, TypeError, "integer", "True"),
    row("batch_size", 0, ValueError, "at least 1", "0"),
    row("batch_size", -8, ValueError, "at least 1", "-8"),
    row("batch_size", "8", TypeError, "integer", "'8'"),
    row("eta", 0, ValueError, "positive", "0"),
    row("eta", -0.1, ValueError, "positive", "-0.1"),
    row("eta", math.nan, ValueError, "positive", "nan"),
    row("eta", math.inf, ValueError, "positive", "inf"),
    row("eta", "0.1", TypeError, "number", "'0.1'"),
    row("rng", "0", TypeError, "numpy.random.Generator", "'0'"),
    row("rng", -1, ValueError, "at least 0", "-1"),
    row("validation", X, TypeError, "pair", "ndarray", "validation-array"),
    row("validation", (X,), TypeError, "pair", "", "validation-one"),
    row("validation", (X[:, :2], y), ValueError, "(M, 4)", "(50, 2)", "validation-narrow"),
    row("validation", (X[:0], y[:0]), ValueError, "some numbers", "(0, 4)", "validation-empty"),
    row("validation", ([], []), ValueError, "shape (M, 4)", "(0,)", "validation-empty-lists"),
    row("validation", (X, y[:-1]), ValueError, "(50,)", "(49,)", "validation-short"),
    row("validation", (NAN, y), ValueError, "finite", "NaN", "validation-nan"),
    row("validation", (X, y + 1), ValueError, "0 to 2", "3", "validation-label"),
    row("stop", 3, TypeError, "function", "3"),
    row("stop", "patience", TypeError, "function", "'patience'"),
    row("stop", [Patience(2), None], TypeError, "function", "None", "stop-none"),
    row("stop", Patience, TypeError, "Patience(", "the class", "stop-class"),
    row("optimizer", "momentum", TypeError, "start and step", "'momentum'"),
    row("optimizer", Stateless(None), TypeError, "dict of arrays", "None", "optimizer-without-state"),
    row("optimizer", Stateless({"steps": 0}), TypeError, "dict of arrays", "{'steps': 0}", "optimizer-with-an-int"),
    row("optimizer", Momentum, TypeError, "Momentum(", "the class", "optimizer-class"),
    row("noise", Dropout, TypeError, "Dropout(", "the class", "noise-class"),
    row("penalty", Decay, TypeError, "Decay(", "the class", "penalty-class"),
    row("eta", Momentum, TypeError, "Momentum(", "the class", "eta-class"),
    row("penalty", 0.1, TypeError, "value and add_gradient", "0.1"),
    row("noise", 0.5, TypeError, "forward and backward", "0.5"),
    row("callback", "print", TypeError, "function", "'print'"),
    row("checkpoint", 3, TypeError, "path", "3"),
    row("checkpoint", "no such folder/file.npz", ValueError, "folder that exists", "no such folder"),
    row("checkpoint", os.path.dirname(__file__), ValueError, "a file", "a folder", "checkpoint-folder"),
    row("checkpoint", "", ValueError, "a file", "''", "checkpoint-empty"),
]


@pytest.mark.parametrize(("parameter", "value", "error", "expected", "came"), BAD)
def test_bad_input_is_refused_with_a_clear_message_and_changes_nothing(parameter, value, error, expected, came):
    network = start()
    arguments = {"network": network, "X": X, "y": y} | options() | {parameter: value}
    state = str(getattr(arguments["rng"], "bit_generator", None) and arguments["rng"].bit_generator.state)
    with pytest.raises(error) as caught:
        fit(**arguments)
    said = str(caught.value)
    assert said.startswith(parameter), said
    assert expected in said, said
    assert re.search(f"got .*{re.escape(came)}", said, re.DOTALL), said
    np.testing.assert_array_equal(network.parameters, start().parameters)
    assert state == str(getattr(arguments["rng"], "bit_generator", None) and arguments["rng"].bit_generator.state)


@pytest.mark.parametrize(
    ("parameter", "value", "error", "expected"),
    [("network", 3, TypeError, "Network"), ("X", X[:, :3], ValueError, "(M, 4)"), ("y", y[:-1], ValueError, "(50,)"), ("y", y + 1, ValueError, "0 to 2")],
)
def test_bad_input_of_the_confusion_matrix(parameter, value, error, expected):
    with pytest.raises(error, match=f"^{parameter}: expected .*{re.escape(expected)}.*, got"):
        confusion_matrix(**({"network": start(), "X": X, "y": y} | {parameter: value}))


def test_every_number_of_many_samples_is_looked_at():
    many = np.zeros((300_000, 4), "float32")
    many[-1, 3] = math.nan
    with pytest.raises(ValueError, match="^X: expected finite numbers"):
        fit(start(), many, np.zeros(300_000, int), **options())


def test_a_network_that_is_not_finite_is_refused():
    network = start()
    network.parameters[2] = math.nan
    with pytest.raises(ValueError, match="^network: expected finite parameters, got NaN or infinity"):
        fit(network, X, y, **options())


@pytest.mark.parametrize(("rule", "value", "error"), [(Patience, 0, ValueError), (Patience, 1.5, TypeError), (Threshold, 0, ValueError), (Threshold, "x", TypeError)])
def test_stop_rules_refuse_what_they_cannot_use(rule, value, error):
    with pytest.raises(error, match="^(epochs|loss): expected .* got"):
        rule(value)


# The page


def test_the_code_beside_the_four_steps_is_the_code_below_them():
    [chapter] = [book for book in read_all() if book.name == "10_training"]
    [table] = [cell.source for cell in chapter.cells if "(training-four-steps)=" in cell.source]
    [code] = [cell.source for cell in chapter.cells if cell.source.startswith("def four_steps")]
    beside = [line for row in re.findall(r"^\|.*\|$", table, re.MULTILINE)[2:] for line in re.findall("`(.*?)`", row.split("|")[-2])]
    below = [line.partition("  #")[0].strip() for line in code.splitlines()]
    assert beside[0] == "network = Network(widths, f, rng=rng)" and len(beside) == 10
    places = [next(i for i, line in enumerate(below) if said in line) for said in beside[1:]]
    assert places == sorted(places)


# The digits, and kept results


def test_a_batch_costs_hardly_more_in_fit_than_by_itself(monkeypatch):
    "What fit adds to a step: a slice, a test, a few operations."

    class Free:
        "Steps that cost nothing."

        def __init__(self, network, batch_size, **extras):
            pass

        def _step(self, X, T, rows, eta):
            return 0.5

    monkeypatch.setattr(fitting, "Tape", Free)
    M = 20_000
    history = fit(start((1, 3)), np.zeros((M, 1)), np.zeros(M, np.int64), **options(epochs=5, batch_size=10))
    assert min(history.seconds) / (M // 10) < 1.5e-6


def test_digits_are_read():
    accuracies = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X, y, X_test, y_test = data.split(*data.digits(), rng=rng)
        X, y, X_val, y_val = data.split(X, y, 0.1, rng=rng)
        X, X_val, X_test = (part - X.mean(axis=0) for part in (X, X_val, X_test))
        network = Network((64, 100, 10), rng=rng, dtype=np.float32)
        history = fit(network, X, y, epochs=40, batch_size=10, eta=0.2, rng=rng, validation=(X_val, y_val), stop=Patience(15), progress=False)
        assert sum(history.seconds) < 30
        accuracies.append(network.score(X_test, y_test))
    assert np.mean(accuracies) >= 0.97


def test_kept_results_are_whole_and_good_enough():
    kept = fashion.EXPERIMENT.kept()
    results = kept["results"]["trainings"]
    assert [each["seed"] for each in results] == [0, 1, 2]
    assert np.mean([each["test_accuracy"] for each in results]) >= 0.87
    for each in results:
        C = np.array(each["confusion"])
        assert C.sum(axis=1).tolist() == [1000] * 10 and np.trace(C) / 10_000 == pytest.approx(each["test_accuracy"])
        assert len(each["validation_accuracy"]) <= kept["recipe"]["epochs"]


def test_any_folder_of_such_files_can_be_trained_on_but_not_kept(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for part, samples in (("train", 600), ("t10k", 100)):
        labels = rng.integers(0, 10, samples).astype(np.uint8)
        images = (rng.random((samples, 28, 28)) * 60 + 19 * labels[:, None, None]).astype(np.uint8)
        for kind, array in (("images", images), ("labels", labels)):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
            (tmp_path / f"{part}-{kind}-idx{array.ndim}-ubyte").write_bytes(header + array.tobytes())
    result = fashion.train(0, fashion.read(tmp_path), fashion.RECIPE | {"epochs": 2})
    assert len(result["loss"]) == 2 and np.sum(result["confusion"]) == 100
    monkeypatch.setenv("DLNBOOK_MNIST", str(tmp_path))
    before = fashion.EXPERIMENT.kept()
    with pytest.raises(SystemExit, match="expected the pictures of Fashion-MNIST, got others$"):
        fashion.EXPERIMENT.run()
    assert fashion.EXPERIMENT.kept() == before
    with pytest.raises(FileNotFoundError, match="train-images"):
        fashion.read(tmp_path / "nothing")


@pytest.mark.parametrize("parameter", ["X", "validation"])
def test_numbers_beyond_the_networks_precision_are_refused(parameter):
    large = X * 1e300
    value = large if parameter == "X" else (large, y)
    with pytest.raises(ValueError, match=f"^{parameter}.*: expected numbers in the range of float32, got larger ones"):
        fit(**({"network": start(dtype="float32"), "X": X, "y": y} | options() | {parameter: value}))
