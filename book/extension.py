"""The Sphinx extension of this book.

It shows what the `#|` directives mean, marks equations and their checks, links the library's reference
with the chapters, keys the execution cache on all that a chapter depends on, serves every script from
the book itself, and refuses pages that break the rules of the house (`refuse`).
"""

from __future__ import annotations

import ast
import functools
import gc
import gzip
import json
import os
import re
from html import escape
from pathlib import Path
from typing import Any

import jupyter_cache.executors.utils as execution
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

from book import appendices, captions, citations, depth, exercises, formulas, head, hunt_page, notation, notebooks, plain, previews, search, terms

log = logging.getLogger(__name__)

ASSETS = notebooks.ROOT / "_build" / "assets"
STATIC = notebooks.ROOT / "book" / "static"
LABEL = re.compile(r"(?<![`\w-])((?:eq|def)-[a-z0-9-]+)")
TOLD = re.compile(r"^#(?:\| |: :meta ).*\n", re.MULTILINE)  # inside a cell: said to tests and tools, not to readers
ALONE = re.compile(rf"\({LABEL.pattern}\)")  # its number brings the brackets
FRAME_BUDGET = 600_000  # bytes of a page's precomputed frames, gzipped

TAGS = {
    ("default_exp", None): "remove-cell",
    ("hide", None): "dln-hide",  # hidden by CSS, so that live code can still run the cell
    ("output", "false"): "remove-output",
    ("eval", "false"): "skip-execution",
    ("export", None): "dln-export",
    ("exports", None): "dln-export",
    ("checks", None): "dln-check",
    ("exercise", None): "dln-exercise",
}


# What a reader sees of the directives


def prepare(raw: dict) -> dict:
    "Turn a notebook's directives into cell tags, anchors and links."
    module = _module(raw)
    partly = any(notebooks.cell_of(cell).has("needs") for cell in raw["cells"])
    for cell in raw["cells"] if partly else ():
        if cell["cell_type"] == "code" and not notebooks.cell_of(cell).has("live"):
            cell["metadata"].setdefault("tags", []).append("dln-elsewhere")  # live Python passes it over
    raw["cells"] = [cell for each in raw["cells"] for cell in _prepared(each, module)]
    return raw


def _module(raw: dict) -> str | None:
    "The module that a notebook exports."
    for cell in raw["cells"]:
        for name, argument in notebooks.split_directives(notebooks.text_of(cell))[0]:
            if name == "default_exp":
                return f"dlnbook.{argument}"
    return None


def _prepared(raw: dict, module: str | None) -> list[dict]:
    "A cell, preceded by what the page says of it."
    if raw["cell_type"] != "code":
        return [raw]
    cell = notebooks.cell_of(raw)
    directives, source = cell.directives, cell.source
    raw["source"] = source
    tags = raw["metadata"].setdefault("tags", [])
    for name, argument in directives:
        for key in ((name, argument), (name, None)):
            if key in TAGS and TAGS[key] not in tags:
                tags.append(TAGS[key])
    if cell.has("export"):
        raw["source"] = shorten_docstrings(TOLD.sub("", source))
    raw["dln"] = {
        "fold": depth.facts_of(cell),
        "figure": captions.facts_of(cell),
        "idea": cell.has("idea"),
        "wrong": cell.has("fold") and (bool(cell.checks) or cell.has("export") or cell.has("exports")),
    }
    said = []
    if cell.exported and not cell.has("hide"):
        said.append(_markdown("dln-exported", " ".join(f"{module}.{name}" for name in cell.exported)))
    if cell.checks:
        catches = "\n".join(f"{catch.old} -> {catch.new}" for catch in cell.catches)
        said.append(_markdown("dln-check", " ".join(cell.checks), catches))
    return [*said, raw]


def shorten_docstrings(source: str) -> str:
    "Leave of each docstring its first line; the page's reader finds the rest in the reference, a click away."
    lines = source.splitlines(keepends=True)
    definitions = (ast.FunctionDef, ast.ClassDef)
    found = [node.body[0] for node in ast.walk(ast.parse(source)) if isinstance(node, definitions) and ast.get_docstring(node)]
    for docstring in sorted(found, key=lambda node: node.lineno, reverse=True):
        if docstring.end_lineno > docstring.lineno:
            first = lines[docstring.lineno - 1].rstrip()
            lines[docstring.lineno - 1 : docstring.end_lineno] = [first + first.lstrip(" r")[:3] + "\n"]
    return "".join(lines)


