"""What a reference leads to, shown at the reference: made with the page, so that nothing is asked of any server.

A page carries the equations, functions, terms and figures that it refers to, each once. The literature needs no more
than the titles that its references have anyway. `book/static/previews.js` shows them, on hover and on focus.
"""

from __future__ import annotations

import json
import posixpath
import re
from html import escape, unescape
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from book.plain import equation_number

REFERENCE = re.compile(r'<a class="[^"]*\breference internal\b[^"]*" href="([^"#]*)#([^"]+)"')
ADDRESS = re.compile(r"(?<=[\s(])nbs/(\w+\.html#equation-eq-[a-z0-9-]+)")  # as dlnbook.diagnosis prints it
PRINTED = re.compile(r'<div class="output stream .*?</pre>', re.DOTALL)


def store(env: BuildEnvironment) -> dict[str, dict[str, dict[str, str]]]:
    "By page and anchor: what a preview shows."
    if not hasattr(env, "dln_previews"):
        env.dln_previews = {}
    return env.dln_previews


def collect(app: Sphinx, document: nodes.document) -> None:
    "Keep what others may refer to on a page that has just been read."
    found: dict[str, dict[str, str]] = {}
    for math in document.findall(nodes.math_block):
        if label := math.get("label"):
            found[f"equation-{label}"] = {"tex": math.astext().strip(), "label": label}
    for entry in document.findall(addnodes.desc):
        signature = entry.next_node(addnodes.desc_signature)
        about = next(iter(entry.findall(nodes.paragraph)), None)
        if signature is not None and signature["ids"]:
            text = f"<p>{escape(about.astext())}</p>" if about is not None and about.astext() != signature.astext() else ""
            found[signature["ids"][0]] = {"html": f"<p><code>{escape(_short(signature))}</code></p>{text}"}
    for item in document.findall(nodes.definition_list_item):
        definition = item.next_node(nodes.definition)
        for term in item.findall(nodes.term):
            if term["ids"] and definition is not None:
                found[term["ids"][0]] = {"html": f"<p><strong>{escape(term.astext())}</strong>: {escape(definition.astext())}</p>"}
    store(app.env)[app.env.docname] = found


def _short(signature: addnodes.desc_signature) -> str:
    "A signature by the names of its parameters."
    name = next((node.astext() for node in signature.findall(addnodes.desc_name)), signature.astext())
    names = []
    for parameter in signature.findall(addnodes.desc_parameter):
        names.append(re.split(r"[:=]", parameter.astext())[0].strip())
    return f"{name}({', '.join(names)})" if signature.next_node(addnodes.desc_parameterlist) is not None else name


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    "A page is read again, or gone."
    store(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    "Take over what another process has read."
    store(env).update({name: found for name, found in store(other).items() if name in docnames})


def link_addresses(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    "Where a cell prints the address of an equation, it leads there, and shows it."
    if doctree is not None and pagename.startswith("nbs/"):
        context["body"] = PRINTED.sub(lambda found: ADDRESS.sub(r'<a class="reference internal" href="\1">\g<0></a>', found[0]), context["body"])


def embed(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    "Put on a page the previews of all that it refers to."
    if doctree is None or "body" not in context:
        return
    known, shown = store(app.env), {}
    for path, anchor in set(REFERENCE.findall(context["body"])):
        docname = posixpath.normpath(posixpath.join(posixpath.dirname(pagename), path.removesuffix(".html"))) if path else pagename
        preview = known.get(docname, {}).get(unescape(anchor))
        if preview and "tex" in preview:
            preview = {"tex": preview["tex"], "number": f"({equation_number(app.env, preview['label'])})"}
        if preview:
            shown[f"{unescape(path)}#{unescape(anchor)}"] = preview
    if shown:
        data = json.dumps(dict(sorted(shown.items())), ensure_ascii=False).replace("</", "<\\/")
        context["body"] += f'<script type="application/json" class="dln-previews">{data}</script>'
