"""A training step, made quick one technique after the other: the bars of chapter 9's waterfall.

Each function takes a network, data, one-hot targets and a function that gives the next batch's row numbers, and
returns a step, which returns the loss. All take the same steps, but for rounding; each has one thing more than the
one before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnbook import delta, loss
from dlnbook.arguments import bare
from dlnbook.workspace import Workspace, _one_pass
from dlnbook.workspace import step as workspace_step

Step = Callable[[], float]


def checked(network: Any, X: Any, T: Any, rows: Callable, B: int, eta: float) -> Step:
    "The functions of chapters 2 and 8, which look at everything they are given."
    W, b, f = network.W, network.b, network.activations

    def step():
        batch = rows()
        targets = T[batch]
        A, Z = delta.forward(W, b, X[batch], f)
        loss_now = loss.cross_entropy(A[-1], targets).mean()
        dW, db = delta.gradients(delta.deltas(W, A, Z, targets, f), Z)
        for r in range(1, len(W)):
            W[r][...] -= eta * dW[r]
            b[r][...] -= eta * db[r]
        return float(loss_now)

    return step


def unchecked(network: Any, X: Any, T: Any, rows: Callable, B: int, eta: float) -> Step:
    "The same lines with nothing checked. Samples are rows, as in chapter 8's code."
    W, b, f, R = network.W, network.b, (None, *network.activations), network.R

    def softmax(A):
        E = np.exp(A - A.max(axis=-1, keepdims=True))
        return E / E.sum(axis=-1, keepdims=True)

    def cross_entropy(A, T):
        S = A - A.max(axis=-1, keepdims=True)
        return -(T * (S - np.log(np.exp(S).sum(axis=-1, keepdims=True)))).sum(axis=-1)

    def step():
        batch = rows()
        A, Z, D, targets = [None], [X[batch]], [None] * (R + 2), T[batch]
        for r in range(1, R + 2):
            A.append(Z[r - 1] @ W[r].T + b[r])  # (B, P_r)
            Z.append(f[r].f(A[r]) if r <= R else softmax(A[r]))  # (B, P_r)
        loss_now = cross_entropy(A[-1], targets).mean()
        D[R + 1] = Z[R + 1] - targets  # (B, K)
        for r in range(R, 0, -1):
            D[r] = f[r].df(A[r]) * (D[r + 1] @ W[r + 1])  # (B, P_r)
        dW, db = [None], [None]
        for r in range(1, R + 2):
            dW.append(D[r].T @ Z[r - 1] / B)  # (P_r, P_{r−1})
            db.append(D[r].sum(axis=0) / B)  # (P_r,)
        for r in range(1, R + 2):
            W[r][...] -= eta * dW[r]
            b[r][...] -= eta * db[r]
        return float(loss_now)

    return step


def in_columns(network: Any, X: Any, T: Any, rows: Callable, B: int, eta: float) -> Step:
    "A sample is a column, as in the formulas."
    W, b, f, R = network.W, network.b, (None, *network.activations), network.R

    def softmax(A):
        E = np.exp(A - A.max(axis=0))
        return E / E.sum(axis=0)

    def cross_entropy(A, T):
        S = A - A.max(axis=0)
        return -(T * (S - np.log(np.exp(S).sum(axis=0)))).sum(axis=0)

    def step():
        batch = rows()
        A, Z, D, targets = [None], [X[batch].T], [None] * (R + 2), T[batch].T
        for r in range(1, R + 2):
            A.append(W[r] @ Z[r - 1] + b[r][:, None])  # (P_r, B)
            Z.append(f[r].f(A[r]) if r <= R else softmax(A[r]))  # (P_r, B)
        loss_now = cross_entropy(A[-1], targets).mean()
        D[R + 1] = Z[R + 1] - targets  # (K, B)
        for r in range(R, 0, -1):
            D[r] = f[r].df(A[r]) * (W[r + 1].T @ D[r + 1])  # (P_r, B)
        dW, db = [None], [None]
        for r in range(1, R + 2):
            dW.append(D[r] @ Z[r - 1].T / B)  # (P_r, P_{r−1})
            db.append(D[r].sum(axis=1) / B)  # (P_r,)
        for r in range(1, R + 2):
            W[r][...] -= eta * dW[r]
            b[r][...] -= eta * db[r]
        return float(loss_now)

    return step


def in_place(network: Any, X: Any, T: Any, rows: Callable, B: int, eta: float) -> Step:
    "Every result goes into an array that exists; loss and probabilities by their two functions."
    work = Workspace(network, B)
    S, E = (np.empty_like(work.A[-1]) for _ in range(2))  # (K, B)
    row = np.empty(B, network.dtype)

    def shift(A):
        np.max(A, axis=0, out=row)
        np.subtract(A, row, out=S)

    def softmax(A, Y):
        shift(A)
        np.exp(S, out=Y)
        np.sum(Y, axis=0, out=row)
        np.divide(Y, row, out=Y)

    def cross_entropy(A, T):
        shift(A)
        np.exp(S, out=E)
        np.sum(E, axis=0, out=row)
        np.log(row, out=row)
        np.subtract(S, row, out=S)
        np.multiply(T, S, out=S)
        np.sum(S, axis=0, out=row)
        return -row.mean()

    return _step_in_place(network, X, T, rows, B, eta, work, softmax, cross_entropy)


def in_one_pass(network: Any, X: Any, T: Any, rows: Callable, B: int, eta: float) -> Step:
    "Loss and probabilities from one exponential."
    work = Workspace(network, B)

    def cross_entropy(A, T):
        work.T[:-1] = T
        return _one_pass(work.S, work.T, work.D[-1])

    return _step_in_place(network, X, T, rows, B, eta, work, lambda A, Y: None, cross_entropy)


def _step_in_place(network, X, T, rows, B, eta, work, softmax, cross_entropy):
    W, b, A, D, R = network.W, network.b, work.A, work.D, network.R

    def step():
        batch = rows()
        Z, targets = [X[batch].T, *work.Z[1:]], T[batch].T
        for r in range(1, R + 2):
            np.matmul(W[r], Z[r - 1], out=A[r])  # (P_r, B)
            np.add(A[r], b[r][:, None], out=A[r])
            if r <= R:
                forward, _ = work.pairs[r]
                forward(A[r], Z[r])
        loss_now = cross_entropy(A[-1], targets)
        softmax(A[-1], D[-1])
        np.subtract(D[-1], targets, out=D[-1])  # (K, B)
        for r in range(R + 1, 0, -1):
            dW, db = work.dW[r], work.db[r]
            np.matmul(D[r], Z[r - 1].T, out=dW)  # (P_r, P_{r−1})
            np.sum(D[r], axis=1, out=db)  # (P_r,)
            if r > 1:
                np.matmul(W[r].T, D[r], out=D[r - 1])  # (P_{r−1}, B)
                _, backward = work.pairs[r - 1]
                backward(A[r - 1], Z[r - 1], D[r - 1])
            for theta, g in ((W[r], dW), (b[r], db)):
                np.divide(g, B, out=g)
                np.multiply(g, eta, out=g)
                np.subtract(theta, g, out=theta)
        return float(loss_now)

    return step


def in_one_addition(network: Any, X: Any, T: Any, rows: Callable, B: int, eta: float) -> Step:
    "Δ scaled once, all parameters changed by one addition: chapter 9's step without its door."
    return _by_workspace(bare(workspace_step), network, X, T, rows, B, eta)


def with_door(network: Any, X: Any, T: Any, rows: Callable, B: int, eta: float) -> Step:
    "Chapter 9's step as it is called."
    return _by_workspace(workspace_step, network, X, T, rows, B, eta)


def _by_workspace(take, network, X, T, rows, B, eta):
    work = Workspace(network, B)

    def step():
        batch = rows()
        return take(work, X[batch], T[batch], eta)

    return step


VERSIONS = {
    "checked": checked, "unchecked": unchecked, "columns": in_columns, "in place": in_place, "one pass": in_one_pass,
    "one addition": in_one_addition, "door": with_door,
}  # fmt: skip
