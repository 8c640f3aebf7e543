"""What a reader meets on each chapter's page, measured from the built book: `make reading`.

Words are what stands between blanks. Prose is text without formulas and without the notes and bars that the build adds; the lines of a
bug hunt are read, and count with it. Code is what is open at first sight, without comments; what waits in a fold is counted apart. `longest` is the longest open
cell in lines that are not blank; the page shows of an exported definition's docstring the first line. `idea` is how much
of the open page stands above the cell that holds the chapter's idea.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString, Tag
from bs4.element import PreformattedString

from book.notebooks import ROOT, Notebook, read_all

PROSE, RATIO, LONGEST, IDEA = 5000, 0.4, 25, 0.25  # the limits of a chapter
UNSEEN = {"script", "style", "svg", "nav", "button", "template", "figcaption"}
ADDED = {"dln-mark", "dln-check-note", "dln-exported-note", "dln-live", "dln-depth", "dln-rows", "dln-shown", "math", "headerlink", "tag_dln-hide"}
FOLDS = {"toggle", "dropdown"}
BLOCKS = {"p", "div", "li", "dd", "dt", "td", "th", "h1", "h2", "h3", "h4", "h5", "section", "aside", "details", "table", "pre", "ul", "ol"}
COMMENT = re.compile(r"(?<!['\"\w])#.*$", re.MULTILINE)


@dataclass
class Reading:
    "The measure of one page: words by kind, the longest open cell, and the share of the page above the idea."

    words: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("prose", "code", "output", "folded"), 0))
    longest: int = 0
    above: int | None = None  # open words above the idea

    @property
    def open(self) -> int:
        "The words one meets without opening anything."
        return self.words["prose"] + self.words["code"] + self.words["output"]

    @property
    def ratio(self) -> float:
        "Words of open code for each word of prose."
        return self.words["code"] / max(1, self.words["prose"])

    @property
    def idea(self) -> float | None:
        "The share of the open page above the idea, None where no cell is named so."
        return None if self.above is None else self.above / max(1, self.open)

    def beyond(self) -> list[str]:
        "The limits that the page does not keep."
        said = {
            f"{self.words['prose']:,} words of prose, at most {PROSE:,}": self.words["prose"] > PROSE,
            f"{self.ratio:.2f} words of open code for each of prose, at most {RATIO}": self.ratio > RATIO,
            f"an open cell of {self.longest} lines, at most {LONGEST}": self.longest > LONGEST,
            "no cell with the directive `#| idea`": self.idea is None,
            f"the idea after {self.idea or 0:.0%} of the page, at most {IDEA:.0%}": (self.idea or 0) > IDEA,
        }
        return [text for text, holds in said.items() if holds]


class Walk:
    "Goes through an article and counts."

    def __init__(self, article: Tag) -> None:
        self.found, self.text = Reading(), ""
        self.enter(article, "prose")
        self.settle("prose")

    def settle(self, kind: str) -> None:
        "Count the words gathered since the last block began."
        self.found.words[kind] += len(self.text.split())
        self.text = ""

    def enter(self, element: Tag, kind: str) -> None:
        "Everything in an element, in the order of the page."
        for child in element.children:
            if isinstance(child, Tag):
                self.child(child, kind)
            elif isinstance(child, NavigableString) and not isinstance(child, PreformattedString):
                self.text += child

    def child(self, element: Tag, kind: str) -> None:
        "One element: passed over, code, or words of some kind."
        classes = set(element.get("class") or ())
        if element.name in UNSEEN or classes & ADDED:
            return
        block = element.name in BLOCKS
        if block:
            self.settle(kind)
        if element.get("id") == "idea" and self.found.above is None:
            self.found.above = self.found.open
        if "cell_input" in classes:
            return self.code(element, kind)
        if kind != "folded":
            if element.name == "details" or classes & FOLDS:
                kind = "folded"
            elif "cell_output" in classes:
                kind = "output"
        self.enter(element, kind)
        if block:
            self.settle(kind)

    def code(self, element: Tag, kind: str) -> None:
        "A cell's code, as it stands on the page."
        text = element.get_text()
        self.found.words["folded" if kind == "folded" else "code"] += len(COMMENT.sub("", text).split())
        if kind != "folded":
            self.found.longest = max(self.found.longest, sum(bool(line.strip()) for line in text.splitlines()))


def keeps_limits(book: Notebook) -> bool:
    "Whether a chapter says of itself, by `#| limits: kept`, that it keeps them; a test asks."
    return any("kept" in cell.arguments("limits") for cell in book.cells)


def measure(page: Path) -> Reading:
    "Measure a page of the built book."
    article = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").find("article")
    if article is None:
        raise ValueError(f"{page}: expected an article")
    return Walk(article).found


def main() -> int:
    "Print the measure of every notebook's page, and a star at a limit that is not kept."
    print(f"{'page':26}{'prose':>8}{'code':>8}{'folded':>8}{'ratio':>8}{'longest':>9}{'idea':>7}  beyond the limits")
    for book in read_all():
        page = ROOT / "_build" / "html" / "nbs" / f"{book.name}.html"
        if not page.exists():
            print(f"{book.name:26} is not in the built book: run `make book`")
            continue
        found = measure(page)
        idea = "-" if found.idea is None else f"{found.idea:.2f}"
        beyond = len(found.beyond()) if book.name[0].isdigit() else 0
        print(
            f"{book.name:26}{found.words['prose']:8}{found.words['code']:8}{found.words['folded']:8}"
            f"{found.ratio:8.2f}{found.longest:9}{idea:>7}  {'*' * beyond}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
