"The notation page: its pencil network is computed, and no symbol of a chapter means what the page does not say."

import re
from collections import defaultdict

import numpy as np
import pytest
from conftest import ROOT

from book.notebooks import read_all

PAGE = (ROOT / "notation.md").read_text()


def table(heading):
    "The rows of the first table below a heading, cell by cell, without its head."
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


# The pencil network


def numbers(formula):
    "A vector or matrix, as the page writes it, as an array."
    inside = re.sub(r"\\(begin|end)\{pmatrix\}|[$()]", "", formula)
    inside = re.sub(r"\\ln (\d+)", r"np.log(\1)", inside)
    separator = "&" if "&" in inside else ","
    rows = [[eval(entry, {"np": np}) for entry in row.split(separator)] for row in inside.split(r"\\")]
    return np.array(rows if separator == "&" else rows[0], float)


def pencil():
    "The pencil network as the page has it: its rows by their first cell, a list of layers each."
    rows = [line.strip("|").split("|") for line in PAGE.split("## The pencil network\n")[1].split("\n## ")[0].splitlines() if line.startswith("| $")]
    return {cells[0].strip().strip("$"): [None, *(numbers(cell.strip()) for cell in cells[1:] if cell.strip())] for cells in rows}


def test_the_pencil_network_is_what_the_page_says():
    said = pencil()
    W, b = said["W^{(r)}"], said["b^{(r)}"]
    x, t = np.array([2.0, 1.0]), np.array([1.0, 0.0, 0.0])
    assert "$x = (2, 1)$" in PAGE and "$t = (1, 0, 0)$" in PAGE
    assert sum(each.size for each in W[1:]) == 14 and sum(each.size for each in W[1:] + b[1:]) == 21
    A, Z, slopes = [None], [x], [None]
    for r in (1, 2, 3):
        A.append(W[r] @ Z[-1] + b[r])
        Z.append(np.where(A[r] > 0, A[r], A[r] / 2))
        slopes.append(np.where(A[r] > 0, 1, 0.5))
    odds = np.exp(A[3])
    y = odds / odds.sum()
    np.testing.assert_allclose(y, [1 / 8, 2 / 8, 5 / 8])
    D, pulls = [None, None, None, y - t], [None, None, None]
    for r in (2, 1):
        pulls[r] = W[r + 1].T @ D[r + 1]
        D[r] = slopes[r] * pulls[r]
    found = {
        "a^{(r)}": A,
        "f'(a^{(r)})": slopes[:3],
        "z^{(r)}": [None, *Z[1:3]],
        r"\partial\mathcal L/\partial z^{(r)}": pulls,
        r"\delta^{(r)}": D,
        r"\partial\mathcal L/\partial W^{(r)}": [None, *(np.outer(D[r], Z[r - 1]) for r in (1, 2, 3))],
    }
    assert set(said) == set(found) | {"W^{(r)}", "b^{(r)}"}
    for name, layers in found.items():
        assert len(said[name]) == len(layers), name
        for one, other in zip(said[name][1:], layers[1:]):
            np.testing.assert_allclose(one, other, rtol=1e-12, err_msg=name)


# One meaning a symbol

# Words that say nothing about which thing is meant.
EMPTY = set("all also and are its for from has have here into number numbers one other over that the their them these this those what which with within".split())


def letter(formula):
    "What a formula begins with: a letter with its decoration, without indices."
    decorated = r"\\(?:tilde|bar|hat|dot|overline|mathcal|mathbb|mathrm)\s*\{?\s*(?:\\?[A-Za-z]+)\}?"
    found = re.match(rf"{decorated}|\\[A-Za-z]+|[A-Za-z]", formula.strip())
    return re.sub(r"[\s{}]", "", found[0]) if found else None


def stem(word):
    "A word without the endings of a plural."
    return re.sub(r"(?<!s)s$", "", re.sub(r"(?<=[sx])es$", "", re.sub(r"ies$", "y", word)))


def words(text):
    "What a text speaks of: its words without formulas, code, endings and filling."
    text = re.sub(r"\$[^$]*\$|`[^`]*`|\{[^}]*\}", " ", text.lower())
    return frozenset(stem(word) for word in re.findall(r"[a-z]{3,}", text) if word not in EMPTY)


def symbol(formula):
    "The letter of a formula that is a symbol and no expression: with decoration, without indices and arguments."
    left = formula.split("=")[0].split(r"\in")[0].strip()
    sign = letter(left)
    bare = re.sub(r"[_^](?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|\\?[A-Za-z]+|.)|\([^()]*\)|[\s{}',]|\\dots", "", left)
    return sign if sign and bare.replace(" ", "") == sign else None


def parts(cell):
    "A cell, cut where a new symbol comes after words: at a semicolon, or at a comma before a formula."
    pieces = [""]
    for piece in re.findall(r"\$[^$]*\$|[^$;,]+|[;,]", cell):
        pieces[-1] += piece
        if piece == ";" or piece == "," and words(pieces[-1]):
            pieces.append("")
    whole = []
    for piece in pieces:
        if whole and not piece.lstrip().startswith("$"):
            whole[-1] += piece
        else:
            whole.append(piece)
    return whole


