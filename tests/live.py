"What the tests of live Python share: the numbers that must not differ, and a chapter that has come alive."

from __future__ import annotations

import ast
import re

from book.notebooks import Notebook

VARYING = {"sized", "perf_counter", "process_time", "time", "timeit"}
READY = 300_000  # ms; a busy machine takes long


def _names(node: ast.AST, kind: type) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, kind)}


def _touched(statement: ast.stmt) -> set[str]:
    "The names that a statement may give a new value, or whose object it may change."
    found = _names(statement, ast.Store)
    for node in ast.walk(statement):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.value, ast.Name):
            found.add(node.value.id)
    return found


def _glued(statement: ast.stmt) -> set[str]:
    "The names that a statement gives to the prose, as far as they stand there literally."
    calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "glue"]
    return {call.args[0].value for call in calls if call.args and isinstance(call.args[0], ast.Constant)}


def fixed_numbers(book: Notebook) -> set[str]:
    "The names of the prose's numbers that depend neither on a clock nor on an experiment's size."
    varying, fixed = set(VARYING), set()
    for cell in book.cells:
        if not cell.runs:
            continue
        for statement in ast.parse(cell.source).body:
            if (_names(statement, ast.Load) | _names(statement, ast.Del)) & varying:
                if not isinstance(statement, ast.Expr) or not _glued(statement):
                    varying |= _touched(statement) - {"np", "math"}
            elif not isinstance(statement, (ast.Import, ast.ImportFrom)):
                fixed |= _glued(statement)
    return fixed


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
