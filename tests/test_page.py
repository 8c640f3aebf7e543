"The built book as a reader meets it: in a browser, with every other host out of reach."

import re
import threading
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import pytest
from conftest import ROOT
from playwright.sync_api import TimeoutError, sync_playwright

from book import browser as browsers
from book.notebooks import read_all
from book.serve import server

SITE = ROOT / "_build" / "html"
THEIRS = {"_static", "lite"}  # the theme's templates; JupyterLite, visited in test_live.py
PAGES = sorted(
    str(path.relative_to(SITE))
    for path in SITE.rglob("*.html")
    if not THEIRS & set(path.relative_to(SITE).parts) and path.name not in ("genindex.html", "py-modindex.html")
)
LIVELY = [book for book in read_all() if "explore(" in book.code and book.name[0].isdigit()]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site():
    "The book, served on this machine."
    with server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browsers.find(), args=browsers.QUIET)
        yield browser
        browser.close()


class Visit:
    "A tab that refuses every other host and writes down what went wrong."

    def __init__(self, tab, site):
        self.tab, self.wrong, self.foreign = tab, [], []
        tab.route("**/*", self._route)
        tab.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: self.wrong.append(str(error)))
        tab.on("requestfailed", lambda request: self.wrong.append(f"failed: {request.url}"))
        tab.on("response", lambda response: self.wrong.append(f"{response.status} {response.url}") if response.status >= 400 else None)
        self.site = site

    def _route(self, route):
        url = route.request.url
        if url.startswith((self.site, "data:", "blob:", "file:")):
            route.continue_()
        else:
            self.foreign.append(url)
            route.abort()

    def open(self, page):
        "Open a page and wait until its formulas and widgets are there."
        self.tab.goto(self.site + page, wait_until="load")
        self.tab.evaluate("async () => { await window.MathJax?.startup?.promise; }")
        self.tab.wait_for_function(
            """() => document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]').length
                  === document.querySelectorAll('.dln-explorable').length""",
            timeout=20_000,
        )
        return self.tab


@pytest.fixture
def visit(chromium, site):
    @contextmanager
    def go(**options):
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, **options)
        yield Visit(context.new_page(), site)
        context.close()

    return go


def test_there_are_pages():
    assert {"index.html", "notation.html", "api.html", "bibliography.html"} < set(PAGES)
    assert {f"nbs/{book.name}.html" for book in read_all()} < set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_as_everybody_meets_it(visit, page):
    "One visit, since opening a page takes longest: alone, typeset, in light and in dark, on a phone."
    with visit(color_scheme="light", reduced_motion="reduce") as seen:
        tab = seen.open(page)
        left = tab.locator("article .math").evaluate_all(
            "all => all.filter(one => !one.querySelector('mjx-container')).map(one => one.textContent)"
        )
        assert not left, f"formulas that are not typeset: {left}"
        assert tab.locator("mjx-merror, [data-mjx-error]").count() == 0, "formulas with an error"
        text = tab.evaluate(
            """() => { const copy = (document.querySelector('article') || document.body).cloneNode(true);
                       copy.querySelectorAll('pre, code, script').forEach(one => one.remove());
                       return copy.textContent; }"""
        )
        assert not re.search(r"\$\$|#\| |\\begin\{|\{eq\}|\{glue", text), "markup in the text"
        tab.add_script_tag(path=ROOT / "node_modules" / "axe-core" / "axe.min.js")
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            tab.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
            assert not (found := serious(tab)), f"{scheme}:\n" + "\n".join(found)
        tab.set_viewport_size({"width": 360, "height": 740})
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360, "a phone has to scroll sideways"
        cut = tab.locator("article mjx-container:not([display]):not(.dln-wide)").evaluate_all(
            "all => all.filter(one => one.getBoundingClientRect().right > 361 && !one.closest('table')).map(one => one.parentElement.textContent)"
        )
        assert not cut, f"formulas cut off on a phone: {cut}"
        tracks = tab.locator(".dln-explorable .noUi-base").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
        assert all(width > 120 for width in tracks), f"a slider too short for a finger: {tracks}"
        assert not seen.foreign, "requests to other hosts"
        assert not seen.wrong, "errors"


