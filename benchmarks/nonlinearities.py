"""Which activation function learns the digits: the results that chapter 11 shows.

    python -m benchmarks.nonlinearities

Three experiments on the 8 × 8 digits, both with the plain training of chapter 10.

learning: each function, 2 and 10 hidden layers, two starts (variance of the weights 1/fan-in, or 1/(φ² fan-in) with
φ the function's root-mean-square slope for standard normal sums), four learning rates, five seeds. The learning
rate is chosen by the mean validation accuracy; the test accuracies at this rate are what the chapter reports.

curves: each function at the rate chosen there, 10 hidden layers, both starts: the loss epoch by epoch, and of the slopes
at the training digits, before and after, how many are exactly 0 and how many below a tenth of the function's largest.

dying: ReLU and leaky ReLU, 3 hidden layers, six learning rates, ten seeds: how many units are dead at the end.

Kept in benchmarks/results/nonlinearities.json, with the recipe, the versions, the machine and a digest of the code
they came from. `stale()` says whether they still belong to the code; tests/test_nonlinearities.py asks it.
About five minutes on one core.
"""

from __future__ import annotations

import json
from functools import partial
from time import perf_counter

import numpy as np

from benchmarks.fashion import ROOT, digest_of_code, machine
from dlnbook.activation import ACTIVATIONS
from dlnbook.data import digits, split
from dlnbook.network import Network
from dlnbook.nonlinearities import dead_units, elu, gelu, leaky_relu, lecun_tanh, silu, slopes
from dlnbook.fitting import TrainingDiverged, fit

RESULTS = ROOT / "benchmarks" / "results" / "nonlinearities.json"
RECIPE = {
    "data": "digits",
    "width": 40,
    "dtype": "float32",
    "validation": 0.1,
    "batch_size": 16,
    "epochs": 20,
    "seeds": [0, 1, 2, 3, 4],
    "etas": {"2": [0.03, 0.1, 0.3, 1.0], "10": [0.01, 0.03, 0.1, 0.3]},
    "curves": {"layers": 10, "small": 0.1},
    "dying": {"layers": 3, "etas": [0.1, 0.3, 0.6, 1.0, 1.5, 2.0], "seeds": list(range(10)), "epochs": 10},
}
#: The modules whose code the results depend on.
SOURCES = ["activation", "data", "delta", "descent", "fitting", "hidden", "loss", "network", "nonlinearities", "training", "workspace"]
#: The functions, as the chapter calls them.
FUNCTIONS = {
    "sigmoid": ACTIVATIONS["sigmoid"], "tanh": ACTIVATIONS["tanh"], "LeCun's tanh": lecun_tanh,
    "ReLU": ACTIVATIONS["relu"], "leaky ReLU": leaky_relu(), "ELU": elu(), "SiLU": silu, "GELU": gelu,
}  # fmt: skip


def own_gain(function) -> float:
    "One over the root-mean-square slope for standard normal sums."
    a = np.linspace(-10, 10, 20_002)  # an even number: no point lies on a kink at 0
    density = np.exp(-(a**2) / 2)
    return float(np.sqrt(density.sum() / (density * function.df(a) ** 2).sum()))


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


def train(function, layers: int, gain: float, eta: float, seed: int, epochs: int, recipe: dict = RECIPE) -> dict:
    "One training and its measures."
    rng = np.random.default_rng(seed)
    X, y, X_test, y_test = split(*digits(), rng=rng)
    X, y, X_val, y_val = split(X, y, recipe["validation"], rng=rng)
    X, X_val, X_test = (np.float32(part - X.mean(axis=0)) for part in (X, X_val, X_test))
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


def learning(recipe: dict = RECIPE) -> list[dict]:
    "All functions, depths, starts and learning rates; of the rates only the chosen one in full."
    rows = []
    for layers, etas in recipe["etas"].items():
        for name, function in FUNCTIONS.items():
            for start, gain in {"1/fan-in": 1.0, "own": own_gain(function)}.items():
                found = {
                    eta: [train(function, int(layers), gain, eta, seed, recipe["epochs"]) for seed in recipe["seeds"]]
                    for eta in etas
                }
                means = {eta: float(np.mean([run["validation"] for run in runs])) for eta, runs in found.items()}
                eta = max(means, key=means.get)
                tests = [round(run["test"], 5) for run in found[eta]]
                row = {"function": name, "layers": int(layers), "start": start, "gain": round(gain, 4), "eta": eta, "test": tests}
                rows.append(row | {"validation": {f"{eta:g}": round(mean, 5) for eta, mean in means.items()}})
                print(f"{layers:>2} layers, {name}, start {start}: η {eta:g}, test {np.mean(tests):.3f}", flush=True)
    return rows


def curves(learned: list[dict], recipe: dict = RECIPE) -> list[dict]:
    "Losses by epoch, and shares of the slopes before and after, at the chosen rates."
    how, rows = recipe["curves"], []
    for row in learned:
        if row["layers"] == how["layers"]:
            name, gain = row["function"], 1.0 if row["start"] == "1/fan-in" else own_gain(FUNCTIONS[row["function"]])
            runs = [train(FUNCTIONS[name], how["layers"], gain, row["eta"], seed, recipe["epochs"]) for seed in recipe["seeds"]]
            losses = [[float(f"{loss:.4g}") for loss in run["loss"]] for run in runs]
            shares = [[round(share, 5) for share in run["slopes"]] for run in runs]  # 0 and small before, 0 and small after
            rows.append({key: row[key] for key in ("function", "start", "eta")} | {"loss": losses, "slopes": shares})
            print(f"{name}, start {row['start']}: slopes {np.mean(shares, axis=0).round(3)}", flush=True)
    return rows


def dying(recipe: dict = RECIPE) -> list[dict]:
    "The share of dead units against the learning rate."
    how, rows = recipe["dying"], []
    for name in ("ReLU", "leaky ReLU"):
        for eta in how["etas"]:
            runs = [train(FUNCTIONS[name], how["layers"], 1.0, eta, seed, how["epochs"]) for seed in how["seeds"]]
            row = {key: [round(float(run[key]), 5) for run in runs] for key in ("test", "dead", "diverged")}
            rows.append({"function": name, "eta": eta} | row)
            print(f"{name}, η {eta:g}: {np.mean(row['dead']):.1%} dead, test {np.mean(row['test']):.3f}", flush=True)
    return rows


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


def main() -> None:
    "Run the experiments and keep the results."
    begin = perf_counter()
    kept = {"recipe": RECIPE, "command": "python -m benchmarks.nonlinearities", "sources": digest_of_sources()}
    kept |= {"machine": machine(), "dying": dying(), "learning": learning()}
    kept["curves"] = curves(kept["learning"])
    kept["seconds"] = round(perf_counter() - begin)
    RESULTS.parent.mkdir(exist_ok=True)
    draft = RESULTS.with_suffix(".part")
    draft.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    draft.replace(RESULTS)
    print(f"{kept['seconds']} s; kept in {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
