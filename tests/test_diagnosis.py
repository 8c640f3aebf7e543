"""A backward pass that is right is never accused, however it is written; one with a known mistake is named.

The programs are texts, put together from independent choices, and run: nothing of them comes from the catalog.
"""

import itertools
import random

import numpy as np
import pytest

from book.notebooks import read_all
from dlnbook.diagnosis import CATALOGUE, ENGINE_CATALOGUE, LINES, diagnose, diagnose_engine

# Programs


#: The lines that depend on how weights and samples lie, by (W is (out, in), samples are rows).
LAID = {
    (True, True): {"sums": "Z[r - 1] @ W[r].T + b[r]", "arrives": "D[r + 1] @ W[r + 1]", "dW": "D[r].T @ Z[r - 1] / B", "db": "D[r].sum(axis=0) / B"},
    (False, True): {"sums": "Z[r - 1] @ W[r] + b[r]", "arrives": "D[r + 1] @ W[r + 1].T", "dW": "Z[r - 1].T @ D[r] / B", "db": "D[r].sum(axis=0) / B"},
    (True, False): {"sums": "W[r] @ Z[r - 1] + b[r].reshape(-1, 1)", "arrives": "W[r + 1].T @ D[r + 1]", "dW": "D[r] @ Z[r - 1].T / B", "db": "D[r].sum(axis=1) / B"},
    (False, False): {"sums": "W[r].T @ Z[r - 1] + b[r].reshape(-1, 1)", "arrives": "W[r + 1] @ D[r + 1]", "dW": "Z[r - 1] @ D[r].T / B", "db": "D[r].sum(axis=1) / B"},
}
FUNCTIONS = {
    "tanh": ("np.tanh(A[r])", "1 - Z[r]**2"),
    "sigmoid": ("1 / (1 + np.exp(-A[r]))", "Z[r] * (1 - Z[r])"),
    "relu": ("np.maximum(A[r], 0)", "(A[r] > 0)"),
}
RETURNS = {
    "two lists": "return [None] + dW, [None] + db",
    "without None": "return dW, db",
    "with the loss": "return -np.log((Y * T).sum(axis=k)).mean(), dW, db",
    "one list": "return [g for pair in zip(dW, db) for g in pair]",
    "weights, then biases": "return dW + db",
    "pairs": "return list(zip(dW, db))",
    "a dictionary": "return {'dW%d' % (r + 1): g for r, g in enumerate(dW)} | {'db%d' % (r + 1): g for r, g in enumerate(db)}",
    "lists in a dictionary": "return {'dW': dW, 'db': db}",
    "a vector": "return np.concatenate([g.ravel() for pair in zip(dW, db) for g in pair])",
    "the output first": "return [g for pair in zip(dW[::-1], db[::-1]) for g in pair]",
}
HEADS = {
    "lists": "def backward(W, b, X, T):",
    "without None": "def backward(W, b, X, T):\n    W, b = [None, *W], [None, *b]",
    "one by one": "def backward(W1, b1, W2, b2, W3, b3, X, T):\n    W, b = [None, W1, W2, W3], [None, b1, b2, b3]",
    "one hidden layer": "def backward(W1, b1, W2, b2, X, T):\n    W, b = [None, W1, W2], [None, b1, b2]",
    "one list": "def backward(parameters, X, T):\n    W, b = [None, *parameters[::2]], [None, *parameters[1::2]]",
    "a dictionary": "def backward(p, X, T):\n    W, b = ([None] + [p[f'{name}{r}'] for r in range(1, len(p) // 2 + 1)] for name in 'Wb')",
    "labels": "def backward(W, b, X, labels):\n    T = np.eye(b[-1].size)[labels]",
}
SOFTMAX = {
    "at once": "E = np.exp(A[-1] - A[-1].max(axis=k, keepdims=True)); Y = E / E.sum(axis=k, keepdims=True)",
    "by the logarithm": "S = A[-1] - A[-1].max(axis=k, keepdims=True); Y = np.exp(S - np.log(np.exp(S).sum(axis=k, keepdims=True)))",
}
STEPS = {
    "a step": "for r in range(1, R + 2):\n        W[r] -= 0.05 * dW[r - 1]\n        b[r] -= 0.05 * db[r - 1].reshape(b[r].shape)",
    "new parameters": "return [w - 0.05 * g for w, g in zip(W[1:], dW)], [v - 0.05 * g for v, g in zip(b[1:], db)]",
}
START = {
    "fused": "Y - T",
    "in place": "np.subtract(Y, T, out=Y.copy())",
    "split": "Y * T.sum(axis=k, keepdims=True) - T",
}
def text(out_in=True, rows=True, f="tanh", returns="two lists", softmax="at once", start="fused", merged=False, head="lists", single=False, mean_first=False, samples=False, wrong=()):
    "A program, with some of its lines changed: (line, old, new)."
    forward, slope = FUNCTIONS[f]
    lines = LAID[out_in, rows] | {
        "data": "X, T", "hidden": forward, "softmax": SOFTMAX[softmax], "start": START[start], "slope": slope,
        "delta": "slope * arrives", "end": "pass", "head": HEADS[head], "before": "pass", "lower": "pass", "layers": "range(1, R + 2)", "output": "A[-1]",
        "returns": (RETURNS | STEPS)[returns],
    }  # fmt: skip
    if samples:
        of = "{}[m]" if rows else "{}[:, m]"
        pair = [of.format("D[r]"), of.format("Z[r - 1]")][:: 1 if out_in else -1]
        lines["dW"] = f"sum(np.outer({', '.join(pair)}) for m in range(B)) / B"
    if mean_first:
        lines |= {"start": f"({lines['start']}) / B", "dW": lines["dW"].replace(" / B", ""), "db": lines["db"].replace(" / B", "")}
    for name, old, new in wrong:
        assert old in lines[name], (name, old, lines[name])
        lines[name] = lines[name].replace(old, new) if old else new
    narrow = "W, b, X, T = [[w if w is None else w.astype(np.float32) for w in each] for each in (W, b)] + [X.astype(np.float32), T.astype(np.float32)]"
    body = [
        lines["head"],
        f"    k = {int(rows)}",
        f"    {narrow}" if single else "    pass",
        "    T = T if k else T.T" if head == "labels" else "",
        f"    R, B = len(W) - 2, X.shape[{int(not rows)}]",
        f"    {lines['before']}",
        f"    X, T = {lines['data']}",
        "    A, Z = [None], [X]",
        "    for r in range(1, R + 2):",
        f"        A.append({lines['sums']})",
        f"        Z.append({lines['hidden']} if r <= R else A[r])",
        f"    A[-1] = {lines['output']}",
        f"    {lines['softmax']}",
        "    Z[R + 1] = Y",
        "    D, dW, db = [None] * (R + 2), [None] * (R + 2), [None] * (R + 2)",
        f"    D[R + 1] = {lines['start']}",
    ]
    by_layer = [f"dW[r] = {lines['dW']}", f"db[r] = {lines['db']}"]
    step = [f"arrives = {lines['arrives']}", f"slope = {lines['slope']}", f"D[r] = {lines['delta']}"]
    if merged:
        body += ["    for r in range(R + 1, 0, -1):", *(f"        {line}" for line in by_layer), f"        {lines['lower']}", "        if r > 1:", "            r = r - 1", *(f"            {line}" for line in step)]
    else:
        body += ["    for r in range(R, 0, -1):", *(f"        {line}" for line in step), f"    for r in {lines['layers']}:", *(f"        {line}" for line in by_layer)]
    body += ["    dW, db = dW[1:], db[1:]", f"    {lines['end']}", f"    {lines['returns']}"]
    return "\n".join(body)


