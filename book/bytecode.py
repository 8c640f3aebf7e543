"Byte code for what a start of live Python imports, made once and kept: compiling took two fifths of a start's processor time."

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from book import live
from book.notebooks import digest

# what a page's Python imports before and in its first cells, besides dlnbook
MODULES = ("pyodide_kernel", "numpy", "matplotlib.pyplot", "matplotlib.backends.backend_svg", "ipywidgets", "tqdm.auto")
OURS = [Path(__file__).with_name(name) for name in ("bytecode.py", "bytecode.mjs", "compiling.py")]


def compiled(have: live.Supply) -> live.Supply:
    "The supply with its byte code. Packages from elsewhere stay what they are."
    if not have.pyodide:
        return have
    archives = sorted([*have.pyodide.iterdir(), *have.wheels, *(live.NPM / name for name in (*live.CORE, live.LIBRARY_ZIP))])
    folder = live.CACHE / f"compiled-{digest([*archives, *OURS])}"
    if not folder.exists():
        for old in live.CACHE.glob("compiled-*"):
            shutil.rmtree(old)
        fresh = folder.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        with tempfile.TemporaryDirectory(dir=live.CACHE) as site:
            live.assemble(Path(site, "pyodide"), have)
            command = ["node", str(OURS[1]), f"{site}/pyodide", str(fresh), *MODULES]
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the modules of a start could not be compiled:\n{done.stdout}\n{done.stderr}")
        fresh.rename(folder)
    return replace(have, compiled=folder)
