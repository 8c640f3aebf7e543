"Second derivatives beside PyTorch's and the complex step, Lanczos beside eigvalsh, networks trained together, paths and slices, bad input."

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT
from numpy.testing import assert_allclose

from benchmarks import landscape as benchmark
from benchmarks import plain
from dlnbook.activation import Activation
from dlnbook.curvature import (
    Ritz, bending, connect, critical_point, extreme_curvatures, fit_together, hessian, hessian_product, jacobian_product, lanczos,
    loss_slice, losses_at, newton_path, random_direction, ritz, shuffles, stacked_gradient,
)  # fmt: skip
from dlnbook.data import digits
from dlnbook.descent import Diverged
from dlnbook.landscape import bezier, pull
from dlnbook.network import Network

torch.set_num_threads(1)

SHAPES = {"linear": (4, 3), "one hidden": (5, 7, 4), "three hidden": (3, 6, 5, 4, 2), "narrow": (1, 1, 2)}
NAMES = ["sigmoid", "tanh", "relu", "identity"]
TORCH = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu, "identity": lambda a: a}


def case(shape, activation, seed=0, M=9, soft=True, dtype=np.float64):
    "A network away from its start, inputs, targets and a direction."
    rng = np.random.default_rng([seed, len(shape)])
    network = Network(shape, activation, rng=rng, dtype=dtype)
    network.parameters += 0.3 * rng.standard_normal(network.parameters.size)
    X, K = rng.standard_normal((M, shape[0])), shape[-1]
    T = rng.dirichlet(np.ones(K), M) if soft else rng.integers(0, K, M)
    return network, X, T, rng.standard_normal(network.parameters.size)


def torch_logits(theta, shape, activation, X):
    "The same network in PyTorch, from one vector."
    Z, start = torch.tensor(X), 0
    for r, (fan_in, fan_out) in enumerate(zip(shape, shape[1:]), 1):
        W = theta[start : start + fan_in * fan_out].reshape(fan_out, fan_in)
        b = theta[start + fan_in * fan_out : start + fan_in * fan_out + fan_out]
        Z, start = Z @ W.T + b, start + (fan_in + 1) * fan_out
        if r < len(shape) - 1:
            Z = TORCH[activation](Z)
    return Z


def torch_loss(network, activation, X, T):
    "The mean cross-entropy as a function of the vector of parameters."
    T = torch.tensor(T if np.ndim(T) == 2 else np.eye(network.widths[-1])[T])
    return lambda theta: -(T * torch.log_softmax(torch_logits(theta, network.widths, activation, X), 1)).sum(1).mean()


# Second derivatives


