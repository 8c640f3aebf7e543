"""The experiments of the chapter on hyper-parameters at full size.

    python -m benchmarks.hyperparameters [PART…]

Takes about four minutes on one core and keeps results/hyperparameters.json, which the chapter shows. Epochs of null were
not enough within the limit.
"""

from __future__ import annotations

import math
import os
import sys
from functools import partial
from typing import Any

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks import Experiment
from dlnbook.data import digits, split
from dlnbook.descent import Diverged
from dlnbook.fitting import Threshold, fit
from dlnbook.hyperparameters import range_test
from dlnbook.network import Network
from dlnbook.optimizers import Cosine, InverseDecay, Momentum, ReduceOnPlateau, StepDecay, Warmup
from dlnbook.searching import Choice, LogUniform, grid, sample, search, successive_halving

GUESS = math.log(10)
SPACES = {
    "eta": LogUniform(0.01, 3.0),
    "penalty": LogUniform(1e-6, 1.0),
    "hidden": Choice((5, 10, 20, 40, 80)),
    "batch_size": Choice((4, 8, 16, 32, 64)),
}
NEAR = {"eta": LogUniform(0.1, 0.8), "penalty": LogUniform(1e-6, 1e-3), "layers": Choice((1, 2)), "hidden": Choice((20, 40, 80)), "batch_size": Choice((4, 8, 16))}
TWO = {name: SPACES[name] for name in ("eta", "penalty")}

RECIPE: dict[str, Any] = {
    "data": "digits: 300 for training, 500 for validation, 997 for testing, by split; float64",
    "network": "64-hidden×layers-10, ReLU; ½ penalty · sum of squared weights; unless said, one layer of 30, batches of 16, no penalty, 10 epochs",
    "epochs": 10,
    "score": "mean cross-entropy on the validation samples after the last epoch; quality: on the test samples, guessing at most",
    "momentum": {"what": "epochs until an epoch's mean loss is below 0.1, by batch size, β and η/(1−β)", "seeds": 5, "betas": [0.0, 0.9],
                 "most": {8: 60, 32: 120, 300: 600}, "lengths": [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8]},
    "schedules": {"what": "20 epochs, batches of 8: test loss by schedule and η", "seeds": 10, "etas": [0.1, 0.2, 0.4, 0.6, 0.8]},
    "range": {"what": "range tests of 100 steps; validation losses by η after 20 epochs, or 60 where a batch is all samples", "seeds": 5, "sizes": [8, 32, 300], "betas": [0.0, 0.9],
              "lengths": [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2]},
    "random": {"what": "16 trainings by a grid (shifted by lot) or at random; quality of the winner", "budget": 16, "repeats": 60, "fresh": 4},
    "table": {"what": "candidates drawn near the best ones, by seeds: validation losses", "candidates": 24, "seeds": 30},
    "halving": {"what": "27 candidates, 1 to 27 epochs, by 3; beside 4 and all 27 candidates with 27 epochs", "most": 27, "repeats": 25, "fresh": 4},
}  # fmt: skip
SMALL = RECIPE | {
    "epochs": 1,
    "momentum": RECIPE["momentum"] | {"seeds": 1, "most": {32: 60}, "lengths": [0.4]},
    "schedules": RECIPE["schedules"] | {"seeds": 1, "etas": [0.4]},
    "range": RECIPE["range"] | {"seeds": 1, "sizes": [32], "lengths": [0.4]},
    "random": RECIPE["random"] | {"repeats": 1, "fresh": 1},
    "table": RECIPE["table"] | {"candidates": 2, "seeds": 2},
    "halving": RECIPE["halving"] | {"most": 3, "repeats": 1, "fresh": 1},
}


def data():
    "300, 500 and 997 digits: training, validation, test."
    X, y = digits()
    rng = np.random.default_rng(0)
    X, y, *train = split(X, y, 300 / len(X), rng=rng)
    X, y, *valid = split(X, y, 500 / len(X), rng=rng)
    return train, valid, [X, y]


TRAIN, VALID, TEST = data()


class Squares:
    "Half a strength times the sum of the squared weights."

    def __init__(self, strength):
        self.strength = strength

    def value(self, W):
        return self.strength / 2 * sum(float(np.vdot(w, w)) for w in W[1:])

    def add_gradient(self, W, G):
        for w, g in zip(W[1:], G[1:]):
            g += self.strength * w


def network_of(seed, hidden=30, layers=1):
    "A network for the digits."
    return Network((64,) + (hidden,) * layers + (10,), rng=np.random.default_rng(seed))


def trained(candidate, seed, **options):
    "A network with these hyper-parameters and its history; None if it diverged."
    network = network_of(seed, candidate.get("hidden", 30), candidate.get("layers", 1))
    penalty = Squares(candidate["penalty"]) if "penalty" in candidate else None
    rule = Momentum(candidate["beta"]) if candidate.get("beta") else None
    how = {"batch_size": candidate.get("batch_size", 16), "epochs": candidate["epochs"], "eta": candidate["eta"]} | options
    try:
        history = fit(network, *TRAIN, rng=np.random.default_rng([seed, 1]), optimizer=rule, penalty=penalty, progress=False, **how)
    except Diverged:
        return None, None
    return network, history


def train(candidate, seed, epochs=RECIPE["epochs"]):
    "What a search wants: the loss on the validation samples."
    candidate = {"epochs": epochs} | candidate
    network, _ = trained(candidate, seed)
    return math.inf if network is None else network.loss(*VALID)


