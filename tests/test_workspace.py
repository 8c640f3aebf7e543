"Chapter 9's workspace: the same numbers as the plain network, in memory that is there; bad input."

import re
import tracemalloc
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.training_step_versions import VERSIONS
from dlnbook import scale
from dlnbook.activation import ACTIVATIONS, Activation
from dlnbook.arguments import bare
from dlnbook.loss import one_hot
from dlnbook.network import Network
from dlnbook.workspace import Workspace, loss_and_gradient, step, step_flops, workspace_bytes

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
OWN = {
    "square": Activation("square", lambda A: A * A / 4, lambda A: A / 2),
    "bare": SimpleNamespace(f=np.sin, df=np.cos),
    "loud": Activation("loud", lambda A: 2 * A, lambda A: np.full_like(A, 2), lambda A, Z: np.multiply(A, 2, out=Z), lambda A, Z, D: np.multiply(D, 2, out=D)),
}


def made(widths, activation="relu", seed=0, dtype="float64", B=8):
    "A network with biases, a workspace for it, and a batch."
    rng = np.random.default_rng(seed)
    network = Network(widths, activation, rng=rng, dtype=dtype)
    for b in network.b[1:]:
        b[:] = rng.normal(0, 0.3, b.shape)
    return network, Workspace(network, B), rng.normal(size=(B, widths[0])).astype(dtype), rng.dirichlet(np.ones(widths[-1]), B)


# The same numbers


@st.composite
def cases(draw):
    R = draw(st.integers(0, 5))
    widths = tuple(draw(st.integers(1, 30)) for _ in range(R + 2))
    names = [draw(st.sampled_from([*ACTIVATIONS, *OWN])) for _ in range(R)]
    dtype = draw(st.sampled_from(["float32", "float64"]))
    return made(widths, [OWN.get(name, name) for name in names], draw(st.integers(0, 2**32 - 1)), dtype, draw(st.integers(1, 40)))


@SETTINGS
@given(cases())
def test_random_networks(case):
    network, work, X, T = case
    tolerance = 1e-12 if network.dtype == "float64" else 2e-5
    for _ in range(2):
        g, theta = network.gradient(X, T), network.parameters.copy()
        loss, gradient = loss_and_gradient(work, X, T)
        assert loss == pytest.approx(network.loss(X, T), rel=max(tolerance, 1e-7), abs=1e-6)  # sums of targets are one but for rounding
        assert gradient is work.gradient and gradient.dtype == network.dtype
        size = np.linalg.norm(g) + np.abs(X).max() * 1e-3  # sums that cancel leave the rounding of what went in
        assert np.linalg.norm(gradient - g) <= tolerance * size
        assert step(work, X, T, 0.01) == loss
        assert np.linalg.norm(network.parameters - (theta - 0.01 * g)) <= tolerance * (np.linalg.norm(theta) + size)
        network.parameters[...] = theta


def test_the_windows_are_the_gradient_by_layer():
    network, work, X, T = made((4, 6, 5, 3), "tanh")
    g = loss_and_gradient(work, X, T)[1]
    parts = [each.ravel() for r in (1, 2, 3) for each in (work.dW[r], work.db[r])]
    assert np.array_equal(np.concatenate(parts), g) and all(np.shares_memory(each, g) for each in parts)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_data_of_any_kind(dtype):
    network, work, _, _ = made((4, 6, 3), "tanh", dtype=dtype, B=5)
    whole, y = np.random.default_rng(0).integers(0, 2, (5, 8)), np.array([0, 2, 1, 1, 0])
    expected = network.gradient(whole[:, :4].astype(dtype), y)
    kinds = [whole[:, :4].astype(kind) for kind in ("float64", "float32", "float16", "uint8", "int64", "bool")]
    for X in (*kinds, np.asfortranarray(whole[:, :4]), whole[:, :4].tolist()):
        for T in (one_hot(y, 3), one_hot(y, 3).astype("float32"), one_hot(y, 3).astype(int), one_hot(y, 3).tolist()):
            np.testing.assert_allclose(loss_and_gradient(work, X, T)[1], expected, rtol=1e-4 if dtype == "float32" else 1e-12, atol=1e-7)


def test_what_is_handed_in_stays_as_it_is():
    network, work, X, T = made((4, 6, 3))
    for array in (X, T):
        array.flags.writeable = False
    before = X.copy(), T.copy()
    for _ in range(3):
        step(work, X, T, 0.1)
        loss_and_gradient(work, X, T)
    assert np.array_equal(X, before[0]) and np.array_equal(T, before[1])


