"""What makes a publication of the pages: who made them and on which terms, what a search engine and a shared link say
of them, and what a visitor meets who has a wrong address.

The addresses of the site and of the repository are settings of _config.yml (`dln_addresses`); what needs an
address that is empty there is left out.
"""

from __future__ import annotations

import configparser
import re
import shutil
from html import escape
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx

from book.notebooks import ROOT

LONGEST = 200  # characters of a description
NAME = "backprop.pdf"


# The front page: terms, citation, addresses


def addresses() -> dict[str, str]:
    "The setting, for the build; the extension gets it from Sphinx."
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    return config["sphinx"]["config"]["dln_addresses"]


def version() -> str:
    "The book's version, from the one place where it stands."
    settings = configparser.ConfigParser()
    settings.read(ROOT / "settings.ini", encoding="utf-8")
    return settings["DEFAULT"]["version"]


def colophon(places: dict[str, str]) -> str:
    "How to get, cite and reuse the book, and where to report what is wrong: markdown for the front page."
    said = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    book = said["preferred-citation"]
    authors = ", ".join(each["name"] for each in book["authors"])
    where = f" <{places['site']}>" if places["site"] else ""
    bibtex = [f"author = {{{{{authors}}}}}", f"title = {{{{{book['title']}}}}}", f"year = {{{book['year']}}}", f"note = {{Version {version()}}}"]
    if places["site"]:
        bibtex.append(f"url = {{{places['site']}}}")
    lines = [f'```{{raw}} html\n<p class="dln-pdf" hidden>On paper: <a href="{NAME}">the whole book as one PDF</a>.</p>\n```', ""]
    lines += ["**Cite it** as", "", f"> {authors}. *{book['title']}.* Version {version()}, {book['year']}.{where}", ""]
    lines += ["or in BibTeX as", "", "```bibtex", f"@book{{dlnbook{book['year']},"]
    lines += [f"  {line}," for line in bibtex] + ["}", "```", ""]
    lines += ["**Reuse it**: the text, its figures and explorables under [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/),"]
    lines += ["the code, that of the chapters included, under the MIT license. {doc}`Others' work <thirdparty>` is on terms of its own.", ""]
    if places["repository"]:
        lines += [f"**Get it**: [the repository]({places['repository']}); `pip install git+{places['repository']}` installs the library.", ""]
    else:
        lines += ["**Install it**: `pip install .` in the folder of the source installs the library.", ""]
    if places["report"]:
        lines += [f"**Found an error?** [Tell us]({places['report']}): the page, the number of the formula or the section, and the version.", ""]
    lines += [f"This is version {version()}; {{doc}}`what has changed <CHANGELOG>`.", ""]
    return "\n".join(lines)


def write_colophon(path: Path) -> None:
    "Write it where the front page includes it; a file that would be the same stays as it is."
    text = colophon(addresses())
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


# The head of each page


def set_base(app: Sphinx, config: Any) -> None:
    "The theme's canonical links follow from the site's address."
    config.html_baseurl = config.dln_addresses.get("site", "")


def description(doctree: nodes.document | None) -> str:
    "What a page says first, in plain words: whole sentences of a paragraph, as far as no formula comes up."
    for paragraph in doctree.findall(nodes.paragraph) if doctree else ():
        text = _before_formulas(paragraph)
        if isinstance(paragraph.parent, nodes.section) and len(text) > 40:
            return shorten(text)
    return ""


def _before_formulas(paragraph: nodes.paragraph) -> str:
    "The sentences that end before the first formula."
    words = ""
    for child in paragraph.children:
        if isinstance(child, nodes.math) or next(child.findall(nodes.math), None):
            return _sentences(" ".join(words.split()))
        words += child.astext()
    return " ".join(words.split())


def _sentences(text: str) -> str:
    "The text up to the end of its last whole sentence."
    ends = [found.end() for found in re.finditer(r"[.?!](?=\s|$)", text)]
    return text[: ends[-1]] if ends else ""


