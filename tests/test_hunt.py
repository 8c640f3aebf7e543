"The bug hunt: each is a catch of its chapter, in one line, with what its check said; and the page plays it."

import pytest
from test_page import SITE, chromium, site, visit  # noqa: F401, fixtures among them

from book import hunt
from book.notebooks import Cell, chapters, read_all, tours
from dlnbook.page import _typeset

BOOKS = [book for book in read_all() if any(cell.has("hunt") for cell in book.cells)]


@pytest.mark.parametrize("book", [*tours(), *chapters()], ids=lambda book: book.name)
def test_a_chapter_has_two(book):
    assert len(hunt.hunts(book)) >= 2


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_each_is_a_catch_in_one_line_with_its_record(book):
    "That the record says what the checks say, `test_every_check_catches_its_mistakes` finds out when it makes them."
    found = hunt.hunts(book)  # refuses what changes no line, or more than one
    recorded = hunt.recorded()[book.name]
    assert set(recorded) == {each.key for each in found}, f"in tests/: python -m chapters --record {book.name}"
    for each in found:
        assert each.catch in book.cells[each.check].catches
        assert each.lines[each.place].strip() and each.lines[each.place] != each.wrong
        assert sum(bool(line.strip()) for line in each.lines) >= 3, "lines to choose from"
        assert recorded[each.key]["assertion"] and recorded[each.key]["words"]
        right, comment = each.lines[each.place], each.wrong.rpartition("  # ")[1:]
        if comment[0] and right.endswith("".join(comment)):
            longer = len(each.wrong.rpartition("  # ")[0].rstrip()) > right.rfind("  # ")
            assert longer or len(each.wrong) == len(right), "a comment in another column gives the line away"


def test_no_record_is_kept_of_what_is_no_hunt():
    assert set(hunt.recorded()) == {book.name for book in BOOKS}


@pytest.mark.parametrize("directives", [(("hunt", "a sentence"),), (("catches", "a -> b"), ("checks", "eq-a"), ("hunt", "a sentence")), (("catches", "a -> b"), ("hunt", ""))])
def test_a_hunt_is_a_sentence_below_a_catch(directives):
    with pytest.raises(ValueError, match="below the line of a catch"):
        hunt.marked(Cell("code", "", directives))


@pytest.mark.slow
def test_every_page_has_its_hunts():
    for book in BOOKS:
        page = (SITE / "nbs" / f"{book.name}.html").read_text(encoding="utf-8")
        assert page.count('class="dln-hunt-code') == len(hunt.hunts(book)), book.name
        assert "no record" not in page


@pytest.mark.slow
def test_the_reader_finds_the_line_by_mouse_and_by_keyboard(visit):  # noqa: F811
    [book] = [book for book in BOOKS if book.name == "06_flow"]
    with visit() as seen:
        tab = seen.open("nbs/06_flow.html")
        for box, expected in zip(tab.locator(".dln-hunt").all(), hunt.hunts(book), strict=True):
            lines, said, answer = box.locator("button.dln-hunt-line"), box.locator(".dln-hunt-said"), box.locator("details")
            numbers = [n for n, line in enumerate(expected.lines) if line.strip()]
            place = numbers.index(expected.place)
            wrong_clicks = [n for n in range(len(numbers)) if n != place][:2]
            lines.nth(wrong_clicks[0]).click()
            assert "is right" in said.inner_text() and "hint" not in said.inner_text()
            lines.nth(wrong_clicks[1]).click()
            assert "hint" in said.inner_text() and not answer.evaluate("one => one.open")
            # to the wrong line by the arrow keys, from the one that was clicked
            step = "ArrowDown" if place > wrong_clicks[1] else "ArrowUp"
            for _ in range(abs(place - wrong_clicks[1])):
                tab.keyboard.press(step)
            assert lines.nth(place).evaluate("one => one === document.activeElement && getComputedStyle(one).outlineStyle === 'solid'")
            tab.keyboard.press("Enter")
            assert answer.evaluate("one => one.open") and said.get_attribute("role") == "status"
            text = answer.inner_text()
            assert expected.lines[expected.place].strip() in text and _typeset(hunt.recorded()[book.name][expected.key]["words"]) in text
            assert said.text_content().startswith("Found: line")
        assert not seen.wrong


@pytest.mark.slow
def test_without_scripts_the_answer_is_a_fold(visit):  # noqa: F811
    with visit(java_script_enabled=False) as seen:
        seen.tab.goto(f"{seen.site}nbs/06_flow.html")
        box = seen.tab.locator(".dln-hunt").first
        assert box.locator("button").count() == 0 and box.locator(".dln-hunt-line").first.is_visible()
        assert not box.locator("details p").first.is_visible()
        box.locator("summary").click()
        assert box.locator("details p").first.is_visible()
