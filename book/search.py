"""Search by section: the words of every section, written for the page that looks them up.

Sphinx's own index knows pages. Here each section, each entry of the reference and each term of the glossary is
a document of its own, without code, formulas and notes of the build. A term that people search for leads to the
section in which the book introduces it (book/terms.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from book import terms

UNSAID = (
    nodes.literal_block, nodes.math_block, nodes.raw, nodes.comment, nodes.image,
    addnodes.desc, addnodes.index, addnodes.glossary,
)  # fmt: skip
NOTES = {"cell_input", "cell_output", "dln-check-note", "dln-exported-note", "dln-mark", "dln-derived", "tag_dln-hide"}
LEFT_OUT = {"search", "genindex", "py-modindex", "thirdparty"}
CLOSING = {"References", "Symbols of this chapter"}
WEIGHTS = {"nbs/tools": 0.4, "api": 0.35, "reference/": 0.35, "nbs/lib": 0.7, "bibliography": 0.3, "notation": 0.5, "index": 0.6}


def write_fragment(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    "Keep the sections of a page that has just been resolved: pages are written by several processes."
    if doctree is None or pagename in LEFT_OUT:
        return
    found = list(_sections(app, pagename, doctree))
    path = _folder(app) / f"{pagename.replace('/', '.')}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found), encoding="utf-8")


def write_index(app: Sphinx, error: Exception | None) -> None:
    "Put the pages' sections together in one script, which a page opened from a file can load as well."
    if error or app.builder.format != "html":
        return
    found = [each for path in sorted(_folder(app).glob("*.json")) for each in json.loads(path.read_text(encoding="utf-8"))]
    for number, each in enumerate(found):
        each["id"] = number
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    (Path(app.outdir) / "sections.js").write_text(f"window.dlnSections = {text};\n", encoding="utf-8")


def search_page(app: Sphinx) -> Iterator[tuple[str, dict, str]]:
    "The page that looks words up, in place of Sphinx's."
    yield "search", {}, "search.html"


def without_sphinx_index(app: Sphinx) -> None:
    "Nothing on the pages asks for Sphinx's index of pages."
    if app.builder.format == "html":
        app.builder.search = False


def _folder(app: Sphinx) -> Path:
    "Where the pages' sections wait: beside the pages, which are always written anew."
    return Path(app.outdir).with_name(Path(app.outdir).name + ".sections")


def _sections(app: Sphinx, docname: str, doctree: nodes.document) -> Iterator[dict]:
    "The documents that a page gives to the search."
    page = app.env.titles[docname].astext()
    weight = next((weight for start, weight in WEIGHTS.items() if docname.startswith(start)), 1.0)
    numbers = app.env.toc_secnumbers.get(docname, {})
    chapter = ".".join(map(str, numbers.get("", ())))
    known = terms.introduced(app.env, docname)
    for section in doctree.findall(_is_section):
        title = _words(section[0])
        if title in CLOSING:
            continue
        anchor = "" if section.parent is doctree else f"#{section['ids'][0]}"
        number = ".".join(map(str, numbers.get(anchor, ())))
        anchors = {"" if section.parent is doctree else None, *_anchors(section)}
        yield {
            "url": f"{docname}.html{anchor}",
            "title": f"{number} {title}".strip(),
            "page": "" if not anchor else f"{chapter} {page}".strip(),
            "terms": " · ".join(sorted({term for each in anchors for term in known.get(each, ())})),
            "text": " ".join(text for child in section[1:] if (text := _words(child))),
            "weight": weight,
        }
    for entry in doctree.findall(addnodes.desc):
        signature = entry.next_node(addnodes.desc_signature)
        if signature is not None and signature["ids"]:
            about = next(iter(entry.findall(nodes.paragraph)), None)
            yield {
                "url": f"{docname}.html#{signature['ids'][0]}", "title": signature["ids"][0].removeprefix("dlnbook."),
                "page": page, "terms": "", "text": _words(about) if about is not None else "", "weight": weight,
            }  # fmt: skip
    for item in doctree.findall(nodes.definition_list_item):
        names = [term for term in item.findall(nodes.term) if term["ids"]]
        if names and "glossary" in item.parent.get("classes", ()):
            yield {
                "url": f"{docname}.html#{names[0]['ids'][0]}", "title": _words(names[0]), "page": page,
                "terms": " · ".join(map(_words, names[1:])), "text": _words(item.next_node(nodes.definition)), "weight": 0.8,
            }  # fmt: skip


def _is_section(node: nodes.Node) -> bool:
    "Whether a node is a section of the text: an exercise has one inside, without a title."
    return isinstance(node, nodes.section) and isinstance(node.next_node(descend=True), nodes.title)


def _anchors(section: nodes.section) -> Iterator[str]:
    "The ids in a section, without those of the sections in it."
    todo: list[nodes.Element] = [section]
    while todo:
        node = todo.pop()
        yield from node.get("ids", ())
        todo += [child for child in node.children if isinstance(child, nodes.Element) and not _is_section(child)]


def _words(node: nodes.Node) -> str:
    "What a reader reads in a node, without code, pictures, notes of the build, and what belongs to other documents."
    return re.sub(r"\s+", " ", "".join(_pieces(node))).strip()


def _pieces(node: nodes.Node) -> Iterator[str]:
    "The pieces of text of a node; a formula is what its letters say, or three dots."
    if isinstance(node, nodes.math):
        yield _formula(node.astext())
    elif isinstance(node, nodes.Text):
        yield node.astext()
    elif not isinstance(node, UNSAID) and not _is_section(node) and not NOTES & set(node.get("classes", ())):
        for child in node.children:
            yield from _pieces(child)
        if isinstance(node, (nodes.TextElement, nodes.entry)) and not isinstance(node, nodes.Inline):
            yield " "


GREEK = dict(zip("alpha beta gamma delta epsilon varepsilon eta theta kappa lambda mu pi rho sigma tau varphi Delta Lambda".split(), "αβγδεεηθκλμπρστφΔΛ"))
NAMES = GREEK | {"mathcal L": "ℒ", "partial": "∂", "ln": "ln ", "ell": "ℓ", "sqrt": "√"}
SIGNS = NAMES | {"le": "≤", "ge": "≥", "times": "×", "approx": "≈", "cdot": "·", "odot": "⊙", "infty": "∞", "pm": "±"}


def _formula(tex: str) -> str:
    "A short formula as plain text."
    for name in sorted(SIGNS, key=len, reverse=True):
        behind = r"(?:\s+(?=[\w\\]))?" if name in NAMES else ""  # TeX's space ends a name, and is not seen; around a sign it is
        tex = re.sub(rf"\\{name}(?![A-Za-z]){behind}", SIGNS[name], tex)
    plain = re.sub(r"[{}_^$]", "", tex)
    return "…" if "\\" in plain else plain.replace("-", "−")