def test_workspaces_of_one_network_share_its_parameters():
    network, one, X, T = made((4, 6, 3))
    other = Workspace(network, 4)
    before = loss_and_gradient(other, X[:4], T[:4])[0]
    step(one, X, T, 0.5)
    assert loss_and_gradient(other, X[:4], T[:4])[0] != before


@pytest.mark.parametrize("name", VERSIONS)
def test_every_bar_of_the_waterfall_takes_the_same_steps(name):
    network, _, X, _ = made((9, 8, 7, 4), B=30)
    T, plain = np.eye(4)[np.arange(30) % 4], network.copy()
    order = iter(np.split(np.random.default_rng(1).permutation(30), 3))
    take = VERSIONS[name](network, X, T, lambda: next(order), 10, 0.3)
    for rows in np.split(np.random.default_rng(1).permutation(30), 3):
        assert take() == pytest.approx(plain.loss(X[rows], T[rows]), rel=1e-12)
        plain.parameters -= 0.3 * plain.gradient(X[rows], T[rows])
    np.testing.assert_allclose(network.parameters, plain.parameters, rtol=1e-10, atol=1e-13)


# Losses that are no numbers


@pytest.mark.parametrize("how", ["warn", "raise"])
def test_a_finite_input_however_large_warns_nobody_and_changes_no_parameter(how):
    network, work, X, T = made((4, 6, 3))
    X[3, 1], network.W[1][:, 1] = 1e308, 3.0
    theta = network.parameters.copy()
    with np.errstate(all=how), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not np.isfinite(step(work, X, T, 0.1))
        loss_and_gradient(work, X, T)
    assert network.parameters.tobytes() == theta.tobytes()
    X[3, 1] = 0.0
    assert np.isfinite(step(work, X, T, 0.1)) and not np.array_equal(network.parameters, theta)


# Memory


def test_the_passes_allocate_nothing_that_grows():
    found = []
    for times in (1, 2):
        network, work, X, T = made((200 * times, 150 * times, 90 * times, 10), B=100 * times)
        bare(step)(work, X, T, 0.1)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            bare(step)(work, X, T, 0.1)
            found.append(tracemalloc.get_traced_memory()[1] - before)
        finally:
            tracemalloc.stop()
    assert max(found) < 150_000 and abs(found[1] - found[0]) < 5000  # NumPy's own buffers of 8192 numbers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("widths", "B"), [((5, 3), 7), ((784, 30, 10), 10), ((20, 50, 40, 60), 33), ((300, 200, 100), 1)])
def test_the_memory_is_what_the_function_says(widths, B, dtype):
    for activation, per_node in (("relu", 1), (OWN["loud"], 2)):
        network, work, X, T = made(widths, activation, dtype=dtype, B=B)
        table = workspace_bytes(widths, B, dtype, per_node=per_node)
        assert list(table) == ["parameters", "gradient", "activations", "deltas", "batch", "copies"]
        assert all(type(size) is int for size in table.values())
        arrays = [work.gradient, work.S, work.T, work.ones, work.D[1].base, *work.A[1:-1], *work.Z[1:], X, T.astype(dtype)]
        held = sum({id(each): each.nbytes for each in arrays}.values())
        assert held == sum(table.values()) - table["parameters"] - table["copies"]
        assert table["parameters"] == table["gradient"] == network.parameters.nbytes == scale.parameter_bytes(widths, dtype)
        assert table["copies"] == 2 * table["parameters"] == 2 * workspace_bytes(widths, B, dtype, copies=1)["copies"]


# Operations


@pytest.mark.parametrize("widths", [(2, 3, 2), (7, 5), (784, 128, 64, 10)])
def test_flops_are_three_forward_passes_less_the_way_to_the_inputs(widths):
    links = [n * k for n, k in zip(widths, widths[1:])]
    assert step_flops(widths, 5) == 2 * 5 * (sum(links) + sum(links) + sum(links[1:])) and type(step_flops(widths)) is int
    assert step_flops(iter(widths), 5) == step_flops(np.array(widths), 5) == step_flops(widths, 5)


# Bad input


NETWORK, _, X, T = made((4, 6, 3))


