"Gradient flow: random graphs beside PyTorch, autograd and the complex step; depth, memory, threads, bad input."

import gc
import json
import subprocess
import sys
import threading
import tracemalloc
import weakref

import autograd
import autograd.numpy as anp
import nbformat
import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlnbook import engine, flow, gradcheck, numeric
from dlnbook.engine import RULES, Node, dot, gradient, gradients, relu, route, rule, sigmoid, softmax_loss

torch.set_num_threads(1)
SETTINGS = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


# Random graphs: a program is a list of steps, each naming an operation and its arguments among the values so far.
# It runs on nodes, on torch's tensors, on autograd's boxes and on plain (also complex) arrays.


def _np_take(x):
    return x[..., [0, -1, 0]]


def smooth(xp, torch_like):
    "Operations by name, in terms of one library; all tame for arguments of any size up to a few."
    sigma = torch.sigmoid if torch_like else (sigmoid if xp is np else lambda x: 1 / (1 + xp.exp(-x)))
    total = (lambda x, axis, keep: x.sum(axis, keepdim=keep)) if torch_like else (lambda x, axis, keep: xp.sum(x, axis=axis, keepdims=keep))
    return {
        "add": lambda x, y: x + y,
        "subtract": lambda x, y: x - y,
        "multiply": lambda x, y: x * y,
        "divide": lambda x, y: x / (y * y + 1),
        "right": lambda x: 2 - x / 3 + 1 / (x * x + 2),
        "negative": lambda x: -x,
        "square": lambda x: x**2,
        "power": lambda x, y: (x * x + 1) ** (y / 4),
        "exp": lambda x: xp.exp(x / 4),
        "log": lambda x: xp.log(x * x + 1),
        "log1p": lambda x: xp.log1p(x * x),
        "sqrt": lambda x: xp.sqrt(x * x + 1),
        "tanh": lambda x: xp.tanh(x),
        "sigmoid": sigma,
        "sum": lambda x: total(x, -1, False),
        "sum0": lambda x: total(x, 0, True),
        "mean": lambda x: x.mean(-1, keepdim=True) if torch_like else xp.mean(x, axis=-1, keepdims=True),
        "flat": lambda x: x.reshape(-1),
        "transpose": lambda x: x.permute(*reversed(range(x.ndim))) if torch_like else xp.transpose(x),
        "take": _np_take,
        "matmul": lambda x, y: x @ y,
    }


def kinked(xp, torch_like):
    if torch_like:
        return {"maximum": torch.maximum, "minimum": torch.minimum, "relu": torch.relu, "abs": torch.abs,
                "where": lambda x, y: torch.where(torch.tensor(True), x, y)}  # fmt: skip
    own = relu if xp is np else lambda x: xp.where(x > 0, x, 0.0 * x)
    return {"maximum": xp.maximum, "minimum": xp.minimum, "relu": own, "abs": xp.abs, "where": lambda x, y: xp.where(True, x, y)}


ONE = {"right", "negative", "square", "exp", "log", "log1p", "sqrt", "tanh", "sigmoid", "flat", "transpose", "sum", "sum0", "mean", "take", "relu", "abs"}
ARRAYS = {"sum", "sum0", "mean", "take", "flat", "transpose"}


def tame(x, xp, torch_like):
    return torch.tanh(x / 4) * 4 if torch_like else xp.tanh(x / 4) * 4


def run(program, leaves, xp, torch_like=False):
    operations = smooth(xp, torch_like) | kinked(xp, torch_like)
    values = list(leaves)
    for name, places, cap in program:
        value = operations[name](*(values[i] for i in places))
        values.append(tame(value, xp, torch_like) if cap else value)
    return values


SHAPES = [(), (3,), (1,), (2, 3), (2, 1), (1, 3), (3, 2), (2, 2, 3)]


@st.composite
def programs(draw, kinks=True, scalars=False):
    "Leaves and a program that is valid for their shapes; dead branches and shared values included."
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    shapes = [()] * 3 if scalars else draw(st.lists(st.sampled_from(SHAPES), min_size=2, max_size=4))
    leaves = [rng.uniform(-2, 2, shape) for shape in shapes]
    names = list(smooth(np, False)) + (list(kinked(np, False)) if kinks else [])
    values, program = list(leaves), []
    for _ in range(draw(st.integers(1, 12))):
        name = draw(st.sampled_from(names))
        places = tuple(draw(st.integers(0, len(values) - 1)) for _ in range(1 if name in ONE else 2))
        if name in ARRAYS and np.ndim(values[places[0]]) == 0:
            continue
        try:
            value = (smooth(np, False) | kinked(np, False))[name](*(values[i] for i in places))
        except ValueError:
            continue
        if np.size(value) > 64:
            continue
        cap = name in ("multiply", "matmul", "square", "power", "sum", "sum0", "exp")
        program.append((name, places, cap))
        values.append(tame(np.asarray(value), np, False) if cap else np.asarray(value))
    return leaves, program, seed


def by_flow(leaves, program, weights):
    nodes = [Node(each) for each in leaves]
    return gradient(np.sum(run(program, nodes, np)[-1] * weights), nodes)


def by_torch(leaves, program, weights):
    tensors = [torch.tensor(each, dtype=torch.float64, requires_grad=True) for each in leaves]
    (run(program, tensors, torch, True)[-1] * torch.tensor(weights)).sum().backward()
    return [np.zeros_like(a) if t.grad is None else t.grad.numpy() for a, t in zip(leaves, tensors)]


def by_autograd(leaves, program, weights):
    return autograd.grad(lambda values: anp.sum(run(program, values, anp)[-1] * weights))([np.asarray(a, float) for a in leaves])


def absolute_flows(leaves, program, weights):
    "The same walk with the absolute value of every flow: what may cancel, and so bounds the rounding."
    nodes = [Node(each) for each in leaves]
    output = np.sum(run(program, nodes, np)[-1] * weights)
    sizes = {output: 1.0}
    for node in flow.in_order(output):
        for i, each in enumerate(node.inputs):
            sizes[each] = sizes.get(each, 0.0) + _absolute(node, i, sizes[node], each)
    return [sizes.get(node, 0.0) for node in nodes]


def _absolute(node, i, size, each):
    if node._dx is not ...:
        return size * abs((node._dx, node._dy)[i])
    place = [k for k, other in enumerate(node.args) if isinstance(other, Node)][i]
    values = [np.asarray(getattr(other, "value", other)) for other in node.args]
    if node.operation in engine.ROUTES:
        made = engine.ROUTES[node.operation][place](size, np.abs(node.value), *map(np.abs, values), **node.options)
        made = np.abs(made)
    else:
        made = size * np.abs(engine.RULES[node.operation][place](np.asarray(node.value), *values))
    return flow.gather(made, each)


