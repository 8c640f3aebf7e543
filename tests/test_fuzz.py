"""Any finite number, however large or small, to the public functions: the right value, or a refusal that names a parameter.

Each example draws arrays and hands them to all functions of a module; `DLNBOOK_FUZZ` is the number of examples.
A refusal changes nothing; neither arguments nor generators. Values of pure functions are compared with extended
precision, the others with what is said beside them. A value beyond the range of its format counts as right
if it is refused, or returned as the largest number of the format.
"""

import inspect
import os
import re
import warnings
from collections import Counter

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from dlnbook import (
    activation, chain, curvature, data, delta, descent, hidden, initialization, landscape, loss, network, nonlinearities, numeric, regularization,
)  # fmt: skip

EXAMPLES = int(os.environ.get("DLNBOOK_FUZZ", 500))  # of each test
WIDE = np.longdouble
CALLS: Counter = Counter()  # by function
REFUSED: Counter = Counter()


def same(before, after):
    "Whether values are the same, bit for bit."
    if isinstance(before, np.ndarray):
        return before.dtype == after.dtype and np.array_equal(before, after)
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(same, before, after))
    if isinstance(before, np.random.Generator):
        return before.bit_generator.state == after.bit_generator.state
    return before is after or before == after


def kept(value):
    "A copy to compare with later; functions and objects are themselves."
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, (list, tuple)):
        return type(value)(map(kept, value))
    if isinstance(value, np.random.Generator):
        return twin(value)
    return value


def twin(rng):
    "A generator in the same state."
    other = np.random.default_rng(0)
    other.bit_generator.state = rng.bit_generator.state
    return other


def ask(function, *arguments, draws=False, **options):
    "What a function returns, None if it refuses; anything else is a failure."
    name = getattr(function, "__qualname__", repr(function))
    CALLS[name] += 1
    before = kept(arguments)
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        try:
            found = function(*arguments, **options)
        except (TypeError, ValueError) as error:
            REFUSED[name] += 1
            said = re.match(r"(\w+)(\[\d+\])?: expected .*, got ", str(error), re.S)
            assert said and said[1] in inspect.signature(function).parameters, f"{name} says {error!r}"
            assert same(before, arguments), f"{name} refuses and has changed its arguments"
            return None
    if not draws:
        assert same(before, arguments), f"{name} has changed its arguments"
    return found


def close(found, right, digits=None, size=0.0, name=""):
    "Whether values are right up to rounding beside `size`, which counts what was added up on the way."
    if found is None:
        return
    found, right = np.asarray(found), np.asarray(right, WIDE)
    info = np.finfo(found.dtype)
    right = np.clip(right, -WIDE(info.max), WIDE(info.max))
    slack = (digits or 64) * WIDE(info.eps) * (np.abs(right) + size) + 64 * WIDE(info.smallest_subnormal)
    assert found.shape == right.shape and np.isfinite(found).all(), (name, found, right)
    assert (np.abs(found - right) <= slack).all(), (name, found, right)


def softmax_of(A):
    e = np.exp(A - A.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def logs_of(A):
    S = A - A.max(axis=-1, keepdims=True)
    return S - np.log(np.exp(S).sum(axis=-1, keepdims=True))


@st.composite
def inputs(draw):
    "A dtype, and a function that draws arrays of it."
    dtype = draw(st.sampled_from([np.float64, np.float32]))
    width = 64 if dtype is np.float64 else 32
    info = np.finfo(dtype)
    special = [0.0, -0.0, 1.0, info.max, -info.max, info.tiny, info.smallest_subnormal, -info.smallest_subnormal, np.sqrt(info.max), info.eps]
    ordinary = st.floats(-10, 10, width=width)
    extreme = st.sampled_from([float(dtype(each)) for each in special]) | st.floats(allow_nan=False, allow_infinity=False, width=width)
    elements = draw(st.sampled_from([ordinary, extreme, ordinary | extreme]))
    M, N, K = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    array = lambda *shape: draw(arrays_of.arrays(dtype, shape, elements=elements))
    labels = np.array(draw(st.lists(st.integers(0, K - 1), min_size=M, max_size=M)))
    return dtype, (M, N, K), array(M, N), array(K, N), array(K), array(M, K), array(M, K), labels


FUZZ = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)


def wide(*arrays):
    "Arrays in extended precision."
    return [each.astype(WIDE) for each in arrays]


