"What type checkers see of the library: a file of calls, right ones and wrong ones."

import json
import re
import subprocess
import sys

import pytest
from conftest import ROOT

CALLS = ROOT / "tests" / "calls.py"
WRONG = {number for number, line in enumerate(CALLS.read_text().splitlines(), 1) if line.endswith("# wrong")}


def mypy(folder):
    "The lines at which mypy finds an error."
    command = [sys.executable, "-m", "mypy", "--no-incremental", f"--cache-dir={folder}", "--follow-imports=silent", str(CALLS)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    assert "checked 1 source file" in said, said
    return {int(number) for number in re.findall(r"calls\.py:(\d+): error", said)}


def pyright(folder):
    "The lines at which Pyright finds an error."
    command = ["node", str(ROOT / "node_modules/pyright/index.js"), "--outputjson", "--pythonpath", sys.executable, str(CALLS)]
    said = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout)
    assert said["summary"]["filesAnalyzed"] == 1, said
    return {each["range"]["start"]["line"] + 1 for each in said["generalDiagnostics"] if each["severity"] == "error"}


@pytest.mark.slow
@pytest.mark.parametrize("checker", [mypy, pyright], ids=lambda checker: checker.__name__)
def test_right_calls_are_right_and_wrong_ones_wrong(checker, tmp_path):
    assert len(WRONG) == 14 and checker(tmp_path) == WRONG
