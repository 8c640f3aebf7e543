"""Which activation function learns the digits: the results that chapter 11 shows.

    python -m benchmarks.nonlinearities [PART…]

Three experiments on the 8 × 8 digits, all with the plain training of chapter 10.

learning: each function, 2 and 10 hidden layers, three starts: variance of the weights 1/fan-in; 1/(φ² fan-in) with φ the
function's root-mean-square slope for standard normal sums (own); and the gain with which, by the spreads that it makes
itself, as much of a gradient arrives in the first layer as left the last (balanced). Six learning rates, five
seeds. The learning rate is chosen by the mean validation accuracy; the test accuracies at it are what the chapter reports.

curves: each function at the rate chosen there, 10 hidden layers, both starts: the loss epoch by epoch, and of the slopes
at the training digits, before and after, how many are exactly 0 and how many below a tenth of the function's largest.

dying: ReLU and leaky ReLU, 3 hidden layers, six learning rates, ten seeds: how many units are dead at the end.

About ten minutes on one core. Kept in benchmarks/results/nonlinearities.json.
"""

from __future__ import annotations

import os
import sys
from functools import cache, partial
from typing import Any

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks import Experiment
from dlnbook.activation import ACTIVATIONS
from dlnbook.data import digits, split
from dlnbook.fitting import TrainingDiverged, fit
from dlnbook.network import Network
from dlnbook.nonlinearities import dead_units, elu, gelu, leaky_relu, lecun_tanh, silu, slopes

RECIPE: dict[str, Any] = {
    "data": "digits",
    "width": 40,
    "dtype": "float32",
    "validation": 0.1,
    "batch_size": 16,
    "epochs": 40,
    "seeds": [0, 1, 2, 3, 4],
    "etas": {"2": [0.03, 0.1, 0.3, 1.0, 3.0, 10.0], "10": [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]},
    "curves": {"layers": 10, "small": 0.1},
    "dying": {"layers": 3, "etas": [0.1, 0.3, 0.6, 1.0, 1.5, 2.0], "seeds": list(range(10)), "epochs": 10},
}
SMALL = RECIPE | {
    "width": 8,
    "dtype": "float64",
    "epochs": 2,
    "seeds": [0],
    "etas": {"2": [0.1, 0.3]},
    "curves": {"layers": 2, "small": 0.1},
    "dying": {"layers": 2, "etas": [1.0], "seeds": [0], "epochs": 2},
}
#: The functions, as the chapter calls them.
FUNCTIONS = {
    "sigmoid": ACTIVATIONS["sigmoid"], "tanh": ACTIVATIONS["tanh"], "LeCun's tanh": lecun_tanh,
    "ReLU": ACTIVATIONS["relu"], "leaky ReLU": leaky_relu(), "ELU": elu(), "SiLU": silu, "GELU": gelu,
}  # fmt: skip


BELL = np.linspace(-10, 10, 20_002)  # an even number: no point lies on a kink at 0
HEIGHT = np.exp(-(BELL**2) / 2) / np.exp(-(BELL**2) / 2).sum()


def own_gain(function) -> float:
    "One over the root-mean-square slope for standard normal sums."
    return float(1 / np.sqrt(HEIGHT @ function.df(BELL) ** 2))


def passed_back(function, gain: float, layers: int, spread: float) -> float:
    "What all layers make of a gradient's square, by the spreads that inputs of this spread lead to."
    product = 1.0
    for _ in range(layers):
        spread *= gain
        product *= gain**2 * float(HEIGHT @ function.df(spread * BELL) ** 2)
        spread = float(np.sqrt(HEIGHT @ function.f(spread * BELL) ** 2))
    return product


def balanced_gain(function, layers: int, spread: float) -> float:
    "The gain for which that is 1."
    low, high = 0.1, 30.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if passed_back(function, middle, layers, spread) < 1 else (low, middle)
    return low


def scaled_normal(fan_out, fan_in, rng, gain=1.0):
    "An initializer: normal, variance gain²/fan-in."
    return rng.normal(0, gain / np.sqrt(fan_in), (fan_out, fan_in))


def largest_slope(function) -> float:
    "The largest slope that the function has."
    return float(np.abs(function.df(np.linspace(-10, 10, 20_002))).max())


def slope_shares(network, X, small: float) -> tuple[float, float]:
    "Of the slopes of all hidden layers: how many are 0, and how many below a part of the largest."
    found = [(np.mean(s == 0), np.mean(np.abs(s) < small * largest_slope(f)))
             for s, f in zip(slopes(network, X)[1:], network.activations)]  # fmt: skip
    zero, below = np.mean(found, axis=0)
    return float(zero), float(below)


