"""The experiments of the chapter on stopping at full size.

    python -m benchmarks.stopping [PART…]

Takes about six minutes on one core and keeps results/stopping.json, which the chapter shows. Pairs [m, h] are a mean
over the trainings and half its 95 % interval.
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
from dlnbook.data import digits
from dlnbook.initialization import he
from dlnbook.intervals import paired_difference
from dlnbook.loss import log_softmax
from dlnbook.network import Network
from dlnbook.stopping import GeneralizationLoss, ProgressQuotient, RelativePatience, Rising, regret, stopped_at
from dlnbook.fitting import Epoch, History, Patience, Threshold, fit

RECIPE: dict[str, Any] = {
    "data": "digits in a random order that differs from training to training: 200 for training, 400 for validation, 1197 for the test; inputs from 0 to 1; float64",
    "training": "64-50-10, ReLU, He's weights, batches of 10, η 0.1; noisy: each training label is drawn anew with probability 0.2, validation and test labels are right",
    "epochs": 200,
    "seeds": 150,
    "noise": [0.0, 0.2],
    "V": [25, 100, 400],
    "rules": {"patience": [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 64], "GL": [2, 5, 10, 20, 40], "PQ": [0.02, 0.05, 0.1, 0.2, 0.5, 1],
              "rising": [1, 2, 3, 4, 6], "relative": [0.25, 0.5, 1, 2], "threshold": [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], "fixed": [10, 20, 30, 50, 80, 120], "smoothed": [1, 2, 4, 8, 16]},
    "smoothed": "patience, with the mean of the last 5 validation losses in the place of each",
    "versus": "regret of a rule minus that of a patience drawn by lot between two neighbors, so that the mean epochs are equal; paired",
    "watch": "patience that watches the share of errors instead of the loss, ties to the earlier epoch: lost accuracy, minus that of patience on the loss",
    "gaps": {"what": "epoch b, best by one half of the test samples, and b + gap, on the other half, and the halves exchanged: difference of the mean losses, spread of a loss at b, spread of the difference", "gaps": [1, 5, 20]},
    "dealt": "patience p on V samples, and the same stops dealt to other trainings, each to the next: regret in loss with the own stop, and with the other's minus that",
    "optimism": "test loss minus validation loss, at the epoch that the validation loss prefers and at epoch 20; for errors the same",
    "scatter": "15 blocks of 100 unseen digits: spread of the block means, over what the samples' spread foretells; epoch 20, and epoch 20 minus epoch 30",
    "halves": "test set in halves: the epoch best by the one, judged by the other, minus the best by the other",
    "plateau": {"what": "64-30×3-10, 0.25 times He's weights, right labels: share stopped before the validation loss was below ½ ln 10; the rise before",
                "epochs": 120, "seeds": 60, "patience": [1, 2, 4, 8, 16, 32]},
    "descents": {"what": "64-200-200-200-10, 1000 training digits, batches of 20, η 0.05: test errors, mean over 9 epochs: least before the rise, highest after, least after that, last",
                 "epochs": 250, "seeds": 5, "noise": [0.2, 0.4]},
}  # fmt: skip
SMALL = RECIPE | {
    "epochs": 30,
    "seeds": 2,
    "V": [100, 400],
    "rules": {"patience": [1, 2, 4], "GL": [5], "PQ": [0.1], "rising": [2], "relative": [0.5], "threshold": [0.5], "fixed": [10], "smoothed": [2]},
    "plateau": RECIPE["plateau"] | {"epochs": 20, "seeds": 2, "patience": [2, 8]},
    "descents": RECIPE["descents"] | {"epochs": 11, "seeds": 1, "noise": [0.2]},
}


HALF, OTHER = slice(400, 998), slice(998, None)  # of the test samples


def shuffled(seed, samples, noise):
    "Training samples, their labels (some wrong), the other samples, their labels, and the generator."
    X, labels = digits()
    rng = np.random.default_rng([15, seed])
    order = rng.permutation(len(X))
    train, unseen = order[:samples], order[samples:]
    wrong = rng.random(samples) < noise
    y = np.where(wrong, rng.integers(10, size=samples), labels[train])
    return X[train], y, X[unseen], labels[unseen], rng


def record(noise, seed, epochs):
    "Losses on the way (E,), and for each epoch and unseen sample its loss and whether it is wrong (E, 1597)."
    X, y, X_unseen, labels, rng = shuffled(seed, 200, noise)
    network = Network((64, 50, 10), rng=rng, initialize=he)
    losses, errors = [], []

    def look(epoch, network, history):
        A = network.scores(X_unseen)
        losses.append(-log_softmax(A)[np.arange(len(A)), labels])
        errors.append(A.argmax(axis=1) != labels)

    history = fit(network, X, y, epochs=epochs, batch_size=10, eta=0.1, rng=rng, callback=look, progress=False)
    return history.loss, np.array(losses), np.array(errors)


def seen_by(way, losses, errors):
    "The history that these validation samples would have shown."
    rows = zip(way, losses.mean(axis=1), errors.mean(axis=1))
    return History([Epoch(e, 0.1, float(w), 0.0, float(loss), float(1 - wrong)) for e, (w, loss, wrong) in enumerate(rows, 1)])


def rules(settings):
    "All rules by kind and setting."
    kinds = {"patience": Patience, "GL": GeneralizationLoss, "PQ": ProgressQuotient, "rising": Rising, "relative": RelativePatience, "threshold": Threshold,
             "fixed": enough}  # fmt: skip
    return {(kind, setting): kinds[kind](setting) for kind in kinds for setting in settings["rules"][kind]}


def enough(epochs):
    "A rule that counts."
    return lambda history: "enough" if len(history) >= epochs else None


def smoothed(seen, patience):
    "A rule that stops this one history where patience stops that of the means of 5 epochs."
    means = np.convolve(seen.validation_loss, np.ones(5) / 5, "valid")
    at = stopped_at(Patience(patience), seen_by(means, means[:, None], means[:, None]))
    return enough(math.inf if at is None else at + 4)


def interval(values):
    "Mean and half its 95 % interval."
    values = np.asarray(values, float)
    return [values.mean(), 1.96 * values.std(ddof=1) / math.sqrt(len(values))]


def summary(found, lost):
    "What a rule did, over all trainings."
    off = np.array([each.epochs for each in found])
    early = off < 0
    return {
        "trained": interval([each.stopped for each in found]),
        "early": interval(early), "late": interval(off > 0), "met": np.mean([each.met for each in found]),
        "too_few": -off[early].mean() if early.any() else 0.0,
        "too_many": off[off > 0].mean() if (off > 0).any() else 0.0,
        "cut": interval([each.cut for each in found]), "pick": interval([each.pick for each in found]),
        "loss": interval([each.loss for each in found]), "accuracy": interval(lost),
    }  # fmt: skip


def versus(found, lost):
    "Each rule against a patience of the same mean cost."
    trained = {key: np.mean([each.stopped for each in runs]) for key, runs in found.items()}
    patient = sorted((cost, key) for key, cost in trained.items() if key[0] == "patience")
    compared = {}
    for key, runs in found.items():
        for (low, a), (high, b) in zip(patient, patient[1:]):
            if key[0] != "patience" and low <= trained[key] <= high:
                w = (high - trained[key]) / (high - low)
                loss = [r.loss - w * s.loss - (1 - w) * t.loss for r, s, t in zip(runs, found[a], found[b])]
                accuracy = [r - w * s - (1 - w) * t for r, s, t in zip(lost[key], lost[a], lost[b])]
                compared.setdefault(key[0], {})[key[1]] = {"loss": interval(loss), "accuracy": interval(accuracy)}
    return compared


def beyond(losses, gap, choose, judge):
    "Epoch b, the best on some samples, and one later on, seen by others: difference, spread of a loss, spread of the difference."
    b = int(losses[:, choose].mean(axis=1).argmin())
    e = min(b + gap, len(losses) - 1)
    difference, error = paired_difference(losses[e, judge], losses[b, judge])
    some = losses[b, judge]
    return difference, some.std(ddof=1), error * math.sqrt(len(some))


def dealt(seen, truths, stops):
    "Regret of each training's own stop, and with the next one's minus that."
    own, other = [], []
    for history, truth, mine, theirs in zip(seen, truths, stops, stops[1:] + stops[:1]):
        own.append(regret(enough(mine), history, truth).loss)
        other.append(regret(enough(theirs), history, truth).loss - own[-1])
    return [interval(own), interval(other)]


def trainings(noise, settings):
    "Everything that is read off the same trainings."
    sizes, gaps = settings["V"], settings["gaps"]["gaps"]
    keys = [*rules(settings), *(("smoothed", p) for p in settings["rules"]["smoothed"])]
    found = {V: {key: [] for key in keys} for V in sizes}
    lost = {V: {key: [] for key in keys} for V in sizes}
    fancy = {V: {"optimism": [], "control": [], "errors": [], "error_control": [], "independent": []} for V in sizes}
    rows: dict[str, list] = {"best": [], "best_loss": [], "best_error": [], "last_loss": [], "last_error": [], "halves": [], "scatter": [], "paired_scatter": []}
    watch = {V: {p: [] for p in settings["rules"]["patience"]} for V in sizes}
    apart: dict[int, list] = {gap: [] for gap in gaps}
    truths, histories = [], {V: [] for V in sizes}
    for seed in range(settings["seeds"]):
        way, losses, errors = record(noise, seed, settings["epochs"])
        truth, wrong = losses[:, 400:].mean(axis=1), errors[:, 400:].mean(axis=1)
        b = int(truth.argmin())
        truths.append(truth)
        for name, value in zip(rows, (b + 1, truth[b], wrong[b], truth[-1], wrong[-1])):
            rows[name].append(value)
        one, other = losses[:, HALF].mean(axis=1), losses[:, OTHER].mean(axis=1)
        rows["halves"].append((other[one.argmin()] - other.min() + one[other.argmin()] - one.min()) / 2)
        blocks = losses[:, 97:].reshape(len(losses), 15, 100)
        for name, each in (("scatter", blocks[19]), ("paired_scatter", blocks[19] - blocks[29])):
            rows[name].append(each.mean(axis=1).var(ddof=1) / (each.var(ddof=1) / 100))
        for gap in gaps:
            apart[gap].append(np.mean([beyond(losses, gap, *parts) for parts in ((HALF, OTHER), (OTHER, HALF))], axis=0))
        for V in sizes:
            seen = seen_by(way, losses[:, :V], errors[:, :V])
            histories[V].append(seen)
            asked = rules(settings) | {("smoothed", p): smoothed(seen, p) for p in settings["rules"]["smoothed"]}
            for key, rule in asked.items():
                each = regret(rule, seen, truth)
                found[V][key].append(each)
                lost[V][key].append(wrong[each.kept - 1] - wrong.min())
            counted = seen_by(way, errors[:, :V], errors[:, :V])
            for p in watch[V]:
                kept = regret(Patience(p), counted, truth).kept
                watch[V][p].append((wrong[kept - 1] - wrong.min(), wrong[kept - 1] - wrong.min() - lost[V]["patience", p][-1]))
            k, mean = seen.best_epoch - 1, np.array(seen.validation_loss)
            rate = 1 - np.array(seen.validation_accuracy)
            least = int(rate.argmin())
            values = (truth[k] - mean[k], truth[19] - mean[19], wrong[least] - rate[least], wrong[19] - rate[19], losses[b, :V].std(ddof=1) / math.sqrt(V))
            for name, value in zip(fancy[V], values):
                fancy[V][name].append(value)
    square = lambda values: float(np.sqrt(np.mean(np.square(values))))
    return {
        "rows": {name: interval(values) for name, values in rows.items()},
        "best_quartiles": [float(q) for q in np.percentile(rows["best"], [25, 50, 75])],
        "gaps": {gap: {"difference": interval([t[0] for t in each]), "spread": square([t[1] for t in each]), "paired": square([t[2] for t in each])} for gap, each in apart.items()},
        "optimism": {V: {name: interval(values) for name, values in each.items()} for V, each in fancy.items()},
        "dealt": {V: {p: dealt(histories[V], truths, [each.stopped for each in found[V]["patience", p]]) for p in settings["rules"]["patience"]} for V in sizes},
        "watch": {V: {p: [interval([t[i] for t in each]) for i in (0, 1)] for p, each in by.items()} for V, by in watch.items()},
        "rules": {V: nested({key: summary(found[V][key], lost[V][key]) for key in found[V]}) for V in sizes},
        "versus": {V: versus(found[V], lost[V]) for V in sizes},
    }  # fmt: skip


def nested(flat):
    "By kind, then by setting."
    found: dict = {}
    for (kind, setting), value in flat.items():
        found.setdefault(kind, {})[setting] = value
    return found


def plateau_losses(seed, V, epochs):
    "Validation losses of a training that begins on a plateau."
    X, y, X_unseen, labels, rng = shuffled(seed, 200, 0.0)
    network = Network((64, 30, 30, 30, 10), rng=rng, initialize=lambda o, i, r: 0.25 * he(o, i, r))
    history = fit(network, X, y, epochs=epochs, batch_size=10, eta=0.1, rng=rng, validation=(X_unseen[:V], labels[:V]), progress=False)
    return history


def plateau(recipe):
    "Which share of trainings patience ends before they have begun."
    lengths, rises, finals = [], [], []
    stopped: dict[int, list] = {p: [] for p in recipe["patience"]}
    for seed in range(recipe["seeds"]):
        history = plateau_losses(seed, 400, recipe["epochs"])
        loss = np.array(history.validation_loss)
        under = loss < math.log(10) / 2
        end = int(under.argmax()) if under.any() else len(loss)
        lengths.append(end)
        rises.append(loss[:end].max() - loss[0])
        finals.append(loss.min())
        for p in stopped:
            at = stopped_at(Patience(p), history)
            stopped[p].append(at is not None and at <= end)
    return {"stopped": {p: interval(each) for p, each in stopped.items()}, "length": float(np.median(lengths)), "rise": interval(rises), "final": interval(finals)}


def descents(noise, recipe):
    "Does the test error fall a second time? And the whole curve of the first training, every fifth epoch."
    runs, curve = [], []
    for seed in range(recipe["seeds"]):
        X, y, X_unseen, labels, rng = shuffled(seed, 1000, noise)
        network, wrong = Network((64, 200, 200, 200, 10), rng=rng, initialize=he), []
        look = lambda epoch, network, history: wrong.append(float((network.scores(X_unseen).argmax(axis=1) != labels).mean()))
        fit(network, X, y, epochs=recipe["epochs"], batch_size=20, eta=0.05, rng=rng, callback=look, progress=False)
        smooth = np.convolve(wrong, np.ones(9) / 9, "valid")
        first = int(smooth.argmin())
        top = first + int(smooth[first:].argmax())
        curve = curve or smooth[::5].tolist()
        runs.append([smooth[first], smooth[top], smooth[top:].min(), smooth[-1]])
    return {"runs": runs, "curve": curve}


def parts(settings):
    "Trainings with right labels and with wrong ones, those that begin on a plateau, and those whose test error falls twice."
    noises = settings["descents"]["noise"]
    return {
        "clean": lambda: trainings(0.0, settings),
        "noisy": lambda: trainings(0.2, settings),
        "plateau": lambda: plateau(settings["plateau"]),
        "descents": lambda: {noise: descents(noise, settings["descents"]) for noise in noises},
    }


EXPERIMENT = Experiment(__file__, RECIPE, SMALL, parts)

if __name__ == "__main__":
    EXPERIMENT.run(*sys.argv[1:])