def made(source, **names):
    "The function of a program."
    space = {"np": np, **names}
    exec(compile(source, "mine.py", "exec"), space)
    return space["backward"]


# Mistakes: what is changed in which lines, (line, old, new); an empty `old` is the whole line.

MISTAKES = {
    "sum": [("dW", " / B", ""), ("db", " / B", "")],
    "mean twice": [("start", "Y - T", "(Y - T) / B")],
    "mean in δ": [("delta", "slope * arrives", "slope * arrives / B")],
    "mean over classes": [("start", "Y - T", "(Y - T) / T.shape[k]")],
    "sign": [("start", "Y - T", "T - Y")],
    "bits": [("start", "Y - T", "(Y - T) / np.log(2)")],
    "double": [("start", "Y - T", "2 * (Y - T)")],
    "no target": [("start", "Y - T", "Y")],
    "label + 1": [("data", "X, T", "X, np.roll(T, 1, axis=k)")],
    "label − 1": [("data", "X, T", "X, np.roll(T, -1, axis=k)")],
    "rows + 1": [("data", "X, T", "X, np.roll(T, 1, axis=1 - k)")],
    "rows − 1": [("data", "X, T", "np.roll(X, 1, axis=1 - k), T")],
    "rows reversed": [("data", "X, T", "np.flip(X, 1 - k), T")],
    "softmax′ diagonal": [("start", "Y - T", "(Y - T) * Y * (1 - Y)")],
    "softmax′": [("start", "Y - T", "Y * ((Y - T) - ((Y - T) * Y).sum(axis=k, keepdims=True))")],
    "squared error": [("start", "Y - T", "Y * (2 * (Y - T) - (2 * (Y - T) * Y).sum(axis=k, keepdims=True))")],
    "squared error, mean": [("start", "Y - T", "2 / Y.shape[k] * Y * ((Y - T) - ((Y - T) * Y).sum(axis=k, keepdims=True))")],
    "softmax diagonal only": [("start", "Y - T", "-T / Y * Y * (1 - Y)")],
    "softmax axis": [("softmax", "axis=k", "axis=1 - k")],
    "δ squared": [("start", "Y - T", "(Y - T) ** 2")],
    "δ size": [("start", "Y - T", "np.abs(Y - T)")],
    "most probable": [("start", "Y - T", "(Y == Y.max(axis=k, keepdims=True)) - T")],
    "f′ at the output": [("start", "Y - T", "(Y - T) * (1 - np.tanh(A[-1])**2)")],
    "f at the output": [("output", "A[-1]", "np.tanh(A[-1])"), ("start", "Y - T", "(Y - T) * (1 - A[-1]**2)")],
    "f before softmax": [("output", "A[-1]", "np.tanh(A[-1])")],
    "no slope": [("slope", "1 - Z[r]**2", "1")],
    "slope of z": [("slope", "Z[r]**2", "np.tanh(Z[r])**2")],
    "formula fed with a": [("slope", "Z[r]", "A[r]")],
    "slope plus": [("slope", "1 - ", "1 + ")],
    "slope short": [("slope", "**2", "")],
    "f for f′": [("slope", "1 - Z[r]**2", "np.tanh(A[r])")],
    "only slope": [("delta", "slope * arrives", "slope")],
    "slope added": [("delta", "*", "+")],
    "slope from above": [("slope", "Z[r]", "np.tanh(A[r + 1])")],
    "slope from below": [("slope", "Z[r]", "(np.tanh(Z[r - 1]) if r == 1 else Z[r - 1])")],
    "sign of δ for f′": [("slope", "1 - Z[r]**2", "(arrives > 0)")],
    "entry by entry": [("arrives", "@", "*")],
    "no weights": [("arrives", "", "D[r + 1]")],
    "output δ": [("arrives", "D[r + 1]", "D[R + 1]")],
    "dW transposed": [("dW", "", "({}).T")],
    "a for z": [("dW", "Z[r - 1]", "(A[r - 1] if r > 1 else X)")],
    "z of the layer": [("dW", "Z[r - 1]", "Z[r]")],
    "z from below": [("dW", "Z[r - 1]", "Z[max(r - 2, 0)]")],
    "inputs for z": [("dW", "Z[r - 1]", "X")],
    "δ from above in dW": [("dW", "D[r]", "D[min(r + 1, R + 1)]")],
    "no z": [("dW", "Z[r - 1]", "np.ones_like(Z[r - 1])")],
    "W included": [("dW", "", "({}) * W[r]")],
    "missing": [("dW", "", "({}) * (r > 1)"), ("db", "", "({}) * (r > 1)")],
    "dW missing": [("dW", "", "({}) * (r < 2)")],
    "db missing": [("db", "", "np.zeros_like(b[r])")],
    "db twice": [("db", " / B", " / B / B")],
    "db sum": [("db", " / B", "")],
    "dW sum": [("dW", " / B", "")],
    "db not summed": [("db", "", "D[r]")],
    "db not summed, mean": [("db", "", "D[r] / B")],
    "db one number": [("db", "", "D[r].sum() / B")],
    "db one mean": [("db", "", "D[r].mean()")],
    "db one sum": [("db", "", "D[r].sum()")],
    "db of δ above": [("db", "D[r]", "D[min(r + 1, R + 1)]")],
    "no bias": [("sums", "b[r]", "0 * b[r]")],
    "no f": [("hidden", "np.tanh(A[r])", "A[r]"), ("slope", "Z[r]", "np.tanh(A[r])")],
    "f twice": [("hidden", "np.tanh(A[r])", "np.tanh(np.tanh(A[r]))"), ("slope", "Z[r]", "np.tanh(A[r])")],
    "whole numbers": [("end", "pass", "dW, db = [g.astype(int) for g in dW], [g.astype(int) for g in db]")],
    "whole error": [("start", "Y - T", "(Y - T).astype(int)")],
    "last sample alone": [("end", "pass", "s = np.s_[-1:] if k else np.s_[:, -1:]; dW = [made_of(D[r][s], Z[r - 1][s]) for r in range(1, R + 2)]; db = [D[r][s].sum(axis=1 - k) for r in range(1, R + 2)]")],
    "last sample": [("end", "pass", "s = np.s_[-1:] if k else np.s_[:, -1:]; dW = [made_of(D[r][s], Z[r - 1][s]) / B for r in range(1, R + 2)]; db = [D[r][s].sum(axis=1 - k) / B for r in range(1, R + 2)]")],
    "first sample alone": [("end", "pass", "s = np.s_[:1] if k else np.s_[:, :1]; dW = [made_of(D[r][s], Z[r - 1][s]) for r in range(1, R + 2)]; db = [D[r][s].sum(axis=1 - k) for r in range(1, R + 2)]")],
    "nominal B": [("dW", " / B", " / 32"), ("db", " / B", " / 32")],
    "factor": [("start", "Y - T", "0.37 * (Y - T)")],
    "penalty": [("end", "pass", "dW = [g + 0.01 * w for g, w in zip(dW, W[1:])]")],
    "inputs changed": [("start", "Y - T", "np.subtract(Y, T, out=T)")],
    "overflow": [("softmax", "A[-1] - A[-1].max(axis=k, keepdims=True)", "A[-1]")],
    "weights changed": [("end", "pass", "W[1] -= 0.1 * dW[0]")],
    "state": [("end", "pass", "dW = [g + 0.9 * h for g, h in zip(dW, store or [0] * len(dW))]; store[:] = dW")],
    "accumulates": [("end", "pass", "store[:] = [h + g for h, g in zip(store or [0] * len(dW), dW)]; dW = list(store); kept[:] = [h + g for h, g in zip(kept or [0] * len(db), db)]; db = list(kept)")],
    "zero over zero": [("slope", "1 - Z[r]**2", "(1 - Z[r]**2) * A[r] / A[r]")],
    "integer inputs": [("before", "pass", "scaled = np.zeros_like(X); scaled[...] = X / 2; X = 2 * scaled")],
}  # fmt: skip

