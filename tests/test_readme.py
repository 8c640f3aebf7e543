"The README's promises: its example runs, its commands exist, its names are the front door's."

import contextlib
import io
import re

import dlnbook
from conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_reads_digits():
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(code, "README.md", "exec"), {})
    assert float(re.match(r"([\d.]+)% of the test digits", said.getvalue())[1]) > 96


def test_the_commands_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", README)) <= targets


def test_the_names_are_the_front_doors():
    line = re.search(r"The names at the front door: (.*)\.\n", README)[1]
    assert set(re.findall(r"`(\w+)`", line)) == set(dlnbook._MODULE_OF)


def test_pictures_and_links_are_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
