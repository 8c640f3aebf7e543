"The notation page: the number of a chapter, in parentheses behind a meaning, leads to that chapter's table of symbols."

from __future__ import annotations

import re

from docutils import nodes
from sphinx.addnodes import pending_xref, toctree
from sphinx.application import Sphinx

from book import notebooks

CHAPTERS = re.compile(r"(?<=\()\d+(?:, \d+)*(?=\))")


def link_chapters(app: Sphinx, document: nodes.document) -> None:
    "Make links of the numbers in the page's tables."
    if app.env.docname != "notation":
        return
    names = {int(book.name[:2]): book.name for book in notebooks.chapters()}
    for table in document.findall(nodes.table):
        for text in list(table.findall(nodes.Text)):
            pieces: list[nodes.Node] = []
            done = 0
            for found in CHAPTERS.finditer(text):
                for number in re.finditer(r"\d+", found[0]):
                    start = found.start() + number.start()
                    if int(number[0]) in names:
                        pieces += [nodes.Text(text[done:start]), _link(number[0], names[int(number[0])])]
                        done = start + len(number[0])
            if pieces:
                text.parent.replace(text, [*pieces, nodes.Text(text[done:])])


def _link(words: str, chapter: str) -> pending_xref:
    "A reference to a chapter's closing table."
    target = f"nbs/{chapter}:symbols of this chapter"
    return pending_xref("", nodes.inline("", words), refdomain="std", reftype="ref", reftarget=target, refexplicit=True, refwarn=True)


def list_the_index(app: Sphinx, document: nodes.document) -> None:
    "Put the index, which is no document of its own, at the end of the table of contents."
    if app.env.docname == app.config.root_doc:
        list(document.findall(toctree))[-1]["entries"].append(("Index", "genindex"))
