"""Fashion-MNIST by plain batch stochastic gradient descent, three seeds: the results that chapter 10 shows.

    python -m benchmarks.fashion [FOLDER]

The folder holds the four IDX files of Fashion-MNIST or of any set in MNIST's format; without it the environment
variable DLNBOOK_MNIST says where, or it is where Debian's package dataset-fashion-mnist puts them.
Results on Fashion-MNIST itself are kept in benchmarks/results/fashion.json, with the recipe, the versions, the
machine and a digest of the code they came from. `stale()` says whether they still belong to the code as it is;
tests/test_training.py asks it. A minute or two on two cores.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import re
import sys
from pathlib import Path
from time import perf_counter

if __name__ == "__main__":  # one thread: the numbers should not depend on how many cores there are
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from dlnbook.data import read_idx, split
from dlnbook.network import Network
from dlnbook.fitting import fit
from dlnbook.training import confusion_matrix

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "fashion.json"
DEBIAN = "/usr/share/datasets/fashion-mnist"

RECIPE = {
    "data": "Fashion-MNIST",
    "widths": [784, 128, 64, 10],
    "activation": "relu",
    "dtype": "float32",
    "validation": 1 / 12,  # 5,000 of the 60,000 training pictures
    "batch_size": 128,
    "eta": 0.1,
    "epochs": 20,
    "seeds": [0, 1, 2],
}
#: The modules whose code the results depend on.
SOURCES = ["activation", "data", "delta", "descent", "fitting", "hidden", "loss", "network", "training", "workspace"]
#: Of the four files of Fashion-MNIST, uncompressed, one after the other.
GENUINE = "ca3ab2a37f845e1b"


def find_folder(argument: str | None = None) -> Path:
    "Where the files are, or should be."
    return Path(argument or os.environ.get("DLNBOOK_MNIST") or DEBIAN)


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


def train(seed: int, arrays: list[np.ndarray], recipe: dict) -> dict:
    "One training and its measures."
    pictures, labels, test_pictures, test_labels = arrays
    rng = np.random.default_rng(seed)
    X, y, X_val, y_val = split(pictures, labels, test=recipe["validation"], rng=rng)
    X, X_val, X_test = (np.float32(each) / 255 for each in (X, X_val, test_pictures))
    network = Network(recipe["widths"], recipe["activation"], rng=rng, dtype=recipe["dtype"])
    begin = perf_counter()
    history = fit(
        network, X, y, epochs=recipe["epochs"], batch_size=recipe["batch_size"], eta=recipe["eta"], rng=rng,
        validation=(X_val, y_val),
    )  # fmt: skip
    seconds = perf_counter() - begin
    columns = {
        name: [float(f"{number:.6g}") for number in getattr(history, name)]
        for name in ("loss", "accuracy", "validation_loss", "validation_accuracy")
    }
    return {
        "seed": seed,
        "test_accuracy": network.score(X_test, test_labels),
        "test_loss": float(f"{network.loss(X_test, test_labels):.6g}"),
        "best_epoch": history.best_epoch,
        "reason": history.reason,
        "seconds": round(seconds, 1),
        **columns,
        "confusion": confusion_matrix(network, X_test, test_labels).tolist(),
    }


# Whether kept results belong to the code


def _skeleton(node: object) -> object:
    "A syntax tree as plain data, without docstrings, places, and what only some versions of Python write down."
    if isinstance(node, ast.AST):
        fields = dict(ast.iter_fields(node))
        body = fields.get("body")
        documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        if documented and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            fields["body"] = body[1:]
        told = {name: _skeleton(value) for name, value in fields.items() if value not in (None, [])}
        return [type(node).__name__, sorted(told.items())]
    return [_skeleton(each) for each in node] if isinstance(node, list) else repr(node)


def digest_of_code(texts: list[str]) -> str:
    "A digest of what programs do: comments, docstrings and layout do not count."
    trees = [_skeleton(ast.parse(text)) for text in texts]
    return hashlib.sha256(json.dumps(trees).encode()).hexdigest()[:16]


def digest_of_sources() -> str:
    "The digest of the modules that the results depend on."
    return digest_of_code([(ROOT / "dlnbook" / f"{name}.py").read_text(encoding="utf-8") for name in SOURCES])


def stale(kept: dict) -> str:
    "Why kept results are out of date, or nothing."
    if kept["recipe"] != RECIPE:
        return "the recipe has changed"
    if kept["sources"] != digest_of_sources():
        return f"the code of {', '.join(SOURCES)} has changed"
    return ""


def machine() -> dict:
    "What the results were made with."
    name = platform.processor() or platform.machine()
    try:
        cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        name = next(line.split(":")[1].strip() for line in cpu.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "kernel": os.environ.get("OPENBLAS_CORETYPE", "automatic"),
    }


def main(argument: str | None = None) -> None:
    "Train, tell, and keep the results if the pictures are those of Fashion-MNIST."
    arrays = read(find_folder(argument))
    data, code = digest_of_data(arrays), digest_of_sources()
    results = []
    for seed in RECIPE["seeds"]:
        results.append(train(seed, arrays, RECIPE))
        said = "seed {seed}: {test_accuracy:.2%} on the test pictures after epoch {best_epoch}, {seconds} s"
        print(said.format(**results[-1]), flush=True)
    print(f"mean: {np.mean([each['test_accuracy'] for each in results]):.2%}")
    if data != GENUINE:
        print(f"These are not the pictures of Fashion-MNIST (digest {data}): nothing is kept.")
        return
    kept = {"recipe": RECIPE, "command": "python -m benchmarks.fashion", "digest_of_data": data, "sources": code}
    kept |= {"machine": machine(), "results": results}
    RESULTS.parent.mkdir(exist_ok=True)
    draft = RESULTS.with_suffix(".part")
    rows = re.compile(r"\[\s+([^\[\]{}]*?)\s+\]")
    text = rows.sub(lambda row: f"[{' '.join(row[1].split())}]", json.dumps(kept, indent=1))  # a row on a line
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(RESULTS)
    print(f"kept in {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
