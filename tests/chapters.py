"""Run a notebook's cells outside Jupyter, whole or up to a cell, with or without a mistake in it.

    python -m chapters NAME    what became of the mistakes that a notebook's checks must catch, as JSON
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

from book.notebooks import NOTEBOOKS, Catch, Notebook, read_all

FUTURE = __future__.annotations.compiler_flag


class Session:
    "A namespace in which cells run one after the other, as in a kernel."

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook
        self.namespace: dict = {"__name__": "__main__"}
        self.flags = 0

    def run(self, index: int, source: str | None = None) -> None:
        "Run one cell, or other source in its place. What it prints is dropped."
        source = self.notebook.cells[index].source if source is None else source
        code = compile(source, f"{self.notebook.name}, cell {index}", "exec", flags=self.flags, dont_inherit=True)
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


def place_of(notebook: Notebook, check: int, catch: Catch) -> int:
    "The one earlier cell in which the mistake can be made."
    earlier = [(i, cell) for i, cell in enumerate(notebook.cells[:check]) if cell.runs and not (cell.checks or cell.catches)]
    counts = {i: cell.source.count(catch.old) for i, cell in earlier if catch.old in cell.source}
    if sum(counts.values()) != 1:
        raise ValueError(
            f"{notebook.name}: expected {catch.old!r} exactly once before the check in cell {check}, got {counts or 'none'}"
        )
    return next(iter(counts))


def trials(notebook: Notebook) -> list[Trial]:
    "All of a notebook's checks with their mistakes."
    return [
        Trial(index, catch, place_of(notebook, index, catch))
        for index, cell in enumerate(notebook.cells)
        for catch in cell.catches
    ]


def outcomes(notebook: Notebook) -> dict[Trial, str]:
    """Try all mistakes of a notebook. For each, '' if its check caught it, else what happened instead.

    The notebook runs once. Where a mistake is to be made the process forks: the child goes on with the mistake
    up to the check, the parent without it. So this wants a process in which no others have left threads, which a fork
    does not survive.
    """
    session, found, todo = Session(notebook), {}, trials(notebook)
    with at_home():
        for index, cell in enumerate(notebook.cells):
            if not cell.runs:
                continue
            for trial in todo:
                if trial.place == index:
                    found[trial] = _in_a_child(session, trial)
            session.run(index)
    return found


def _in_a_child(session: Session, trial: Trial) -> str:
    "Fork, make the mistake, and bring back what came of it."
    sys.stdout.flush()
    with tempfile.TemporaryFile("w+") as report:
        if child := os.fork():
            os.waitpid(child, 0)
            report.seek(0)
            return report.read()
        try:
            report.write(_with_mistake(session, trial))
        except BaseException:
            report.write(traceback.format_exc())
        report.flush()
        os._exit(0)


def _with_mistake(session: Session, trial: Trial) -> str:
    "Run the mistaken cell and the next ones up to the check. '' if the check failed as it should."
    cells = session.notebook.cells
    session.run(trial.place, cells[trial.place].source.replace(trial.catch.old, trial.catch.new))
    for index in range(trial.place + 1, trial.check):
        if cells[index].runs:
            with contextlib.suppress(AssertionError) if cells[index].checks or cells[index].catches else contextlib.nullcontext():
                session.run(index)
    try:
        session.run(trial.check)
    except AssertionError:
        return ""
    return "the check passed in spite of the mistake"


if __name__ == "__main__":
    [book] = [each for each in read_all() if each.name == sys.argv[1]]
    json.dump({f"{trial.catch.old} -> {trial.catch.new}": said for trial, said in outcomes(book).items()}, sys.stdout)
