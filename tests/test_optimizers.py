"Optimizers and schedules beside PyTorch's; steps that fail change nothing; checkpoints; bad input."

import inspect
import math
import pickle
import tracemalloc
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
import torch

from dlnbook import optimizers
from dlnbook.fitting import Epoch, History, fit
from dlnbook.network import Network
from dlnbook.optimizers import (
    AdaGrad, Adam, AdamW, Clipped, Cosine, InverseDecay, Momentum, Optimizer, ReduceOnPlateau, RMSProp, StepDecay, Warmup,
)  # fmt: skip

torch.set_num_threads(1)

X = np.random.default_rng(0).normal(size=(40, 3))
y = (X[:, 0] * X[:, 1] > 0).astype(int)


# steps

PEERS = [
    *((Momentum(beta, nesterov), lambda p, b=beta, n=nesterov: torch.optim.SGD(p, momentum=b, nesterov=n and b > 0))
      for beta in (0.0, 0.5, 0.9) for nesterov in (False, True)),
    (AdaGrad(), lambda p: torch.optim.Adagrad(p)),
    (AdaGrad(1e-3), lambda p: torch.optim.Adagrad(p, eps=1e-3)),
    (RMSProp(), lambda p: torch.optim.RMSprop(p)),
    (RMSProp(0.5, 1e-2), lambda p: torch.optim.RMSprop(p, alpha=0.5, eps=1e-2)),
    (Adam(), lambda p: torch.optim.Adam(p)),
    (Adam(0.5, 0.9, 1e-2), lambda p: torch.optim.Adam(p, betas=(0.5, 0.9), eps=1e-2)),
    (Adam(0.0, 0.0), lambda p: torch.optim.Adam(p, betas=(0.0, 0.0))),
    (AdamW(), lambda p: torch.optim.AdamW(p)),
    (AdamW(0.8, 0.99, 1e-6, decay=0.3), lambda p: torch.optim.AdamW(p, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.3)),
]  # fmt: skip
OPTIMIZERS = [ours for ours, _ in PEERS]


