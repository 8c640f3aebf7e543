"Initializers beside PyTorch's, the two recursions beside autograd and quadrature, bad input, the seam in Network."

import math
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from benchmarks import initialization as benchmark
from dlnbook.activation import ACTIVATIONS
from dlnbook.initialization import (
    expected_spread, glorot, he, lecun, measured_spread, orthogonal, scaled, zeros,
)  # fmt: skip
from dlnbook.network import Network, fan_in_normal
from dlnbook.normal import gaussian_mean

torch.set_num_threads(1)

SHAPES = [(300, 200), (40, 900), (150, 150)]
INIT = torch.nn.init
PEERS = {
    "he": (he, partial(INIT.kaiming_normal_, nonlinearity="relu")),
    "he uniform": (partial(he, distribution="uniform"), partial(INIT.kaiming_uniform_, nonlinearity="relu")),
    "he leaky": (partial(he, slope=0.3), partial(INIT.kaiming_normal_, a=0.3)),
    "he leaky uniform": (partial(he, slope=0.3, distribution="uniform"), partial(INIT.kaiming_uniform_, a=0.3)),
    "lecun": (lecun, partial(INIT.kaiming_normal_, nonlinearity="linear")),
    "lecun uniform": (partial(lecun, distribution="uniform"), partial(INIT.kaiming_uniform_, nonlinearity="linear")),
    "glorot": (glorot, INIT.xavier_normal_),
    "glorot uniform": (partial(glorot, distribution="uniform"), INIT.xavier_uniform_),
    "scaled": (scaled(0.02), partial(INIT.normal_, std=0.02)),
    "scaled uniform": (scaled(0.02, "uniform"), partial(INIT.uniform_, a=-0.02 * 3**0.5, b=0.02 * 3**0.5)),
    "zeros": (zeros, INIT.zeros_),
}
ALL = PEERS | {"orthogonal": (orthogonal, INIT.orthogonal_), "orthogonal gain": (partial(orthogonal, gain=1.5), partial(INIT.orthogonal_, gain=1.5))}


def theirs(fill, shape, seed=0):
    "What torch puts into a matrix."
    torch.manual_seed(seed)
    return fill(torch.empty(shape, dtype=torch.float64)).numpy()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", [name for name in PEERS if name != "zeros"])
def test_moments_are_those_of_torch(name, shape):
    ours, fill = PEERS[name]
    a, b = ours(*shape, np.random.default_rng(1)).ravel(), theirs(fill, shape).ravel()
    uniform = "uniform" in name
    kurtosis, sixth = (9 / 5, 27 / 7) if uniform else (3, 15)
    std = math.sqrt((a.var() + b.var()) / 2)
    error = 5 * math.sqrt(2 / a.size)
    assert abs(a.mean() - b.mean()) < error * std
    assert abs(a.var() - b.var()) < error * math.sqrt(kurtosis - 1) * std**2
    assert abs((a**4).mean() - kurtosis * std**4) < error * math.sqrt(sixth * 7) * std**4
    assert stats.ks_2samp(a, b).pvalue > 1e-4
    if uniform:
        assert np.abs(a).max() == pytest.approx(np.abs(b).max(), rel=1e-3)


def test_moments_tell_the_rules_apart():
    "The comparison above can fail: on this shape each rule differs from each other one."
    found = sorted(float(ours(90, 400, np.random.default_rng(0)).var()) for ours in (he, lecun, glorot, partial(he, slope=0.3)))
    assert all(b / a > 1.05 for a, b in zip(found, found[1:]))


@pytest.mark.parametrize("name", list(ALL))
@pytest.mark.parametrize("shape", [*SHAPES, (1, 1), (1, 7), (7, 1)], ids=str)
def test_shape_dtype_and_seed(name, shape):
    ours, fill = ALL[name]
    W = ours(*shape, np.random.default_rng(3))
    assert W.shape == theirs(fill, shape).shape == shape and W.dtype == np.float64 and np.isfinite(W).all()
    assert np.array_equal(W, ours(*shape, np.random.default_rng(3)))
    assert name == "zeros" or not np.array_equal(W, ours(*shape, np.random.default_rng(4)))
    assert pickle.loads(pickle.dumps(ours))(*shape, np.random.default_rng(3)).tolist() == W.tolist()


@pytest.mark.parametrize("name", list(ALL))
def test_a_seed_will_do_for_a_generator_and_so_will_nothing(name):
    ours, _ = ALL[name]
    assert np.array_equal(ours(4, 3, 7), ours(4, 3, np.random.default_rng(7)))
    assert name == "zeros" or not np.array_equal(ours(4, 3), ours(4, 3, None))


def test_the_generator_moves_on():
    rng = np.random.default_rng(0)
    assert not np.array_equal(he(3, 3, rng), he(3, 3, rng))


