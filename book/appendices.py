"""The rooms behind the chapters are numbered by letters, as a book's appendices are: section H.2, figure H.1, equation (H.3).

Sphinx numbers them on after the last chapter; what it has counted is spelled anew before any page is written. The workshop's
sheets are the sections of one letter.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

CHAPTER = re.compile(r"nbs/\d")


def letter(app: Sphinx, env: BuildEnvironment) -> list[str]:
    "Spell the first number of all that stands after the chapters as a letter."
    rooms = [docname for docname in env.toc_secnumbers if not CHAPTER.match(docname)]
    first = min((env.toc_secnumbers[docname][""][0] for docname in rooms), default=0)

    def lettered(number: tuple) -> tuple:
        return (chr(ord("A") + number[0] - first), *number[1:])

    for docname in rooms:
        for numbers in (env.toc_secnumbers[docname], *env.toc_fignumbers.get(docname, {}).values()):
            numbers.update({anchor: lettered(number) for anchor, number in numbers.items()})
        for heading in (env.titles[docname], *env.tocs[docname].findall(nodes.reference)):
            heading["secnumber"] = lettered(heading["secnumber"])
    return []
