"""Fashion-MNIST by plain batch stochastic gradient descent, three seeds: the results that chapter 10 shows.

    python -m benchmarks.fashion

The four IDX files of Fashion-MNIST are where the environment variable DLNBOOK_MNIST says, or else where Debian's package
dataset-fashion-mnist puts them. Other pictures in this format are refused. Kept in benchmarks/results/fashion.json; a
few minutes on one core. The probe is a training on the book's own digits, so it needs no files.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # one thread: the numbers should not depend on how many cores there are
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks import Experiment
from dlnbook.data import digits, read_idx, split
from dlnbook.fitting import fit
from dlnbook.network import Network
from dlnbook.training import confusion_matrix

DEBIAN = "/usr/share/datasets/fashion-mnist"

RECIPE: dict[str, Any] = {
    "data": "Fashion-MNIST",
    "digest": "ca3ab2a37f845e1b",  # of its four files, uncompressed, one after the other
    "widths": [784, 128, 64, 10],
    "activation": "relu",
    "dtype": "float32",
    "validation": 1 / 12,  # 5,000 of the 60,000 training pictures
    "batch_size": 128,
    "eta": 0.1,
    "epochs": 20,
    "seeds": [0, 1, 2],
}
SMALL = RECIPE | {"data": "digits", "widths": [64, 16, 8, 10], "dtype": "float64", "batch_size": 32, "epochs": 3, "seeds": [0]}


def find_folder() -> Path:
    "Where the files are, or should be."
    return Path(os.environ.get("DLNBOOK_MNIST") or DEBIAN)


def read(folder: Path) -> list[np.ndarray]:
    "Training pictures and labels, test pictures and labels; a picture is a row of bytes."
    arrays = []
    for part in ("train", "t10k"):
        for kind in ("images", "labels"):
            found = sorted(folder.glob(f"{part}-{kind}*"))
            if not found:
                raise FileNotFoundError(f"{folder}: expected a file {part}-{kind}…, as in the package dataset-fashion-mnist")
            array = read_idx(found[0])
            arrays.append(array.reshape(len(array), -1) if kind == "images" else array)
    return arrays


def digest_of_data(arrays: list[np.ndarray]) -> str:
    "A digest of all pictures and labels."
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array))
    return total.hexdigest()[:16]


def genuine(folder: Path) -> list[np.ndarray]:
    "The pictures and labels, if they are those of Fashion-MNIST."
    arrays = read(folder)
    if digest_of_data(arrays) != RECIPE["digest"]:
        raise SystemExit(f"{folder}: expected the pictures of Fashion-MNIST, got others")
    return arrays


def train(seed: int, arrays: list[np.ndarray], recipe: dict) -> dict:
    "One training and its measures."
    pictures, labels, test_pictures, test_labels = arrays
    rng = np.random.default_rng(seed)
    X, y, X_val, y_val = split(pictures, labels, test=recipe["validation"], rng=rng)
    X, X_val, X_test = (each.astype(recipe["dtype"]) / 255 for each in (X, X_val, test_pictures))
    network = Network(recipe["widths"], recipe["activation"], rng=rng, dtype=recipe["dtype"])
    history = fit(
        network, X, y, epochs=recipe["epochs"], batch_size=recipe["batch_size"], eta=recipe["eta"], rng=rng,
        validation=(X_val, y_val),
    )  # fmt: skip
    columns = {name: getattr(history, name) for name in ("loss", "accuracy", "validation_loss", "validation_accuracy")}
    return {
        "seed": seed,
        "test_accuracy": network.score(X_test, test_labels),
        "test_loss": network.loss(X_test, test_labels),
        "best_epoch": history.best_epoch,
        **columns,
        "confusion": confusion_matrix(network, X_test, test_labels),
    }


def digits_as_pictures() -> list[np.ndarray]:
    "The 8 × 8 digits in the form of the pictures."
    X, y = digits()
    X = np.uint8(255 * X)
    return [X[:1000], y[:1000], X[1000:], y[1000:]]


def parts(settings: dict) -> dict:
    "One part, the trainings."
    sources = {"Fashion-MNIST": lambda: genuine(find_folder()), "digits": digits_as_pictures}

    def trainings() -> list[dict]:
        arrays = sources[settings["data"]]()
        return [train(seed, arrays, settings) for seed in settings["seeds"]]

    return {"trainings": trainings}


EXPERIMENT = Experiment(__file__, RECIPE, SMALL, parts)

if __name__ == "__main__":
    EXPERIMENT.run(*sys.argv[1:])