@pytest.mark.parametrize("gain", [0.0, 1.0, math.sqrt(2)])
@pytest.mark.parametrize("shape", [*SHAPES, (1, 1), (1, 7), (7, 1)], ids=str)
def test_orthogonality(shape, gain):
    short = min(shape)
    for W in (orthogonal(*shape, np.random.default_rng(5), gain=gain), theirs(partial(INIT.orthogonal_, gain=gain), shape)):
        product = W.T @ W if shape[0] >= shape[1] else W @ W.T
        np.testing.assert_allclose(product, gain**2 * np.eye(short), atol=1e-13)


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9)], ids=str)
def test_orthogonal_is_torch_s_construction(shape):
    G = torch.from_numpy(np.random.default_rng(2).standard_normal((max(shape), min(shape))))
    Q, R = torch.linalg.qr(G)
    Q = (Q * torch.diag(R).sign()).numpy()
    np.testing.assert_allclose(orthogonal(*shape, np.random.default_rng(2)), Q if shape[0] >= shape[1] else Q.T, atol=1e-13)


def test_all_turns_are_equally_likely():
    "Without the signs, QR prefers some: its traces are shifted. The angles are those of torch."
    ours = [orthogonal(6, 6, np.random.default_rng(s)) for s in range(2000)]
    peers = [theirs(INIT.orthogonal_, (6, 6), s) for s in range(2000)]
    traces = np.array([np.trace(W) for W in ours])
    assert abs(traces.mean()) < 5 / math.sqrt(2000) and abs(traces.var() - 1) < 5 * math.sqrt(2 / 2000)
    assert stats.ks_2samp(traces, [np.trace(W) for W in peers]).pvalue > 1e-4
    entries = np.array([W[:, 0] for W in ours])
    np.testing.assert_allclose(entries.mean(axis=0), 0, atol=5 / math.sqrt(6 * 2000))
    np.testing.assert_allclose((entries**2).mean(axis=0), 1 / 6, atol=5 * 0.22 / math.sqrt(2000))


def test_lecun_is_the_network_s_default():
    ours, default = (f(7, 5, np.random.default_rng(0)) for f in (lecun, fan_in_normal))
    np.testing.assert_allclose(ours, default, rtol=1e-15)


# the seam


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", list(ALL))
def test_inside_a_network(name, dtype):
    ours, _ = ALL[name]
    widths = (5, 8, 3, 4)
    network = Network(widths, rng=np.random.default_rng(9), initialize=ours, dtype=dtype)
    rng = np.random.default_rng(9)
    for r in (1, 2, 3):
        assert network.W[r].dtype == dtype
        assert np.array_equal(network.W[r], ours(widths[r], widths[r - 1], rng).astype(dtype))
        assert not network.b[r].any()


# theory


@pytest.mark.parametrize("name", list(ACTIVATIONS))
@pytest.mark.parametrize("q", [0.01, 1.0, 30.0])
def test_gaussian_means_are_those_of_quadrature(name, q):
    f = ACTIVATIONS[name]
    for g in (f.f, f.df, lambda a: f.f(a) ** 2, lambda a: f.df(a) ** 2):
        density = lambda x: float(g(np.array([math.sqrt(q) * x]))[0]) * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        exact = sum(integrate.quad(density, *ends, epsabs=1e-13, epsrel=1e-12)[0] for ends in ((-12, 0), (0, 12)))
        assert gaussian_mean(g, q) == pytest.approx(exact, rel=1e-9, abs=1e-11)


def test_gaussian_mean_of_no_spread():
    assert gaussian_mean(np.cos, 0) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("activation, peer", [("relu", torch.relu), ("tanh", torch.tanh), ("sigmoid", torch.sigmoid)])
def test_measured_spread_is_autograd_s(activation, peer):
    rng = np.random.default_rng(6)
    network = Network((4, 7, 6, 3), activation, rng=rng, initialize=he)
    network.parameters += 0.1 * rng.normal(size=network.parameters.shape)
    X, y = rng.normal(size=(9, 4)), rng.integers(3, size=9)
    Z, sums = torch.from_numpy(X), []
    for r in (1, 2, 3):
        A = Z @ torch.tensor(network.W[r]).T + torch.tensor(network.b[r])
        A.requires_grad_() if r == 1 else A.retain_grad()
        sums.append(A)
        Z = peer(A)
    torch.nn.functional.cross_entropy(sums[-1], torch.from_numpy(y), reduction="sum").backward()
    q, d = measured_spread(network, X, y)
    assert q[0] is None and d[0] is None
    np.testing.assert_allclose(q[1:], [float((A.detach() ** 2).mean()) for A in sums], rtol=1e-12)
    np.testing.assert_allclose(d[1:], [float((A.grad**2).mean()) for A in sums], rtol=1e-11)
    soft = np.eye(3)[y]
    assert measured_spread(network, X.tolist(), soft) == (q, d)


