"Gather what the pages load in a browser, from npm packages that package-lock.json pins, into one folder."

from __future__ import annotations

import shutil
from pathlib import Path

from book.head import icon_font
from book.notebooks import ROOT

# package, file or folder in it, place among the page's static files
FILES = [
    ("mathjax", "es5/tex-mml-chtml.js", "mathjax/tex-mml-chtml.js"),
    ("mathjax", "es5/output/chtml/fonts", "mathjax/output/chtml/fonts"),
    ("mathjax", "es5/input/tex/extensions", "mathjax/input/tex/extensions"),
    ("mathjax", "es5/a11y", "mathjax/a11y"),
    ("mathjax", "es5/sre", "mathjax/sre"),
    ("mathjax", "LICENSE", "mathjax/LICENSE"),
    ("codemirror", "lib", "codemirror/lib"),
    ("codemirror", "mode/python/python.js", "codemirror/mode/python/python.js"),
    ("codemirror", "addon/edit/matchbrackets.js", "codemirror/addon/edit/matchbrackets.js"),
    ("codemirror", "addon/display/autorefresh.js", "codemirror/addon/display/autorefresh.js"),
    ("codemirror", "LICENSE", "codemirror/LICENSE"),
    ("minisearch", "dist/umd/index.js", "minisearch.js"),  # on the page that searches
    # with live Python only, or where a page shows a widget that is no explorable
    ("requirejs", "require.js", "widgets/require.js"),
    ("@jupyter-widgets/html-manager", "dist/embed-amd.js", "widgets/embed-amd.js"),
    # the icons of the players: the widgets ask for the same font in two places
    ("@jupyter-widgets/html-manager", "dist/1551f4f60c37af51121f.woff2", "widgets/amd/@jupyter-widgets/html-manager/dist/"),
    ("@jupyter-widgets/html-manager", "dist/1551f4f60c37af51121f.woff2", "widgets/amd/@jupyter-widgets/"),
]


def gather(target: Path) -> None:
    "Copy the files, and say which package is missing if one is. The icons are cut out of the theme's font."
    shutil.rmtree(target, ignore_errors=True)
    for package, source, place in FILES:
        path, goal = ROOT / "node_modules" / package / source, target / place
        if not path.exists():
            raise FileNotFoundError(f"{path.relative_to(ROOT)} is missing: run `make book`, which installs it with npm ci")
        (goal if place.endswith("/") else goal.parent).mkdir(parents=True, exist_ok=True)
        shutil.copytree(path, goal) if path.is_dir() else shutil.copy(path, goal)
    (target / "icons").mkdir()
    (target / "icons" / "solid.woff").write_bytes(icon_font())