@FUZZ
@given(inputs())
def test_loss(drawn):
    dtype, (M, N, K), X, W, b, A, G, labels = drawn
    T, (A_, W_, b_, X_) = np.eye(K, dtype=dtype)[labels], wide(A, W, b, X)
    logs, decay = logs_of(A_), np.exp(-np.abs(A_))
    close(ask(loss.softmax, A), softmax_of(A_), name="softmax")
    close(ask(loss.log_softmax, A), logs, size=1, name="log_softmax")
    close(ask(loss.cross_entropy, A, T), -logs[np.arange(M), labels], size=1, name="cross_entropy")
    close(ask(loss.sigmoid, A), np.where(A_ >= 0, 1, decay) / (1 + decay), name="sigmoid")
    assert np.array_equal(ask(loss.one_hot, labels, K), T)
    assert ask(loss.accuracy, A, labels) == np.mean(A.argmax(axis=1) == labels)
    scores_, size = X_ @ W_.T + b_, np.abs(X_) @ np.abs(W_).T + np.abs(b_)
    close(ask(loss.linear_scores, W, b, X), scores_, size=size, name="linear_scores")
    found = ask(loss.linear_gradient, W, b, X, T)
    if found is not None and size.max() < 1 / np.finfo(dtype).eps:  # beyond, the rounded scores have another softmax
        D = (softmax_of(scores_) - T) / M
        close(found[0], D.T @ X_, size=(64 + size.max()) * np.abs(X_).sum(axis=0), name="linear_gradient")
        close(found[1], D.sum(axis=0), size=64 + size.max(), name="linear_gradient")


@FUZZ
@given(inputs())
def test_chain(drawn):
    dtype, (M, N, K), X, W, b, A, G, labels = drawn
    T, (A_, W_, X_, G_, b_) = np.eye(K, dtype=dtype)[labels], wide(A, W, X, G, b)
    P_ = softmax_of(A_)
    close(ask(chain.cross_entropy_gradient, A, T), P_ - T, size=1, name="cross_entropy_gradient")
    close(ask(chain.softmax_jacobian, A), P_[:, :, None] * (np.eye(K) - P_[:, None, :]), size=1, name="softmax_jacobian")
    pull, size = P_ * (G_ - (P_ * G_).sum(axis=1, keepdims=True)), np.abs(G_) + (P_ * np.abs(G_)).sum(axis=1, keepdims=True)
    close(ask(chain.softmax_vjp, A, G), pull, size=P_ * size + np.finfo(dtype).tiny * size, name="softmax_vjp")
    link = ask(chain.affine, W, b)
    for order in ("forward", "reverse", "auto"):
        close(ask(chain.jacobian, link, X[0], order), W_, name="jacobian")
    square = chain.elementwise(np.square, lambda a: 2 * a)
    found = ask(chain.jacobian, ask(chain.compose, link, square), X[0])
    assert found is None or np.isfinite(found).all()


@FUZZ
@given(inputs())
def test_data(drawn):
    dtype, (M, N, K), X, W, b, A, G, labels = drawn
    [scaled] = ask(data.standardize, X)
    assert scaled.dtype == dtype and np.isfinite(scaled).all()
    X_ = X.astype(WIDE)
    spread = np.sqrt(((X_ - X_.mean(axis=0)) ** 2).mean(axis=0))
    with np.errstate(all="ignore"):
        close(scaled, np.where(X.min(axis=0) == X.max(axis=0), 0, (X_ - X_.mean(axis=0)) / spread), size=4, name="standardize")
    scaling = ask(data.Scaling.of, X)
    again = ask(scaling, np.resize(G, (2, N)))
    assert again is None or np.isfinite(again).all()
    assert np.array_equal(ask(scaling, X), scaled)
    twice, numbers = np.concatenate([X, X]), np.concatenate([labels, labels])
    X1, y1, X2, y2 = ask(data.split, twice, numbers, 0.5, rng=np.random.default_rng(0))
    rows = lambda X, y: sorted(map(repr, zip(X.tolist(), y.tolist())))
    assert rows(np.concatenate([X1, X2]), np.concatenate([y1, y2])) == rows(twice, numbers)


@FUZZ
@given(inputs())
def test_descent(drawn):
    dtype, (M, N, K), X, W, b, A, G, labels = drawn
    rng = np.random.default_rng(0)
    found, (A_, G_) = ask(descent.update, [A], [G], 0.5), wide(A, G)
    if found is not None:
        stepped = np.clip(found[0], -np.finfo(dtype).max, np.finfo(dtype).max)  # infinity, where a step leaves the range
        close(stepped, A_ - WIDE(0.5) * G_, size=np.abs(A_) + np.abs(G_), name="update")
    for eta in np.abs(b):
        try:
            found = ask(descent.descend, [A], lambda p, x, t: [G], X, X, eta=float(eta), batch_size=1, epochs=1, rng=rng, draws=True)
        except descent.Diverged as error:  # the promise for a descent that leaves the finite numbers
            assert np.array_equal(error.parameters[0], A)
        else:
            assert found is None or np.isfinite(found[0]).all()


@FUZZ
@given(inputs())
def test_numeric(drawn):
    dtype, (M, N, K), X, W, b, A, G, labels = drawn
    linear = lambda p: (p[0] * G[0]).sum()  # its slopes are its weights
    for method in (numeric.forward_difference, numeric.central_difference, numeric.complex_step):
        found = ask(method, linear, [b])
        assert found is None or found[0].shape == b.shape and np.isfinite(found[0]).all()
    info = np.finfo(dtype)
    least = WIDE(info.smallest_subnormal) / WIDE(info.eps) ** 3  # the step is eps², and a slope below this times eps is lost in it
    found = ask(numeric.complex_step, linear, [b / info.max])
    close(None if found is None else found[0], G[0], size=least, name="complex_step")
    for method in ("forward", "central", "complex"):
        found = ask(numeric.directional_difference, linear, [b], [A[0]], method=method)
        assert found is None or np.isfinite(found)
    found = ask(numeric.disagreement, linear, [G[0]], [b], np.random.default_rng(0), draws=True)
    assert found is None or found >= 0


