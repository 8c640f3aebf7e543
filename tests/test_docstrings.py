"Every public function says what it takes, gives and refuses, and its example runs."

import doctest
import importlib
import inspect
import re

import pytest

from book.notebooks import read_all

MODULES = [book.module for book in read_all() if book.module not in (None, "dlnbook.__init__")]
PUBLIC = [
    pytest.param(getattr(module, name), id=f"{module.__name__}.{name}")
    for module in map(importlib.import_module, MODULES)
    for name in module.__all__
    if callable(getattr(module, name))
]
FUNCTIONS = [each for each in PUBLIC if inspect.isfunction(each.values[0])]
LABELS = {label for book in read_all() for label, _ in book.equations}


@pytest.mark.parametrize("thing", PUBLIC)
def test_there_is_a_docstring_that_names_only_real_equations(thing):
    text = inspect.getdoc(thing)
    assert text and text.splitlines()[0].endswith(".")
    assert set(re.findall(r"(?<![\w-])(?:eq|def)-[a-z0-9-]+", text)) <= LABELS


@pytest.mark.parametrize("function", FUNCTIONS)
def test_sections(function):
    text = inspect.getdoc(function)
    for section in ("Parameters", "Returns|Yields", "Raises", "Examples"):
        signature = inspect.signature(function)
        if section == "Returns|Yields" and signature.return_annotation in (None, "None"):
            continue
        if section in ("Parameters", "Raises") and not signature.parameters:
            continue
        assert re.search(rf"^(?:{section})\n-+$", text, re.MULTILINE), f"no section {section}"
    for name in inspect.signature(function).parameters:
        assert re.search(rf"^(?:\*\*|\*)?(?:\w+, )*{name}(?:, \w+)*(?: : |$)", text, re.MULTILINE) or f"**{name}" in text, name


@pytest.mark.parametrize("function", FUNCTIONS)
def test_annotations(function):
    signature = inspect.signature(function)
    missing = [name for name, each in signature.parameters.items() if each.annotation is inspect.Parameter.empty]
    assert not missing and signature.return_annotation is not inspect.Signature.empty, missing


@pytest.mark.parametrize("function", FUNCTIONS)
def test_array_parameters_state_their_shapes(function):
    text = inspect.getdoc(function)
    for line in re.findall(r"^\w[\w, ]* : .*(?:array|ndarray).*$", text, re.MULTILINE):
        assert re.search(r"shape|\(\w*,|\(\)|any", line), f"no shape: {line}"


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(recurse=True)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    examples = 0
    for test in finder.find(module):
        examples += len(test.examples)
        runner.run(test)
    assert examples and runner.summarize(verbose=False).failed == 0
