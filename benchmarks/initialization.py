"""The experiments of the chapter on initialization at full size.

    python -m benchmarks.initialization [PART…]

Takes about six minutes on one core and keeps results/initialization.json, which the chapter shows. In it, epochs or
steps of null were not enough within the limit, and −1 stands for a loss that became infinite.
"""

from __future__ import annotations

import math
import os
import sys
from functools import partial
from typing import Any

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks import Experiment
from dlnbook.data import digits, split
from dlnbook.descent import batches
from dlnbook.initialization import expected_spread, glorot, he, lecun, measured_spread, orthogonal, scaled
from dlnbook.delta import forward
from dlnbook.network import Network
from dlnbook.tape import Tape

ETA, HALF = 0.1, math.log(10) / 2

RECIPE: dict[str, Any] = {
    "data": "digits, 1438 for training by split(rng=default_rng(0)), inputs from 0 to 1; float64",
    "training": "plain steps on shuffled batches until an epoch's mean loss is below ½ ln 10; weights c times He's normal ones",
    "spread": {"what": "64-100×20-10, first 25 digits: measured over expected mean square, mean and 95 % half interval", "seeds": 400},
    "rules": {"what": "first 25 digits, widths equal and unequal, by start: measured over expected mean square at the logits and in layer 1, mean and 95 % half interval",
              "seeds": 200, "widths": {"even": [64, *[100] * 20, 10], "uneven": [64, 150, 50, 100, 30, 120, 60, 150, 40, 100, 10]}},
    "plateau": {"what": "64-30×R-10, ReLU, η 0.1, batches of 32: epochs by R and c", "seeds": 8, "most": 1000,
                "scales": {1: [0.7, 0.35, 0.18, 0.09, 0.045], 2: [0.7, 0.35, 0.18, 0.09, 0.045], 3: [0.7, 0.35, 0.18, 0.09], 4: [0.7, 0.35, 0.2, 0.14]}},
    "map": {"what": "64-30×8-10, ReLU, batches of 32: epochs by c and η", "seeds": 3, "most": 60,
            "scales": [2.0, 1.5, 1.2, 1.0, 0.85, 0.7, 0.5, 0.35], "etas": [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]},
    "batch": {"what": "64-30×8-10, ReLU, c ½: steps by η and batch size; alive: nodes on for some digit in the layer that has fewest",
              "seeds": 5, "most": 4000, "sizes": [8, 32, 128, 512], "etas": [0.1, 0.3]},
    "batch_tanh": "the same with tanh and ½ LeCun, η 0.1, batches of 8",
    "depth": {"what": "64-64×R-10, ReLU, batches of 32: epochs by start, R and η", "seeds": 3, "most": 30,
              "R": [4, 16, 30], "etas": [0.01, 0.03, 0.1]},
}  # fmt: skip
SMALL = RECIPE | {
    "spread": RECIPE["spread"] | {"seeds": 3},
    "rules": RECIPE["rules"] | {"seeds": 3, "widths": {"uneven": [64, 30, 15, 10]}},
    "plateau": RECIPE["plateau"] | {"seeds": 1, "scales": {1: [0.35], 2: [0.7]}},
    "map": RECIPE["map"] | {"seeds": 1, "most": 4, "scales": [2.0, 1.0], "etas": [0.03, 1.0]},
    "batch": RECIPE["batch"] | {"seeds": 1, "most": 90, "sizes": [128], "etas": [0.3]},
    "depth": RECIPE["depth"] | {"seeds": 1, "most": 4, "R": [4], "etas": [0.03]},
}


def data():
    "The training digits."
    X, y = digits()
    return split(X, y, rng=np.random.default_rng(0))[:2]


def shrunk(start, c):
    "An initializer times c."
    return lambda fan_out, fan_in, rng: c * start(fan_out, fan_in, rng)


def train(X, y, network, batch_size, eta, seed, most_epochs=math.inf, most_steps=math.inf):
    "Epochs and steps until an epoch's mean loss is below ½ ln 10: None if they are not enough, −1 if the loss blew up."
    rng, tape = np.random.default_rng([seed, 1]), Tape(network, batch_size)
    epochs = steps = 0
    with np.errstate(all="ignore"):
        while epochs < most_epochs and steps < most_steps:
            total = 0.0
            for rows in batches(len(X), batch_size, rng):
                total += len(rows) * tape.step(X, y, rows, eta)
                steps += 1
                if not math.isfinite(total):
                    return -1, -1
            epochs += 1
            if total / len(X) < HALF:
                return epochs, steps
    return None, None


def spread(X, y, settings):
    "Measured over expected at the far ends: forward, backward, and backward with random errors."
    X, y = X[:25], y[:25]
    widths, seeds = (64,) + (100,) * 20 + (10,), settings["spread"]["seeds"]
    starts = {
        "He, ReLU": (he, lambda o, i: 2 / i, "relu"),
        "fixed, ReLU": (scaled(1.1 * math.sqrt(0.02)), lambda o, i: 0.0242, "relu"),
        "LeCun, tanh": (lecun, lambda o, i: 1 / i, "tanh"),
    }
    found = {}
    for name, (start, variance, activation) in starts.items():
        forth, back, top, random = np.zeros((4, seeds))
        for s in range(seeds):
            network = Network(widths, activation, rng=np.random.default_rng(s), initialize=start)
            q, d = measured_spread(network, X, y)
            forth[s], back[s], top[s] = q[-1], d[1], d[-1]
            A, _ = forward(network.W, network.b, X, activation)
            D = np.random.default_rng([s, 2]).standard_normal((len(X), 10))
            for r in range(20, 0, -1):
                D = network.activations[0].df(A[r]) * (D @ network.W[r + 1])
            random[s] = (D**2).mean()
        q, d = expected_spread(widths, variance, activation, inputs=float((X**2).mean()))
        ratios = {"q": forth / q[-1], "d": back / (d[1] * top.mean()), "random": random / d[1]}
        found[name] = {way: [ratio.mean(), 1.96 * ratio.std(ddof=1) / math.sqrt(seeds)] for way, ratio in ratios.items()}
    return found