def _markdown(directive: str, argument: str, body: str = "") -> dict:
    "A markdown cell that holds one directive."
    source = f"`````{{{directive}}} {argument}\n{body}\n`````"
    return {"cell_type": "markdown", "id": notebooks.digest([], source), "metadata": {}, "source": source}


def on_source_read(app: Sphinx, docname: str, source: list[str]) -> None:
    "Prepare a notebook, and have it executed again when anything it depends on has changed."
    path = Path(app.env.doc2path(docname))
    if path.suffix != ".ipynb" or not source[0].strip():
        return
    raw = json.loads(source[0])
    code = notebooks.read(path).code
    files = [*notebooks.library_files(code), *notebooks.kept_files(code), notebooks.ROOT / "requirements.lock"]
    for file in files:
        app.env.note_dependency(str(file))
    settings = [f"{name}={os.environ.get(name, '')}" for name in ("DLNBOOK_SIZE", "DLNBOOK_EXPLORE")]
    # The execution cache compares code cells and nothing else; so what else matters goes into one of them.
    key = {
        "cell_type": "code",
        "id": "depends-on",
        "execution_count": None,
        "metadata": {"tags": ["remove-cell"]},
        "outputs": [],
        "source": f"# depends on {notebooks.digest(files, *settings)}",
    }
    hunt_page.insert(prepare(raw), notebooks.read(path))
    raw["cells"].insert(0, key)
    # Kept beside the notebook: the execution cache minds metadata, and no cell runs differently for being folded.
    app.env.temp_data["dln_cells"] = [cell.pop("dln", {}) for cell in raw["cells"]]
    source[0] = json.dumps(raw)


# Cells: folded ones, and the one that holds the chapter's idea


def arrange_cells(app: Sphinx, document: nodes.document) -> None:
    "Fold the cells that are to be folded, name the chapter's idea, and complain of what cannot be."
    facts = app.env.temp_data.get("dln_cells", [])
    cells = [(node, facts[node["cell_index"]]) for node in document.findall(nodes.container) if node.get("nb_element") == "cell_code"]
    ideas = [cell for cell, said in cells if said.get("idea")]
    for cell in ideas[:1]:
        cell["ids"].append("idea")
    for cell in ideas[1:]:
        log.warning("a chapter has one idea, and this is the second cell that is named so", location=cell)
    for cell, said in cells:
        if said.get("wrong"):
            log.warning("a cell that is exported or checks an equation is never folded: move out what is too long", location=cell)
        if said.get("fold"):
            depth.fold(cell, said["fold"])
        if said.get("figure"):
            captions.caption(cell, said["figure"], app.env, document)


# Marks at equations and checks


class CheckNote(Directive):
    "Says above a check cell which equations it checks and which mistakes it catches."

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        labels = self.arguments[0].split()
        note = nodes.container(classes=["dln-check-note"])
        line = nodes.paragraph("", "", nodes.inline("", "✓ ", classes=["dln-tick"]), nodes.Text("Checks "))
        for i, label in enumerate(labels):
            note["ids"].append(f"check-{label}")
            line += nodes.Text(", " if i else "")
            line += _equation_reference(label)
        line += nodes.Text(". Would fail for ")
        for i, text in enumerate(self.content):
            catch = notebooks.Catch.parse(text)
            line += nodes.Text(", or " if i else "")
            line += nodes.literal("", catch.old, classes=["dln-right"])
            line += nodes.Text(" → ")
            line += nodes.literal("", catch.new or "(nothing)", classes=["dln-wrong"])
        line += nodes.Text(".")
        note += line
        note["labels"], note["catches"] = labels, list(self.content)
        return [note]


def _equation_reference(label: str) -> pending_xref:
    "A reference to an equation by its number, wherever in the book it stands."
    return pending_xref(
        "", nodes.literal("", label), refdomain="math", reftype="eq", reftarget=label, refexplicit=False, refwarn=True
    )


