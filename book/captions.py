"""Figures and explorables with a number, a caption and an address of their own.

`#| caption: words` says what stands below a figure; without it, the first sentence of the picture's own words does.
The address comes from the function that draws: a figure keeps it when others are put before it.
"""

from __future__ import annotations

import ast
import html
import re

from docutils import nodes

from book.notebooks import Cell

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
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            first = call.args[0] if call.args else None
            return first.id if call.func.id == "explore" and isinstance(first, ast.Name) else call.func.id
    return ""


def first_sentence(alt: str) -> str:
    "The beginning of a picture's words: a sentence, or less where that is long."
    text = re.split(r"(?<![A-Z])\. (?=[A-Z“])", alt)[0].rstrip(".")
    if len(text.split()) > LONG:
        text = re.split(r"[:;] ", text)[0]
    return text + "."


def caption(cell: nodes.container, facts: dict, chapter: str, document: nodes.document) -> None:
    "Make a figure of what a cell shows, if that is a picture."
    outputs = [child for child in cell if "cell_output" in child.get("classes", ())]
    alts = [found[1] for output in outputs for raw in output.findall(nodes.raw) if (found := PICTURE.search(raw.astext()))]
    if not alts:
        return
    [output] = outputs
    text = facts["text"] or first_sentence(html.unescape(alts[0]))
    name = f"fig-{re.sub(r'^(?:lib_)?[0-9]+_', '', chapter)}-{facts['name']}".strip("-").replace("_", "-")
    while name in document.nameids:
        name += "-again"
    figure = nodes.figure(names=[name], classes=["dln-numbered"])
    document.note_explicit_target(figure)
    output.replace_self(figure)
    figure += [output, nodes.caption(text, text)]
