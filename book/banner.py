"The picture on the front page: two passes through a network."

from __future__ import annotations

from pathlib import Path
from typing import Any

from book.notebooks import LIBRARY
from dlnbook.figures import draw_graph, figure, layers, palette


def _arrow(ax: Any, tail: tuple, head: tuple, color: str, style: str, aside: float) -> None:
    "An arrow that runs to the left of the straight line from tail to head, by `aside`."
    (x0, y0), (x1, y1) = tail, head
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    start = (x0 + 0.34 * ux - aside * uy, y0 + 0.34 * uy + aside * ux)
    stop = (x1 - 0.34 * ux - aside * uy, y1 - 0.34 * uy + aside * ux)
    arrow = {"arrowstyle": "-|>", "color": color, "linewidth": 1.0, "linestyle": style, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 8}
    ax.annotate("", xy=stop, xytext=start, arrowprops=arrow, zorder=1)


@figure(width=5.2, height=1.75)
def passes(ax: Any) -> str:
    "Forward in green, back in red."
    nodes, wires, labels = layers([3, 4, 3], ["x", "z", "y"], across=3.4, down=1.0)
    nodes["L"] = (9.8, 0.0)
    labels["L"] = "ℒ"
    links = [(wire.tail, wire.head) for wire in wires] + [(f"y{k}", "L") for k in (1, 2, 3)]
    draw_graph(ax, nodes, [], labels=labels)
    for tail, head in links:
        _arrow(ax, nodes[tail], nodes[head], palette.forward, "-", 0.055)
        _arrow(ax, nodes[head], nodes[tail], palette.gradient, (0, (3, 1.5)), 0.055)
    return (
        "A network with three inputs, four hidden nodes and three outputs. Solid green arrows lead forward "
        "to the loss; beside each, a dashed red arrow leads back."
    )


def write(path: Path) -> None:
    "Write the picture as a piece of HTML that the front page includes, if the code that draws it is newer."
    sources = [Path(__file__), LIBRARY / "figures.py"]
    if not path.exists() or path.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        path.write_text(passes()._repr_html_(), encoding="utf-8")