def construct(**changed):
    return Workspace(**{"network": NETWORK, "batch_size": 8} | changed)


def stepped(**changed):
    return step(**{"work": construct(), "X": X, "T": T, "eta": 0.1} | changed)


def passes(**changed):
    return loss_and_gradient(**{"work": construct(), "X": X, "T": T} | changed)


def table(**changed):
    return workspace_bytes(**{"widths": (4, 6, 3), "batch_size": 8, "dtype": "float64", "per_node": 1, "copies": 2} | changed)


def flops(**changed):
    return step_flops(**{"widths": (4, 6, 3), "batch_size": 8} | changed)


COUNTS = [(0, ValueError, "at least 1", "0"), (-3, ValueError, "at least 1", "-3"), (2.0, TypeError, "an integer", "2.0"),
          (True, TypeError, "an integer", "True"), ("8", TypeError, "an integer", "'8'"), (None, TypeError, "an integer", "None")]  # fmt: skip
BAD = [
    (construct, "network", 3, TypeError, "a Network", "int"),
    (construct, "network", None, TypeError, "a Network", "NoneType"),
    *((function, name, *row) for function, name in ((construct, "batch_size"), (table, "batch_size"), (table, "per_node"), (flops, "batch_size"), (flops, "widths[1]"), (table, "widths[1]")) for row in COUNTS),
    (table, "copies", -1, ValueError, "at least 0", "-1"),
    (table, "dtype", "int32", TypeError, "floating-point", "'int32'"),
    (table, "dtype", "what", TypeError, "floating-point", "'what'"),
    *((function, "widths", *row) for function in (table, flops) for row in ((3, TypeError, "", "3"), ((4,), ValueError, "inputs and the outputs", "[4]"))),
    (stepped, "work", NETWORK, TypeError, "a Workspace", "Network"),
    (passes, "work", None, TypeError, "a Workspace", "NoneType"),
    *((stepped, "eta", *row) for row in (
        (0, ValueError, "positive", "0"), (-0.1, ValueError, "positive", "-0.1"), (np.nan, ValueError, "finite", "nan"), (np.inf, ValueError, "finite", "inf"),
        ("0.1", TypeError, "a number", "'0.1'"), (None, TypeError, "a number", "None"), (True, TypeError, "a number", "True"), (1j, TypeError, "a number", "1j"))),
    *((function, name, *row) for function in (stepped, passes) for name, *row in (
        ("X", X[:, :3], ValueError, "(8, 4)", "(8, 3)"), ("X", X[0], ValueError, "(8, 4)", "(4,)"), ("X", X[:5], ValueError, "(8, 4)", "(5, 4)"),
        ("X", X + 1j, TypeError, "real numbers", "complex128"), ("X", X.astype(str), TypeError, "real numbers", "<U"), ("X", None, TypeError, "real numbers", "object"),
        ("X", X * np.nan, ValueError, "finite", "NaN"), ("X", np.ma.masked_less(X, 0), TypeError, "without a mask", "masked"), ("X", scipy.sparse.csr_array(X), TypeError, "dense", "sparse"),
        ("T", T[:-1], ValueError, "(8, 3)", "(7, 3)"), ("T", T[:, :2], ValueError, "(8, 3)", "(8, 2)"), ("T", np.arange(7) % 3, ValueError, "(8,)", "(7,)"),
        ("T", T / 2, ValueError, "sum to one", "0.5"), ("T", 2 * T - 1 / 3, ValueError, "negative", "-0"), ("T", T * np.nan, ValueError, "finite", "NaN"))),
]  # fmt: skip


@pytest.mark.parametrize(("function", "parameter", "value", "error", "expected", "came"), BAD, ids=[f"{f.__name__}-{p}-{i}" for i, (f, p, *_) in enumerate(BAD)])
def test_bad_ones_are_refused_with_a_clear_message_and_change_nothing(function, parameter, value, error, expected, came):
    before, (name, _, index) = NETWORK.parameters.copy(), parameter.rstrip("]").partition("[")
    if index:
        value = [value if i == int(index) else n for i, n in enumerate((4, 6, 3))]
    with pytest.raises(error) as caught:
        function(**{name: value})
    said = str(caught.value)
    assert said.startswith(parameter) and "expected" in said and expected in said
    assert re.search(f"got .*{re.escape(came)}", said, re.DOTALL), said
    assert np.array_equal(NETWORK.parameters, before)
