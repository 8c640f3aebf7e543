"""The list of references in the style of the text: the authors and the year."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style
from pybtex.style.labels import BaseLabelStyle
from pybtex.style.sorting.author_year_title import SortingStyle

from book import plain


class AuthorYear(BaseLabelStyle):
    "Nielsen, 2015. Of two works of the same people in a year, references.bib calls one 2015a and the other 2015b."

    def format_labels(self, sorted_entries: list[Entry]) -> Iterator[str]:
        "The label of each entry."
        for entry in sorted_entries:
            yield f"{plain.names(entry).replace('*', '')}, {entry.fields.get('year', 'no year')}"


class ByLabel(SortingStyle):
    "By what the label says of the authors, then by the year, as a reader looks for it: ö is an o, and a firm is no worse than a person."

    def sorting_key(self, entry: Entry) -> tuple[list[str], str, str]:
        names = plain.names(entry).replace("*", "").split(" and ")
        return [_plain(name) for name in names], entry.fields.get("year", ""), entry.fields.get("title", "")


def _plain(name: str) -> str:
    "A name without accents, in small letters."
    return "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter)).lower()


class AuthorYearStyle(Style):
    "Plain entries under such labels, in their order."

    default_label_style = AuthorYear
    default_sorting_style = ByLabel


def register() -> None:
    "Make the style known under the name that _config.yml uses."
    register_plugin("pybtex.style.formatting", "author_year", AuthorYearStyle)