#: Those that need widths to be equal.
SQUARE = {
    "not transposed": {(True, True): "D[r + 1] @ W[r + 1].T", (False, True): "D[r + 1] @ W[r + 1]", (True, False): "W[r + 1] @ D[r + 1]", (False, False): "W[r + 1].T @ D[r + 1]"},
    "weights from below": {(True, True): "D[r + 1] @ W[r]", (False, True): "D[r + 1] @ W[r].T", (True, False): "W[r].T @ D[r + 1]", (False, False): "W[r] @ D[r + 1]"},
}  # fmt: skip
LAYOUTS = [*itertools.product((True, False), repeat=2)]


def wrong_program(name, out_in=True, rows=True, **choices):
    "The program with a mistake."
    changes = MISTAKES.get(name) or [("arrives", "", SQUARE[name][out_in, rows])]
    changes = [(line, old, new.format(LAID[out_in, rows].get(line)) if "{}" in new else new) for line, old, new in changes]
    made_of = {(True, True): lambda d, z: d.T @ z, (False, True): lambda d, z: z.T @ d, (True, False): lambda d, z: d @ z.T, (False, False): lambda d, z: z @ d.T}
    return made(text(out_in, rows, wrong=changes, **choices), made_of=made_of[out_in, rows], calls=[], store=[], kept=[])


