"""Run a notebook's cells outside Jupyter, whole or up to a cell, with or without a mistake in it.

    python -m chapters NAME             what became of the mistakes that a notebook's checks must catch, as JSON
    python -m chapters --record NAME …  keep what the checks say of the mistakes that the page asks for (book/hunt.py)
"""

from __future__ import annotations

import __future__
import contextlib
import io
import json
import os
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

import failures

from book import hunt
from book.notebooks import NOTEBOOKS, Catch, Notebook, read_all

FUTURE = __future__.annotations.compiler_flag


class Session:
    "A namespace in which cells run one after the other, as in a kernel."

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook
        self.namespace: dict = {"__name__": "__main__"}
        self.flags = 0

    def title(self, index: int) -> str:
        "What a traceback calls a cell."
        return f"{self.notebook.name}, cell {index}"

    def run(self, index: int, source: str | None = None) -> None:
        "Run one cell, or other source in its place. What it prints is dropped."
        source = self.notebook.cells[index].source if source is None else source
        code = compile(failures.keeping(source), self.title(index), "exec", flags=self.flags, dont_inherit=True)
        self.flags |= code.co_flags & FUTURE
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, self.namespace)


@contextlib.contextmanager
def at_home():
    "Run where the notebooks are, as Jupyter does."
    before = Path.cwd()
    os.chdir(NOTEBOOKS)
    try:
        yield
    finally:
        os.chdir(before)


def run(notebook: Notebook) -> dict:
    "Run a whole notebook and return its names."
    session = Session(notebook)
    with at_home():
        for index, cell in enumerate(notebook.cells):
            if cell.runs:
                session.run(index)
    return session.namespace


@dataclass(frozen=True)
class Trial:
    "A check cell, a mistake it must catch, and the cell in which the mistake is made."

    check: int
    catch: Catch
    place: int
    hunt: bool = False  # the page shows what the check says


def trials(notebook: Notebook) -> list[Trial]:
    "All of a notebook's checks with their mistakes."
    return [
        Trial(index, catch, notebook.place_of(index, catch), catch in [each for each, _ in hunt.marked(cell)])
        for index, cell in enumerate(notebook.cells)
        for catch in cell.catches
    ]


def outcomes(notebook: Notebook, todo: list[Trial] | None = None) -> dict[Trial, dict[str, str]]:
    """Try mistakes of a notebook, all of them if none are named. For each: what happened instead of a check's failing, or, for a hunt, what the check said.

    The notebook runs once. Where a mistake is to be made the process forks: the child goes on with the mistake
    up to the check, the parent without it. So this wants a process in which no others have left threads, which a fork
    does not survive.
    """
    session, found = Session(notebook), {}
    todo = trials(notebook) if todo is None else todo
    with at_home():
        for index, cell in enumerate(notebook.cells[: 1 + max(trial.place for trial in todo)]):
            if not cell.runs:
                continue
            for trial in todo:
                if trial.place == index:
                    found[trial] = _in_a_child(session, trial)
            session.run(index)
    return found


def _in_a_child(session: Session, trial: Trial) -> dict[str, str]:
    "Fork, make the mistake, and bring back what came of it."
    sys.stdout.flush()
    with tempfile.TemporaryFile("w+") as report:
        if child := os.fork():
            os.waitpid(child, 0)
            report.seek(0)
            return json.loads(report.read() or '{"instead": "the process ended"}')
        try:
            came = _with_mistake(session, trial)
        except BaseException:
            came = {"instead": traceback.format_exc()}
        json.dump(came, report)
        report.flush()
        os._exit(0)


def _with_mistake(session: Session, trial: Trial) -> dict[str, str]:
    "Run the mistaken cell and the next ones up to the check, and bring back what the check said."
    cells = session.notebook.cells
    session.run(trial.place, cells[trial.place].source.replace(trial.catch.old, trial.catch.new))
    for index in range(trial.place + 1, trial.check):
        if cells[index].runs:
            with contextlib.suppress(AssertionError) if cells[index].checks or cells[index].catches else contextlib.nullcontext():
                session.run(index)
    try:
        session.run(trial.check)
    except AssertionError as error:
        if not trial.hunt:
            return {}
        return failures.said(error, {session.title(index): cell.source for index, cell in enumerate(cells) if cell.runs})
    return {"instead": "the check passed in spite of the mistake"}


def main(arguments: list[str]) -> None:
    "Try a notebook's mistakes, or keep what is said of the hunts."
    recording = arguments[0] == "--record"
    for name in arguments[recording:]:
        [book] = [each for each in read_all() if each.name == name]
        todo = [trial for trial in trials(book) if trial.hunt or not recording]
        found = {f"{trial.catch.old} -> {trial.catch.new}": came for trial, came in outcomes(book, todo).items()}
        if recording:
            assert not any("instead" in came for came in found.values()), found
            hunt.record(name, found)
        print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
