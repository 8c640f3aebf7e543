"""Restarts, saddles and paths at full size: the results that chapter 16 shows beside its small run.

    python -m benchmarks.landscape                    everything, about eight minutes on one core
    python -m benchmarks.landscape tanh critical      these parts alone; the others stay as they are kept

restarts: networks 64-P-10 on the digits, ReLU, from a hundred random starts for each width. tanh: the same with tanh,
where no node can die. whole: wide networks with all samples in each step, so without noise, and as many steps.
critical: searches for places without a slope on a small task. paths: the ridges between trained networks, straight and
along a trained curve. All by the functions that the chapter exports, with the chapter's own recipes. Results are kept
in benchmarks/results/landscape.json with the recipe, the versions, the machine, and a probe: a few numbers made in a
moment by every function that the results depend on, down to the last digits. `stale()` makes the probe again and says
whether the results still belong to the code, however that has been rewritten in the meantime; tests/test_landscape.py
asks it. A part is left as it is kept only if its recipe and the probe are still the same.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from dlnbook.data import digits, split
from dlnbook.landscape import bezier, connect, critical_point, fit_together, jacobian_product, losses_at
from dlnbook.network import Network

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "landscape.json"

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


def rounded(values: Any, figures: int = 5) -> list[float]:
    "Numbers with a few figures, for a file."
    return [float(f"{value:.{figures}g}") for value in values]


def restarts(part: str, X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray) -> tuple[list[dict], dict]:
    "Many trainings for each width: test losses, training losses, movement."
    how, rows, trained = RECIPE[part], [], {}
    for width in how["widths"]:
        begin = time.perf_counter()
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
            "test_loss": rounded(losses_at(networks[0], places, X_test, y_test)),
            "train_loss": rounded(losses_at(networks[0], places, X, y)),
            "test_accuracy": rounded([network.score(X_test, y_test) for network in networks]),
            "distance": rounded([np.linalg.norm(v) for v in change]),
            "moved": rounded([np.linalg.norm(v) / np.linalg.norm(s.parameters) for v, s in zip(change, starts)]),
            "nonlinearity": rounded(bent),
        })  # fmt: skip
        losses = rows[-1]["test_loss"]
        say(f"{part}, {width} hidden nodes: test loss {np.mean(losses):.4f} ± {np.std(losses, ddof=1):.4f}", begin)
    return rows, trained


def small_task(seed: int = 0) -> tuple[np.ndarray, np.ndarray, float]:
    "The chapter's small task: a few digits in a few coordinates, with targets that finite weights can meet."
    how, (X, y) = RECIPE["critical"], digits()
    rows = np.random.default_rng(seed).permutation(len(X))
    rows = rows[y[rows] < how["classes"]][: how["samples"]]
    X = X[rows] - X[rows].mean(axis=0)
    X = X @ np.linalg.svd(X, full_matrices=False)[2][: how["inputs"]].T
    T = np.eye(how["classes"])[y[rows]] * (1 - how["smooth"]) + how["smooth"] / how["classes"]
    return X / X.std(axis=0), T, float(-(T * np.log(T)).sum(axis=1).mean())


def critical() -> list[dict]:
    "Searches for places without a slope, from the ways of descents."
    how, found = RECIPE["critical"], []
    X, T, least = small_task()
    for width, seeds in zip(how["widths"], how["seeds"]):
        begin = time.perf_counter()
        for seed in range(seeds):
            network = Network((how["inputs"], width, how["classes"]), "tanh", rng=np.random.default_rng([3, width, seed]))
            network.parameters *= how["sizes"][seed % 2]
            for s in range(max(how["stops"]) + 1):
                if s in how["stops"]:
                    place, values, length = critical_point(network, X, T, steps=how["steps"])
                    found.append({
                        "width": width, "seed": seed, "after": s,
                        "excess": float(f"{place.loss(X, T) - least:.5g}"),
                        "down": int((values < -how["down"] * np.abs(values).max()).sum()),
                        "parameters": len(values),
                        "length": float(f"{length:.3g}"),
                    })  # fmt: skip
                network.parameters -= 0.5 * network.gradient(X, T)
        arrived = sum(each["length"] < 1e-5 for each in found if each["width"] == width)
        say(f"{width} hidden nodes: {arrived} searches arrived", begin)
    return found


def paths(trained: dict, X: np.ndarray, y: np.ndarray) -> list[dict]:
    "How far the line and the trained curve between two networks rise above the higher end."
    how, rows = RECIPE["paths"], []
    s = np.linspace(0, 1, how["places"])
    for width in how["widths"]:
        begin, line, curve = time.perf_counter(), [], []
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
        rows.append({"width": width, "line": rounded(line), "curve": rounded(curve)})
        say(f"{width} hidden nodes: ridge {np.mean(line):.3f} straight, {np.mean(curve):.3f} curved", begin)
    return rows


def say(text: str, begin: float) -> None:
    "A line of progress."
    print(f"{text} ({time.perf_counter() - begin:.0f} s)", flush=True)


def probe() -> dict[str, list[float]]:
    "A few numbers that every step of the way to the results has a hand in; in double precision."
    X, y, X_test, y_test = split(*digits(), rng=np.random.default_rng(0))
    networks = [Network((64, 10, 10), rng=np.random.default_rng([0, 10, s])) for s in range(2)]
    fit_together(networks, X, y, epochs=2, batch_size=32, eta=0.2, rng=np.random.default_rng(0))
    places = np.stack([network.parameters for network in networks])
    middle = connect(*networks, X, y, epochs=1, batch_size=32, eta=0.5, rng=np.random.default_rng(0))
    small, T, least = small_task()
    start = Network((6, 2, 3), "tanh", rng=np.random.default_rng([3, 2, 0]))
    place, values, _ = critical_point(start, small, T, steps=5)
    whole = [Network((64, 10, 10), "tanh", rng=np.random.default_rng([0, 10, s])) for s in range(2)]
    fit_together(whole, X, y, epochs=2, batch_size=len(X), eta=0.2, rng=np.random.default_rng(0))
    ends = np.stack([network.parameters for network in whole])
    return {
        "test losses": rounded(losses_at(networks[0], places, X_test, y_test), 9),
        "velocities": rounded(jacobian_product(networks[0], X_test[:3], places[1])[:, 0], 9),
        "path": rounded(losses_at(networks[0], bezier(places[0], middle, places[1], [0.25, 0.5]), X, y), 9),
        "critical": rounded([place.loss(small, T) - least, values[0], values[-1]], 9),
        "whole batches, tanh": rounded(losses_at(whole[0], ends, X_test, y_test), 9),
    }


def stale(kept: dict) -> str:
    "Why kept results are out of date, or nothing."
    if kept["recipe"] != RECIPE:
        return "the recipe has changed"
    for name, numbers in probe().items():
        if not np.allclose(kept["probe"][name], numbers, rtol=1e-6):
            return f"the probe's {name} were {kept['probe'][name]}, and are {numbers} now"
    return ""


def main(parts: list[str]) -> None:
    "Run everything or the parts that are named, and keep it."
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from benchmarks import machine

    unknown = set(parts) - set(RECIPE)
    if unknown:
        raise SystemExit(f"no part {', '.join(sorted(unknown))}; there are {', '.join(RECIPE)}")
    joined = {"restarts"} if "paths" in parts else set()  # whose networks the paths join
    parts = [part for part in RECIPE if not parts or part in {*parts, *joined}]
    kept = {"recipe": RECIPE, "command": "python -m benchmarks.landscape", "machine": machine(), "probe": probe(), "made": {}}
    old = json.loads(RESULTS.read_text(encoding="utf-8")) if set(parts) != set(RECIPE) else {}
    for part in (part for part in RECIPE if part not in parts):
        same = all(np.allclose(numbers, kept["probe"][name], rtol=1e-6) for name, numbers in old["probe"].items())
        if not same or old["recipe"].get(part) != RECIPE[part]:
            raise SystemExit(f"{part} has to be made again, too: its recipe or the probe has changed")
        kept[part], kept["made"][part] = old[part], old["made"][part]
    X, y, X_test, y_test = split(*digits(), rng=np.random.default_rng(0))
    trained: dict = {}
    for part in RECIPE:
        if part not in parts:
            continue
        begin = time.perf_counter()
        if part == "critical":
            kept[part] = critical()
        elif part == "paths":
            kept[part] = paths(trained, X, y)
        else:
            kept[part], networks = restarts(part, X, y, X_test, y_test)
            trained = networks if part == "restarts" else trained
        kept["made"][part] = {"date": kept["machine"]["date"], "seconds": round(time.perf_counter() - begin)}
    RESULTS.parent.mkdir(exist_ok=True)
    draft = RESULTS.with_suffix(".part")
    draft.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(RESULTS)
    print(f"kept in {RESULTS.relative_to(ROOT)}: " + ", ".join(f"{part} {kept['made'][part]['seconds']} s" for part in parts))


if __name__ == "__main__":
    main(sys.argv[1:])