def named(cell):
    "The letters that the first cell of a row explains, each with the words about it."
    found = []
    for part in parts(cell):
        head = re.match(r"(?:\s*\$[^$]*\$\s*(?:,|:|\bor\b|\band\b)?)+", part)
        for formula in re.findall(r"\$([^$]*)\$", head[0] if head else ""):
            for each in [formula] if "=" in formula else re.split(r", (?![^{]*\})", formula):
                if sign := symbol(each):
                    found.append((sign, words(part) or words(cell)))
    return found


def closing_tables(page):
    """For every letter what the chapters' closing tables say of it: pairs of chapter and words.

    Where a row says nothing in words, a letter of the page has the page's meaning, and any other that of its name in code.
    """
    found = defaultdict(list)
    for book in read_all():
        if not re.match(r"\d\d_", book.name):
            continue
        text = next(cell.source for cell in book.cells if "## Symbols of this chapter" in cell.source)
        rows = [line for line in text.splitlines() if line.startswith("| ") and "$" in line.split(" | ")[0]]
        assert rows, book.name
        for row in rows:
            cell, code = row[1:].split(" | ")[:2]
            for sign, about in named(cell):
                about = about or (frozenset() if sign in page else words(code.replace("`", " ").replace("_", " ")))
                found[sign].append((int(book.name[:2]), about))
    return found


def page_table():
    "For every letter of the page's table of symbols the words about it, one set a row."
    found = defaultdict(list)
    for symbol, meaning, *_ in table("Symbols"):
        about = [words(part) for part in meaning.split(";")]
        formulas = [each for formula in re.findall(r"\$([^$]*)\$", symbol) for each in formula.split(", ")]
        for n, formula in enumerate(formulas):
            shared = frozenset().union(*about[len(formulas) :])
            found[letter(formula)].append(about[n] | shared if len(about) >= len(formulas) else words(meaning))
    return found


def served_twice():
    "For every letter that the page lists as serving twice: chapter to the words about each meaning."
    found = defaultdict(lambda: defaultdict(list))
    for symbol, meanings in table("Letters that serve twice"):
        for meaning in meanings.split(";"):
            text, where = re.fullmatch(r"(.*) \(([\d, ]+)\)", meaning.strip()).groups()
            for chapter in map(int, where.split(",")):
                found[letter(symbol.strip("$"))][chapter] += [words(each) for each in text.split(", ")]
    return found


def unsaid(tables, page, twice):
    "Where a chapter gives a letter a meaning that it does not have elsewhere and that the page does not list."
    wrong = []
    for sign, uses in tables.items():
        for chapter, about in uses:
            usual = page.get(sign)
            others = [words_ for other, words_ in uses if other != chapter and words_]
            if any(about & each for each in twice.get(sign, {}).get(chapter, [])):
                continue
            if usual and (not about or any(about & each for each in usual)):
                continue
            if not usual and not twice.get(sign) and all(about & each for each in others):
                continue
            wrong.append(f"chapter {chapter}: {sign} is {' '.join(sorted(about)) or 'explained by nothing'}")
    return wrong


def test_a_symbol_means_what_the_page_says():
    assert not unsaid(closing_tables(page_table()), page_table(), served_twice())


def test_the_page_lists_no_meaning_that_no_chapter_has():
    tables = closing_tables(page_table())
    for sign, chapters in served_twice().items():
        for chapter, meanings in chapters.items():
            for about in meanings:
                assert any(chapter == other and about & each for other, each in tables[sign]), f"chapter {chapter} does not use {sign} for {sorted(about)}"


@pytest.mark.parametrize(
    ("about", "page", "twice", "wrong"),
    [
        ([(3, "learning rate"), (5, "learning rate of a layer")], {}, {}, 0),
        ([(3, "learning rate"), (5, "share of the rows")], {}, {}, 2),
        ([(3, "learning rate"), (5, "share of the rows")], {"x": ["learning rate"]}, {}, 1),
        ([(3, "learning rate"), (5, "share of the rows")], {"x": ["learning rate"]}, {"x": {5: "share"}}, 0),
        ([(3, "learning rate"), (5, "share of the rows")], {"x": ["learning rate"]}, {"x": {6: "share"}}, 1),
        ([(3, "")], {}, {"x": {5: "share"}}, 1),
    ],
)
def test_a_second_meaning_is_noticed(about, page, twice, wrong):
    tables = {"x": [(chapter, words(text)) for chapter, text in about]}
    page = {sign: [words(each) for each in texts] for sign, texts in page.items()}
    twice = {sign: {chapter: [words(text)] for chapter, text in each.items()} for sign, each in twice.items()}
    assert len(unsaid(tables, page, twice)) == wrong
