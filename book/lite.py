"JupyterLite for the site's folder lite/: the chapters as notebooks, run in the browser by the pages' own Pyodide."

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from book.live import CACHE, KEPT, place_tree
from book.notebooks import ROOT, digest, read_all

LOCK = ROOT / "requirements-live.lock"
APPS = ("notebooks", "tree")
EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "@jupyterlite/pyodide-kernel-extension")
KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"
# the menu has no entry for a command that every reader looks for
MENU = {"menus": [{"id": "jp-mainmenu-file", "items": [{"command": "docmanager:download", "rank": 8}]}]}
ENVIRONMENT = {"HOME": "/home/pyodide", "DLNBOOK_EXPLORE": "callback", "DLNBOOK_SIZE": "live"}
OFF = ("@jupyter-notebook/notebook-extension:tab-icon",)  # its icons are not in JupyterLite


def program() -> Path:
    "JupyterLite without any notebook, built unless it is there."
    folder = CACHE / f"lite-{digest([LOCK, Path(__file__)])}"
    if not folder.exists():
        for old in CACHE.glob("lite-*"):
            shutil.rmtree(old)
        fresh = folder.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        command = [str(Path(sys.executable).with_name("jupyter")), "lite", "build", "--output-dir", str(fresh), "--no-sourcemaps", "--no-unused-shared-packages"]
        for app in APPS:
            command += ["--apps", app]
        with tempfile.TemporaryDirectory() as workshop:
            done = subprocess.run(command, cwd=workshop, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"jupyter lite build failed:\n{done.stdout}\n{done.stderr}")
        _keep_our_extensions(fresh)
        for app in APPS:
            _name_icon(fresh / app / "index.html")
        fresh.rename(folder)
    return folder


def _keep_our_extensions(folder: Path) -> None:
    "Drop the extensions that happen to be installed on this machine; they look for a server."
    settings = json.loads((folder / "jupyter-lite.json").read_text(encoding="utf-8"))
    data = settings["jupyter-config-data"]
    for each in data["federated_extensions"]:
        if each["name"] not in EXTENSIONS:
            shutil.rmtree(folder / "extensions" / each["name"])
    data["federated_extensions"] = [each for each in data["federated_extensions"] if each["name"] in EXTENSIONS]
    (folder / "jupyter-lite.json").write_text(json.dumps(settings), encoding="utf-8")


def _name_icon(page: Path) -> None:
    "Give a page the book's icon; without one a browser asks for a file that is not there."
    icon = '<link rel="icon" href="../../_static/favicon.svg" type="image/svg+xml">'
    page.write_text(page.read_text(encoding="utf-8").replace("</head>", icon + "</head>", 1), encoding="utf-8")


def place(target: Path, manifest: dict[str, Any], plain: Path) -> None:
    "Put JupyterLite and the notebooks, which are in the folder `plain`, into a folder beside pyodide/."
    place_tree(program(), target)
    _configure(target / "jupyter-lite.json", manifest)
    _list(target, "", [_entry(name, name, "directory", None) for name in ("nbs", "benchmarks")])
    _list(target, "nbs", [_copy(book.path, plain / book.path.name, target) for book in read_all() if (plain / book.path.name).exists()])
    _list(target, "benchmarks", [_entry("results", "benchmarks/results", "directory", None)])
    _list(target, "benchmarks/results", [_copy_result(path, target) for path in KEPT])


def _configure(path: Path, manifest: dict[str, Any]) -> None:
    "Tell JupyterLite where Pyodide is, and what to load with it."
    settings = json.loads(path.read_text(encoding="utf-8"))
    data = settings["jupyter-config-data"]
    data |= {"appName": "Backprop", "disabledExtensions": list(OFF), "exposeAppInBrowser": True}
    data["settingsOverrides"] = {"@jupyterlab/mainmenu-extension:plugin": MENU}
    data.setdefault("litePluginSettings", {}).setdefault(KERNEL, {}).update(
        pyodideUrl="../../pyodide/pyodide.js",  # from the page of an app
        disablePyPIFallback=True,
        loadPyodideOptions={"packages": manifest["notebook"], "env": ENVIRONMENT},
    )
    path.unlink()  # it may be a link to the cached one
    path.write_text(json.dumps(settings), encoding="utf-8")


def _copy(path: Path, plain: Path, target: Path) -> dict[str, Any]:
    "Copy a notebook, with the kernel that is there, or a dialog would ask for one; return its entry in the list of files."
    notebook = json.loads(plain.read_text(encoding="utf-8"))
    notebook["metadata"]["kernelspec"] = {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}
    goal = target / "files" / "nbs" / path.name
    goal.parent.mkdir(parents=True, exist_ok=True)
    goal.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")
    os.utime(goal, ns=(path.stat().st_mtime_ns,) * 2)
    return _entry(path.name, f"nbs/{path.name}", "notebook", goal.stat().st_size)


def _copy_result(path: Path, target: Path) -> dict[str, Any]:
    "Copy a file that chapters read; return its entry in the list of files."
    name = str(path.relative_to(ROOT))
    (target / "files" / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, target / "files" / name)
    return _entry(path.name, name, "file", path.stat().st_size)


def _entry(name: str, path: str, kind: str, size: int | None) -> dict[str, Any]:
    "A file or folder as Jupyter's contents interface describes it."
    time = "2026-01-01T00:00:00Z"  # the same for the same book
    return {
        "name": name, "path": path, "type": kind, "size": size, "writable": True, "content": None,
        "created": time, "last_modified": time, "format": "json", "mimetype": None,
    }  # fmt: skip


def _list(target: Path, folder: str, entries: list[dict[str, Any]]) -> None:
    "Write the list of a folder's files where JupyterLite looks for it."
    path = target / "api" / "contents" / folder / "all.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_entry(Path(folder).name, folder, "directory", None) | {"content": entries}), encoding="utf-8")
