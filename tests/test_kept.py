"Results that are kept: each belongs to its recipe and to the library as they are; what makes them stale, and what does not."

import importlib
import json
import math

import numpy as np
import pytest
from conftest import ROOT

import benchmarks
from benchmarks import Experiment, differences, digest_of_code, plain
from book.notebooks import chapters, kept_files
from dlnbook.network import Network

MODULES = [importlib.import_module(f"benchmarks.{path.stem}") for path in sorted((ROOT / "benchmarks").glob("[a-z]*.py"))]
EXPERIMENTS = [module.EXPERIMENT for module in MODULES if hasattr(module, "EXPERIMENT")]


@pytest.fixture(params=EXPERIMENTS, ids=lambda each: each.name)
def experiment(request):
    return request.param


MEASUREMENTS = {"estimator", "flow", "larger_than_memory", "parallel", "training_step"}  # of times and memory, which belong to a machine


def test_every_file_of_results_has_a_recipe():
    assert {path.stem for path in benchmarks.RESULTS.glob("*.json")} == {each.name for each in EXPERIMENTS} | MEASUREMENTS


def test_a_chapter_that_shows_results_depends_on_their_file():
    shown = {path.stem: book.name for book in chapters() for path in kept_files(book.code)}
    assert shown.keys() - MEASUREMENTS == {each.name for each in EXPERIMENTS}


def test_kept_results_belong_to_the_code(experiment):
    reason = experiment.stale(experiment.kept())
    assert not reason, f"{reason}; benchmarks/README.md says what to do"


def test_kept_results_are_whole(experiment):
    kept, parts = experiment.kept(), list(experiment.parts(experiment.small))
    assert list(kept["results"]) == list(kept["made"]) == parts
    assert [name for name in kept["probe"] if name != "closer"] == parts
    for made in kept["made"].values():
        assert made["seconds"] > 0 and {"processor", "python"} <= set(made["machine"])
    assert experiment.small.keys() == experiment.recipe.keys()


def test_a_change_of_what_the_library_computes_is_noticed(experiment, monkeypatch):
    "Every experiment trains networks: let them start a little elsewhere."
    kept, start = experiment.kept(), Network.__init__

    def elsewhere(network, *args, **kwargs):
        start(network, *args, **kwargs)
        network.parameters *= 1 + 1e-4

    monkeypatch.setattr(Network, "__init__", elsewhere)
    assert experiment.stale(kept).startswith("the probe, ")


# The mechanism

