"""The experiments of the chapter on regularization at full size.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.regularization

Takes about four minutes on one core and keeps results/regularization.json, which the chapter shows. A digest of this
file and of dlnbook/regularization.py, without comments and docstrings, is kept too; a test compares it.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks import digest_of
from dlnbook.data import digits, split
from dlnbook.initialization import he
from dlnbook.network import Network
from dlnbook.regularization import L1, L2, Dropout, bias_variance, shifted
from dlnbook.fitting import Patience, fit

HERE = Path(__file__).resolve()
PLACE = HERE.parent / "results" / "regularization.json"

STUDENT = 2.064  # 97.5 % of Student's t with 24 degrees of freedom: the sets below, less one

RECIPE: dict[str, Any] = {
    "data": "digits by split(rng=default_rng(0)): tasks of 100 from its 1438, new ones its 359; a share of the labels wrong; float64",
    "training": "64-100-10, ReLU, He's normal weights, plain steps on shuffled batches of 10, η 0.1, 200 epochs",
    "methods": {"what": "loss and accuracy on new digits, and accuracies for all strengths; strengths and epochs chosen by the loss on 50 more digits of the task", "seeds": 30,
                "patience": 30, "L2": [0.003, 0.01, 0.03, 0.1], "L1": [0.0003, 0.001, 0.003, 0.01], "dropout": [0.2, 0.5, 0.8, 0.9], "shifts": [1]},
    "bias_variance": {"what": "Brier score, squared bias and variance on new digits, mean over them, 95 % half interval by the jackknife over training sets",
                      "sets": 25, "widths": [1, 2, 3, 5, 8, 12, 20, 40, 100, 300], "strengths": [0.0, 0.001, 0.003, 0.01, 0.03, 0.1]},
    "wrong": [0.0, 0.2],
}  # fmt: skip


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


def train(x, y, seed, width=100, pixels=0, **options):
    "A network trained by the recipe."
    rng, given = np.random.default_rng([14, seed]), x.copy()
    network = Network((64, width, 10), rng=rng, initialize=he)

    def move(epoch, network, history):
        given[...] = shifted(x, pixels, rng=rng)

    how = {"epochs": 200, "batch_size": 10, "eta": 0.1, "progress": False} | options
    fit(network, given, y, rng=rng, callback=move if pixels else None, **how)
    return network


def methods(X, y, X_new, y_new, wrong):
    "Loss and accuracy of each method on each task."
    recipe = RECIPE["methods"]
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
        trained = {name: [train(*own, seed, **each) for each in many] for name, many in choices.items()}
        trained["all"] = [train(x, t, seed)]
        trained["stop"] = [train(*own, seed, validation=held, stop=Patience(recipe["patience"]))]
        for name, networks in trained.items():
            best = min(range(len(networks)), key=lambda i: networks[i].loss(*held))
            found[name]["loss"].append(round(networks[best].loss(X_new, y_new), 5))
            scores = [round(network.score(X_new, y_new), 5) for network in networks]
            found[name]["accuracy"].append(scores[best])
            found[name]["all accuracies"].append(scores)
            found[name]["chosen"].append(best)
    return found


def parts(X, y, X_new, y_new, wrong, **how):
    "Error, squared bias and variance with their intervals, and the accuracy."
    S, answers = RECIPE["bias_variance"]["sets"], []
    for seed in range(100, 100 + S):
        answers.append(train(*small_task(X, y, seed, wrong, 100), seed, **how).predict_proba(X_new))
    Y = np.array(answers)

    def three(Y):
        bias, variance = bias_variance(Y, y_new)
        return np.array([(bias + variance).mean(), bias.mean(), variance.mean()])

    left_out = np.array([three(np.delete(Y, s, axis=0)) for s in range(S)])
    half = STUDENT * np.sqrt((S - 1) / S * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    result = {name: [round(float(m), 5), round(float(h), 5)] for name, m, h in zip(("error", "bias", "variance"), three(Y), half)}
    right = (Y.argmax(axis=2) == y_new).mean(axis=1)
    return result | {"accuracy": [round(float(right.mean()), 5), round(float(STUDENT * right.std(ddof=1) / math.sqrt(S)), 5)]}


def digest() -> str:
    "A digest of the code that decides the numbers."
    return digest_of(HERE, HERE.parent.parent / "dlnbook" / "regularization.py")


def main() -> None:
    "Run everything, say what each part takes of one core, keep the results."
    sets, recipe = data(), RECIPE["bias_variance"]
    todo = {
        "methods": lambda wrong: methods(*sets, wrong),
        "widths": lambda wrong: {width: parts(*sets, wrong, width=width) for width in recipe["widths"]},
        "strengths": lambda wrong: {each: parts(*sets, wrong, penalty=L2(each)) for each in recipe["strengths"]},
    }
    results: dict[str, Any] = {}
    seconds = {}
    for name, part in todo.items():
        start = time.process_time()
        results[name] = {str(wrong): part(wrong) for wrong in RECIPE["wrong"]}
        seconds[name] = round(time.process_time() - start, 1)
        print(f"{name}: {seconds[name]} s", flush=True)
    kept = {
        "recipe": RECIPE, "digest": digest(), "seconds of one core": seconds,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "machine": {"processor": platform.processor() or platform.machine(), "threads": os.environ.get("OPENBLAS_NUM_THREADS")},
        "results": results,
    }  # fmt: skip
    new = PLACE.with_suffix(".new")
    new.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    new.replace(PLACE)


if __name__ == "__main__":
    main()
