"""The whole book on paper: `python -m book.paper`.

The pages of the built site become one page, whose links lead within it, and Chromium prints that once.
What it can't do is done to the file: an outline, and page numbers in the contents.
"""

from __future__ import annotations

import base64
import html
import json
import posixpath
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from book import browser as browsers
from book import notebooks, publication
from book.serve import server

SITE = notebooks.ROOT / "_build" / "html"
STATIC = notebooks.ROOT / "book" / "static"
ONLINE = r"api|workshop|exercises|reference/.*|CHANGELOG|thirdparty|nbs/tools_(?!intervals).*|search|genindex"  # pages that are of use on a screen only
WIDTH = 658  # pixels: a page of A4 less its margins (print.css)


class Page(NamedTuple):
    "A page of the site, as it stands in the book: its name, the prefix of its anchors, its title and its body."

    name: str
    prefix: str
    title: str
    body: str


class Entry(NamedTuple):
    "A line of the contents."

    level: int
    title: str  # HTML
    anchor: str


# Which pages, in which order


def contents() -> Iterator[tuple[str | None, list[str]]]:
    "The parts of the book, each with its pages; the front page has none."
    toc = yaml.safe_load((notebooks.ROOT / "_toc.yml").read_text(encoding="utf-8"))
    yield None, [toc["root"]]
    for part in toc["parts"]:
        listed = [page for each in part["chapters"] for page in (each, *each.get("sections", []))]
        names = [each["file"] for each in listed if "file" in each and not re.fullmatch(ONLINE, each["file"])]
        if names:
            yield part["caption"], names


# One page out of many