@pytest.mark.parametrize("ours, theirs", PEERS, ids=[repr(ours) for ours in OPTIMIZERS])
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_steps_are_torch_s(ours, theirs, dtype, tolerance):
    "Also when the learning rate changes on the way."
    rng = np.random.default_rng(1)
    theta = rng.normal(size=50).astype(dtype)
    peer = torch.nn.Parameter(torch.from_numpy(theta.copy()))
    optimizer, state = theirs([peer]), ours.start(theta)
    for s in range(100):
        eta, gradient = 0.1 / (1 + s / 50), (np.sin(3 * theta) + rng.normal(size=50)).astype(dtype)
        optimizer.param_groups[0]["lr"] = eta
        peer.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        ours.step(theta, gradient, eta, state)
    assert theta.dtype == dtype and all(each.dtype == dtype for name, each in state.items() if name != "steps")
    np.testing.assert_allclose(theta, peer.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("ours, theirs", PEERS[4:], ids=[repr(ours) for ours in OPTIMIZERS[4:]])
def test_a_training_is_torch_s(ours, theirs):
    "The whole way through fit, on shuffled batches."
    network = Network((3, 8, 2), "tanh", rng=np.random.default_rng(2))
    layers = [torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)]
    model = torch.nn.Sequential(*layers).double()
    with torch.no_grad():
        for r, layer in ((1, model[0]), (2, model[2])):
            layer.weight.copy_(torch.from_numpy(np.array(network.W[r])))
            layer.bias.copy_(torch.from_numpy(np.array(network.b[r])))
    optimizer = theirs(list(model.parameters()))
    optimizer.param_groups[0]["lr"] = 0.03
    rng = np.random.default_rng(3)
    for _ in range(5):
        order = rng.permutation(40)
        for start in range(0, 40, 8):
            rows = order[start : start + 8]
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(torch.from_numpy(X[rows])), torch.from_numpy(y[rows])).backward()
            optimizer.step()
    fit(network, X, y, epochs=5, batch_size=8, eta=0.03, rng=np.random.default_rng(3), optimizer=ours, progress=False)
    np.testing.assert_allclose(network.W[1], model[0].weight.detach().numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(network.b[2], model[2].bias.detach().numpy(), rtol=1e-10, atol=1e-10)


def test_without_momentum_it_is_the_plain_step():
    networks = [Network((3, 8, 2), rng=np.random.default_rng(2)) for _ in range(2)]
    for network, optimizer in zip(networks, (None, Momentum(0.0))):
        fit(network, X, y, epochs=3, batch_size=8, eta=0.1, rng=np.random.default_rng(3), optimizer=optimizer, progress=False)
    np.testing.assert_allclose(networks[0].parameters, networks[1].parameters, rtol=1e-13)


@pytest.mark.parametrize("inner, theirs", [PEERS[4], PEERS[-1]], ids=["momentum", "AdamW"])
@pytest.mark.parametrize("norm", [0.5, 5.0, 500.0])
def test_clipped_gradients_are_torch_s(inner, theirs, norm):
    "Their length is divided by |g| + 1e-6 there, hence the tolerance."
    ours, rng = Clipped(inner, norm), np.random.default_rng(1)
    theta = rng.normal(size=50)
    peer = torch.nn.Parameter(torch.from_numpy(theta.copy()))
    optimizer, state = theirs([peer]), ours.start(theta)
    for s in range(100):
        eta, gradient = 0.1 / (1 + s / 50), rng.normal(size=50) * 10 ** rng.uniform(-2, 1)
        optimizer.param_groups[0]["lr"] = eta
        peer.grad = torch.from_numpy(gradient.copy())
        torch.nn.utils.clip_grad_norm_([peer], norm)
        optimizer.step()
        ours.step(theta, gradient, eta, state)
    np.testing.assert_allclose(theta, peer.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype, long", [(np.float32, 1e30), (np.float64, 1e100)])
def test_a_clip_keeps_the_direction_of_very_long_gradients(dtype, long):
    theta, clip = np.zeros(2, dtype), Clipped(Momentum(0.0), 5.0)
    clip.step(theta, np.array([3 * long, -4 * long], dtype), 1.0, clip.start(theta))
    np.testing.assert_allclose(theta, [-3, 4], rtol=1e-6)
    clip.step(theta, np.zeros(2, dtype), 1.0, clip.start(theta))
    np.testing.assert_allclose(theta, [-3, 4], rtol=1e-6)
    for bad in (np.nan, np.inf):  # is left to the training to see
        with np.errstate(invalid="ignore"):
            clip.step(theta, np.array([bad, 1], dtype), 1.0, clip.start(theta))
        assert np.isnan(theta).any()


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, Clipped(Adam(), 1.0)], ids=repr)
def test_a_step_allocates_nothing_that_grows(optimizer):
    theta, gradient = np.zeros(1_000_000), np.ones(1_000_000)
    state = optimizer.start(theta)
    tracemalloc.start()
    for _ in range(3):
        optimizer.step(theta, gradient, 0.1, state)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000 and (gradient == 1).all()


def frozen(array):
    "The same, read-only."
    array.setflags(write=False)
    return array


FAILING = [
    (np.ones(3), np.ones(1), 0.1, 3, ValueError, r"^gradient: expected shape \(3,\), got \(1,\)"),
    (np.ones(3), np.ones((3, 1)), 0.1, 3, ValueError, "^gradient: expected shape"),
    (np.ones(3), np.ones(3) * 1j, 0.1, 3, TypeError, "^gradient: expected real numbers"),
    (np.ones(3), "steep", 0.1, 3, TypeError, "^gradient: expected real numbers"),
    (np.ones(3), np.ones(3), "fast", 3, TypeError, "^eta: expected a number"),
    (np.ones(3), np.ones(3), math.nan, 3, ValueError, "^eta: expected a finite number"),
    (np.ones(3), np.ones(3), -0.1, 3, ValueError, "^eta: expected a finite number of at least 0"),
    (np.ones((3, 1)), np.ones(3), 0.1, 3, ValueError, "^parameters: expected shape"),
    ([1.0, 1.0, 1.0], np.ones(3), 0.1, 3, TypeError, "^parameters: expected an array of floating-point numbers"),
    (frozen(np.ones(3)), np.ones(3), 0.1, 3, ValueError, "^parameters: expected an array that can be changed"),
    (np.ones(3), np.ones(3), 0.1, 2, ValueError, None),
    (np.ones(3), np.ones(3), 0.1, 1, ValueError, None),
]


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS[4:], Clipped(Momentum(0.9), 1.0)], ids=repr)
@pytest.mark.parametrize("parameters, gradient, eta, size, error, words", FAILING, ids=range(len(FAILING)))
def test_a_step_that_fails_changes_nothing(optimizer, parameters, gradient, eta, size, error, words):
    "Neither parameters nor what the next step depends on."
    state, before = optimizer.start(np.ones(size)), np.array(parameters)
    optimizer.step(np.ones(size), np.full(size, 0.5), 0.1, state)
    remembered = {name: each.copy() for name, each in state.items() if name not in ("step", "clipped")}
    with pytest.raises(error, match=words):
        optimizer.step(parameters, gradient, eta, state)
    assert np.array_equal(parameters, before)
    assert all(np.array_equal(state[name], each) for name, each in remembered.items())


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_steps_of_no_length_leave_the_parameters(optimizer):
    theta = np.ones(3)
    optimizer.step(theta, np.array([1.0, -2.0, 0.0]), 0, optimizer.start(theta))
    assert (theta == 1).all()