def mark_equations(app: Sphinx, document: nodes.document) -> None:
    "Put a mark at every equation, and complain of one without label or check."
    catches = {
        label: note["catches"]
        for note in document.findall(nodes.container)
        if "dln-check-note" in note["classes"]
        for label in note["labels"]
    }
    equations = [math for math in document.findall(nodes.math_block)]
    for math in equations:
        label = math.get("label") or ""
        if label.startswith("def-"):
            mark = nodes.inline("", "definition", classes=["dln-definition"])
        elif label.startswith("eq-") and label in catches:
            text = f"Run on this page; the run fails for {' or '.join(catches[label])}"
            mark = nodes.raw("", f'<a class="dln-checked" href="#check-{label}" title="{escape(text)}">✓ checked</a>', format="html")
        elif label.startswith("eq-"):
            log.warning("equation %s has no check", label, location=math)
            continue
        else:
            log.warning("a displayed equation needs a label eq-… or def-…, got %r", label, location=math)
            continue
        parent, place = math.parent, math.parent.index(math)
        parent.insert(place + 1, nodes.container("", nodes.paragraph("", "", mark), classes=["dln-mark"]))
    for label in catches.keys() - {math.get("label") for math in equations}:
        log.warning("a cell checks %s, but there is no such equation here", label, location=app.env.docname)


# The library's reference, linked both ways with the chapters


class ExportedNote(Directive):
    "Says above an exported cell what it gives to the library, with a link to the reference."

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        line = nodes.paragraph("", "exported: ")
        targets = []
        for i, name in enumerate(self.arguments[0].split()):
            target = nodes.target("", "", names=[_anchor(name)])
            self.state.document.note_explicit_target(target)
            targets.append(target)
            reference = pending_xref(
                "",
                nodes.literal("", name.removeprefix("dlnbook.")),
                refdomain="py",
                reftype="obj",
                reftarget=name,
                refexplicit=True,
                refwarn=True,
            )
            line += nodes.Text(", " if i else "")
            line += reference
        note = nodes.container("", line, classes=["dln-exported-note"])
        return [*targets, note]


def _anchor(name: str) -> str:
    "The label of the cell that defines a public name. Labels ignore case, names do not: Slider is not slider."
    return "cell-" + re.sub("[A-Z]", lambda letter: "-" + letter[0].lower(), name)


def index_exports(app: Sphinx) -> None:
    "Remember which public names have a visible cell to link to."
    app.dln_exported = {
        f"{book.module}.{name}"
        for book in notebooks.read_all()
        for cell in book.cells
        if not cell.has("hide")
        for name in cell.exported
    }


def link_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    "In a docstring of the reference: equations become links, and the cell that derives the function is named."
    lines[:] = [LABEL.sub(r":eq:`\1`", ALONE.sub(r"\1", line)) for line in lines]
    if name in app.dln_exported:
        lines += ["", ".. container:: dln-derived", "", f"   :ref:`Where the book derives it <{_anchor(name)}>`"]


def number_equations(app: Sphinx, document: nodes.document, docname: str) -> None:
    "In the docstrings of the exported cells, and in hunts: an equation is called by its number, not by its label."
    known = app.env.get_domain("math").equations

    def number(found: re.Match) -> str:
        around = found.string[found.start() - 1 : found.start()] + found.string[found.end() : found.end() + 1]
        data = around in ('""', "''")  # live Python runs what stands here
        if data or found[1] not in known:
            return found[1]
        said = plain.equation_number(app.env, found[1])
        return said if around == "()" else f"({said})"

    def numbered(text: str) -> str:
        return LABEL.sub(number, text)

    for cell in document.findall(nodes.container):
        if "tag_dln-export" in cell.get("classes", ()):
            for code in cell.findall(nodes.literal_block):
                text = code.astext()
                said = numbered(text)
                if said != text:
                    code.children[:] = [nodes.Text(said)]
                    code.rawsource = said  # Sphinx colors only code that reads as it was written
    for code in document.findall(nodes.raw):
        if code.get("dln_code"):
            code.children[:] = [nodes.Text(numbered(code.astext()))]


# Everything from the book's own origin