NAMES = [*MISTAKES, *SQUARE]


@pytest.mark.parametrize("name", NAMES[::6])
def test_a_mistake_is_named(name):
    "By itself, or with what has the very same numbers."
    diagnosis = diagnose(wrong_program(name))
    assert diagnosis.verdict == "named" and diagnosis.names == (name,), str(diagnosis)


#: In single precision the programs work on copies, so that two mistakes can't be made; and whether y is 1 is a matter of rounding.
FORMS = [(name, single) for name in NAMES for single in (False, True) if not (single and name in ("weights changed", "inputs changed", "whole error", "integer inputs"))]


@pytest.mark.slow
@pytest.mark.parametrize("out_in, rows", LAYOUTS)
@pytest.mark.parametrize("name, single", FORMS)
def test_a_mistake_is_named_in_every_orientation_and_precision(name, single, out_in, rows):
    diagnosis = diagnose(wrong_program(name, out_in, rows, single=single))
    assert diagnosis.verdict == "named" and diagnosis.names == (name,), str(diagnosis)
    assert (f"W is {'(out, in)' if out_in else '(in, out)'}" in diagnosis.reading) and (f"samples are {'rows' if rows else 'columns'}" in diagnosis.reading)


@pytest.mark.slow
def test_what_rounding_does_not_tell_apart_is_listed():
    diagnosis = diagnose(wrong_program("whole error", single=True))
    assert diagnosis.verdict == "candidates" and "whole error" in diagnosis.names


