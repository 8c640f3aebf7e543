"The picture on the front page: both passes through the pencil network, a layer at a time."

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from book.notebooks import LIBRARY
from dlnbook.delta import deltas, forward, gradients
from dlnbook.figures import Wire, draw_graph, figure, palette
from dlnbook.loss import cross_entropy
from dlnbook.page import explore, slider

W = [None, np.array([[1.0, 1], [-1, 1]]), np.array([[-1.0, 2], [1, 2]]), np.array([[-1.0, 1], [1, 2], [-1, -1]])]
b = [None, np.array([2.0, -1]), np.array([1.0, -2]), np.array([-3, 2 + math.log(2), -1 + math.log(5)])]
X, T = np.array([[2.0, 1]]), np.array([[1.0, 0, 0]])  # (1, N), (1, K)
halved = SimpleNamespace(f=lambda A: np.maximum(A, A / 2), df=lambda A: np.where(A > 0, 1, 0.5))

A, Z = forward(W, b, X, halved)
D = deltas(W, A, Z, T, halved)
dW, _ = gradients(D, Z)

WIDTHS = (2, 2, 2, 3)
PLACES = {(r, j): (3.3 * r, (2.2 if n == 3 else 3.0) * ((n - 1) / 2 - j)) for r, n in enumerate(WIDTHS) for j in range(n)}
RADIUS = 0.42


def written(number: float, parts: int = 8) -> str:
    "A number as a fraction where it is a simple one."
    simple = Fraction(float(number)).limit_denominator(parts)
    text = str(simple) if abs(simple - number) < 1e-9 else f"{number:.2f}"
    return text.replace("-", "−")


def row(values: Any) -> str:
    "A row of numbers in brackets."
    return f"({', '.join(written(value) for value in values)})"


class Step(NamedTuple):
    "One position of the slider: which pass, which layer, and how its numbers are computed."

    way: str
    layer: int
    line: str


def steps() -> list[Step]:
    "Forward to the loss, back to the first layer, and then the weights."
    told = [Step("forward", 0, f"x = {row(X[0])}")]
    told += [Step("forward", r, f"a = W z + b = {row(A[r][0])},  z = f(a) = {row(Z[r][0])}") for r in (1, 2)]
    told += [Step("forward", 3, f"a = W z + b = {row(A[3][0])},  the logits")]
    told += [Step("loss", 3, f"y = softmax(a) = {row(Z[3][0])},  ℒ = {written(cross_entropy(A[3], T)[0])}")]
    told += [Step("back", 3, f"δ = y − t = {row(D[3][0])}")]
    for r in (2, 1):
        slope, heard = halved.df(A[r][0]), D[r + 1][0] @ W[r + 1]
        told.append(Step("back", r, f"δ = f′(a) ⊙ Wᵀδ = {row(slope)} ⊙ {row(heard)} = {row(D[r][0])}"))
    told += [Step("weights", r, "∂ℒ/∂w = δ at the head of the link · z at its tail") for r in (3, 2, 1)]
    return told


STEPS = steps()


@figure(width=5.2, height=3.1)
def passes(ax: Any, step: int) -> str:
    "The network as it is known after so many steps."
    done, now = set(each[:2] for each in STEPS[: step + 1]), STEPS[step]
    forth = now.way in ("forward", "loss")
    accent = palette.forward if forth else palette.gradient
    lit = now.layer + 1 if now.way == "back" else 0 if now.way == "loss" else now.layer  # the links that carry something
    links = [(r, j, i) for r in (1, 2, 3) for j in range(WIDTHS[r]) for i in range(WIDTHS[r - 1])]
    wires = [Wire(f"{r - 1} {i}", f"{r} {j}", color=accent if r == lit else palette.faint) for r, j, i in links]
    labels = {f"{r} {j}": f"${'xzzy'[r]}_{j + 1}$" for r, j in PLACES}
    draw_graph(ax, {f"{r} {j}": place for (r, j), place in PLACES.items()}, wires, labels=labels, radius=RADIUS)
    for place in PLACES:
        _numbers(ax, place, done)
    for link in links:
        if ("weights", link[0]) in done:
            _along(ax, link, written(dW[link[0]][link[1], link[2]]))
    way = "gradients of the weights" if now.way == "weights" else "forward pass" if forth else "backward pass"
    where = f"{way}, {f'layer {now.layer}' if now.layer else 'the inputs'}"
    ax.text(5.5, 3.6, where, ha="center", va="center", color=accent)
    ax.text(5.5, -3.7, now.line, ha="center", va="center", color=accent)
    ax.set(xlim=(-0.9, 12.2), ylim=(-4.1, 4.0))
    return (
        f"A network with two inputs, two hidden layers of two nodes and three outputs. {where[0].upper()}{where[1:]}: {now.line}."
    )


def _numbers(ax: Any, place: tuple[int, int], done: set) -> None:
    "What is known of a node: its value in green, its δ in slanted red."
    (x, y), (r, j) = PLACES[place], place
    lines = []
    if ("loss", r) in done:
        lines.append((f"y = {written(Z[r][0, j])}", dict(color=palette.forward)))
    elif ("forward", r) in done:
        lines.append((f"{'xzza'[r]} = {written((A if r == 3 else Z)[r][0, j])}", dict(color=palette.forward)))
    if ("back", r) in done:
        lines.append((f"δ = {written(D[r][0, j])}", dict(color=palette.gradient, style="italic")))
    for i, (words, style) in enumerate(lines):
        if r == 3:
            ax.text(x + 0.6, y + 0.3 - 0.6 * i, words, va="center", **style)
        else:
            ax.text(x, y + (0.8 + 0.6 * i) * (1 - 2 * j), words, ha="center", va="center", **style)


def _along(ax: Any, link: tuple[int, int, int], words: str) -> None:
    "A weight's gradient on its link, clear of the crossings."
    r, j, i = link
    (x0, y0), (x1, y1) = PLACES[r - 1, i], PLACES[r, j]
    share = 0.68 if r == 3 and j == 2 * i else 0.3
    cover = dict(facecolor=palette.paper, edgecolor="none", pad=0.6)
    ax.text(
        x0 + share * (x1 - x0), y0 + share * (y1 - y0), words,
        ha="center", va="center", color=palette.gradient, style="italic", bbox=cover, zorder=6,
    )  # fmt: skip


def write(path: Path) -> None:
    "Write the explorable as a piece of HTML that the front page includes, if the code that draws it is newer."
    sources = [Path(__file__), *(LIBRARY / f"{name}.py" for name in ("figures", "page", "delta", "hidden", "loss"))]
    if not path.exists() or path.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        starts = [each.way for each in STEPS].index("weights") - 1  # both passes are in sight
        path.write_text(explore(passes, step=slider(range(len(STEPS)), start=starts))._repr_html_(), encoding="utf-8")
