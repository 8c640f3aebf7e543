"Activation functions: values and slopes beside PyTorch's, JAX's and fifty digits, the pair that works in place, copies, bad input."

import copy
import dataclasses
import pickle
import tracemalloc
import warnings
from decimal import Decimal, localcontext
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import joblib
import numpy as np
import pytest
import torch

from dlnbook.activation import ACTIVATIONS, PAIRS, Activation, find_activation, nonlinearity
from dlnbook.hidden import FUNCTIONS
from dlnbook.network import Network, load
from dlnbook.numeric import complex_step

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)

NAMES = pytest.mark.parametrize("name", list(ACTIVATIONS))
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
TORCH = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu, "identity": lambda a: a * 1}
JAX = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu, "identity": lambda a: a * 1}


def sums(dtype, infinite=True):
    "Numbers of all sizes and both signs, with the ends of the format and of the exponential."
    info = np.finfo(dtype)
    ends = [0.0, info.smallest_subnormal, info.tiny, 1e-30, 1e-8, 0.5, 1, 9, 17, 20, 37, 40, 87.3, 88.7, 88.8, 103, 104, 709.7, 709.8, 745, 746, info.max]
    ends += [np.inf] if infinite else []
    random = np.random.default_rng(0).normal(size=2000) * np.geomspace(1e-6, 300, 2000)
    return np.concatenate([ends, np.negative(ends), random]).astype(dtype)


def exactly(name, a):
    "Value and slope with fifty digits."
    with localcontext() as context:
        context.prec, context.Emin, context.Emax = 50, -(10**9), 10**9
        a = Decimal(float(a))
        if name == "relu":
            return max(a, Decimal(0)), Decimal(int(a > 0))
        if name == "identity":
            return a, Decimal(1)
        e = (-abs(a) if name == "sigmoid" else -2 * abs(a)).exp()
        if name == "sigmoid":
            return (1 if a >= 0 else e) / (1 + e), e / (1 + e) ** 2
        if abs(a) < Decimal("1e-20"):
            return a, Decimal(1)
        return (1 - e) / (1 + e) * (1 if a >= 0 else -1), 4 * e / (1 + e) ** 2


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings(), np.errstate(over="raise", divide="raise", invalid="raise", under="ignore"):
        warnings.simplefilter("error")
        yield


# Values and slopes


@NAMES
@DTYPES
def test_values_and_slopes_are_right_to_the_last_digits_everywhere(name, dtype):
    activation, info = ACTIVATIONS[name], np.finfo(dtype)
    A = sums(dtype, infinite=False)
    A = A[np.abs(A) < 1e5]  # Decimal's exponential is slow beyond
    exact = np.array([[float(each) for each in exactly(name, a)] for a in A])
    for found, expected in zip((activation.f(A), activation.df(A)), exact.T):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=5 * info.eps, atol=4 * info.smallest_subnormal)


@NAMES
@DTYPES
def test_the_same_as_torch(name, dtype):
    A = sums(dtype, infinite=name != "identity")
    eps, tensor = np.finfo(dtype).eps, torch.tensor(A, requires_grad=True)
    values = TORCH[name](tensor)
    values.sum().backward()
    np.testing.assert_allclose(ACTIVATIONS[name].f(A), values.detach().numpy(), rtol=4 * eps, atol=np.finfo(dtype).tiny)
    np.testing.assert_allclose(ACTIVATIONS[name].df(A), tensor.grad.numpy(), rtol=4 * eps, atol=2 * eps)


@NAMES
@DTYPES
def test_the_same_as_jax(name, dtype):
    A, tiny = sums(dtype, infinite=name != "identity"), np.finfo(dtype).tiny
    A = A[(A == 0) | (np.abs(A) >= tiny)]  # XLA takes smaller numbers for zero
    eps, (values, back) = np.finfo(dtype).eps, jax.vjp(JAX[name], jnp.asarray(A))
    [slopes] = back(jnp.ones_like(values))
    assert values.dtype == dtype
    np.testing.assert_allclose(ACTIVATIONS[name].f(A), values, rtol=8 * eps, atol=tiny)
    np.testing.assert_allclose(ACTIVATIONS[name].df(A), slopes, rtol=8 * eps, atol=16 * eps)  # its tanh is off by several eps


