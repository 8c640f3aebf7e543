"""Figures and explorables with a number, a caption and an address of their own.

`#| caption: words` says what stands below a figure; without it, the first sentence of the picture's own words does.
The address comes from the function that draws: a figure keeps it when others are put before it. The text names a figure
by {numref}`fig-chapter-function`, and shows its number; an address that is none is a warning, and fails the build.
"""

from __future__ import annotations

import ast
import html
import re
from pathlib import PurePosixPath

from docutils import nodes
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from book.notebooks import Cell

log = logging.getLogger(__name__)

PICTURE = re.compile(r'<svg class="dln-figure"[^>]*? aria-label="([^"]*)"')
LONG = 20  # words; a longer first sentence is cut at a colon or semicolon


def facts_of(cell: Cell) -> dict | None:
    "What a cell's own text says of its figure, for `caption`; None where nobody sees it."
    if cell.kind != "code" or cell.has("hide"):
        return None
    said = cell.arguments("caption")
    return {"name": _drawn_by(cell.source), "text": said[0] if said else ""}


def _drawn_by(source: str) -> str:
    "The name of the function that draws what a cell shows: what it calls, or hands to `explore`, at its end."
    for node in reversed(ast.parse(source).body):
        call = node.value if isinstance(node, (ast.Expr, ast.Assign)) else None
        call = call.body if isinstance(call, ast.IfExp) else call  # drawn if there is something to draw
        if isinstance(call, ast.Call) and (name := _called(call)):
            return name
    return ""


def _called(call: ast.Call) -> str:
    "The name of what a call calls: `draw(…)`, `explore(draw, …)`, `figure(…)(draw)(…)` or `history.draw(…)`."
    first = call.args[0] if call.args else None
    match call.func:
        case ast.Name(id="explore") if isinstance(first, ast.Name):
            return first.id
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Call(args=[ast.Name(id=name)]):
            return name
    return ""


def first_sentence(alt: str) -> str:
    "The beginning of a picture's words: a sentence, or less where that is long."
    text = re.split(r"(?<![A-Z])\. (?=[A-Z“])", alt)[0].rstrip(".")
    if len(text.split()) > LONG:
        text = re.split(r"[:;] ", text)[0]
    return text + "."


def address(chapter: str, name: str) -> str:
    "What a figure is called in its page's address, and by the text that names it."
    return f"fig-{re.sub(r'^(?:lib_)?[0-9]+_', '', chapter)}-{name}".strip("-").replace("_", "-")


def caption(cell: nodes.container, facts: dict, env: BuildEnvironment, document: nodes.document) -> None:
    "Make a figure of what a cell shows, if that is a picture."
    outputs = [child for child in cell if "cell_output" in child.get("classes", ())]
    alts = [found[1] for output in outputs for raw in output.findall(nodes.raw) if (found := PICTURE.search(raw.astext()))]
    if not alts:
        return
    [output] = outputs
    text = (facts["text"] or first_sentence(html.unescape(alts[0]))).replace("'", "’")
    name = address(PurePosixPath(env.docname).name, facts["name"])
    if name in document.nameids:
        log.warning("two figures of one address: draw them by functions of different names", location=cell)
    figure = nodes.figure(names=[name], classes=["dln-numbered"])
    document.note_explicit_target(figure)
    # Sphinx took its labels before this figure was one; {numref}`fig-…` asks for them.
    env.get_domain("std").note_hyperlink_target(name, env.docname, name, text)
    output.replace_self(figure)
    figure += [output, nodes.caption(text, text)]