def test_forty_mistakes_and_more():
    assert len(NAMES) >= 40 and set(NAMES) <= set(CATALOGUE)


# The right gradient


def right_ways(count):
    "So many different ways to write a right backward pass."
    choose, seen = random.Random(1), {}
    while len(seen) < count:
        out_in, rows = choose.choice(LAYOUTS)
        way = {
            "out_in": out_in, "rows": rows, "f": choose.choice([*FUNCTIONS]), "returns": choose.choice([*RETURNS, *STEPS]), "head": choose.choice([*HEADS]),
            "softmax": choose.choice([*SOFTMAX]), "start": choose.choice([*START]), "merged": choose.random() < 0.5, "mean_first": choose.random() < 0.5,
            "samples": choose.random() < 0.3, "single": choose.random() < 0.3,
        }  # fmt: skip
        if way["returns"] in STEPS:
            way["single"] = False  # a step in another precision would change copies
        seen[str(way)] = way
    return list(seen.values())


@pytest.mark.parametrize("part", range(8))
def test_what_is_right_is_never_accused(part):
    for way in right_ways(240)[part::8]:
        diagnosis = diagnose(made(text(**way)))
        assert diagnosis.verdict == "right" and not diagnosis.candidates, f"{way}\n{diagnosis}"
        narrow = "float32" in diagnosis.reading
        assert narrow == way["single"], diagnosis.reading


# Two at once


def gradient_of(program):
    "What a program answers on a network of its own."
    rng = np.random.default_rng(11)
    W, b = [None, *(rng.normal(size=(5, 5)) for _ in range(3))], [None, *rng.normal(size=(3, 5))]
    with np.errstate(all="ignore"):
        dW, db = program(W, b, rng.normal(size=(7, 5)), np.eye(5)[[0, 1, 2, 3, 4, 0, 2]])
    return [*dW[1:], *db[1:]]


def pairs_of_mistakes(count):
    "Pairs that change different lines."
    usual = [name for name in MISTAKES if CATALOGUE[name].lines or name in ("nominal B", "factor", "penalty")]
    lines = {name: {line for line, _, _ in MISTAKES[name]} for name in usual}
    pairs = [pair for pair in itertools.combinations(usual, 2) if not lines[pair[0]] & lines[pair[1]]]
    return random.Random(2).sample(pairs, count)


