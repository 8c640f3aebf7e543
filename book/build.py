"""Build the book: `python -m book.build`.

The pages are written to a fresh folder, which takes the place of the last good ones only when it is whole.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from book import bytecode, lite, live, notebooks, publication, reference, thirdparty
from book.assets import gather

if TYPE_CHECKING:
    from jupyter_cache.cache.main import JupyterCacheBase

BUILD = notebooks.ROOT / "_build"


def say(text: str) -> None:
    "A progress line."
    print(f"[book] {text}", flush=True)


def main() -> int:
    "Export, execute, render, swap. Returns the process's exit code."
    os.chdir(notebooks.ROOT)
    os.environ["DLNBOOK_EXPLORE"] = "frames"
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as many chapters as cores run at a time
    BUILD.mkdir(exist_ok=True)

    say("exporting the notebooks to dlnbook/")
    export()
    say("gathering the page's scripts and fonts from node_modules/")
    gather(BUILD / "assets")
    from book.banner import write as write_banner  # it draws with the library: not before that is exported

    write_banner(BUILD / "banner.html")
    publication.write_colophon(BUILD / "colophon.md")
    reference.write(BUILD / "reference.md")
    say("gathering what live Python needs")
    try:
        have = bytecode.compiled(live.supply())
    except live.Refused as refused:
        say(f"FAILED; a file is not what its lock says: {refused}")
        return 1
    thirdparty.write(BUILD / "third-party.md", have)
    say("executing changed chapters and rendering (a first run takes a minute or two)")
    began = time.perf_counter()
    fresh, last = BUILD / "html.new", BUILD / "html"
    shutil.rmtree(fresh, ignore_errors=True)
    if status := render(fresh, megabytes=round(live.weight(have) / 1e6)):
        say("FAILED; the messages are above. The last good book, if there was one, is still in place.")
        return status
    lite.place(fresh / "lite", live.assemble(fresh / "pyodide", have), fresh / "_sources" / "nbs")
    (fresh / ".nojekyll").touch()  # GitHub Pages would leave out folders whose names begin with an underscore
    swap(fresh, last)
    if not have.pyodide:
        say(f"NOTE: Pyodide's packages could not be had; live Python will ask {have.server} for them, and the pages say so.")
    say(f"done in {time.perf_counter() - began:.0f} s")
    say(f"open {(last / 'index.html').as_uri()}")
    return 0


def export() -> None:
    "Export all notebooks. A module that comes out as it was keeps its time, or every page would seem out of date."
    from nbdev.doclinks import nbdev_export

    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in notebooks.LIBRARY.glob("*.py")}
    nbdev_export()
    for path, (content, time_ns) in before.items():
        if path.exists() and path.read_bytes() == content:
            os.utime(path, ns=(time_ns, time_ns))


def render(out: Path, megabytes: int) -> int:
    "Run Jupyter Book's Sphinx on the sources; parsed pages and executed cells are kept from run to run."
    from jupyter_book.sphinx import build_sphinx

    open_cache(out.parent / ".jupyter_cache")
    files = [*sorted(Path("book").glob("*.py")), Path("_config.yml"), Path("requirements.lock")]
    machinery = notebooks.digest(files, os.environ.get("DLNBOOK_SIZE", ""))
    mark = BUILD / "machinery"
    unchanged = mark.exists() and mark.read_text() == machinery
    mark.unlink(missing_ok=True)  # a build that fails half-way leaves nothing to rely on
    result = build_sphinx(
        ".",
        str(out),
        use_external_toc=True,
        path_config="_config.yml",
        noconfig=True,
        confoverrides={"latex_individualpages": False, "dln_megabytes": megabytes},
        doctreedir=str(BUILD / "doctrees"),
        freshenv=not unchanged,
        warningiserror=True,
        keep_going=True,
        jobs=os.cpu_count() or 1,
    )
    if isinstance(result, Exception):
        print(result, file=sys.stderr)
        return 1
    if not result:
        mark.write_text(machinery)
    return int(result or 0)


def open_cache(folder: Path) -> JupyterCacheBase:
    """Do for the cache of executed notebooks what processes that read pages at once would get in each other's way with.

    Each would make its tables, and fail. And each would drop what is too much after each notebook; what another one
    has just added, between its two looks at the tables, it takes for that.
    """
    from jupyter_cache import get_cache
    from jupyter_cache.cache.main import JupyterCacheBase

    cache = get_cache(folder)
    cache.truncate_caches()
    JupyterCacheBase.truncate_caches = lambda self: None
    return cache


def swap(fresh: Path, last: Path) -> None:
    "Put the fresh pages where the last ones are."
    old = last.with_name("html.old")
    shutil.rmtree(old, ignore_errors=True)
    if last.exists():
        last.rename(old)
    fresh.rename(last)
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
