"Chapter 11's activation functions beside PyTorch's, JAX's and fifty digits; their pairs; what is read off a network; kept results."

import copy
import math
import pickle
import tracemalloc
import warnings
from decimal import Decimal, localcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from benchmarks import nonlinearities as benchmark
from dlnbook import nonlinearities as ours
from dlnbook.activation import ACTIVATIONS, find_activation
from dlnbook.descent import batches
from dlnbook.network import Network, load
from dlnbook.numeric import complex_step
from dlnbook.fitting import fit

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)
F = torch.nn.functional

OURS = {
    "lecun": ours.lecun_tanh, "leaky": ours.leaky_relu(), "leaky 0.3": ours.leaky_relu(0.3), "leaky 0": ours.leaky_relu(0),
    "elu": ours.elu(), "elu 0.4": ours.elu(0.4), "elu 2": ours.elu(2), "silu": ours.silu, "gelu": ours.gelu,
}  # fmt: skip
TORCH = {
    "lecun": lambda a: 1.7159 * torch.tanh(a * (2 / 3)), "leaky": F.leaky_relu, "leaky 0.3": lambda a: F.leaky_relu(a, 0.3),
    "leaky 0": lambda a: F.leaky_relu(a, 0.0), "elu": F.elu, "elu 0.4": lambda a: F.elu(a, 0.4), "elu 2": lambda a: F.elu(a, 2.0),
    "silu": F.silu, "gelu": lambda a: F.gelu(a, approximate="tanh"),
}  # fmt: skip
JAX = {
    "lecun": lambda a: 1.7159 * jnp.tanh(a * (2 / 3)), "leaky": jax.nn.leaky_relu, "leaky 0.3": lambda a: jax.nn.leaky_relu(a, 0.3),
    "leaky 0": lambda a: jax.nn.leaky_relu(a, 0.0), "elu": jax.nn.elu, "elu 0.4": lambda a: jax.nn.elu(a, 0.4),
    "elu 2": lambda a: jax.nn.elu(a, 2.0), "silu": jax.nn.silu, "gelu": lambda a: jax.nn.gelu(a, approximate=True),
}  # fmt: skip
NAMES = pytest.mark.parametrize("name", list(OURS))
PAIRS = pytest.mark.parametrize("name", [name for name in OURS if name != "elu 2"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def sums(dtype, most=math.inf):
    "Numbers of all sizes and both signs, with the ends of the format and of the exponential."
    info = np.finfo(dtype)
    ends = [0.0, info.tiny, 1e-30, 1e-8, 0.5, 1, 9, 17, 20, 25, 26, 37, 87.3, 88.8, 104, 709.7, 709.8, 746, 1e6, 1e18, info.max]
    random = np.random.default_rng(0).normal(size=2000) * np.geomspace(1e-6, 300, 2000)
    A = np.concatenate([ends, np.negative(ends), random]).astype(dtype)
    return A[np.abs(A) <= most]


def close(found, expected, A, units):
    "Equal within so many units of the last digit of 1 or of a."
    scale = np.finfo(A.dtype).eps * (1 + np.minimum(np.abs(A), np.abs(expected)))
    return bool(np.all(np.abs(found - np.asarray(expected)) <= units * scale))


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings(), np.errstate(over="raise", divide="raise", invalid="raise", under="ignore"):
        warnings.simplefilter("error")
        yield


# Values and slopes


@NAMES
@DTYPES
def test_the_same_as_torch(name, dtype):
    A = sums(dtype, 1e6 if name == "gelu" else math.inf)  # beyond, torch's slope of GELU is NaN
    tensor = torch.tensor(A, requires_grad=True)
    values = TORCH[name](tensor)
    values.sum().backward()
    found, slopes = OURS[name].f(A), OURS[name].df(A)
    assert found.dtype == slopes.dtype == dtype
    assert close(found, values.detach().numpy(), A, 8)
    assert close(slopes, tensor.grad.numpy(), np.ones_like(A), 64 if name in ("silu", "gelu") else 8)  # theirs are off


@NAMES
@DTYPES
def test_the_same_as_jax(name, dtype):
    A = sums(dtype, 1e6 if name == "gelu" else math.inf)
    A = A[A != 0] if "leaky" in name else A  # the slope at the kink is another one there
    values, back = jax.vjp(JAX[name], jnp.asarray(A))
    [slopes] = back(jnp.ones_like(values))
    off = 16 if name == "gelu" else 1  # its 1 + tanh cancels on the left
    assert close(OURS[name].f(A), np.asarray(values), A, 4 * off)
    assert close(OURS[name].df(A), np.asarray(slopes), np.ones_like(A), 16 * off)


def exactly(name, a):
    "Value and slope of a smooth one with fifty digits."
    a = Decimal(float(a))
    if name == "lecun":
        c, e = Decimal(1.7159), (-4 * abs(a) / 3).exp()
        return c * (1 - e) / (1 + e) * (1 if a >= 0 else -1), c * 2 / 3 * 4 * e / (1 + e) ** 2
    if name == "elu":
        return (a, Decimal(1)) if a > 0 else (a.exp() - 1, a.exp())
    k = 2 * (2 / Decimal("3.14159265358979323846264338327950288419716939937510")).sqrt()
    g, dg = (a, Decimal(1)) if name == "silu" else (k * (a + Decimal("0.044715") * a**3), k * (1 + 3 * Decimal("0.044715") * a * a))
    s = 1 / (1 + (-g).exp())
    return a * s, s + a * s * (1 - s) * dg


@pytest.mark.parametrize("name", ["lecun", "elu", "silu", "gelu"])
def test_right_to_the_last_digits_also_in_the_tails(name):
    A = sums(np.float64, 20)
    A = A[np.abs(A) > 1e-29]
    with localcontext() as context:
        context.prec, context.Emin, context.Emax = 60, -(10**9), 10**9
        exact = np.array([[float(each) for each in exactly(name, a)] for a in A])  # (…, 2)
    rtol = 4e-13 if name == "gelu" else 5e-15  # g is 300 there, and the exponential of a rounded number
    np.testing.assert_allclose(OURS[name].f(A), exact[:, 0], rtol=rtol)
    far = np.abs(exact[:, 1]) > 1e-3  # near its zero the slope of a gate is a difference
    np.testing.assert_allclose(OURS[name].df(A)[far], exact[far, 1], rtol=1e-13)
    np.testing.assert_allclose(OURS[name].df(A), exact[:, 1], rtol=1e-12, atol=1e-16)


def test_gelu_is_near_the_one_with_the_error_function():
    A = np.linspace(-10, 10, 20_001)
    exact = np.array([a * 0.5 * math.erfc(-a / math.sqrt(2)) for a in A])
    assert 4e-4 < np.abs(ours.gelu.f(A) - exact).max() < 4.8e-4
    np.testing.assert_allclose(exact, F.gelu(torch.tensor(A)).numpy(), atol=1e-15)


@NAMES
def test_complex_steps_go_through(name):
    A = sums(np.float64, 300)
    A = A[np.abs(A) > 1e-15]
    [slopes] = complex_step(lambda p: OURS[name].f(p[0]).sum(), [A if name != "gelu" else A[np.abs(A) < 20]])
    np.testing.assert_allclose(slopes, OURS[name].df(A if name != "gelu" else A[np.abs(A) < 20]), rtol=1e-11, atol=1e-15)
    points = np.random.default_rng(1).normal(size=(50, 2)) @ [1, 1j]
    points = points[np.abs(points.real) > 1e-3]
    difference = (OURS[name].f(points + 1e-6) - OURS[name].f(points - 1e-6)) / 2e-6
    np.testing.assert_allclose(OURS[name].df(points), difference, rtol=1e-6, atol=1e-8)
    assert OURS[name].f(points).dtype == OURS[name].df(points).dtype == np.complex128


def test_the_kinks():
    zero = np.zeros(1)
    assert [OURS[name].df(zero)[0] for name in ("leaky", "leaky 0.3", "leaky 0", "elu", "elu 0.4", "elu 2")] == [0.01, 0.3, 0, 1, 0.4, 2]
    assert OURS["silu"].df(zero)[0] == OURS["gelu"].df(zero)[0] == 0.5


@NAMES
@DTYPES
def test_what_is_not_a_number_is_not_hidden(name, dtype):
    A = np.array([np.nan, 1.0], dtype)
    assert np.isnan(OURS[name].f(A)).tolist() == [True, False]
    if OURS[name].forward:
        Z, D = A.copy(), np.ones_like(A)
        OURS[name].forward(A, Z)
        assert np.isnan(Z).tolist() == [True, False]


@NAMES
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128], ids=["float32", "float64", "complex128"])
@pytest.mark.parametrize("shape", [(), (5,), (0, 4), (2, 3, 4)], ids=str)
def test_shapes_and_dtypes_are_kept_and_arrays_are_new(name, dtype, shape):
    A = np.array(np.random.default_rng(2).normal(size=shape).astype(dtype))
    before = A.copy()
    for function in (OURS[name].f, OURS[name].df):
        found = np.asarray(function(A))
        assert found.shape == shape and found.dtype == dtype
        assert np.array_equal(A, before) and not np.shares_memory(found, A)