def test_expected_spread_is_what_wide_torch_networks_have():
    "Forward, tanh and sigmoid with the spread of torch's own draws."
    for activation, peer in (("tanh", torch.tanh), ("sigmoid", torch.sigmoid), ("relu", torch.relu)):
        found = np.zeros(4)
        x = np.random.default_rng(0).normal(size=(50, 30))
        for seed in range(20):
            Z = torch.from_numpy(x)
            for r, (o, i) in enumerate(((400, 30), (400, 400), (400, 400), (10, 400))):
                A = Z @ torch.from_numpy(theirs(INIT.xavier_normal_, (o, i), 10 * seed + r)).T
                found[r] += float((A**2).mean()) / 20
                Z = peer(A)
        q, _ = expected_spread((30, 400, 400, 400, 10), lambda o, i: 2 / (o + i), activation, inputs=(x**2).mean())
        np.testing.assert_allclose(found, q[1:], rtol=0.12)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_expected_gradients_are_what_wide_networks_have(activation):
    "Over ten networks, from the logits back."
    rng, widths, found = np.random.default_rng(0), (30, 400, 400, 10), np.zeros(3)
    X, y = rng.normal(size=(50, 30)), rng.integers(10, size=50)
    for _ in range(10):
        _, d = measured_spread(Network(widths, activation, rng=rng, initialize=glorot), X, y)
        found += np.divide(d[1:], d[-1]) / 10
    _, d = expected_spread(widths, lambda o, i: 2 / (o + i), activation)
    np.testing.assert_allclose(found, d[1:], rtol=0.05)


def test_no_hidden_layer():
    q, d = expected_spread((4, 3), lambda o, i: 0.5, inputs=2.0, errors=0.25)
    assert q == [None, 4.0] and d == [None, 0.25]
    network = Network((4, 3), rng=np.random.default_rng(0), initialize=zeros)
    assert measured_spread(network, np.ones((2, 4)), [0, 1])[0] == [None, 0.0]


def test_expected_spread_goes_by_powers_over_two_hundred_layers():
    for factor in (0.1, 1.0, 30.0):
        q, d = expected_spread((50,) * 202, lambda o, i: 2 * factor / i, errors=1e-3)
        assert q[201] == pytest.approx(2 * factor * factor**200, rel=1e-6)
        assert d[1] == pytest.approx(1e-3 * factor**200, rel=1e-6)


# bad input

