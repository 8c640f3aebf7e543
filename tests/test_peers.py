"The library's numbers beside other people's: SciPy, PyTorch, JAX, autograd and scikit-learn."

import gzip
import struct

import autograd
import autograd.numpy as anp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.special
import sklearn.datasets
import sklearn.linear_model
import sklearn.metrics
import sklearn.model_selection
import sklearn.preprocessing
import torch
from autograd.scipy.special import logsumexp

from dlnbook import data, descent, gradcheck, loss, numeric, scale

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)

TOLERANCE = {"float64": 1e-12, "complex128": 1e-12, "float32": 2e-6}
BOTH = pytest.mark.parametrize("dtype", ["float64", "float32"])


def close(ours, theirs, dtype="float64", size=1.0):
    "Compare numbers, relatively and absolutely, with the tolerance of a dtype; `size` is that of the numbers they come from."
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.dtype == dtype, f"expected {dtype}, got {ours.dtype}"
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * size)


def random_shapes(seed, samples=3):
    "Random numbers of rows and columns, after the smallest ones. Few: JAX compiles for each of them."
    rng = np.random.default_rng(seed)
    return [(1, 1), (1, 2), *((int(m), int(k)) for m, k in zip(rng.integers(1, 60, samples), rng.integers(2, 300, samples)))]


def logits(dtype):
    "Tables of logits: random ones of many shapes and sizes, and extreme ones."
    rng = np.random.default_rng(1)
    for shape in random_shapes(2):
        for size in (1e-3, 1.0, 30.0, 1e4):
            yield (size * rng.standard_normal(shape)).astype(dtype)
    yield np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4], [1e4, 1e4 - 1, 1e4 + 1]], dtype)


def targets(shape, dtype, seed=3):
    "Rows of probabilities, the first one-hot."
    T = np.random.default_rng(seed).dirichlet(np.ones(shape[1]), shape[0])
    T[0] = np.eye(shape[1])[0]
    return T.astype(dtype)


# The loss


@BOTH
def test_softmax(dtype):
    for A in logits(dtype):
        ours = loss.softmax(A)
        close(ours, scipy.special.softmax(A.astype("float64"), axis=1), dtype)
        close(ours, torch.softmax(torch.tensor(A), dim=1), dtype)
        close(ours, jax.jit(jax.nn.softmax)(A), dtype)
        close(loss.softmax(A[0]), scipy.special.softmax(A[0].astype("float64")), dtype)


@BOTH
def test_log_softmax(dtype):
    for A in logits(dtype):
        ours = loss.log_softmax(A)
        close(ours, scipy.special.log_softmax(A.astype("float64"), axis=1), dtype)
        close(ours, torch.log_softmax(torch.tensor(A), dim=1), dtype)
        close(ours, jax.jit(jax.nn.log_softmax)(A), dtype)
        close(ours, A - logsumexp(A.astype("float64"), axis=1, keepdims=True), dtype, max(1, np.abs(A).max()))


@BOTH
def test_sigmoid(dtype):
    rng = np.random.default_rng(4)
    extremes = np.array([0.0, -0.0, 1e-8, 1.0, 30.0, 37.0, 80.0, 700.0, 745.0, 1e4])
    for a in (rng.standard_normal((5, 7, 3)), 30 * rng.standard_normal(1000), extremes, -extremes):
        a = a.astype(dtype)
        with np.errstate(over="raise"):
            ours = loss.sigmoid(a)
        close(ours, scipy.special.expit(a.astype("float64")), dtype)
        close(ours, torch.sigmoid(torch.tensor(a)), dtype)
        close(ours, jax.jit(jax.nn.sigmoid)(a), dtype)


def test_sigmoid_keeps_its_relative_precision_where_it_is_tiny():
    a = -np.linspace(1, 700, 200)
    np.testing.assert_allclose(loss.sigmoid(a), scipy.special.expit(a), rtol=1e-13, atol=0)


