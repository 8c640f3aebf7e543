"""What a page loads before its words are seen: as little as can be.

The theme brings two sets of the same icons, a script and a font, and the search index on every page.
The book keeps of the font what the pages show, and loads the index where one searches.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from markupsafe import Markup
from sphinx.errors import ExtensionError

FONT = "fa-solid-900.ttf"
STYLES = "styles/pydata-sphinx-theme.css"

DROPPED = r'<script (?:defer )?src="[^"]*(?:scripts/fontawesome|searchtools|language_data|searchindex)\.js[^"]*"></script>'


def lighten(html: str) -> Markup:
    "A block of the theme's head without what a reader does not need."
    return Markup(re.sub(DROPPED, "", html))


def theme() -> Path:
    "The folder of the theme's static files."
    import pydata_sphinx_theme

    return Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme"


def icon_font() -> bytes:
    "The theme's font of icons, cut down to those that its templates and its styles name."
    from fontTools import subset
    from fontTools.ttLib import TTFont

    options = subset.Options(flavor="woff", recalc_timestamp=False, notdef_outline=True, layout_features=[])
    font = TTFont(theme() / "static" / "vendor" / "fontawesome" / "webfonts" / FONT, recalcTimestamp=False)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=_icons())
    cutter.subset(font)
    font.flavor = "woff"
    written = io.BytesIO()
    font.save(written)
    return written.getvalue()


def _icons() -> list[int]:
    "The code points of the icons that pages can show."
    import sphinx_book_theme

    styles = (theme() / "static" / STYLES).read_text(encoding="utf-8")
    folders = [theme().parents[1], Path(sphinx_book_theme.__file__).parent]
    templates = [path for folder in folders for ending in ("html", "py") for path in folder.rglob(f"*.{ending}")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in templates)
    points = {ord(found) for found in re.findall(r'--pst-icon-[\w-]+:\s*"([\ue000-\uf8ff])"', styles)}
    for name in set(re.findall(r"\bfa-[a-z0-9-]+", text)):
        if rule := re.search(rf"\.{name}:before(?:,[^{{}}]*)?\{{content:\"\\([0-9a-f]+)\"\}}", styles):
            points.add(int(rule[1], 16))
    if len(points) < 10:
        raise ExtensionError(f"expected the names of the theme's icons in {STYLES}, found {len(points)}")
    return sorted(points)