def agree(ours, theirs, allowed):
    for mine, other, size in zip(ours, theirs, allowed):
        assert np.shape(mine) == np.shape(other)
        bound = 1e-12 * np.linalg.norm(other) + 1e-13 * np.max(size, initial=0.0) + 1e-300
        assert np.linalg.norm(np.subtract(mine, other)) <= bound


@SETTINGS
@given(programs())
def test_random_graphs_of_arrays(drawn):
    leaves, program, seed = drawn
    shape = np.shape(run(program, leaves, np)[-1])
    weights = np.random.default_rng(seed).uniform(-1, 1, shape)
    ours, allowed = by_flow(leaves, program, weights), absolute_flows(leaves, program, weights)
    agree(ours, by_torch(leaves, program, weights), allowed)
    agree(ours, by_autograd(leaves, program, weights), allowed)
    for leaf, found in zip(leaves, ours):
        assert np.shape(found) == np.shape(leaf)


@SETTINGS
@given(programs(scalars=True))
def test_random_graphs_of_single_numbers(drawn):
    leaves, program, _ = drawn
    allowed = absolute_flows(leaves, program, 1.0)
    nodes = [Node(each) for each in leaves]
    output = run(program, nodes, np)[-1]
    agree(gradient(output, nodes), by_torch(leaves, program, 1.0), allowed)
    everything = gradients(output)
    assert set(everything) == set(flow.in_order(output))
    assert [everything.get(node, 0.0) for node in nodes] == gradient(output, nodes)


@settings(SETTINGS, max_examples=40)
@given(programs(kinks=False))
def test_random_smooth_graphs_by_complex_steps_and_random_directions(drawn):
    leaves, program, seed = drawn
    rng = np.random.default_rng(seed)
    weights = rng.uniform(-1, 1, np.shape(run(program, leaves, np)[-1]))
    ours, allowed = by_flow(leaves, program, weights), absolute_flows(leaves, program, weights)

    def f(p):
        return np.sum(run(program, p, _Plain)[-1] * weights)

    agree(ours, numeric.complex_step(f, leaves), allowed)
    ours = [np.asarray(g) for g in ours]
    assert gradcheck.check_gradient(lambda p: float(f(p)), ours, leaves, rng=rng, tolerance=1e-6)


class _Plain:
    "NumPy under a name of its own, so that the sigmoid is composed."

    def __getattr__(self, name):
        return getattr(np, name)


_Plain = _Plain()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes_and_ownership(dtype):
    X, W = np.ones((4, 3), dtype), np.full((2, 3), 0.5, dtype)
    node, weights = Node(X), Node(W)
    out = np.tanh(node @ weights.T + 1).sum()
    found = gradient(out, [node, weights])
    assert [g.dtype for g in found] == [dtype, dtype]
    X[:] = 7  # the caller's array is the caller's
    assert node.value.max() == 1 and gradient(out, weights).tolist() == found[1].tolist()
    found[1][:] = 0
    assert gradient(out, weights).any()
    a, b = gradient(node + node * 0, [node, node], seed=np.ones((4, 3)))
    assert not np.shares_memory(a, b)
    with pytest.raises(ValueError):
        node.value[0] = 1
    assert isinstance(Node(np.float32(2)).value, float) and Node([1, 2]).value.dtype == "float64"


# Ties and kinks


def by_the_libraries():
    "The chapter's table of ties and kinks, asked of each library; functions that one doesn't have are left out."
    import jax
    import jax.numpy as jnp
    from micrograd.engine import Value

    def ask_torch(f, *at):
        tensors = [torch.tensor(each, dtype=torch.float64, requires_grad=True) for each in at]
        return [g.numpy() for g in torch.autograd.grad(f(*tensors), tensors)]

    def ask_micrograd(f, at):
        x = Value(at)
        f(x).backward()
        return [x.grad]

    def ask_us(f, *at):
        nodes = [Node(each) for each in at]
        return gradient(f(*nodes), nodes)

    def by_grad(grad):
        return lambda f, *at: [grad(f, i)(*map(np.array, at)) for i in range(len(at))]

    ask_jax, ask_autograd = by_grad(jax.grad), by_grad(autograd.grad)
    nil, two = torch.tensor(0.0, dtype=torch.float64), [1.0, 1.0]
    return {
        "maximum(x, y)": [
            [ask_torch(torch.maximum, 1.0, 1.0)], [ask_jax(jnp.maximum, 1.0, 1.0)], [ask_autograd(anp.maximum, 1.0, 1.0)], [], [ask_us(np.maximum, 1.0, 1.0)],
        ],
        "largest": [
            [ask_torch(torch.max, two), ask_torch(lambda x: x.max(0).values, two)], [ask_jax(jnp.max, two), ask_jax(lambda x: jnp.max(x, axis=0), two)],
            [ask_autograd(anp.max, two), ask_autograd(lambda x: anp.max(x, axis=0), two)], [], [ask_us(np.max, two), ask_us(lambda x: np.max(x, axis=0), two)],
        ],
        "relu": [[ask_torch(torch.relu, 0.0)], [ask_jax(jax.nn.relu, 0.0)], [], [ask_micrograd(Value.relu, 0.0)], [ask_us(relu, 0.0)]],
        "maximum(x, 0)": [
            [ask_torch(lambda x: torch.maximum(x, nil), 0.0)], [ask_jax(lambda x: jnp.maximum(x, 0.0), 0.0)],
            [ask_autograd(lambda x: anp.maximum(x, 0.0), 0.0)], [], [ask_us(lambda x: np.maximum(x, 0), 0.0)],
        ],
        "clamp": [
            [ask_torch(lambda x: torch.clamp(x, min=0), 0.0)], [ask_jax(lambda x: jnp.clip(x, 0.0), 0.0)],
            [ask_autograd(lambda x: anp.clip(x, 0.0, np.inf), 0.0)], [], [ask_us(lambda x: np.clip(x, 0.0, None), 0.0)],
        ],
        "abs": [[ask_torch(torch.abs, 0.0)], [ask_jax(jnp.abs, 0.0)], [ask_autograd(anp.abs, 0.0)], [], [ask_us(np.abs, 0.0)]],
    }  # fmt: skip