def serious(tab):
    "What axe finds serious or worse. Formulas are left out: their markup is MathJax's."
    found = tab.evaluate("axe.run({exclude: [['mjx-container']]}, {resultTypes: ['violations']})")["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} ({node['failureSummary'][:300]})"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:3]
    ]


def test_reduced_motion_is_respected(visit):
    running = """() => [...document.querySelectorAll('*')].filter(one => {
        const style = getComputedStyle(one);
        return parseFloat(style.transitionDuration) > 0 || parseFloat(style.animationDuration) > 0 && style.animationName !== 'none';
    }).length + (getComputedStyle(document.documentElement).scrollBehavior === 'smooth')"""
    for preference, expected in (("no-preference", True), ("reduce", False)):
        with visit(reduced_motion=preference) as seen:
            assert (seen.open(f"nbs/{LIVELY[0].name}.html").evaluate(running) > 0) is expected


def test_search_finds_a_word(visit):
    with visit() as seen:
        tab = seen.open("search.html?q=perplexing")
        tab.wait_for_selector("#search-results p")
        assert tab.locator("#search-results li").count() == 0
        tab = seen.open("search.html?q=softmax")
        tab.wait_for_selector("#search-results li a")
        assert any("nbs/02_loss" in href for href in tab.locator("#search-results li a").evaluate_all("all => all.map(a => a.href)"))


def test_marks_lead_to_checks_and_back(visit):
    with visit() as seen:
        tab = seen.open("nbs/02_loss.html")
        marks = tab.locator("a.dln-checked")
        assert marks.count() == sum(label.startswith("eq-") for book in read_all() if book.name == "02_loss" for label, _ in book.equations)
        for href in marks.evaluate_all("all => all.map(a => a.getAttribute('href'))"):
            label = href.removeprefix("#check-")
            note = tab.locator(f".dln-check-note[id='{href[1:]}'], .dln-check-note:has([id='{href[1:]}'])")
            assert note.locator(f"a[href='#equation-{label}']").count() == 1, label


def test_reference_and_chapters_link_to_each_other(visit):
    with visit() as seen:
        tab = seen.open("api.html")
        entry = tab.locator("dt[id='dlnbook.loss.softmax'] + dd")
        back = entry.locator(".dln-derived a").get_attribute("href")
        assert "nbs/02_loss.html#" in back
        tab = seen.open(back)
        assert tab.locator(f"[id='{urlsplit(back).fragment}']").count() == 1
        assert tab.locator(".dln-exported-note a[href$='api.html#dlnbook.loss.softmax']").count() == 1


def test_notebooks_can_be_downloaded(visit):
    with visit() as seen:
        for book in read_all():
            page = f"{seen.site}nbs/{book.name}.html"
            href = re.search(r'href="([^"]+\.ipynb)"', seen.tab.request.get(page).text())[1]
            assert seen.tab.request.get(urljoin(page, href)).body() == book.path.read_bytes()


# Explorables


class Made:
    "An explorable as the page's own data have it: the texts and the start of each slider, and the frames, nested."

    def __init__(self, models, view):
        def each(name):
            return models[name.removeprefix("IPY_MODEL_")]["state"]

        def nested(shown):
            return [nested(each(child)) for child in shown["children"]] if "selected_index" in shown else shown["value"]

        *rows, shown = map(each, each(view)["children"])
        choosers = [each(row["children"][1]) for row in rows]
        self.texts = [chooser["_options_labels"] for chooser in choosers]
        self.starts = [chooser["index"] for chooser in choosers]
        self.frames = nested(shown)

    def frame(self, at):
        "The picture that belongs to these positions of the sliders."
        found = self.frames
        for position in at:
            found = found[position]
        return found


def made_for(tab):
    "The explorables of an open page, in its order."
    read = "kind => [...document.querySelectorAll(`script[type='application/vnd.jupyter.widget-${kind}+json']`)].map(one => JSON.parse(one.textContent))"
    models = {name: model for part in tab.evaluate(read, "state") for name, model in part["state"].items()}
    return [Made(models, view["model_id"]) for view in tab.evaluate(read, "view")]