def test_gradients_that_are_not_finite_are_the_training_s_affair():
    theta = np.ones(2)
    for optimizer in OPTIMIZERS:
        optimizer.step(theta, np.array([np.nan, 1.0]), 0.1, optimizer.start(theta))
    assert np.isnan(theta).tolist() == [True, False]


def test_an_optimizer_of_one_s_own_needs_one_method():
    class Signs(Optimizer):
        def fill(self, gradient, eta, step):
            np.sign(gradient, out=step)
            step *= eta

    network = Network((3, 8, 2), rng=np.random.default_rng(2))
    before = network.parameters.copy()
    fit(network, X, y, epochs=1, batch_size=40, eta=0.25, rng=np.random.default_rng(3), optimizer=Signs(), progress=False)
    assert set(np.unique(abs(network.parameters - before).round(12))) <= {0.0, 0.25}
    with pytest.raises(NotImplementedError, match="Optimizer has no method fill"):
        Optimizer().step(np.ones(2), np.ones(2), 0.1, Optimizer().start(np.ones(2)))


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS[4:], Clipped(Adam(), 0.1)], ids=repr)
def test_a_checkpoint_with_optimizer_and_schedule_goes_on_bit_for_bit(tmp_path, optimizer):
    def run(epochs, path=None):
        network = Network((3, 8, 2), rng=np.random.default_rng(4))
        how = dict(batch_size=8, eta=Warmup(2, Cosine(0.2, 6)), optimizer=optimizer, progress=False, checkpoint=path)
        fit(network, X, y, epochs=epochs, rng=np.random.default_rng(5), **how)
        return network.parameters

    path = tmp_path / "halfway"
    run(3, path)
    assert np.array_equal(run(8, path), run(8))
    with pytest.raises(ValueError, match="optimizer"):
        fit(Network((3, 8, 2), rng=np.random.default_rng(4)), X, y, epochs=9, batch_size=8, eta=Warmup(2, Cosine(0.2, 6)),
            rng=np.random.default_rng(5), optimizer=Momentum(0.8), progress=False, checkpoint=path)  # fmt: skip


OBJECTS = [*OPTIMIZERS, Clipped(AdamW(decay=0.3), 2.0), ReduceOnPlateau(0.1, 0.5, 3), StepDecay(0.1, 0.5, 3), InverseDecay(0.1, 2), Cosine(0.1, 5, 0.01), Warmup(2, 0.1), Warmup(2, Cosine(0.1, 5))]


@pytest.mark.parametrize("each", OBJECTS, ids=repr)
def test_a_repr_says_all_and_objects_travel(each):
    assert eval(repr(each), vars(optimizers)) == each == pickle.loads(pickle.dumps(each))


@pytest.mark.parametrize("each", [each for each in OBJECTS if not isinstance(each, ReduceOnPlateau)], ids=repr)
def test_what_has_been_checked_stays(each):
    "Nothing can be set past the door, so objects that are equal may stand for each other in a dictionary."
    with pytest.raises(FrozenInstanceError):
        setattr(each, fields(each)[0].name, math.nan)
    assert {each: 1}[pickle.loads(pickle.dumps(each))] == 1