def test_ties_and_kinks_as_the_table_says():
    from importlib.metadata import version

    text = next(cell.source for cell in nbformat.read(ROOT / "nbs/06_flow.ipynb", 4).cells if "or at the kink |" in cell.source)
    head, _, *rows = [[part.strip() for part in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert [f"{name} {version(name).rsplit('.', 1)[0]}" for name in ("torch", "jax", "autograd", "micrograd")] == head[1:5]
    found = by_the_libraries()
    assert len(rows) == len(found)
    for (what, *said), (name, asked) in zip(rows, found.items()):
        assert name.split("(")[0] in what
        for cell, answers in zip(said, asked, strict=True):
            words = []
            for answer in answers:
                numbers = np.concatenate([np.ravel(g) for g in answer])
                words.append(", ".join({0.0: "0", 0.5: "½", 1.0: "1"}[float(g)] for g in numbers))
            assert cell == ("; along an axis ".join(dict.fromkeys(words)) or "–"), (what, cell, words)
    at = Node(0.0)
    assert gradient(Node(0.0) ** 2, at) == 0 and gradient(at**0, at) == 0 and gradient(at**2, at) == 0
    x = Node(1.0)
    assert gradient(np.minimum(x, Node(1.0)), x) == 0.5


# The drawing


def small_network(x, u):
    leaves = {"y": Node(1.0), "x": Node(x), "u": Node(u), "b": Node(-3.0)}
    s, m = leaves["x"] + leaves["y"], np.maximum(leaves["x"], leaves["u"])
    return sigmoid(0.5 * (s * m) + leaves["b"]), leaves


def twice_and_crossing():
    x, y = Node(2.0), Node(3.0)
    m = np.maximum(x, y)
    return (x * y + m) * x - np.tanh(m) / 2, {"x": x, "y": y}


def classifier():
    X, W, b = Node(np.ones((4, 3))), Node(np.ones((2, 3))), Node(np.zeros(2))
    return softmax_loss(X @ W.T + b, np.eye(2)[[0, 1, 0, 1]]).mean(), {"X": X, "W": W, "b": b}


def side_by_side():
    x = Node(3.0)
    return x * x, {"x": x}


def skips(depth):
    z = x = Node(-1.0)
    for _ in range(depth):
        z = z + sigmoid(z)
    return z, {"x": x}


def neuron():
    w, x = [Node(v) for v in (0.1, -0.22, 0.345)], [Node(v) for v in (1.0, 2.0, 3.0)]
    return relu(dot(w, x) + 0.5) * dot(w, w), {f"w{i}": each for i, each in enumerate(w)}


def long_numbers():
    x, y = Node(1.2345), Node(-0.004567)
    a, b = x * y, x - y
    return np.exp(a / b) * a + b, {"x": x, "y": y}


DRAWN = {
    **{f"network {x} {u}": (lambda x=x, u=u: small_network(x, u), 2.7) for x in (0.0, 1.0, 1.5, 2.0, 3.0) for u in (0.5, 1.5, 2.0, 2.5)},
    "crossing": (twice_and_crossing, 3.0), "arrays": (classifier, 2.2), "x * x": (side_by_side, 1.5), "long numbers": (long_numbers, 3.0),
    "skips": (lambda: skips(3), 2.5), "two skips": (lambda: skips(2), 2.0), "neuron": (neuron, 5.0), "one node": (lambda: (Node(3.0), {}), 1.0),
}  # fmt: skip


@pytest.mark.parametrize("case", DRAWN)
def test_the_texts_of_a_drawing_keep_clear_of_each_other_and_of_nodes(case):
    from matplotlib.patches import Circle

    from dlnbook.figures import figure

    build, height = DRAWN[case]
    output, names = build()

    @figure(width=5.2, height=height)
    def drawing(ax):
        words = engine.draw_flow(ax, output, names)
        ax.figure.draw_without_rendering()
        circles = [patch.get_window_extent() for patch in ax.patches if isinstance(patch, Circle)]
        texts = {text: text.get_window_extent() for text in ax.texts if text.get_text()}
        inside = [text for text, box in texts.items() if any(c.contains((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for c in circles)]
        assert len(inside) == len(circles) == len(list(flow.in_order(output)))
        beside = [text for text in texts if text not in inside]
        assert len(beside) == 2 * (1 + sum(len(node.inputs) for node in flow.in_order(output)))
        for i, one in enumerate(texts):
            for other in list(texts)[:i]:
                assert not texts[one].overlaps(texts[other]), (one.get_text(), other.get_text())
        for text in beside:
            box = texts[text]
            for c in circles:
                x, y = (c.x0 + c.x1) / 2, (c.y0 + c.y1) / 2
                apart = np.hypot(np.clip(x, box.x0, box.x1) - x, np.clip(y, box.y0, box.y1) - y)
                assert apart >= 0.99 * c.width / 2, text.get_text()
        for text in inside:
            assert any(texts[text].width < c.width and texts[text].height < 1.3 * c.height for c in circles)
        return words

    assert drawing().alt.count("gradient") == len(list(flow.in_order(output)))


# Depth, memory, threads


DEEP = """
import gc, json, sys, tracemalloc, weakref
gc.disable()
from dlnbook.engine import Node, gradient
gc.collect()
def chain(z, n, mixed):
    for _ in range(n):
        z = z * 0.5 + 0.5
        if mixed:
            z + 1  # a dead branch at every link
    return z
found = {}
for mixed in (False, True):
    x = Node(1.0)
    z = chain(x, 500_000 if not mixed else 100_000, mixed)
    found[f"value {mixed}"], found[f"gradient {mixed}"] = z.value, gradient(z, [x])[0]
    seen = weakref.ref(z)
    del z
    found[f"gone {mixed}"] = seen() is None
import numpy as np
x = z = Node(np.ones(2))
for _ in range(100_000):
    z = z + 1.0
found["arrays"] = gradient(z, x, seed=[1, 2]).tolist()
del z
found["collected"] = gc.collect()
print(json.dumps(found))
"""


def test_a_chain_of_a_million_nodes_is_built_walked_and_dropped():
    done = subprocess.run([sys.executable, "-c", DEEP], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["value False"] == found["value True"] == 1
    assert found["gradient False"] == found["gradient True"] == 0
    assert found["gone False"] and found["gone True"] and found["arrays"] == [1, 2]
    assert found["collected"] < 100  # nothing of ours


def test_a_dropped_graph_is_freed_without_the_collector():
    def build():
        x = Node(np.ones((50, 50)))
        w = [Node(0.5) for _ in range(20)]
        z = np.sum(np.tanh(x @ x.T) * dot(w, w)) + sum(each * each for each in w)
        gradients(z)
        gradient(z, w)
        return weakref.ref(z)

    build()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        build()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(20):
            assert build()() is None
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()
        gc.enable()
    assert gc.collect() < 50


def test_threads_share_leaves_and_do_not_meet():
    x, shared = Node(1.5), [Node(0.1 * i) for i in range(50)]
    wanted = {n: gradient(_long(x, shared, n), [x, *shared]) for n in range(8)}
    found, start = {}, threading.Barrier(8)

    def work(n):
        start.wait()
        for _ in range(5):
            found[n] = gradient(_long(x, shared, n), [x, *shared])

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        [each.start() for each in threads]
        [each.join() for each in threads]
    finally:
        sys.setswitchinterval(switch)
    for n in range(8):
        np.testing.assert_allclose(found[n], wanted[n], rtol=1e-12)


def _long(x, shared, n):
    z = x * (n + 1)
    for each in shared * 4:
        z = z * each + relu(each - x) - z * 0.5
    return z


def test_asking_twice_and_for_nodes_inside():
    x, y = Node([1.0, 2.0]), Node(3.0)
    s = x * y
    dead = s + 1
    z = np.sum(s * s)
    assert gradient(z, [x, y, s, dead, z])[1] == gradient(z, y) == 2 * 3 * 5
    assert gradient(z, s).tolist() == [6, 12] and gradient(z, dead).tolist() == [0, 0] and gradient(z, z) == 1
    assert dead not in gradients(z) and gradient(x, x, seed=[1, 2]).tolist() == [1, 2]
    assert gradient(y, y) == 1 and gradient(y, x).tolist() == [0, 0]


def test_operators_from_either_side_and_integers():
    x, A = Node(3.0), np.arange(6).reshape(2, 3)  # integers are promoted
    M = Node(A)
    assert M.value.dtype == "float64" and (M * np.array([1, 2, 3])).value.dtype == "float64"
    for value, at, node in ((2 + x, 1, x), (2 - x, -1, x), (2 * x, 2, x), (6 / x, -2 / 3, x), (2**x, 8 * np.log(2), x), (+(-x) * True, -1, x)):
        assert abs(gradient(value, node) - at) < 1e-15
    assert gradient(np.sum(np.ones((4, 2)) @ M), M).tolist() == [[4, 4, 4], [4, 4, 4]]
    assert gradient((M.T @ M).sum(), M).tolist() == (2 * A.sum(axis=1, keepdims=True) + 0 * A).tolist()
    for half in (np.float16, np.int32, np.uint8, bool):
        assert Node(np.ones(3, half)).value.dtype == "float64"


def test_dot_is_a_sum_of_products():
    rng = np.random.default_rng(0)
    w, x = [Node(v) for v in rng.normal(size=5)], [Node(v) for v in rng.normal(size=5)]
    for other in (x, [1.0, 2, np.float64(3), 4, x[0]], w):
        made, single = dot(w, other), sum(a * b for a, b in zip(w, other))
        assert abs(made.value - single.value) < 1e-14
        np.testing.assert_allclose(gradient(made * made, [*w, *x]), gradient(single * single, [*w, *x]), rtol=1e-13)
    for b in (Node(0.5), w[0], 2, np.float64(0.5)):
        made, single = dot(w, x, b), sum((p * q for p, q in zip(w, x)), b)
        assert made.value == single.value
        leaves = [*w, *x, *([b] if isinstance(b, Node) else [])]
        np.testing.assert_allclose(gradient(made * made, leaves), gradient(single * single, leaves), rtol=1e-13)


@pytest.mark.parametrize("engine", ["dot", "node for node"])
def test_the_step_of_the_benchmark_is_micrograds(engine):
    from sklearn.datasets import make_moons

    from benchmarks.flow import demo, near

    X, y = make_moons(n_samples=20, noise=0.1, random_state=1337)
    data = {"X": X.tolist(), "y": (2 * y - 1).tolist()}
    ours, theirs = demo(engine, "on", data, 1), demo("micrograd", "on", data, 1)
    assert near(ours["losses"], theirs["losses"], 1e-12) and near(ours["gradient"], theirs["gradient"], 1e-12)


# Bad input


x, M = Node(2.0), Node(np.ones((3, 2)))


BAD = {
    "shapes": (lambda: M + np.ones(3), ValueError, r"add: .*\(3, 2\) and \(3,\)"),
    "product": (lambda: M @ M, ValueError, r"matmul: .*\(3, 2\) and \(3, 2\)"),
    "reshape": (lambda: M.reshape(4), ValueError, r"reshape: .*\(3, 2\)"),
    "index": (lambda: M[5], IndexError, r"entries: .*\(3, 2\)"),
    "axis": (lambda: M.sum(axis=2), IndexError, r"sum: .*\(3, 2\)"),
    "option": (lambda: np.sum(M, dtype="f4"), TypeError, "sum: .*dtype"),
    "no rule": (lambda: np.floor(x), TypeError, "floor: there is no rule"),
    "no route": (lambda: np.linalg.norm(M), TypeError, "norm: there is no rule"),
    "reduce": (lambda: np.add.reduce(M), TypeError, "add: reduce"),
    "no seed": (lambda: gradient(M * 2, M), ValueError, r"seed: .*\(3, 2\).*multiply"),
    "seed's shape": (lambda: gradient(M * 2, M, seed=[1.0, 2]), ValueError, r"seed: .*\(3, 2\), got \(2,\)"),
    "NaN seed": (lambda: gradient(x * 2, x, seed=np.nan), ValueError, "seed: .*finite"),
    "infinite seed": (lambda: gradients(x * 2, seed=np.inf), ValueError, "seed: .*finite"),
    "complex seed": (lambda: gradient(x * 2, x, seed=1j), TypeError, "seed: "),
    "node as seed": (lambda: gradient(x * 2, x, seed=x), TypeError, "got a node"),
    "NaN": (lambda: Node(np.nan), ValueError, "value: .*finite"),
    "complex": (lambda: Node(1j), TypeError, "value: "),
    "object": (lambda: Node(np.array([None])), TypeError, "value: "),
    "text": (lambda: Node("3"), TypeError, "value: "),
    "ragged": (lambda: Node([[1], [2, 3]]), ValueError, "value: "),
    "node of node": (lambda: Node(x), TypeError, "got a node"),
    "object array": (lambda: M * np.array([None, 1]), TypeError, "multiply: .*object"),
    "text operand": (lambda: x * "3", TypeError, "multiply: "),
    "complex operand": (lambda: x * 1j, TypeError, "multiply: .*complex"),
    "array of nodes": (lambda: np.array([x, x]), TypeError, "got a node"),
    "list of nodes": (lambda: np.sum([x, x]), TypeError, "got a node"),
    "number as output": (lambda: gradient(2.0, x), TypeError, "output: "),
    "number as node": (lambda: gradient(x * 2, [x, 2.0]), TypeError, r"nodes\[1\]: "),
    "number as nodes": (lambda: gradient(x * 2, 2.0), TypeError, "nodes: "),
    "node as number": (lambda: float(x), TypeError, "got a node"),
    "node as index": (lambda: [1, 2][x], TypeError, "indices must be"),
    "node as targets": (lambda: softmax_loss(M, M), TypeError, "softmax_loss: .*argument 2"),
    "bad targets": (lambda: softmax_loss(M, np.ones((3, 2))), ValueError, "softmax_loss: .*sum to one"),
    "truth": (lambda: 1 if x else 0, TypeError, "truth value"),
    "comparison": (lambda: x < 3, TypeError, "less: "),
    "out": (lambda: np.exp(M, out=np.ones((3, 2))), TypeError, "exp: .*in place"),
    "array in place": (lambda: np.ones((3, 2)).__iadd__(M), TypeError, "add: .*in place"),
    "item in place": (lambda: M.__setitem__(0, 1), TypeError, "cannot be changed"),
    "value": (lambda: setattr(x, "value", 3), AttributeError, "value"),
    "inputs": (lambda: setattr(x, "inputs", (x,)), AttributeError, "inputs"),
    "dot": (lambda: dot([x], [x, x]), ValueError, "y: expected 1"),
    "dot of arrays": (lambda: dot([M], [M]), ValueError, "dot: "),
    "dot of numbers": (lambda: dot([1.0], [2.0]), TypeError, "dot: "),
    "dot of text": (lambda: dot([x], ["2"]), TypeError, "dot: "),
    "dot with a start of text": (lambda: dot([x], [x], "2"), TypeError, "dot: "),
    "dot with an array": (lambda: dot([x], [x], M), ValueError, "dot: "),
    "rule": (lambda: rule("x")(np.exp2), TypeError, r"derivatives\[0\]: "),
    "route": (lambda: route(1.0), TypeError, r"flows\[0\]: "),
    "no function": (lambda: rule(1.0)(3), TypeError, "function: "),
    "drawing": (lambda: engine.draw_flow(None, 3.0), TypeError, "output: "),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, kind, message = BAD[case]
    with pytest.raises(kind, match=message):
        call()
    assert gradient(x * 2, x) == 2 and gradient(np.sum(M), M).tolist() == np.ones((3, 2)).tolist()


def test_a_rule_that_does_not_fit_is_named():
    @route(lambda g, z, x: np.ones(7))
    def odd(x):
        return x

    with pytest.raises(ValueError, match=r"odd, on the way back: .*\(3, 2\), got \(7,\)"):
        gradient(odd(M), M, seed=np.ones((3, 2)))


def test_a_cycle_made_by_force_does_not_go_round_for_ever():
    "No operation makes one, and a node's inputs can't be set; by private slots they can."
    a = np.exp(Node(0.0))
    z = np.exp(np.exp(a) + a) * 2
    a._x = (z,)
    gradient(z, Node(1.0))  # comes to an end
    with pytest.raises(AttributeError):
        a.inputs = (z,)


def test_teaching_a_function_and_numbers_stay_numbers():
    assert relu(-1.0) == 0 and relu([1, -1]).tolist() == [1, 0] and sigmoid(0.0) == 0.5
    try:
        RULES[np.sign] = (lambda z, x: 0.0,)
        at = Node([0.0, 1.0])
        assert np.array_equal(gradient(np.sign(at) + at, at, seed=[1, 1]), [1, 1])
    finally:
        del RULES[np.sign]


@pytest.mark.parametrize("axes", [None, (0, 2, 1), (2, 0, 1), (-1, 0, 1)])
def test_transposition(axes):
    at, G = Node(np.arange(24.0).reshape(2, 3, 4)), None
    made = np.transpose(at, axes)
    G = np.random.default_rng(0).normal(size=made.shape)
    tensor = torch.tensor(at.value.copy(), requires_grad=True)
    tensor.permute(*(axes or (2, 1, 0))).backward(torch.tensor(G))
    assert np.array_equal(gradient(made, at, seed=G), tensor.grad.numpy())


@pytest.mark.parametrize("one, other", [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((4, 2, 3), (3, 5)), ((2, 3), (4, 3, 5)), ((4, 1, 2, 3), (5, 3, 2)), ((3,), (4, 3, 2)), ((4, 2, 3), (3,))])
def test_matrix_products_of_all_ranks(one, other):
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=one), rng.normal(size=other)
    G = rng.normal(size=np.shape(A @ B))
    nodes, tensors = [Node(A), Node(B)], [torch.tensor(each, requires_grad=True) for each in (A, B)]
    (tensors[0] @ tensors[1]).backward(torch.tensor(G))
    for mine, other in zip(gradient(nodes[0] @ nodes[1], nodes, seed=G), tensors):
        np.testing.assert_allclose(mine, other.grad.numpy(), rtol=1e-12, atol=1e-13)

# NumPy's functions, beside autograd and MyGrad


def listed():
    "The NumPy functions that autograd and MyGrad differentiate, by the tables in their packages: name to function."
    import autograd.core
    import mygrad.tensor_base as mygrad_tables

    found = {}
    for primitive in autograd.core.primitive_vjps:
        function = getattr(primitive, "fun", primitive)
        home, name = getattr(function, "__module__", None) or "numpy", getattr(function, "__name__", "")
        if home.split(".")[0] == "numpy" and hasattr(np, name) and home == "numpy":
            found[name] = getattr(np, name)
        elif home.startswith("numpy.") and name in vars(sys.modules[home]):
            found[f"{home.removeprefix('numpy.')}.{name}"] = vars(sys.modules[home])[name]
    for table in (mygrad_tables._REGISTERED_UFUNC, mygrad_tables._REGISTERED_DIFFERENTIABLE_NUMPY_FUNCS):
        found |= {each.__name__: each for each in table if getattr(np, each.__name__, None) is each}
    return found


def taught(function):
    return function in engine.RULES or function in engine.ROUTES or function in engine.SPELLED


def drawn(*shape, low=-2.0, high=2.0, seed=0):
    return np.random.default_rng(seed + 7 * len(shape)).uniform(low, high, shape)


X, Y = drawn(3, 4), drawn(3, 4, seed=1)
ABOVE, INSIDE = drawn(3, 4, low=1.1, high=3), drawn(3, 4, low=-0.9, high=0.9)
ONE_BY_ONE = {
    **dict.fromkeys(("sin cos tan sinh cosh tanh arctan arcsinh exp exp2 expm1 square negative positive absolute fabs "
                     "deg2rad rad2deg degrees radians conjugate sinc real").split(), [X]),
    **dict.fromkeys("sqrt log log2 log10 log1p reciprocal arccosh cbrt".split(), [ABOVE]),
    **dict.fromkeys("arcsin arccos arctanh".split(), [INSIDE]),
    **dict.fromkeys("add subtract multiply divide maximum minimum fmax fmin logaddexp logaddexp2 arctan2 hypot".split(), [X, Y]),
    **dict.fromkeys("power remainder".split(), [ABOVE, drawn(3, 4, low=0.3, high=0.9)]),
}  # fmt: skip
FUNCTIONS = {name: (lambda xp, *args, name=name: getattr(xp, name)(*args), arguments) for name, arguments in ONE_BY_ONE.items()}
FUNCTIONS |= {
    "sum": (lambda xp, x: xp.sum(x, axis=(0, 1)), [X]), "mean": (lambda xp, x: xp.mean(x, axis=0), [X]),
    "max": (lambda xp, x: xp.max(x, axis=1), [X]), "min": (lambda xp, x: xp.min(x, axis=0), [X]),
    "amax": (lambda xp, x: xp.amax(x), [X]), "amin": (lambda xp, x: xp.amin(x, axis=1, keepdims=True), [X]),
    "prod": (lambda xp, x: xp.prod(x, axis=1), [X]), "cumsum": (lambda xp, x: xp.cumsum(x, axis=1), [X]),
    "var": (lambda xp, x: xp.var(x, axis=0), [X]), "std": (lambda xp, x: xp.std(x, axis=1), [X]),
    "sort": (lambda xp, x: xp.sort(x[0]), [X]), "partition": (lambda xp, x: xp.partition(x[0], 2), [X]),
    "reshape": (lambda xp, x: xp.reshape(x, (2, 6)), [X]), "ravel": (lambda xp, x: xp.ravel(x), [X]),
    "transpose": (lambda xp, x: xp.transpose(x, (1, 0)), [X]), "swapaxes": (lambda xp, x: xp.swapaxes(x, 0, 1), [X]),
    "moveaxis": (lambda xp, x: xp.moveaxis(x, 0, 1), [X]), "rollaxis": (lambda xp, x: xp.rollaxis(x, 1), [X]),
    "expand_dims": (lambda xp, x: xp.expand_dims(x, 1), [X]), "squeeze": (lambda xp, x: xp.squeeze(x), [X[:1]]),
    "fliplr": (lambda xp, x: xp.fliplr(x), [X]), "flipud": (lambda xp, x: xp.flipud(x), [X]), "rot90": (lambda xp, x: xp.rot90(x), [X]),
    "roll": (lambda xp, x: xp.roll(x, 2, axis=1), [X]), "repeat": (lambda xp, x: xp.repeat(x, 2, axis=1), [X]),
    "tile": (lambda xp, x: xp.tile(x, (2, 1)), [X]), "broadcast_to": (lambda xp, x: xp.broadcast_to(x, (3, 4)), [X[:1]]),
    "diag": (lambda xp, x: xp.diag(x), [X[:3, :3]]), "diagonal": (lambda xp, x: xp.diagonal(x), [X[:3, :3]]),
    "trace": (lambda xp, x: xp.trace(x), [X[:3, :3]]), "tril": (lambda xp, x: xp.tril(x), [X]), "triu": (lambda xp, x: xp.triu(x, 1), [X]),
    "pad": (lambda xp, x: xp.pad(x, ((1, 2), (0, 1)), "constant"), [X]), "diff": (lambda xp, x: xp.diff(x, axis=1), [X]),
    "atleast_1d": (lambda xp, x: xp.atleast_1d(x), [X]), "atleast_2d": (lambda xp, x: xp.atleast_2d(x[0]), [X]),
    "atleast_3d": (lambda xp, x: xp.atleast_3d(x), [X]), "clip": (lambda xp, x: xp.clip(x, -0.5, 0.7), [X]),
    "where": (lambda xp, x, y: xp.where(X > 0, x, y), [X, Y]), "matmul": (lambda xp, x, y: xp.matmul(x, y), [X, Y.T]),
    "dot": (lambda xp, x, y: xp.dot(x, y), [X, Y.T]), "inner": (lambda xp, x, y: xp.inner(x, y), [X, Y]),
    "outer": (lambda xp, x, y: xp.outer(x, y), [X[0], Y[1]]), "tensordot": (lambda xp, x, y: xp.tensordot(x, y, 1), [X, Y.T]),
    "einsum": (lambda xp, x, y: xp.einsum("ij,kj->ki", x, y), [X, Y]),
    "concatenate": (lambda xp, x, y: xp.concatenate([x, y], axis=1), [X, Y]), "stack": (lambda xp, x, y: xp.stack([x, y], axis=1), [X, Y]),
    "split": (lambda xp, x: xp.split(x, 2, axis=1)[1], [X]), "array_split": (lambda xp, x: xp.array_split(x, 2)[0], [X]),
    "hsplit": (lambda xp, x: xp.hsplit(x, 2)[1], [X]), "vsplit": (lambda xp, x: xp.vsplit(x, 3)[1], [X]),
    "dsplit": (lambda xp, x: xp.dsplit(x, 2)[1], [drawn(2, 3, 4)]),
}  # fmt: skip


def ask_autograd(name, f, arguments, seed):
    if not hasattr(anp, name):
        return None
    try:
        return [autograd.grad(lambda *args: anp.sum(f(anp, *args) * seed), i)(*arguments) for i in range(len(arguments))]
    except NotImplementedError:
        return None  # in its namespace, without a rule


def ask_mygrad(name, f, arguments, seed):
    import mygrad

    if not hasattr(mygrad, name):
        return None
    tensors = [mygrad.tensor(each) for each in arguments]
    try:
        mygrad.sum(f(mygrad, *tensors) * seed).backward()
    except ValueError as error:  # in its namespace, without a rule
        assert "cannot involve non-constant" in str(error)
        return None
    return [each.grad for each in tensors]


def test_every_function_with_a_rule_is_tried_here():
    "Those that the other libraries list; how many of them have a rule is printed."
    functions = listed()
    ours = {name for name, each in functions.items() if taught(each)}
    print(f"{len(ours)} of the {len(functions)} NumPy functions that autograd and MyGrad differentiate have a rule; "
          f"not: {', '.join(sorted(functions.keys() - ours))}")  # fmt: skip
    assert len(ours) >= 2 * 20
    assert ours <= FUNCTIONS.keys() and all(taught(getattr(np, name)) for name in FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_beside_autograd_and_mygrad(name):
    f, arguments = FUNCTIONS[name]
    seed = np.random.default_rng(3).uniform(-1, 1, np.shape(f(np, *arguments)))
    nodes = [Node(each) for each in arguments]
    output = f(np, *nodes)
    np.testing.assert_allclose(output.value, f(np, *arguments), rtol=1e-14)
    ours, others = gradient(output, nodes, seed), [ask(name, f, arguments, seed) for ask in (ask_autograd, ask_mygrad)]
    exact = numeric.central_difference(lambda p: float(np.sum(f(np, *p) * seed)), [np.array(each) for each in arguments])
    for theirs in [*(each for each in others if each is not None), exact]:
        for mine, other in zip(ours, theirs):
            np.testing.assert_allclose(mine, np.asarray(other), rtol=1e-6 if theirs is exact else 1e-10, atol=1e-7 if theirs is exact else 1e-13)
    single = [Node(each.astype(np.float32)) for each in arguments]
    assert {g.dtype.name for g in gradient(f(np, *single), single, seed)} == {"float32"}


AXES = [None, 0, -1, (0, 2), (1,), (0, 1, 2)]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "var", "std", "ptp"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_axes_as_integers_and_tuples(name, axis, keepdims):
    at = drawn(2, 3, 4)
    f = getattr(np, name)
    node = Node(at)
    output = f(node, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(output.value, f(at, axis=axis, keepdims=keepdims), rtol=1e-13)
    seed = np.random.default_rng(0).uniform(-1, 1, output.shape)
    [exact] = numeric.central_difference(lambda p: float(np.sum(f(p[0], axis=axis, keepdims=keepdims) * seed)), [at])
    np.testing.assert_allclose(gradient(output, node, seed), exact, rtol=1e-5, atol=1e-8)
    by_position = f(node, axis) if not keepdims else output
    assert np.array_equal(by_position.value, output.value)


def test_ties_are_shared_along_axes():
    at = Node([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    assert gradient(at.max(axis=1), at, seed=[2, 3]).tolist() == [[0, 1, 1], [1, 1, 1]]
    assert gradient(at.min(axis=0), at, seed=[1, 1, 1]).tolist() == [[1, 0, 0], [0, 1, 1]]
    assert gradient(np.max(at, axis=(0, 1)), at).tolist() == [[0, 0.5, 0.5], [0, 0, 0]]
    assert gradient(np.clip(at, 2.0, None).sum(), at).tolist() == [[0, 1, 1], [0.5, 0.5, 0.5]]


def test_arrays_manners():
    at = Node(np.arange(6.0).reshape(2, 3))
    assert (len(at), at.ndim, at.size, at.shape, at.dtype) == (2, 2, 6, (2, 3), np.float64)
    assert (Node(2.0).ndim, Node(2.0).size, Node(2.0).shape, Node(2.0).dtype) == (0, 1, (), np.float64)
    assert Node(np.ones(2, "f4")).dtype == "float32" and np.ndim(at) == 2 and np.shape(at) == (2, 3) and np.size(at) == 6
    with pytest.raises(TypeError):
        len(Node(2.0))
    assert at[None].shape == (1, 2, 3) and at[()].shape == (2, 3) and Node(3.0)[()].value == 3 and Node(3.0)[None].shape == (1,)
    assert at.transpose(1, 0).shape == at.transpose((1, 0)).shape == at.T.shape == (3, 2) and at.ravel().shape == (6,)
    assert at.reshape(3, 2).shape == at.reshape((3, -1)).shape == (3, 2) and at.squeeze().shape == (2, 3)
    assert at.reshape(3, 2, order="F").value.tolist() == np.arange(6.0).reshape(2, 3).reshape(3, 2, order="F").tolist()
    assert [row.value.tolist() for row in at] == [[0, 1, 2], [3, 4, 5]] and np.argmax(at) == at.argmax() == 5
    flat = Node([1.0, 2.0])
    assert gradient(np.transpose(flat, 0), flat, seed=[5, 6]).tolist() == [5, 6]
    assert gradient(flat[None] @ flat, flat, seed=[1.0]).tolist() == [2, 4]
    assert flat.dot(flat).value == 5 and flat.clip(1.5, None).value.tolist() == [1.5, 2] and np.zeros_like(flat).tolist() == [0, 0]
    a, b = Node(1.0), Node(2.0)
    assert np.stack([a, b]).value.tolist() == [1, 2] and gradient(np.sum(np.stack([a, b, a])), a) == 2
    assert gradient(np.concatenate([flat, [3.0]]) @ [1.0, 2, 3], flat).tolist() == [1, 2]


# What was silent


def test_adding_in_place_is_a_new_node():
    for change in ("x += y", "x -= y", "x *= y", "x /= y", "x **= y", "x += 2", "x *= np.ones(2)", "x @= np.ones((2, 2))"):
        for start in (Node(3.0), Node([3.0, 4.0])):
            if "@" in change and start.ndim == 0:
                continue
            names = {"x": start, "y": Node(2.0), "np": np}
            exec(change, names)
            assert names["x"] is not start and names["x"].value is not start.value
            assert np.array_equal(start.value, 3.0 if start.ndim == 0 else [3.0, 4.0])


def test_a_gradient_in_a_graph_is_refused():
    one, other = Node(1.5), Node(2.0)
    by = gradient(one * other, other)
    v = Node([1.0, 2.0])
    by_v = gradient(np.sum(v * v), v)
    for use in (lambda: one * by, lambda: by * one, lambda: one + 2 * by, lambda: one - by**2, lambda: one / -by, lambda: v * by,
                lambda: v * by_v, lambda: by_v * v, lambda: v + np.sqrt(2 * by_v), lambda: one * np.sum(by_v * by_v), lambda: one + by_v[0],
                lambda: one * by_v.sum(), lambda: dot([one], [by]), lambda: np.where([True, False], v, by_v), lambda: np.stack([one, by]),
                lambda: one * np.linalg.norm(by_v), lambda: one * np.dot(by_v, by_v), lambda: v * np.where(by_v > 3, by_v, 0.0), lambda: one * np.sqrt(by),
                lambda: np.multiply(by, one), lambda: v * (by * np.ones(2)), lambda: one * round(np.linalg.norm(by_v), 1), lambda: v * np.split(by_v, 2)[0],
                lambda: one * gradients(one * other)[other]):  # fmt: skip
        with pytest.raises(TypeError, match="got a gradient, which would count as a constant"):
            use()
    assert by == 1.5 and isinstance(by, float) and repr(by) == "1.5" and repr(by_v) == "array([2., 4.])" and "constants" in gradient.__doc__
    assert (one * float(by)).value == 2.25 and (v * np.asarray(by_v)).value.tolist() == [2, 8]
    assert Node(one.value - 0.1 * by).value == 1.35 and Node(v.value - 0.1 * by_v).dtype == "float64"
    assert gradient(one * 2, one, seed=by) == 3  # handed on from one graph to another
    values = one.value, v.value.copy()
    for value, by_value in zip(values, (by, by_v)):
        into = np.array(value)
        into -= 0.1 * by_value  # where something is written to, there is no mark
        assert type(into) is np.ndarray and type(np.concatenate([by_v, by_v], out=np.empty(4))) is np.ndarray
        assert np.add(by_value, 1, out=into) is into and np.sum(np.array(by_value), axis=0, out=np.array(0.0)) == np.sum(by_value)
    assert np.percentile(by_v, 50) == 3 and np.linalg.norm(by_v).dtype == "float64" and f"{np.linalg.norm(by_v):.1f}" == "4.5"


@pytest.mark.parametrize("compare", ["==", "!=", "<", "<=", ">", ">="])
def test_comparisons_name_the_value(compare):
    for at in (Node(1.0), Node([1.0, 2.0])):
        for other in (1.0, at + 1, np.ones(2)):
            with pytest.raises(TypeError, match=r"node\.value"):
                eval(f"at {compare} other", {"at": at, "other": other})
            with pytest.raises(TypeError, match=r"node\.value"):
                eval(f"other {compare} at", {"at": at, "other": other})
    assert len({at, Node(1.0)}) == 2 and at in {at: 1}


def test_nothing_is_shared_that_its_owner_can_change():
    a = np.array([[1.0, 2], [3, 4]])
    one = Node([1.0, 1.0])
    y = np.sum(one * np.diag(a))
    index, mask, flags = np.array([0, 1]), np.array([True, False]), [0, 0]
    chosen, masked, listed = one[index], one[mask], one[flags]
    rows = np.array([2.0, 3.0])
    view = rows[:]
    view.flags.writeable = False
    from_view, times = Node(view), one * view
    where = np.where(mask, one, 0.0)
    shift = [1]
    rolled = np.roll(one, shift)
    a *= 10
    index[:], mask[:], flags[:], rows[:], shift[0] = 1, False, [1, 1], 9, 0
    assert gradient(y, one).tolist() == [1, 4]
    assert gradient(chosen, one, seed=[3, 5]).tolist() == [3, 5] and gradient(masked, one, seed=[3]).tolist() == [3, 0]
    assert gradient(listed, one, seed=[3, 5]).tolist() == [8, 0] and gradient(where, one, seed=[3, 5]).tolist() == [3, 0]
    assert from_view.value.tolist() == [2, 3] and gradient(times, one, seed=[1, 1]).tolist() == [2, 3]
    assert gradient(rolled, one, seed=[3, 5]).tolist() == [5, 3]
    frozen = np.ones(3)
    frozen.flags.writeable = False
    assert Node(frozen).value is frozen


def test_copies_and_pickles():
    import copy
    import pickle

    for leaf in (Node(3.0), Node([1.0, 2.0])):
        for again in (copy.copy(leaf), copy.deepcopy(leaf), pickle.loads(pickle.dumps(leaf))):
            assert again is not leaf and np.array_equal(again.value, leaf.value)
            with pytest.raises((ValueError, TypeError)):
                again.value[0] = 9
        for refuse in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="a graph can't be copied"):
                refuse(leaf * leaf)
    by = gradient(np.sum(leaf * leaf), leaf)
    assert pickle.loads(pickle.dumps(by)).tolist() == copy.deepcopy(by).tolist() == [2, 4]


@pytest.mark.parametrize("f, at", [(np.sqrt, 0.0), (np.log, 0.0), (lambda x: 1 / x, 0.0), (lambda x: x**-1.0, 0.0), (np.exp, 1000.0), (np.tanh, 800.0), (np.arcsin, 1.0), (np.log1p, -1.0)])
def test_single_numbers_and_arrays_agree_at_the_edge(f, at):
    one, many = Node(at), Node([at])
    with np.errstate(all="ignore"):
        single, array = gradient(f(one), one), gradient(f(many), many, seed=[1.0])
        assert np.array_equal([f(one).value], f(many).value, equal_nan=True)
    assert np.array_equal([single], array, equal_nan=True)


def test_tanh_keeps_its_digits_and_sinc_its_middle():
    import mpmath

    for at in (0.0, 1e-9, 0.5, 3.0, 15.0, 19.5, 40.0, 300.0):
        leaf = Node(at)
        np.testing.assert_allclose(gradient(np.tanh(leaf), leaf), float(mpmath.sech(at) ** 2), rtol=1e-14)
        np.testing.assert_allclose(gradient(np.tanh(Node([-at])), Node([0.0]), seed=[1.0]), 0)
    for at in (1e-5, 1e-3, 0.0099, 0.0101, 0.4):
        leaf = Node(at)
        exact = mpmath.diff(lambda t: mpmath.sin(mpmath.pi * t) / (mpmath.pi * t), at)
        np.testing.assert_allclose(gradient(np.sinc(leaf), leaf), float(exact), rtol=1e-9)


def test_what_is_said_shows_the_way():
    one = Node(1.0)
    with pytest.raises(TypeError, match=r"from dlnbook\.engine import RULES\nRULES\[numpy\.floor\] = "):
        np.floor(one)
    with pytest.raises(TypeError, match=r"numpy\.stack"):
        np.sum([one, one])
    with pytest.raises(TypeError, match="mask"):
        one * np.ma.masked_equal([3.0, -999.0], -999.0)
    with pytest.raises(TypeError, match="mask"):
        Node(np.ma.masked_equal([3.0, -999.0], -999.0))


def test_the_chapters_engine_and_this_one_agree():
    "Every chapter rule on arrays: the same numbers by the plain walk and by the fast one."
    rng = np.random.default_rng(0)
    at = [rng.uniform(0.5, 2, (3, 4)), rng.uniform(0.5, 2, (4,)), rng.uniform(0.5, 2, (4, 2))]

    def f(x, b, W):
        z = np.tanh(x * b - x / b) + np.log(np.maximum(x, b)) * np.exp(-b)
        return np.sum(np.mean(np.exp(flow.sigmoid(z) @ W), axis=0)[[0, 0, 1]]) + np.sum(softmax_loss(z @ W, np.eye(2)[[0, 1, 0]]))

    plain, ours = [flow.Node(each) for each in at], [Node(each) for each in at]
    found = flow.gradients(f(*plain))
    for node, mine in zip(plain, gradient(f(*ours), ours)):
        np.testing.assert_allclose(mine, found[node], rtol=1e-13)
