"Paper: the pages as one, links within it, and what is printed of a chapter and of a page."

import re

import pytest
from test_page import SITE, chromium, site, visit  # noqa: F401

from book import paper

ONE = """<article class="bd-article"><h1><span class="section-number">1. </span>One &amp; all<a class="headerlink" href="#one">#</a></h1>
<details class="dln-fold"><summary>imports</summary></details><details class="hint"></details><script>no()</script>
<a href="two.html#there">1</a><a href="../index.html">2</a><a href="#one">3</a><a href="https://x.test/">4</a><a href="../api.html#a">5</a><a href="two.html#gone">6</a>
<span id="one"></span><svg id="s"><g clip-path="url(#s)"></g><use xlink:href="#s"></use></svg></article>"""
TWO = '<article class="bd-article"><h1 id="two">Two<a class="headerlink" href="#two">#</a></h1><h2>Part \\(x\\)<a class="headerlink" href="#there">#</a></h2><p id="there" aria-labelledby="x"></p></article>'


def test_pages_become_one_with_links_within_it(tmp_path):
    (tmp_path / "nbs").mkdir()
    (tmp_path / "nbs" / "one.html").write_text(ONE)
    (tmp_path / "nbs" / "two.html").write_text(TWO)
    (tmp_path / "index.html").write_text(TWO)
    loaded = [paper.load(name, number, tmp_path) for number, name in enumerate(["index", "nbs/one", "nbs/two"])]
    for site_address, elsewhere in (("", "data-elsewhere"), ("https://book.test/", 'href="https://book.test/api.html" data-elsewhere')):
        _, one, two = paper.link(loaded, site_address)
        links = re.findall(r"<a (?!class)([^>]*)>(\d)</a>", one.body)
        expected = ['href="#p02-there"', 'href="#p00-top"', 'href="#p01-one"', 'href="https://x.test/"', elsewhere, "data-lost"]
        assert links == [(target, str(i)) for i, target in enumerate(expected, 1)]
    assert '<details class="dln-fold">' in one.body and '<details open class="hint">' in one.body and "script" not in one.body
    assert {'id="p01-s"', 'url(#p01-s)', 'xlink:href="#p01-s"'} <= set(re.findall(r'(?:xlink:href|id)="[^"]+"|url\([^)]+\)', one.body))
    assert paper.plain(one.title) == "1. One & all"
    assert [(each.level, paper.plain(each.title), each.anchor) for each in paper.entries(two)] == [(1, "Two", "p02-two"), (2, "Part x", "p02-there")]


def test_a_title_in_a_sentence_says_where_it_stands():
    "The text of a link looks like all other text on paper."
    page = """<article class="bd-article"><h1>{head}<a class="headerlink" href="#one">#</a></h1><h2><span class="section-number">1.1. </span>Part \\(x\\)<a class="headerlink" href="#part">#</a></h2>
<section id="part"></section><a class="reference internal" href="{to}.html"><span class="doc">{said}</span></a>.
<a class="reference internal" href="{to}.html#part"><span class="std std-ref">Part \\(x\\)</span></a></article>"""
    number = '<span class="section-number">{}. </span>'

    def read(head, to, said):
        made = paper.Page("one", "p0-", head, page.format(head=head, to=to, said=said).replace('id="part"', 'id="p0-part"'))
        return re.findall(r"<a class=\"reference[^>]*>(.*?)(?=\.?\n|</article>)", paper.link([made])[0].body)

    assert read(number.format(7) + "Here", "one", "Here") == [
        '<span class="doc"><em>Here</em></span></a> (§&#8239;7)', '<span class="std std-ref"><em>Part \\(x\\)</em></span></a> (§&#8239;1.1)']  # fmt: skip
    assert read(number.format("C") + "Here", "one", "Here")[0].endswith("(§&#8239;C)")
    assert read("Notation", "one", "Notation")[0] == '<span class="doc"><em>Notation</em></span></a>'
    assert read(number.format(7) + "Here", "one", "Chapter 7")[0] == '<span class="doc">Chapter 7</span></a>'
    assert read("Here", "two", "Data")[0] == '<span class="doc"><em>Data</em></span></a> (online)'
    parts = [("(", ")", ", §&#8239;7)"), ("(all) of", "", " (§&#8239;7)")]
    for before, after, said in parts:
        body = f'<h1>{number.format(7)}Why?<a class="headerlink" href="#one">#</a></h1><p>{before}<a class="reference internal" href="one.html"><span class="doc">Why?</span></a>{after}</p>'
        [made] = paper.link([paper.Page("one", "p0-", number.format(7) + "Why?", body)])
        assert made.body.endswith(f"<em>Why?</em></span></a>{said}{'' if after else '.'}</p>")


