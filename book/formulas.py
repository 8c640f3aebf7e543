"No line parts what belongs together: a formula and its comma, a number and its ±, a short name."

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx

BEFORE, AFTER = re.compile(r"[(\[“‘]+\Z"), re.compile(r"\A(?:s\b[.,;:!?)\]”’]*|[.,;:!?)\]”’]+(?:-\w+)?)")  # also the s of more than one
WHOLE = 14  # letters
SIGN = re.compile(r" (±|(?<=\d )[×·](?= \d)) ")
RELATIONS = ("=", "<", ">", r"\approx", r"\le", r"\ge")


def keep_punctuation(app: Sphinx, document: nodes.document) -> None:
    "Put a formula in the text and the signs that lean on it into one piece that no line breaks."
    for math in list(document.findall(nodes.math)):
        parent = math.parent
        if isinstance(parent, nodes.title) or "dln-together" in parent.get("classes", ()):
            continue
        place = parent.index(math)
        before, after = (_text(parent, place - 1), BEFORE), (_text(parent, place + 1), AFTER)
        lean = [pattern.search(text)[0] if text and pattern.search(text) else "" for text, pattern in (before, after)]
        if not any(lean):
            continue
        together = nodes.inline("", "", classes=["dln-together"])
        if lean[0]:
            parent[place - 1] = nodes.Text(before[0][: -len(lean[0])])
            together += nodes.Text(lean[0])
        if lean[1]:
            parent[place + 1] = nodes.Text(after[0][len(lean[1]) :])
        parent[place] = together
        together += [math, *([nodes.Text(lean[1])] if lean[1] else [])]


def keep_numbers(app: Sphinx, document: nodes.document, docname: str) -> None:
    "Let no line end at a ±, or between a formula's last = and its number. This is after the numbers of the prose have come."
    for text in list(document.findall(nodes.Text)):
        if SIGN.search(text) and not isinstance(text.parent, (nodes.FixedTextElement, nodes.raw, nodes.literal)):
            text.parent.replace(text, nodes.Text(SIGN.sub("\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", text)))
    for math in list(document.findall(nodes.math)):
        place = math.parent.index(math) + 1
        after = _text(math.parent, place)
        if math.astext().rstrip().endswith(RELATIONS) and after.startswith(" "):
            word, space, rest = after[1:].partition(" ")
            number = nodes.Text(word) if word else math.parent[place + 1] if place + 1 < len(math.parent) else nodes.Text("")
            parent, together = math.parent, nodes.inline("", "", classes=["dln-together"])
            left = [*parent[: place - 1], together, nodes.Text(space + rest), *parent[place + 1 + (not word) :]]
            together += [math, nodes.Text("\N{NO-BREAK SPACE}"), number]
            parent.children[:] = []
            parent += [each for each in left if each.astext() or not isinstance(each, nodes.Text)]


def keep_names(app: Sphinx, document: nodes.document, docname: str) -> None:
    "Mark the code in tables that is short enough to stay in one piece, however narrow its column."
    for entry in document.findall(nodes.entry):
        for code in entry.findall(nodes.literal):
            if max(map(len, code.astext().split()), default=0) <= WHOLE:
                code["classes"].append("dln-whole")


def _text(parent: nodes.Element, place: int) -> str:
    "The text at a place among a node's children, '' if there is something else."
    inside = 0 <= place < len(parent.children)
    return parent.children[place].astext() if inside and isinstance(parent.children[place], nodes.Text) else ""
