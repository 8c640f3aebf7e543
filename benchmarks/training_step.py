"""A training step of `dlnbook.tape`: beside its floor, chapter 9's workspace, plain NumPy, PyTorch, jax and scikit-learn.

    python -m benchmarks.training_step            measure (about ten minutes), print, keep results/training_step.json
    python -m benchmarks.training_step --quick    a look at it (a minute), nothing kept
    python -m benchmarks.training_step waterfall  chapter 9's waterfall alone (two minutes), kept beside the rest
    python -m benchmarks.training_step choices    the tape's choices alone (two minutes), kept beside the rest

The floor is the time of the matrix products that no step can do without, by `np.matmul(out=)`. Every library is
measured in processes of its own, and in each of them its steps take turns with the floor: what counts is the
median ratio to the floor of the same turn, so that a machine that slows down slows both. With one thread the
process is kept on one core, and times are the processor's, so that other programs disturb little.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

SHAPES = {
    "i": ((784, 30, 10), 10),
    "ii": ((784, 128, 64, 10), 128),
    "iii": ((784, 512, 512, 10), 256),
    "iv": ((784, 1024, 1024, 1024, 1024, 10), 512),
    "v": ((150_528, 100, 10), 32),
}
RECIPE = {
    "step": (
        "What `fit` runs for each batch: fetch the shuffled rows, forward, loss, test that it is finite, backward, update. ReLU, softmax, "
        "cross-entropy, plain SGD with η = 0.01, float32, labels. Data: uniform random numbers, 2,048 samples (128 for v); "
        "'tape, 60,000 samples': the same with data of that many, which no cache holds."
    ),
    "floor": "the products of a step in NumPy with samples as rows: Z W.T, D.T Z and, but for the first layer, D W; np.matmul(out=)",
    "plain": "chapter 8's three functions written out with the update layer by layer, X[rows] and one-hot T[rows]; loss as a float",
    "workspace": "dlnbook.workspace.step, chapter 9's, with its door; X[rows] and one-hot T[rows]",
    "tape": "dlnbook.tape.Tape.step",
    "torch": "nn.Sequential, F.cross_entropy, optim.SGD, eager; X[rows], zero_grad, backward, step, loss.item()",
    "jax": "one jitted function of parameters, data on the device and rows, parameters donated; float(loss)",
    "sklearn": "MLPClassifier.partial_fit(X[rows], y[rows]) with solver sgd, momentum 0, alpha 0",
    "times": (
        "Median over turns of the time of a step divided by the floor's in the same turn; of two processes the median. "
        "A turn repeats each until it takes some milliseconds. One thread: processor time on one core. Two: wall time, NumPy alone."
    ),
    "kernels": "Haswell: OPENBLAS_CORETYPE=Haswell. automatic: what OpenBLAS takes for the processor. torch and jax have their own.",
    "waterfall": (
        "The versions of a step in training_step_versions.py and the tape's, each with one technique more than the one before. Every "
        "process times all of them in turns with the floor; kept are the medians of the processes, and the lowest and highest of these."
    ),
    "choices": (
        "Time before by time after, median over turns, of three processes the median. tiles: product and addition of a layer's weights as a "
        "whole, by the same in tiles, by batch size and weights. additions: a tape's step with one addition, by that with one for each layer."
    ),
    "trainings": (
        "Whole trainings with the same hyper-parameters, shuffled every epoch: 64-30-10 on the digits (1,797), B 10, η 0.1, 20 epochs; "
        "784-128-64-10 on 60,000 pictures, B 128, η 0.1, 2 epochs. dlnbook: training.fit; scikit-learn: MLPClassifier.fit; torch: a loop "
        "over a permutation. float32, one thread, processor time; median of three processes each, in turns."
    ),
}
PEERS = ("torch", "jax", "sklearn")


# A step of each library


@functools.cache
def data(N: int, K: int, M: int) -> tuple[Any, Any, Any]:
    "Inputs, labels and a shuffled order, shared by all who use them."
    import numpy as np

    rng = np.random.default_rng(1)
    return rng.random((M, N), dtype=np.float32), rng.integers(0, K, M), rng.permutation(M)


def material(widths: tuple[int, ...], B: int, M: int) -> tuple[Any, Any, Any, Callable[[], Any]]:
    "A network, data, labels, and a function that gives the rows of the next batch."
    import numpy as np

    from dlnbook.network import Network

    network = Network(widths, rng=np.random.default_rng(0), dtype=np.float32)
    X, labels, order = data(widths[0], widths[-1], M)
    start = [0]

    def rows():
        start[0] = start[0] + B if start[0] + 2 * B <= M else 0
        return order[start[0] : start[0] + B]

    return network, X, labels, rows


def floor(widths: tuple[int, ...], B: int) -> Callable[[], None]:
    "The products."
    import numpy as np

    rng = np.random.default_rng(0)

    def numbers(*shape):
        return rng.random(shape, dtype=np.float32) / 100

    L = len(widths) - 1
    W, dW = ([None, *(numbers(k, n) for n, k in pairwise(widths))] for _ in range(2))
    Z, D = ([numbers(B, n) for n in widths] for _ in range(2))

    def run():
        for r in range(1, L + 1):
            np.matmul(Z[r - 1], W[r].T, out=Z[r])
        for r in range(L, 0, -1):
            np.matmul(D[r].T, Z[r - 1], out=dW[r])
            if r > 1:
                np.matmul(D[r], W[r], out=D[r - 1])

    return run


def step_plain(network, X, labels, rows, B, eta):
    import numpy as np

    from dlnbook.loss import cross_entropy, one_hot, softmax

    T_all = one_hot(labels, network.widths[-1]).astype(np.float32)
    W, b, f, R = network.W, network.b, (None, *network.activations), network.R

    def step():
        batch = rows()
        Z, A = [X[batch]], [None]
        T = T_all[batch]
        for r in range(1, R + 2):
            A.append(Z[r - 1] @ W[r].T + b[r])
            if r <= R:
                Z.append(f[r].f(A[r]))
        loss, D = float(cross_entropy(A[-1], T).mean()), softmax(A[-1]) - T
        for r in range(R + 1, 0, -1):
            dW, db = D.T @ Z[r - 1], D.sum(axis=0)
            if r > 1:
                D = f[r - 1].df(A[r - 1]) * (D @ W[r])
            weights, biases = W[r], b[r]
            weights -= eta / B * dW
            biases -= eta / B * db
        return loss

    return step


def step_workspace(network, X, labels, rows, B, eta):
    import numpy as np

    from dlnbook.loss import one_hot
    from dlnbook.workspace import Workspace, step

    work, T = Workspace(network, B), one_hot(labels, network.widths[-1]).astype(np.float32)

    def run():
        batch = rows()
        return step(work, X[batch], T[batch], eta)

    return run


def step_tape(network, X, labels, rows, B, eta):
    from dlnbook.tape import Tape

    tape = Tape(network, B)
    return lambda: tape.step(X, labels, rows(), eta)


def torch_model(network):
    "The same network in torch."
    import torch
    from torch import nn

    parts = []
    for r, (n, k) in enumerate(pairwise(network.widths), 1):
        link = nn.Linear(n, k)
        with torch.no_grad():
            link.weight.copy_(torch.from_numpy(network.W[r].copy()))
            link.bias.copy_(torch.from_numpy(network.b[r].copy()))
        parts += [link, nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def step_torch(network, X, labels, rows, B, eta):
    import torch
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(1)
    model = torch_model(network)
    optimizer = torch.optim.SGD(model.parameters(), lr=eta)
    X, labels = torch.from_numpy(X), torch.from_numpy(labels)

    def step():
        batch = torch.from_numpy(rows())
        optimizer.zero_grad()
        loss = cross_entropy(model(X[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def step_jax(network, X, labels, rows, B, eta):
    import jax
    import jax.numpy as jnp

    R = network.R
    parameters = [(jnp.array(network.W[r]), jnp.array(network.b[r])) for r in range(1, R + 2)]
    X, labels = jnp.array(X), jnp.array(labels)

    def loss_of(parameters, Z, y):
        for r, (W, b) in enumerate(parameters, 1):
            A = Z @ W.T + b
            Z = jax.nn.relu(A) if r <= R else A
        return -jnp.take_along_axis(jax.nn.log_softmax(Z), y[:, None], 1).mean()

    def update(parameters, X, labels, batch):
        loss, slopes = jax.value_and_grad(loss_of)(parameters, X[batch], labels[batch])
        return jax.tree.map(lambda p, g: p - eta * g, parameters, slopes), loss

    jitted = jax.jit(update, donate_argnums=0)

    def step():
        nonlocal parameters
        parameters, loss = jitted(parameters, X, labels, rows())
        return float(loss)

    return step


def sklearn_model(widths, B, eta, epochs):
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(
        widths[1:-1], solver="sgd", momentum=0.0, nesterovs_momentum=False, alpha=0.0, batch_size=B, learning_rate_init=eta,
        max_iter=epochs, tol=0.0, n_iter_no_change=epochs + 1, random_state=np.random.RandomState(0),
    )  # fmt: skip


def step_sklearn(network, X, labels, rows, B, eta):
    import numpy as np

    model, classes = sklearn_model(network.widths, B, eta, 1), np.arange(network.widths[-1])

    def step():
        batch = rows()
        model.partial_fit(X[batch], labels[batch], classes=classes)
        return model.loss_

    return step


def version(name: str) -> Callable[..., Any]:
    "One bar of the waterfall."

    def step_version(network, X, labels, rows, B, eta):
        import numpy as np

        from benchmarks.training_step_versions import VERSIONS
        from dlnbook.loss import one_hot

        return VERSIONS[name](network, X, one_hot(labels, network.widths[-1]).astype(np.float32), rows, B, eta)

    return step_version


WATERFALL = ("checked", "unchecked", "columns", "in place", "one pass", "one addition", "door")
STEPS = {
    "plain": step_plain, "workspace": step_workspace, "tape": step_tape, "tape, 60,000 samples": step_tape,
    "torch": step_torch, "jax": step_jax, "sklearn": step_sklearn,
}  # fmt: skip
STEPS |= {name: version(name) for name in WATERFALL}


def steps(libraries: list[str], seconds: float, threads: int, shapes: Iterable[str] = SHAPES) -> dict[str, Any]:
    "Time of each library's step over that of the floor, turn by turn, for some networks."
    if threads == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from benchmarks import _blas

    return {shape: race(libraries, shape, seconds, threads) | {"kernel": _blas()["kernel"]} for shape in shapes}


def race(libraries: list[str], shape: str, seconds: float, threads: int) -> dict[str, Any]:
    "One network."
    clock = time.process_time if threads == 1 else time.perf_counter
    widths, B = SHAPES[shape]
    contestants, losses = {"floor": floor(widths, B)}, {}
    for name in libraries:
        if "60,000" in name and shape not in ("i", "ii", "iii"):
            continue
        M = 60_000 if "60,000" in name else 128 if shape == "v" else 2048
        contestants[name] = STEPS[name](*material(widths, B, M), B, 0.01)
        losses[name] = [contestants[name]() for _ in range(3)]
    repeats, times = {}, {name: [] for name in contestants}
    for name, run in contestants.items():
        run()
        start = clock()
        run()
        repeats[name] = max(1, int(4e-3 / (clock() - start + 1e-9)))
    end, turns = time.perf_counter() + seconds, 0
    while turns < 5 or time.perf_counter() < end:
        for name, run in contestants.items():
            start = clock()
            for _ in range(repeats[name]):
                run()
            times[name].append((clock() - start) / repeats[name])
        turns += 1
    return {
        "floor, µs": 1e6 * median(times["floor"]),
        "ratios": {name: median(a / b for a, b in zip(times[name], times["floor"])) for name in losses},
        "losses": losses,
    }


def measure_steps(kernel: str, threads: int, groups: list[list[str]], seconds: float, rounds: int) -> dict[str, Any]:
    "All networks with one kernel and one number of threads; the libraries' processes take turns."
    processes = [clean(kernel, threads, "steps", group, seconds, threads) for _ in range(rounds) for group in groups]
    found: dict[str, Any] = {}
    for shape, (widths, B) in SHAPES.items():
        runs = [process[shape] for process in processes]
        same_numbers(runs)
        names = list(dict.fromkeys(name for run in runs for name in run["ratios"]))
        ratios = {name: median(run["ratios"][name] for run in runs if name in run["ratios"]) for name in names}
        found[shape] = {
            "network": "-".join(map(str, widths)),
            "batch size": B,
            "floor, µs": round(median(run["floor, µs"] for run in runs), 1),
            "times the floor": {name: round(ratio, 2) for name, ratio in ratios.items()},
            "times faster than": {name: round(ratios[name] / ratios["tape"], 2) for name in PEERS if name in ratios},
        }
        print(f"  {kernel:<9} {threads} thread{'s' * (threads > 1):<1} {shape:<4}", line(found[shape]), flush=True)
    return {"kernel": runs[0]["kernel"], "found": found}


def measure_waterfall(seconds: float, rounds: int) -> dict[str, Any]:
    "The versions of a step, for a small network, a middle one, and one with photographs."
    found: dict[str, Any] = {}
    for kernel in ("Haswell", "automatic"):
        runs = [clean(kernel, 1, "steps", [*WATERFALL, "tape"], seconds, 1, ["i", "ii", "v"]) for _ in range(rounds)]
        found[kernel] = {"kernel": runs[0]["i"]["kernel"], "processes": rounds, "found": {}}
        for shape in ("i", "ii", "v"):
            same_numbers([run[shape] for run in runs])
            ratios = {name: [run[shape]["ratios"][name] for run in runs] for name in (*WATERFALL, "tape")}
            found[kernel]["found"][shape] = {
                "network": "-".join(map(str, SHAPES[shape][0])),
                "batch size": SHAPES[shape][1],
                "floor, µs": round(median(run[shape]["floor, µs"] for run in runs), 1),
                "times the floor": {name: round(median(each), 3) for name, each in ratios.items()},
                "lowest and highest": {name: [round(min(each), 3), round(max(each), 3)] for name, each in ratios.items()},
            }
            print(f"  waterfall {kernel:<9} {shape:<4}", line(found[kernel]["found"][shape]), flush=True)
    return found


def line(found: dict[str, Any]) -> str:
    return f"floor {found['floor, µs']:>9,.1f} µs   " + "  ".join(f"{name} {x:.2f}" for name, x in found["times the floor"].items())


def same_numbers(runs: list[dict[str, Any]]) -> None:
    "The first losses of those who start alike must be alike."
    losses = {name: each for run in runs for name, each in run["losses"].items() if name != "sklearn" and "60,000" not in name}
    for name, each in losses.items():
        for ours, theirs in zip(losses["tape"], each):
            assert abs(ours - theirs) < 1e-4 * abs(ours), f"{name} has other losses: {each}, {losses['tape']}"


# Choices of the tape


def choices(seconds: float) -> dict[str, Any]:
    "What tiles bring to a product with its addition, by weights and batch; what additions layer by layer bring to a step."
    import numpy as np

    from dlnbook import tape
    from dlnbook.network import Network

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    found: dict[str, Any] = {"tiles": {}, "additions": {}}
    for P, N in TILED:
        W, dW = np.zeros((2, P, N), np.float32)
        for B in (8, 16, 32, 64, 128):
            D, Z = np.full((P, B), 1e-6, np.float32), np.ones((B, N), np.float32)
            calls = tape._tile_calls(D, Z, W, dW)
            gain = turns(lambda D=D, Z=Z: (np.matmul(D, Z, dW), np.add(W, dW, W)), lambda calls=calls: [call(*each) for call, each in calls], seconds)
            found["tiles"].setdefault(str(B), {})[f"{P} × {N}"] = gain
    for widths, B in ADDED:
        X, labels, order = data(widths[0], widths[-1], 1024)
        tapes, limit = [], tape._CACHE
        for at_once in (2**40, 0):
            tape._CACHE = at_once
            tapes.append(stepping(Network(widths, rng=np.random.default_rng(0), dtype=np.float32), X, labels, order[:B]))
        tape._CACHE = limit
        found["additions"]["-".join(map(str, widths)) + f", {B}"] = turns(*tapes, seconds)
    return found


TILED = ((128, 8192), (1024, 1024), (30, 40_000), (1024, 2048), (128, 16_384), (512, 6272), (1024, 4096), (2048, 2048), (64, 150_528), (100, 150_528), (300, 150_528))
ADDED = (((784, 30, 10), 64), ((784, 128, 64, 10), 128), ((784, 512, 10), 128), ((784, 512, 512, 10), 256), ((784, 1024, 1024, 1024, 1024, 10), 128))


def stepping(network: Any, X: Any, labels: Any, rows: Any) -> Callable[[], float]:
    from dlnbook.tape import Tape

    tape = Tape(network, len(rows))
    tape.step(X, labels, rows, 1e-3)  # its calls are written down
    return lambda: tape.step(X, labels, rows, 1e-3)


def turns(before: Callable, after: Callable, seconds: float) -> float:
    "Median, over turns, of the one's time by the other's."
    ratios, end = [], time.perf_counter() + seconds
    while len(ratios) < 7 or time.perf_counter() < end:
        times = []
        for run in (before, after):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
        ratios.append(times[0] / times[1])
    return median(ratios)


def measure_choices(seconds: float, rounds: int) -> dict[str, Any]:
    "Medians of some processes, by kernel."
    found: dict[str, Any] = {}
    for kernel in ("Haswell", "automatic"):
        runs = [clean(kernel, 1, "choices", seconds) for _ in range(rounds)]
        tiles = {B: {name: round(median(run["tiles"][B][name] for run in runs), 3) for name in each} for B, each in runs[0]["tiles"].items()}
        additions = {name: round(median(run["additions"][name] for run in runs), 3) for name in runs[0]["additions"]}
        found[kernel] = {"tiles": tiles, "additions": additions}
        print(f"  choices {kernel:<9}", {B: f"{min(each.values()):.2f}–{max(each.values()):.2f}" for B, each in tiles.items()}, additions, flush=True)
    return found


# Whole trainings


def pictures(which: str) -> tuple[Any, Any, str]:
    "Data of a training."
    import numpy as np

    if which == "digits":
        from dlnbook.data import digits

        X, y = digits()
        return X.astype(np.float32), y, "digits"
    folder = Path("/usr/share/datasets/fashion-mnist")
    found = {p.name: p for p in folder.rglob("train-*")} if folder.exists() else {}
    images = next((p for name, p in found.items() if "images" in name), None)
    labels = next((p for name, p in found.items() if "labels" in name), None)
    if images and labels:
        from dlnbook.data import read_idx

        return (read_idx(images).reshape(-1, 784) / 255).astype(np.float32), read_idx(labels).astype(np.int64), "Fashion-MNIST"
    rng = np.random.default_rng(0)
    return rng.random((60_000, 784), dtype=np.float32), rng.integers(0, 10, 60_000), "random numbers"


TRAININGS = {"digits": ((64, 30, 10), 10, 0.1, 20), "pictures": ((784, 128, 64, 10), 128, 0.1, 2)}


def training(library: str, which: str) -> dict[str, Any]:
    "Seconds of one library, and the share of the training set it has right."
    import warnings

    import numpy as np

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    widths, B, eta, epochs = TRAININGS[which]
    X, y, data = pictures(which)
    M, rng = len(X), np.random.default_rng(0)
    if library == "dlnbook":
        from dlnbook.network import Network
        from dlnbook.fitting import fit

        network = Network(widths, rng=rng, dtype=np.float32)

        def train():
            fit(network, X, y, epochs=epochs, batch_size=B, eta=eta, rng=rng, progress=False)

        def predict():
            return network.predict(X)

    elif library == "torch":
        import torch
        from torch.nn.functional import cross_entropy

        from dlnbook.network import Network

        torch.set_num_threads(1)
        model = torch_model(Network(widths, rng=rng, dtype=np.float32))
        optimizer = torch.optim.SGD(model.parameters(), lr=eta)
        inputs, labels = torch.from_numpy(X), torch.from_numpy(y)

        def train():
            for _ in range(epochs):
                order = torch.randperm(M)
                for start in range(0, M, B):
                    batch = order[start : start + B]
                    optimizer.zero_grad()
                    loss = cross_entropy(model(inputs[batch]), labels[batch])
                    loss.backward()
                    optimizer.step()
                    loss.item()

        def predict():
            return model(inputs).argmax(1).numpy()

    else:
        model = sklearn_model(widths, B, eta, epochs)

        def train():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it says that it has not converged
                model.fit(X, y)

        def predict():
            return model.predict(X)

    start = time.process_time()
    train()
    seconds = time.process_time() - start
    return {"seconds": seconds, "accuracy": float((predict() == y).mean()), "data": data}


def measure_trainings(rounds: int) -> dict[str, Any]:
    found = {}
    for which, (widths, B, eta, epochs) in TRAININGS.items():
        runs: dict[str, list] = {library: [] for library in ("dlnbook", "sklearn", "torch")}
        for _ in range(rounds):
            for library, each in runs.items():
                each.append(clean("automatic", 1, "training", library, which))
        seconds = {library: [run["seconds"] for run in each] for library, each in runs.items()}
        found[which] = {
            "network": "-".join(map(str, widths)), "batch size": B, "eta": eta, "epochs": epochs, "data": runs["dlnbook"][0]["data"],
            "seconds": {library: round(median(each), 3) for library, each in seconds.items()},
            "training accuracy": {library: round(each[0]["accuracy"], 3) for library, each in runs.items()},
            "times faster than": {
                library: round(median(a / b for a, b in zip(seconds[library], seconds["dlnbook"])), 2) for library in ("sklearn", "torch")
            },
        }  # fmt: skip
        print(f"  training {which:<9}", found[which]["seconds"], found[which]["times faster than"], flush=True)
    return found


# What was hoped for

GOALS = {
    ("Haswell", "1"): {"i": 1.5, "ii": 1.2, "iii": 1.08, "iv": 1.08, "v": 1.0},
    ("automatic", "1"): {"i": 1.8, "ii": 1.2, "iii": 1.08, "iv": 1.08, "v": 1.2},
    ("Haswell", "2"): {"ii": 1.4, "iii": 1.15, "iv": 1.15},
    ("automatic", "2"): {"ii": 1.4, "iii": 1.15, "iv": 1.15},
}
FASTER = {"i": 3.0, "ii": 1.25, "iii": 1.1, "iv": 1.1, "v": 1.1}
FASTER_TRAININGS = {"digits": 3.0, "pictures": 1.3}


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    "What was wanted, and what was found."
    rows = []
    for (kernel, threads), each in GOALS.items():
        for shape, wanted in each.items():
            got = found["steps"][kernel][threads][shape]["times the floor"]["tape"]
            rows.append({"what": f"{shape}, {kernel}, threads {threads}: times the floor", "at most": wanted, "found": got, "met": got <= wanted})
    for kernel in found["steps"]:
        for shape, wanted in FASTER.items():
            got = found["steps"][kernel]["1"][shape]["times faster than"]["torch"]
            rows.append({"what": f"{shape}, {kernel}: times faster than torch", "at least": wanted, "found": got, "met": got >= wanted})
    for which, wanted in FASTER_TRAININGS.items():
        got = found["trainings"][which]["times faster than"]["sklearn"]
        rows.append({"what": f"training, {which}: times faster than scikit-learn", "at least": wanted, "found": got, "met": got >= wanted})
    return rows


# Clean processes

TASKS = {"steps": steps, "choices": choices, "training": training}


def clean(kernel: str, threads: int, task: str, *args: Any) -> Any:
    "What a task returns in a process of its own."
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    environment |= dict.fromkeys(names, str(threads)) | ({"OPENBLAS_CORETYPE": kernel} if kernel != "automatic" else {})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.training_step", "--task"], input=json.dumps([task, args]), text=True,
        capture_output=True, env=environment, timeout=600,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{task} {args[:2]}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def sources() -> str:
    "A digest of the code that was measured."
    digest = hashlib.sha256()
    for name in ("activation", "fitting", "network", "tape", "training", "workspace"):
        path = Path(__file__).parent.parent / "dlnbook" / f"{name}.py"
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=["waterfall", "choices"], help="measure this alone")
    parser.add_argument("--quick", action="store_true", help="short turns, nothing kept")
    parser.add_argument("--task", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        task, args = json.load(sys.stdin)
        print(json.dumps(TASKS[task](*args)))
        return
    from benchmarks import RESULTS, keep, machine

    parts = {
        "waterfall": lambda: measure_waterfall(*((0.5, 1) if options.quick else (2.0, 5))),
        "choices": lambda: measure_choices(*((0.1, 1) if options.quick else (0.4, 3))),
    }
    if options.part:
        found = {"machine": machine()} | parts[options.part]()
        if not options.quick:
            kept = json.loads((RESULTS / "training_step.json").read_text(encoding="utf-8"))
            keep("training_step", kept | {"recipe": RECIPE, options.part: found})
        return
    seconds, rounds = (0.3, 1) if options.quick else (1.5, 2)
    ours = ["plain", "workspace", "tape", "tape, 60,000 samples"]
    began = time.perf_counter()
    found: dict[str, Any] = {"machine": machine("torch", "jax", "scikit-learn"), "recipe": RECIPE, "sources": sources(), "steps": {}}
    found["machine"]["load before"] = [round(each, 1) for each in os.getloadavg()]
    for kernel in ("Haswell", "automatic"):
        one = measure_steps(kernel, 1, [ours, *([name] for name in PEERS)], seconds, rounds)
        two = measure_steps(kernel, 2, [ours], seconds, rounds)
        found["steps"][kernel] = {"kernel": one["kernel"], "1": one["found"], "2": two["found"]}
    found |= {part: {"machine": machine()} | measure() for part, measure in parts.items()}
    found["trainings"] = measure_trainings(1 if options.quick else 3)
    found["goals"] = goals(found)
    print()
    for row in found["goals"]:
        bound = f"at most {row['at most']}" if "at most" in row else f"at least {row['at least']}"
        print(f"  {'met   ' if row['met'] else 'MISSED'} {row['what']:<48} {row['found']:>6.2f}   wanted {bound}")
    print(f"  {time.perf_counter() - began:.0f} s")
    if not options.quick:
        print(f"\nkept in benchmarks/results/{keep('training_step', found).name}")


if __name__ == "__main__":
    main()