# In place


@PAIRS
@DTYPES
def test_the_pair_gives_what_f_and_df_give(name, dtype):
    activation, A0 = OURS[name], sums(dtype)
    A0 = np.resize(A0, (len(A0) // 6, 6))
    D0 = np.random.default_rng(3).normal(size=A0.shape).astype(dtype)
    for cut in (np.s_[:], np.s_[::2], np.s_[:, 1:4], np.s_[::-1]):
        for order in "CF":
            A, D = A0[cut].copy(order), D0[cut].copy(order)
            Z = np.full_like(A, np.nan)
            activation.forward(A, Z)
            assert np.array_equal(A, A0[cut]) and close(Z, activation.f(A), A, 4)
            activation.backward(A, Z, D)
            eps = np.finfo(dtype).eps
            assert D.dtype == dtype and np.all(np.abs(D - D0[cut] * activation.df(A0[cut])) <= 64 * eps * np.abs(D0[cut]))


@pytest.mark.parametrize("spread", [1, 3, 10])
@pytest.mark.parametrize("alpha", [1.0, 0.4])
def test_the_gradients_of_elu_in_place_are_as_good_as_those_of_torch(spread, alpha):
    "The slope z + α would lose all digits far on the left: at a spread of 10 it errs 400 times as much as torch."
    rng = np.random.default_rng(0)
    A0, D0 = (rng.normal(0, scale, (200, 100)).astype(np.float32) for scale in (spread, 1))
    exact = D0 * np.where(A0 > 0, 1, alpha * np.exp(np.minimum(A0, 0, dtype=float)))
    tensor = torch.tensor(A0, requires_grad=True)
    F.elu(tensor, alpha).backward(torch.tensor(D0))
    activation, A, Z, D = ours.elu(alpha), A0.copy(), np.empty_like(A0), D0.copy()
    activation.forward(A, Z)
    activation.backward(A, Z, D)
    found, theirs = (np.abs(each / exact - 1)[A0 < 0] for each in (D, tensor.grad.numpy()))
    assert np.median(found) < 2 * np.median(theirs) and found.max() < 2 * theirs.max() and found.max() < 8 * np.finfo(np.float32).eps


def test_two_of_one_kind_are_equal():
    assert ours.elu(0.4) == ours.elu(0.4) != ours.elu(0.5) and ours.leaky_relu() == ours.leaky_relu(0.01) != ours.leaky_relu(0.1)
    assert ours.elu(1) != ours.leaky_relu(1 / 2)


def test_where_one_array_will_do_it_is_said_so():
    assert {name for name in OURS if OURS[name].in_place} == {"lecun"}
    A, D = sums(np.float64), np.ones_like(sums(np.float64))
    Z = A.copy()
    ours.lecun_tanh.forward(Z, Z)
    assert np.array_equal(Z, ours.lecun_tanh.f(A))
    ours.lecun_tanh.backward(Z, Z, D)
    np.testing.assert_allclose(D, ours.lecun_tanh.df(A), atol=1e-15)
    assert OURS["elu 2"].forward is OURS["elu 2"].backward is None


@PAIRS
def test_the_pair_allocates_nothing_that_grows(name):
    activation, peaks = OURS[name], []
    A = np.random.default_rng(4).normal(size=(500, 500))
    for _ in range(2):  # the first call may fill a cache
        Z, D, sums_ = np.empty_like(A), np.ones_like(A), A.copy()
        tracemalloc.start()
        activation.forward(sums_, Z)
        activation.backward(sums_, Z, D)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 100_000 < A.nbytes / 10


# As objects


@NAMES
def test_they_are_found_pickled_and_told_apart(name, tmp_path):
    activation = OURS[name]
    assert find_activation(activation) is activation and activation.name not in ACTIVATIONS
    network = Network((3, 4, 2), activation, rng=np.random.default_rng(0))
    X = np.random.default_rng(1).normal(size=(5, 3))
    for again in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        assert again.activations == (activation,)
        assert np.array_equal(again.scores(X), network.scores(X))
    network.save(tmp_path / "network.npz")
    assert np.array_equal(load(tmp_path / "network.npz", activation).scores(X), network.scores(X))
    with pytest.raises(ValueError, match="activation: "):
        load(tmp_path / "network.npz")
    assert len({each.name for each in OURS.values()}) == len(OURS)


# In a training


def problem():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4))
    return X, rng.integers(0, 3, 80), Network((4, 10, 7, 3), "tanh", rng=rng)