@pytest.mark.parametrize("soft", [True, False], ids=["rows", "labels"])
@pytest.mark.parametrize("activation", NAMES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_products_are_those_of_torch(shape, activation, soft):
    network, X, T, v = case(shape, activation, soft=soft)
    f, theta = torch_loss(network, activation, X, T), torch.tensor(network.parameters)
    by_hvp = torch.autograd.functional.hvp(f, theta, torch.tensor(v))[1].numpy()
    leaf = theta.clone().requires_grad_(True)
    g = torch.autograd.grad(f(leaf), leaf, create_graph=True)[0]
    by_double_backward = torch.autograd.grad(g @ torch.tensor(v), leaf)[0].numpy()
    ours = hessian_product(network, X, T, v)
    for theirs in (by_hvp, by_double_backward):
        assert np.linalg.norm(ours - theirs) <= 1e-9 * np.linalg.norm(theirs)


@pytest.mark.parametrize("activation", NAMES)
def test_the_whole_matrix_is_that_of_torch_and_symmetric(activation):
    network, X, T, v = case((3, 6, 5, 2), activation)
    H = hessian(network, X, T)
    theirs = torch.autograd.functional.hessian(torch_loss(network, activation, X, T), torch.tensor(network.parameters)).numpy()
    assert np.array_equal(H, H.T)
    assert np.linalg.norm(H - theirs) <= 1e-9 * np.linalg.norm(theirs)
    assert_allclose(H @ v, hessian_product(network, X, T, v), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("activation", NAMES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_products_are_symmetric_and_linear(shape, activation):
    network, X, T, v = case(shape, activation)
    w = np.random.default_rng(1).standard_normal(v.size)
    Hv, Hw, both = hessian_product(network, X, T, np.stack([v, w, 2 * v - 3 * w]))
    scale = np.linalg.norm(Hv) * np.linalg.norm(w)
    assert abs(w @ Hv - v @ Hw) <= 1e-13 * scale
    assert_allclose(both, 2 * Hv - 3 * Hw, rtol=1e-10, atol=1e-13)
    assert np.array_equal(Hv, hessian_product(network, X, T, v)) or np.allclose(Hv, hessian_product(network, X, T, v), rtol=1e-13, atol=1e-15)


def test_mixed_activations_and_one_of_ones_own():
    swish = Activation("swish", lambda A: A / (1 + np.exp(-A)), lambda A: (1 + np.exp(-A) * (1 + A)) / (1 + np.exp(-A)) ** 2)
    network, X, T, v = case((4, 5, 6, 3), [swish, "tanh"])
    h, ends = 1e-5, []
    for s in (h, -h):
        moved = network.copy()
        moved.parameters += s * v
        ends.append(moved.gradient(X, T))
    assert_allclose(hessian_product(network, X, T, v), (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-9)


def test_a_derivative_that_refuses_complex_numbers_is_refused():
    def df(A):
        return np.ones_like(A) * np.floor(A)

    network, X, T, v = case((4, 5, 3), Activation("stairs", np.sin, df))
    with pytest.raises(TypeError, match="^activation: expected a derivative df that takes complex numbers"):
        hessian_product(network, X, T, v)


@pytest.mark.parametrize("activation", NAMES)
def test_velocities_of_the_logits_are_those_of_torch(activation):
    network, X, _, v = case((3, 6, 5, 2), activation)
    f = lambda theta: torch_logits(theta, network.widths, activation, X)
    theirs = torch.autograd.functional.jvp(f, torch.tensor(network.parameters), torch.tensor(v))[1].numpy()
    assert_allclose(jacobian_product(network, X, v), theirs, rtol=1e-10, atol=1e-13)
    assert_allclose(jacobian_product(network, X, np.stack([v, -v]))[1], -theirs, rtol=1e-10, atol=1e-13)


def test_single_precision_stays_single_and_nothing_is_changed():
    network, X, T, v = case((5, 7, 4), "tanh", dtype=np.float32)
    before = network.parameters.copy(), X.copy(), T.copy(), v.copy()
    exact = Network((5, 7, 4), "tanh", rng=np.random.default_rng(0))
    exact.parameters = network.parameters
    found = hessian_product(network, X, T, v)
    assert found.dtype == hessian(network, X, T).dtype == jacobian_product(network, X, v).dtype == np.float32
    assert_allclose(found, hessian_product(exact, X, T, v), rtol=1e-3, atol=1e-5)
    extreme_curvatures(network, X, T, rng=np.random.default_rng(0), steps=5)
    for old, new in zip(before, (network.parameters, X, T, v)):
        assert np.array_equal(old, new)


def test_extreme_inputs_give_finite_products():
    for activation in NAMES:
        network, X, T, v = case((5, 7, 4), activation)
        assert np.isfinite(hessian_product(network, 300 * X, T, v)).all()


# Lanczos


@pytest.mark.parametrize("activation", NAMES)
def test_lanczos_finds_the_ends_of_the_spectrum(activation):
    network, X, T, _ = case((5, 7, 6, 4), activation)
    exact = np.linalg.eigvalsh(hessian(network, X, T))
    least, greatest = extreme_curvatures(network, X, T, rng=np.random.default_rng(0), steps=60)
    assert_allclose([least, greatest], exact[[0, -1]], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 10, 30, 90])
def test_bounds_hold_and_vectors_fit(steps):
    rng = np.random.default_rng(steps)
    network, X, T, _ = case((4, 8, 3), "tanh")
    H = hessian(network, X, T)
    exact, norm = np.linalg.eigvalsh(H), np.linalg.norm(H, 2)
    found = lanczos(lambda q: H @ q, len(H), steps=steps, rng=rng)
    assert isinstance(found, Ritz) and len(found.values) <= steps and (np.diff(found.values) >= 0).all()
    assert (np.abs(exact - found.values[:, None]).min(axis=1) <= found.bounds + 1e-12 * norm).all()
    assert exact[0] - 1e-12 <= found.values[0] and found.values[-1] <= exact[-1] + 1e-12
    assert_allclose(found.vectors @ found.vectors.T, np.eye(len(found.values)), atol=1e-10)
    residuals = np.linalg.norm(found.vectors @ H - found.values[:, None] * found.vectors, axis=1)
    assert_allclose(found.bounds, residuals, rtol=1e-6, atol=1e-11 * norm)


def test_lanczos_stops_where_nothing_is_left():
    few = lanczos(lambda q: 3 * q, 50, steps=20, rng=np.random.default_rng(0))
    assert len(few.values) == 1 and abs(few.values[0] - 3) < 1e-12
    none = lanczos(lambda q: 0 * q, 50, steps=20, rng=np.random.default_rng(0))
    assert none.values.tolist() == [0.0]


# Places without a slope


def test_a_critical_point_is_one():
    X, T, least = benchmark.small_task()
    start = Network((6, 4, 3), "tanh", rng=np.random.default_rng([2, 0]))
    before = start.parameters.copy()
    found, values, length = critical_point(start, X, T, steps=150)
    assert np.array_equal(start.parameters, before) and length <= 1e-7
    assert np.linalg.norm(found.gradient(X, T)) == length
    assert_allclose(values, np.linalg.eigvalsh(hessian(found, X, T)), atol=1e-12)
    assert found.loss(X, T) > least - 1e-12
    once, _, longer = critical_point(start, X, T, steps=1)
    assert length < longer < np.linalg.norm(start.gradient(X, T))


def test_the_search_ends_at_the_first_place_that_will_do():
    X, T, _ = benchmark.small_task()
    start = Network((6, 3, 3), "tanh", rng=1)
    lengths = [length for _, (_, _, length) in zip(range(12), newton_path(start, X, T))]
    for tolerance in (lengths[3], lengths[5]):
        assert critical_point(start, X, T, tolerance=tolerance)[2] == tolerance


def test_where_a_network_ignores_its_input_there_is_a_saddle():
    X, T, _ = benchmark.small_task()
    for width in (1, 2, 6):
        network = Network((6, width, 3), "tanh", rng=np.random.default_rng(0))
        network.parameters[:] = 0
        network.b[2] = np.log(T.mean(axis=0))
        values = np.linalg.eigvalsh(hessian(network, X, T))
        assert (values < -1e-9).sum() == 2 * width


# Training together


@pytest.mark.parametrize("shape", [(64, 10), (64, 6, 10), (64, 6, 5, 10)], ids=str)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_together_is_as_alone(shape, activation):
    X, y = digits()
    X, y = X[:70], y[:70]
    networks = [Network(shape, activation, rng=np.random.default_rng(s)) for s in range(3)]
    alone = [network.copy() for network in networks]
    fit_together(networks, X, y, epochs=3, batch_size=32, eta=lambda done: 0.3 / (1 + done), rng=np.random.default_rng(5))
    rng = np.random.default_rng(5)
    for epoch in range(3):
        orders = rng.permuted(np.tile(np.arange(70), (3, 1)), axis=1)
        for network, order in zip(alone, orders):
            for first in range(0, 70, 32):
                rows = order[first : first + 32]
                network.parameters -= 0.3 / (1 + epoch + first / 70) * network.gradient(X[rows], y[rows])
    for one, other in zip(networks, alone):
        assert_allclose(one.parameters, other.parameters, rtol=1e-10, atol=1e-13)
    assert not np.array_equal(networks[0].parameters, networks[1].parameters)


def test_each_has_its_own_order_and_the_same_seed_the_same_numbers():
    X, y = digits()
    runs = []
    for _ in range(2):
        networks = [Network((64, 5, 10), rng=np.random.default_rng(0), dtype=np.float32) for _ in range(2)]
        fit_together(networks, X[:100], y[:100], epochs=2, batch_size=10, eta=0.1, rng=np.random.default_rng(1))
        runs.append([network.parameters for network in networks])
    assert all(np.array_equal(a, b) for a, b in zip(*runs))
    assert not np.array_equal(*runs[0]) and runs[0][0].dtype == np.float32


def test_divergence_and_interruption_leave_what_is_finite():
    X, y = digits()
    networks = [Network((64, 5, 10), rng=np.random.default_rng(s)) for s in range(2)]
    with pytest.raises(Diverged) as caught:
        fit_together(networks, 1e200 * (X[:50] + 1), y[:50], epochs=9, batch_size=5, eta=1e150, rng=np.random.default_rng(0))
    for network, kept in zip(networks, caught.value.parameters):
        assert np.isfinite(network.parameters).all() and np.array_equal(network.parameters, kept)
    before = [network.parameters.copy() for network in networks]

    def interrupted(done):
        if done > 1.5:
            raise KeyboardInterrupt
        return 0.1

    with pytest.raises(KeyboardInterrupt):
        fit_together(networks, X[:50], y[:50], epochs=9, batch_size=5, eta=interrupted, rng=np.random.default_rng(0))
    for network, old in zip(networks, before):
        assert np.isfinite(network.parameters).all() and not np.array_equal(network.parameters, old)


def test_namesakes_are_not_alike():
    networks = [Network((2, 3, 2), Activation("mine", np.tanh, lambda a: 1 - np.tanh(a) ** 2), rng=0) for _ in range(2)]
    with pytest.raises(ValueError, match=r"^networks\[1\]: expected one like"):
        fit_together(networks, [[1.0, 2.0]], [0], epochs=1, batch_size=1, eta=0.1, rng=0)


def test_a_schedule_may_say_that_nothing_moves():
    X, y = digits()
    network = Network((64, 5, 10), rng=0)
    before = network.parameters.copy()
    fit_together([network], X[:50], y[:50], epochs=2, batch_size=10, eta=lambda done: 0.0, rng=0)
    assert np.array_equal(network.parameters, before)


def test_a_schedule_that_fails_costs_no_epoch():
    X, y = digits()
    networks = [Network((64, 5, 10), rng=s) for s in range(2)]
    before = [network.parameters.copy() for network in networks]
    with pytest.raises(ZeroDivisionError):
        fit_together(networks, X[:50], y[:50], epochs=3, batch_size=10, eta=lambda done: 0.1 if done < 1 else 1 / 0, rng=0)
    for network, old in zip(networks, before):
        assert np.isfinite(network.parameters).all() and not np.array_equal(network.parameters, old)


def test_stacked_gradients_are_single_ones():
    mixed = (3, 6, 5, 4, 2), ["tanh", "sigmoid", "relu"]
    for shape, activation in (*((shape, "tanh") for shape in SHAPES.values()), mixed):
        network, X, T, _ = case(shape, activation)
        theta = np.random.default_rng(1).standard_normal((3, network.parameters.size))
        found = stacked_gradient(network, theta, np.stack([X, X + 1, -X]), np.stack([T] * 3))
        for parameters, g, x in zip(theta, found, (X, X + 1, -X)):
            other = network.copy()
            other.parameters = parameters
            assert_allclose(g, other.gradient(x, T), rtol=1e-10, atol=1e-14)


def test_no_stack_holds_nan():
    network, X, T, v = case((5, 7, 4), "tanh")
    v[3] = np.nan
    with pytest.raises(ValueError, match="^theta: expected finite"):
        stacked_gradient(network, [v], [X], [T])


def test_a_stack_too_large_for_its_gradients_is_refused():
    network, X, T, v = case((5, 7, 4), "identity")
    with pytest.raises(ValueError, match="^theta: expected numbers with a finite result"):
        stacked_gradient(network, [1e200 * v], [X], [T])


def test_blocks_hold_at_least_one(monkeypatch):
    network, X, T, v = case((5, 7, 4), "tanh")
    whole, losses = hessian(network, X, T), losses_at(network, [v, -v], X, T)
    monkeypatch.setattr("dlnbook.curvature._ROOM", 1)
    assert_allclose(hessian(network, X, T), whole, atol=1e-14)
    assert_allclose(losses_at(network, [v, -v], X, T), losses, rtol=1e-13)


def test_a_path_gets_shorter_gradients_and_may_be_left_at_any_place():
    X, T, _ = benchmark.small_task()
    start = Network((6, 3, 3), "tanh", rng=1)
    lengths = [(length, float(np.linalg.norm(place.gradient(X, T)))) for _, (place, _, length) in zip(range(12), newton_path(start, X, T))]
    assert all(said == measured for said, measured in lengths)
    assert all(later < earlier for (earlier, _), (later, _) in zip(lengths, lengths[1:]))


def test_a_path_ends_where_no_step_helps():
    network = Network((2, 2), rng=0)
    network.parameters = np.zeros(6)
    places = [length for _, _, length in newton_path(network, [[1.0, -1.0]], [[0.5, 0.5]])]
    assert places == [0.0]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_losses_at_many_places(shape):
    network, X, T, _ = case(shape, "tanh", M=40)
    places = np.random.default_rng(2).standard_normal((7, network.parameters.size))
    expected = []
    for place in places:
        other = network.copy()
        other.parameters = place
        expected.append(other.loss(X, T))
    assert_allclose(losses_at(network, places, X, T), expected, rtol=1e-12)


def test_many_places_go_in_blocks(monkeypatch):
    network, X, T, _ = case((5, 300, 4), "tanh", M=2000)
    places = np.random.default_rng(2).standard_normal((9, network.parameters.size))
    together = losses_at(network, places, X, T)
    assert_allclose(together, [losses_at(network, place[None], X, T)[0] for place in places], rtol=1e-12)


# Paths and slices


def test_a_curve_goes_where_it_should():
    a, c, b = np.random.default_rng(0).standard_normal((3, 5))
    assert np.array_equal(bezier(a, c, b, [0.0, 1.0]), [a, b])
    assert_allclose(bezier(a, c, b, 0.5), (a + 2 * c + b) / 4, rtol=1e-14)
    assert_allclose(bezier(a, (a + b) / 2, b, [0.3])[0], 0.7 * a + 0.3 * b, rtol=1e-13)


@pytest.mark.parametrize("s", [0.1, 0.5, 0.8])
def test_the_pull_is_the_slope_of_the_loss_on_the_curve_by_its_middle(s):
    network, X, T, v = case((5, 7, 4), "tanh")
    rng = np.random.default_rng(4)
    start, middle, end = rng.standard_normal((3, v.size))
    loss = lambda c: float(losses_at(network, bezier(start, c, end, [s]), X, T)[0])
    slope = (loss(middle + 1e-5 * v) - loss(middle - 1e-5 * v)) / 2e-5
    assert pull(network, start, middle, end, s, X, T) @ v == pytest.approx(slope, rel=1e-7)


def test_a_trained_curve_is_lower_than_the_line():
    X, y = digits()
    X, y = X[:300], y[:300]
    ends = [Network((64, 12, 10), rng=np.random.default_rng(s)) for s in range(2)]
    fit_together(ends, X, y, epochs=40, batch_size=20, eta=0.2, rng=np.random.default_rng(0))
    before = [end.parameters.copy() for end in ends]
    middle = connect(*ends, X, y, epochs=40, batch_size=20, eta=0.5, rng=np.random.default_rng(1))
    s = np.linspace(0, 1, 21)
    line, curve = (losses_at(ends[0], bezier(before[0], c, before[1], s), X, y) for c in ((before[0] + before[1]) / 2, middle))
    assert curve.mean() < 0.5 * line.mean() and curve.max() < 0.5 * line.max()
    assert all(np.array_equal(end.parameters, old) for end, old in zip(ends, before))


def test_a_path_begins_halfway():
    _, X, T, _ = case((5, 7, 4), "tanh")
    start, end = (Network((5, 7, 4), "tanh", rng=s) for s in (0, 1))
    middle = connect(start, end, X, T, epochs=1, batch_size=9, eta=1e-300, rng=0)
    assert_allclose(middle - start.parameters, end.parameters - middle, atol=1e-15)


def test_directions_have_the_nodes_lengths():
    network, *_ = case((5, 7, 4), "tanh")
    direction = random_direction(network, np.random.default_rng(0))
    other = Network((5, 7, 4), "tanh", rng=np.random.default_rng(0))
    other.parameters = direction
    for r in (1, 2):
        assert_allclose(np.linalg.norm(other.W[r], axis=1), np.linalg.norm(network.W[r], axis=1), rtol=1e-12)
        assert not other.b[r].any()


def test_slices_are_the_loss_at_their_places():
    network, X, T, v = case((5, 7, 4), "tanh")
    w = np.random.default_rng(3).standard_normal(v.size)
    steps, before = np.array([-1.0, 0.0, 0.5]), network.parameters.copy()
    L = loss_slice(network, X, T, np.stack([v, w]), steps)
    moved = network.copy()
    for i, s in enumerate(steps):
        for j, t in enumerate(steps):
            moved.parameters = before + s * v + t * w
            assert abs(L[i, j] - moved.loss(X, T)) < 1e-12
    assert_allclose(loss_slice(network, X, T, v, steps), L[:, 1], rtol=1e-12)
    assert np.array_equal(network.parameters, before)


# Kept results


@pytest.fixture(scope="module")
def kept():
    return benchmark.EXPERIMENT.kept()


def test_kept_results_are_whole(kept):
    how, results = kept["recipe"]["restarts"], kept["results"]
    assert [row["width"] for row in results["restarts"]] == how["widths"] and how["count"] >= 100
    assert all(len(row["test_loss"]) == how["count"] for row in results["restarts"])
    for part in ("tanh", "whole"):
        how = kept["recipe"][part]
        assert [row["width"] for row in results[part]] == how["widths"]
        assert all(len(row["test_loss"]) == how["count"] for row in results[part])
    how = kept["recipe"]["critical"]
    assert len(results["critical"]) == sum(how["seeds"]) * len(how["stops"])
    assert len(how["seeds"]) == len(how["widths"]) and all(10 * p["width"] + 3 == p["parameters"] for p in results["critical"])


def test_paths_go_between_the_networks_of_the_restarts():
    parts, again = (benchmark.EXPERIMENT.parts(benchmark.SMALL) for _ in range(2))
    rows, alone = parts["restarts"](), again["paths"]()
    assert rows and plain(parts["paths"]()) == plain(alone), "which are trained for them where they have not been"


def test_the_module_needs_numpy_alone():
    code = "import sys, dlnbook.curvature; print([m for m in ('matplotlib', 'torch', 'tqdm', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ)
    assert done.stdout.strip() == "[]"


# Bad input

NET, X_GOOD, T_GOOD, V_GOOD = case((2, 3, 2), "tanh", M=4)
OTHER = Network((2, 4, 2), "tanh", rng=np.random.default_rng(0))
SINGLE = Network((2, 3, 2), "tanh", rng=np.random.default_rng(0), dtype=np.float32)
RELU = Network((2, 3, 2), "relu", rng=np.random.default_rng(0))


def rng():
    return np.random.default_rng(0)


def together(networks=None, X=X_GOOD, y=T_GOOD, **how):
    "A call that would do, with some arguments replaced."
    how = dict(epochs=1, batch_size=2, eta=0.1, rng=rng()) | how
    return fit_together([NET.copy()] if networks is None else networks, X, y, **how)


def joined(start=NET, end=NET, X=X_GOOD, y=T_GOOD, **how):
    "Likewise."
    how = dict(epochs=1, batch_size=2, eta=0.1, rng=rng()) | how
    return connect(start, end.copy() if end is NET else end, X, y, **how)


BAD_SAMPLES = {
    "network": (lambda f: f("net", X_GOOD, T_GOOD), TypeError, "network: expected a Network, got str"),
    "X width": (lambda f: f(NET, X_GOOD[:, :1], T_GOOD), ValueError, r"X: expected shape \(M, 2\), got \(4, 1\)"),
    "X rank": (lambda f: f(NET, X_GOOD[0], T_GOOD), ValueError, r"X: expected shape \(M, 2\), got \(2,\)"),
    "X empty": (lambda f: f(NET, X_GOOD[:0], T_GOOD[:0]), ValueError, "X: expected some numbers"),
    "X nan": (lambda f: f(NET, X_GOOD * np.nan, T_GOOD), ValueError, "X: expected finite numbers"),
    "X complex": (lambda f: f(NET, X_GOOD * 1j, T_GOOD), TypeError, "X: expected real numbers"),
    "T length": (lambda f: f(NET, X_GOOD, T_GOOD[:3]), ValueError, r"T: expected shape \(4, 2\), got \(3, 2\)"),
    "labels length": (lambda f: f(NET, X_GOOD, [0, 1]), ValueError, r"T: expected shape \(4,\), got \(2,\)"),
    "T width": (lambda f: f(NET, X_GOOD, np.full((4, 3), 1 / 3)), ValueError, "T: expected"),
    "T sum": (lambda f: f(NET, X_GOOD, 2 * T_GOOD), ValueError, "T: expected"),
    "T label": (lambda f: f(NET, X_GOOD, [0, 1, 2, 0]), ValueError, "T: expected integers from 0 to 1, got 2"),
    "T float": (lambda f: f(NET, X_GOOD, [0.5, 1, 1, 0]), TypeError, "T: expected integers"),
}
USERS = {
    "hessian_product": lambda *a: hessian_product(*a, V_GOOD),
    "bending": bending,
    "newton_path": newton_path,
    "pull": lambda n, X, T: pull(n, V_GOOD, V_GOOD, V_GOOD, 0.5, X, T),
    "hessian": hessian,
    "extreme_curvatures": lambda *a: extreme_curvatures(*a, rng=rng()),
    "critical_point": critical_point,
    "losses_at": lambda n, X, T: losses_at(n, [V_GOOD], X, T),
    "loss_slice": lambda n, X, T: loss_slice(n, X, T, V_GOOD, [0.0]),
}


@pytest.mark.parametrize("row", BAD_SAMPLES)
@pytest.mark.parametrize("user", USERS)
def test_bad_samples(user, row):
    call, kind, message = BAD_SAMPLES[row]
    with pytest.raises(kind, match=f"^{message}"):
        call(USERS[user])


BAD = {
    "V length": (lambda: hessian_product(NET, X_GOOD, T_GOOD, V_GOOD[1:]), ValueError, r"V: expected shape \(17,\) or \(n, 17\), got \(16,\)"),
    "V nan": (lambda: hessian_product(NET, X_GOOD, T_GOOD, V_GOOD * np.inf), ValueError, "V: expected finite numbers"),
    "V text": (lambda: hessian_product(NET, X_GOOD, T_GOOD, "v"), TypeError, "V: expected real numbers"),
    "jacobian network": (lambda: jacobian_product(3, X_GOOD, V_GOOD), TypeError, "network: expected a Network, got int"),
    "jacobian X": (lambda: jacobian_product(NET, X_GOOD[:, :1], V_GOOD), ValueError, "X: expected shape"),
    "jacobian V": (lambda: jacobian_product(NET, X_GOOD, V_GOOD[:3]), ValueError, r"V: expected shape \(17,\) or \(n, 17\), got \(3,\)"),
    "product": (lambda: lanczos("H", 3, steps=2, rng=rng()), TypeError, "product: expected a function, got 'H'"),
    "product shape": (lambda: lanczos(lambda q: q[:2], 3, steps=2, rng=rng()), ValueError, r"product: expected shape \(3,\), got \(2,\)"),
    "product nan": (lambda: lanczos(lambda q: q * np.nan, 3, steps=2, rng=rng()), ValueError, "product: expected finite numbers"),
    "size": (lambda: lanczos(lambda q: q, 0, steps=2, rng=rng()), ValueError, "size: expected at least 1, got 0"),
    "steps": (lambda: lanczos(lambda q: q, 3, steps=0, rng=rng()), ValueError, "steps: expected at least 1, got 0"),
    "steps float": (lambda: extreme_curvatures(NET, X_GOOD, T_GOOD, steps=2.0, rng=rng()), TypeError, "steps: expected an integer, got 2.0"),
    "lanczos rng": (lambda: lanczos(lambda q: q, 3, steps=2, rng="0"), TypeError, "rng: expected a numpy.random.Generator, a seed or None"),
    "lanczos class": (lambda: lanczos(Ritz, 3, steps=2), TypeError, r"product: expected Ritz\(…\), got the class"),
    "critical steps": (lambda: critical_point(NET, X_GOOD, T_GOOD, steps=0), ValueError, "steps: expected at least 1"),
    "tolerance": (lambda: critical_point(NET, X_GOOD, T_GOOD, tolerance=0), ValueError, "tolerance: expected a positive finite number, got 0"),
    "critical float32": (lambda: critical_point(SINGLE, X_GOOD, T_GOOD), ValueError, "network: expected one of float64, got float32"),
    "networks one": (lambda: together(NET), TypeError, "networks: expected a list of Networks, got Network"),
    "networks text": (lambda: together(3), TypeError, "networks: expected a list of Networks, got 3"),
    "networks none": (lambda: together([]), ValueError, r"networks: expected at least one, got \[\]"),
    "networks other": (lambda: together([NET, "net"]), TypeError, r"networks\[1\]: expected a Network, got str"),
    "networks widths": (lambda: together([NET, OTHER]), ValueError, r"networks\[1\]: expected one like Network\(\(2, 3, 2\)"),
    "networks dtype": (lambda: together([NET, SINGLE]), ValueError, r"networks\[1\]: expected one like"),
    "networks activation": (lambda: together([NET, RELU]), ValueError, r"networks\[1\]: expected one like"),
    "networks twice": (lambda: together([NET, NET]), ValueError, "networks: expected different ones, got one of them twice"),
    "epochs": (lambda: together(epochs=0), ValueError, "epochs: expected at least 1, got 0"),
    "batch_size": (lambda: together(batch_size=0), ValueError, "batch_size: expected at least 1, got 0"),
    "eta": (lambda: together(eta=0.0), ValueError, "eta: expected a positive finite number, got 0.0"),
    "eta inf": (lambda: together(eta=np.inf), ValueError, "eta: expected a positive finite number, got inf"),
    "eta text": (lambda: together(eta="0.1"), TypeError, "eta: expected a number, got '0.1'"),
    "eta function": (lambda: together(eta=lambda done: -1), ValueError, "eta: expected a finite number of at least 0, got -1"),
    "together rng": (lambda: together(rng=1.0), TypeError, "rng: expected a numpy.random.Generator, a seed or None"),
    "together X": (lambda: together(X=X_GOOD[:, :1]), ValueError, "X: expected shape"),
    "together y": (lambda: together(y=[0, 1]), ValueError, r"y: expected shape \(4,\), got \(2,\)"),
    "places": (lambda: losses_at(NET, V_GOOD, X_GOOD, T_GOOD), ValueError, r"parameters: expected shape \(S, 17\), got \(17,\)"),
    "start": (lambda: bezier([[1.0]], [1.0], [1.0], 0.5), ValueError, r"start: expected shape \(P,\), got \(1, 1\)"),
    "middle": (lambda: bezier([1.0], [1.0, 2.0], [1.0], 0.5), ValueError, r"middle: expected shape \(1,\), got \(2,\)"),
    "end": (lambda: bezier([1.0], [1.0], [np.nan], 0.5), ValueError, "end: expected finite numbers"),
    "s": (lambda: bezier([1.0], [1.0], [1.0], [[0.5]]), ValueError, r"s: expected shape \(n,\) or \(\), got \(1, 1\)"),
    "connect shapes": (lambda: joined(end=OTHER), ValueError, r"end: expected one like Network\(\(2, 3, 2\)"),
    "connect text": (lambda: joined(end="net"), TypeError, "end: expected a Network, got str"),
    "connect start": (lambda: joined(start="net"), TypeError, "start: expected a Network, got str"),
    "connect eta": (lambda: joined(eta=-1), ValueError, "eta: expected a positive finite number, got -1"),
    "connect epochs": (lambda: joined(epochs=0), ValueError, "epochs: expected at least 1"),
    "connect y": (lambda: joined(y=[0, 1, 2, 0]), ValueError, "y: expected integers from 0 to 1, got 2"),
    "connect rng": (lambda: joined(rng=(0,)), TypeError, "rng: expected a numpy.random.Generator, a seed or None"),
    "direction network": (lambda: random_direction("net", rng()), TypeError, "network: expected a Network, got str"),
    "direction rng": (lambda: random_direction(NET, "0"), TypeError, "rng: expected a numpy.random.Generator, a seed or None"),
    "direction seed": (lambda: random_direction(NET, -1), ValueError, "rng: expected a seed of at least 0, got -1"),
    "directions": (lambda: loss_slice(NET, X_GOOD, T_GOOD, np.ones((3, 17)), [0.0]), ValueError, r"directions: expected shape \(17,\) or \(2, 17\), got \(3, 17\)"),
    "masked X": (lambda: hessian(NET, np.ma.masked_equal(X_GOOD, X_GOOD[0, 0]), T_GOOD), TypeError, "X: expected an array without a mask"),
    "masked places": (lambda: losses_at(NET, np.ma.ones((2, 17)), X_GOOD, T_GOOD), TypeError, "parameters: expected an array without a mask"),
    "huge X": (lambda: hessian_product(NET, 1e308 * np.ones((4, 2)), T_GOOD, 9 * V_GOOD), ValueError, "X: expected numbers with finite sums along the vectors, got larger ones"),
    "huge X, extremes": (lambda: extreme_curvatures(NET, 1.7e308 * np.sign(NET.W[1][0]) * np.ones((4, 2)), T_GOOD, rng=0), ValueError, "X: expected numbers with finite sums"),
    "huge X, velocities": (lambda: jacobian_product(NET, 1e308 * np.ones((4, 2)), 9 * V_GOOD), ValueError, "X: expected numbers with finite sums along the vectors, got larger ones"),
    "huge X, places": (lambda: losses_at(RELU, [9 * np.abs(V_GOOD)], 1e308 * np.ones((4, 2)), T_GOOD), ValueError, "X: expected numbers with finite sums at all places, got larger ones"),
    "huge X, slice": (lambda: loss_slice(RELU, 1e308 * np.ones((4, 2)), T_GOOD, np.abs(V_GOOD), [0.0, 9.0]), ValueError, "X: expected numbers with finite sums at all places, got larger ones"),
    "network class": (lambda: hessian(Network, X_GOOD, T_GOOD), TypeError, "network: expected a Network, got the class"),
    "ritz start": (lambda: ritz(lambda q: q, [[1.0]], 2), ValueError, r"start: expected shape \(P,\), got \(1, 1\)"),
    "ritz steps": (lambda: ritz(lambda q: q, [1.0], 0), ValueError, "steps: expected at least 1, got 0"),
    "ritz product": (lambda: ritz(3, [1.0], 1), TypeError, "product: expected a function, got 3"),
    "shuffles": (lambda: list(shuffles(0, 1, 1)), ValueError, "samples: expected at least 1, got 0"),
    "shuffles rng": (lambda: list(shuffles(1, 1, 1, "0")), TypeError, "rng: expected a numpy.random.Generator, a seed or None"),
    "stack theta": (lambda: stacked_gradient(NET, V_GOOD, X_GOOD[None], T_GOOD[None]), ValueError, r"theta: expected shape \(S, 17\), got \(17,\)"),
    "stack X": (lambda: stacked_gradient(NET, V_GOOD[None], X_GOOD, T_GOOD[None]), ValueError, r"X: expected shape \(1, B, 2\), got \(4, 2\)"),
    "stack T": (lambda: stacked_gradient(NET, V_GOOD[None], X_GOOD[None], T_GOOD[None, :3]), ValueError, r"T: expected shape \(1, 4, 2\), got \(1, 3, 2\)"),
    "pull s": (lambda: pull(NET, V_GOOD, V_GOOD, V_GOOD, [0.5], X_GOOD, T_GOOD), TypeError, r"s: expected a number, got \[0.5\]"),
    "pull middle": (lambda: pull(NET, V_GOOD, V_GOOD[1:], V_GOOD, 0.5, X_GOOD, T_GOOD), ValueError, r"middle: expected shape \(17,\), got \(16,\)"),
    "slice steps": (lambda: loss_slice(NET, X_GOOD, T_GOOD, V_GOOD, 0.5), ValueError, r"steps: expected shape \(n,\), got \(\)"),
}


@pytest.mark.parametrize("row", BAD)
def test_bad_input(row):
    call, kind, message = BAD[row]
    before = NET.parameters.copy()
    with pytest.raises(kind, match=f"^{message}"):
        call()
    assert np.array_equal(before, NET.parameters)