@NAMES
def test_complex_steps_go_through(name):
    activation, A = ACTIVATIONS[name], sums(np.float64, infinite=False)
    A = A[(1e-15 < np.abs(A)) & (np.abs(A) < 300)]
    [slopes] = complex_step(lambda p: activation.f(p[0]).sum(), [A])
    np.testing.assert_allclose(slopes, activation.df(A), rtol=1e-13)
    points = A[np.abs(A) < 30] + 1j * np.random.default_rng(1).normal(size=(np.abs(A) < 30).sum())
    step = 1e-6
    if name != "relu":  # and off the real line, where f is analytic
        difference = (activation.f(points + step) - activation.f(points - step)) / (2 * step)
        np.testing.assert_allclose(activation.df(points), difference, rtol=1e-6, atol=1e-9)
    assert activation.f(points).dtype == activation.df(points).dtype == np.complex128


def test_the_kink():
    relu = ACTIVATIONS["relu"]
    A = np.array([0.0, -0.0, 5e-324, -5e-324])
    assert relu.f(A).tolist() == [0, 0, 5e-324, 0] and relu.df(A).tolist() == [0, 0, 1, 0]
    assert relu.f(A * (1 + 0j) + 1e-30j).tolist() == [0, 0, 5e-324 + 1e-30j, 0]


@NAMES
@DTYPES
def test_what_is_not_a_number_is_not_hidden(name, dtype):
    A = np.array([np.nan, 1.0], dtype)
    activation = ACTIVATIONS[name]
    assert np.isnan(activation.f(A)).tolist() == [True, False]
    with np.errstate(invalid="ignore"):
        assert np.isnan(activation.f(A.astype(complex)).real).tolist() == [True, False]
    activation.forward(A, A)
    assert np.isnan(A).tolist() == [True, False]


@NAMES
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128], ids=["float32", "float64", "complex128"])
@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (0, 4), (2, 3, 4)], ids=str)
def test_shapes_and_dtypes_are_kept_and_arrays_are_new(name, dtype, shape):
    A = np.random.default_rng(2).normal(size=shape).astype(dtype)
    A = np.array(A)
    before = A.copy()
    for function in (ACTIVATIONS[name].f, ACTIVATIONS[name].df):
        found = np.asarray(function(A))
        assert found.shape == shape and found.dtype == dtype
        assert np.array_equal(A, before) and not np.shares_memory(found, A)


# In place