def in_torch(network):
    return [(torch.tensor(W, requires_grad=True), torch.tensor(b, requires_grad=True)) for W, b in zip(network.W[1:], network.b[1:])]


@NAMES
def test_a_training_follows_torch(name):
    X, y, first = problem()
    network = Network((4, 10, 7, 3), OURS[name], rng=np.random.default_rng(1))
    network.parameters[:] = first.parameters
    layers, rng = in_torch(network), np.random.default_rng(7)
    optimizer = torch.optim.SGD([each for pair in layers for each in pair], lr=0.2)
    for _ in range(10):
        for rows in batches(80, 8, rng):
            Z = torch.tensor(X[rows])
            for W, b in layers[:-1]:
                Z = TORCH[name](Z @ W.T + b)
            loss = F.cross_entropy(Z @ layers[-1][0].T + layers[-1][1], torch.tensor(y[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    fit(network, X, y, epochs=10, batch_size=8, eta=0.2, rng=np.random.default_rng(7), progress=False)
    theirs = np.concatenate([each.detach().numpy().ravel() for pair in layers for each in pair])
    np.testing.assert_allclose(network.parameters, theirs, rtol=0, atol=1e-10)
    assert np.abs(network.parameters - first.parameters).max() > 0.01


# Read off a network


@pytest.mark.parametrize("name", ["leaky", "silu", "lecun"])
def test_norms_and_slopes_are_those_of_torch(name):
    X, y, first = problem()
    network = Network((4, 10, 7, 3), OURS[name], rng=np.random.default_rng(1))
    sums_, Z = [], torch.tensor(X)
    for r, (W, b) in enumerate(in_torch(network), 1):
        sums_.append(Z @ W.T + b)
        sums_[-1].retain_grad()
        Z = TORCH[name](sums_[-1]) if r <= 2 else sums_[-1]
    F.cross_entropy(Z, torch.tensor(y), reduction="sum").backward()
    norms = ours.delta_norms(network, X, y)
    assert norms.shape == (4,) and np.isnan(norms[0])
    expected = [math.sqrt((a.grad**2).sum(dim=1).mean()) for a in sums_]
    np.testing.assert_allclose(norms[1:], expected, rtol=1e-12)
    np.testing.assert_allclose(ours.delta_norms(network, X, np.eye(3)[y])[1:], expected, rtol=1e-12)
    S = ours.slopes(network, X)
    assert S[0] is None and [s.shape for s in S[1:]] == [(80, 10), (80, 7)]
    for s, a in zip(S[1:], sums_):
        np.testing.assert_allclose(s, OURS[name].df(a.detach().numpy()), rtol=1e-12)


def test_norms_survive_where_single_precision_has_no_squares():
    network = Network((3,) + (8,) * 30 + (2,), "sigmoid", rng=np.random.default_rng(0), dtype="float32")
    X = np.random.default_rng(1).normal(size=(5, 3))
    norms = ours.delta_norms(network, X, [0, 1, 0, 1, 0])
    double = Network((3,) + (8,) * 30 + (2,), "sigmoid", rng=np.random.default_rng(0))
    np.testing.assert_allclose(norms[1:], ours.delta_norms(double, X, [0, 1, 0, 1, 0])[1:], rtol=1e-3)
    assert 0 < norms[1] ** 2 < np.finfo(np.float32).tiny and norms.dtype == np.float64


def test_the_dead_are_those_that_no_sample_wakes():
    X, y, _ = problem()
    network = Network((4, 10, 7, 3), "relu", rng=np.random.default_rng(1))
    network.b[1][2], network.b[2][0] = -100, -100
    dead = ours.dead_units(network, X)
    assert dead[0] is None and [d.dtype for d in dead[1:]] == [bool, bool]
    assert dead[1][2] and dead[2][0] and dead[1].sum() + dead[2].sum() < 5
    A = X @ network.W[1].T + network.b[1]
    assert dead[1].tolist() == [bool((A[:, j] <= 0).all()) for j in range(10)]
    assert not any(d.any() for d in ours.dead_units(Network((4, 5, 3), ours.leaky_relu(), rng=np.random.default_rng(0)), X - 50)[1:])


def test_a_linear_model_has_no_hidden_slopes():
    X, y, _ = problem()
    network = Network((4, 3), rng=np.random.default_rng(0))
    assert ours.slopes(network, X) == ours.dead_units(network, X) == [None]
    assert ours.delta_norms(network, X, y).shape == (2,)


def test_nothing_is_changed():
    X, y, network = problem()
    before = X.copy(), y.copy(), network.parameters.copy()
    ours.slopes(network, X), ours.dead_units(network, X), ours.delta_norms(network, X, y)
    assert all(map(np.array_equal, before, (X, y, network.parameters)))


# Bad input

X, y, network = problem()
steep = network.copy()
steep.W[3] *= 1e200  # sums and gradients have this size, and their squares are beyond the format
BAD = {
    "slope is text": (lambda: ours.leaky_relu("0.1"), TypeError, "slope: expected a number, got '0.1'"),
    "slope is a bool": (lambda: ours.leaky_relu(True), TypeError, "slope: expected a number, got True"),
    "slope 1": (lambda: ours.leaky_relu(1), ValueError, "slope: expected a finite number of at least 0 and below 1, got 1"),
    "slope below 0": (lambda: ours.leaky_relu(-0.1), ValueError, "slope: expected a finite number of at least 0 and below 1, got -0.1"),
    "slope NaN": (lambda: ours.leaky_relu(math.nan), ValueError, "slope: .* got nan"),
    "alpha 0": (lambda: ours.elu(0), ValueError, "alpha: expected a positive finite number, got 0"),
    "alpha infinite": (lambda: ours.elu(math.inf), ValueError, "alpha: expected a positive finite number, got inf"),
    "alpha None": (lambda: ours.elu(None), TypeError, "alpha: expected a number, got None"),
    "no network": (lambda: ours.slopes(3, X), TypeError, "network: expected a Network, got int"),
    "no network for norms": (lambda: ours.delta_norms(None, X, y), TypeError, "network: expected a Network, got NoneType"),
    "no network for dead": (lambda: ours.dead_units("relu", X), TypeError, "network: expected a Network, got str"),
    "width": (lambda: ours.slopes(network, X[:, :3]), ValueError, r"X: expected shape \(M, 4\), got \(80, 3\)"),
    "one sample as a row": (lambda: ours.dead_units(network, X[0]), ValueError, r"X: expected shape \(M, 4\), got \(4,\)"),
    "no samples": (lambda: ours.delta_norms(network, X[:0], y[:0]), ValueError, "X: expected some numbers"),
    "NaN": (lambda: ours.slopes(network, X * np.nan), ValueError, "X: expected finite numbers, got NaN or infinity"),
    "huge": (lambda: ours.delta_norms(steep, X, y), ValueError, "X: expected numbers with a finite result, got larger ones"),
    "complex": (lambda: ours.slopes(network, X + 1j), TypeError, "X: expected real numbers, got dtype complex128"),
    "text": (lambda: ours.dead_units(network, [["a"] * 4]), TypeError, "X: expected real numbers"),
    "label": (lambda: ours.delta_norms(network, X, y + 1), ValueError, "T: "),
    "too few labels": (lambda: ours.delta_norms(network, X, y[:-1]), ValueError, "T: "),
    "rows": (lambda: ours.delta_norms(network, X, np.eye(3)[y] * 2), ValueError, "T: "),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, kind, message = BAD[case]
    with pytest.raises(kind, match=f"^{message}"):
        call()


# Kept results


def test_kept_results_are_complete():
    kept = benchmark.EXPERIMENT.kept()
    recipe, results = kept["recipe"], kept["results"]
    assert len(results["learning"]) == len(recipe["etas"]) * len(benchmark.FUNCTIONS) * 3
    assert all(len(row["test"]) == len(recipe["seeds"]) and all(0 <= t <= 1 for t in row["test"]) for row in results["learning"])
    assert len(results["dying"]) == 2 * len(recipe["dying"]["etas"])
    assert len(results["curves"]) == 3 * len(benchmark.FUNCTIONS)
    for row in results["curves"]:
        assert len(row["loss"]) == len(row["slopes"]) == len(recipe["seeds"])
        assert all(len(losses) in (0, recipe["epochs"]) for losses in row["loss"])
        assert all(0 <= zero <= small <= 1 for each in row["slopes"] for zero, small in (each[:2], each[2:]))


def test_the_balanced_gain_passes_a_gradient_on_as_it_came():
    for function in benchmark.FUNCTIONS.values():
        for layers in (2, 10):
            gain = benchmark.balanced_gain(function, layers, 0.3)
            assert benchmark.passed_back(function, gain, layers, 0.3) == pytest.approx(1, abs=1e-6)
    assert benchmark.balanced_gain(benchmark.FUNCTIONS["ReLU"], 10, 0.3) == pytest.approx(2**0.5, abs=1e-3)


def test_shares_of_slopes():
    X, _, network = problem()
    sums = [X @ network.W[1].T + network.b[1]]
    sums.append(np.maximum(sums[0], 0) @ network.W[2].T + network.b[2])
    relu = Network((4, 10, 7, 3), "relu", rng=np.random.default_rng(1))
    relu.parameters[:] = network.parameters
    off = np.mean([(a <= 0).mean() for a in sums])
    assert benchmark.slope_shares(relu, X, 0.1) == pytest.approx((off, off))
    lazy = Network((4, 10, 7, 3), ours.leaky_relu(0.01), rng=np.random.default_rng(1))
    assert benchmark.slope_shares(lazy, X, 0.1)[0] == 0 < benchmark.slope_shares(lazy, X, 0.1)[1]
    assert benchmark.slope_shares(lazy, X, 0.001) == (0, 0)
    for function in benchmark.FUNCTIONS.values():
        a = np.linspace(-6, 6, 9_999)
        assert abs(np.gradient(function.f(a), a)).max() == pytest.approx(benchmark.largest_slope(function), rel=1e-3)


def test_a_gain_of_its_own_makes_the_factor_one():
    draws = np.random.default_rng(5).normal(size=400_000)
    for function in benchmark.FUNCTIONS.values():
        gain = benchmark.own_gain(function)
        assert abs(gain**2 * (function.df(draws) ** 2).mean() - 1) < 0.02
    assert math.isclose(benchmark.own_gain(ACTIVATIONS["relu"]), math.sqrt(2), rel_tol=1e-6)
