"""The exercises that are written, as a reader meets them: on the static page, with live Python, and in the list of what is done."""

import json

import pytest
from live import READY, Chapter
from test_live import chromium, site, visit  # noqa: F401: fixtures
from test_page import violations
from conftest import ROOT

from book.exercises import written
from book.notebooks import read_all

BOOKS = {book.name: book for book in read_all()}
WRITTEN = {each.name: book for book in BOOKS.values() for each in written(book)}
KEY = "dlnbook-exercises"
pytestmark = pytest.mark.slow

# a slip, what is said of it, and a program that is right
TRIED = {
    "your_loss": (
        "def your_loss(A, T):\n    return np.log(np.exp(A).sum(axis=1)) - (T * A).sum(axis=1)",
        "the logits are not shifted",
        "def your_loss(A, T):\n    S = A - A.max(axis=1, keepdims=True)\n    return np.log(np.exp(S).sum(axis=1)) - (T * S).sum(axis=1)",
    ),
    "slope": (
        "def slope(f, w, v, epsilon):\n    return (f(w + epsilon * v) - f(w)) / epsilon",
        "it steps to the right only",
        "def slope(f, w, v, epsilon):\n    return (f(w + epsilon * v) - f(w - epsilon * v)) / (2 * epsilon)",
    ),
    "my_gradient": (
        "def my_gradient(W1, b1, W2, b2, X, T, f, df):\n    Z1 = f(X @ W1.T + b1)\n    D2 = (softmax(Z1 @ W2.T + b2) - T) / len(X)\n"
        "    D1 = D2 @ W2\n    return D1.T @ X, D1.sum(axis=0), D2.T @ Z1, D2.sum(axis=0)",
        "f′ is missing",
        "def my_gradient(W1, b1, W2, b2, X, T, f, df):\n    A1 = X @ W1.T + b1\n    D2 = (softmax(f(A1) @ W2.T + b2) - T) / len(X)\n"
        "    D1 = df(A1) * (D2 @ W2)\n    return D1.T @ X, D1.sum(axis=0), D2.T @ f(A1), D2.sum(axis=0)",
    ),
    "my_patience": (
        "def my_patience(V, T, p):\n    least, k, s = np.inf, 0, len(V)\n    for e, loss in enumerate(V, 1):\n        if loss < least:\n            least, k = loss, e\n"
        "        if e - k >= p:\n            s = e\n            break\n    return s, s, min(T[:s]) - min(T), T[s - 1] - min(T[:s])",
        "the last epoch is kept, not the best",
        "def my_patience(V, T, p):\n    least, k, s = np.inf, 0, len(V)\n    for e, loss in enumerate(V, 1):\n        if loss < least:\n            least, k = loss, e\n"
        "        if e - k >= p:\n            s = e\n            break\n    return s, k, min(T[:s]) - min(T), T[k - 1] - min(T[:s])",
    ),
    "to_torch": (  # on a page of which nothing else comes alive
        "def to_torch(arrays):\n    found = {}\n    for name, array in arrays.items():\n        layer, kind = name.split('/')\n        part = 2 * int(layer[6:] or 0)\n"
        "        found[f'{part}.bias' if kind == 'bias' else f'{part}.weight'] = array\n    return found",
        "the kernels are not turned",
        "def to_torch(arrays):\n    found = {}\n    for name, array in arrays.items():\n        layer, kind = name.split('/')\n        part = 2 * int(layer[6:] or 0)\n"
        "        found[f'{part}.bias' if kind == 'bias' else f'{part}.weight'] = array.T\n    return found",
    ),
}  # fmt: skip


def kept(tab):
    return json.loads(tab.evaluate(f"localStorage.getItem('{KEY}')") or "{}")


