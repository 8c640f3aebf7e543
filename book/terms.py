"""The terms of the glossary, and where in the book each is introduced.

The page `glossary.md` says it: the first equation, section or page that an entry refers to is the place. From there
come the entries of the index and the words by which the search finds a section that uses another name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from book.notebooks import ROOT

PAGE = ROOT / "glossary.md"
ITEM = re.compile(r"^((?:\S.*\n)+)((?:[ \t]+\S.*\n?)+)", re.MULTILINE)
PLACE = re.compile(r"\{(eq|ref|doc)\}`(?:[^`<]*<)?([^`>]+)>?`")


@dataclass(frozen=True)
class Term:
    "Names for one thing, what the glossary says of it, and the place that introduces it: the kind of the reference, and its target."

    names: tuple[str, ...]
    text: str
    kind: str
    target: str


def read() -> list[Term]:
    "The glossary's entries, in its order."
    found = []
    for block in re.findall(r"^```+\{glossary\}[^\n]*\n(.*?)^```+$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for names, text in ITEM.findall(re.sub(r"\A(?::[\w-]+:.*\n)+", "", block) + "\n"):
            place = PLACE.search(text)
            found.append(Term(tuple(names.strip().splitlines()), " ".join(text.split()), *(place.groups() if place else ("", ""))))
    return found


def introduced(env: BuildEnvironment, docname: str) -> dict[str, list[str]]:
    "The names of the terms that a page introduces, by the anchor of the place; '' is the page itself."
    found: dict[str, list[str]] = {}
    for term in read():
        if (place := place_of(env, term)) and place[0] == docname:
            found.setdefault(place[1], []).extend(term.names)
    return found


def place_of(env: BuildEnvironment, term: Term) -> tuple[str, str] | None:
    "The page and the anchor that introduce a term."
    if term.kind == "eq" and (known := env.get_domain("math").equations.get(term.target)):
        return known[0], f"equation-{term.target}"
    if term.kind == "ref" and (label := env.get_domain("std").labels.get(term.target.lower())):
        return label[0], label[1]
    if term.kind == "doc":
        return term.target, ""
    return None


def fill_index(app: Sphinx, env: BuildEnvironment) -> None:
    "Let the index lead from each term to the place that introduces it."
    entries = env.get_domain("index").entries
    for docname in env.found_docs:
        if docname.startswith("nbs/"):
            found = introduced(env, docname).items()
            entries[docname] = [("single", name, anchor, "main", None) for anchor, names in found for name in names]
