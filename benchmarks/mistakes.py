"""What mistakes in a backward pass do to a training: the results that chapter 18 shows.

    python -m benchmarks.mistakes [PART…]

training: the 8 × 8 digits, a network with two equal hidden layers, tanh and ReLU, plain steps. Each mistake of the
catalogue that changes lines runs in all layers where it can be made: where the shapes forbid the others, in the one
square matrix alone. The test accuracies are kept, one for each seed; a seed is a split, a start and an order.

checks: what the gradient check says of the same gradient on 32 digits, before the training.

About four minutes on one core. Kept in benchmarks/results/mistakes.json.
"""

from __future__ import annotations

import os
import sys
from typing import Any

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks import Experiment
from dlnbook.data import digits, split
from dlnbook.delta import forward
from dlnbook.diagnosis import CATALOGUE, mistaken, possible
from dlnbook.gradcheck import check_gradient
from dlnbook.loss import cross_entropy, one_hot
from dlnbook.mistakes import train_with
from dlnbook.network import Network

RECIPE: dict[str, Any] = {
    "data": "digits, a fifth of them for the test, another split, start and order for each seed",
    "widths": [64, 30, 30, 10],
    "functions": ["tanh", "relu"],
    "epochs": 10,
    "batch_size": 16,
    "eta": 0.1,
    "seeds": 5,
    "every": 1,  # of the mistakes that can be made in this network without a penalty or masks
}
SMALL = RECIPE | {"widths": [64, 5, 5, 10], "functions": ["tanh"], "epochs": 1, "seeds": 1, "every": 9}


def made(recipe: dict) -> list:
    "The mistakes that are made, and their layers."
    names = [name for name in CATALOGUE if not name.startswith(("penalty", "mask"))]
    places = {name: possible(name, recipe["widths"]) for name in names}
    return [(name, at) for name, at in places.items() if at is not None][:: recipe["every"]]


def score(network: Network, X: np.ndarray, labels: np.ndarray) -> float:
    "The share of right answers; a network whose logits leave the range guesses."
    try:
        return network.score(X, labels)
    except ValueError:
        return 1 / network.widths[-1]


def training(recipe: dict) -> dict:
    "The test accuracies of each mistake, one for each seed."
    found = {}
    for f in recipe["functions"]:
        for name, layers in [(None, ()), *made(recipe)]:
            runs = []
            for seed in range(recipe["seeds"]):
                rng = np.random.default_rng([18, seed])
                X, labels, X_test, labels_test = split(*digits(), test=0.2, rng=rng)
                network = Network(recipe["widths"], f, rng=rng)
                how = {key: recipe[key] for key in ("epochs", "batch_size", "eta")}
                with np.errstate(all="ignore"):  # some diverge
                    train_with(name, network, X, labels, layers=layers, rng=rng, **how)
                runs.append(score(network, X_test, labels_test))
            found[f"{f} {name or 'right'}"] = runs
            print(f, name, np.round(np.mean(runs), 3), flush=True) if recipe["seeds"] > 1 else None
    return found


def cosine(one, other):
    "Of the angle between two gradients; 0 where one of them is zero."
    dot = lambda a, b: sum(float((x * y).sum()) for x, y in zip(a, b))
    norms = np.sqrt(dot(one, one) * dot(other, other))
    return dot(one, other) / norms if norms else 0.0


def checks(recipe: dict) -> dict:
    "The verdict of the gradient check, its relative error, the array that it names; the cosine between wrong and right."
    found = {}
    for f in recipe["functions"]:
        X, labels = digits()
        rng = np.random.default_rng(18)
        rows = rng.permutation(len(X))[:32]
        network = Network(recipe["widths"], f, rng=rng)
        W, b = list(network.W), list(network.b)
        at = [each for pair in zip(W[1:], b[1:]) for each in pair]
        T = one_hot(labels[rows], 10)

        def loss(parameters, f=f, X=X, rows=rows, T=T):
            A, _ = forward([None, *parameters[::2]], [None, *parameters[1::2]], X[rows], f)
            return float(cross_entropy(A[-1], T).mean())

        dW, db = mistaken(None, W, b, X[rows], T, f)
        right = [each for pair in zip(dW[1:], db[1:]) for each in pair]
        for name, layers in made(recipe):
            dW, db = mistaken(name, W, b, X[rows], T, f, layers=layers, eta=recipe["eta"])
            wrong = [each for pair in zip(dW[1:], db[1:]) for each in pair]
            report = check_gradient(loss, wrong, at, rng=np.random.default_rng(0))
            found[f"{f} {name}"] = [report.verdict, report.error, report.array, cosine(wrong, right)]
    return found


def parts(settings: dict) -> dict:
    "Both experiments."
    return {"training": lambda: training(settings), "checks": lambda: checks(settings)}


EXPERIMENT = Experiment(__file__, RECIPE, SMALL, parts)

if __name__ == "__main__":
    EXPERIMENT.run(*sys.argv[1:])