def add_assets(app: Sphinx, config: Any) -> None:
    "Serve third-party files from the book. Added late: Jupyter Book puts every script it finds earlier on all pages."
    config.html_static_path += [str(ASSETS), str(STATIC)]


def read_in_parallel(app: Sphinx) -> None:
    "These two work before or after the pages are read, and forgot to say that they do not mind how that is done."
    for name in ("sphinx_multitoc_numbering", "sphinx_jupyterbook_latex"):
        if extension := app.extensions.get(name):
            extension.parallel_read_safe = True


def keep_own_scripts(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: Any) -> None:
    "Drop sphinx-thebe's scripts: they load from a CDN, and one is included twice, an error on every page."
    def foreign(file: Any) -> bool:
        body = getattr(file, "attributes", {}).get("body") or ""
        return "THEBE_JS_URL" in body or "sphinx-thebe" in str(getattr(file, "filename", ""))

    context["script_files"] = [file for file in context.get("script_files", []) if not foreign(file)]
    context["lighten"] = head.lighten  # for templates/layout.html


# Live Python

# While Python is live the bar stays in sight, so it has one line; the rest waits behind "More".
LIVE = """<div class="dln-live" hidden>
<div class="dln-live-buttons">
<button type="button" class="dln-live-start">Live code<span class="dln-live-loads">, loads {megabytes} MB</span></button>
<span class="dln-live-controls">
<button type="button" class="dln-live-stop">Stop</button>
<button type="button" class="dln-live-restart">Restart</button>
</span>
<p class="dln-live-line" role="status"></p>
{notebook}</div>
<progress aria-label="Progress of live Python"></progress>
<details class="dln-live-more"><summary>More</summary>
<div class="dln-live-buttons">
<button type="button" class="dln-live-all">Run all</button>
<button type="button" class="dln-live-clear">Forget my changes</button>
{notebook}</div>
{partly}<p>Change any cell. <kbd>Shift</kbd>+<kbd>Enter</kbd> runs it, and what it needs above it; <kbd>Esc</kbd> leaves the editor,
then <kbd>Tab</kbd> goes on. Your changes are kept in this browser.</p>
<p class="dln-live-sizes">Long experiments run at a smaller size here than on the page you read, so their numbers and curves differ.</p>
</details>
<p class="dln-live-server" hidden>Python’s packages come from a public server, cdn.jsdelivr.net, not from this book.</p>
{partly}</div>
"""

NOTEBOOK = '<a class="dln-live-notebook" href="{address}">Open as notebook</a>\n'
PARTLY = '<p class="dln-live-partly">The exercise that you write comes alive. The other cells stay as they are, since they need {needs}.</p>\n'


DEPTH = """<div class="dln-depth" role="group" aria-label="How much code the page shows">
<button type="button" value="reading" aria-pressed="true">Reading</button>
<button type="button" value="all" aria-pressed="false">All code</button>
</div>
"""


def add_bars(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: Any) -> None:
    "Put below a notebook's title the switch between the depths of reading, and the bar for live Python."
    path = Path(app.env.doc2path(pagename)) if doctree else Path()
    if path.suffix != ".ipynb":
        return
    bars = DEPTH if 'class="dln-fold' in context["body"] else ""
    if path.stem in {book.name for book in notebooks.live()}:
        address = context["pathto"]("lite/notebooks/index.html", 1) + f"?path={pagename}.ipynb"
        bars += LIVE.format(notebook=NOTEBOOK.format(address=address), partly="", megabytes=app.config.dln_megabytes)
    for book in notebooks.partly_live():
        if path.stem == book.name:
            partly = PARTLY.format(needs=" and ".join(book.needs))
            bars += LIVE.format(notebook="", partly=partly, megabytes=app.config.dln_megabytes)
    context["body"] = context["body"].replace("</h1>", "</h1>\n" + bars, 1)


# Rules of the house


def refuse_wordless_pictures(app: Sphinx, document: nodes.document) -> None:
    "A picture without alternative text fails the build."
    for image in document.findall(nodes.image):
        if not image.get("alt", "").strip() and not image["uri"].endswith(".ipynb"):
            log.warning("a picture without alternative text: %s", image["uri"], location=image)
    for raw in document.findall(nodes.raw):
        html = raw.astext()
        for element in re.findall(r"<(?:svg|img)\b[^>]*>", html):
            if not re.search(r'\b(?:aria-label|alt)="[^"]*\S[^"]*"', element):
                log.warning("a picture without alternative text: %s…", element[:60], location=raw)