def quality(candidate, seeds, epochs):
    "Mean loss on the test samples; a training that is worse than guessing counts as guessing."
    candidate = {"epochs": epochs} | candidate
    found = [trained(candidate, seed)[0] for seed in seeds]
    return float(np.mean([GUESS if network is None else min(GUESS, network.loss(*TEST)) for network in found]))


def momentum(settings):
    "Epochs by batch size, β and length of the steps."
    recipe, found = settings["momentum"], {}
    for size, most in recipe["most"].items():
        for beta in recipe["betas"]:
            for length in recipe["lengths"]:
                runs = []
                for seed in range(recipe["seeds"]):
                    how = {"eta": length * (1 - beta), "beta": beta, "batch_size": size, "epochs": most}
                    _, history = trained(how, seed, stop=Threshold(0.1))
                    runs.append(len(history) if history and history.loss[-1] < 0.1 else None)
                found.setdefault(str(size), {}).setdefault(str(beta), {})[str(length)] = runs
    return found


def schedules(settings):
    "Validation and test losses by schedule and learning rate."
    made = {
        "constant": lambda eta: eta,
        "steps": lambda eta: StepDecay(eta, 0.3, 7),
        "inverse": lambda eta: InverseDecay(eta, 5),
        "cosine": lambda eta: Cosine(eta, 20),
        "warm-up, cosine": lambda eta: Warmup(2, Cosine(eta, 18)),
        "plateau": lambda eta: ReduceOnPlateau(eta, 0.3, 3),
    }
    found = {}
    for name, schedule in made.items():
        for eta in settings["schedules"]["etas"]:
            runs = []
            for seed in range(settings["schedules"]["seeds"]):
                rate = schedule(eta)
                network, _ = trained({"eta": rate, "batch_size": 8, "epochs": 20}, seed, stop=getattr(rate, "watch", ()))
                runs.append([GUESS] * 2 if network is None else [min(GUESS, network.loss(*part)) for part in (VALID, TEST)])
            found.setdefault(name, {})[str(eta)] = runs
    return found


def ranges(settings):
    "What range tests suggest, and what is best."
    recipe, found = settings["range"], []
    for size in recipe["sizes"]:
        for beta in recipe["betas"]:
            rule, epochs = Momentum(beta) if beta else None, 60 if size == 300 else 20
            etas = [length * (1 - beta) for length in recipe["lengths"]]
            tests = [range_test(network_of(seed), *TRAIN, steps=100, batch_size=size, rng=np.random.default_rng([seed, 2]), optimizer=rule)
                     for seed in range(recipe["seeds"])]  # fmt: skip
            score = lambda eta: [min(GUESS, train({"eta": eta, "beta": beta, "batch_size": size, "epochs": epochs}, seed)) for seed in range(recipe["seeds"])]
            suggested = [test.suggestion for test in tests]
            found.append({"batch_size": size, "beta": beta, "epochs": epochs, "suggested": suggested, "etas": etas, "losses": [score(eta) for eta in etas],
                          "at_suggested": score(float(np.median(suggested)))})  # fmt: skip
    return found


def random_and_grid(settings):
    "Qualities of the winners of grids and of random searches."
    recipe, epochs, found = settings["random"], settings["epochs"], {}
    for name, spaces, points in (("two", TWO, 4), ("four", SPACES, 2)):
        for repeat in range(recipe["repeats"]):
            rng = np.random.default_rng([repeat, 3])
            fresh = range(1000 * (repeat + 1), 1000 * (repeat + 1) + recipe["fresh"])
            shifts = {each: rng.random() for each in spaces}
            for how, candidates in (("grid", grid(spaces, points, shifts)), ("random", sample(spaces, recipe["budget"], rng))):
                assert len(candidates) == recipe["budget"]
                trials = search(partial(train, epochs=epochs), candidates, seeds=[repeat], progress=False)
                found.setdefault(name, {}).setdefault(how, []).append(quality(trials.winner, fresh, epochs))
    return found


def table(settings):
    "Scores of candidates by seeds."
    recipe, score = settings["table"], partial(train, epochs=settings["epochs"])
    trials = search(score, sample(NEAR, recipe["candidates"], np.random.default_rng(5)), seeds=range(recipe["seeds"]), progress=False)
    return {"candidates": trials.candidates, "scores": np.minimum(trials.scores, 99.0)}


def halving(settings):
    "Qualities of the winners of successive halving, and of what else the trainings could have been spent on."
    recipe, found = settings["halving"], {"halving": [], "few": [], "all": []}
    most = recipe["most"]
    for repeat in range(recipe["repeats"]):
        candidates = sample(SPACES, most, np.random.default_rng([repeat, 4]))
        longest = [each | {"epochs": most} for each in candidates]
        winners = {
            "halving": successive_halving(train, candidates, least=1, most=most, seeds=[repeat], progress=False)[-1].winner,
            "few": search(train, longest[:4], seeds=[repeat], progress=False).winner,
            "all": search(train, longest, seeds=[repeat], progress=False).winner,
        }
        fresh = range(1000 * (repeat + 1), 1000 * (repeat + 1) + recipe["fresh"])
        for name, winner in winners.items():
            found[name].append(quality(winner, fresh, settings["epochs"]))
    return found


def parts(settings):
    "Momentum, schedules, range tests, and ways to search."
    named = {"momentum": momentum, "schedules": schedules, "range": ranges, "random": random_and_grid, "table": table, "halving": halving}
    return {name: partial(part, settings) for name, part in named.items()}


EXPERIMENT = Experiment(__file__, RECIPE, SMALL, parts)

if __name__ == "__main__":
    EXPERIMENT.run(*sys.argv[1:])
