"What the tests of live Python share: the numbers that must not differ, and a chapter that has come alive."

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from unittest.mock import patch

from chapters import run
from conftest import ROOT

from book.notebooks import Notebook, read

OF_THE_MACHINE = {
    "workspace-allocated": "kilobytes of Python's own objects, which are of another size with 32 bits",
    "workspace-allocated-more": "the same",
    "tape-allocated": "the same",
    "tape-allocated-more": "the same",
    "t-fashion-said": "whether the pictures were there when the page was made",
} | {f"activation-{name}": "how much faster, by the clock" for name in ("where", "gain-sigmoid", "gain-tanh", "gain-relu")}
OF_THE_MACHINE |= {f"delta-ratio-{name}": "how much faster, by the clock, in one digit" for name in ("first", "second", "third", "fourth", "last")}
PROCESSORS = "Prescott", "Nehalem"  # of OpenBLAS's kernels two that round differently, from each other and from newer ones
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


def _elsewhere(book: Notebook, seed: int, processor: str) -> dict[str, str]:
    "The same, on a processor whose matrix products round differently."
    code = f"import json, live; print(json.dumps(live._numbers(live.read(live.Path({str(book.path)!r})), {seed})))"
    environment = os.environ | {"OPENBLAS_CORETYPE": processor, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def fixed_numbers(book: Notebook, shown: dict[str, str]) -> set[str]:
    "Which of the prose's numbers depend on neither clock, size of experiment, nor the last bit: tried, not guessed."
    runs = [_numbers(book, 1), *(_elsewhere(book, seed, each) for seed, each in enumerate(PROCESSORS, 2))]
    return {name for name, text in shown.items() if all(run.get(name) == text for run in runs)} - OF_THE_MACHINE.keys()


def _error(text: str) -> float | None:
    "The size of a rounding error: one digit times a negative power of ten."
    match = re.fullmatch(r"(\d)(?:·10⁻([⁰¹²³⁴⁵⁶⁷⁸⁹]+)|e-(\d+))", text)
    return int(match[1]) * 10.0 ** -int((match[2] or match[3]).translate(SUPERSCRIPTS)) if match else None


def alike(text: str, other: str) -> bool:
    "Whether two numbers of the prose are the same. Rounding errors differ a little from one NumPy to the next."
    one, two = _error(text), _error(other)
    return text == other or bool(one and two and 1 / 3 < one / two < 3)


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
        "Press a button of the bar, one behind `More` if it is there."
        more = self.tab.locator(f".dln-live-more:has(.dln-live-{button}):not([open]) > summary")
        if more.count():
            more.click()
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