def test_sigmoid_of_complex_numbers():
    a = np.random.default_rng(5).standard_normal((2, 50)) * 20
    close(loss.sigmoid(a[0] + 1j * a[1]), torch.sigmoid(torch.tensor(a[0] + 1j * a[1])), "complex128")


@BOTH
def test_cross_entropy(dtype):
    for A in logits(dtype):
        T = targets(A.shape, dtype)
        ours, size = loss.cross_entropy(A, T), max(1, np.abs(A).max())
        exact = -(T.astype("float64") * scipy.special.log_softmax(A.astype("float64"), axis=1)).sum(axis=1)
        close(ours, exact, dtype, size)
        close(ours, torch.nn.functional.cross_entropy(torch.tensor(A), torch.tensor(T), reduction="none"), dtype, size)
        close(ours, -(T * jax.jit(jax.nn.log_softmax)(A)).sum(axis=1), dtype, size)


def test_mean_cross_entropy_of_labels():
    rng = np.random.default_rng(6)
    for M, K in random_shapes(7)[1:]:
        A, labels = 3 * rng.standard_normal((M, K)), rng.integers(0, K, M)
        T = loss.one_hot(labels, K)
        close(T, torch.nn.functional.one_hot(torch.tensor(labels), K))
        close(loss.cross_entropy(A, T).mean(), sklearn.metrics.log_loss(labels, scipy.special.softmax(A, axis=1), labels=range(K)))
        close(loss.cross_entropy(A, T).mean(), torch.nn.functional.cross_entropy(torch.tensor(A), torch.tensor(labels)))
        assert loss.accuracy(A, labels) == sklearn.metrics.accuracy_score(labels, A.argmax(axis=1))


def test_the_smallest_loss_is_not_lost():
    A, T = np.array([[40.0, 0.0]]), np.array([[1.0, 0.0]])
    assert loss.cross_entropy(A, T)[0] == pytest.approx(np.log1p(np.exp(-40.0)), rel=0, abs=1e-16)


def problem(M, N, K, dtype, size=1.0, seed=8):
    "A linear model, inputs and targets."
    rng = np.random.default_rng(seed)
    W, b, X = rng.standard_normal((K, N)), rng.standard_normal(K), rng.standard_normal((M, N))
    return [array.astype(dtype) for array in (size * W, size * b, X)] + [targets((M, K), dtype)]


@BOTH
@pytest.mark.parametrize(("M", "N", "K", "size"), [(1, 1, 2, 1), (7, 3, 2, 1), (32, 64, 10, 1), (5, 200, 30, 1), (20, 6, 4, 1e4)])
def test_linear_gradient(M, N, K, size, dtype):
    W, b, X, T = problem(M, N, K, dtype, size)
    ours = loss.linear_gradient(W, b, X, T)

    weights, biases = (torch.tensor(each, requires_grad=True) for each in (W, b))
    torch.nn.functional.cross_entropy(torch.nn.functional.linear(torch.tensor(X), weights, biases), torch.tensor(T)).backward()
    with_torch = weights.grad, biases.grad

    def mean_loss(W, b):
        return -(T * jax.nn.log_softmax(X @ W.T + b, axis=1)).sum(axis=1).mean()

    with_jax = jax.jit(jax.grad(mean_loss, argnums=(0, 1)))(W, b)

    def wide_loss(parameters):
        A = anp.dot(X.astype("float64"), parameters[0].T) + parameters[1]
        return -anp.mean(anp.sum(T * (A - logsumexp(A, axis=1, keepdims=True)), axis=1))

    with_autograd = autograd.grad(wide_loss)([W.astype("float64"), b.astype("float64")])
    spread = max(1.0, np.abs(X @ W.T).max() / 10)  # the larger the logits, the more their rounding changes a probability
    for theirs in (with_torch, with_jax, with_autograd):
        for mine, other in zip(ours, theirs, strict=True):
            close(mine, other, dtype, spread)