def pieces(dtype, infinite=True):
    "Sums and gradients in several layouts: contiguous, by columns, every second row, a single number."
    A = sums(dtype, infinite)
    A = np.resize(A, (len(A) // 6, 6))
    D = np.random.default_rng(3).normal(size=A.shape).astype(dtype)
    for cut in (np.s_[:], np.s_[::2], np.s_[:, 1:4], np.s_[::-1], np.s_[:1, :1]):
        yield A[cut], D[cut]
    yield np.asfortranarray(A), np.asfortranarray(D)


@NAMES
@DTYPES
@pytest.mark.parametrize("together", [True, False], ids=["one array", "two arrays"])
def test_the_pair_gives_what_f_and_df_give(name, dtype, together):
    activation, info = ACTIVATIONS[name], np.finfo(dtype)
    assert activation.in_place
    for A0, D0 in pieces(dtype):
        A, D = A0.copy(order="K"), D0.copy(order="K")
        Z = A if together else np.full_like(A, np.nan)
        activation.forward(A, Z)
        assert together or np.array_equal(A, A0)
        if name == "sigmoid":
            np.testing.assert_allclose(Z, activation.f(A0), rtol=3 * info.eps, atol=info.tiny)
        else:
            assert np.array_equal(Z, activation.f(A0))
        activation.backward(A, Z, D)
        slopes = activation.df(A0)
        assert D.dtype == dtype
        if name in ("relu", "identity"):
            assert np.array_equal(D, D0 * slopes)
        else:
            assert np.all(np.abs(D - D0 * slopes) <= 2 * info.eps * np.abs(D0))


@DTYPES
def test_the_sigmoid_in_place_is_accurate_where_its_values_are_normal_numbers(dtype):
    info, A = np.finfo(dtype), sums(dtype, infinite=False)
    A = A[np.abs(A) < 1e4]
    exact = np.array([float(exactly("sigmoid", a)[0]) for a in A])
    ACTIVATIONS["sigmoid"].forward(A, A)
    normal = exact >= info.tiny
    np.testing.assert_allclose(A[normal], exact[normal], rtol=4 * info.eps)
    assert np.all(np.abs(A[~normal] - exact[~normal]) <= info.tiny)


@NAMES
@DTYPES
def test_the_pair_allocates_nothing_that_grows(name, dtype):
    activation, peaks = ACTIVATIONS[name], []
    for rows in (100, 2000):
        A = np.random.default_rng(4).normal(size=(rows, 500)).astype(dtype)
        D = A.copy()
        for _ in range(2):  # the first call may fill a cache
            tracemalloc.start()
            activation.forward(A, A)
            activation.backward(A, A, D)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[3] <= peaks[1] + 1000 and peaks[3] < 100_000 < A.nbytes / 10


# The door


def test_names_and_objects_are_found():
    assert list(ACTIVATIONS) == ["sigmoid", "tanh", "relu", "identity"]
    for name, activation in ACTIVATIONS.items():
        assert find_activation(name) is activation is find_activation(activation)
        assert activation.name == name and repr(activation) == f"Activation('{name}')"
    own = SimpleNamespace(f=np.sin, df=np.cos)
    assert find_activation(own) is own

    class Own:
        f, df = np.sin, np.cos
        forward = backward = None

    assert find_activation(Own) is Own
    pair = dict(forward=lambda A, Z: np.sin(A, out=Z), backward=lambda A, Z, D: np.multiply(D, np.cos(A), out=D))
    assert not find_activation(Activation("sine", np.sin, np.cos, **pair)).in_place


def test_an_activation_can_not_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ACTIVATIONS["relu"].f = np.sin


# Copies


def through_joblib(value, folder):
    joblib.dump(value, folder / "value.joblib")
    return joblib.load(folder / "value.joblib")


WAYS = {
    "copy": lambda value, _: copy.copy(value),
    "deepcopy": lambda value, _: copy.deepcopy(value),
    "pickle": lambda value, _: pickle.loads(pickle.dumps(value)),
    "old pickle": lambda value, _: pickle.loads(pickle.dumps(value, protocol=0)),
    "joblib": through_joblib,
    "another process": lambda value, _: joblib.Parallel(n_jobs=2)([joblib.delayed(copy.copy)(value)])[0],
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@EVERY_WAY
def test_a_copy_of_one_in_the_table_is_the_one_in_the_table(way, tmp_path):
    for activation in ACTIVATIONS.values():
        assert way(activation, tmp_path) is activation


@EVERY_WAY
def test_a_copy_of_a_network_can_be_saved_and_loaded_by_name(way, tmp_path):
    network = Network((3, 4, 5, 2), ["relu", "tanh"], rng=np.random.default_rng(0))
    again = way(network, tmp_path)
    assert all(f is g for f, g in zip(again.activations, network.activations))
    again.save(tmp_path / "again.npz")
    X = np.random.default_rng(1).normal(size=(5, 3))
    assert np.array_equal(load(tmp_path / "again.npz").scores(X), network.scores(X))


def bend(power, A):
    return A**power


def hinge(power):
    return Activation("hinge", partial(bend, power), partial(bend, power - 1))


@EVERY_WAY
def test_a_copy_of_ones_own_is_equal_and_no_other(way, tmp_path):
    relu, own = ACTIVATIONS["relu"], hinge(2.0)
    again = way(own, tmp_path)
    assert type(again) is Activation and again == own and hash(again) == hash(own)
    assert own == hinge(2.0) != hinge(3.0) and own != relu and own != "hinge" and relu not in (own, "relu")
    named_alike = dataclasses.replace(own, name="relu")
    assert way(named_alike, tmp_path) == named_alike != relu


@pytest.mark.parametrize("way", [WAYS["deepcopy"], WAYS["pickle"]], ids=["deepcopy", "pickle"])
def test_one_that_somebody_puts_into_the_table_is_found_there(way, tmp_path):
    ACTIVATIONS["hinge"] = own = hinge(2.0)
    try:
        assert way(own, tmp_path) is own and way(hinge(2.0), tmp_path) is own and way(hinge(3.0), tmp_path) == hinge(3.0)
    finally:
        del ACTIVATIONS["hinge"]
    assert way(own, tmp_path) == own


def test_a_subclass_is_copied_with_what_it_adds():
    class Named(Activation):
        "With a constructor of its own, and something more."

        def __init__(self):
            super().__init__("sine", np.sin, np.cos)
            object.__setattr__(self, "period", 2 * np.pi)

    again = copy.deepcopy(Named())
    assert type(again) is Named and again.period == 2 * np.pi and again == Named() != Activation("sine", np.sin, np.cos)


def test_tables():
    for name, activation in ACTIVATIONS.items():
        assert (activation.forward, activation.backward) == PAIRS[name]
        A = np.linspace(-9, 9, 37)
        for ours, the_chapters in zip((activation.f, activation.df), FUNCTIONS[name], strict=True):
            np.testing.assert_allclose(ours(A), the_chapters(A), rtol=1e-14, atol=1e-15)
    assert list(ACTIVATIONS) == list(FUNCTIONS) == list(PAIRS)[:4]


def write(A, Z):
    "A forward of one's own."


BAD = {
    "unknown": (lambda: find_activation("rleu"), ValueError, "activation: expected one of sigmoid, tanh, relu, identity, got 'rleu'"),
    "case": (lambda: find_activation("ReLU"), ValueError, "activation: .* got 'ReLU'"),
    "number": (lambda: find_activation(3), TypeError, "activation: expected one of sigmoid, .* object with functions f and df, got 3"),
    "nothing": (lambda: find_activation(None), TypeError, "activation: .* got None"),
    "function": (lambda: find_activation(np.tanh), TypeError, "activation: .* got <ufunc 'tanh'>"),
    "list": (lambda: find_activation(["relu"]), TypeError, r"activation: .* got \['relu'\]"),
    "no df": (lambda: find_activation(SimpleNamespace(f=np.sin)), TypeError, "activation: .*f and df, got namespace"),
    "no f": (lambda: find_activation(SimpleNamespace(df=np.sin)), TypeError, "activation: .*f and df, got namespace"),
    "f": (lambda: find_activation(SimpleNamespace(f=1, df=np.sin)), TypeError, r"activation\.f: expected a function, got 1"),
    "df": (lambda: Activation("a", np.sin, "cos"), TypeError, "df: expected a function, got 'cos'"),
    "foreign forward": (lambda: find_activation(SimpleNamespace(f=np.sin, df=np.cos, forward=3)), TypeError, r"activation\.forward: expected a function, got 3"),
    "foreign in_place": (lambda: find_activation(SimpleNamespace(f=np.sin, df=np.cos, in_place=True)), ValueError, r"activation\.in_place: expected forward"),
    "named by another": (lambda: nonlinearity.check("rleu", "activation[2]", {}), ValueError, r"activation\[2\]: expected one of sigmoid, .* got 'rleu'"),
    "no name": (lambda: Activation("", np.sin, np.cos), ValueError, "name: expected a string, got ''"),
    "a class": (lambda: Activation("a", Activation, np.cos), TypeError, r"f: expected Activation\(…\), got the class"),
    "name": (lambda: Activation(np.sin, np.sin, np.cos), TypeError, "name: expected a string, got <ufunc"),
    "forward": (lambda: Activation("a", np.sin, np.cos, 3, write), TypeError, "forward: expected a function, got 3"),
    "backward": (lambda: Activation("a", np.sin, np.cos, write, 3), TypeError, "backward: expected a function, got 3"),
    "no forward": (lambda: Activation("a", np.sin, np.cos, backward=write), ValueError, "forward: expected a function beside backward, got None"),
    "no backward": (lambda: find_activation(SimpleNamespace(f=np.sin, df=np.cos, forward=write)), ValueError, r"activation\.backward: expected a function beside forward, got None"),
    "in_place alone": (lambda: Activation("a", np.sin, np.cos, in_place=True), ValueError, "in_place: expected forward and backward with it, got neither"),
    "in_place": (lambda: Activation("a", np.sin, np.cos, write, write, "yes"), TypeError, "in_place: expected a bool, got 'yes'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, kind, message = BAD[case]
    before = dict(ACTIVATIONS)
    with pytest.raises(kind, match=f"^{message}"):
        call()
    assert before == ACTIVATIONS
