"""The library and the chapters with the oldest NumPy, Matplotlib and scikit-learn they promise to work with.

The first two are the browser's too. The environment is made from its own lock, and kept as long as that stays the same.
"""

import os
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from conftest import ROOT

from book.notebooks import digest, read_all

LOCK = ROOT / "requirements-oldest.lock"
FILES = ["tests/whole_chapters.py", "tests/test_docstrings.py", "tests/test_bad_input.py", "tests/test_estimator.py"]


def interpreter():
    "The Python of the oldest environment; the library itself is not installed there."
    home = ROOT / "_build" / "oldest" / digest([LOCK])
    python, mark = home / "bin" / "python", home / "complete"
    if not mark.exists():
        shutil.rmtree(home.parent, ignore_errors=True)
        uv = ROOT / ".venv" / "bin" / "uv"
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, home], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", LOCK], check=True)
        mark.touch()
    return python


@pytest.mark.slow
def test_everything_passes_there_in_the_size_that_the_browser_runs(tmp_path):
    python = interpreter()
    code = "import matplotlib, numpy, sklearn; print(numpy.__version__, matplotlib.__version__, sklearn.__version__)"
    of_numpy, of_matplotlib, of_sklearn = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert of_numpy.startswith("2.0.") and of_matplotlib.startswith("3.8.") and of_sklearn.startswith("1.6.")

    own = ("PYTEST_", "PYTHON", "DLNBOOK_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    environment |= {"PYTHONPATH": str(ROOT), "DLNBOOK_SIZE": "live"}
    report = tmp_path / "report.xml"
    command = [python, "-B", "-m", "pytest", "-q", "--disable-warnings", "-p", "no:cacheprovider", f"--junitxml={report}", *FILES]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    [suite] = ElementTree.parse(report).getroot().iter("testsuite")
    assert int(suite.get("skipped")) == 0
    files = [case.get("classname") for case in suite.iter("testcase")]
    assert files.count("tests.whole_chapters") == len(read_all())
    assert files.count("tests.test_docstrings") > 100
    assert files.count("tests.test_bad_input") > 500
    assert files.count("tests.test_estimator") > 20  # all of scikit-learn's own checks among them