@BOTH
def test_scores(dtype):
    W, b, X, _ = problem(9, 5, 4, dtype)
    V, c = problem(1, 4, 3, dtype, seed=9)[:2]
    linear = torch.nn.functional.linear
    hidden = linear(torch.tanh(linear(*map(torch.tensor, (X, W, b)))), torch.tensor(V), torch.tensor(c))
    close(loss.linear_scores(W, b, X), linear(*map(torch.tensor, (X, W, b))), dtype, 10)
    close(loss.hidden_scores(W, b, V, c, X), hidden, dtype, 10)


# The data


def test_the_digits_are_scikit_learns():
    X, labels = data.digits()
    theirs = sklearn.datasets.load_digits()
    np.testing.assert_array_equal(16 * X, theirs.data)
    np.testing.assert_array_equal(labels, theirs.target)


def test_split_gives_each_class_the_share_that_scikit_learn_gives_it():
    rng = np.random.default_rng(10)
    X, labels = data.digits()
    cases = [(X, labels, 1 / 3)]
    labels = rng.permutation(np.repeat(np.arange(4), [11, 23, 36, 130]))
    cases.append((rng.standard_normal((200, 2)), labels, 0.25))
    for X, labels, share in cases:
        X_train, labels_train, X_test, labels_test = data.split(X, labels, share, rng=np.random.default_rng(11))
        _, theirs = sklearn.model_selection.train_test_split(labels, test_size=len(labels_test), stratify=labels, random_state=0)
        np.testing.assert_array_equal(np.bincount(labels_test), np.bincount(theirs))
        rows = sorted(map(tuple, np.column_stack([X, labels])))
        assert sorted(map(tuple, np.column_stack([np.concatenate([X_train, X_test]), np.concatenate([labels_train, labels_test])]))) == rows


def test_split_is_fair_to_every_class():
    X, labels = data.digits()
    for share in (0.01, 0.2, 0.37, 0.9):
        *_, labels_test = data.split(X, labels, share, rng=np.random.default_rng(12))
        assert len(labels_test) == round(share * len(X))
        assert np.abs(np.bincount(labels_test, minlength=10) - share * np.bincount(labels)).max() < 1


def test_standardize():
    rng = np.random.default_rng(13)
    train, test = 5 + 3 * rng.standard_normal((50, 7)), rng.standard_normal((9, 7))
    scaler = sklearn.preprocessing.StandardScaler().fit(train)
    for ours, theirs in zip(data.standardize(train, test), (train, test)):
        close(ours, scaler.transform(theirs))


def test_moons_without_noise():
    X, labels = data.moons(100, 0, np.random.default_rng(14))
    theirs, their_labels = sklearn.datasets.make_moons(100, shuffle=False)
    for k in (0, 1):
        ours_sorted, theirs_sorted = (np.array(sorted(each.round(13).tolist())) for each in (X[labels == k], theirs[their_labels == k]))
        np.testing.assert_allclose(ours_sorted, theirs_sorted, atol=1e-12)


IDX = {0x08: "B", 0x09: "b", 0x0B: "h", 0x0C: "i", 0x0D: "f", 0x0E: "d"}
DTYPES = {"B": "uint8", "b": "int8", "h": "int16", "i": "int32", "f": "float32", "d": "float64"}


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (1, 2, 1, 3), (0, 3)])
@pytest.mark.parametrize("code", IDX)
def test_read_idx_reads_what_the_format_says(tmp_path, code, shape, compress):
    kind, size = IDX[code], int(np.prod(shape))
    values = [(7 * i + 1) % 100 for i in range(size)]
    if kind != "B":
        values = [-value for value in values]
    if kind in "fd":
        values = [value / 8 for value in values]
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)
    path = tmp_path / "array"
    path.write_bytes(compress(header + struct.pack(f">{size}{kind}", *values)))
    array = data.read_idx(path)
    assert array.dtype == DTYPES[kind] and array.dtype.isnative
    assert array.shape == shape and array.ravel().tolist() == values


# The scale


