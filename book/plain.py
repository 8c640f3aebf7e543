"""Notebooks in plain text: what only the page's builder understands is said in words.

The book's markdown asks for numbers, equations, other chapters and literature by name. A notebook that is opened in
JupyterLite, or downloaded, shows the number, the equation's number, a link and the author and year instead.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pybtex.database import BibliographyData, Entry, parse_file
from pybtex.plugin import find_plugin
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from book import captions, notebooks
from book.notebooks import ROOT, Cell, text_of

ROLE = re.compile(r"(``(?!`).+?(?<!`)``(?!`))|\{([\w:]+)\}`([^`]*)`")  # or code that only speaks of one
LABEL = re.compile(r"\n\$\$[ \t]*\(((?:eq|def)-[\w-]+)\)[ \t]*$", re.MULTILINE)
DIRECTIVE = re.compile(r"^(`{3,}|:{3,})\{([\w-]+)\}[ \t]*(.*?)[ \t]*\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)
TITLED = re.compile(r"(.*?)\s*<([^<>]+)>", re.DOTALL)


class Unsaid(ValueError):
    "Markup for which there are no words here."


class Words:
    "The words for a notebook's markup, from what the build of the book has found."

    def __init__(self, app: Sphinx, docname: str) -> None:
        self.env, self.docname = app.env, docname
        glued = Path(app.outdir).parent / "jupyter_execute" / f"{docname}.glue.json"
        self.glued = json.loads(glued.read_text(encoding="utf-8")) if glued.exists() else {}
        self.literature = literature()
        self.cited: list[str] = []

    # Roles

    def role(self, name: str, text: str) -> str:
        "What a role shows."
        roles: dict[str, Callable[[str], str]] = {
            "glue:text": self.glue, "eq": self.equation, "doc": self.document, "ref": self.reference, "numref": self.figure,
            "cite:p": lambda keys: f"[{'; '.join(self.author_year(key, '{}, {}') for key in keys.split(','))}]",
            "cite:t": lambda keys: ", ".join(self.author_year(key, "{} [{}]") for key in keys.split(",")),
        }  # fmt: skip
        if name.startswith("py:"):
            return f"`{text.lstrip('~')}`"
        if name not in roles:
            raise Unsaid(f"the role {name!r}")
        return roles[name](text)

    def glue(self, name: str) -> str:
        "A number that code gave to the prose."
        if name not in self.glued:
            raise Unsaid(f"the number {name!r}")
        return str(ast.literal_eval(self.glued[name]["data"]["text/plain"]))

    def equation(self, label: str) -> str:
        "A reference to an equation, with a link where it stands in another notebook."
        text = f"({equation_number(self.env, label)})"
        home = self.env.get_domain("math").equations[label][0]
        return text if home == self.docname else f"[{text}]({self.link(home)})"

    def document(self, text: str) -> str:
        "A link to another chapter, under its title."
        words, target = self.titled(text)
        docname = posixpath.normpath(posixpath.join(posixpath.dirname(self.docname), target)).lstrip("/")
        if docname not in self.env.titles:
            raise Unsaid(f"the document {target!r}")
        words = words or self.env.titles[docname].astext()
        return f"[{words}]({self.link(docname)})" if self.link(docname) else words

    def reference(self, text: str) -> str:
        "A reference to a label: its words."
        words, target = self.titled(text)
        labels = self.env.get_domain("std").labels
        if not words and target not in labels:
            raise Unsaid(f"the label {target!r}")
        return words or labels[target][2]

    def figure(self, label: str) -> str:
        "A figure's number, with a link where it stands in another notebook."
        home, anchor, _ = self.env.get_domain("std").labels.get(label, ("", "", ""))
        numbers = self.env.toc_fignumbers.get(home, {}).get("figure", {}).get(anchor)
        if not numbers:
            raise Unsaid(f"the figure {label!r}")
        text = f"Figure {'.'.join(map(str, numbers))}"
        return text if home == self.docname else f"[{text}]({self.link(home)})"

    def caption(self, cell: Cell) -> str:
        "What stands below the figure that a cell draws; '' below others."
        facts = captions.facts_of(cell)
        label = captions.address(posixpath.basename(self.docname), facts["name"]) if facts else ""
        found = self.env.get_domain("std").labels.get(label)
        return f"**{self.figure(label)}.** {found[2]}" if found and found[0] == self.docname else ""

    def titled(self, text: str) -> tuple[str, str]:
        "The words and the target of `words <target>`; no words where there is a target only."
        match = TITLED.fullmatch(text)
        return (match[1], match[2]) if match else ("", text)

    def link(self, docname: str) -> str:
        "The notebook of a document, beside this one; '' for a page that is no notebook."
        here = posixpath.dirname(docname) == posixpath.dirname(self.docname)
        return f"{posixpath.basename(docname)}.ipynb" if here else ""

    def author_year(self, key: str, form: str) -> str:
        "Who wrote it, and when."
        entry = self.entry(key.strip())
        return form.format(names(entry), entry.fields.get("year", "no year"))

    def entry(self, key: str) -> Entry:
        "An entry of the literature, which is then listed."
        if key not in self.literature.entries:
            raise Unsaid(f"the reference {key!r}")
        if key not in self.cited:
            self.cited.append(key)
        return self.literature.entries[key]

    # Directives

    def directive(self, name: str, title: str, body: str) -> str:
        "What a directive shows."
        options = dict(re.findall(r"^:([\w-]+):[ \t]*(.*)$", body, re.MULTILINE))
        text = re.sub(r"\A(?::[\w-]+:.*\n)*\n*", "", body).rstrip()
        if name == "exercise":
            return f"**Exercise {self.exercise(options['label'])}{title and f' ({title})'}.** {text}"
        if name == "solution-start":
            return f"**Solution of exercise {self.exercise(title)}.**"
        if name == "solution-end":
            return ""
        if name == "bibliography":
            return "\n".join(f"- {line}" for line in self.listed())
        if name in ("margin", "admonition", "note"):
            lines = [*([f"**{title}.**"] if title else []), *text.splitlines()]
            return "\n".join(f"> {line}".rstrip() for line in lines)
        raise Unsaid(f"the directive {name!r}")

    def exercise(self, label: str) -> str:
        "An exercise's number, as the page has it."
        kinds = self.env.toc_fignumbers.get(self.docname, {})
        numbers = kinds.get("exercise", {}).get(label)
        if not numbers:
            raise Unsaid(f"the exercise {label!r}")
        return ".".join(map(str, numbers))

    def listed(self) -> list[str]:
        "The literature that this notebook cites."
        style, backend = find_plugin("pybtex.style.formatting", "plain")(), find_plugin("pybtex.backends", "markdown")()
        entries = sorted((self.literature.entries[key] for key in self.cited), key=lambda each: (names(each), each.fields.get("year", "")))
        return [formatted.text.render(backend).replace("\n", " ") for formatted in style.format_entries(entries)]

    # A whole notebook

    def text(self, markdown: str) -> str:
        "A markdown cell in plain words."
        markdown = LABEL.sub(lambda found: f" \\tag{{{equation_number(self.env, found[1])}}}\n$$", markdown)
        markdown = ROLE.sub(lambda found: found[1] or self.role(found[2], found[3]), markdown)
        return DIRECTIVE.sub(lambda found: self.directive(found[2], found[3], found[4]), markdown)


def equation_number(env: BuildEnvironment, label: str) -> str:
    "An equation's number, as the page has it."
    found = env.get_domain("math").equations.get(label)
    if not found:
        raise Unsaid(f"the equation {label!r}")
    numbers = env.toc_fignumbers.get(found[0], {}).get("displaymath", {}).get(f"equation-{label}")
    return ".".join(map(str, numbers)) if numbers else str(found[1])


def literature() -> BibliographyData:
    "The book's references."
    return parse_file(str(ROOT / "references.bib"))


def names(entry: Entry) -> str:
    "The authors of a work, in short."
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    last = [" ".join(map(str, [*person.rich_prelast_names, *person.rich_last_names])) for person in people]
    if not last:
        return entry.fields.get("title", entry.key)
    return last[0] if len(last) == 1 else " and ".join(last) if len(last) == 2 else f"{last[0]} *et al.*"


def spoken(raw: dict[str, Any], words: Words) -> dict[str, Any]:
    "A notebook with plain markdown and numbered figures; cells of which nothing is left are dropped, code stays as it is."
    cells = []
    for cell in raw["cells"]:
        cells.append(cell)
        if cell["cell_type"] == "markdown":
            cell["source"] = words.text(text_of(cell))
        elif said := words.caption(notebooks.cell_of(cell)):
            cells.append({"cell_type": "markdown", "id": f"{cell['id']}-caption", "metadata": {}, "source": said})
    raw["cells"] = [cell for cell in cells if cell["cell_type"] != "markdown" or cell["source"].strip()]
    return raw


def write_plain(app: Sphinx, error: Exception | None) -> None:
    "Write the plain notebooks where the pages' download buttons lead, in place of the sources."
    if error or app.builder.format != "html":
        return
    for docname in sorted(app.env.found_docs):
        path = Path(app.env.doc2path(docname))
        goal = Path(app.outdir) / "_sources" / f"{docname}.ipynb"
        if path.suffix != ".ipynb" or not goal.exists():
            continue
        try:
            plain = spoken(json.loads(path.read_text(encoding="utf-8")), Words(app, docname))
        except Unsaid as unsaid:
            raise Unsaid(f"{docname}: there are no plain words for {unsaid}") from None
        goal.write_text(json.dumps(plain, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
