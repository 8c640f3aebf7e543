"The package as pip sees it: what is in it, what it asks for, and that NumPy is enough for it."

import configparser
import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile

import numpy
import pytest
from conftest import ROOT
from copies import project

pytestmark = pytest.mark.slow

UV = ROOT / ".venv" / "bin" / "uv"
BARE = "import sys, numpy, numpy.random\nprint(*sys.modules)"
FULL = "import sys, dlnbook{}\nprint(*sys.modules)"
MODULES = sorted(path.stem for path in (ROOT / "dlnbook").glob("*.py") if not path.stem.startswith("_") and path.stem != "estimator")  # that is scikit-learn's


def run(*command, **options):
    "What a command prints; its errors too if it fails."
    plain = {name: value for name, value in os.environ.items() if not name.startswith("DLNBOOK_")}
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, env=plain, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    "A source distribution made from a clean copy, and a wheel made from that."
    folder = tmp_path_factory.mktemp("packaging")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", project(folder / "project"))
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(dist):
    [path] = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as file:
        [name] = [name for name in file.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(file.read(name))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    "The Python of an environment that has NumPy and the wheel, and nothing else."
    home = tmp_path_factory.mktemp("clean") / "venv"
    run(UV, "venv", "-q", "--python", sys.executable, home)
    run(UV, "pip", "install", "-q", "--no-deps", "--python", home / "bin" / "python", wheel, f"numpy=={numpy.__version__}")
    return home / "bin" / "python"


@pytest.fixture
def says(python, tmp_path):
    "Runs code in the clean environment and returns what it prints."
    return lambda code: run(python, "-I", "-c", code, cwd=tmp_path).strip()


def test_the_wheel_holds_the_library_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        for name in names:
            if name.startswith("dlnbook/"):
                assert file.read(name) == (ROOT / name).read_bytes(), name
    library = {name for name in names if ".dist-info/" not in name}
    expected = {f"dlnbook/{path.name}" for path in (ROOT / "dlnbook").iterdir() if path.is_file()}
    assert library == expected
    assert {"dlnbook/digits.npz", "dlnbook/digits.txt", "dlnbook/py.typed"} < library
    assert any(name.endswith("LICENSE") for name in names - library)


def test_the_source_distribution_builds_by_itself(dist):
    [path] = dist.glob("*.tar.gz")  # the wheel was built from it
    with tarfile.open(path) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "dlnbook/digits.npz", "dlnbook/py.typed"} < names


def test_the_metadata(metadata, wheel):
    settings = configparser.ConfigParser()
    settings.read(ROOT / "settings.ini")
    assert metadata["Name"] == "dlnbook"
    assert metadata["Version"] == settings["DEFAULT"]["version"] == wheel.name.split("-")[1]
    assert metadata["Requires-Python"] == ">=3.11"
    required = metadata.get_all("Requires-Dist")
    assert [each for each in required if "extra ==" not in each] == ["numpy>=2.0"]
    assert {"figures", "book", "test", "peers"} <= set(metadata.get_all("Provides-Extra"))
    extras = {re.split(r"[^\w-]", each)[0] for each in required if re.search("extra == .figures.", each)}
    assert {"matplotlib", "ipywidgets"} <= extras
    assert not [each for each in required if "@" in each or "file:" in each], "a requirement is an address"


def test_the_version_stands_in_one_place(tmp_path):
    version = re.search(r"(?m)^version\s*=\s*(\S+)", (ROOT / "settings.ini").read_text())[1]
    stated = re.compile(rf"(?im)\bversion\b\W{{0,12}}{re.escape(version)}(?![\w.])")
    copy = project(tmp_path)
    files = [path for path in copy.rglob("*") if path.is_file() and not path.name.endswith((".lock", "-lock.json", ".npz"))]
    places = {str(path.relative_to(copy)) for path in files if stated.search(path.read_text(encoding="utf-8", errors="ignore"))}
    generated = {"dlnbook/__init__.py"}  # by nbdev, from settings.ini
    assert places - generated == {"settings.ini"}


def test_the_version_is_the_packages_own(says, metadata):
    assert says("import dlnbook; print(dlnbook.__version__)") == metadata["Version"]


@pytest.mark.parametrize("where", ["clean", "full"])
@pytest.mark.parametrize("modules", ["", "".join(f", dlnbook.{name}" for name in MODULES)], ids=["front door", "all modules"])
def test_importing_loads_numpy_alone(python, where, modules):
    interpreter = python if where == "clean" else sys.executable
    bare, full = (run(interpreter, "-c", code).split() for code in (BARE, FULL.format(modules)))
    added = {name.partition(".")[0] for name in full} - {name.partition(".")[0] for name in bare}
    foreign = {name for name in added - sys.stdlib_module_names if "dlnbook" not in name}
    assert not foreign


def test_every_name_of_the_front_door_opens(says):
    opened = says("import dlnbook\nfor name in dir(dlnbook):\n    if name[0] != '_' and callable(getattr(dlnbook, name)):\n        print(name)")
    assert {"digits", "softmax", "descend", "check_gradient"} <= set(opened.split())
    assert says("from dlnbook import softmax; print(softmax([0.0, 0.0]))") == "[0.5 0.5]"


def test_the_digits_are_there(says):
    assert says("import dlnbook; X, labels = dlnbook.digits(); print(X.shape, int(16 * X.sum()), int(labels.sum()))") == "(1797, 64) 561718 8070"


def test_only_drawing_asks_for_matplotlib(says):
    assert says("""
from dlnbook.figures import Picture, figure, layers
print(len(layers([2, 3], ["x", "a"])[1]), Picture("<svg></svg>", alt="Nothing."))

@figure()
def line(ax):
    return "A line."

try:
    line()
except ImportError as error:
    print(error.name)
""").splitlines() == ["6 Picture: Nothing.", "matplotlib"]


def test_only_exploring_asks_for_ipywidgets(says):
    assert says("""
import os
from dlnbook.figures import Picture
from dlnbook.page import explore, glue, progress, sized

glue("number", 1)
print(sized(full=3, book=2, live=1), sum(progress([1, 2], "adding")))
try:
    explore(lambda x: Picture("<svg></svg>", alt="Nothing."), x=[1, 2])
except ImportError as error:
    print(error.name)
os.environ["DLNBOOK_EXPLORE"] = "probe"
print(explore(lambda x: Picture("<svg></svg>", alt="Nothing."), x=[1, 2]))
""").splitlines() == ["2 3", "ipywidgets", "None"]


def test_what_is_shipped_says_where_the_digits_come_from(wheel):
    with zipfile.ZipFile(wheel) as file:
        text = file.read("dlnbook/digits.txt").decode()
    assert "Alpaydin" in text and "CC BY 4.0" in text


def test_what_is_printed_survives_a_terminal_with_ascii_alone():
    told = """
        import numpy as np
        from dlnbook import Network, Node, Scaling, check_gradient, fit
        net = Network((2, 3, 2), rng=0)
        x = Node([1.0, 2.0])
        print(net, x, x * x, Scaling.of(np.eye(2)), fit(net, np.eye(2), [0, 1], epochs=1, batch_size=1, eta=0.1, rng=0))
        f = lambda p: (p[0] ** 2).sum()
        print(check_gradient(f, lambda p: [2 * p[0]], [np.ones(2)]), check_gradient(f, lambda p: [p[0]], [np.ones(2)]))
        import benchmarks  # which print µ and ×
        print("5 µs ×")
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(line.strip() for line in told.splitlines())],
        cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout.isascii(), done.stderr