def rules(X, y, recipe):
    "Measured over expected at the far ends, for five starts and for equal and unequal widths."
    starts = {
        "He, ReLU": (he, lambda o, i: 2 / i, "relu"),
        "orthogonal, ReLU": (partial(orthogonal, gain=math.sqrt(2)), lambda o, i: 2 / max(o, i), "relu"),
        "LeCun, tanh": (lecun, lambda o, i: 1 / i, "tanh"),
        "Glorot, tanh": (glorot, lambda o, i: 2 / (o + i), "tanh"),
        "orthogonal, tanh": (orthogonal, lambda o, i: 1 / max(o, i), "tanh"),
    }
    return {name: {which: far_ends(X[:25], y[:25], widths, recipe["seeds"], *start) for which, widths in recipe["widths"].items()}
            for name, start in starts.items()}  # fmt: skip


def far_ends(X, y, widths, seeds, start, variance, activation):
    "Ratios forward and backward, the latter for the errors that there are."
    ends = []
    for seed in range(seeds):
        q, d = measured_spread(Network(widths, activation, rng=np.random.default_rng(seed), initialize=start), X, y)
        ends.append((q[-1], d[1], d[-1]))
    forth, back, top = np.array(ends).T
    q, d = expected_spread(widths, variance, activation, inputs=float((X**2).mean()), errors=top.mean())
    ratios = {"forward": forth / q[-1], "backward": back / d[1]}
    return {way: [ratio.mean(), 1.96 * ratio.std(ddof=1) / math.sqrt(seeds)] for way, ratio in ratios.items()}


def plateau(X, y, settings):
    "Epochs by number of hidden layers and scale."
    recipe = settings["plateau"]
    return {R: {c: [train(X, y, deep(R, 30, shrunk(he, c), seed), 32, ETA, seed, recipe["most"])[0]
                    for seed in range(recipe["seeds"])] for c in scales}
            for R, scales in recipe["scales"].items()}  # fmt: skip


def deep(R, width, start, seed, activation="relu"):
    "A network for the digits."
    return Network((64,) + (width,) * R + (10,), activation, rng=np.random.default_rng(seed), initialize=start)


def rescue(X, y, settings):
    "Epochs by scale and learning rate."
    recipe = settings["map"]
    epochs = [[[train(X, y, deep(8, 30, shrunk(he, c), seed), 32, eta, seed, recipe["most"])[0]
                for seed in range(recipe["seeds"])] for eta in recipe["etas"]] for c in recipe["scales"]]  # fmt: skip
    return {"scales": recipe["scales"], "etas": recipe["etas"], "epochs": epochs}


def by_batch(X, y, start, activation, size, eta, recipe):
    "Steps for each seed, and how many nodes are alive afterward."
    runs = []
    for seed in range(recipe["seeds"]):
        network = deep(8, 30, shrunk(start, 0.5), seed, activation)
        _, steps = train(X, y, network, size, eta, seed, most_steps=recipe["most"])
        A, _ = forward(network.W, network.b, X, activation)
        runs.append({"steps": steps, "alive": min(int((a > 0).any(axis=0).sum()) for a in A[1:-1])})
    return runs


def depth(X, y, settings):
    "Epochs by start, number of hidden layers and learning rate."
    recipe = settings["depth"]
    starts = {"he": he, "lecun": lecun, "glorot": glorot, "orthogonal": partial(orthogonal, gain=math.sqrt(2))}
    return {name: {R: {eta: [train(X, y, deep(R, 64, start, seed), 32, eta, seed, recipe["most"])[0]
                             for seed in range(recipe["seeds"])] for eta in recipe["etas"]} for R in recipe["R"]}
            for name, start in starts.items()}  # fmt: skip


def parts(settings):
    "Spreads at the far ends, and trainings by start, scale, batch size, learning rate and depth."
    (X, y), batch = data(), settings["batch"]
    by_size = lambda eta: {size: by_batch(X, y, he, "relu", size, eta, batch) for size in batch["sizes"]}
    return {
        "spread": lambda: spread(X, y, settings),
        "rules": lambda: rules(X, y, settings["rules"]),
        "plateau": lambda: plateau(X, y, settings),
        "map": lambda: rescue(X, y, settings),
        "batch": lambda: {eta: by_size(eta) for eta in batch["etas"]},
        "batch_tanh": lambda: by_batch(X, y, lecun, "tanh", 8, 0.1, batch),
        "depth": lambda: depth(X, y, settings),
    }


def closer():
    "Where some trainings have come to after two epochs: the parts only count epochs and steps."
    X, y = data()
    starts = {"he": shrunk(he, 0.7), "glorot": glorot, "orthogonal": partial(orthogonal, gain=math.sqrt(2))}
    networks = {name: deep(2, 30, start, 0) for name, start in starts.items()}
    networks["tanh"] = deep(2, 30, lecun, 0, "tanh")
    for network in networks.values():
        train(X, y, network, 32, ETA, 0, most_epochs=2)
    return {name: network.loss(X, y) for name, network in networks.items()}


EXPERIMENT = Experiment(__file__, RECIPE, SMALL, parts, closer)

if __name__ == "__main__":
    EXPERIMENT.run(*sys.argv[1:])