def load(name: str, number: int, site: Path = SITE) -> Page:
    "A page's article, without scripts, its anchors marked as its own."
    text = (site / f"{name}.html").read_text(encoding="utf-8")
    body = text[text.index('<article class="bd-article"') :]
    body = body[body.index(">") + 1 : body.index("</article>")]
    body = re.sub(r"<script\b.*?</script>", "", body, flags=re.DOTALL)
    body = answers_last(re.sub(r'<details\b(?! class="dln-fold)', "<details open", body))
    prefix = f"p{number:02d}-"
    body = re.sub(r'(\s)id="([^"]+)"', rf'\1id="{prefix}\2"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", body)
    body = re.sub(r'xlink:href="#([^"]+)"', rf'xlink:href="#{prefix}\1"', body)
    title = re.search(r"<h1\b[^>]*>(.*?)<a class=\"headerlink\"", body, re.DOTALL)
    return Page(name, prefix, title[1] if title else name, body)


def answers_last(body: str) -> str:
    "The answers of a page's bug hunts, behind the last one: who reads on paper sees what stands below."
    hunts = list(re.finditer(r'<p class="dln-hunt-lead">(.*?)</p>(.*?)(<details[^>]* class="dln-hunt-answer">.*?</summary>(.*?)</details>)\s*</div>', body, re.DOTALL))
    if not hunts:
        return body
    answers = "".join(f"<dt>{n}. {hunt[1]}</dt><dd>{hunt[4]}</dd>" for n, hunt in enumerate(hunts, 1))
    for n, hunt in reversed(list(enumerate(hunts, 1))):
        left = f'<p class="dln-hunt-lead">{n}. {hunt[1]}</p>{hunt[2]}</div>'
        body = body[: hunt.start()] + left + (f'<p>The answers:</p><dl class="hunt-answers">{answers}</dl>' if n == len(hunts) else "") + body[hunt.end() :]
    return body


def link(pages: list[Page], site_address: str = "") -> list[Page]:
    "The pages with links that lead within the book; to the site where it has an address; or nowhere."
    prefixes = {page.name: page.prefix for page in pages}
    anchors = {found for page in pages for found in re.findall(r'\sid="([^"]+)"', page.body)} | {f"{each}top" for each in prefixes.values()}
    equations = {found[1]: found[2] for page in pages for found in re.finditer(r'id="([^"]*equation-[^"]+)">\s*<span class="eqno">(\([^)]*\))', page.body)}
    heads = {f"{page.prefix}top": plain(page.title) for page in pages} | {page.prefix + anchor: plain(title) for page in pages for _, title, anchor in headings(page)}

    def linked(page: Page) -> Page:
        def target(match: re.Match) -> str:
            address = html.unescape(match[1])
            if re.match(r"[a-z]+:", address):
                return match[0]
            path, _, anchor = address.partition("#")
            name = posixpath.normpath(posixpath.join(posixpath.dirname(page.name), path)).removesuffix(".html") if path else page.name
            if name in prefixes:
                place = prefixes[name] + (anchor or "top")
                return f'href="#{place}"' if place in anchors else "data-lost"
            outside = f'href="{html.escape(site_address.rstrip("/"))}/{name}.html" ' if site_address and not name.startswith("..") else ""
            return f"{outside}data-elsewhere"

        body = re.sub(r'(?<![\w:-])href="([^"]*)"', target, page.body)
        body = re.sub(r'(<a [^>]*data-elsewhere[^>]*>)\(([A-Z\d.]+)\)</a>', r"\1(\2, online)</a>", body)
        body = re.sub(r'(<a [^>]*href="#([^"]*)"[^>]*>)nbs/[^<]*</a>', lambda found: f"{found[1]}{equations[found[2]]}</a>", body)
        return page._replace(body=TITLED.sub(lambda found: referred(found, heads), body))

    return [linked(page) for page in pages]


TITLED = re.compile(r'(<a [^>]*?(?:href="#([^"]*)"|data-elsewhere)><span class="(?:doc|std std-ref)">)(.*?)(</span></a>)', re.DOTALL)


def referred(link: re.Match, heads: dict[str, str]) -> str:
    "A link by the title of what it leads to: a title, on paper, and where it stands, or that it stands elsewhere."
    begin, anchor, text, end = link.groups()
    number, title = re.fullmatch(r"(?:([A-Z\d][.\d]*)\. )?(.*)", heads.get(anchor or "", "")).groups()
    if anchor and plain(text) != title:
        return link[0]  # it says "chapter 9" itself
    where = f"§&#8239;{number}" if number else "" if anchor else "online"
    before = re.sub("<[^>]*>", "", link.string[link.string.rfind("<p", 0, link.start()) : link.start()])
    inside = before.count("(") > before.count(")")  # no parentheses in parentheses
    stop = "." if where and text.endswith("?") and link.string.startswith("</p>", link.end()) else ""  # the title had the sentence's sign
    return f"{begin}<em>{text}</em>{end}{(f', {where}' if inside else f' ({where})') if where else ''}{stop}"


def headings(page: Page) -> list[tuple[str, str, str]]:
    "The level, title and anchor of each heading of a page."
    return re.findall(r"<h(\d)\b[^>]*>(.*?)<a class=\"headerlink\" href=\"#([^\"]+)\"", page.body, re.DOTALL)


def entries(page: Page) -> list[Entry]:
    "What the contents say of a page: its title and its sections."
    return [Entry(int(level), " ".join(title.split()), anchor) for level, title, anchor in headings(page) if level in "12"]


def plain(title: str) -> str:
    "A title without markup."
    return re.sub(r"\\[()]", "", html.unescape(re.sub(r"<.*?>", "", title)))


def assemble(parts: list[tuple[str | None, list[Page]]], head: str) -> str:
    "The one page: a title, the contents, and all pages with their heads running on top."
    lines, bodies, heads = [], [], []
    for caption, pages in parts:
        if caption:
            lines.append(f'<li class="part">{html.escape(caption)}</li>')
        for page in pages:
            lines += [f'<li class="level{each.level}"><a href="#{each.anchor}">{each.title}</a></li>' for each in entries(page)]
            running = json.dumps(plain(page.title), ensure_ascii=False)
            heads.append(f"@page {page.prefix}page {{ @top-left {{ content: {running}; font: 8pt sans-serif; color: #555; }} }}")
            bodies.append(f'<div class="chapter" id="{page.prefix}top" style="page: {page.prefix}page">{page.body}</div>')
    style = (STATIC / "print.css").read_text(encoding="utf-8") + WHOLE + "\n".join(heads)
    return (
        f'<!DOCTYPE html><html lang="en" data-theme="light" data-mode="light">{head}<style>{style}</style><script src="_static/print.js"></script>'
        '<body><main class="bd-main"><div class="bd-content"><article class="bd-article">'
        f'{title_page()}<nav class="book-contents"><h1>Contents</h1><ol>{"".join(lines)}</ol></nav>{"".join(bodies)}'
        "</article></div></main></body></html>"
    )


def title_page() -> str:
    "Who, what, which version and on which terms."
    said = yaml.safe_load((notebooks.ROOT / "CITATION.cff").read_text(encoding="utf-8"))["preferred-citation"]
    name, _, rest = said["title"].partition(": ")
    authors = ", ".join(each["name"] for each in said["authors"])
    places = "".join(f"<p>{html.escape(each)}</p>" for each in publication.addresses().values() if each)
    return (
        f'<div class="title-page"><p class="name">{name}</p><p class="rest">{rest}</p><p>{authors}</p>'
        f"<p>Version {publication.version()}, {said['year']}</p>{places}"
        "<p>Text, figures: CC BY 4.0. Code: MIT.<br />Online sliders move, and every cell can be run and changed; "
        "here a picture shows one position of its sliders, and says which.<br />Code that is folded online is left out here; “this page” is the chapter. § 9 is chapter 9, § C appendix C.</p></div>"
    )


WHOLE = """
.title-page { break-after: page; padding-top: 60mm; text-align: center; }
.title-page .name { font-size: 40pt; margin: 0; }
.title-page .rest { font-size: 15pt; margin-bottom: 30mm; }
.book-contents ol { list-style: none; margin: 0; padding: 0; }
.book-contents li { line-height: 1.45; }
.book-contents li a { display: block; padding-right: 12mm; }
.book-contents .part { margin-top: 0.9rem; font-weight: 700; break-after: avoid; }
.book-contents .level1 { margin-top: 0.35rem; font-weight: 600; break-after: avoid; }
.book-contents .level2 { padding-left: 1.2rem; font-size: 0.92em; break-before: auto; }
.chapter { break-before: page; }
hr { display: none; }
.hunt-answers dt { break-after: avoid; }
"""


def head_of(text: str) -> str:
    "The head of a page in a folder, for one at the top: its styles, and of its scripts those that set formulas."
    head = text[text.index("<head>") : text.index("</head>") + 7].replace('"../', '"').replace("<head>\n  <head>", "<head>")

    def kept(script: re.Match) -> str:
        return script[0] if "mathjax" in script[0].lower() else ""

    head = re.sub(r"<script\b.*?</script>", kept, head, flags=re.DOTALL)
    head = re.sub(r"<(?:meta|link)\b[^>]*(?:description|og:|rel=\"(?:preload|index|search|next|prev|canonical)\")[^>]*>", "", head)
    return re.sub(r"<title>.*?</title>", "<title>Backprop</title>", head, flags=re.DOTALL)


# Measured before it is printed

MEASURE = """() => {
  const out = { formulas: [], numbers: [], code: [], wide: [], tall: [], heads: [] };
  const column = document.querySelector("article").getBoundingClientRect();
  const tell = (one) => (one.closest("[id]")?.id ?? "") + ": " + one.textContent.trim().slice(0, 60);
  for (const one of document.querySelectorAll("mjx-container[display=true]")) {
    const [left, right] = dlnPaper.extent(one), { top, bottom } = one.getBoundingClientRect();
    const number = one.closest("div.math")?.querySelector(".eqno")?.getBoundingClientRect();
    if (right > column.right + 1 || left < column.left - 1) out.formulas.push(tell(one));
    if (number && right > number.left && bottom > number.top && top < number.bottom) out.numbers.push(tell(one));
  }
  for (const one of document.querySelectorAll("pre, .dln-hunt-line")) if (one.scrollWidth > one.clientWidth + 1 || one.getBoundingClientRect().right > column.right + 1) out.code.push(tell(one));
  for (const one of document.querySelectorAll("article :is(table, svg.dln-figure, mjx-container:not([display]), img)")) {
    const box = one.getBoundingClientRect();
    if (box.width && box.right > column.right + 1) out.wide.push(tell(one));
    if (one.matches("svg") && box.height > 900) out.tall.push(tell(one));
  }
  const range = document.createRange();
  for (const one of document.querySelectorAll("article :is(th, td)")) {
    const texts = document.createTreeWalker(one, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) for (const word of texts.currentNode.data.matchAll(/[\\p{L}\\d.,]+/gu)) {
      range.setStart(texts.currentNode, word.index);
      range.setEnd(texts.currentNode, word.index + word[0].length);
      if (range.getClientRects().length > 1) out.heads.push(tell(one)); // the word is in two lines
    }
  }
  return out;
}"""


def print_whole(text: str, out: Path) -> dict[str, list[str]]:
    "Print an assembled page to a file. Returns what would be cut off, by kind."
    from playwright.sync_api import sync_playwright

    with server(folder=str(SITE)) as running, sync_playwright() as playwright:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        home = f"http://127.0.0.1:{running.server_port}/"
        chromium = playwright.chromium.launch(executable_path=browsers.find(), args=browsers.QUIET)
        tab = chromium.new_context(viewport={"width": WIDTH, "height": 1000}, color_scheme="light").new_page()
        tab.set_default_timeout(0)
        tab.route(home + "whole.html", lambda route: route.fulfill(body=text, content_type="text/html; charset=utf-8"))
        tab.emulate_media(media="print", color_scheme="light")
        tab.goto(home + "whole.html", timeout=0)
        tab.evaluate("async () => { await window.MathJax.startup.promise; await document.fonts.ready; window.dlnPaper.prepare(); }")
        cut = tab.evaluate(MEASURE)
        client = tab.context.new_cdp_session(tab)
        made = client.send("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True, "generateTaggedPDF": True, "transferMode": "ReturnAsStream"})
        with out.open("wb") as file:
            while True:
                piece = client.send("IO.read", {"handle": made["stream"], "size": 1 << 20})
                file.write(base64.b64decode(piece["data"]) if piece.get("base64Encoded") else piece["data"].encode())
                if piece["eof"]:
                    break
        chromium.close()
        running.shutdown()
    return cut


# What is done to the file


class Place(NamedTuple):
    "Where an anchor is: the page, counted from 0, and the height above its lower edge."

    page: int
    height: float


def places(pdf: Any) -> dict[str, Place]:
    "Every anchor that something links to."
    numbers = {page.objgen: i for i, page in enumerate(pdf.pages)}
    found = {}
    for name, target in pdf.Root.Dests.items():
        found[str(name).lstrip("/")] = Place(numbers[target[0].objgen], float(target[3]) if len(target) > 3 else 0.0)
    return found


def finish(printed: Path, out: Path, listed: list[Entry]) -> dict[str, int]:
    "Add outline, page numbers in the contents and what the file says of itself; returns counts."
    import pikepdf

    with pikepdf.open(printed) as pdf:
        where = places(pdf)
        with pdf.open_outline() as outline:
            outline.root.clear()
            for entry in listed:
                at = where[entry.anchor]
                item = pikepdf.OutlineItem(plain(entry.title), at.page, "XYZ", left=0, top=at.height)
                (outline.root[-1].children if entry.level > 1 and outline.root else outline.root).append(item)
        wanted, links, numbered = {entry.anchor for entry in listed}, 0, 0
        first = min(at.page for anchor, at in where.items() if anchor in wanted)
        for number, page in enumerate(pdf.pages):
            notes = [note for note in page.get("/Annots", []) if note.get("/Subtype") == "/Link"]
            links += len(notes)
            if number < first:
                numbered += _number_lines(pdf, page, notes, where, wanted)
        with pdf.open_metadata() as data:
            data["dc:title"], data["dc:language"] = "Backprop", {"en"}
            data["dc:creator"] = ["The dlnbook authors"]
        pdf.Root.PageMode = pikepdf.Name.UseOutlines
        pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate, compress_streams=True, recompress_flate=True)
        return {"pages": len(pdf.pages), "links": links, "outline": len(listed), "numbered": numbered}


def _number_lines(pdf: Any, page: Any, notes: list, where: dict[str, Place], wanted: set[str]) -> int:
    "Write at the right edge of each line of the contents the number of the page that it leads to."
    import pikepdf

    lines = {}
    for note in notes:
        anchor = str(note.get("/Dest", "")).lstrip("/")
        if anchor in wanted:
            lines[anchor] = [float(each) for each in note.Rect]
    if not lines:
        return 0
    font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
    name = page.add_resource(pdf.make_indirect(font), pikepdf.Name.Font)
    edge = float(page.mediabox[2]) - 18 / 25.4 * 72
    words = []
    for anchor, (_, low, _, high) in lines.items():
        text = str(where[anchor].page + 1)
        words.append(f"1 0 0 1 {edge - 5.0 * len(text):.2f} {min(low, high) + abs(high - low) * 0.28:.2f} Tm ({text}) Tj")
    page.contents_add(b"q", prepend=True)
    page.contents_add(f"Q q BT {name} 9 Tf 0.2 g {' '.join(words)} ET Q".encode())
    return len(lines)


def make(parts: list[tuple[str | None, list[str]]], out: Path) -> dict[str, Any]:
    "Make the file from these pages of the built site. Returns counts, what is cut off and how long it took."
    began = time.perf_counter()
    names = [name for _, part in parts for name in part]
    linked = link([load(name, number) for number, name in enumerate(names)], publication.addresses()["site"])
    pages = {page.name: page for page in linked}
    texts = ((SITE / f"{name}.html").read_text(encoding="utf-8") for name in names)
    head = head_of(next(text for text in texts if "mathjax/" in text))  # a page without formulas loads no script for them
    text = assemble([(caption, [pages[name] for name in part]) for caption, part in parts], head)
    lost = re.findall(r"<a [^>]*data-lost[^>]*>.*?</a>", text, re.DOTALL)
    with tempfile.TemporaryDirectory() as folder:
        printed = Path(folder) / "printed.pdf"
        cut = print_whole(text, printed)
        raw = printed.stat().st_size
        out.parent.mkdir(parents=True, exist_ok=True)
        counts = finish(printed, out, [each for page in linked for each in entries(page)])
    return counts | {"cut": cut, "lost": lost, "bytes": out.stat().st_size, "raw": raw, "seconds": time.perf_counter() - began}


def publish(made: Path, site: Path = SITE) -> None:
    "Put the file beside the pages, and show the front page's link to it."
    shutil.copy(made, site / publication.NAME)
    front = site / "index.html"
    text = front.read_text(encoding="utf-8")
    front.write_text(text.replace('<p class="dln-pdf" hidden>', '<p class="dln-pdf">'), encoding="utf-8")


def main() -> int:
    "Make the book and publish it. Returns the process's exit code."
    out = notebooks.ROOT / "_build" / "paper" / publication.NAME
    found = make(list(contents()), out)
    print(f"[pdf] {found['pages']} pages, {found['bytes'] / 1e6:.1f} MB ({found['raw'] / 1e6:.1f} as printed), {found['links']:,} links, {found['outline']} entries in the outline, {found['seconds']:.0f} s")
    wrong = {kind: places for kind, places in found["cut"].items() if places} | ({"links that lead nowhere": found["lost"]} if found["lost"] else {})
    for kind, where in wrong.items():
        print(f"[pdf] {kind}: {len(where)}, such as {where[:5]}")
    publish(out)
    print(f"[pdf] open {out.as_uri()}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
