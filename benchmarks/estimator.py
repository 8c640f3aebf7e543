"""DenseClassifier and DenseRegressor beside scikit-learn's MLPClassifier and MLPRegressor: chapter 19.

    python -m benchmarks.estimator [--quick]

Five data sets that come with scikit-learn, the same hyper-parameters, and as many epochs for both (no early end), with
batches of 32 and with scikit-learn's own size, 200. A seed is a split, a start and an order. Scores are accuracies or R²
on a third of the data; times are the processor's, of `fit` alone, on one thread, both libraries in turn in one process.
In the same turn the matrix products of one training are timed by themselves: no step can do without them.

About two minutes on one core. Kept in benchmarks/results/estimator.json.
"""

from __future__ import annotations

import os
import sys
import warnings
from time import process_time

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine, make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from benchmarks import keep, machine
from dlnbook.estimator import DenseClassifier, DenseRegressor

RECIPE = {"hidden_layer_sizes": [50], "learning_rate_init": 0.003, "epochs": 60, "seeds": 10, "batch_sizes": [32, 200], "test": 1 / 3}
CLASSES = {"digits": load_digits, "breast cancer": load_breast_cancer, "wine": load_wine}
NUMBERS = {"diabetes": load_diabetes, "friedman1": lambda return_X_y: make_friedman1(1000, noise=1.0, random_state=0)}


def data(name: str, seed: int) -> tuple:
    "A data set, split and scaled: training and test inputs, training and test answers."
    X, y = (CLASSES | NUMBERS)[name](return_X_y=True)
    parts = train_test_split(X, y, test_size=RECIPE["test"], random_state=seed, stratify=y if name in CLASSES else None)
    scale, center, spread = StandardScaler().fit(parts[0]), 0.0, 1.0
    if name in NUMBERS:
        center, spread = parts[2].mean(), parts[2].std()
    return *map(scale.transform, parts[:2]), *((each - center) / spread if name in NUMBERS else each for each in parts[2:])


def products(X: np.ndarray, outputs: int, batch_size: int) -> float:
    "Seconds for the five matrix products of each step of a training, and nothing else."
    hidden, rng = RECIPE["hidden_layer_sizes"][0], np.random.default_rng(0)
    W, V = rng.normal(size=(hidden, X.shape[1])), rng.normal(size=(outputs, hidden))
    begin = process_time()
    for _ in range(RECIPE["epochs"]):
        for start in range(0, len(X), batch_size):
            Z = X[start : start + batch_size]  # (B, N)
            A = Z @ W.T  # (B, P)
            D = A @ V.T  # (B, K)
            back = D @ V  # (B, P)
            _ = D.T @ A, back.T @ Z
    return process_time() - begin


def measured(name: str, batch_size: int, seeds: int) -> dict:
    "Scores and times of both libraries, one for each seed."
    kinds = (DenseClassifier, MLPClassifier) if name in CLASSES else (DenseRegressor, MLPRegressor)
    found: dict = {which: {"score": [], "seconds": []} for which in ("ours", "scikit-learn")}
    floor: list = []
    epochs = RECIPE["epochs"]
    for seed in range(seeds):
        X, X_test, y, y_test = data(name, seed)
        turn = list(zip(found, kinds))
        floor.append(products(X, len(set(y)) if name in CLASSES else 1, batch_size))
        for which, kind in turn[:: 1 - 2 * (seed % 2)]:
            model = kind(hidden_layer_sizes=tuple(RECIPE["hidden_layer_sizes"]), learning_rate_init=RECIPE["learning_rate_init"], batch_size=min(batch_size, len(X)),
                         max_iter=epochs, tol=0, n_iter_no_change=epochs, random_state=seed)  # fmt: skip
            begin = process_time()
            model.fit(X, y)
            found[which]["seconds"].append(process_time() - begin)
            assert model.n_iter_ == epochs
            found[which]["score"].append(float(model.score(X_test, y_test)))
    ours, theirs = (np.array(found[which]["score"]) for which in found)
    difference = ours - theirs
    seconds = [np.array(found[which]["seconds"]) for which in found]
    return found | {
        "difference": float(difference.mean()),
        "error": float(difference.std(ddof=1) / np.sqrt(seeds)),
        "time by theirs": float(np.median(seconds[0] / seconds[1])),
        "products by theirs": float(np.median(floor / seconds[1])),
    }


def main(quick: bool) -> None:
    "Measure, print a table, keep it."
    warnings.simplefilter("ignore", ConvergenceWarning)
    results: dict = {}
    print("data set, batch          ours    theirs   difference       time by theirs, products alone")
    for name in CLASSES | NUMBERS:
        results[name] = {}
        for B in RECIPE["batch_sizes"]:
            one = results[name][str(B)] = measured(name, B, 2 if quick else RECIPE["seeds"])
            means = [np.mean(one[which]["score"]) for which in ("ours", "scikit-learn")]
            print(f"{name:14} {B:5}   {means[0]:8.3f} {means[1]:8.3f}   {one['difference']:+.4f} ± {one['error']:.4f}   {one['time by theirs']:.2f}   {one['products by theirs']:.2f}")
    if not quick:
        keep("estimator", {"recipe": RECIPE, "machine": machine("scikit-learn", "scipy"), "results": results})


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
