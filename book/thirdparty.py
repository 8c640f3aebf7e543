"""Everything in the site that others have made: which files, of which package, version and license.

Versions come from the locks, licenses from package-lock.json and from what the packages say of themselves.
"""

from __future__ import annotations

import email
import email.message
import fnmatch
import json
import re
import zipfile
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path
from typing import NamedTuple

from book import lite, live
from book.assets import FILES
from book.notebooks import ROOT


class Part(NamedTuple):
    "Files of the site, as patterns, and what they are part of."

    files: tuple[str, ...]
    name: str
    version: str
    license: str


# What the packages of requirements.lock put on the pages
PYTHON = {
    "Sphinx": ("basic.css", "doctools.js", "documentation_options.js", "searchtools.js", "language_data.js", "sphinx_highlight.js", "file.png", "minus.png", "plus.png"),
    "Pygments": ("pygments.css",),
    "pydata-sphinx-theme": ("scripts/bootstrap.js*", "scripts/fontawesome.js*", "scripts/pydata-sphinx-theme.js*", "styles/pydata-sphinx-theme.css*", "styles/theme.css", "vendor/fontawesome/*", "icons/*", "webpack-macros.html"),
    "sphinx-book-theme": ("scripts/sphinx-book-theme.js*", "styles/sphinx-book-theme.css*", "images/*", "locales/*", "sbt-webpack-macros.html"),
    "sphinx-copybutton": ("copybutton*", "copy-button.svg", "check-solid.svg", "clipboard.min.js"),
    "sphinx-design": ("sphinx-design.min.css", "design-tabs.js"),
    "sphinx-exercise": ("exercise.css",),
    "sphinx-thebe": ("sphinx-thebe.*", "play-solid.svg"),
    "sphinx-togglebutton": ("togglebutton.*",),
    "myst-nb": ("mystnb.*.css",),
}  # fmt: skip
LITE = {
    "jupyterlite-core": ("lite/*",),
    "jupyterlite-pyodide-kernel": ("lite/extensions/@jupyterlite/*",),
    "jupyterlab-widgets": ("lite/extensions/@jupyter-widgets/*",),
}
# Parts of Python itself, and libraries, that Pyodide packs without a word on their license
UNSAID = {"openssl": "OpenSSL", "ssl": "PSF-2.0", "sqlite3": "PSF-2.0"}


def parts(have: live.Supply) -> list[Part]:
    "All of them."
    return [*_npm(), *_python(), *_lite(), *_pyodide(have)]


def _npm() -> Iterator[Part]:
    "What comes from package-lock.json."
    locked = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    places: dict[str, list[str]] = {}
    for package, source, place in FILES:
        whole = place + Path(source).name if place.endswith("/") else place
        folder = (ROOT / "node_modules" / package / source).is_dir()
        places.setdefault(package, []).append(f"_static/{whole}/*" if folder else f"_static/{whole}")
    places["pyodide"] = [f"pyodide/{name}" for name in live.CORE]
    for package, files in places.items():
        facts = locked[f"node_modules/{package}"]
        yield Part(tuple(files), package, facts["version"], facts["license"])
    yield Part(("pyodide/*python_stdlib.zip",), "Python", live.lock()["info"]["python"], "PSF-2.0")


def _python() -> Iterator[Part]:
    "What the theme and Sphinx's extensions bring."
    for package, names in PYTHON.items():
        yield Part(tuple(f"_static/{name}" for name in names), package, *_locked("requirements.lock", package))


def _lite() -> Iterator[Part]:
    "JupyterLite, its kernel, and the widgets in it."
    for package, files in LITE.items():
        yield Part(files, package, *_locked("requirements-live.lock", package))


def _locked(lock: str, package: str) -> tuple[str, str]:
    "A package's version in a lock, and its license."
    name = live.plain(package)
    found = re.search(rf"^{name}==([^\s;]+)", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise KeyError(f"{lock}: expected a line for {name}")
    return found[1], _license(metadata(package))


def _pyodide(have: live.Supply) -> Iterator[Part]:
    "The packages for Python in the browser, except our own."
    for name, each in live.shipped(have).items():
        path = live.source(each, have)
        if path and name != "dlnbook":
            yield Part((f"pyodide/{each['file_name']}",), name, each["version"], UNSAID.get(name) or _license(_wheel_metadata(path)))


def _wheel_metadata(path: Path) -> email.message.Message:
    "What a wheel says of itself."
    with zipfile.ZipFile(path) as wheel:
        [name] = [each for each in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each)]
        return email.message_from_bytes(wheel.read(name))


def _license(said: email.message.Message) -> str:
    "The license in a few words."
    short = said.get("License-Expression") or (said.get("License") or "").strip()
    if short and "\n" not in short and len(short) < 60 and short != "UNKNOWN":
        return short
    classified = [each.split(" :: ")[-1] for each in said.get_all("Classifier") or [] if each.startswith("License ::")]
    return ", ".join(classified) or short.split("\n")[0].strip() or "see the package"


def bundled() -> list[tuple[str, str, str]]:
    "The packages that JupyterLite's files were made of, as it lists them itself: name, version, license."
    found = set()
    for path in lite.program().rglob("third-party-licenses.json"):
        for each in json.loads(path.read_text(encoding="utf-8"))["packages"]:
            found.add((each["name"], each.get("versionInfo") or "", each.get("licenseId") or "see the package"))
    return sorted(found)


def owner(path: str, known: list[Part]) -> Part | None:
    "Whose a file of the site is; the longest pattern says."
    fits = [(len(pattern), part) for part in known for pattern in part.files if fnmatch.fnmatchcase(path, pattern)]
    return max(fits, key=lambda fit: fit[0])[1] if fits else None


def write(path: Path, have: live.Supply) -> None:
    "Write the tables that the page includes."
    lines = ["| part | version | license | files |", "|---|---|---|---|"]
    for part in parts(have):
        files = ", ".join(f"`{name}`" for name in part.files)
        lines.append(f"| {part.name} | {part.version} | {part.license} | {files} |")
    lines += ["", "## Inside JupyterLite", "", "Its files under `lite/` were made of these packages, as it lists them itself.", ""]
    lines += ["| package | version | license |", "|---|---|---|", *(f"| {' | '.join(each)} |" for each in bundled()), ""]
    text = "\n".join(lines)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