def train(function, layers: int, gain: float, eta: float, seed: int, epochs: int, recipe: dict) -> dict:
    "One training and its measures."
    rng = np.random.default_rng(seed)
    X, y, X_test, y_test = split(*digits(), rng=rng)
    X, y, X_val, y_val = split(X, y, recipe["validation"], rng=rng)
    X, X_val, X_test = ((part - X.mean(axis=0)).astype(recipe["dtype"]) for part in (X, X_val, X_test))
    widths = (64,) + (recipe["width"],) * layers + (10,)
    first = partial(scaled_normal, gain=gain)
    network = Network(widths, function, rng=rng, initialize=first, dtype=recipe["dtype"])
    diverged, before, history = False, slope_shares(network, X, recipe["curves"]["small"]), None
    try:
        history = fit(network, X, y, epochs=epochs, batch_size=recipe["batch_size"], eta=eta, rng=rng, progress=False)
    except TrainingDiverged:
        diverged = True
    dead = np.concatenate(dead_units(network, X)[1:])
    return {
        "validation": network.score(X_val, y_val),
        "test": network.score(X_test, y_test),
        "dead": float(dead.mean()),
        "diverged": diverged,
        "loss": list(history.loss) if history else [],
        "slopes": [*before, *slope_shares(network, X, recipe["curves"]["small"])],
    }


@cache
def input_spread() -> float:
    "Root mean square of the centered digits."
    X, _ = digits()
    return float(np.sqrt(np.mean((X - X.mean(axis=0)) ** 2)))


def starts(function, layers: int) -> dict[str, float]:
    "The gains of the three starts."
    return {"1/fan-in": 1.0, "own": own_gain(function), "balanced": balanced_gain(function, layers, input_spread())}


def learning(recipe: dict) -> list[dict]:
    "All functions, depths, starts and learning rates; of the rates only the chosen one in full."
    rows = []
    for layers, etas in recipe["etas"].items():
        for name, function in FUNCTIONS.items():
            for start, gain in starts(function, int(layers)).items():
                found = {
                    eta: [train(function, int(layers), gain, eta, seed, recipe["epochs"], recipe) for seed in recipe["seeds"]]
                    for eta in etas
                }
                means = {eta: float(np.mean([run["validation"] for run in runs])) for eta, runs in found.items()}
                eta = max(means, key=means.get)
                tests = [run["test"] for run in found[eta]]
                row = {"function": name, "layers": int(layers), "start": start, "gain": gain, "eta": eta, "test": tests}
                rows.append(row | {"validation": {f"{eta:g}": mean for eta, mean in means.items()}})
    return rows


def curves(learned: list[dict], recipe: dict) -> list[dict]:
    "Losses by epoch, and shares of the slopes before and after, at the chosen rates."
    how, rows = recipe["curves"], []
    for row in learned:
        if row["layers"] == how["layers"]:
            name, gain = row["function"], row["gain"]
            runs = [train(FUNCTIONS[name], how["layers"], gain, row["eta"], seed, recipe["epochs"], recipe) for seed in recipe["seeds"]]
            losses = [run["loss"] for run in runs]
            shares = [run["slopes"] for run in runs]  # 0 and small before, 0 and small after
            rows.append({key: row[key] for key in ("function", "start", "eta")} | {"loss": losses, "slopes": shares})
    return rows


def dying(recipe: dict) -> list[dict]:
    "The share of dead units against the learning rate."
    how, rows = recipe["dying"], []
    for name in ("ReLU", "leaky ReLU"):
        for eta in how["etas"]:
            runs = [train(FUNCTIONS[name], how["layers"], 1.0, eta, seed, how["epochs"], recipe) for seed in how["seeds"]]
            row = {key: [float(run[key]) for run in runs] for key in ("test", "dead", "diverged")}
            rows.append({"function": name, "eta": eta} | row)
    return rows


def parts(settings: dict) -> dict:
    "The three experiments; the curves want to know which learning rates were chosen."
    learned = cache(lambda: learning(settings))
    return {"dying": lambda: dying(settings), "learning": learned, "curves": lambda: curves(learned(), settings)}


EXPERIMENT = Experiment(__file__, RECIPE, SMALL, parts)

if __name__ == "__main__":
    EXPERIMENT.run(*sys.argv[1:])
