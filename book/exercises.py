"""The page that lists all exercises in which a reader writes a program.

`#| exercise: name` above a cell says that it holds the stub of one; the nearest `{exercise}` before it says what is asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from book.notebooks import Notebook, chapters, tours

ASKED = re.compile(r"^`{3,}\{exercise\}[ \t]*(.*?)[ \t]*\n:label: (\S+)", re.MULTILINE)
KEEPER = """<div class="dln-keeper" hidden>
<p class="dln-keeper-line" role="status"></p>
<p><button type="button" class="dln-keeper-save">Save as a file</button>
<button type="button" class="dln-keeper-clear">Forget all of it</button></p>
</div>"""


@dataclass(frozen=True)
class Written:
    "An exercise that is written: what it is called in code and on the page, and its label."

    name: str
    title: str
    label: str


def written(book: Notebook) -> list[Written]:
    "The exercises of a notebook that a reader writes."
    found, asked = [], ("", "")
    for cell in book.cells:
        if cell.kind == "markdown":
            asked = ([asked] + ASKED.findall(cell.source))[-1]
        found += [Written(name, *asked) for name in cell.arguments("exercise")]
    return found


class ListOfExercises(Directive):
    "A table of all of them by chapter, with a place for what is done, and buttons to save and to clear it."

    def run(self) -> list[nodes.Node]:
        env = self.state.document.settings.env
        rows = []
        for book in (*tours(), *chapters()):
            env.note_dependency(str(book.path))
            found = written(book)
            for each in found:
                title = each.title if sum(other.title == each.title for other in found) == 1 else f"{each.title}, {each.name}"
                state = f'<span class="dln-done" data-exercise="{each.name}">not yet</span>'
                rows.append(f"| {{doc}}`nbs/{book.name}` | {{ref}}`{title} <{each.label}>` | `{each.name}` | {state} |")
        lines = ["| chapter | exercise | you write | done |", "|---|---|---|---|", *rows]
        host = nodes.container(classes=["dln-exercises"])
        self.state.nested_parse(StringList(lines, "the list of exercises"), self.content_offset, host)
        return [host, nodes.raw("", KEEPER, format="html")]


def trim_links(app: Sphinx, document: nodes.document, docname: str) -> None:
    "\"Solution to\" and its link have a space between them, which is no part of the link; its apostrophes are the text's."
    for link in document.findall(nodes.reference):
        first = next(iter(link.findall(nodes.Text)), "")
        if isinstance(link.parent, nodes.title) and first.startswith(" "):
            first.parent.replace(first, nodes.Text(first.lstrip()))
            for text in list(link.findall(nodes.Text)):
                text.parent.replace(text, nodes.Text(text.replace("'", "’")))
            link.parent.insert(link.parent.index(link), nodes.Text(" "))


def keep_titles(app: Sphinx, document: nodes.document) -> None:
    """Keep the kind and the title of an exercise, which is all that sphinx-exercise asks its nodes for later.

    A node holds on to its whole page. That was fifty megabytes in what Sphinx hands from process to process, and so many
    objects in memory that Python's collector, which goes through them again and again, took half of a build's time.
    """
    for entry in getattr(app.env, "sphinx_exercise_registry", {}).values():
        if entry["docname"] == app.env.docname:
            node = entry["node"]
            entry["node"] = node.copy()
            entry["node"].extend(title.deepcopy() for title in node.children[:1])
            for each in entry["node"].findall():
                each.document = None


def setup(app: Sphinx) -> None:
    "What the page's extension adds."
    app.connect("doctree-read", keep_titles)
    app.connect("doctree-resolved", trim_links)
    app.add_directive("dln-exercises", ListOfExercises)
    app.add_css_file("exercises.css")
    app.add_js_file("exercises.js", loading_method="defer")