SOURCE = """
"A recipe of a few lines."
import math

def add(a, b):
    "The sum."
    return a + b  # both numbers
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    "An experiment of two parts in a place of its own; `at` says how it computes."
    monkeypatch.setattr(benchmarks, "RESULTS", tmp_path)
    (tmp_path / "sums.py").write_text(SOURCE, encoding="utf-8")
    at = {"add": lambda n: n / 3, "multiply": lambda n: [n, {"half": n / 2}], "times": 0}

    def parts(settings):
        def added():
            at["times"] += 1
            return {3: at["add"](settings["n"])}

        return {"add": added, "multiply": lambda: np.array(at["multiply"](settings["n"])[0] * np.ones(2))}

    return Experiment(str(tmp_path / "sums.py"), {"n": 100}, {"n": 2}, parts), at


def test_results_come_back_as_they_were_found(recipe, capsys):
    experiment, _ = recipe
    experiment.run()
    kept = experiment.kept()
    assert kept["results"] == {"add": {"3": 33.3333}, "multiply": [100.0, 100.0]}, "six digits, and what JSON makes of keys"
    assert kept["probe"]["add"] == {"3": 2 / 3}, "every digit"
    assert kept["command"] == "python -m benchmarks.sums" and kept["made"]["add"]["machine"]["versions"]["numpy"]
    assert "add: " in capsys.readouterr().out
    assert not experiment.stale(kept)


def test_what_makes_results_stale(recipe):
    experiment, at = recipe
    experiment.run()
    kept = experiment.kept()
    at["add"] = lambda n: n * (1 / 3)  # another way to the same number, up to rounding
    assert not experiment.stale(kept)
    at["add"] = lambda n: n / 3.00001
    assert experiment.stale(kept) == f"the probe, add, 3: was {2 / 3} and is {2 / 3.00001}"
    at["add"] = lambda n: n / 3
    experiment.recipe["n"] = 101
    assert experiment.stale(kept) == "the recipe has changed"
    experiment.recipe["n"] = 100
    place = benchmarks.RESULTS / "sums.py"
    place.write_text(SOURCE.replace("a + b  # both numbers", "a + 2 * b"), encoding="utf-8")
    assert experiment.stale(kept) == "the code of sums.py has changed"


def test_only_what_a_program_does_counts():
    same = 'from math import *\n\ndef add(a, b):\n    """Both together."""\n    return (a +\n            b)\n'
    assert digest_of_code(SOURCE) == digest_of_code(same)
    for other in (same.replace("+", "-"), same.replace("a, b", "a, b=1"), same + "add(1, 2)\n", same.replace("return (", 'return "sum" and (')):
        assert digest_of_code(SOURCE) != digest_of_code(other)
    assert digest_of_code('x = "a text"') != digest_of_code('x = "another"')


def test_a_part_is_left_only_if_it_still_belongs(recipe):
    experiment, at = recipe
    with pytest.raises(SystemExit, match="^no part divide; there are add, multiply$"):
        experiment.run("divide")
    experiment.run()
    before = experiment.kept()
    at["multiply"] = lambda n: [n + 1]
    experiment.run("multiply")
    kept = experiment.kept()
    assert kept["results"] == {"add": before["results"]["add"], "multiply": [101.0, 101.0]} and not experiment.stale(kept)
    assert kept["made"]["add"] == before["made"]["add"]
    at["add"] = lambda n: n / 4
    with pytest.raises(SystemExit, match="^add has to be run again, too: the probe of add, 3: was 0.66"):
        experiment.run("multiply")
    experiment.recipe["n"] = 101
    with pytest.raises(SystemExit, match="^the recipe has changed: all parts have to be run again$"):
        experiment.run("add")
    assert experiment.kept() == kept


def test_other_words_for_the_same_recipe_are_vouched_for_by_the_probe(recipe):
    experiment, at = recipe
    experiment.run()
    kept, times = experiment.kept(), at["times"]
    (benchmarks.RESULTS / "sums.py").write_text(SOURCE.replace("a + b", "b + a"), encoding="utf-8")
    assert experiment.stale(kept)
    experiment.run("none")
    assert not experiment.stale(experiment.kept()) and experiment.kept()["results"] == kept["results"]
    at["add"] = lambda n: -n
    with pytest.raises(SystemExit, match="^add has to be run again"):
        experiment.run("none")
    assert at["times"] == times + 3, "once in each probe, never at full size"


@pytest.mark.parametrize("kept, found, same", [
    (1.0, 1.0 + 1e-7, True), (1.0, 1.0 + 1e-5, False), (0.0, 1e-10, True), (0.0, 1e-8, False), (math.nan, math.nan, True),
    (math.inf, math.inf, True), (math.inf, 1e300, False), (1.0, 1, True), (3, 4, False), (1, True, False), (None, None, True), (None, 0.0, False),
    ("a", "b", False), ([1.0], [1.0, 2.0], False), ({"a": 1.0}, {"b": 1.0}, False), ({"a": [1.0, {"b": 2.0}]}, {"a": [1.0, {"b": 2.1}]}, False),
], ids=str)  # fmt: skip
def test_differences(kept, found, same):
    assert not list(differences(kept, found, "here")) == same


def test_plain_is_what_json_gives_back():
    found = {"a": np.float32(0.1), 2: (np.int64(3), np.array([[1.5]])), 0.5: [True, None, "text", 1 / 3]}
    assert plain(found) == json.loads(json.dumps(plain(found)))
    assert plain(1 / 3, digits=3) == 0.333 and plain([2, True], digits=1) == [2, True]


def test_a_file_is_written_whole_or_not_at_all(recipe, monkeypatch):
    experiment, _ = recipe
    experiment.run()
    before = (benchmarks.RESULTS / "sums.json").read_text(encoding="utf-8")
    monkeypatch.setattr("pathlib.Path.replace", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        experiment.run()
    assert (benchmarks.RESULTS / "sums.json").read_text(encoding="utf-8") == before
