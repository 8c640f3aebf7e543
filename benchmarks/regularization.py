"""The experiments of the chapter on regularization at full size.

    python -m benchmarks.regularization [PART…]

Takes about eight minutes on one core and keeps results/regularization.json, which the chapter shows.
"""

from __future__ import annotations

import math
import os
import sys
from typing import Any

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks import Experiment
from dlnbook.data import digits, split
from dlnbook.initialization import he
from dlnbook.network import Network
from dlnbook.regularization import L1, L2, Dropout, bias_variance, shifted
from dlnbook.fitting import Patience, fit

STUDENT = 2.064  # 97.5 % of Student's t with 24 degrees of freedom: the sets below, less one

RECIPE: dict[str, Any] = {
    "data": "digits by split(rng=default_rng(0)): tasks of 100 from its 1438, new ones its 359; a share of the labels wrong; float64",
    "training": "64-100-10, ReLU, He's normal weights, plain steps on shuffled batches of 10, η 0.1",
    "epochs": 200,
    "methods": {"what": "loss and accuracy on new digits, and accuracies for all strengths; strengths and epochs chosen by the loss on 50 more digits of the task", "seeds": 30,
                "patience": 30, "L2": [0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3], "L1": [0.0, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1],
                "dropout": [0.0, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98], "shifts": [1]},
    "bias_variance": {"what": "Brier score, squared bias and variance on new digits, mean over them, 95 % half interval by the jackknife over training sets",
                      "sets": 25, "widths": [1, 2, 3, 5, 8, 12, 20, 40, 100, 300], "strengths": [0.0, 0.001, 0.003, 0.01, 0.03, 0.1]},
    "wrong": [0.0, 0.2],
}  # fmt: skip
SMALL = RECIPE | {
    "epochs": 3,
    "methods": RECIPE["methods"] | {"seeds": 1, "patience": 1, "L2": [0.03], "L1": [0.003], "dropout": [0.2, 0.5]},
    "bias_variance": RECIPE["bias_variance"] | {"sets": 3, "widths": [5], "strengths": [0.1]},
    "wrong": [0.2],
}


def data():
    "Training digits and new ones."
    X, y = digits()
    return split(X, y, rng=np.random.default_rng(0))


def small_task(X, y, seed, wrong, samples):
    "So many digits, of whose labels a share is wrong."
    rng = np.random.default_rng([13, seed])
    rows = rng.permutation(len(X))[:samples]
    y = y[rows]
    spoiled = rng.random(samples) < wrong
    y[spoiled] = (y[spoiled] + rng.integers(1, 10, spoiled.sum())) % 10
    return X[rows], y


def train(x, y, seed, epochs, width=100, pixels=0, **options):
    "A network trained by the recipe."
    rng, given = np.random.default_rng([14, seed]), x.copy()
    network = Network((64, width, 10), rng=rng, initialize=he)

    def move(epoch, network, history):
        given[...] = shifted(x, pixels, rng=rng)

    how = {"epochs": epochs, "batch_size": 10, "eta": 0.1, "progress": False} | options
    fit(network, given, y, rng=rng, callback=move if pixels else None, **how)
    return network


def methods(X, y, X_new, y_new, wrong, settings):
    "Loss and accuracy of each method on each task."
    recipe, epochs = settings["methods"], settings["epochs"]
    choices: dict[str, list[dict]] = {
        "nothing": [{}],
        "L2": [{"penalty": L2(each)} for each in recipe["L2"]],
        "L1": [{"penalty": L1(each)} for each in recipe["L1"]],
        "dropout": [{"noise": Dropout(each)} for each in recipe["dropout"]],
        "shifts": [{"pixels": each} for each in recipe["shifts"]],
    }
    found: dict[str, dict[str, list]] = {name: {"loss": [], "accuracy": [], "chosen": [], "all accuracies": []} for name in [*choices, "all", "stop"]}
    for seed in range(recipe["seeds"]):
        x, t = small_task(X, y, seed, wrong, 150)
        own, held = (x[:100], t[:100]), (x[100:], t[100:])
        trained = {name: [train(*own, seed, epochs, **each) for each in many] for name, many in choices.items()}
        trained["all"] = [train(x, t, seed, epochs)]
        trained["stop"] = [train(*own, seed, epochs, validation=held, stop=Patience(recipe["patience"]))]
        for name, networks in trained.items():
            best = min(range(len(networks)), key=lambda i: networks[i].loss(*held))
            found[name]["loss"].append(networks[best].loss(X_new, y_new))
            scores = [network.score(X_new, y_new) for network in networks]
            found[name]["accuracy"].append(scores[best])
            found[name]["all accuracies"].append(scores)
            found[name]["chosen"].append(best)
    return found


def two_parts(X, y, X_new, y_new, wrong, settings, **how):
    "Error, squared bias and variance with their intervals, and the accuracy."
    S, answers = settings["bias_variance"]["sets"], []
    for seed in range(100, 100 + S):
        answers.append(train(*small_task(X, y, seed, wrong, 100), seed, settings["epochs"], **how).predict_proba(X_new))
    Y = np.array(answers)

    def three(Y):
        bias, variance = bias_variance(Y, y_new)
        return np.array([(bias + variance).mean(), bias.mean(), variance.mean()])

    left_out = np.array([three(np.delete(Y, s, axis=0)) for s in range(S)])
    half = STUDENT * np.sqrt((S - 1) / S * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    result = {name: [m, h] for name, m, h in zip(("error", "bias", "variance"), three(Y), half)}
    right = (Y.argmax(axis=2) == y_new).mean(axis=1)
    return result | {"accuracy": [right.mean(), STUDENT * right.std(ddof=1) / math.sqrt(S)]}


def parts(settings):
    "The methods; bias and variance by width, and by the strength of L2: each with right labels and with wrong ones."
    sets, how = data(), settings["bias_variance"]
    for_each = lambda part: {wrong: part(wrong) for wrong in settings["wrong"]}
    return {
        "methods": lambda: for_each(lambda wrong: methods(*sets, wrong, settings)),
        "widths": lambda: for_each(lambda wrong: {width: two_parts(*sets, wrong, settings, width=width) for width in how["widths"]}),
        "strengths": lambda: for_each(lambda wrong: {each: two_parts(*sets, wrong, settings, penalty=L2(each)) for each in how["strengths"]}),
    }


EXPERIMENT = Experiment(__file__, RECIPE, SMALL, parts)

if __name__ == "__main__":
    EXPERIMENT.run(*sys.argv[1:])
