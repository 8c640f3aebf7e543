"The dense network: gradients beside flow, PyTorch, JAX and the complex step; blocks, copies, files; bad input."

import copy
import gc
import inspect
import os
import pickle
import tempfile
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import joblib
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from test_bad_input import array, count, function, label, real_array

from dlnbook import delta, network, numeric
from dlnbook import engine as flow
from dlnbook.activation import ACTIVATIONS, Activation
from dlnbook.files import save_arrays
from dlnbook.engine import Node
from dlnbook.loss import cross_entropy, one_hot, sigmoid
from dlnbook.data import Scaling
from dlnbook.delta import binary_cross_entropy, deltas, forward, gradients, squared_error
from dlnbook.network import Network, as_targets, fan_in_normal, load, views

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)
SETTINGS = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


# Random networks


NAMES = list(ACTIVATIONS)


@st.composite
def cases(draw, depth=5, width=40, samples=64):
    "A network with random weights and biases, inputs, and targets of each kind."
    R = draw(st.integers(0, depth))
    widths = tuple(draw(st.integers(1, width)) for _ in range(R + 2))
    names = tuple(draw(st.sampled_from(NAMES)) for _ in range(R))
    M, K, kind = draw(st.integers(1, samples)), widths[-1], draw(st.sampled_from(["labels", "one-hot", "soft"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    made = Network(widths, names, rng=rng)
    made.parameters *= draw(st.sampled_from([0.3, 1.0, 2.0]))
    for biases in made.b[1:]:
        biases[:] = rng.normal(0, 0.5, biases.shape)
    X, labels = rng.normal(size=(M, widths[0])), rng.integers(0, K, M)
    rows = rng.dirichlet(np.ones(K), M) if kind == "soft" else one_hot(labels, K)
    return SimpleNamespace(network=made, names=names, X=X, y=labels if kind == "labels" else rows, T=rows, rng=rng)


IN_FLOW = {"relu": flow.relu, "sigmoid": flow.sigmoid, "tanh": np.tanh, "identity": lambda A: A}
IN_TORCH = {"relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "identity": lambda A: A}
IN_JAX = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "identity": lambda A: A}


def chain(W, b, X, names, functions):
    "Logits of a network in any library."
    for r, name in enumerate(names, start=1):
        X = functions[name](X @ W[r].T + b[r])
    return X @ W[-1].T + b[-1]


def layers(flat, widths):
    "The arrays of a flat gradient, weights and biases one after the other."
    W, b = views(flat, widths)
    return W[1:] + b[1:]


def by_flow(case):
    W, b = ([None, *map(Node, each[1:])] for each in (case.network.W, case.network.b))
    loss = np.mean(flow.softmax_loss(chain(W, b, case.X, case.names, IN_FLOW), case.T))
    return loss.value, flow.gradient(loss, [*W[1:], *b[1:]])


def by_torch(case):
    W, b = ([None, *(torch.tensor(a, requires_grad=True) for a in each[1:])] for each in (case.network.W, case.network.b))
    logits = chain(W, b, torch.tensor(case.X), case.names, IN_TORCH)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(case.T))
    loss.backward()
    return loss.item(), [each.grad.numpy() for each in (*W[1:], *b[1:])]


def by_jax(case):
    def loss(W, b):
        logits = chain([None, *W], [None, *b], case.X, case.names, IN_JAX)
        return -(case.T * jax.nn.log_softmax(logits, axis=1)).sum(axis=1).mean()

    W, b = list(map(np.array, case.network.W[1:])), list(map(np.array, case.network.b[1:]))
    value, found = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(W, b)
    return float(value), [np.asarray(each) for each in (*found[0], *found[1])]


def absolute(case):
    "Both passes with the absolute value of every flow: what may cancel, and so bounds the rounding."
    W, f = case.network.W, [ACTIVATIONS[name] for name in case.names]
    A, Z = forward(case.network.W, case.network.b, case.X, case.network.activations)
    R = case.network.R
    D = [None] * (R + 1) + [Z[R + 1] + case.T]
    for r in range(R, 0, -1):
        D[r] = np.abs(f[r - 1].df(A[r])) * (D[r + 1] @ np.abs(W[r + 1]))
    dW, db = gradients(D, [np.abs(each) for each in Z])
    return dW[1:] + db[1:]


def agree(ours, theirs, sizes, tolerance=1e-12, rounding=2e-15):
    "Within the tolerance of each array's norm, but for what rounding makes of flows that cancel."
    for mine, other, size in zip(ours, theirs, sizes, strict=True):
        assert mine.shape == other.shape
        bound = tolerance * np.linalg.norm(other) + rounding * np.linalg.norm(size) + 1e-300
        assert np.linalg.norm(mine - other) <= bound


@SETTINGS
@given(cases())
def test_gradients_equal_flows_and_torchs(case):
    ours = case.network.gradient(case.X, case.y)
    assert ours.shape == case.network.parameters.shape and ours.dtype == "float64"
    for by in (by_flow, by_torch):
        loss, theirs = by(case)
        assert case.network.loss(case.X, case.y) == pytest.approx(loss, rel=1e-12, abs=1e-14)
        agree(layers(ours, case.network.widths), theirs, absolute(case))


@settings(SETTINGS, max_examples=12)
@given(cases())
def test_gradients_equal_jaxs(case):
    loss, theirs = by_jax(case)
    assert case.network.loss(case.X, case.y) == pytest.approx(loss, rel=1e-12, abs=1e-14)
    agree(layers(case.network.gradient(case.X, case.y), case.network.widths), theirs, absolute(case))


@settings(SETTINGS, max_examples=60)
@given(cases())
def test_gradients_equal_the_complex_step_along_random_directions(case):
    made, f = case.network, case.network.activations
    ours = made.gradient(case.X, case.y)

    def loss(p):
        A, _ = forward(*views(p[0], made.widths), case.X, f)
        return cross_entropy(A[-1], case.T).mean()

    size = np.concatenate([each.ravel() for part in zip(*_halves(absolute(case))) for each in part])
    for _ in range(3):
        v = case.rng.normal(size=made.parameters.size)
        found = numeric.directional_difference(loss, [made.parameters], [v], method="complex")
        allowed = 1e-12 * np.linalg.norm(ours) * np.linalg.norm(v) + 2e-15 * (size @ np.abs(v))
        assert abs(ours @ v - found) <= allowed


def _halves(parts):
    "Weights and biases of a list that has the ones after the others."
    return parts[: len(parts) // 2], parts[len(parts) // 2 :]


@settings(SETTINGS, max_examples=40)
@given(cases(depth=3, width=5, samples=8))
def test_every_single_derivative_equals_the_complex_steps(case):
    made = case.network
    [found] = numeric.complex_step(
        lambda p: cross_entropy(forward(*views(p[0], made.widths), case.X, made.activations)[0][-1], case.T).mean(), [made.parameters]
    )
    agree(layers(made.gradient(case.X, case.y), made.widths), layers(found, made.widths), absolute(case))


@settings(SETTINGS, max_examples=80)
@given(cases())
def test_single_precision_is_as_good_as_it_can_be(case):
    single = Network(case.network.widths, case.names, rng=case.rng, dtype=np.float32)
    single.parameters[:] = case.network.parameters
    case.network.parameters[:] = single.parameters  # the same numbers in double precision
    case.X = case.X.astype("float32").astype("float64")
    A, _ = forward(case.network.W, case.network.b, case.X, case.network.activations)
    for a, name in zip(A[1:], case.names):  # a sum that rounds to the other side of a kink has another slope
        assume(name != "relu" or np.abs(a).min() > 1e-5)
    ours, exact = single.gradient(case.X, case.y), case.network.gradient(case.X, case.y)
    assert ours.dtype == "float32" and single.scores(case.X).dtype == "float32"
    agree(layers(ours, single.widths), layers(exact, single.widths), absolute(case), tolerance=1e-5, rounding=2e-6)
    assert single.loss(case.X, case.y) == pytest.approx(case.network.loss(case.X, case.y), rel=2e-5, abs=1e-6)


@settings(SETTINGS, max_examples=40)
@given(cases())
def test_the_public_passes_give_the_networks_gradient(case):
    made = case.network
    A, Z = forward(made.W, made.b, case.X, made.activations)
    D = deltas(made.W, A, Z, case.y, case.names)
    dW, db = gradients(D, Z)
    for ours, theirs in zip(dW[1:] + db[1:], layers(made.gradient(case.X, case.y), made.widths), strict=True):
        assert np.array_equal(ours, theirs)
    assert np.array_equal(made.scores(case.X), A[-1]) and np.array_equal(made.predict_proba(case.X), Z[-1])
    assert made.predict(case.X).tolist() == Z[-1].argmax(axis=1).tolist()
    assert made.score(case.X, case.y) == (Z[-1].argmax(axis=1) == case.T.argmax(axis=1)).mean()
    assert Z[0] is case.X and A[0] is D[0] is dW[0] is db[0] is None


# The data in blocks, and other forms of it


def example(**options):
    rng = np.random.default_rng(0)
    made = Network((4, 7, 6, 3), ("relu", "tanh"), rng=rng, **options)
    return made, rng.normal(size=(50, 4)), rng.integers(0, 3, 50)


@pytest.mark.parametrize("rows", [1, 7, 49, 50, 51])
def test_blocks_change_nothing(monkeypatch, rows):
    made, X, y = example()
    whole = made.scores(X), made.loss(X, y), made.score(X, y)
    monkeypatch.setattr(network, "_BLOCK", rows * sum(made.widths))
    np.testing.assert_allclose(made.scores(X), whole[0], rtol=1e-13, atol=1e-15)
    assert made.loss(X, y) == pytest.approx(whole[1], rel=1e-14) and made.score(X, y) == whole[2]


def test_data_larger_than_memory(tmp_path):
    made, M = example(dtype=np.float32)[0], 1_000_000
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.uint8, (M, 4))
    y = np.lib.format.open_memmap(tmp_path / "y.npy", "w+", np.int64, (M,))
    X[1::2], y[:] = 3, 1
    X, y = np.load(tmp_path / "X.npy", mmap_mode="r"), np.load(tmp_path / "y.npy", mmap_mode="r")
    gc.collect()
    tracemalloc.start()
    loss, score = made.loss(X, y), made.score(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    pair = np.array([[0] * 4, [3] * 4])
    assert loss == pytest.approx(made.loss(pair, [1, 1]), rel=1e-5) and score == made.score(pair, [1, 1])
    assert peak < 50e6  # X in single precision has 16 MB, all A and Z together 128
    assert type(made.scores(X[:10])) is np.ndarray


def test_lists_and_other_dtypes_are_taken():
    made, X, y = example()
    assert made.loss(X.tolist(), y.tolist()) == made.loss(X, y)
    assert made.score(X.tolist(), one_hot(y, 3).astype("float32")) == made.score(X, y)
    whole = np.round(4 * X)
    for dtype in ("int8", "int64", "float32", "float16"):
        assert np.array_equal(made.scores(whole.astype(dtype)), made.scores(whole))
    assert np.array_equal(made.gradient(np.asfortranarray(X), y.astype("uint8")), made.gradient(X, y))
    assert np.array_equal(made.gradient(X[::-2], y[::-2]), made.gradient(X[::-2].copy(), y[::-2].copy()))


def test_what_a_single_precision_network_cannot_hold_is_said():
    made, X, y = example(dtype=np.float32)
    with pytest.raises(ValueError, match="^X: expected numbers within float32's range, got larger ones"):
        made.loss(1e300 * X, y)
    with pytest.raises(ValueError, match="^X: expected numbers within float32's range, got larger ones"):
        made.gradient(1e300 * X, y)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_parameters_that_are_of_no_use_are_named(wrong):
    made, X, y = example()
    made.W[1][0] = wrong
    for call in (lambda: made.loss(X, y), lambda: made.gradient(X, y), lambda: made.scores(X), lambda: made.score(X, y)):
        with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="^parameters: expected finite numbers, got NaN or infinity"):
            call()


def test_inputs_that_overflow_are_named():
    made, X, y = example()
    made.parameters *= 100
    X = X / np.abs(X).max()
    for call in (lambda: made.loss(1e308 * X, y), lambda: made.gradient(1e308 * X, y), lambda: made.predict(1e308 * X)):
        with np.errstate(all="raise", under="ignore"), pytest.raises(ValueError, match="^X: expected numbers with finite sums in all layers, got larger ones"):
            call()


IN_NUMPY = {"relu": lambda A: np.maximum(A, 0), "sigmoid": lambda A: 1 / (1 + np.exp(-A)), "tanh": np.tanh, "identity": lambda A: A}


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_inputs_give_the_right_value_or_are_refused_and_never_warn(name):
    "Right is what the formulas say in extended precision, whose range has room for all of it."
    rng, told = np.random.default_rng(0), 0
    for _ in range(60):
        made = Network((3, 4, 3), name, rng=rng)
        made.parameters *= rng.choice([1e-160, 0.1, 1.0, 2.0])
        X, y = rng.choice([1e308, -1.7e308, 1e300, 1.0], (2, 3)), rng.integers(0, 3, 2)
        W, b = ([None, *(part.astype(np.longdouble) for part in parts[1:])] for parts in (made.W, made.b))
        with np.errstate(over="ignore", under="ignore"):
            logits = chain(W, b, X.astype(np.longdouble), [name], IN_NUMPY)
        E = np.exp(logits - logits.max(axis=1, keepdims=True))
        right = {
            "scores": logits, "predict": logits.argmax(axis=1), "predict_proba": E / E.sum(axis=1, keepdims=True),
            "loss": (np.log(E.sum(axis=1)) + logits.max(axis=1) - logits[[0, 1], y]).mean(), "gradient": None,
        }  # fmt: skip
        for method, value in right.items():
            try:
                with np.errstate(all="raise", under="ignore"):
                    found = getattr(made, method)(X, y) if method in ("loss", "gradient") else getattr(made, method)(X)
            except ValueError as error:
                assert str(error).startswith("X: expected numbers with"), error
                continue
            told += 1
            assert np.isfinite(found).all()
            if value is not None:
                np.testing.assert_allclose(found, value.astype(float), rtol=1e-9, atol=1e-9)
    assert 50 < told < 300


def test_a_loss_beyond_the_largest_number_is_refused():
    made = Network((1, 2), rng=0)
    made.W[1] = [[1.7], [-1.7]]
    with np.errstate(all="raise", under="ignore"):
        assert made.loss([[1e308]], [0]) == 0 and made.predict_proba([[1e308]]).tolist() == [[1, 0]]
        assert made.loss([[5e307], [0]], [1, 0]) == pytest.approx(8.5e307)
        for X, y in (([[1e308]], [1]), ([[5e307]] * 2, [1, 1])):
            with pytest.raises(ValueError, match="^X: expected numbers with a finite loss, got larger ones"):
                made.loss(X, y)


def test_an_activation_that_makes_nan_is_named():
    made = Network((2, 3, 2), SimpleNamespace(f=lambda A: A / 0 * 0, df=np.ones_like), rng=0)
    for call in (made.scores, lambda X: made.loss(X, [0]), lambda X: made.gradient(X, [0])):
        with np.errstate(divide="ignore"), pytest.raises(ValueError, match="^activation: expected finite values of finite sums, got NaN"):
            call([[1, 2]])


def test_two_classes_need_two_outputs():
    made, X = Network((2, 8, 1), rng=0), np.ones((4, 2))
    for method in ("score", "loss", "gradient"):
        with pytest.raises(ValueError, match="^[yT]: expected 0 alone, as there is one output, got 1; two classes need two outputs$"):
            getattr(made, method)(X, [0, 1, 1, 0])
    assert made.score(X, [0] * 4) == 1 and made.loss(X, [0] * 4) == 0


def test_seeds_are_taken_and_no_generator_is_needed():
    seeded, same = Network((2, 3, 2), rng=7), Network((2, 3, 2), rng=np.random.default_rng(7))
    assert np.array_equal(seeded.parameters, same.parameters)
    assert not np.array_equal(Network((2, 3, 2)).parameters, Network((2, 3, 2)).parameters)
    assert np.array_equal(fan_in_normal(2, 3, 7), fan_in_normal(2, 3, np.random.default_rng(7)))


def test_an_error_of_an_own_activation_comes_through():
    def f(A):
        raise ValueError("my own")

    made = Network((2, 3, 2), SimpleNamespace(f=f, df=f), rng=np.random.default_rng(0))
    for call in (made.scores, lambda X: made.loss(X, [0]), lambda X: made.gradient(X, [0])):
        with pytest.raises(ValueError, match="^my own$"):
            call([[1, 2]])


def test_inputs_are_not_changed_and_results_belong_to_the_caller():
    made, X, y = example()
    T = one_hot(y, 3)
    for each in (X, y, T):
        each.flags.writeable = False
    made.parameters.flags.writeable = False
    first = made.gradient(X, T)
    made.loss(X, T), made.score(X, y), made.predict_proba(X), made.scores(X), made.predict(X)
    assert not np.shares_memory(first, made.gradient(X, T)) and not np.shares_memory(first, made.parameters)


# The one vector


def test_views_are_windows_in_order():
    made, *_ = example()
    pieces = [piece for r in range(1, made.R + 2) for piece in (made.W[r].ravel(), made.b[r])]
    assert np.array_equal(np.concatenate(pieces), made.parameters)
    assert all(np.shares_memory(each, made.parameters) for each in pieces)
    W, b = views(made.parameters.astype(complex), made.widths)
    assert W[0] is None and b[0] is None and W[1].dtype == "complex128"
    strided = np.arange(2.0 * 17)[::2]
    W, b = views(strided, (2, 3, 2))
    W[2][0, 0] = -7
    assert strided[9] == -7


def test_assignments_write_into_the_vector():
    made, X, y = example()
    held = made.parameters
    made.parameters -= 0.1 * made.gradient(X, y)
    made.parameters = 2 * made.parameters
    made.W[1] -= 1
    made.b[2] = np.arange(6.0)
    made.W[3] = 0
    assert made.parameters is held and np.shares_memory(made.W[1], held)
    assert made.b[2].tolist() == [0, 1, 2, 3, 4, 5] and (held[-21:-3] == 0).all()
    for wrong in (np.ones(3), 0.0, held[None]):
        with pytest.raises(ValueError, match=rf"^parameters: expected shape \({held.size},\), got"):
            made.parameters = wrong
    with pytest.raises(ValueError):
        made.W[1] = np.ones((2, 2))
    before = held.copy()
    for assign in (lambda value: setattr(made, "parameters", value), lambda value: made.W.__setitem__(1, value)):
        for wrong in (np.ma.masked_less(before, 0), "1", 1j):
            with pytest.raises(TypeError, match="^(parameters|value): expected (an array without a mask|real numbers), got"):
                assign(wrong)
    assert np.array_equal(held, before)


@pytest.mark.parametrize("name", ["widths", "R", "activations", "W", "b", "dtype", "anything"])
def test_nothing_else_can_be_assigned(name):
    made, *_ = example()
    with pytest.raises(AttributeError):
        setattr(made, name, getattr(made, name, 3))


def through_joblib(made, **options):
    "What comes back from joblib's files, mapped into memory for instance."
    with tempfile.TemporaryDirectory() as folder:
        joblib.dump(made, os.path.join(folder, "network"))
        return joblib.load(os.path.join(folder, "network"), **options)


COPIES = {
    "copy": Network.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda made: pickle.loads(pickle.dumps(made)),
    "old pickle": lambda made: pickle.loads(pickle.dumps(made, protocol=2)),
    "joblib": through_joblib,
    "mapped": lambda made: through_joblib(made, mmap_mode="r"),
    "twice": lambda made: copy.deepcopy(pickle.loads(pickle.dumps(made))),
}


@pytest.mark.parametrize("way", COPIES)
def test_copies_share_nothing_and_can_be_saved(way, tmp_path):
    made, X, _ = example()
    other = COPIES[way](made)
    assert other.activations == made.activations
    other.save(tmp_path / "copy.npz")
    made.save(tmp_path / "network.npz")
    assert (tmp_path / "copy.npz").read_bytes() == (tmp_path / "network.npz").read_bytes()
    assert load(tmp_path / "copy.npz").parameters.tobytes() == made.parameters.tobytes()
    before = made.scores(X)
    other.parameters += 1
    assert np.array_equal(made.scores(X), before) and np.shares_memory(other.W[1], other.parameters)
    assert (other.widths, other.dtype) == (made.widths, made.dtype)


def doubled(network):
    "What a worker does with a network: it may change it."
    network.parameters *= 2
    return network


def test_workers_get_networks_of_their_own():
    made = Network((600, 200, 2), "tanh", rng=0)  # joblib maps what has more than a megabyte, to be read only
    before = made.parameters.copy()
    [other] = joblib.Parallel(n_jobs=2, max_nbytes=1000)(joblib.delayed(doubled)(each) for each in [made])
    assert np.array_equal(other.parameters, 2 * before) and np.array_equal(made.parameters, before)


def test_a_pickle_is_a_network_with_windows():
    made, X, _ = example(dtype=np.float32)
    again = pickle.loads(pickle.dumps(made))
    assert np.array_equal(again.scores(X), made.scores(X)) and repr(again) == repr(made)
    again.W[1][:] = 0
    assert (again.parameters[:28] == 0).all() and made.parameters[:28].all()


def test_the_start():
    made = Network((400, 300, 10), rng=np.random.default_rng(0))
    for W in made.W[1:]:
        assert abs(W.mean()) < 0.01 and W.var() * W.shape[1] == pytest.approx(1, rel=0.06)
    assert not any(b.any() for b in made.b[1:])
    again, single = (Network((400, 300, 10), rng=np.random.default_rng(0), dtype=dtype) for dtype in ("float64", "float32"))
    assert np.array_equal(again.parameters, made.parameters)
    assert np.array_equal(single.parameters, made.parameters.astype("float32"))
    told = []
    Network((2, 3, 4), rng=np.random.default_rng(0), initialize=lambda out, into, rng: told.append((out, into)) or np.full((out, into), 7))
    assert told == [(3, 2), (4, 3)]


def test_own_activations_by_protocol():
    square = SimpleNamespace(f=np.square, df=lambda A: 2 * A)
    made = Network((2, 3, 3, 2), (square, "tanh"), rng=np.random.default_rng(0))
    X = np.random.default_rng(1).normal(size=(5, 2))
    [found] = numeric.complex_step(
        lambda p: cross_entropy(forward(*views(p[0], made.widths), X, made.activations)[0][-1], one_hot([0] * 5, 2)).mean(), [made.parameters]
    )
    np.testing.assert_allclose(made.gradient(X, [0] * 5), found, rtol=1e-11, atol=1e-15)
    assert made.activations == (square, ACTIVATIONS["tanh"])
    assert repr(made) == "Network((2, 3, 3, 2), ('SimpleNamespace', 'tanh'), float64)"
    assert Network((2, 3), rng=np.random.default_rng(0)).activations == ()


# Files


@settings(SETTINGS, max_examples=50)
@given(cases(), st.sampled_from(["float32", "float64"]))
def test_a_network_comes_back_bit_for_bit(tmp_path_factory, case, dtype):
    path = tmp_path_factory.mktemp("network") / "network.npz"
    made = Network(case.network.widths, case.names, rng=case.rng, dtype=dtype)
    made.parameters[:] = case.network.parameters
    made.parameters[: min(4, made.parameters.size)] = [np.nan, -0.0, -np.inf, 1e-40][: made.parameters.size]
    made.save(path)
    again = load(path)
    assert again.parameters.dtype == dtype and again.parameters.tobytes() == made.parameters.tobytes()
    assert again.widths == made.widths and again.activations == made.activations and os.listdir(path.parent) == [path.name]
    again.W[1][:] = 0
    assert (again.parameters[: again.W[1].size] == 0).all()
    made.save(path)  # over the old one
    assert load(path, list(case.names)).parameters.tobytes() == made.parameters.tobytes()


def softplus(name="softplus"):
    return Activation(name, lambda A: np.logaddexp(0, A), lambda A: 1 / (1 + np.exp(-A)))


def test_own_activations_are_asked_for(tmp_path):
    path, own = tmp_path / "own.npz", softplus()
    made = Network((2, 3, 4, 2), (own, "relu"), rng=np.random.default_rng(0))
    made.save(path)
    with pytest.raises(ValueError, match="^activation: expected the objects called softplus, which no file can hold, got None"):
        load(path)
    assert load(path, (own, "relu")).activations == made.activations
    for wrong in ("relu", (own, "tanh"), own, (softplus("other"), "relu")):
        with pytest.raises(ValueError, match=r"^activation: expected \['softplus', 'relu'\], got \["):
            load(path, wrong)
    with pytest.raises(ValueError, match="^activation: expected 2, one for each hidden layer, got 1"):
        load(path, ["relu"])


def test_an_own_activation_under_a_known_name_is_not_mixed_up(tmp_path):
    path, own = tmp_path / "own.npz", softplus("relu")
    Network((2, 3, 2), own, rng=np.random.default_rng(0)).save(path)
    with pytest.raises(ValueError, match="^activation: expected the objects called relu, which no file can hold, got None"):
        load(path)
    assert load(path, own).activations == (own,)


def test_other_files_are_refused(tmp_path):
    path, made = tmp_path / "network.npz", example()[0]
    made.save(path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 37):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="^path: expected a whole file, got a part"):
            load(path)
    path.write_bytes(whole[:300] + bytes([whole[300] ^ 8]) + whole[301:])
    with pytest.raises(ValueError, match="^path: expected the bytes once written, got others"):
        load(path)
    save_arrays(path, "dlnbook checkpoint", 1, {"parameters": made.parameters})
    with pytest.raises(ValueError, match="^path: expected a dlnbook network, got a dlnbook checkpoint"):
        load(path)
    save_arrays(path, "dlnbook network", 3, {"parameters": made.parameters})
    with pytest.raises(ValueError, match="^path: expected version 2 at most, got the newer version 3"):
        load(path)
    path.write_bytes(b"no network")
    with pytest.raises(ValueError, match="^path: expected a dlnbook network, got a file of another kind"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.npz")
    assert os.listdir(tmp_path) == [path.name]


def test_files_of_version_0_1_load():
    """tests/data/network_0_1.npz was made by version 0.1.0 with these lines:

    network = Network((2, 3, 4, 2), ("relu", "tanh"), rng=np.random.default_rng(0))
    network.parameters = (np.arange(35) - 17) / 8
    network.save("tests/data/network_0_1.npz")
    """
    made = load(Path(__file__).parent / "data" / "network_0_1.npz")
    assert repr(made) == "Network((2, 3, 4, 2), ('relu', 'tanh'), float64)"
    assert made.parameters.tolist() == [(i - 17) / 8 for i in range(35)]
    assert made.activations == (ACTIVATIONS["relu"], ACTIVATIONS["tanh"])


GOOD = {"widths": [2, 3, 2], "activations": ["relu"], "own": [False]}


@pytest.mark.parametrize(
    ("arrays", "about"),
    [
        ({}, GOOD),
        ({"parameters": np.ones(17)}, {}),
        ({"parameters": np.ones(17)}, GOOD | {"widths": [2]}),
        ({"parameters": np.ones(17)}, GOOD | {"widths": 3}),
        ({"parameters": np.ones(17)}, GOOD | {"widths": [2, 3.5, 2]}),
        ({"parameters": np.ones(17)}, GOOD | {"activations": ["relu", "relu"]}),
        ({"parameters": np.ones(17)}, GOOD | {"activations": [3]}),
        ({"parameters": np.ones(17)}, GOOD | {"own": 1}),
        ({"parameters": np.ones(17)}, GOOD | {"own": []}),
        ({"parameters": np.ones(16)}, GOOD),
        ({"parameters": np.ones((1, 17))}, GOOD),
        ({"parameters": np.ones(17, complex)}, GOOD),
        ({"parameters": np.ones(17, int)}, GOOD),
        ({"parameters": np.array(["1"] * 17)}, GOOD),
    ],
)
def test_a_sealed_file_with_other_contents_is_refused(tmp_path, arrays, about):
    save_arrays(tmp_path / "network.npz", "dlnbook network", 1, {"parameters": np.ones(17)}, GOOD)
    assert load(tmp_path / "network.npz").widths == (2, 3, 2)
    save_arrays(tmp_path / "network.npz", "dlnbook network", 1, arrays, about)
    with pytest.raises(ValueError, match="^path: expected the contents of a network, got others .*network.npz$"):
        load(tmp_path / "network.npz")


# Bad input: rows as in test_bad_input.py


MADE, X, Y = example()
A, Z = forward(MADE.W, MADE.b, X, MADE.activations)
D = deltas(MADE.W, A, Z, Y, MADE.activations)


def new(widths, activation, rng, initialize, dtype, head):
    return Network(widths, activation, rng=rng, initialize=initialize, dtype=dtype, head=head)


METHODS = {name: getattr(MADE, name) for name in ("scores", "outputs", "predict_proba", "predict", "score", "loss", "gradient", "save")}


def good():
    "Arguments that each function accepts, made anew."
    rng = np.random.default_rng(0)
    lists = {name: [each if each is None else each.copy() for each in value] for name, value in {"W": MADE.W, "b": MADE.b, "A": A, "Z": Z, "D": D}.items()}
    data = {"X": X.copy(), "T": one_hot(Y, 3), "y": Y.copy()}
    return {
        new: {"widths": (4, 7, 3), "activation": "relu", "rng": rng, "initialize": fan_in_normal, "dtype": "float64", "head": "softmax"},
        views: {"parameters": MADE.parameters.copy(), "widths": MADE.widths},
        as_targets: {"y": Y.copy(), "K": 3, "dtype": "float64"},
        forward: {"W": lists["W"], "b": lists["b"], "X": data["X"], "f": "relu", "outputs": sigmoid},
        deltas: {"W": lists["W"], "A": lists["A"], "Z": lists["Z"], "T": data["T"], "f": ["relu", "tanh"]},
        gradients: {"D": lists["D"], "Z": lists["Z"]},
        binary_cross_entropy: {"A": A[-1].copy(), "T": one_hot(Y, 3)},
        squared_error: {"A": A[-1].copy(), "T": A[-1] + 1},
        fan_in_normal: {"fan_out": 3, "fan_in": 4, "rng": rng},
        load: {"path": "no file", "activation": None, "head": None},
        METHODS["scores"]: {"X": data["X"]},
        METHODS["outputs"]: {"X": data["X"]},
        METHODS["predict_proba"]: {"X": data["X"]},
        METHODS["predict"]: {"X": data["X"]},
        METHODS["score"]: {"X": data["X"], "y": data["y"]},
        METHODS["loss"]: {"X": data["X"], "T": data["T"]},
        METHODS["gradient"]: {"X": data["X"], "T": data["T"]},
        METHODS["save"]: {"path": "/no folder/x"},
    }


ONES = [METHODS[name] for name in ("scores", "outputs", "predict_proba", "predict")]
PAIRS = [METHODS[name] for name in ("loss", "gradient")]
ALL_X = [*ONES, *PAIRS, METHODS["score"]]
TARGETS = [*PAIRS, deltas]
WITH_ACTIVATION = [([new], "activation"), ([forward, deltas], "f")]


def path(good):
    yield 3, TypeError, "a file's path", "3"
    yield None, TypeError, "a file's path", "None"
    yield "", ValueError, "a file's path", "''"
    yield "a\0b", ValueError, "a file's path", "a\\x00b"


def generator(good):
    yield "7", TypeError, "numpy.random.Generator, a seed or None", "'7'"
    yield True, TypeError, "numpy.random.Generator, a seed or None", "True"
    yield -1, ValueError, "a seed of at least 0", "-1"
    yield np.random.RandomState(0), TypeError, "numpy.random.Generator, a seed or None", "RandomState"


def listed(good):
    yield np.ones((3, 3)), TypeError, "list of arrays", "ndarray"
    yield "ab", TypeError, "list of arrays", "'ab'"
    yield 3, TypeError, "list of arrays", "3"
    yield [], ValueError, "entries", "0"
    yield good[:1], ValueError, "entries", "1"


def masked(good):
    yield np.ma.masked_equal(good, good.flat[0]), TypeError, "without a mask", "masked"


KINDS = {
    masked: [
        *((each, "X") for each in [*ALL_X, forward]), *((each, "T") for each in TARGETS), (METHODS["score"], "y"),
        (as_targets, "y"), (forward, "W[1]", "b[2]"), (deltas, "A[1]", "Z[3]"), (gradients, "D[2]", "Z[1]"),
        (binary_cross_entropy, "A", "T"), (squared_error, "A", "T"),
    ],
    path: [(load, "path"), (METHODS["save"], "path")],
    listed: [(forward, "W", "b"), (deltas, "W", "A", "Z"), (gradients, "D", "Z")],
    array: [(forward, "W[1]", "b[2]", "X"), (deltas, "W[3]", "A[1]", "Z[3]"), (gradients, "D[2]", "Z[0]", "Z[1]"), (binary_cross_entropy, "A"), (squared_error, "A")],
    real_array: [(binary_cross_entropy, "T"), (squared_error, "T"), *((each, "X") for each in ALL_X), *((each, "T") for each in TARGETS)],
    count: [(new, "widths[1]"), (views, "widths[0]"), (as_targets, "K"), (fan_in_normal, "fan_out", "fan_in")],
    generator: [(new, "rng"), (fan_in_normal, "rng")],
    function: [(new, "initialize"), (forward, "outputs")],
}

STRINGS = np.array(["cat"] * 50)
SINGLE = [
    ([new, views], "widths", (4,), ValueError, "at least the inputs and the outputs", "[4]"),
    ([new, views], "widths", (), ValueError, "at least the inputs and the outputs", "[]"),
    ([new, views], "widths", 4, TypeError, "integers such as", "4"),
    ([new, views], "widths", "4-3", TypeError, "integers such as", "'4-3'"),
    ([new], "widths[2]", np.inf, TypeError, "an integer", "inf"),
    ([new], "dtype", "int64", ValueError, "float32 or float64", "'int64'"),
    ([new, as_targets], "dtype", "complex128", ValueError, "float32 or float64", "'complex128'"),
    ([as_targets], "dtype", "no such type", ValueError, "float32 or float64", "'no such type'"),
    ([new], "head", "sofmax", ValueError, "softmax, sigmoid, identity", "'sofmax'"),
    ([new], "head", sigmoid, TypeError, "softmax, sigmoid, identity, or a Head", "function"),
    ([new], "head", None, TypeError, "softmax, sigmoid, identity, or a Head", "None"),
    ([binary_cross_entropy, squared_error], "T", one_hot(Y, 3)[:-1], ValueError, "(50, 3)", "(49, 3)"),
    ([binary_cross_entropy], "T", 2 * one_hot(Y, 3), ValueError, "from 0 to 1", "2"),
    ([binary_cross_entropy], "T", -one_hot(Y, 3), ValueError, "from 0 to 1", "-1"),
    ([squared_error], "A", 1e200 * A[-1], ValueError, "finite result", "larger"),
    ([new], "initialize", lambda out, into, rng: np.ones((into, out)), ValueError, "(7, 4)", "(4, 7)"),
    ([new], "initialize", lambda out, into, rng: np.full((out, into), np.nan), ValueError, "finite", "NaN"),
    ([new], "initialize", lambda out, into, rng: None, TypeError, "real numbers", "object"),
    *[(functions, name, value, *said)
      for functions, name in WITH_ACTIVATION
      for value, *said in (
          ("rleu", ValueError, "sigmoid, tanh, relu, identity", "'rleu'"),
          (3, TypeError, "functions f and df", "3"),
          (np.tanh, TypeError, "functions f and df", "ufunc"),
          (None, TypeError, "functions f and df", "None"),
          (["relu"] * 3, ValueError, "one for each hidden layer", "3"))],
    ([forward, deltas], "f", ["relu", "rleu"], ValueError, "sigmoid, tanh, relu, identity", "'rleu'"),
    ([views], "parameters", MADE.parameters.tolist(), TypeError, "an array", "list"),
    ([views], "parameters", np.ma.masked_equal(MADE.parameters, 0), TypeError, "an array", "MaskedArray"),
    ([views], "parameters", np.ones(3), ValueError, f"({MADE.parameters.size},)", "(3,)"),
    ([views], "parameters", MADE.parameters[None], ValueError, f"({MADE.parameters.size},)", f"(1, {MADE.parameters.size})"),
    (ALL_X, "X", np.ones((5, 3)), ValueError, "(M, 4)", "(5, 3)"),
    (ALL_X, "X", np.ones(4), ValueError, "(M, 4)", "(4,)"),
    (ALL_X, "X", np.ones((0, 4)), ValueError, "some numbers", "(0, 4)"),
    (ALL_X, "X", np.ones((2, 2, 4)), ValueError, "(M, 4)", "(2, 2, 4)"),
    (ALL_X, "X", [[1, 2, 3, "4"]], TypeError, "real numbers", "<U"),
    ([forward], "X", np.ones((5, 3)), ValueError, "(M, 4)", "(5, 3)"),
    ([forward], "X", np.ones(4), ValueError, "(M, 4)", "(4,)"),
    ([METHODS["score"]], "y", Y[:-1], ValueError, "(50,)", "(49,)"),
    (TARGETS, "T", Y[:-1], ValueError, "(50,)", "(49,)"),
    (TARGETS, "T", one_hot(Y, 3)[:-1], ValueError, "(50, 3)", "(49, 3)"),
    (TARGETS, "T", 1, ValueError, "", "()"),
    (TARGETS, "T", one_hot(Y, 4), ValueError, "(50, 3)", "(50, 4)"),
    (TARGETS, "T", one_hot(Y, 3) / 2, ValueError, "sum to one", "0.5"),
    (TARGETS, "T", 2 * one_hot(Y, 3) - 1 / 3, ValueError, "negative", "-0.333"),
    *[(functions, name, value, *said)
      for functions, name in ((TARGETS, "T"), ([METHODS["score"], as_targets], "y"))
      for value, *said in (
          (STRINGS, TypeError, "", "numpy.unique"),
          (STRINGS.tolist(), TypeError, "", "numpy.unique"),
          (Y.astype(float), TypeError, "integers", "float64"),
          (Y == 1, TypeError, "integers", "bool"),
          (np.where(Y == 1, 3, Y), ValueError, "0 to 2", "3"),
          (np.where(Y == 1, -1, Y), ValueError, "0 to 2", "-1"),
          (np.array([None] * 50), TypeError, "", "object"))],
    ([as_targets], "y", np.ones((2, 2, 2)), ValueError, "(M, 3)", "(2, 2, 2)"),
    ([as_targets], "y", np.ones((0, 3)), ValueError, "some numbers", "(0, 3)"),
    ([as_targets], "y", [[0.5, 0.5, np.nan]], ValueError, "finite", "NaN"),
    ([forward, deltas], "W", MADE.W[1:], ValueError, "None at position 0", "ndarray"),
    ([forward, deltas], "W[2]", np.ones((6, 8)), ValueError, "(P_2, 7)", "(6, 8)"),
    ([forward, deltas], "W[1]", np.ones(3), ValueError, "(P_1, P_0)", "(3,)"),
    ([forward], "b", list(MADE.b[:3]), ValueError, "4 entries", "3"),
    ([forward], "b[2]", np.ones(7), ValueError, "(6,)", "(7,)"),
    ([forward], "b[1]", None, TypeError, "numbers", "object"),
    ([deltas], "A", A[:3], ValueError, "4 entries", "3"),
    ([deltas], "A[2]", A[2][:-1], ValueError, "(50, 6)", "(49, 6)"),
    ([deltas], "A[2]", None, TypeError, "numbers", "object"),
    ([deltas], "Z[3]", Z[2], ValueError, "(50, 3)", "(50, 6)"),
    ([gradients], "Z", Z[:3], ValueError, "4 entries", "3"),
    ([gradients], "Z[1]", Z[2], ValueError, "(50, 7)", "(50, 6)"),
    ([gradients], "Z[0]", X[0], ValueError, "(50, P_0)", "(4,)"),
    ([gradients], "D[2]", D[2][:-1], ValueError, "(50, P_2)", "(49, 6)"),
]  # fmt: skip

# they are compared with the file or the network, above and at the end
FREE = {load: {"activation", "head"}, METHODS["save"]: {"scaling", "classes"}}


def bad(each, parameter, value):
    "The good arguments with one of them, or one of the arrays in it, replaced."
    arguments = good()[each]
    name, _, index = parameter.rstrip("]").partition("[")
    if index:
        value = [value if i == int(index) else part for i, part in enumerate(arguments[name])]
    return arguments | {name: value}


def rows():
    for kind, places in KINDS.items():
        for each, *parameters in places:
            for parameter in parameters:
                name, _, index = parameter.rstrip("]").partition("[")
                value = good()[each][name]
                for spoiled, *said in kind(value[int(index)] if index else value):
                    yield each, parameter, spoiled, *said
    for functions, *row in SINGLE:
        for each in functions:
            yield each, *row


ROWS = list(rows())


def frozen(value):
    "A copy of arguments, to compare with later."
    if isinstance(value, dict):
        return {name: frozen(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [frozen(each) for each in value]
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes() if value.dtype != object else value.tolist()
    return str(value.bit_generator.state) if isinstance(value, np.random.Generator) else repr(value)


@pytest.mark.parametrize(
    ("each", "parameter", "value", "error", "expected", "came"),
    ROWS,
    ids=[f"{i}-" + "-".join(map(label, row[:3])) for i, row in enumerate(ROWS)],
)
def test_bad_input_is_refused_with_a_clear_message_and_changes_nothing(each, parameter, value, error, expected, came):
    arguments, state = bad(each, parameter, value), MADE.parameters.tobytes()
    before = frozen(arguments)
    with pytest.raises(error) as caught:
        each(**arguments)
    said = str(caught.value)
    assert said.startswith(parameter), said
    assert expected in said.partition(", got ")[0] and came in said.partition(", got ")[2], said
    assert MADE.parameters.tobytes() == state
    if parameter != "initialize":  # which is asked after weights were drawn
        assert frozen(arguments) == before


def test_every_parameter_has_a_row():
    covered = {(row[0], row[1].partition("[")[0]) for row in ROWS}
    public = {getattr(module, name) for module in (delta, network) for name in module.__all__ if inspect.isfunction(getattr(module, name))}
    methods = {name for name, each in vars(Network).items() if inspect.isfunction(each) and not name.startswith("_")}
    assert public <= good().keys() and methods - {"copy"} == METHODS.keys()
    assert set(inspect.signature(new).parameters) == set(inspect.signature(Network).parameters)
    for each in good():
        parameters = set(inspect.signature(each).parameters) - FREE.get(each, set())
        assert parameters == {parameter for one, parameter in covered if one == each}, each


@pytest.mark.parametrize("each", [each for each in good() if each not in (load, METHODS["save"])], ids=label)
def test_good_arguments_are_taken_and_left_alone(each):
    arguments = good()[each]
    before = frozen({name: value for name, value in arguments.items() if name != "rng"})
    each(**arguments)
    assert frozen({name: value for name, value in arguments.items() if name != "rng"}) == before


# What it takes to use a network on new rows travels with it


def test_scaling_and_class_names_travel_in_the_file(tmp_path):
    rows = np.array([[150.0, 2.0], [180.0, 4.0], [165.0, 1.0]])
    network, scaling, path = Network((2, 4, 3), rng=0), Scaling.of(rows), tmp_path / "reader.npz"
    network.save(path, scaling=scaling, classes=["ash", "elm", "oak"])
    again = load(path)
    assert again.scaling == scaling and again.classes.tolist() == ["ash", "elm", "oak"]
    for other in (again.copy(), copy.deepcopy(again), pickle.loads(pickle.dumps(again))):
        other.save(path)  # what came from a file goes on with it
        assert load(path).scaling == scaling and load(path).classes.tolist() == again.classes.tolist()
    network.save(path)
    assert load(path).scaling is None and load(path).classes is None


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"scaling": Scaling.of(np.ones((2, 3)))}, ValueError, "scaling: expected .*2.*got .*3"),
        ({"scaling": 3}, TypeError, "scaling: expected a Scaling, got"),
        ({"classes": ["ash", "elm"]}, ValueError, "classes: expected .*3.*got .*2"),
        ({"classes": ["ash", "elm", "ash"]}, ValueError, "classes: expected"),
    ],
)
def test_what_does_not_fit_the_network_is_not_saved_with_it(tmp_path, given, error, said):
    with pytest.raises(error, match=f"^{said}"):
        Network((2, 4, 3), rng=0).save(tmp_path / "n.npz", **given)
    assert not (tmp_path / "n.npz").exists()
