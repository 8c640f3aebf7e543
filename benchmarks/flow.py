"""The graph engine `dlnbook.engine` beside micrograd, autograd, MyGrad, PyTorch and plain NumPy.

    python -m benchmarks.flow            measure (about three minutes), print, keep results/flow.json
    python -m benchmarks.flow --quick    a look at it, nothing kept

Every measurement runs in a process of its own that has imported nothing but what it measures. Processes of
different libraries take turns, so that a machine that slows down slows all of them; a ratio is the median of
the rounds' ratios. BLAS and PyTorch have one thread, and times are the processor's, so that other programs on
the machine disturb little. Values and gradients are compared before times are.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import time
from statistics import median
from typing import Any

RECIPE = {
    "times": "processor time of a single thread (time.process_time), each library in a clean process, in turns",
    "micrograd": (
        "micrograd's demo notebook: two moons (scikit-learn's make_moons, 100 samples, noise 0.1, random_state 1337), "
        "MLP(2, [16, 16, 1]) with ReLU, max-margin loss (1 − y·score) rectified and averaged, plus 1e-4 times the sum of all "
        "squared parameters. One step: inputs made nodes, forward, backward, update with the rate 1 − 0.9 k/100. "
        "'dot': a neuron is relu(dot(w, x, b)); 'node for node': sum(w·x) + b of single products and sums, as micrograd has it. "
        "Time of a step: median over the steps of a process after two to warm up. Collector on: as Python comes; "
        "off: gc.disable(), and gc.collect() between the steps, outside of the time."
    ),
    "expression": (
        "2,500 times u = tanh(x·y + z), where x, y, z are drawn among the 8 inputs and all u before by "
        "random.Random(0), and the sum of all u: 10,000 operations on single numbers. Time: forward and gradient by the "
        "8 inputs, median of 9 after one to warm up; torch in float64, recorded eagerly."
    ),
    "chain": (
        "z ← z·a, z ← z + b, 500,000 times each, with nodes a = b = ½: 1,000,000 nodes. Times with the collector off, median of 3 "
        "processes; memory by tracemalloc in a process of its own."
    ),
    "arrays": (
        "A chain of operations z ← f(z, w) on float64 arrays of n numbers (matmul: √n × √n), and the same arithmetic in plain "
        "NumPy: forward; then forward and back, where plain NumPy keeps the values, sends g back by hand and adds up w's "
        "gradient. Median of 9 to 200 repetitions; overhead: the difference for one node."
    ),
}
THREADS = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}


# (a) micrograd's demo network


def demo(engine: str, collector: str, data: dict[str, Any], steps: int) -> dict[str, Any]:
    "Losses, first gradient and seconds a step of one engine."
    random.seed(1337)
    step = demo_micrograd(data) if engine == "micrograd" else demo_flow(data, engine == "dot")
    if collector == "off":
        gc.disable()
    losses, seconds, first = [], [], None
    for k in range(steps + 2):
        start = time.process_time()
        loss, gradients = step(1.0 - 0.9 * k / 100)
        seconds.append(time.process_time() - start)
        losses.append(loss)
        first = first or gradients
        if collector == "off":
            gc.collect()
    return {"losses": losses, "gradient": first, "seconds": median(seconds[2:])}


def demo_micrograd(data):
    "The demo notebook's own lines; a step of it."
    from micrograd.engine import Value
    from micrograd.nn import MLP

    model = MLP(2, [16, 16, 1])

    def loss():
        inputs = [list(map(Value, row)) for row in data["X"]]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * score).relu() for yi, score in zip(data["y"], scores)]
        data_loss = sum(losses) * (1.0 / len(losses))
        reg_loss = 1e-4 * sum((p * p for p in model.parameters()))
        return data_loss + reg_loss

    def step(rate):
        total = loss()
        model.zero_grad()
        total.backward()
        gradients = [p.grad for p in model.parameters()]
        for p, g in zip(model.parameters(), gradients):
            p.data -= rate * g
        return total.data, gradients

    return step


def demo_flow(data, by_dot):
    "The same with nodes."
    from dlnbook.engine import Node, dot, gradient, relu

    def neuron(w, b, x):
        if by_dot:
            return dot(w, x, b)
        return sum((wi * xi for wi, xi in zip(w, x)), b)

    def score(layers, x):
        for layer in layers[:-1]:
            x = [relu(neuron(w, b, x)) for w, b in layer]
        [(w, b)] = layers[-1]
        return neuron(w, b, x)

    def loss(layers, parameters):
        inputs = [list(map(Node, row)) for row in data["X"]]
        scores = [score(layers, x) for x in inputs]
        losses = [relu(1 + -yi * s) for yi, s in zip(data["y"], scores)]
        data_loss = sum(losses) * (1.0 / len(losses))
        reg_loss = 1e-4 * sum(p * p for p in parameters)
        return data_loss + reg_loss

    layers = [
        [([Node(random.uniform(-1, 1)) for _ in range(n)], Node(0.0)) for _ in range(k)]
        for n, k in ((2, 16), (16, 16), (16, 1))
    ]

    def step(rate):
        nonlocal layers
        parameters = [p for layer in layers for w, b in layer for p in (*w, b)]
        total = loss(layers, parameters)
        gradients = gradient(total, parameters)
        new = iter([Node(p.value - rate * g) for p, g in zip(parameters, gradients)])
        layers = [[([next(new) for _ in w], next(new)) for w, b in layer] for layer in layers]
        return total.value, gradients

    return step


def compare_with_micrograd(rounds: int, steps: int) -> dict[str, Any]:
    from sklearn.datasets import make_moons

    X, y = make_moons(n_samples=100, noise=0.1, random_state=1337)
    data = {"X": X.tolist(), "y": (2 * y - 1).tolist()}
    found: dict[str, Any] = {}
    for collector in ("on", "off"):
        runs: dict[str, list] = {"micrograd": [], "dot": [], "node for node": []}
        for _ in range(rounds):
            for engine in runs:
                runs[engine].append(clean("demo", engine, collector, data, steps))
        theirs = runs["micrograd"][0]
        for ours in runs["dot"][0], runs["node for node"][0]:
            assert near(ours["losses"], theirs["losses"], 1e-12), "the losses differ"
            assert near(ours["gradient"], theirs["gradient"], 1e-12), "the gradients differ"
        seconds = {engine: [run["seconds"] for run in each] for engine, each in runs.items()}
        ratios = {
            engine: [a / b for a, b in zip(seconds["micrograd"], seconds[engine])] for engine in ("dot", "node for node")
        }
        found[f"collector {collector}"] = {
            "milliseconds a step": {engine: round(1e3 * median(each), 2) for engine, each in seconds.items()},
            "times faster": {engine: round(median(each), 2) for engine, each in ratios.items()},
            "times faster, lowest and highest round": {
                engine: [round(min(each), 2), round(max(each), 2)] for engine, each in ratios.items()
            },
        }
    found["first losses"] = [round(loss, 12) for loss in theirs["losses"][:3]]
    found["losses and gradients equal to"] = 1e-12
    return found


# (b) an expression of 10,000 single numbers


def drawn(count: int) -> list[tuple[int, int, int]]:
    rng = random.Random(0)
    return [tuple(rng.randrange(8 + k) for _ in range(3)) for k in range(count)]


INPUTS = [0.9, -0.7, 0.5, -0.3, 0.8, -0.6, 0.4, -0.2]


def expression(library: str, count: int, repeats: int) -> dict[str, Any]:
    "Value, gradient and seconds of one library."
    places = drawn(count)

    def compute(values, tanh):
        values = list(values)
        for i, j, k in places:
            values.append(tanh(values[i] * values[j] + values[k]))
        return sum(values[8:])

    ask = {"dlnbook": ask_dlnbook, "autograd": ask_autograd, "mygrad": ask_mygrad, "torch": ask_torch}[library](compute)
    ask()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        value, gradients = ask()
        seconds.append(time.process_time() - start)
    return {"value": float(value), "gradient": [float(g) for g in gradients], "seconds": median(seconds)}


def ask_dlnbook(compute):
    import numpy as np

    from dlnbook.engine import Node, gradient

    def ask():
        inputs = [Node(x) for x in INPUTS]
        output = compute(inputs, np.tanh)
        return output.value, gradient(output, inputs)

    return ask


def ask_autograd(compute):
    import autograd
    import autograd.numpy as anp

    both = autograd.value_and_grad(lambda inputs: compute(inputs, anp.tanh))
    return lambda: both(list(INPUTS))


def ask_mygrad(compute):
    import mygrad

    def ask():
        inputs = [mygrad.tensor(x) for x in INPUTS]
        output = compute(inputs, mygrad.tanh)
        output.backward()
        return output.item(), [x.grad for x in inputs]

    return ask


def ask_torch(compute):
    import torch

    torch.set_num_threads(1)

    def ask():
        inputs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in INPUTS]
        output = compute(inputs, torch.tanh)
        return output.item(), torch.autograd.grad(output, inputs)

    return ask


def compare_expressions(rounds: int, count: int = 2500, repeats: int = 9) -> dict[str, Any]:
    runs: dict[str, list] = {name: [] for name in ("dlnbook", "autograd", "mygrad", "torch")}
    for _ in range(rounds):
        for library in runs:
            runs[library].append(clean("expression", library, count, repeats))
    ours = runs["dlnbook"][0]
    for library, each in runs.items():
        assert near([ours["value"]], [each[0]["value"]], 1e-12), f"{library} has another value"
        assert near(ours["gradient"], each[0]["gradient"], 1e-12), f"{library} has another gradient"
    seconds = {library: [run["seconds"] for run in each] for library, each in runs.items()}
    return {
        "nodes": 4 * count,
        "milliseconds": {library: round(1e3 * median(each), 2) for library, each in seconds.items()},
        "times faster": {
            library: round(median([a / b for a, b in zip(seconds[library], seconds["dlnbook"])]), 2)
            for library in ("autograd", "mygrad", "torch")
        },
        "value": round(ours["value"], 12),
        "values and gradients equal to": 1e-12,
    }


# (c) a chain of a million nodes


def chain(length: int, traced: bool) -> dict[str, Any]:
    "Seconds, or bytes, of building, differentiating and dropping it; without the garbage collector."
    import tracemalloc
    import weakref

    from dlnbook.engine import Node, gradient

    gc.collect()
    gc.disable()
    if traced:
        tracemalloc.start()
    x, a, b = Node(1.0), Node(0.5), Node(0.5)

    def bytes_now():
        return tracemalloc.get_traced_memory()[0] if traced else 0

    empty, begin = bytes_now(), time.process_time()
    z = x
    for _ in range(length // 2):
        z = z * a
        z = z + b
    built, mid = bytes_now(), time.process_time()
    if traced:
        tracemalloc.reset_peak()
    found = gradient(z, [x, a, b])
    end = time.process_time()
    peak = tracemalloc.get_traced_memory()[1] if traced else 0
    assert z.value == 1.0 and found[0] == 0.5 ** (length // 2) and found[1] == 2.0 and found[2] == 2.0
    witness, drop = weakref.ref(z), time.process_time()
    del z
    dropped = time.process_time()
    assert witness() is None
    left = bytes_now()
    unreachable = gc.collect()
    return {
        "forward": (mid - begin) / length,
        "backward": (end - mid) / length,
        "drop": (dropped - drop) / length,
        "bytes": (built - empty) / length,
        "bytes on the way back": (peak - built) / length,
        "bytes left": left - empty,
        "found by the collector": unreachable,
    }


def deepest(engine: str) -> int:
    "The longest chain of additions that an engine differentiates, among powers of ten."
    length = 1
    while length < 10**6:
        try:
            if engine == "micrograd":
                from micrograd.engine import Value

                x = z = Value(1.0)
            else:
                from dlnbook.engine import Node, gradient

                x = z = Node(1.0)
            for _ in range(10 * length):
                z = z + 1.0
            if engine == "micrograd":
                z.backward()
                assert x.grad == 1.0
            else:
                assert gradient(z, x) == 1.0
        except RecursionError:
            return length
        length *= 10
    return length


def measure_chain(rounds: int, length: int = 1_000_000) -> dict[str, Any]:
    timed = [clean("chain", length, False) for _ in range(rounds)]
    traced = clean("chain", length, True)
    assert traced["bytes left"] < 10_000 and traced["found by the collector"] < 100
    return {
        "nodes": length,
        "microseconds a node": {
            name: round(1e6 * median([run[name] for run in timed]), 3) for name in ("forward", "backward", "drop")
        },
        "bytes a node": round(traced["bytes"], 1),
        "bytes a node more, at most, on the way back": round(traced["bytes on the way back"], 3),
        "bytes left when the output is dropped": traced["bytes left"],
        "objects left to the collector": traced["found by the collector"],
        "longest chain differentiated, tried in powers of ten": {
            engine: clean("deepest", engine) for engine in ("micrograd", "dlnbook")
        },
    }


# (d) arrays, beside plain NumPy


def arrays(operation: str, size: int, links: int, repeats: int) -> dict[str, float]:
    "Seconds a link of a chain, by nodes and by hand, forward alone and with the way back."
    import numpy as np

    from dlnbook.engine import Node, gradient

    rng = np.random.default_rng(0)
    side = round(size**0.5)
    shape = (side, side) if operation == "matmul" else (size,)
    x, w = rng.uniform(0.5, 1, shape), rng.uniform(0.9, 1, shape)
    if operation == "matmul":
        w /= side
    one, other = Node(x), Node(w)
    f = {
        "add": lambda z, w: z + w,
        "multiply": lambda z, w: z * w,
        "tanh": lambda z, w: np.tanh(z),
        "matmul": lambda z, w: z @ w,
    }[operation]
    unary = operation == "tanh"
    seed = np.ones(shape)

    def forward(z, w):
        for _ in range(links):
            z = f(z, w)
        return z

    def by_nodes():
        return gradient(forward(one, other), [one] if unary else [one, other], seed)

    def by_hand():
        values = [x]
        for _ in range(links):
            values.append(f(values[-1], w))
        g, by_w = seed, 0.0
        for z, new in zip(reversed(values[:-1]), reversed(values)):
            if operation == "add":
                by_w = by_w + g
            elif operation == "multiply":
                by_w = by_w + g * z
                g = g * w
            elif operation == "tanh":
                g = g * (1 - new * new)
            else:
                by_w = by_w + z.T @ g
                g = g @ w.T
        return [g] if unary else [g, by_w]

    for mine, plain in zip(by_nodes(), by_hand()):
        np.testing.assert_allclose(mine, plain, rtol=1e-12)
    calls = {
        "nodes, forward": lambda: forward(one, other),
        "NumPy, forward": lambda: forward(x, w),
        "nodes, both": by_nodes,
        "NumPy, both": by_hand,
    }
    seconds: dict[str, list] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.process_time()
            call()
            seconds[name].append((time.process_time() - start) / links)
    return {name: median(each) for name, each in seconds.items()}


def measure_arrays(sizes=(1, 100, 10_000, 1_000_000)) -> list[dict[str, Any]]:
    rows = []
    for operation in ("add", "multiply", "tanh", "matmul"):
        for size in sizes:
            repeats, links = (200, 50) if size <= 100 else (40, 20) if size <= 10_000 else (9, 6)
            found = clean("arrays", operation, size, links, repeats)
            micro = {name: round(1e6 * each, 2) for name, each in found.items()}
            rows.append({
                "operation": operation, "numbers": size, "microseconds": micro,
                "overhead a node, forward": round(micro["nodes, forward"] - micro["NumPy, forward"], 2),
                "overhead a node, both": round(micro["nodes, both"] - micro["NumPy, both"], 2),
                "times NumPy, both": round(micro["nodes, both"] / micro["NumPy, both"], 2),
            })  # fmt: skip
    return rows


# Clean processes


TASKS = {"demo": demo, "expression": expression, "chain": chain, "deepest": deepest, "arrays": arrays}


def clean(task: str, *args: Any) -> Any:
    "What a task returns in a process of its own."
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.flow", "--task"], input=json.dumps([task, args]), text=True,
        capture_output=True, env=os.environ | THREADS, timeout=600,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{task} {args[:2]}: {done.stderr}")
    return json.loads(done.stdout)


def near(ours: list[float], theirs: list[float], tolerance: float) -> bool:
    "Whether two rows of numbers are equal up to a part of the larger row's norm."
    apart = sum((a - b) ** 2 for a, b in zip(ours, theirs, strict=True)) ** 0.5
    return apart <= tolerance * sum(b * b for b in theirs) ** 0.5


def report(found: dict[str, Any]) -> str:
    "The table."
    lines = ["micrograd's demo step       micrograd   dot           node for node"]
    for collector in ("on", "off"):
        part = found["micrograd"][f"collector {collector}"]
        ms, times = part["milliseconds a step"], part["times faster"]
        lines.append(
            f"  collector {collector:<3}          {ms['micrograd']:8.1f} ms {ms['dot']:6.1f} ms {times['dot']:4.1f}× "
            f"{ms['node for node']:6.1f} ms {times['node for node']:4.1f}×"
        )
    part = found["expression"]
    lines.append(f"\nexpression of {part['nodes']:,} nodes")
    lines += [
        f"  {library:<10} {ms:8.1f} ms" + (f" {part['times faster'][library]:5.1f}×" if library != "dlnbook" else "")
        for library, ms in part["milliseconds"].items()
    ]
    part = found["chain"]
    us = part["microseconds a node"]
    deep = part["longest chain differentiated, tried in powers of ten"]
    lines += [
        f"\nchain of {part['nodes']:,} nodes",
        f"  a node: forward {us['forward']} µs, backward {us['backward']} µs, dropped in {us['drop']} µs without the collector",
        f"  a node: {part['bytes a node']} bytes, on the way back {part['bytes a node more, at most, on the way back']} more",
        f"  longest chain: micrograd {deep['micrograd']:,}, dlnbook {deep['dlnbook']:,} (the longest tried)",
        "\narrays: µs a node      forward  NumPy  overhead      both  NumPy  overhead",
    ]
    for row in found["arrays"]:
        us = row["microseconds"]
        lines.append(
            f"  {row['operation']:<8} {row['numbers']:>9,} {us['nodes, forward']:10.1f} {us['NumPy, forward']:6.1f} "
            f"{row['overhead a node, forward']:9.1f} {us['nodes, both']:9.1f} {us['NumPy, both']:6.1f} {row['overhead a node, both']:9.1f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, nothing kept")
    parser.add_argument("--task", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        task, args = json.load(sys.stdin)
        print(json.dumps(TASKS[task](*args)))
        return
    from benchmarks import keep, machine

    rounds = 1 if options.quick else 5
    os.environ.update(THREADS)
    found: dict[str, Any] = {"machine": machine("micrograd", "autograd", "mygrad", "torch", "scikit-learn"), "recipe": RECIPE}
    found["micrograd"] = compare_with_micrograd(rounds, 4 if options.quick else 10)
    found["expression"] = compare_expressions(rounds)
    found["chain"] = measure_chain(1 if options.quick else 3)
    found["arrays"] = measure_arrays()
    print(report(found))
    if not options.quick:
        print(f"\nkept in benchmarks/results/{keep('flow', found).name}")


if __name__ == "__main__":
    main()