def refuse_heavy_pages(app: Sphinx, error: Exception | None) -> None:
    "A page whose frames weigh more than the budget fails the build."
    if error or app.builder.format != "html":
        return
    for page in sorted(Path(app.outdir).rglob("*.html")):
        frames = re.findall(r'<script type="application/json" class="dln-frames">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
        weight = len(gzip.compress("".join(frames).encode()))
        if weight > FRAME_BUDGET:
            raise ExtensionError(
                f"{page.relative_to(app.outdir)}: expected frames of at most {FRAME_BUDGET:,} bytes gzipped, "
                f"got {weight:,}; give its sliders fewer values or its figures fewer points"
            )


def spare_the_collector(*_: Any) -> list[str]:
    "What is there stays: Python's collector need not go through it again for every page that is loaded and dropped."
    gc.freeze()
    return []


def setup(app: Sphinx) -> dict[str, Any]:
    "Called by Sphinx."
    # what a cell prints may come in pieces that end anywhere; myst_nb, left alone, ends a line where a piece ends;
    # and each kernel warns that it speaks over a port of this machine
    execution.executenb = functools.partial(execution.executenb, coalesce_streams=True, extra_arguments=["--log-level=ERROR"])
    app.add_directive("dln-check", CheckNote)
    app.add_directive("dln-exported", ExportedNote)
    app.add_config_value("dln_megabytes", 0, "html", [int])  # what live Python loads
    app.add_css_file("book.css")
    app.add_js_file("page.js", loading_method="defer")  # the others register with it
    app.add_js_file("book.js", loading_method="defer")
    app.add_js_file("explorable.js", loading_method="defer")
    app.add_js_file("depth.js", loading_method="defer")
    app.add_js_file("live/button.js", loading_method="defer")
    app.add_css_file("page.css")
    app.add_js_file("formulas.js", loading_method="defer")
    app.add_js_file("previews.js", loading_method="defer")
    citations.register()
    exercises.setup(app)
    hunt_page.setup(app)
    app.connect("config-inited", add_assets)
    app.connect("builder-inited", index_exports)
    app.connect("builder-inited", read_in_parallel)
    app.connect("builder-inited", spare_the_collector, priority=900)
    app.connect("env-get-updated", appendices.letter, priority=900)  # once all is numbered
    app.connect("env-get-updated", spare_the_collector, priority=100)  # all pages are read, and are loaded again for their numbers
    app.connect("env-check-consistency", spare_the_collector)
    app.connect("source-read", on_source_read)
    app.connect("doctree-read", arrange_cells)
    app.connect("doctree-read", mark_equations)
    app.connect("doctree-read", formulas.keep_punctuation)
    app.connect("doctree-read", previews.collect)
    app.connect("doctree-read", notation.link_chapters)
    app.connect("doctree-read", notation.list_the_index, priority=400)  # before the contents are collected
    app.connect("env-purge-doc", previews.forget)
    app.connect("env-merge-info", previews.merge)
    app.connect("env-updated", terms.fill_index)
    app.connect("builder-inited", search.without_sphinx_index)
    app.connect("html-collect-pages", search.search_page)
    app.connect("doctree-resolved", number_equations)
    app.connect("doctree-resolved", formulas.keep_numbers)
    app.connect("doctree-resolved", formulas.keep_names)
    app.connect("doctree-read", refuse_wordless_pictures)
    app.connect("autodoc-process-docstring", link_docstring, priority=400)  # before napoleon
    app.connect("html-page-context", keep_own_scripts, priority=900)
    app.connect("html-page-context", add_bars)
    app.connect("html-page-context", previews.link_addresses)
    app.connect("html-page-context", previews.embed)
    app.connect("html-page-context", search.write_fragment)
    app.connect("build-finished", search.write_index)
    app.connect("build-finished", plain.write_plain)
    app.connect("build-finished", refuse_heavy_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
