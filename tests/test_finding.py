"What helps to find and to cite: captions, previews, glossary, index, notation, search."

import json
import re
from collections import Counter
from html import unescape

import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT
from docutils import nodes
from docutils.utils import new_document
from test_page import SITE, chromium, site, visit  # noqa: F401

from book import captions, exercises, formulas, search, terms
from book.notebooks import Cell, chapters, read_all

built = pytest.mark.slow


# Formulas and what leans on them


def line(*children):
    "A paragraph in a document."
    document = new_document("line")
    document += nodes.paragraph("", "", *children)
    formulas.keep_punctuation(None, document)
    return document[0]


def test_punctuation_stays_with_its_formula():
    paragraph = line(nodes.Text("so ("), nodes.math("", "a"), nodes.Text("), and two "), nodes.math("", "b"), nodes.Text("s, is not "), nodes.math("", "c"), nodes.Text("."))
    assert [piece.astext() for piece in paragraph.findall(nodes.inline)] == ["(a),", "bs,", "c."]
    assert paragraph.astext() == "so (a), and two bs, is not c."


def test_a_number_stays_with_its_spread_and_its_formula():
    document = new_document("numbers")
    document += nodes.paragraph("", "", nodes.strong("", "0.9 ± 0.7"), nodes.Text(" and ± 4 "), nodes.literal("", "a ± b"))
    document += nodes.paragraph("", "", nodes.math("", r"\eta ="), nodes.Text(" "), nodes.inline("", "2"), nodes.Text(" for "), nodes.math("", "x"), nodes.Text(" too"))
    formulas.keep_numbers(None, document, "")
    assert document[0].astext() == "0.9\u00a0±\u00a00.7 and\u00a0±\u00a04 a ± b"
    assert document[1].astext() == "\\eta =\u00a02 for x too"
    assert [piece.astext() for piece in document[1].findall(nodes.inline) if "dln-together" in piece["classes"]] == ["\\eta =\u00a02"]
    document[0][:] = [nodes.Text("so "), nodes.math("", r"a \approx"), nodes.Text(" 3.5, in all.")]
    formulas.keep_numbers(None, document, "")
    assert [piece.astext() for piece in document[0].children] == ["so ", "a \\approx\u00a03.5,", " in all."]


def test_short_names_in_tables_stay_whole():
    document = new_document("names")
    document += nodes.entry("", nodes.paragraph("", "", nodes.literal("", "sample_weight"), nodes.literal("", "f(…, eta=rule)"), nodes.literal("", "expected_spread_of")))
    document += nodes.paragraph("", "", nodes.literal("", "eta"))
    formulas.keep_names(None, document, "")
    assert ["dln-whole" in code["classes"] for code in document.findall(nodes.literal)] == [True, True, False, False]


def test_a_link_begins_with_a_word():
    document = new_document("solution")
    document += nodes.title("", "", nodes.Text("Solution to"), nodes.reference("", "", nodes.Text(" Exercise 1")), nodes.Text("."))
    exercises.trim_links(None, document, "")
    assert [child.astext() for child in document[0]] == ["Solution to", " ", "Exercise 1", "."]


def test_the_search_has_formulas_as_they_are_read():
    assert search._formula(r"\eta = 0.2") == "η = 0.2" and search._formula(r"\lambda w \le 3") == "λw ≤ 3" and search._formula(r"\ln y") == "ln y"


# Captions


def test_a_caption_is_the_first_sentence_unless_one_is_given():
    assert captions.first_sentence("A curve falls to 0.5. Then it rises.") == "A curve falls to 0.5."
    assert captions.first_sentence("A curve: it falls.") == "A curve: it falls."
    assert captions.first_sentence("A curve: " + "it falls and falls " * 10) == "A curve."


def test_a_figure_is_called_by_the_function_that_draws_it():
    for code in ("two_paths()", "fig = two_paths()", "explore(two_paths, a=slider([1, 2]))", "two_paths() if kept else None", "figure(width=3)(two_paths)(x)", "found.two_paths()"):
        facts = captions.facts_of(Cell("code", f"x = 1\n{code}"))
        assert captions.address("13_regularization", facts["name"]) == "fig-regularization-two-paths", code
    assert captions.address("lib_06_engine", "draw") == "fig-engine-draw"


def pages():
    "The chapters' pages and their engine rooms', without the frames of the explorables."
    for book in read_all():
        html = (SITE / "nbs" / f"{book.name}.html").read_text(encoding="utf-8")
        yield book, re.sub(r'<script type="application/json" class="dln-frames">.*?</script>', "", html, flags=re.DOTALL)


@built
def test_figures_and_explorables_have_numbers_captions_and_addresses():
    for book, html in pages():
        pictures = [found.start() for found in re.finditer(r'<svg class="dln-figure"', html)]
        figures = list(re.finditer(r'<figure class="[^"]*dln-numbered[^"]*" id="([^"]+)">(.*?)</figure>', html, re.DOTALL))
        hidden = [found.span() for found in re.finditer(r'<div class="cell tag_dln-hide.*?</svg>', html, re.DOTALL)]
        for place in pictures:
            assert any(one.start() < place < one.end() for one in figures) or any(start < place < end for start, end in hidden), book.name
        number = int(book.name[:2]) if book.name[0].isdigit() else None
        said = [re.search(r'caption-number">Figure ([A-Z\d.]+) </span><span class="caption-text">([^<]+)<.*?href="#([^"]+)"', one[2], re.DOTALL) for one in figures]
        assert all(said), book.name
        assert [found[3] for found in said] == [one[1] for one in figures], "the link at a caption leads to its figure"
        if number:
            assert [found[1] for found in said] == [f"{number}.{n + 1}" for n in range(len(said))], book.name
        twice = [anchor for anchor, count in Counter(one[1] for one in figures).items() if count > 1]
        assert not twice, book.name
        named = dict(re.findall(r'<a class="reference internal" href="#(fig-[^"]+)"><span class="std std-numref">Figure ([A-Z\d.]+)</span></a>', html))
        numbers = {one[1]: found[1] for one, found in zip(figures, said)}
        if number or book.name.startswith("tour_"):
            assert named == numbers, f"{book.name}: figures that the text does not name by their number: {numbers.keys() - named.keys()}"


@built
def test_rooms_are_lettered_in_the_order_of_the_contents():
    parts = {part["caption"]: part["chapters"] for part in yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]}
    [workshop] = parts["Workshop"]
    appendices = [[room["file"]] for room in parts["From the page to the library"]]
    appendices.append([workshop["file"], *(sheet["file"] for sheet in workshop["sections"])])
    for letter, sheets in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", appendices):
        said = {"equations": [], "figures": []}
        for place, page in enumerate(sheets):
            html = (SITE / f"{page}.html").read_text(encoding="utf-8")
            home = f"{letter}.{place}. " if place else f"{letter}. "
            assert f'<h1><span class="section-number">{home}</span>' in html, page
            said["equations"] += re.findall(r'class="eqno">\(([^)<]+)\)', html)
            said["figures"] += re.findall(r'caption-number">Figure ([^ ]+) <', html)
        for numbers in said.values():
            assert numbers == [f"{letter}.{n + 1}" for n in range(len(numbers))], sheets
    assert len(appendices) > 10


# Previews


@built
def test_references_show_what_they_lead_to(visit):  # noqa: F811
    with visit() as seen:
        tab = seen.open("nbs/09_workspace.html")
        preview = tab.locator(".dln-preview")
        for kind, link in {
            "equation": tab.locator("article p a.reference.internal[href*='equation-']").first,
            "work": tab.locator(f"article p a.reference.internal[href='{tab.locator('article p a.reference.internal[title]').first.get_attribute('href')}']").first,
            "function": tab.locator("article a.reference.internal[href*='#dlnbook.']").first,
        }.items():
            link.scroll_into_view_if_needed()
            link.hover()
            preview.wait_for(timeout=5000)
            assert preview.count() == 1 and link.get_attribute("aria-describedby") == preview.get_attribute("id")
            assert preview.locator("mjx-container").count() if kind == "equation" else len(preview.inner_text()) > 20, kind
            tab.keyboard.press("Escape")
            assert preview.count() == 0
            tab.mouse.move(5, 5)
            link.focus()
            tab.keyboard.press("Shift+Tab")
            tab.keyboard.press("Tab")
            preview.wait_for(timeout=5000)  # by keyboard
            box = preview.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 1280
            tab.keyboard.press("Escape")
        assert not seen.foreign and not seen.wrong


@built
def test_every_equation_that_a_page_refers_to_can_be_shown():
    for book, html in pages():
        article = html[html.index("<article") : html.index("</article>")]
        wanted = {unescape(href) for href in re.findall(r'<a class="reference internal" href="([^"]*#equation-[^"]+)"', article)}
        data = re.search(r'<script type="application/json" class="dln-previews">(.*?)</script>', html, re.DOTALL)
        known = json.loads(data[1].replace("<\\/", "</")) if data else {}
        assert wanted <= set(known), f"{book.name}: {wanted - set(known)}"


@built
def test_an_address_that_a_cell_prints_leads_to_its_equation():
    printed = 0
    for book, html in pages():
        page = BeautifulSoup(html[html.index("<article") : html.index("</article>")], "html.parser")
        for output in page.select(".cell_output .stream pre"):
            addresses = re.findall(r"nbs/\w+\.html#equation-eq-[a-z0-9-]+", output.text)
            assert [link["href"] for link in output.select("a")] == [each.removeprefix("nbs/") for each in addresses], book.name
            printed += len(addresses)
        assert not page.select(".cell_input pre a"), f"{book.name}: a link in code"
    assert printed > 5


# Citations, notation, glossary, index


@built
def test_text_and_list_call_a_work_the_same():
    for book, html in pages():
        page = BeautifulSoup(html[html.index("<article") : html.index("</article>")], "html.parser")
        listed = {one["id"]: " ".join(one.select_one(".label").text.split()).strip("[]") for one in page.select("div.citation")}
        for link in page.select("a.reference.internal"):
            label, said = listed.get(link.get("href", "").lstrip("#")), " ".join(link.text.split())
            if label:  # in the text a year alone, or all of it
                assert label == said or label.endswith(f", {said}"), f"{book.name}: {said!r} in the text, {label!r} in the list"


@built
def test_a_number_of_an_equation_has_one_pair_of_brackets():
    for path in SITE.glob("*/*.html"):
        text = re.sub(r"<[^>]+>", "", path.read_text(encoding="utf-8").partition("<article")[2])
        assert not re.findall(r"\(\(\d+(?:\.\d+)?\)\)", text), path.name


@built
def test_every_entry_of_the_notation_page_leads_to_its_place():
    page = BeautifulSoup((SITE / "notation.html").read_text(encoding="utf-8"), "html.parser")
    first, second = page.select("article table")[:2]
    for row in first.select("tbody tr"):
        assert row.select("td:last-child a.reference"), row.text
    for row in second.select("tbody tr"):
        numbers = re.findall(r"\d+", "".join(re.findall(r"\(([\d, ]+)\)", row.select("td")[1].text)))
        assert [link.text for link in row.select("a.reference")] and len(row.select("a.reference")) >= len(numbers) > 0, row.text


def sections():
    "What the search looks through."
    return json.loads((SITE / "sections.js").read_text(encoding="utf-8").removeprefix("window.dlnSections = ").rstrip(";\n"))


@built
def test_the_glossary_leads_to_sections_that_speak_of_the_term():
    found = terms.read()
    assert len(found) >= 80
    assert all(term.kind for term in found), "every term says where it is introduced"
    names = Counter(name.lower() for term in found for name in term.names)
    assert not [name for name, count in names.items() if count > 1]
    placed = {name for section in sections() for name in section["terms"].split(" · ")}
    assert {name for term in found for name in term.names} <= placed


@built
def test_glossary_and_index_stand_in_the_table_of_contents():
    html = (SITE / "nbs" / "08_delta.html").read_text(encoding="utf-8")
    assert re.search(r'<a class="reference internal" href="../glossary.html">', html) and re.search(r'<a class="reference internal" href="../genindex.html">', html)
    index = (SITE / "genindex.html").read_text(encoding="utf-8")
    for name, place in {"Hadamard product": "07_hidden", "backprop": "08_delta", "momentum": "14_optimizers"}.items():
        assert re.search(rf'{name}</strong></a>,? *<a href="nbs/{place}[.]html#|<a href="nbs/{place}[.]html#[^>]*><strong>{name}<', index), name


# Search

FIRST = {
    "backpropagation": r"nbs/08_delta.html#",
    "Hadamard": r"nbs/07_hidden.html#with-matrices-one-sample|nbs/08_delta.html#four-equations",
    "vanishing": r"nbs/12_initialization.html#do-vanishing|nbs/11_activations.html#(?:one-layer|sigmoids-need)",
    "momentum": r"nbs/14_optimizers.html#a-ball",
    "learning rate": r"nbs/03_descent.html#how-long",
    "backward pass": r"nbs/07_hidden.html#from|nbs/08_delta.html#",
    "chain rule": r"nbs/05_chain.html",
    "Adam": r"nbs/14_optimizers.html#(?:the-first-steps|a-step)",
    "gradient check": r"nbs/04_numeric.html#a-check|nbs/lib_04_gradcheck.html",
}


@built
def test_the_search_finds_sections(visit):  # noqa: F811
    with visit() as seen:
        tab = seen.open("search.html")
        field, results = tab.locator(".bd-search-container input[name=q]"), tab.locator("#search-results")
        for words, place in FIRST.items():
            field.fill(words)
            hrefs = results.locator("li a").evaluate_all("all => all.slice(0, 2).map(a => a.getAttribute('href'))")
            print(words, hrefs)
            assert any(re.match(place, href) for href in hrefs), f"{words}: {hrefs}"
            text = results.inner_text()
            assert not re.search(r"\\[a-z]+|\.(?:pdf|ipynb|svg)\b|def |import ", text), f"{words}: {text}"
        field.fill("xylophone")
        assert results.locator("li").count() == 0 and results.locator("p").count() == 1
        field.fill("momentun")  # a slip
        assert results.locator("li").count() > 0
        assert not seen.foreign and not seen.wrong


@built
def test_the_search_works_from_a_file(chromium):  # noqa: F811
    context = chromium.new_context()
    tab = context.new_page()
    tab.goto((SITE / "search.html").as_uri() + "?q=softmax")
    tab.wait_for_selector("#search-results li a")
    href = tab.locator("#search-results li a").first.evaluate("a => a.href")
    tab.goto(href)
    assert "softmax" in tab.locator("article").inner_text().lower()
    context.close()


def test_chapters_have_one_caption_each_figure():
    "A caption is one short sentence."
    for book in chapters():
        for cell in book.cells:
            for text in cell.arguments("caption"):
                assert text.endswith(".") and len(text.split()) <= 18, f"{book.name}: {text}"