@pytest.mark.slow
@pytest.mark.parametrize("pair", pairs_of_mistakes(40), ids="+".join)
def test_two_mistakes_are_never_named_as_a_third(pair):
    laid = LAID[True, True]
    changes = [(line, old, new.format(laid[line]) if "{}" in new else new) for name in pair for line, old, new in MISTAKES[name]]
    program = made(text(wrong=changes), made_of=lambda d, z: d.T @ z)
    diagnosis = diagnose(program)
    if diagnosis.verdict in ("named", "right"):
        alone = made(text()) if diagnosis else wrong_program(diagnosis.names[0])
        for one, other in zip(gradient_of(program), gradient_of(alone), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    else:
        assert diagnosis.verdict != "stopped", str(diagnosis)


# Penalties, dropout, steps, classes, and what is in no catalog

MORE = {
    "penalty missing": ("def backward(W, b, X, T, penalty):", []),
    "penalty twice": ("def backward(W, b, X, T, penalty):", [("end", "pass", "dW = [g + 2 * penalty * w for g, w in zip(dW, W[1:])]")]),
    "penalty halved": ("def backward(W, b, X, T, lam):", [("end", "pass", "dW = [g + lam * w / 2 for g, w in zip(dW, W[1:])]")]),
    "penalty / B": ("def backward(W, b, X, T, penalty):", [("end", "pass", "dW = [g + penalty * w / B for g, w in zip(dW, W[1:])]")]),
    "penalty · B": ("def backward(W, b, X, T, penalty=0.1):", [("end", "pass", "dW = [g + penalty * w * B for g, w in zip(dW, W[1:])]")]),
    "penalty sign": ("def backward(W, b, X, T, penalty):", [("end", "pass", "dW = [g - penalty * w for g, w in zip(dW, W[1:])]")]),
    "penalty on b": ("def backward(W, b, X, T, penalty):", [("end", "pass", "dW = [g + penalty * w for g, w in zip(dW, W[1:])]; db = [g + penalty * v for g, v in zip(db, b[1:])]")]),
    "mask ahead only": ("def backward(W, b, X, T, masks):", [("hidden", "np.tanh(A[r])", "np.tanh(A[r]) * masks[r]"), ("slope", "Z[r]", "np.tanh(A[r])")]),
    "mask unscaled": ("def backward(W, b, X, T, masks):", [("hidden", "np.tanh(A[r])", "np.tanh(A[r]) * masks[r]"), ("slope", "1 - Z[r]**2", "(1 - np.tanh(A[r])**2) * (masks[r] > 0)")]),
    "mask back only": ("def backward(W, b, X, T, masks):", [("slope", "1 - Z[r]**2", "(1 - Z[r]**2) * masks[r]")]),
}


@pytest.mark.parametrize("name", MORE)
def test_a_mistake_with_a_parameter_of_its_own_is_named(name):
    head, wrong = MORE[name]
    source = text(wrong=[*wrong, ("head", HEADS["lists"], head)])
    diagnosis = diagnose(made(source))
    assert diagnosis.verdict == "named" and diagnosis.names == (name,), str(diagnosis)


def test_a_penalty_and_a_mask_that_are_right():
    penalty = [("end", "pass", "dW = [g + penalty * w for g, w in zip(dW, W[1:])]"), ("head", HEADS["lists"], "def backward(W, b, X, T, penalty):")]
    masks = [("hidden", "np.tanh(A[r])", "np.tanh(A[r]) * masks[r]"), ("slope", "1 - Z[r]**2", "(1 - np.tanh(A[r])**2) * masks[r]"), ("head", HEADS["lists"], "def backward(W, b, X, T, masks):")]
    assert diagnose(made(text(wrong=penalty))) and diagnose(made(text(wrong=masks)))
    built_in = made(text(wrong=[("end", "pass", "dW = [g + 0.01 * w for g, w in zip(dW, W[1:])]")]))
    assert diagnose(built_in, penalty=0.01) and not diagnose(built_in)


LOOP = '''
def backward(W, b, X, T{eta}):
    R, B = len(W) - 2, len(X)
    Z = [X]
    for r in range(1, R + 1):
        Z.append(np.tanh(Z[-1] @ W[r].T + b[r]))
    A = Z[-1] @ W[-1].T + b[-1]
    E = np.exp(A - A.max(axis=1, keepdims=True))
    D = (E / E.sum(axis=1, keepdims=True) - T) / B
    for r in range(R + 1, 0, -1):
        dW, db = D.T @ Z[r - 1], D.sum(axis=0)
        {first}
        D = (1 - Z[r - 1]**2) * (D @ W[r])
        {second}
'''
STEP = "W[r] -= {0} * dW; b[r] -= {0} * db"


@pytest.mark.parametrize("eta, size", [("", "0.3"), (", eta", "eta"), (", lr=0.3", "lr")])
def test_weights_that_were_updated_too_early(eta, size):
    early = diagnose(made(LOOP.format(eta=eta, first=STEP.format(size), second="pass")))
    assert early.verdict == "named" and early.names == ("new weights",), str(early)
    assert diagnose(made(LOOP.format(eta=eta, first="pass", second=STEP.format(size))))


class Right:
    "A network as a class."

    def __init__(self, widths):
        self.W = [np.zeros((n, p)) for p, n in zip(widths, widths[1:])]
        self.b = [np.zeros(n) for n in widths[1:]]

    def forward(self, X):
        self.Z = [X]
        for r, (W, b) in enumerate(zip(self.W, self.b), 1):
            A = self.Z[-1] @ W.T + b
            self.Z.append(np.maximum(A, 0) if r < len(self.W) else np.exp(A - A.max(axis=1, keepdims=True)))
        self.Z[-1] /= self.Z[-1].sum(axis=1, keepdims=True)
        return self.Z[-1]

    def backward(self, T):
        D, self.dW, self.db = (self.Z[-1] - T) / len(T), [], []
        for W, Z in zip(self.W[::-1], self.Z[-2::-1]):
            self.dW.insert(0, D.T @ Z)
            self.db.insert(0, D.sum(axis=0))
            D = D @ W * self.slope(Z)

    def slope(self, Z):
        return Z > 0


class Wrong(Right):
    def slope(self, Z):
        return 1


def test_a_class():
    assert diagnose(Right), str(diagnose(Right))
    assert diagnose(Wrong).names == ("no slope",)


@pytest.mark.slow
def test_an_activation_of_ones_own_is_told():
    wrong = [("hidden", "np.tanh(A[r])", "A[r]**3"), ("slope", "1 - Z[r]**2", "3 * A[r]**2")]
    program = made(text(wrong=wrong))
    assert diagnose(program).verdict == "unknown"

    class Cube:
        f, df = staticmethod(lambda A: A**3), staticmethod(lambda A: 3 * A**2)

    assert diagnose(program, activation=Cube())


def test_the_vector_in_another_order():
    order = ("returns", RETURNS["two lists"], "return np.concatenate([g.ravel(order='F') for g in dW] + db)")
    diagnosis = diagnose(made(text(wrong=[order])))
    assert diagnosis.names == ("order",) and "all weights before all biases and weights column by column" in str(diagnosis)


@pytest.mark.slow
def test_what_is_in_no_catalog_is_located():
    diagnosis = diagnose(made(text(wrong=[("arrives", "W[r + 1]", "W[r + 1]**2")])))
    assert diagnosis.verdict == "unknown" and not diagnosis.candidates
    assert [name for name, said in diagnosis.arrays.items() if said == "right"] == ["∂b3", "∂W3"]
    assert "step from there to layer 2" in diagnosis.report


@pytest.mark.parametrize("program", [lambda W, b, X, T: None, lambda W, b, X, T: 1 / 0, lambda: None, lambda W, b, X, T: ["a", {}]])
def test_nothing_to_judge(program):
    diagnosis = diagnose(program)
    assert diagnosis.verdict == "stopped" and not diagnosis and diagnosis.report
    assert "ZeroDivisionError" in str(diagnose(lambda W, b, X, T: 1 / 0))


def test_the_slope_at_zero_is_a_convention_that_is_mentioned():
    program = made(text(f="relu", wrong=[("slope", ">", ">=")]))
    assert diagnose(program) and any(">=" in note for note in diagnose(program).notes)


# Engines

ENGINE = '''
import math

class Value:
    def __init__(self, data, parts=(), local=()):
        self.data, self.parts, self.local, self.grad = data, parts, local, 0.0

    def __hash__(self):
        return id(self)

    def made(self, data, parts, local):
        return Value(data, parts, local)

    def __add__(self, o):
        return self.made(self.data + o.data, (self, o), lambda z: {add})

    def __sub__(self, o):
        return self.made(self.data - o.data, (self, o), lambda z: {sub})

    def __mul__(self, o):
        x, y = self.data, o.data
        return self.made(x * y, (self, o), lambda z: {mul})

    def __truediv__(self, o):
        x, y = self.data, o.data
        return self.made(x / y, (self, o), lambda z: {div})

    def __pow__(self, n):
        x = self.data
        return self.made(x**n, (self,), lambda z: {pow})

    def exp(self):
        x = self.data
        return self.made(math.exp(x), (self,), lambda z: {exp})

    def log(self):
        x = self.data
        return self.made(math.log(x), (self,), lambda z: {log})

    def tanh(self):
        x = self.data
        return self.made(math.tanh(x), (self,), lambda z: {tanh})

    def relu(self):
        x = self.data
        return self.made(max(x, 0.0), (self,), lambda z: {relu})

    def order(self):
        found, seen, todo = [], set(), [(self, False)]
        while todo:
            node, done = todo.pop()
            if done:
                found.append(node)
            elif node not in seen:
                seen.add(node)
                todo += [(node, True)] + [(part, False) for part in node.parts]
        return found[::-1]

    def nearest(self):
        found = [self]
        for node in found:
            found += [part for part in dict.fromkeys(node.parts) if part not in found]
        return found

    def backward(self):
        order = self.{order}()
        for node in order:
            {reset}
        self.grad = 1.0
        for node in order:
            if node.parts:
                for part, slope in zip(node.parts, node.local(node.data)):
                    part.grad {receive} slope * node.grad
'''
RIGHT_ENGINE = {
    "add": "(1.0, 1.0)", "sub": "(1.0, -1.0)", "mul": "(y, x)", "div": "(1 / y, -x / y**2)", "pow": "(n * x**(n - 1),)", "exp": "(z,)", "log": "(1 / x,)",
    "tanh": "(1 - z**2,)", "relu": "(float(x > 0),)", "order": "order", "reset": "node.grad = 0.0", "receive": "+=",
}  # fmt: skip
ENGINE_MISTAKES = {
    "overwritten": {"receive": "="},
    "accumulates": {"reset": "pass"},
    "+: 1, 0": {"add": "(1.0, 0.0)"},
    "-: 1, 1": {"sub": "(1.0, 1.0)"},
    "*: x, y": {"mul": "(x, y)"},
    "/: 1/y, x/y²": {"div": "(1 / y, x / y**2)"},
    "**: n xⁿ": {"pow": "(n * x**n,)"},
    "exp: x": {"exp": "(x,)"},
    "log: x": {"log": "(x,)"},
    "tanh: 1 − x²": {"tanh": "(1 - x**2,)"},
    "relu: 1": {"relu": "(1.0,)"},
}


def engine(**changed):
    "The class of an engine."
    space = {}
    exec(compile(ENGINE.format(**RIGHT_ENGINE | changed), "engine.py", "exec"), space)
    return space["Value"]


def test_a_right_engine_is_not_accused():
    assert diagnose_engine(engine())


@pytest.mark.parametrize("name", ENGINE_MISTAKES)
def test_a_mistake_of_an_engine_is_named(name):
    diagnosis = diagnose_engine(engine(**ENGINE_MISTAKES[name]))
    assert diagnosis.verdict == "named" and diagnosis.names == (name,), str(diagnosis)


def test_an_order_that_does_not_wait_is_named():
    assert "breadth first" in diagnose_engine(engine(order="nearest")).names


def test_another_mistake_of_an_engine_is_not_named():
    diagnosis = diagnose_engine(engine(tanh="(0.3,)"))
    assert diagnosis.verdict == "unknown" and not diagnosis.candidates
    assert [name for name, said in diagnosis.arrays.items() if said != "right"] == ["tanh y"]


# What else is promised


def test_labels_lead_into_the_book():
    places = {label: book.name for book in read_all() for label, _ in book.equations}
    for name, mistake in (CATALOGUE | ENGINE_CATALOGUE).items():
        assert mistake.link == f"nbs/{places[mistake.label]}.html#equation-{mistake.label}", name


def test_the_lines_are_the_books():
    "Each entry of the catalogue changes lines that there are."
    for name, mistake in CATALOGUE.items():
        assert set(mistake.lines) <= set(LINES), name


@pytest.mark.parametrize("kept", [True, False])
def test_an_error_is_told_with_its_line_and_with_its_file_where_there_is_one(tmp_path, kept):
    "Jupyter compiles a cell under the name of a file that does not exist."
    path = tmp_path / "mine.py"
    source = "def backward(W, b, X, T):\n    D = X @ W[1].T\n    return D.nothing"
    if kept:
        path.write_text(source)
    namespace = {}
    exec(compile(source, str(path), "exec"), namespace)
    said = str(diagnose(namespace["backward"]))
    assert f"AttributeError in line 3{' of mine.py' if kept else ''}: " in said
