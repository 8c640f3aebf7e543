"A copy of the project in which a test may build, break and install things."

import shutil
import subprocess
from pathlib import Path

from conftest import ROOT


def project(folder: Path) -> Path:
    "Copy what git tracks or would track into a folder: the project as somebody else gets it."
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder
