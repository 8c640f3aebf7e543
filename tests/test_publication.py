"The site as a publication: terms, citation, addresses, what search engines read, and the page for wrong addresses."

import re
from html import unescape
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import yaml
from conftest import ROOT
from docutils import nodes
from test_page import PAGES, SITE, chromium, site, visit  # noqa: F401

from book import publication
from book.notebooks import chapters

NOWHERE = {"site": "", "repository": "", "report": ""}
SOMEWHERE = {"site": "https://book.test/b", "repository": "https://code.test/b", "report": "https://code.test/b/issues"}


def test_what_needs_an_address_is_left_out_without_it():
    without, with_all = publication.colophon(NOWHERE), publication.colophon(SOMEWHERE)
    assert not re.search(r"https?://(?!creativecommons\.org)", without) and "url =" not in without and "error" not in without
    for address in SOMEWHERE.values():
        assert address in with_all
    for text in (without, with_all):
        assert "CC BY 4.0" in text and "MIT" in text and f"Version {publication.version()}" in text
    assert set(publication.addresses()) == set(NOWHERE)


def test_files_for_search_engines_follow_the_address(tmp_path):
    for places in (NOWHERE, SOMEWHERE):
        out = tmp_path / (places["site"][-1:] or "none")
        (out / "_static").mkdir(parents=True)
        app = SimpleNamespace(
            outdir=out, config=SimpleNamespace(dln_addresses=places), env=SimpleNamespace(found_docs={"index", "nbs/05_chain"}),
            builder=SimpleNamespace(format="html", get_target_uri=lambda name: name + ".html"),
        )  # fmt: skip
        publication.write_files(app, None)
        assert (out / "sitemap.xml").exists() == bool(places["site"]) == ("Sitemap: " in (out / "robots.txt").read_text())
    tree = ElementTree.parse(out / "sitemap.xml")
    assert [each.text for each in tree.findall(".//{*}loc")] == ["https://book.test/b/index.html", "https://book.test/b/nbs/05_chain.html"]


def test_a_description_is_made_of_whole_sentences():
    section = nodes.section("", nodes.paragraph("", "Too short."))
    section += nodes.paragraph("", "", nodes.Text("A first sentence, with as many words as it takes. Then "), nodes.math("", "x^2"), nodes.Text(" comes."))
    document = nodes.container("", section)
    assert publication.description(document) == "A first sentence, with as many words as it takes."
    assert publication.shorten("word " * 60) == ("word " * 39).strip() + "…"
    assert publication.shorten("A sentence of some length, more than a third of the limit, ends here before it. " * 4).endswith("before it.")


@pytest.mark.slow
def test_every_page_says_what_it_is():
    descriptions = {}
    for page in PAGES:
        head = (SITE / page).read_text(encoding="utf-8").partition("<body")[0]
        tags = dict(re.findall(r'<meta (?:name|property)="(description|og:\w+)" content="([^"]+)"', head))
        assert {"description", "og:title", "og:type", "og:site_name", "og:description"} <= set(tags), page
        assert len(tags["description"]) <= publication.LONGEST, page
        assert not re.search(r"\\[a-z]+|\$|eq-|\{", unescape(tags["description"])), f"{page}: markup"
        assert ('rel="canonical"' in head) == bool(publication.addresses()["site"]), page
        descriptions.setdefault(tags["description"], []).append(page)
    chapters = [pages for pages in descriptions.values() if sum(page.startswith("nbs/") for page in pages) > 1]
    assert not chapters, f"the same words for two pages: {chapters}"


def test_a_chapter_says_first_what_one_can_do_after_it():
    for book in chapters():
        said = [cell.source for cell in book.cells[:3] if ":class: dln-goals" in cell.source]
        assert len(said) == 1, book.name
        goals = re.findall(r"(?m)^- (.+)$", said[0])
        assert 1 <= len(goals) <= 3 and max(map(len, goals)) < 140, book.name


def test_the_licenses_are_there_and_named():
    assert "Attribution 4.0 International" in (ROOT / "LICENSE-TEXT").read_text()
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cff["license"] == "MIT" and cff["preferred-citation"]["license"] == "CC-BY-4.0"
    assert "LICENSE-TEXT" in (ROOT / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["nowhere.html", "nbs/deep/down/nowhere.html"])
def test_a_wrong_address_leads_home(visit, wrong):  # noqa: F811
    with visit() as seen:
        answer = seen.tab.goto(seen.site + wrong)
        assert answer.status == 404 and "No such page" in seen.tab.title()
        seen.tab.wait_for_selector("a[href*='search.html']")
        seen.tab.click("a[href$='index.html']")
        seen.tab.wait_for_url(seen.site + "index.html")
