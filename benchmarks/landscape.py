"""Restarts, saddles and paths at full size: the results that the chapter on why it works shows beside its small run.

    python -m benchmarks.landscape [PART…]    about eight minutes on one core

restarts: networks 64-P-10 on the digits, ReLU, from a hundred random starts for each width. tanh: the same with tanh,
where no node can die. whole: wide networks with all samples in each step, so without noise, and as many steps.
critical: searches for places without a slope on a small task. paths: the ridges between networks of restarts, straight
and along a trained curve. Kept in benchmarks/results/landscape.json.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks import Experiment
from dlnbook.curvature import connect, critical_point, fit_together, jacobian_product, losses_at
from dlnbook.data import digits, split
from dlnbook.landscape import bezier
from dlnbook.network import Network

RECIPE: dict[str, Any] = {
    "restarts": {
        "widths": [2, 5, 10, 25, 50, 100, 250, 500], "count": 100, "epochs": 60, "batch_size": 32,
        "eta": [0.2, 0.02], "drop": 0.75, "activation": "relu", "dtype": "float32",
    },
    "tanh": {
        "widths": [2, 5, 10, 25, 50, 100], "count": 100, "epochs": 60, "batch_size": 32,
        "eta": [0.2, 0.02], "drop": 0.75, "activation": "tanh", "dtype": "float32",
    },
    "whole": {
        "widths": [100], "count": 10, "epochs": 2700, "batch_size": 1438,
        "eta": [0.2, 0.02], "drop": 0.75, "activation": "relu", "dtype": "float32",
    },
    "critical": {
        "widths": [2, 4, 8, 16], "seeds": [32, 32, 24, 12], "sizes": [1, 2], "stops": [0, 10, 30, 100, 300], "steps": 200,
        "samples": 100, "inputs": 6, "classes": 3, "smooth": 0.2, "down": 1e-3,
    },
    "paths": {"widths": [5, 10, 25, 50, 100], "pairs": 10, "epochs": 60, "batch_size": 32, "eta": 0.5, "places": 31},
}  # fmt: skip
_FEW = {"widths": [5], "count": 2, "epochs": 8, "dtype": "float64"}
SMALL = {
    "restarts": RECIPE["restarts"] | _FEW,
    "tanh": RECIPE["tanh"] | _FEW,
    "whole": RECIPE["whole"] | _FEW,
    "critical": RECIPE["critical"] | {"widths": [2], "seeds": [2], "stops": [0, 10], "steps": 4},
    "paths": RECIPE["paths"] | {"widths": [5], "pairs": 1, "epochs": 1, "places": 5},
}


def restarts(how: dict, X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray) -> tuple[list[dict], dict]:
    "Many trainings for each width: test losses, training losses, movement; and the networks."
    rows, trained = [], {}
    for width in how["widths"]:
        networks = [
            Network((64, width, 10), how["activation"], rng=np.random.default_rng([0, width, s]), dtype=how["dtype"])
            for s in range(how["count"])
        ]
        starts = [network.copy() for network in networks]
        late = how["drop"] * how["epochs"]
        fit_together(
            networks, X, y, epochs=how["epochs"], batch_size=how["batch_size"], rng=np.random.default_rng([0, width]),
            eta=lambda done, late=late: how["eta"][0] if done < late else how["eta"][1],
        )  # fmt: skip
        trained[width] = networks
        places = np.stack([network.parameters for network in networks])
        change = [network.parameters - start.parameters for network, start in zip(networks, starts)]
        bent = []
        for network, start, v in zip(networks, starts, change):
            straight, real = jacobian_product(start, X_test, v), network.scores(X_test) - start.scores(X_test)
            bent.append(np.linalg.norm(real - straight) / np.linalg.norm(real))
        rows.append({
            "width": width,
            "test_loss": losses_at(networks[0], places, X_test, y_test),
            "train_loss": losses_at(networks[0], places, X, y),
            "test_accuracy": [network.score(X_test, y_test) for network in networks],
            "distance": [np.linalg.norm(v) for v in change],
            "moved": [np.linalg.norm(v) / np.linalg.norm(s.parameters) for v, s in zip(change, starts)],
            "nonlinearity": bent,
        })  # fmt: skip
    return rows, trained


def small_task(seed: int = 0, how: dict = RECIPE["critical"]) -> tuple[np.ndarray, np.ndarray, float]:
    "The chapter's small task: a few digits in a few coordinates, with targets that finite weights can meet."
    X, y = digits()
    rows = np.random.default_rng(seed).permutation(len(X))
    rows = rows[y[rows] < how["classes"]][: how["samples"]]
    X = X[rows] - X[rows].mean(axis=0)
    X = X @ np.linalg.svd(X, full_matrices=False)[2][: how["inputs"]].T
    T = np.eye(how["classes"])[y[rows]] * (1 - how["smooth"]) + how["smooth"] / how["classes"]
    return X / X.std(axis=0), T, float(-(T * np.log(T)).sum(axis=1).mean())


def critical(how: dict) -> list[dict]:
    "Searches for places without a slope, from the ways of descents."
    found, (X, T, least) = [], small_task(how=how)
    for width, seeds in zip(how["widths"], how["seeds"]):
        for seed in range(seeds):
            network = Network((how["inputs"], width, how["classes"]), "tanh", rng=np.random.default_rng([3, width, seed]))
            network.parameters *= how["sizes"][seed % 2]
            for s in range(max(how["stops"]) + 1):
                if s in how["stops"]:
                    place, values, length = critical_point(network, X, T, steps=how["steps"])
                    found.append({
                        "width": width, "seed": seed, "after": s,
                        "excess": place.loss(X, T) - least,
                        "down": int((values < -how["down"] * np.abs(values).max()).sum()),
                        "parameters": len(values),
                        "length": length,
                    })  # fmt: skip
                network.parameters -= 0.5 * network.gradient(X, T)
    return found


def paths(how: dict, trained: dict, X: np.ndarray, y: np.ndarray) -> list[dict]:
    "How far the line and the trained curve between two networks rise above the higher end."
    rows = []
    s = np.linspace(0, 1, how["places"])
    for width in how["widths"]:
        line, curve = [], []
        for k in range(how["pairs"]):
            ends = [Network((64, width, 10), rng=np.random.default_rng(0)) for _ in range(2)]
            for end, network in zip(ends, trained[width][2 * k : 2 * k + 2]):
                end.parameters = network.parameters
            middle = connect(
                *ends, X, y, epochs=how["epochs"], batch_size=how["batch_size"], eta=how["eta"],
                rng=np.random.default_rng([6, 2 * k]),
            )  # fmt: skip
            first, last = (end.parameters for end in ends)
            for c, ridges in (((first + last) / 2, line), (middle, curve)):
                losses = losses_at(ends[0], bezier(first, c, last, s), X, y)
                ridges.append(losses.max() - max(losses[0], losses[-1]))
        rows.append({"width": width, "line": line, "curve": curve})
    return rows


def parts(settings: dict) -> dict:
    "The five parts; the paths go between networks of the first."
    sets = split(*digits(), rng=np.random.default_rng(0))
    trained = cache(lambda part: restarts(settings[part], *sets))
    return {
        "restarts": lambda: trained("restarts")[0],
        "tanh": lambda: trained("tanh")[0],
        "whole": lambda: trained("whole")[0],
        "critical": lambda: critical(settings["critical"]),
        "paths": lambda: paths(settings["paths"], trained("restarts")[1], *sets[:2]),
    }


EXPERIMENT = Experiment(__file__, RECIPE, SMALL, parts)

if __name__ == "__main__":
    EXPERIMENT.run(*sys.argv[1:])