def test_an_equation_elsewhere_is_online_and_an_address_of_one_its_number():
    math = '<div class="math" id="p1-equation-eq-a">\n<span class="eqno">(1.2)<a href="#equation-eq-a">#</a></span></div>'
    text = '<a class="reference internal" href="two.html#equation-eq-b">(P.1)</a> <a class="reference internal" href="one.html#equation-eq-a">nbs/one.html#equation-eq-a</a>'
    for site_address in ("", "https://book.test/"):
        [made] = paper.link([paper.Page("one", "p1-", "One", math + text)], site_address)
        assert re.sub("<[^>]+>", "", made.body.partition("</div>")[2]) == "(P.1, online) (1.2)"


def test_the_answers_of_hunts_stand_behind_the_last_one():
    hunt = '<div class="dln-hunt"><p class="dln-hunt-lead">{0}:</p><div>{0}</div><details class="dln-hunt-answer"><summary>The answer</summary><p>line {0}</p></details>\n</div>'
    found = paper.answers_last(f"<p>before</p>{hunt.format(1)}<p>between</p>{hunt.format(2)}<p>after</p>")
    assert re.sub(r"<[^>]+>\s*", " ", found).split() == "before 1. 1: 1 between 2. 2: 2 The answers: 1. 1: line 1 2. 2: line 2 after".split()
    assert paper.answers_last("<p>none</p>") == "<p>none</p>"


def test_the_book_on_paper_is_the_book_without_what_only_a_screen_can_use():
    names = [name for _, part in paper.contents() for name in part]
    assert names[0] == "index" and "nbs/08_delta" in names and "nbs/lib_08_network" in names and "notation" in names
    assert "nbs/tools_intervals" in names, "chapters refer to its equations"
    assert not [name for name in names if re.search("tools_(?!intervals)|^api|^reference|CHANGELOG", name)]


@pytest.mark.slow
def test_a_chapter_is_printed_whole(tmp_path):
    "The whole book takes minutes (`make pdf`, which measures the same): here two pages of it go all the way."
    import pikepdf

    out = tmp_path / "some.pdf"
    found = paper.make([(None, ["index"]), ("Backprop", ["nbs/08_delta"])], out)
    assert not any(found["cut"].values()), found["cut"]
    assert not found["lost"]
    assert found["numbered"] == found["outline"] > 10 and found["links"] > 50
    with pikepdf.open(out) as pdf, pdf.open_outline() as outline:
        assert [item.title for item in outline.root] == ["Backprop", "8. The Δ recursion"]
        assert "8.3. Four equations" in [item.title for item in outline.root[1].children]
        assert len(pdf.pages) == found["pages"] > 20
        assert {"/StructTreeRoot", "/Outlines"} <= set(pdf.Root.keys())
        contents = b"".join(page.Contents.read_bytes() if not isinstance(page.Contents, pikepdf.Array) else b"".join(part.read_bytes() for part in page.Contents) for page in pdf.pages[:3])
        assert contents.count(b" Tj") >= found["numbered"]


@pytest.mark.slow
def test_a_page_is_printed_in_light_with_notes_in_line_and_without_controls(visit):  # noqa: F811
    with visit(color_scheme="dark") as seen:
        tab = seen.open("nbs/08_delta.html")
        seen.resize(paper.WIDTH)
        assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
        tab.emulate_media(media="print", color_scheme="dark")
        tab.wait_for_function("document.documentElement.dataset.theme === 'light'")
        assert tab.evaluate("getComputedStyle(document.querySelector('article p')).color") in ("rgb(31, 35, 40)", "rgb(34, 40, 50)", "rgb(33, 40, 50)")
        for hidden in ("input", "button", ".dln-live", ".dln-depth", ".headerlink", ".dln-apparatus", ".dln-verdict", "details:not(.dln-fold) > summary", ".dln-fold pre"):
            assert not [one for one in tab.locator(f"article {hidden}").all() if one.is_visible()], hidden
        assert [one for one in tab.locator("article .dln-fold:not(.dln-apparatus) > summary").all() if one.is_visible()], "what is folded is a line"
        wide, *notes = tab.evaluate("() => [document.querySelector('article').clientWidth, ...[...document.querySelectorAll('aside.margin')].map(one => one.getBoundingClientRect().width)]")
        assert notes and min(notes) > 0.9 * wide
        assert not any(tab.evaluate(paper.MEASURE).values())
        tab.emulate_media(media="screen", color_scheme="dark")
        tab.wait_for_function("document.documentElement.dataset.theme === 'dark'")
        assert tab.locator(".dln-rows").first.is_visible()
        tab.emulate_media(media="print")
        for page in ("nbs/22_parallel.html", "notation.html"):  # many columns
            assert not any(seen.open(page).evaluate(paper.MEASURE).values()), page