@pytest.mark.parametrize("widths", [[2, 3, 2], [64, 30, 10], [784, 128, 64, 10], [5, 1]])
def test_counts(widths):
    from torch.utils.flop_counter import FlopCounterMode

    model = torch.nn.Sequential(*(torch.nn.Linear(inputs, nodes) for inputs, nodes in zip(widths, widths[1:])))
    assert scale.parameter_count(widths) == sum(each.numel() for each in model.parameters())
    assert scale.parameter_bytes(widths, "float32") == sum(each.numel() * each.element_size() for each in model.parameters())
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(16, widths[0]))
    assert scale.forward_flops(widths, 16) == counter.get_total_flops()


# The descent


def linear_slope(parameters, X, T):
    "The gradient of the linear model's mean loss, as descend wants it."
    return loss.linear_gradient(*parameters, X, T)


@BOTH
@pytest.mark.parametrize("batch_size", [1, 7, 40, 1000])
def test_descent_step_by_step(batch_size, dtype):
    W, b, X, T = problem(40, 6, 4, dtype)
    steps = []
    descent.descend(
        [W, b], linear_slope, X, T, eta=0.3, batch_size=batch_size, epochs=5, rng=np.random.default_rng(15),
        on_epoch=lambda epoch, parameters: steps.append(parameters),
    )  # fmt: skip
    weights, biases = (torch.tensor(each, requires_grad=True) for each in (W, b))
    optimizer = torch.optim.SGD([weights, biases], lr=0.3)
    rng = np.random.default_rng(15)
    for parameters in steps:
        for batch in descent.batches(40, batch_size, rng):
            optimizer.zero_grad()
            scores = torch.nn.functional.linear(torch.tensor(X[batch]), weights, biases)
            torch.nn.functional.cross_entropy(scores, torch.tensor(T[batch])).backward()
            optimizer.step()
        for ours, theirs in zip(parameters, (weights, biases), strict=True):
            close(ours, theirs.detach(), dtype, 5)
    assert len(steps) == 5


def test_one_update():
    rng = np.random.default_rng(16)
    parameters, gradients = ([rng.standard_normal(shape) for shape in ((3, 4), (3,), ())] for _ in range(2))
    theirs = [torch.tensor(each, requires_grad=True) for each in parameters]
    for each, gradient in zip(theirs, gradients):
        each.grad = torch.tensor(gradient)
    torch.optim.SGD(theirs, lr=0.7).step()
    for ours, each in zip(descent.update(parameters, gradients, 0.7), theirs, strict=True):
        close(ours, each.detach())


def test_descent_ends_where_logistic_regression_does():
    # classes that overlap: only then is there an optimum at a finite place
    rng = np.random.default_rng(17)
    labels = np.repeat([0, 1, 2], 60)
    X = rng.standard_normal((180, 2)) + np.array([[0, 0], [1, 0], [0, 1]])[labels]
    W, b = descent.descend(
        [np.zeros((3, 2)), np.zeros(3)], linear_slope, X, loss.one_hot(labels, 3),
        eta=1.0, batch_size=180, epochs=400, rng=rng,
    )  # fmt: skip
    model = sklearn.linear_model.LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(X, labels)
    np.testing.assert_allclose(loss.softmax(loss.linear_scores(W, b, X)), model.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(W - W.mean(axis=0), model.coef_ - model.coef_.mean(axis=0), atol=1e-5)


# Numeric gradients


def network(dtype="float64"):
    "A network with one hidden layer: its parameters, its loss in NumPy, and the loss's gradient in PyTorch and in JAX."
    W, b, X, T = problem(12, 5, 4, dtype)
    V, c = problem(1, 4, 3, dtype, seed=18)[:2]
    T = targets((12, 3), dtype)
    parameters = [W, b, V, c]

    def f(parameters):
        W, b, V, c = parameters
        return loss.cross_entropy(loss.hidden_scores(W, b, V, c, X), T).mean()

    def with_torch(parameters):
        W, b, V, c = leaves = [torch.tensor(np.array(each), requires_grad=True) for each in parameters]
        linear = torch.nn.functional.linear
        A = linear(torch.tanh(linear(torch.tensor(X), W, b)), V, c)
        torch.nn.functional.cross_entropy(A, torch.tensor(T)).backward()
        return [each.grad.numpy() for each in leaves]

    def in_jax(W, b, V, c):
        return -(T * jax.nn.log_softmax(jnp.tanh(X @ W.T + b) @ V.T + c, axis=1)).sum(axis=1).mean()

    return parameters, f, with_torch, in_jax


@pytest.mark.parametrize(
    ("difference", "tolerance"),
    [(numeric.forward_difference, 1e-6), (numeric.central_difference, 1e-9), (numeric.complex_step, 1e-14)],
)
def test_differences(difference, tolerance):
    parameters, f, with_torch, in_jax = network()
    ours = difference(f, parameters)
    for theirs in (with_torch(parameters), jax.jit(jax.grad(in_jax, argnums=(0, 1, 2, 3)))(*parameters)):
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, rtol=0, atol=tolerance)


