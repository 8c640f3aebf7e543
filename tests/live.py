"What the tests of live Python share: the numbers that must not differ, and a chapter that has come alive."

from __future__ import annotations

import ast
import os
import re
import time
from random import Random
from unittest.mock import patch

from chapters import run

from book.notebooks import Notebook

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
READY = 300_000  # ms; a busy machine takes long


class Clock:
    "A clock that goes at a different speed each time one looks."

    def __init__(self, seed: int) -> None:
        self.speed, self.real, self.shown, self.look = Random(seed), 0.0, 0.0, time.perf_counter

    def __call__(self) -> float:
        now = self.look()
        self.real, passed = now, now - self.real
        self.shown += passed * self.speed.uniform(1, 50)
        return self.shown


def _numbers(book: Notebook, seed: int) -> dict[str, str]:
    "What a run at the browser's size, with a mad clock, gives to the prose."
    found = {}

    def record(name: str, value: object, form: str = "{}") -> None:
        found[name] = form.format(value)

    clock = Clock(seed)
    with patch.dict(os.environ, DLNBOOK_SIZE="live"), patch("time.perf_counter", clock), patch("time.process_time", clock):
        with patch("dlnbook.page.glue", record):
            run(book)
    return found


def fixed_numbers(book: Notebook, shown: dict[str, str]) -> set[str]:
    "Which of the prose's numbers depend neither on a clock nor on an experiment's size: tried, not guessed."
    one, other = (_numbers(book, seed) for seed in (1, 2))
    return {name for name, text in shown.items() if one.get(name) == other.get(name) == text}


def alike(text: str, other: str) -> bool:
    """Whether two numbers of the prose are the same.

    One digit times a power of ten is the size of a rounding error, which differs from one NumPy to the next.
    """
    error = re.compile(r"(\d)·10⁻([⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
    sizes = [match and int(match[1]) * 10.0 ** -int(match[2].translate(SUPERSCRIPTS)) for match in (error.fullmatch(text), error.fullmatch(other))]
    return text == other or (all(sizes) and 1 / 3 < sizes[0] / sizes[1] < 3)


def patience() -> float:
    "How much longer than promised something may take here and now, on cores shared with other work."
    return 3 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def asked(book: Notebook) -> list[str]:
    "The numbers that the prose asks for, in its order."
    prose = "\n".join(cell.source for cell in book.cells if cell.kind == "markdown")
    return re.findall(r"\{glue:text\}`([^`]+)`", prose)


class Chapter:
    "A chapter's page in a tab, with live Python."

    def __init__(self, tab) -> None:
        self.tab = tab

    @property
    def line(self) -> str:
        return self.tab.locator(".dln-live-line").inner_text()

    def start(self) -> Chapter:
        "Press the button and wait until all cells have run."
        self.tab.locator(".dln-live-start").click()
        return self.settled()

    def settled(self) -> Chapter:
        self.tab.wait_for_selector(".dln-live:is([data-state=live], [data-state=static])", timeout=READY)
        assert self.tab.locator(".dln-live").get_attribute("data-state") == "live", self.line
        return self

    def marks(self) -> dict[str, float]:
        "Seconds since the click."
        entries = "performance.getEntriesByType('mark').filter(one => one.name.startsWith('dln-')).map(one => [one.name.slice(4), one.startTime])"
        times = dict(self.tab.evaluate(entries))
        return {name: (time - times["click"]) / 1000 for name, time in times.items()}

    def press(self, button: str) -> None:
        self.tab.locator(f".dln-live-{button}").click()

    def editable(self, number: int) -> Cell:
        "One of the cells whose code is seen."
        return Cell(self, self.tab.locator("div.cell:has(> .cell_input .dln-editor)").nth(number))

    def failures(self) -> list[str]:
        return self.tab.locator("div.cell[data-state=failed]").evaluate_all(
            "all => all.map(one => one.querySelector('pre').textContent.slice(0, 300) + '\\n' + (one.querySelector('.traceback')?.textContent ?? ''))"
        )

    def numbers(self) -> dict[str, str]:
        "The numbers for the prose, as this Python finds them."
        values = self.tab.locator("data").evaluate_all("all => all.map(one => [one.title, one.value])")
        return {name: ast.literal_eval(value) for name, value in values}


class Cell:
    "A cell with an editor."

    def __init__(self, chapter: Chapter, box) -> None:
        self.chapter, self.box = chapter, box

    @property
    def text(self) -> str:
        return self.box.locator(".CodeMirror").evaluate("one => one.CodeMirror.getValue()")

    @property
    def output(self) -> str:
        return self.box.locator(".cell_output").inner_text().strip()

    def state(self) -> str:
        return self.box.get_attribute("data-state")

    def write(self, code: str) -> Cell:
        "Type something in the place of what is there."
        self.box.locator(".CodeMirror-lines").click()
        keyboard = self.chapter.tab.keyboard
        keyboard.press("ControlOrMeta+a")
        keyboard.insert_text(code)
        return self

    def run(self, code: str) -> Cell:
        "Type it, press Shift-Enter, wait."
        self.write(code).chapter.tab.keyboard.press("Shift+Enter")
        return self.until("ran", "failed")

    def until(self, *states: str) -> Cell:
        handle = self.box.element_handle()
        self.chapter.tab.wait_for_function("([one, states]) => states.includes(one.dataset.state)", arg=[handle, states], timeout=READY)
        self.chapter.settled() if "running" not in states else None
        return self