def test_hints_open_one_by_one_and_the_list_knows(visit):  # noqa: F811
    "One visit without Python: a chapter's stub and its hints by keyboard, then the list, its file, and clearing it."
    with visit(reduced_motion="reduce", accept_downloads=True) as seen:
        tab = seen.open("nbs/02_loss.html")
        verdict = tab.locator(".dln-verdict[data-exercise=your_loss]")
        assert "Not written yet." in verdict.inner_text() and verdict.get_attribute("data-state") == "unwritten"
        hints = verdict.locator("summary")
        assert hints.count() >= 2 and hints.evaluate_all("all => all.filter(one => one.checkVisibility()).length") == 1
        hints.first.focus()
        tab.keyboard.press("Enter")
        tab.wait_for_function(f"localStorage.getItem('{KEY}')")
        assert hints.evaluate_all("all => all.filter(one => one.checkVisibility()).length") == 2
        assert kept(tab) == {"your_loss": {"tries": 0, "hints": 1}}, "a page that is only read keeps no check"

        record = {"your_loss": {"tries": 3, "hints": 1, "at": 1e12, "done": 1e12, "words": "Right.", "code": "def your_loss"}, "slope": {"tries": 1, "at": 1e12}}
        tab.evaluate(f"all => localStorage.setItem('{KEY}', JSON.stringify(all))", record)
        tab = seen.open("exercises.html")
        rows = tab.locator(".dln-done")
        assert set(rows.evaluate_all("all => all.map(one => one.dataset.exercise)")) == set(WRITTEN)
        words = {name: tab.locator(f".dln-done[data-exercise={name}]").inner_text() for name in ("your_loss", "slope", "walk")}
        assert words == {"your_loss": "✓ 2001-09-09, 3 checks, 1 hint", "slope": "1 check so far", "walk": "not yet"}
        assert tab.locator(".dln-keeper-line").inner_text() == f"1 of {len(WRITTEN)} done."
        assert tab.locator(".dln-exercises a[href*='#ex-']").count() == len(WRITTEN)
        with tab.expect_download() as download:
            tab.get_by_role("button", name="Save as a file").click()
        saved = json.loads(download.value.path().read_text())
        assert saved["exercises"]["your_loss"] == record["your_loss"] | {"done": "2001-09-09T01:46:40.000Z", "at": "2001-09-09T01:46:40.000Z"}
        assert saved["book"] == "Backprop" and saved["made"]

        answers = iter(("dismiss", "accept"))
        tab.on("dialog", lambda dialog: getattr(dialog, next(answers))())
        tab.get_by_role("button", name="Forget all of it").click()
        assert kept(tab) == record
        tab.get_by_role("button", name="Forget all of it").click()
        assert not kept(tab) and tab.locator(".dln-keeper-line").inner_text().startswith("0 of")


def test_every_stub_stands_on_its_page():
    "With what is said of it, and hints, for those who only read."
    for name, book in WRITTEN.items():
        page = (ROOT / "_build" / "html" / "nbs" / f"{book.name}.html").read_text(encoding="utf-8")
        assert f'data-exercise="{name}" data-state="unwritten"' in page, name
        assert "Exercise(name=" not in page, book.name


@pytest.mark.live
@pytest.mark.parametrize("name", TRIED)
def test_a_reader_writes_it(visit, name):  # noqa: F811
    "Wrong, told what, a hint; right, remembered; kept when the page is loaded again."
    wrong, told, right = TRIED[name]
    with visit(reduced_motion="reduce") as seen:
        chapter = Chapter(seen.open(f"nbs/{WRITTEN[name].name}.html"))
        tab = chapter.tab
        chapter.start()
        assert not chapter.failures() and not kept(tab), "stubs are no tries"

        def box():
            return tab.locator("div.cell.tag_dln-exercise").filter(has=tab.locator(f".dln-verdict[data-exercise={name}]"))

        handle = box().element_handle()
        place = tab.locator("div.cell:has(> .cell_input .dln-editor)").evaluate_all("(all, one) => all.indexOf(one)", handle)
        cell = chapter.editable(place)
        stub = cell.text
        cell.write(wrong)
        box().get_by_role("button", name="Check").click()
        tab.wait_for_function("name => (JSON.parse(localStorage.getItem('dlnbook-exercises')) ?? {})[name]?.tries === 1", arg=name, timeout=READY)
        chapter.settled()
        assert told in cell.output and box().locator(".dln-verdict").get_attribute("data-state") == "named"
        tab.wait_for_function("([one, told]) => one.querySelector('p[role=status]').textContent.includes(told)", arg=[handle, told])
        assert tab.evaluate("document.activeElement.textContent") == "Check", "the focus is where it was"
        box().get_by_role("button", name="Hint").click()
        assert box().locator(".dln-hint[open]").count() == 1 and box().get_by_role("button", name="Hint").is_disabled()
        assert box().locator(".dln-hint p").inner_text() == box().locator("p[role=status]").text_content()

        cell.run(right + f"\n\n{stub.splitlines()[-1]}")
        assert "Right." in cell.output
        record = kept(tab)[name]
        assert record["done"] and record["tries"] == 2 and record["hints"] == 1 and "return" in record["code"]
        box().get_by_role("button", name="Show the solution").click()
        assert not tab.evaluate("document.activeElement.closest('.solution').classList.contains('toggle-hidden')")
        tab.add_script_tag(path=ROOT / "node_modules" / "axe-core" / "axe.min.js")
        assert not (found := violations(tab)), "\n".join(found)

        tab.reload()
        assert "is kept in this browser" in chapter.line
        tab.locator(".dln-live-start").click()
        tab.wait_for_selector(".CodeMirror", timeout=READY)
        assert chapter.editable(place).text.startswith(right)
