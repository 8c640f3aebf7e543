"""Which optimizer, if each has its learning rate tuned with the same number of trainings? At full size.

    python -m benchmarks.optimizers [PART…]

Takes about a quarter of an hour on one core and keeps results/optimizers.json, which the chapter on optimizers shows.
The files of Fashion-MNIST are found as for benchmarks.fashion. The probe is made of the book's own digits.
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
from benchmarks.fashion import digits_as_pictures, find_folder, genuine
from dlnbook.data import digits, split
from dlnbook.descent import Diverged
from dlnbook.fitting import fit
from dlnbook.network import Network
from dlnbook.optimizers import AdaGrad, Adam, Cosine, Momentum, RMSProp

GUESS = math.log(10)
OPTIMIZERS = {"plain": Momentum(0.0), "momentum": Momentum(0.9), "AdaGrad": AdaGrad(), "RMSProp": RMSProp(), "Adam": Adam()}

RECIPE: dict[str, Any] = {
    "what": "each optimizer with 7 learning rates, a factor of 2 apart, falling along half a cosine to zero; its other numbers are the defaults; validation loss, test loss and test error of every training, guessing at most",
    "digits": {"data": "digits", "sizes": [300, 500], "widths": [64, 30, 10], "batch_size": 16, "epochs": 20, "seeds": 10, "dtype": "float64",
               "least": {"plain": 0.05, "momentum": 0.01, "AdaGrad": 0.02, "RMSProp": 0.001, "Adam": 0.001}},
    "fashion": {"data": "Fashion-MNIST", "sizes": [20000, 5000], "widths": [784, 128, 64, 10], "batch_size": 64, "epochs": 10, "seeds": 3, "dtype": "float32",
                "least": {"plain": 0.02, "momentum": 0.0025, "AdaGrad": 0.0025, "RMSProp": 0.000125, "Adam": 0.00025}},
    "candidates": 7,
}  # fmt: skip
SMALL = RECIPE | {
    "digits": RECIPE["digits"] | {"epochs": 1, "seeds": 1},
    "fashion": RECIPE["fashion"] | {"data": "pictures of digits", "sizes": [300, 200], "widths": [64, 8, 6, 10], "epochs": 1, "seeds": 1, "dtype": "float64"},
    "candidates": 1,
}


def small_digits():
    "All digits, in their order."
    return *digits(), None, None


def pictures(arrays):
    "Pictures with numbers from 0 to 1; those for the test are apart."
    X, y, X_test, y_test = arrays
    return X / np.float32(255), y, X_test / np.float32(255), y_test


SOURCES = {
    "digits": small_digits,
    "Fashion-MNIST": lambda: pictures(genuine(find_folder())),
    "pictures of digits": lambda: pictures(digits_as_pictures()),
}


def data(settings):
    "Samples for training, validation and test, by one split."
    X, y, *test = SOURCES[settings["data"]]()
    rng, found = np.random.default_rng(0), []
    for size in settings["sizes"]:
        X, y, *part = split(X, y, size / len(X), rng=rng)
        found.append(part)
    found.append([X, y] if test[0] is None else test)
    return [(np.asarray(X, settings["dtype"]), y) for X, y in found]


def trained(settings, parts, optimizer, eta, seed):
    "Validation loss, test loss and test error."
    train, *others = parts
    network = Network(settings["widths"], rng=np.random.default_rng(seed), dtype=settings["dtype"])
    how = {"epochs": settings["epochs"], "batch_size": settings["batch_size"], "eta": Cosine(eta, settings["epochs"])}
    try:
        fit(network, *train, rng=np.random.default_rng([seed, 1]), optimizer=optimizer, progress=False, **how)
    except Diverged:
        return [GUESS, GUESS, 0.9]
    valid, test = (min(GUESS, float(network.loss(*part))) for part in others)
    return [valid, test, 1 - network.score(*others[1])]


def compared(settings, candidates):
    "All trainings, by optimizer and learning rate."
    parts, found = data(settings), {}
    for name, optimizer in OPTIMIZERS.items():
        for eta in settings["least"][name] * 2.0 ** np.arange(candidates):
            runs = [trained(settings, parts, optimizer, float(eta), seed) for seed in range(settings["seeds"])]
            found.setdefault(name, {})[f"{eta:g}"] = runs
    return found


def parts(settings):
    "The comparison on both data sets."
    return {name: lambda name=name: compared(settings[name], settings["candidates"]) for name in ("digits", "fashion")}


EXPERIMENT = Experiment(__file__, RECIPE, SMALL, parts)

if __name__ == "__main__":
    EXPERIMENT.run(*sys.argv[1:])
