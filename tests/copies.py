"A copy of the project in which a test may build, break and install things."

import os
import shutil
import subprocess
from pathlib import Path

from conftest import ROOT

MADE = {".git", ".venv", "node_modules", "_build", "build", "dist", "__pycache__", ".pytest_cache", ".hypothesis", ".ipynb_checkpoints", ".jupyter_cache"}


def listed() -> list[str]:
    "What git tracks or would track; outside of git, as in an unpacked archive, everything but what is made here."
    if (ROOT / ".git").exists():
        done = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, encoding="utf-8",
        )  # fmt: skip
        return [name for name in done.stdout.split("\0") if name]
    names = []
    for folder, inner, files in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in MADE and not name.endswith(".egg-info")]
        names += [os.path.relpath(os.path.join(folder, name), ROOT) for name in files]
    return names


def project(folder: Path) -> Path:
    "Copy the project as somebody else gets it into a folder."
    for name in listed():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder
