"The built book as a reader meets it: in a browser, with every other host out of reach."

import json
import re
import threading
from contextlib import contextmanager
from html import unescape
from urllib.parse import urljoin, urlsplit

import pytest
from conftest import ROOT
from fitting import FIT, FORMULAS, SCROLLING
from playwright.sync_api import TimeoutError, sync_playwright

from book import browser as browsers
from book import reading
from book.notebooks import live, read_all, text_of
from book.serve import server

SITE = ROOT / "_build" / "html"
THEIRS = {"_static", "lite"}  # the theme's templates; JupyterLite, visited in test_live.py
PAGES = sorted(
    str(path.relative_to(SITE))
    for path in SITE.rglob("*.html")
    if not THEIRS & set(path.relative_to(SITE).parts) and path.name not in ("genindex.html", "py-modindex.html", "404.html")
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
        return self.tab

    def resize(self, width, height=900):
        "Give the page another size and wait until its scripts have answered: they hear of it with the next frame."
        self.tab.evaluate(
            """width => { window.resized = new Promise(done => addEventListener('resize', function heard() {
                if (innerWidth !== width) return;
                removeEventListener('resize', heard);
                requestAnimationFrame(done);
            })); }""",
            width,
        )
        self.tab.set_viewport_size({"width": width, "height": height})
        self.tab.evaluate("() => window.resized")


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
        labels = tab.locator("article :is(p, pre, code)").evaluate_all("all => all.flatMap(one => one.textContent.match(/(?<![\\w\"'-])(eq|def)-[a-z][\\w-]*/g) ?? [])")
        assert not labels, "labels in the text"
        formulas = {}
        for width in (390, 1280):
            seen.resize(width)
            tab.evaluate(FIT)
            formulas[width] = tab.evaluate(FORMULAS)
        assert not formulas[1280]["cut"], "formulas that are cut off"
        assert formulas[390]["scrolls"] == SCROLLING.get(page, []) and not formulas[390]["unsaid"], f"on a phone: {formulas[390]}"
        assert not formulas[390]["alone"] + formulas[1280]["alone"], "punctuation alone at the start of a line"
        seen.resize(360, 740)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360, "a phone has to scroll sideways"
        cut = tab.locator("article mjx-container:not([display]):not(.dln-wide)").evaluate_all(
            "all => all.filter(one => one.getBoundingClientRect().right > 361 && !one.closest('table')).map(one => one.parentElement.textContent)"
        )
        assert not cut, f"formulas cut off on a phone: {cut}"
        tracks = tab.locator(".dln-explorable input:not([hidden])").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
        assert all(width > 120 for width in tracks), f"a slider too short for a finger: {tracks}"
        seen.resize(390, 740)
        assert not (small := tab.evaluate(LETTERS)), f"letters of figures below 11 px on a phone: {small}"
        assert not tab.evaluate(UNREACHED), "what scrolls cannot be reached by keyboard"
        tab.add_script_tag(path=ROOT / "node_modules" / "axe-core" / "axe.min.js")
        seen.resize(1280)
        assert not (found := violations(tab)), "\n".join(found)
        tab.emulate_media(color_scheme="dark", reduced_motion="reduce")
        tab.wait_for_function("document.documentElement.dataset.theme === 'dark'")
        assert not (found := violations(tab, "color-contrast", "link-in-text-block")), "dark:\n" + "\n".join(found)  # the rules that ask for colors
        assert not seen.foreign, "requests to other hosts"
        assert not seen.wrong, "errors"


# What listens to resizing and scrolling hears of it with the next frame, which on a busy machine may be late.
FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"

# indices of formulas not counted
LETTERS = """() => [...document.querySelectorAll('svg.dln-figure')].filter(svg => svg.getClientRects().length).map(svg => {
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    const sizes = [...svg.querySelectorAll('text')].map(text => {
        const parts = [...text.querySelectorAll('tspan')];
        return Math.max(...(parts.length ? parts : [text]).map(one => parseFloat(getComputedStyle(one).fontSize)));
    });
    return scale * Math.min(...sizes);
}).filter(size => size < 10.9)"""
UNREACHED = """() => [...document.querySelectorAll('article :is(pre, table, .dln-picture, .dln-frame, div.math, mjx-container)')].filter(one =>
    one.scrollWidth > one.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(one).overflowX) && one.tabIndex < 0 && !one.querySelector('[tabindex="0"], a, button')
).map(one => one.outerHTML.slice(0, 120))"""


# Formulas, whose markup is MathJax's, become a letter; in code, one token of each kind stays.
THIN = """() => {
    document.querySelectorAll('mjx-container').forEach(one => one.replaceWith('x'));
    const seen = new Set();
    for (const pre of document.querySelectorAll('pre:not(.CodeMirror *)')) { // an editor minds its lines itself
        const where = `${pre.className} ${pre.parentElement.className} ${Boolean(pre.closest('.cell_output'))}`;
        for (const token of pre.querySelectorAll('span:not([id])')) {
            const kind = `${where} ${token.className}`;
            if (token.querySelector('a, button, [tabindex]')) continue;
            if (seen.has(kind)) token.replaceWith(...token.childNodes);
            seen.add(kind);
        }
    }
}"""


def violations(tab, *only):
    "What axe finds, of any weight, or some of its rules, on a page that this makes thin."
    tab.evaluate(THIN)
    options = {"runOnly": only} if only else {}
    found = tab.evaluate("options => axe.run(document, {resultTypes: ['violations'], ...options})", options)["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} ({node['failureSummary'][:300]})"
        for each in found
        for node in each["nodes"][:3]
    ]


def test_code_is_colored_and_a_label_that_is_data_stays_one():
    "What stands in a cell's box is what live Python runs."
    for book in live():
        page = (SITE / "nbs" / f"{book.name}.html").read_text()
        assert '<pre class="literal-block">' not in page, book.name
        text = unescape(re.sub("<[^>]+>", "", page))
        quoted = {label for cell in book.cells if cell.has("export") for label in re.findall(r'"((?:eq|def)-[a-z-]+)"', cell.source)}
        assert not [label for label in quoted if f'"{label}"' not in text], book.name


def test_no_prose_points_into_a_docstring():
    "A page shows of an exported definition's docstring the first line."
    said = {book.name: [cell.source for cell in book.cells if cell.kind == "markdown" and "docstring" in cell.source] for book in live()}
    assert not {name: texts for name, texts in said.items() if texts}


def test_formulas_are_no_tab_stops_unless_they_scroll(visit):
    count = """() => { const stops = [...document.querySelectorAll('a[href], button, input, summary, [tabindex]')].filter(one =>
        one.tabIndex >= 0 && !one.disabled && one.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }));
        return [stops.length, stops.indexOf(document.querySelector('.dln-explorable input')),
                stops.filter(one => one.closest('mjx-container') && one.scrollWidth <= one.clientWidth).length]; }"""
    with visit() as seen:
        tab = seen.open("nbs/08_delta.html")
        tab.evaluate(FRAMES)
        stops, first, still = tab.evaluate(count)
        print(f"08_delta: {stops} tab stops, the first slider is number {first + 1}")
        assert first < 100 and not still


def test_notes_beside_the_text_stand_below_it_on_a_phone(visit):
    widths = """() => [document.querySelector('article').clientWidth,
        ...[...document.querySelectorAll('aside.margin')].map(one => one.getBoundingClientRect().width)]"""
    with visit() as seen:
        tab = seen.open("nbs/08_delta.html")
        seen.resize(390, 800)
        page, *notes = tab.evaluate(widths)
        assert notes and min(notes) > 0.85 * page


def test_code_and_tables_fade_where_they_go_on(visit):
    wide = """() => [...document.querySelectorAll('article :is(.cell_input pre, .cell_output pre, table, .dln-hunt-code)')]
        .filter(one => one.getClientRects().length && one.scrollWidth > one.clientWidth + 1)"""
    sides = f"{wide[:6]}({wide})().map(one => [one.classList.contains('dln-more-before'), one.classList.contains('dln-more-behind') && getComputedStyle(one).maskImage !== 'none'])"
    with visit() as seen:
        tab = seen.open("nbs/08_delta.html")
        seen.resize(390, 800)
        tab.wait_for_function(f"({wide})().some(one => one.matches('table'))")
        found = tab.evaluate(sides)
        assert len(found) > 9 and all(each == [False, True] for each in found)
        tab.evaluate(f"({wide})().forEach(one => one.scrollTo(one.scrollWidth, 0))")
        tab.evaluate(FRAMES)
        assert all(each == [True, False] for each in tab.evaluate(sides))


def test_reduced_motion_is_respected(visit):
    running = """() => [...document.querySelectorAll('*')].filter(one => {
        const style = getComputedStyle(one);
        return parseFloat(style.transitionDuration) > 0 || parseFloat(style.animationDuration) > 0 && style.animationName !== 'none';
    }).length + (getComputedStyle(document.documentElement).scrollBehavior === 'smooth')"""
    for preference, expected in (("no-preference", True), ("reduce", False)):
        with visit(reduced_motion=preference) as seen:
            assert (seen.open(f"nbs/{LIVELY[0].name}.html").evaluate(running) > 0) is expected


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
        tab = seen.open("reference/loss.html")
        entry = tab.locator("dt[id='dlnbook.loss.softmax'] + dd")
        back = entry.locator(".dln-derived a").first.get_attribute("href")
        assert "nbs/02_loss.html#" in back
        tab = seen.open(back)
        assert tab.locator(f"[id='{urlsplit(back).fragment}']").count() == 1
        assert tab.locator(".dln-exported-note a[href$='reference/loss.html#dlnbook.loss.softmax']").count() == 1


def test_notebooks_can_be_downloaded_and_are_in_plain_words(visit):
    with visit() as seen:
        for book in read_all():
            page = f"{seen.site}nbs/{book.name}.html"
            href = re.search(r'href="([^"]*_sources/[^"]+\.ipynb)"', seen.tab.request.get(page).text())[1]
            for place in (urljoin(page, href), f"{seen.site}lite/files/nbs/{book.name}.ipynb"):
                cells = json.loads(seen.tab.request.get(place).body())["cells"]
                code = [cell for cell in json.loads(book.path.read_text())["cells"] if cell["cell_type"] == "code"]
                assert [text_of(cell) for cell in cells if cell["cell_type"] == "code"] == [text_of(cell) for cell in code]
                markdown = "\n".join(re.sub("``.+?``", "", text_of(cell)) for cell in cells if cell["cell_type"] == "markdown")
                assert not re.search(r"\{[\w:]+\}`|\((?:eq|def)-|^[`:]{3,}\{", markdown, re.MULTILINE), f"{place}: markup"


def test_pages_keep_the_limits_they_say_they_keep():
    beyond = {book.name: reading.measure(SITE / "nbs" / f"{book.name}.html").beyond() for book in read_all() if reading.keeps_limits(book)}
    assert not {name: lines for name, lines in beyond.items() if lines}


def test_the_measure_counts_what_it_says(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(MEASURED)
    found = reading.measure(page)
    assert found.words == {"prose": 8, "code": 6, "output": 1, "folded": 9}
    assert found.longest == 2 and found.idea == 8 / 15
    assert [line.split(",")[0] for line in found.beyond()] == ["0.75 words of open code for each of prose", "the idea after 53% of the page"]


MEASURED = """<article><h1>Two words<a class="headerlink">#</a></h1><div class="dln-live"><p>not counted</p></div>
<p>One <em>small</em>, <span class="math">x = 1</span> formula and one<sup>2</sup> note.</p>
<div class="dln-check-note"><p>not counted</p></div>
<div class="cell tag_dln-check" id="idea"><div class="cell_input"><pre>a = 1  # not counted

b = a</pre></div><div class="cell_output"><pre>1</pre><script>no</script><svg><text>no</text></svg></div></div>
<div class="cell"><details class="dln-fold"><summary>imports <span>1 line</span></summary><div class="cell_input"><pre>import b</pre></div></details></div>
<div class="toggle"><p>The solution is folded.</p></div><div class="cell tag_dln-hide"><div class="cell_input"><pre>no</pre></div></div></article>"""


# Explorables


class Made:
    "An explorable as the page's own data have it: the texts and the start of each slider, and the frames, nested."

    def __init__(self, data, starts):
        self.texts, self.frames, self.starts = data["texts"], data["frames"], starts

    def frame(self, at):
        "The picture that belongs to these positions of the sliders."
        found = self.frames
        for position in at:
            found = found[position]
        return found


def made_for(tab):
    "The explorables of an open page, in its order."
    read = """() => [...document.querySelectorAll('.dln-explorable')].map(box => [
        JSON.parse(box.querySelector('.dln-frames').textContent),
        [...box.querySelectorAll('input')].map(one => Number(one.getAttribute('value')))])"""
    return [Made(data, starts) for data, starts in tab.evaluate(read)]


class Explorable:
    "An explorable on the page."

    def __init__(self, tab, number):
        self.box = tab.locator(".dln-explorable").nth(number)
        self.tab = tab
        self.box.scroll_into_view_if_needed()

    def slider(self, which):
        return self.box.locator("input").nth(which)

    def readout(self, which):
        return self.box.locator("output").nth(which).inner_text()

    def shows(self, html):
        "Whether the picture is the expected one, both as the browser writes them."
        script = """(box, html) => {
            const expected = document.createElement('div');
            expected.innerHTML = html;
            const seen = [...box.querySelectorAll('svg.dln-figure')].filter(svg => svg.getClientRects().length);
            return seen.length === 1 && seen[0].outerHTML === expected.querySelector('svg').outerHTML;
        }"""
        return self.box.evaluate(script, html)

    def play(self, which):
        "Press Play, and stop it in the same breath as it has moved: at its end it would stop by itself."
        button = self.box.locator(".dln-row").nth(which).get_by_role("button")
        arg = [self.box.locator("output").nth(which).element_handle(), self.readout(which), button.element_handle()]
        button.click()
        assert "Pause" in button.get_attribute("aria-label")
        script = """([one, text, button]) => one.innerText !== text
            && (button.getAttribute('aria-label').startsWith('Play') || button.click(), true)"""
        self.tab.wait_for_function(script, arg=arg, timeout=30_000)


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
                if last == 1:  # two buttons
                    buttons = here.box.locator(".dln-row").nth(which).locator(".dln-choice button")
                    assert buttons.all_inner_texts() == texts
                    for at[which] in (1 - at[which], at[which]):
                        buttons.nth(at[which]).click()
                        assert here.shows(one.frame(at)), f"{where}: button"
                        assert [each.get_attribute("aria-pressed") for each in buttons.all()] == ["true" if i == at[which] else "false" for i in (0, 1)]
                    continue
                step = 1 if at[which] < last else -1
                here.slider(which).press("ArrowRight" if step > 0 else "ArrowLeft")
                at[which] += step
                assert here.shows(one.frame(at)), f"{where}: keyboard"
                assert here.readout(which) == texts[at[which]] == here.slider(which).get_attribute("aria-valuetext")
                # mouse: drag the handle from where it is to the far end
                track = here.slider(which).bounding_box()
                grip = track["x"] + 12 + (track["width"] - 24) * at[which] / last
                height = track["y"] + track["height"] / 2
                tab.mouse.move(grip, height)
                tab.mouse.down()
                tab.mouse.move(track["x"] + track["width"] + 30, height, steps=8)
                tab.mouse.up()
                at[which] = last
                assert here.shows(one.frame(at)), f"{where}: mouse"
                # Home, then Play, until it has moved
                here.slider(which).press("Home")
                at[which] = 0
                assert here.shows(one.frame(at)), f"{where}: Home"
                if len(texts) > 2:
                    here.play(which)
                    at[which] = texts.index(here.readout(which))
                    assert at[which] > 0 and here.shows(one.frame(at)), f"{where}: Play"
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
    before = tab.locator(".dln-frame").first.inner_html()
    tab.locator(".dln-explorable input").first.press("ArrowRight")
    assert tab.locator(".dln-frame").first.inner_html() != before
    assert not wrong
    context.close()


POLICY = "default-src 'self'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"


def test_without_scripts_and_on_paper_an_explorable_is_its_first_picture(visit):
    book = LIVELY[0]
    with visit() as seen:
        one = made_for(seen.open(f"nbs/{book.name}.html"))[0]
        here = Explorable(seen.tab, 0)
        assert not here.box.locator(".dln-shown").is_visible()
        seen.tab.emulate_media(media="print")
        assert here.shows(one.frame(one.starts))
        assert not here.slider(0).is_visible() and here.box.locator(".dln-shown").is_visible()
    with visit(java_script_enabled=False) as seen:
        seen.tab.goto(f"{seen.site}nbs/{book.name}.html")
        box = seen.tab.locator(".dln-explorable").first
        assert box.locator("svg.dln-figure").is_visible() and box.locator(".dln-shown").is_visible()
        assert not box.locator("input").first.is_visible()


def test_a_strict_policy_and_denied_storage_leave_the_page_whole(visit):
    "A policy that forbids `eval` and allows what WebAssembly needs; a browser that lets no page store anything."
    denied = "Object.defineProperty(window, 'localStorage', { configurable: true, get() { throw new DOMException('denied', 'SecurityError'); } })"
    with visit() as seen:
        def strictly(route):
            if route.request.resource_type != "document":  # an excerpt for the search
                return route.fallback()
            answer = route.fetch()
            route.fulfill(response=answer, headers=answer.headers | {"content-security-policy": POLICY})

        seen.tab.route(re.compile(r"\.html"), strictly)
        seen.tab.add_init_script(denied)
        tab = seen.open(f"nbs/{LIVELY[0].name}.html")
        assert tab.locator("mjx-container").count() > 10
        one, here = made_for(tab)[0], Explorable(tab, 0)
        here.slider(0).press("End")
        assert here.shows(one.frame([len(one.texts[0]) - 1, *one.starts[1:]]))
        before = tab.evaluate("document.documentElement.dataset.mode")
        tab.locator("button.theme-switch-button:visible").first.click()
        assert tab.evaluate("document.documentElement.dataset.mode") != before
        tab = seen.open("search.html?q=softmax")
        tab.wait_for_selector("#search-results li a")
        assert not seen.wrong and not seen.foreign


@pytest.mark.parametrize("book", LIVELY, ids=lambda book: book.name)
def test_a_page_loads_little_before_any_click(visit, book):
    "At most a megabyte, compressed; no manager of widgets, no second set of icons, no search index, no style in a drawing."
    with visit() as seen:
        sizes = {}
        client = seen.tab.context.new_cdp_session(seen.tab)
        client.send("Network.enable")
        names = {}
        client.on("Network.responseReceived", lambda event: names.update({event["requestId"]: event["response"]["url"]}))
        client.on("Network.loadingFinished", lambda event: sizes.update({names[event["requestId"]]: event["encodedDataLength"]}))
        tab = seen.open(f"nbs/{book.name}.html")
        tab.wait_for_load_state("networkidle")
        total = sum(sizes.values())
        print(f"{book.name}: {total / 1000:.0f} kB")
        assert total < 1_000_000, sorted(sizes.items(), key=lambda one: -one[1])[:6]
        assert not [url for url in sizes if re.search(r"embed-amd|require\.js|fontawesome|fa-solid|searchindex|pyodide", url)]
        assert tab.locator("svg style").count() == 0
        assert not [one for one in made_for(tab) if "<style" in str(one.frames)]