def test_forward_difference_with_a_given_step():
    def f(parameters):
        return np.sin(parameters[0]).sum() + (parameters[0] ** 3).prod()

    x = np.random.default_rng(19).uniform(1, 2, 6)  # the step survives there exactly alike in both
    [ours] = numeric.forward_difference(f, [x], 2.0**-20)
    np.testing.assert_allclose(ours, scipy.optimize.approx_fprime(x, lambda x: f([x]), 2.0**-20), rtol=1e-12)


@pytest.mark.parametrize(("method", "tolerance"), [("forward", 1e-6), ("central", 1e-9), ("complex", 1e-14)])
def test_slope_along_a_direction(method, tolerance):
    parameters, f, _, in_jax = network()
    direction = [np.random.default_rng(20).standard_normal(each.shape) for each in parameters]
    _, slope = jax.jvp(in_jax, tuple(parameters), tuple(direction))
    assert numeric.directional_difference(f, parameters, direction, method=method) == pytest.approx(float(slope), abs=tolerance * 10)


def wrong_gradients(parameters, with_torch):
    "PyTorch's gradient with one mistake each."
    right = with_torch(parameters)
    largest = max(range(4), key=lambda i: np.abs(right[i]).max())
    place = np.unravel_index(np.abs(right[largest]).argmax(), right[largest].shape)
    for name, change in {
        "a sum for a mean": lambda g: [12 * each for each in g],
        "the sign": lambda g: [-each for each in g],
        "one entry": lambda g: g[largest].__setitem__(place, g[largest][place] * 1.001),
        "a bias left out": lambda g: g[1].__setitem__(..., 0),
        "rows in reverse": lambda g: g[0].__setitem__(..., g[0][::-1].copy()),
    }.items():
        wrong = [each.copy() for each in right]
        yield name, change(wrong) or wrong


@BOTH
def test_check_gradient_believes_torch_and_finds_planted_mistakes(dtype):
    parameters, f, with_torch, _ = network(dtype)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        assert gradcheck.check_gradient(f, with_torch, parameters, rng=rng)
        assert gradcheck.check_gradient(f, with_torch(parameters), parameters, rng=rng, coordinates=None)
    for asked in ({"directions": 0, "coordinates": None}, {"directions": 4, "coordinates": 0}):
        for name, wrong in wrong_gradients(parameters, with_torch):
            rng = np.random.default_rng(0)
            assert not gradcheck.check_gradient(f, wrong, parameters, rng=rng, promote=dtype == "float32", **asked), (name, asked)


def test_check_gradient_agrees_with_torchs_gradcheck():
    for factor in (1.0, 1.01):

        class Square(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return (x**2).sum()

            @staticmethod
            def backward(ctx, above):
                return above * 2 * factor * ctx.saved_tensors[0]

        x = np.random.default_rng(21).standard_normal(6)
        theirs = torch.autograd.gradcheck(Square.apply, torch.tensor(x, requires_grad=True), raise_exception=False)
        ours = gradcheck.check_gradient(lambda p: (p[0] ** 2).sum(), lambda p: [2 * factor * p[0]], [x], rng=np.random.default_rng(0))
        assert bool(ours) is theirs is (factor == 1.0)