DEFAULTS = [
    (Momentum(0.9), Momentum(0.9, nesterov=False)),
    (Cosine(0.8, 20), Cosine(0.8, 20, least=0.0)),
    (Warmup(2, 0.8), Warmup(2, 0.8, start=0.1)),
    (ReduceOnPlateau(0.8), ReduceOnPlateau(0.8, factor=0.1, patience=10)),
]


@pytest.mark.parametrize("short, long", DEFAULTS, ids=[repr(long) for _, long in DEFAULTS])
def test_what_is_left_out(short, long):
    assert short == long


def test_numbers_of_numpy_s_become_python_s():
    assert repr(Adam(np.float64(0.5), np.float32(0.5))) == "Adam(beta1=0.5, beta2=0.5, epsilon=1e-08)"
    assert repr(Momentum(np.float64(0.5), np.True_)) == "Momentum(beta=0.5, nesterov=True)"


@pytest.mark.parametrize("optimizer", [Momentum, Adam])
def test_a_class_in_the_place_of_an_optimizer_is_refused(optimizer):
    with pytest.raises(TypeError, match=rf"^optimizer: expected {optimizer.__name__}\(…\), got the class"):
        fit(Network((3, 8, 2), rng=np.random.default_rng(4)), X, y, epochs=1, batch_size=8, eta=0.1, optimizer=optimizer, progress=False)


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


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("factor, patience", [(0.1, 1), (0.5, 2), (0.7, 5)])
def test_a_plateau_is_torch_s(factor, patience):
    losses = np.random.default_rng(patience).normal(size=60).round(1) - np.linspace(0, 2, 60)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.8)
    scheduler = LR.ReduceLROnPlateau(optimizer, factor=factor, patience=patience - 1, threshold=0, eps=0)
    rule, history, ours, theirs = ReduceOnPlateau(0.8, factor, patience), History(), [], []
    for epoch, loss in enumerate(losses):
        ours.append(rule(epoch + 0.5))
        theirs.append(optimizer.param_groups[0]["lr"])
        history.epochs.append(Epoch(epoch + 1, 0.8, loss, 0.5))
        rule.watch(history)
        optimizer.step()
        scheduler.step(loss)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert len(set(ours)) > 3


def test_a_plateau_goes_on_from_a_checkpoint_and_begins_anew_without(tmp_path):
    def run(epochs, rule, path=None):
        network = Network((3, 8, 2), rng=np.random.default_rng(4))
        how = dict(batch_size=8, eta=rule, stop=[rule.watch], progress=False, checkpoint=path)
        history = fit(network, X, y, epochs=epochs, rng=np.random.default_rng(5), **how)
        return network.parameters, history.eta

    rule = ReduceOnPlateau(3.0, 0.5, 1)
    whole, etas = run(12, rule)
    run(7, rule, tmp_path / "halfway")
    resumed, again = run(12, ReduceOnPlateau(3.0, 0.5, 1), tmp_path / "halfway")
    assert np.array_equal(whole, resumed) and etas == again and len(set(etas)) > 1
    assert np.array_equal(run(12, rule)[0], whole)  # an object that has been used
    with pytest.raises(RuntimeError, match="^eta: expected its watch among the stop rules"):
        fit(Network((3, 8, 2), rng=0), X, y, epochs=3, batch_size=8, eta=rule, progress=False)


def test_a_plateau_asks_for_its_watch_as_soon_as_an_epoch_is_over():
    rule = ReduceOnPlateau(0.8)
    assert rule(0.99) == 0.8
    with pytest.raises(RuntimeError, match="^eta: expected its watch"):
        rule(1.0)
    rule.watch(History([Epoch(1, 0.8, 1.0, 0.5)]))
    assert rule(1.0) == 0.8 and rule == ReduceOnPlateau(0.8)  # what it has seen is no setting


# bad input