class Explorable:
    "An explorable on the page."

    def __init__(self, tab, number):
        self.box = tab.locator(".dln-explorable").nth(number)
        self.tab = tab
        self.box.scroll_into_view_if_needed()

    def handle(self, which):
        return self.box.locator(".noUi-handle").nth(which)

    def readout(self, which):
        return self.box.locator(".widget-hslider .widget-readout").nth(which).inner_text()

    def shows(self, html, within=30_000):
        "Whether the picture on top becomes the expected one, both as the browser writes them."
        script = """([box, html]) => {
            const expected = document.createElement('div');
            expected.innerHTML = html;
            const seen = [...box.querySelectorAll('svg.dln-figure')].filter(svg => svg.getClientRects().length);
            return seen.length === 1 && seen[0].outerHTML === expected.querySelector('svg').outerHTML;
        }"""
        handle = self.box.element_handle()
        try:
            self.tab.wait_for_function(script, arg=[handle, html], timeout=within)
        except TimeoutError:
            return False
        return True

    def play(self, which):
        "Press Play, and stop it in the same breath as it has moved: at its end it would begin anew."
        button = self.box.locator(".widget-play button").nth(3 * which)
        arg = [self.box.locator(".widget-hslider .widget-readout").nth(which).element_handle(), self.readout(which), button.element_handle()]
        button.click()
        self.tab.wait_for_function("([one, text, button]) => one.innerText !== text && (button.click(), true)", arg=arg, timeout=30_000)


@pytest.mark.parametrize("book", LIVELY, ids=lambda book: book.name)
def test_explorables_answer_mouse_keyboard_and_play(visit, book):
    "That each frame is the picture of its values is checked where `explore` is made; here, that the page brings it up."
    with visit() as seen:
        tab = seen.open(f"nbs/{book.name}.html")
        made = made_for(tab)
        assert len(made) == tab.locator(".dln-explorable").count() == book.code.count("\nexplore(")
        for number, one in enumerate(made):
            here, at = Explorable(tab, number), list(one.starts)
            assert here.shows(one.frame(at)), f"{number}: the first frame"
            for which, texts in enumerate(one.texts):
                where = f"{number}, slider {which}"
                # keyboard: one step, away from the nearer end
                last = len(texts) - 1
                step = 1 if at[which] < last else -1
                here.handle(which).press("ArrowRight" if step > 0 else "ArrowLeft")
                at[which] += step
                assert here.shows(one.frame(at)), f"{where}: keyboard"
                assert here.readout(which) == texts[at[which]]
                # mouse: drag the handle to the far end
                track = here.box.locator(".noUi-base").nth(which).bounding_box()
                grip = here.handle(which).bounding_box()
                tab.mouse.move(grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2)
                tab.mouse.down()
                tab.mouse.move(track["x"] + track["width"] + 30, grip["y"] + grip["height"] / 2, steps=8)
                tab.mouse.up()
                at[which] = last
                assert here.shows(one.frame(at)), f"{where}: mouse"
                # Home, then Play, until it has moved
                here.handle(which).press("Home")
                at[which] = 0
                assert here.shows(one.frame(at)), f"{where}: Home"
                here.play(which)
                for _ in range(30):  # a tick that was on its way may still come
                    at[which] = texts.index(here.readout(which))
                    if here.shows(one.frame(at), within=1000):
                        break
                else:
                    pytest.fail(f"{where}: Play")
        assert not seen.wrong and not seen.foreign


def test_it_opens_from_a_file(chromium):
    book = LIVELY[0]
    context = chromium.new_context()
    context.route(re.compile("^https?:"), lambda route: route.abort())
    tab = context.new_page()
    wrong = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("requestfailed", lambda request: wrong.append(request.url))
    tab.goto((SITE / "nbs" / f"{book.name}.html").as_uri())
    tab.wait_for_selector(".dln-explorable svg.dln-figure")
    tab.wait_for_selector("mjx-container")
    before = tab.locator(".dln-explorable").first.inner_html()
    tab.locator(".dln-explorable .noUi-handle").first.press("ArrowRight")
    tab.wait_for_function("before => document.querySelector('.dln-explorable').innerHTML !== before", arg=before)
    assert not wrong
    context.close()