def shorten(text: str) -> str:
    "At most so many characters, up to the end of a sentence if one ends late enough."
    if len(text) <= LONGEST:
        return text
    whole = _sentences(text[:LONGEST])
    return whole if len(whole) > LONGEST // 3 else text[: text.rfind(" ", 0, LONGEST - 1)].rstrip(",;:") + "…"


def describe(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    "Description and Open Graph tags."
    front, site = pagename == app.config.root_doc, app.config.dln_addresses.get("site", "")
    if front:
        context["title"] = "Backprop: a book whose formulas are run"
    summary = description(doctree) or yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["abstract"]
    title = re.sub(r"<.*?>", "", context.get("title") or app.config.html_title)
    tags = {"og:title": title, "og:type": "book" if front else "article", "og:site_name": app.config.html_title, "og:description": summary}
    if site and doctree:
        tags |= {"og:url": site.rstrip("/") + "/" + app.builder.get_target_uri(pagename), "og:image": site.rstrip("/") + "/_static/page.png"}
    html = [f'<meta name="description" content="{escape(summary)}" />']
    html += [f'<meta property="{name}" content="{escape(value)}" />' for name, value in tags.items()]
    context["metatags"] = (context.get("metatags") or "") + "\n" + "\n".join(html)


# Files beside the pages

LOST = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8" /><meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="robots" content="noindex" /><title>No such page: Backprop</title>
<style>
:root { color-scheme: light dark; }
body { max-width: 34rem; margin: 15vh auto; padding: 0 1rem; font: 1.1rem/1.6 system-ui, sans-serif; }
</style></head>
<body><main><h1>No such page</h1>
<p>Nothing is at this address. Perhaps a chapter has another number now.</p>
<p id="home"><a href="index.html">To the front page of the book</a></p>
</main>
<script>
// The page is sent for any wrong address, so it does not know how deep it stands: the book begins where its index is.
(async () => {
  const base = BASE;
  const parts = location.pathname.split("/").slice(0, -1);
  for (let depth = parts.length; depth > 0; depth--) {
    const home = base || parts.slice(0, depth).join("/") + "/";
    const found = await fetch(home + "objects.inv", { method: "HEAD" }).then((answer) => answer.ok, () => false);
    if (!found && !base) continue;
    document.querySelector("#home").innerHTML = `<a href="${home}index.html">To the front page of the book</a>, or <a href="${home}search.html">search it</a>.`;
    return;
  }
})();
</script></body></html>
"""


def write_files(app: Sphinx, error: Exception | None) -> None:
    "The page for wrong addresses, and what search engines ask for."
    if error or app.builder.format != "html":
        return
    out, site = Path(app.outdir), app.config.dln_addresses.get("site", "").rstrip("/")
    (out / "404.html").write_text(LOST.replace("BASE", repr(site and site + "/")), encoding="utf-8")
    robots = "User-agent: *\nAllow: /\n"
    if site:
        robots += f"Sitemap: {site}/sitemap.xml\n"
        pages = [app.builder.get_target_uri(name) for name in sorted(app.env.found_docs)]
        urls = "".join(f"<url><loc>{escape(f'{site}/{page}')}</loc></url>\n" for page in pages)
        start = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        (out / "sitemap.xml").write_text(f"{start}{urls}</urlset>\n", encoding="utf-8")
        shutil.copy(ROOT / "book" / "page.png", out / "_static" / "page.png")
    (out / "robots.txt").write_text(robots, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    "Called by Sphinx."
    app.add_config_value("dln_addresses", {}, "html", [dict])
    app.add_css_file("touch.css", priority=600)  # after book.css
    app.add_css_file("print.css", priority=600, media="print")
    app.add_js_file("touch.js", priority=600, loading_method="defer")
    app.add_js_file("navigate.js", priority=600, loading_method="defer")
    app.add_js_file("print.js", loading_method="defer")
    app.connect("config-inited", set_base)
    app.connect("html-page-context", describe)
    app.connect("build-finished", write_files)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
