"Chapter 7's gradient of a network with one hidden layer beside PyTorch's: dtypes, complex numbers, bad input."

import numpy as np
import pytest
import torch

from dlnbook.hidden import FUNCTIONS, hidden_gradient
from dlnbook.loss import cross_entropy, hidden_scores
from dlnbook.numeric import complex_step

torch.set_num_threads(1)

NAMES = pytest.mark.parametrize("name", list(FUNCTIONS))
TORCH = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu, "identity": lambda a: a * 1}


def case(dtype=np.float64):
    "Parameters, inputs and soft targets of a network in which all widths differ."
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ((4, 3), (4,), (2, 4), (2,), (5, 3))]
    return [each.astype(dtype) for each in (*arrays, rng.dirichlet(np.ones(2), 5))]


@NAMES
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_the_same_as_torch(name, dtype):
    *parameters, X, T = case(dtype)
    W1, b1, W2, b2 = tensors = [torch.tensor(each, requires_grad=True) for each in parameters]
    scores = TORCH[name](torch.tensor(X) @ W1.T + b1) @ W2.T + b2
    torch.nn.functional.cross_entropy(scores, torch.tensor(T)).backward()
    found = hidden_gradient(*parameters, X, T, *FUNCTIONS[name])
    assert [(g.shape, g.dtype) for g in found] == [(p.shape, dtype) for p in parameters]
    for g, tensor in zip(found, tensors):
        np.testing.assert_allclose(g, tensor.grad.numpy(), rtol=0, atol=20 * np.finfo(dtype).eps)


def test_targets_take_the_precision_of_the_rest():
    *parameters, X, T = case(np.float32)
    f, df = FUNCTIONS["tanh"]
    assert all(g.dtype == np.float32 for g in hidden_gradient(*parameters, X, case()[-1], f, df))
    whole = [[[1, 0]], [1], [[1], [2]], [0, 0], [[1, 2]], [[1, 0]]]
    assert all(g.dtype == np.float64 for g in hidden_gradient(*whole, f, df))


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "identity"])
def test_it_can_be_differentiated_by_complex_steps(name):
    "The gradient's own slope along a direction, beside the difference quotient of second order."
    *parameters, X, T = case()
    direction = [np.random.default_rng(1).normal(size=p.shape) for p in parameters]

    def along(t):
        return hidden_gradient(*(p + t * v for p, v in zip(parameters, direction)), X, T, *FUNCTIONS[name])

    for whole, up, down in zip(along(1e-20j), along(1e-5), along(-1e-5)):
        np.testing.assert_allclose(whole.imag / 1e-20, (up - down) / 2e-5, atol=1e-8)


def test_it_is_the_gradient_of_the_mean_loss():
    *parameters, X, T = case()
    f, df = FUNCTIONS["sigmoid"]
    exact = complex_step(lambda p: cross_entropy(hidden_scores(*p, X, f), T).mean(), parameters)
    for g, e in zip(hidden_gradient(*parameters, X, T, f, df), exact):
        np.testing.assert_allclose(g, e, rtol=1e-12, atol=1e-15)


def test_nothing_is_changed():
    arrays = case()
    before = [each.copy() for each in arrays]
    hidden_gradient(*arrays, *FUNCTIONS["relu"])
    assert all(map(np.array_equal, arrays, before))


ARRAYS = ["W1", "b1", "W2", "b2", "X", "T"]
BAD = {
    "W1 flat": ("W1", np.ones(3), ValueError, r"expected shape \(P_1, N\), got \(3,\)"),
    "b1": ("b1", np.ones(3), ValueError, r"expected shape \(4,\), got \(3,\)"),
    "W2": ("W2", np.ones((2, 5)), ValueError, r"expected shape \(K, 4\), got \(2, 5\)"),
    "b2": ("b2", np.ones(3), ValueError, r"expected shape \(2,\), got \(3,\)"),
    "X": ("X", np.ones((5, 2)), ValueError, r"expected shape \(M, 3\), got \(5, 2\)"),
    "no samples": ("X", np.ones((0, 3)), ValueError, "expected some numbers"),
    "T": ("T", np.ones((5, 3)) / 3, ValueError, r"expected shape \(5, 2\), got \(5, 3\)"),
    "labels": ("T", [0, 1, 0, 1, 0], ValueError, r"expected shape \(5, 2\), got \(5,\)"),
    "rows": ("T", np.ones((5, 2)), ValueError, "expected rows that sum to one, got a sum of 2"),
    "complex targets": ("T", np.full((5, 2), 0.5 + 0j), TypeError, "expected real numbers, got dtype complex128"),
    "f": ("f", "tanh", TypeError, "expected a function, got 'tanh'"),
    "df": ("df", None, TypeError, "expected a function, got None"),
    **{f"{name} NaN": (name, np.nan, ValueError, "expected finite numbers, got NaN or infinity") for name in ARRAYS},
    **{f"{name} text": (name, "a", TypeError, "expected (real )?numbers, got dtype <U1") for name in ARRAYS},
}  # fmt: skip


@pytest.mark.parametrize("spoiled", BAD)
def test_bad_input(spoiled):
    name, value, kind, message = BAD[spoiled]
    arguments = dict(zip([*ARRAYS, "f", "df"], [*case(), *FUNCTIONS["tanh"]]))
    if "NaN" in spoiled or "text" in spoiled:
        value = np.full(arguments[name].shape, value)
    with pytest.raises(kind, match=f"^{name}: {message}"):
        hidden_gradient(**arguments | {name: value})