GOOD = {
    zeros: {"fan_out": 2, "fan_in": 3, "rng": np.random.default_rng(0)},
    lecun: {"fan_out": 2, "fan_in": 3, "rng": np.random.default_rng(0), "distribution": "normal"},
    glorot: {"fan_out": 2, "fan_in": 3, "rng": np.random.default_rng(0), "distribution": "normal"},
    he: {"fan_out": 2, "fan_in": 3, "rng": np.random.default_rng(0), "slope": 0.1, "distribution": "normal"},
    orthogonal: {"fan_out": 2, "fan_in": 3, "rng": np.random.default_rng(0), "gain": 1.0},
    scaled(1.0): {"fan_out": 2, "fan_in": 3, "rng": np.random.default_rng(0)},
    scaled: {"std": 0.1, "distribution": "normal"},
    gaussian_mean: {"function": np.tanh, "q": 1.0},
    expected_spread: {"widths": (3, 2, 2), "variance": lambda o, i: 1.0, "activation": "relu", "inputs": 1.0, "errors": 1.0},
    measured_spread: {"network": Network((3, 2, 2), rng=np.random.default_rng(0)), "X": np.ones((2, 3)), "T": np.array([0, 1])},
}
INITIALIZERS = [f for f in GOOD if "fan_out" in GOOD[f]]
COUNTS = [(0, ValueError, "at least 1"), (-2, ValueError, "at least 1"), (2.0, TypeError, "integer"), (True, TypeError, "integer"), ("2", TypeError, "integer")]
NUMBERS = [(math.nan, ValueError, "finite"), (math.inf, ValueError, "finite"), ("1", TypeError, "number"), (1j, TypeError, "number"), (True, TypeError, "number")]
BAD = [
    *((f, name, *row) for f in INITIALIZERS for name in ("fan_out", "fan_in") for row in COUNTS),
    *((f, "rng", value, TypeError, "numpy.random.Generator, a seed or None") for f in INITIALIZERS for value in ("7", 0.0, True, np.random.RandomState(0))),
    *((f, "rng", -1, ValueError, "seed of at least 0, got -1") for f in INITIALIZERS),
    *((f, "distribution", value, ValueError, "one of normal, uniform") for f in (lecun, glorot, he, scaled) for value in ("Normal", None, 3)),
    *((f, name, *row) for f, name in ((he, "slope"), (orthogonal, "gain"), (scaled, "std"), (gaussian_mean, "q"), (expected_spread, "inputs"), (expected_spread, "errors")) for row in NUMBERS),
    *((f, name, -0.5, ValueError, "at least 0") for f, name in ((orthogonal, "gain"), (scaled, "std"), (gaussian_mean, "q"), (expected_spread, "inputs"), (expected_spread, "errors"))),
    (gaussian_mean, "function", 3, TypeError, "function"),
    (gaussian_mean, "function", lambda a: a[:3], ValueError, "(4000,)"),
    (gaussian_mean, "function", lambda a: a * math.nan, ValueError, "finite"),
    (gaussian_mean, "function", lambda a: a + 1j, TypeError, "real"),
    (expected_spread, "widths", (3,), ValueError, "at least two, got [3]"),
    (expected_spread, "widths", (3, 0, 2), ValueError, "at least 1"),
    (expected_spread, "widths", 3, TypeError, "integers"),
    (expected_spread, "widths", "32", TypeError, "integers"),
    (expected_spread, "variance", 0.1, TypeError, "function"),
    (expected_spread, "variance", lambda o, i: -1.0, ValueError, "variance: expected a finite number of at least 0"),
    (expected_spread, "variance", lambda o, i: None, TypeError, "number"),
    (expected_spread, "activation", "rleu", ValueError, "one of"),
    (expected_spread, "activation", 3, TypeError, "functions f and df"),
    (expected_spread, "variance", lambda o, i: 1e308, ValueError, "q: expected a finite"),
    (expected_spread, "inputs", 1.5e308, ValueError, "q: expected a finite"),  # q[1] is three times that
    (measured_spread, "network", "network", TypeError, "Network"),
    (measured_spread, "X", np.ones((2, 4)), ValueError, "(M, 3)"),
    (measured_spread, "X", np.ones(3), ValueError, "(M, 3)"),
    (measured_spread, "X", np.full((2, 3), np.nan), ValueError, "finite"),
    (measured_spread, "X", np.full((2, 3), 1e200), ValueError, "a finite result"),
    (measured_spread, "X", np.ones((2, 3)) + 1j, TypeError, "real"),
    (measured_spread, "X", np.ones((0, 3)), ValueError, "some numbers"),
    (measured_spread, "T", [0, 2], ValueError, "0 to 1"),
    (measured_spread, "T", [0, 1, 1], ValueError, "expected shape (2,), got (3,)"),
    (measured_spread, "T", [[0.5, 0.4], [0, 1]], ValueError, "sum to one"),
]  # fmt: skip


def named(row):
    "A name for a row that is the same in every run."
    return f"{getattr(row[0], '__name__', 'scaled()')}-{row[1]}-{row[4]}"


@pytest.mark.parametrize("function, parameter, value, error, words", BAD, ids=map(named, BAD))
def test_bad_input_is_refused(function, parameter, value, error, words):
    good = GOOD[function] | ({"rng": np.random.default_rng(0)} if "rng" in GOOD[function] else {})
    function(**good)
    with pytest.raises(error) as caught:
        function(**(good | {parameter: value}))
    message = str(caught.value)
    assert words in message
    assert message.startswith((f"{parameter}: ", f"{parameter}[", "q: "))


@pytest.mark.parametrize("widths, sizes", [((3, 2), {"inputs": 1.5e308}), ((3, 2, 9), {"errors": 1.5e308})], ids=["forward", "backward"])
def test_spreads_beyond_the_format_are_refused(widths, sizes):
    with pytest.raises(ValueError, match="^variance: expected spreads within float64, got .*inf"):
        expected_spread(widths, lambda o, i: 1.0, **sizes)


def test_nothing_handed_in_is_changed():
    network = Network((3, 4, 2), rng=np.random.default_rng(0))
    X, T, before = np.ones((2, 3)), np.eye(2), network.parameters.copy()
    measured_spread(network, X, T)
    assert (X == 1).all() and (T == np.eye(2)).all() and np.array_equal(network.parameters, before)


# the kept results


def test_the_benchmark_trains_like_the_kept_results():
    "One field of the map again."
    X, y = benchmark.data()
    kept = benchmark.EXPERIMENT.kept()["results"]["map"]
    i, j = kept["scales"].index(1.0), kept["etas"].index(0.03)
    network = benchmark.deep(8, 30, he, 0)
    epochs, _ = benchmark.train(X, y, network, 32, 0.03, 0, 60)
    assert abs(epochs - kept["epochs"][i][j][0]) <= 1
