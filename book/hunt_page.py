"""How a bug hunt looks: the lines, a place for what a click says, and the answer.

The page needs no Python. Without scripts it shows the lines and, folded, the answer.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util import logging

from book.hunt import RECORD, Hunt, hunts, recorded
from book.notebooks import Notebook, read
from dlnbook.page import _typeset

log = logging.getLogger(__name__)

INTRODUCTION = """## Bug hunt

In each piece, one line is wrong. <span class="noprint">Click on it, or go there with <kbd>Tab</kbd> or the arrow keys and press <kbd>Enter</kbd>.</span>
"""


def insert(raw: dict, notebook: Notebook) -> None:
    "Put the hunts of a notebook before its table of symbols, or at its end."
    found = hunts(notebook)
    if not found:
        return
    text = INTRODUCTION + "".join(f"\n`````{{dln-hunt}} {n}\n{hunt.meaning}\n`````\n" for n, hunt in enumerate(found))
    closing = [i for i, cell in enumerate(raw["cells"]) if "".join(cell["source"]).startswith(("## Symbols", "## References", "## From here"))]
    place = closing[0] if closing else len(raw["cells"])
    raw["cells"].insert(place, {"cell_type": "markdown", "id": "bug-hunt", "metadata": {}, "source": text})


class HuntNote(Directive):
    "One hunt: the lines, a place for what a click says, and the answer."

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        env = self.state.document.settings.env
        env.note_dependency(str(RECORD))
        notebook = read(Path(env.doc2path(env.docname)))
        hunt = hunts(notebook)[int(self.arguments[0])]
        said = recorded().get(notebook.name, {}).get(hunt.key)
        if said is None:
            log.warning("no record of what the check says of %r: run `python -m chapters --record %s`", hunt.key, notebook.name)
            said = {"assertion": "", "words": ""}
        words = _typeset(said["words"])
        box = nodes.container(classes=["dln-hunt"])
        lead = nodes.paragraph("", "Behind " if hunt.labels else "Behind a check of this chapter:", classes=["dln-hunt-lead"])
        if hunt.labels:
            lead += [*_equations(hunt.labels), nodes.Text(":")]
        box += lead
        code = nodes.raw("", _code(hunt, words), format="html")
        code["dln_code"] = True
        box += code
        box += nodes.raw("", '<details class="dln-hunt-answer"><summary>The answer</summary>', format="html")
        wrong, right = (re.sub(r"\s{2,}#", "  #", line.strip()) for line in (hunt.wrong, hunt.lines[hunt.place]))
        box += nodes.paragraph(
            "", "", nodes.Text(f"Line {hunt.place + 1} says "), nodes.literal("", wrong, classes=["dln-wrong"]),
            nodes.Text(" and should say "), nodes.literal("", right, classes=["dln-right"]), nodes.Text("."),
        )  # fmt: skip
        meaning = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, meaning)
        box += meaning.children
        failed = nodes.paragraph("", "With it, the ")
        where = f"#check-{hunt.labels[0]}" if hunt.labels else ""
        failed += nodes.reference("", "check", refuri=where, internal=True) if where else nodes.Text("check")
        failed += [nodes.Text(" of "), *_equations(hunt.labels)] if hunt.labels else []
        failed += [nodes.Text(" fails at "), nodes.literal("", said["assertion"]), nodes.Text(f": {words}.")]
        box += failed
        box += nodes.raw("", "</details>", format="html")
        return [box]


def _equations(labels: tuple[str, ...]) -> list[nodes.Node]:
    "References to equations, by number."
    found: list[nodes.Node] = []
    for n, label in enumerate(labels):
        if n:
            found.append(nodes.Text(", " if n + 1 < len(labels) else " and "))
        found.append(
            pending_xref("", nodes.literal("", label), refdomain="math", reftype="eq", reftarget=label, refexplicit=False, refwarn=True)
        )
    return found


def _code(hunt: Hunt, words: str) -> str:
    "The lines, colored, each in an element of its own, and the place for what a click says."
    lines = [*hunt.lines[: hunt.place], hunt.wrong, *hunt.lines[hunt.place + 1 :]]
    colored = highlight("\n".join(lines), PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).split("\n")
    width = len(str(len(lines)))
    shown = "".join(
        f'<span class="dln-hunt-line" data-line="{n}"><span class="dln-hunt-number">{n:>{width}}</span> <code>{html}</code></span>\n'
        if lines[n - 1].strip()
        else '<span class="dln-hunt-gap"></span>\n'
        for n, html in enumerate(colored[: len(lines)], start=1)
    )
    return (
        f'<div class="dln-hunt-code highlight" role="group" aria-label="Code with a mistake in one line" data-wrong="{hunt.place + 1}" '
        f'data-words="{escape(words)}">{shown}</div><p class="dln-hunt-said" role="status"></p>'
    )


def setup(app: Sphinx) -> None:
    "Called by the extension."
    app.add_directive("dln-hunt", HuntNote)
    app.add_css_file("hunt.css")
    app.add_js_file("hunt.js", loading_method="defer")