@FUZZ
@given(inputs())
def test_hidden_and_delta(drawn):
    dtype, (M, N, K), X, W, b, A, G, labels = drawn
    for name, known in activation.ACTIVATIONS.items():
        for each in (known.f, known.df):
            values = ask(each, A)
            assert np.isfinite(values).all() and values.dtype == dtype, name
    V, c, T = np.full((2, K), 0.5, dtype), np.zeros(2, dtype), np.eye(2, dtype=dtype)[labels % 2]
    for name in ("tanh", "relu"):
        found = ask(hidden.hidden_gradient, W, b, V, c, X, T, *hidden.FUNCTIONS[name])
        assert found is None or all(np.isfinite(each).all() for each in found)
        passed = ask(delta.forward, [None, W, V], [None, b, c], X, name)
        if passed is None:
            continue
        assert all(np.isfinite(each).all() for each in passed[0][1:] + passed[1][1:])
        D = ask(delta.deltas, [None, W, V], *passed, T, name)
        slopes = None if D is None else ask(delta.gradients, D, passed[1])
        if slopes is not None:
            assert all(np.isfinite(each).all() for each in slopes[0][1:] + slopes[1][1:])


@FUZZ
@given(inputs())
def test_network(drawn):
    dtype, (M, N, K), X, W, b, A, G, labels = drawn
    net = network.Network((N, 2, 2), "tanh", rng=np.random.default_rng(0), dtype=dtype)
    net.W[1][...] = np.resize(W, (2, N))
    before, y = net.parameters.copy(), labels % 2
    scores = ask(net.scores, X)
    predicted, value, slopes = ask(net.predict, X), ask(net.loss, X, y), ask(net.gradient, X, y)
    assert (predicted is None) == (scores is None)
    if scores is not None:
        assert np.isfinite(scores).all() and predicted.tolist() == scores.argmax(axis=1).tolist()
        logs = logs_of(scores.astype(WIDE))
        close(dtype(value), -logs[np.arange(M), y].mean(), size=1, name="loss")
    assert slopes is None or np.isfinite(slopes).all()
    assert np.array_equal(net.parameters, before)


@FUZZ
@given(inputs())
def test_measures(drawn):
    dtype, (M, N, K), X, W, b, A, G, labels = drawn
    net = network.Network((N, K, 2), "tanh", rng=np.random.default_rng(0), dtype=dtype)
    net.W[1][...], net.b[1][...], y = W, b, labels % 2
    before = net.parameters.copy()
    spread, norms = ask(initialization.measured_spread, net, X, y), ask(nonlinearities.delta_norms, net, X, y)
    assert spread is None or all(np.isfinite(each[1:]).all() for each in spread)
    assert norms is None or np.isfinite(norms[1:]).all()
    velocity = ask(curvature.jacobian_product, net, X, np.resize(G, net.parameters.size))
    assert velocity is None or np.isfinite(velocity).all()
    stack = np.stack([net.parameters, np.resize(A, net.parameters.size)])
    slopes = ask(curvature.stacked_gradient, net, stack, np.stack([X, X]), np.eye(2, dtype=dtype)[[y, y]])
    losses = ask(curvature.losses_at, net, stack, X, y)
    assert all(each is None or np.isfinite(each).all() for each in (slopes, losses))
    right, alone = ask(net.gradient, X, y), ask(net.loss, X, y)
    if slopes is not None and right is not None and np.abs(X).max() < 1 < 1 / np.abs(W).max(initial=1e-9):
        close(slopes[0], right, size=np.abs(right).max() + 1, name="stacked_gradient")
    if losses is not None and alone is not None:
        close(dtype(losses[0]), alone, size=1 + losses[0], name="losses_at")
    assert np.array_equal(net.parameters, before)
    parts, (A_, G_) = ask(regularization.bias_variance, [A, G], labels), wide(A, G)
    if parts is not None:
        size = A_**2 + G_**2 + 1
        variance = ((A_ - G_) ** 2 / 2).sum(axis=1)
        bias = (((A_ + G_) / 2 - np.eye(K)[labels]) ** 2).sum(axis=1) - variance / 2
        close(parts[0], bias, size=size.sum(axis=1), name="bias")
        close(parts[1], variance, size=size.sum(axis=1), name="variance")


def test_enough_was_asked():
    "After the others: each function was asked, and none refuses everything."
    if sum(CALLS.values()) > 1000:  # else they ran in another process
        assert all(REFUSED[name] < CALLS[name] for name in CALLS)
    print(sum(CALLS.values()), "calls,", sum(REFUSED.values()), "refused")