GOOD = {
    Momentum: {"beta": 0.9, "nesterov": False},
    AdaGrad: {"epsilon": 1e-8},
    RMSProp: {"beta": 0.9, "epsilon": 1e-8},
    Adam: {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8},
    AdamW: {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "decay": 0.1},
    StepDecay: {"eta": 0.1, "factor": 0.5, "epochs": 3},
    InverseDecay: {"eta": 0.1, "epochs": 3},
    Cosine: {"eta": 0.1, "epochs": 3, "least": 0.0},
    Warmup: {"epochs": 3, "then": 0.1, "start": 0.1},
    ReduceOnPlateau: {"eta": 0.1, "factor": 0.5, "patience": 3},
    Clipped: {"optimizer": Momentum(0.9), "norm": 1.0},
}
NUMBERS = [(math.nan, ValueError, "finite"), (math.inf, ValueError, "finite"), ("1", TypeError, "number"), (True, TypeError, "number")]
POSITIVE = [(0, ValueError, ""), (-1.0, ValueError, "")]
SHARES = [(1.0, ValueError, "below 1"), (-0.1, ValueError, "at least 0")]
BAD = [
    *((f, name, *row) for f, name in ((Momentum, "beta"), (RMSProp, "beta"), (Adam, "beta1"), (Adam, "beta2"), (AdamW, "beta1"), (AdamW, "beta2")) for row in NUMBERS + SHARES),
    *((f, name, *row) for f, name in ((Cosine, "least"), (AdamW, "decay")) for row in NUMBERS + [(-0.2, ValueError, "at least 0")]),
    *((f, name, *row) for f, name in ((StepDecay, "eta"), (StepDecay, "factor"), (StepDecay, "epochs"), (InverseDecay, "eta"), (InverseDecay, "epochs"), (Cosine, "eta"),
                                      (Cosine, "epochs"), (Warmup, "epochs"), (Warmup, "then"), (Warmup, "start"), (AdaGrad, "epsilon"), (RMSProp, "epsilon"),
                                      (Adam, "epsilon"), (AdamW, "epsilon"), (ReduceOnPlateau, "eta"), (ReduceOnPlateau, "factor"), (Clipped, "norm")) for row in NUMBERS + POSITIVE),
    (Momentum, "nesterov", 1, TypeError, "True or False"),
    (StepDecay, "factor", 1.5, ValueError, "at most 1"),
    (Cosine, "least", 0.2, ValueError, "at most 0.1"),
    (Warmup, "start", 1.5, ValueError, "at most 1"),
    (Warmup, "then", Cosine, TypeError, ""),
    (ReduceOnPlateau, "factor", 1.0, ValueError, "below 1"),
    (ReduceOnPlateau, "patience", 0, ValueError, "at least 1"),
    (ReduceOnPlateau, "patience", 1.5, TypeError, ""),
    (Clipped, "optimizer", Adam, TypeError, "the class"),
    (Clipped, "optimizer", 0.9, TypeError, ""),
]  # fmt: skip


@pytest.mark.parametrize("function, parameter, value, error, words", BAD, ids=[f"{f.__name__}-{p}-{v!r:.12}-{w}" for f, p, v, _, w in BAD])
def test_bad_input_is_refused(function, parameter, value, error, words):
    function(**GOOD[function])
    with pytest.raises(error) as caught:
        function(**(GOOD[function] | {parameter: value}))
    message = str(caught.value)
    assert words in message and message.startswith(f"{parameter}: expected"), message


def test_every_parameter_has_a_row():
    covered = {(row[0], row[1]) for row in BAD}
    for function, arguments in GOOD.items():
        assert set(inspect.signature(function).parameters) == set(arguments), function
        assert {name for name in arguments if (function, name) not in covered} == set(), function
    assert {getattr(optimizers, name) for name in optimizers.__all__} - set(GOOD) == {Optimizer}


@pytest.mark.parametrize("schedule", [StepDecay(0.1, 0.5, 3), InverseDecay(0.1, 3), Cosine(0.1, 3), Warmup(3, 0.1), ReduceOnPlateau(0.1)], ids=repr)
@pytest.mark.parametrize("clock, error", [(-1, ValueError), (math.nan, ValueError), ("1", TypeError)])
def test_a_clock_must_be_a_time(schedule, clock, error):
    with pytest.raises(error, match="^clock: expected"):
        schedule(clock)


@pytest.mark.parametrize("parameters", [[1.0, 2.0], np.array([1, 2]), None])
def test_parameters_must_be_changeable_in_place(parameters):
    with pytest.raises(TypeError, match="^parameters: expected an array of floating-point numbers"):
        Momentum(0.9).start(parameters)
