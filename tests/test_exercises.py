"""The exercises that a reader writes: every stub says that it is one, every solution is right, every slip is named.

Of a chapter only the cells are run that its exercises need.
"""

import ast
import builtins
import json
import re
import symtable
import sys

import pytest
from chapters import Session, at_home

from book.notebooks import imported_modules, partly_live, read_all
from dlnbook.exercises import EXERCISES

BOOKS = [book for book in read_all() if any(cell.has("exercise") for cell in book.cells)]
STUBS = {name: (book, index) for book in BOOKS for index, cell in enumerate(book.cells) for name in cell.arguments("exercise")}

# other ways to write what is right, and slips as a reader writes them with the words that tell them
ALSO_RIGHT = {
    "my_order": [
        """
def my_order(M, b, w, rng):
    order = np.array([b * k + i for k in rng.permutation(-(-M // b)) for i in range(b)])
    order = order[order < M]
    for first in range(0, M, w * b):
        rng.shuffle(order[first : first + w * b])
    return order
""",
        """
def my_order(M, b, w, rng):
    starts, order = list(range(0, M, b)), []
    rng.shuffle(starts)
    while starts:
        window = [row for start in starts[:w] for row in range(start, min(start + b, M))]
        starts = starts[w:]
        order += sorted(window, key=lambda row: rng.random())
    return order
""",
    ],
    "my_bracket": [
        """
def my_bracket(mine, B, n, gradient, theta, alpha):
    rows = np.zeros(len(theta)) if len(mine) == 0 else len(mine) * gradient(mine)
    return rows / B + alpha / n * theta
""",
        """
def my_bracket(mine, B, n, gradient, theta, alpha):
    if not mine.size:
        return np.zeros_like(theta)
    return (gradient(mine) + alpha * theta) * mine.size / B
""",
        """
def my_bracket(mine, B, n, gradient, theta, alpha):
    return sum((gradient([row]) / B for row in mine), alpha * theta / n)
""",
    ],
    "to_torch": [
        """
def to_torch(arrays):
    found = {}
    for name, array in arrays.items():
        layer, kind = name.split("/")
        part = 2 * int(layer[6:] or 0)
        found[f"{part}.{'weight' if kind == 'kernel' else 'bias'}"] = np.ascontiguousarray(array.T)
    return found
""",
        """
def to_torch(arrays):
    W, b, r = [], [], 0
    while (name := f"dense_{r}" if r else "dense") + "/bias" in arrays:
        W.append(np.swapaxes(arrays.pop(f"{name}/kernel"), 0, 1))
        b.append(arrays.pop(f"{name}/bias"))
        r += 1
    return {f"{2 * i}.{kind}": each[i] for i in range(r) for kind, each in (("weight", W), ("bias", b))}
""",
    ],
    "my_patience": [
        """
def my_patience(V, T, p):
    V = [np.inf if loss != loss else loss for loss in V]
    best = [min(range(e), key=V.__getitem__) + 1 for e in range(1, len(V) + 1)]
    s = next((e for e, k in enumerate(best, 1) if e - k >= p), len(V))
    k = best[s - 1]
    return [s, k, min(T[:s]) - min(T), T[k - 1] - min(T[:s])]
""",
    ],
    "my_bend": [
        """
def my_bend(gradient, theta, v, h):
    size = np.linalg.norm(v)
    unit = v / size
    per_unit = (gradient(theta + h * unit) - gradient(theta - h * unit)) / h / 2
    return size * per_unit, unit @ per_unit
""",
    ],
    "my_weighing": [
        """
def my_weighing(y, own, G):
    y, names = list(y), set(y)
    c = np.array([w * len(y) / len(names) / y.count(name) for name, w in zip(y, own)])
    return c, np.average(G, axis=0, weights=c)
""",
        """
def my_weighing(y, own, G):
    same = y[:, None] == y
    gamma = len(y) / len(np.unique(y)) / same.sum(axis=1)
    c = gamma * own
    return [c, sum(c_m * g for c_m, g in zip(c, G)) / c.sum()]
""",
    ],
}
AS_WRITTEN = {
    "my_patience": [
        (
            "def my_patience(V, T, p):\n    waited = 0\n    for e in range(1, len(V)):\n        waited = 0 if V[e] < V[e - 1] else waited + 1\n        if waited == p:\n            break\n"
            "    k = int(np.nanargmin(V[: e + 1]))\n    return e + 1, k + 1, min(T[: e + 1]) - min(T), T[k] - min(T[: e + 1])",
            "an epoch counts as better if it is better than the one before it",
        ),
        (
            "def my_patience(V, T, p):\n    for s in range(1, len(V) + 1):\n        k = int(np.argmin(V[:s])) + 1\n        if s - k >= p:\n            break\n    return s, k, min(T[:s]) - min(T), T[k - 1] - min(T[:s])",
            "NaN is taken for the least loss",
        ),
        (
            "def my_patience(V, T, p):\n    least, k = V[0], 1\n    for s in range(1, len(V) + 1):\n        if V[s - 1] < least:\n            least, k = V[s - 1], s\n        if s - k >= p:\n            break\n"
            "    return s, k, min(T[:s]) - min(T), T[k - 1] - min(T[:s])",
            "nothing is less than the first loss, if that is NaN",
        ),
        (
            "def my_patience(V, T, p):\n    least, k = np.inf, 0\n    for s in range(1, len(V) + 1):\n        if V[s - 1] < least:\n            least, k = V[s - 1], s\n        if s - k > p:\n            break\n"
            "    return s, k, min(T[:s]) - min(T), T[k - 1] - min(T[:s])",
            "it waits one epoch too long",
        ),
        (
            "def my_patience(V, T, p):\n    least, k = np.inf, 0\n    for s in range(1, len(V) + 1):\n        if V[s - 1] <= least:\n            least, k = V[s - 1], s\n        if s - k >= p:\n            break\n"
            "    return s, k, min(T[:s]) - min(T), T[k - 1] - min(T[:s])",
            "a tie counts as a new least",
        ),
        (
            "def my_patience(V, T, p):\n    least, k = np.inf, 0\n    for s in range(1, len(V) + 1):\n        if V[s - 1] < least:\n            least, k = V[s - 1], s\n        if s - k >= p:\n            break\n"
            "    return s, s, min(T[:s]) - min(T), T[s - 1] - min(T[:s])",
            "the last epoch is kept, not the best",
        ),
    ],
    "my_bend": [
        ("def my_bend(gradient, theta, v, h):\n    g = gradient(theta)\n    Hv = (gradient(theta + h * v) - g) / h\n    return Hv, Hv @ v / np.linalg.norm(v) ** 2", "it steps to one side only, the side of v"),
        (
            "def my_bend(gradient, theta, v, h):\n    v = v / np.linalg.norm(v)\n    Hv = (gradient(theta + h * v) - gradient(theta - h * v)) / (2 * h)\n    return Hv, v @ Hv",
            "Hv belongs to v shortened to length 1",
        ),
        (
            "def my_bend(gradient, theta, v, h):\n    Hv = (gradient(theta + h * v) - gradient(theta - h * v)) / 2 / h\n    return Hv, sum(v * Hv)",
            "the curvature is not divided by v·v",
        ),
        (
            "def my_bend(gradient, theta, v, h):\n    Hv = (gradient(theta + h * v) - gradient(theta - h * v)) / h\n    return Hv, (v @ Hv) / (v @ v)",
            "the difference is divided by h, not by 2h",
        ),
    ],
    "my_bracket": [
        ("def my_bracket(mine, B, n, gradient, theta, alpha):\n    return gradient(mine) / n + alpha * theta / n", "it is a mean of the ranks' means; and a rank without rows adds NaN"),
        (
            "def my_bracket(mine, B, n, gradient, theta, alpha):\n    if len(mine) == 0:\n        return 0 * theta\n    return len(mine) / B * gradient(mine) + alpha * theta",
            "the penalty counts once for each rank; and a rank without rows leaves out its share of the penalty",
        ),
        ("def my_bracket(mine, B, n, gradient, theta, alpha):\n    return len(mine) / B * gradient(mine) + alpha * theta / n", "a rank without rows adds NaN"),
    ],
    "to_torch": [
        (
            "def to_torch(arrays):\n    found = {}\n    for r, layer in enumerate(sorted({name.split('/')[0] for name in arrays})):\n"
            "        found[f'{2 * r}.weight'] = arrays[layer + '/kernel'].T\n        found[f'{2 * r}.bias'] = arrays[layer + '/bias']\n    return found",
            "the layers are sorted as texts",
        ),
        (
            "def to_torch(arrays):\n    name = lambda r: f'dense_{r}' if r else 'dense'\n    W = {f'{2 * r}.weight': arrays[name(r) + '/kernel'] for r in range(len(arrays) // 2)}\n"
            "    return W | {f'{2 * r}.bias': arrays[name(r) + '/bias'] for r in range(len(arrays) // 2)}",
            "the kernels are not turned",
        ),
    ],
    "my_weighing": [
        (
            "def my_weighing(y, own, G):\n    names, k, sizes = np.unique(y, return_inverse=True, return_counts=True)\n    c = own * len(y) / len(names) / sizes[k]\n    return c, (c[:, None] * G).mean(axis=0)",
            "the gradient is divided by M, not by what all samples count",
        ),
        (
            "def my_weighing(y, own, G):\n    c = np.array([own[m] / (y == y[m]).sum() for m in range(len(y))])\n    return c, c @ G / c.sum()",
            "the factors are 1/M_k: the classes weigh the same, but the mean weight is not 1",
        ),
    ],
    "my_order": [
        ("def my_order(M, b, w, rng):\n    return rng.permutation(M)", "a window has rows of more than w blocks, as in a full shuffle"),
        (
            "def my_order(M, b, w, rng):\n    k = rng.permutation(-(-M // b))\n    rows = (b * k[:, None] + np.arange(b)).ravel()\n    return rows[rows < M]",
            "the rows of a window are not shuffled: each block comes as a whole",
        ),
        (
            "def my_order(M, b, w, rng):\n    k = rng.permutation(M // b)\n    rows = (b * k[:, None] + np.arange(b)).ravel()\n"
            "    return np.concatenate([rng.permutation(rows[i : i + w * b]) for i in range(0, len(rows), w * b)])",
            "the short block at the end of the file is left out",
        ),
    ],
}
OTHERS = {"wrong numbers": lambda *args, **how: 0.123, "nothing": lambda *args, **how: None}


def _binds(source):
    "The names that a cell defines."
    nodes = [node for each in ast.parse(source).body for node in _here(each)]
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    return names | {(each.asname or each.name).partition(".")[0] for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for each in node.names}


def _here(node):
    "The nodes of a statement outside the functions that it defines."
    yield node
    if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
        for child in ast.iter_child_nodes(node):
            yield from _here(child)


def _asks(source):
    "The names that a cell uses and does not define."
    todo, names = [symtable.symtable(source, "a cell", "exec")], set()
    while todo:
        table = todo.pop()
        todo += table.get_children()
        names |= {each.get_name() for each in table.get_symbols() if each.is_referenced() and (each.is_global() or table.get_type() == "module")}
    return names - _binds(source) - set(dir(builtins))


def needed(book, index):
    "The cells above one that it needs: what the chapter exports, and for each name the last that defines it."
    found, todo = {i for i in range(index) if book.cells[i].has("export")}, [index]
    while todo:
        for name in _asks(book.cells[(at := todo.pop())].source):
            above = [i for i in range(at) if book.cells[i].runs and name in _binds(book.cells[i].source)]
            if above and above[-1] not in found:
                found.add(above[-1])
                todo.append(above[-1])
    return sorted(found)


def declaration(book, index):
    "The nearest cell above a stub that declares its exercise."
    [name] = book.cells[index].arguments("exercise")
    return max(i for i in range(index) if re.search(rf'\bExercise\(\s*"{name}"', book.cells[i].source))


def solution(book, index):
    "The first cell below a stub that defines the same name."
    [name] = book.cells[index].arguments("exercise")
    return min(i for i in range(index + 1, len(book.cells)) if book.cells[i].runs and name in _binds(book.cells[i].source))


@pytest.fixture(scope="module")
def sessions():
    "A session for each chapter, in which its exercises are declared."
    found = {}
    for book in BOOKS:
        wanted = {declaration(book, index) for name, (home, index) in STUBS.items() if home is book}
        cells = sorted({each for index in wanted for each in needed(book, index)} | wanted)
        found[book.name] = session = Session(book)
        with at_home():
            for index in cells:
                session.run(index)
    return found


@pytest.fixture
def session(sessions, name):
    return sessions[STUBS[name][0].name]


@pytest.mark.parametrize("name", STUBS)
def test_the_stub_says_that_it_is_one(session, name):
    book, index = STUBS[name]
    session.run(index)
    told = EXERCISES[name].judged(session.namespace[name])
    assert told.state == "unwritten" and str(told).startswith("Not written yet.") and f"`{name}`" in told.words
    assert told.hints == tuple(EXERCISES[name].hints) and 2 <= len(told.hints) <= 5


@pytest.mark.parametrize("name", STUBS)
def test_the_solution_is_right_and_waits_in_a_fold(session, name):
    book, index = STUBS[name]
    place = solution(book, index)
    code = book.cells[place].source
    session.run(place, "\n".join(ast.unparse(node) for node in ast.parse(code).body if name in _binds(ast.unparse(node))))
    told = EXERCISES[name].judged(session.namespace[name])
    assert told and told.state == "right" and not told.hints, str(told)
    assert f"check({name}" in code
    assert json.loads(book.path.read_text())["cells"][place]["metadata"]["jupyter"] == {"source_hidden": True}


@pytest.mark.parametrize("name", STUBS)
def test_every_slip_is_named_and_has_its_hint(session, name):
    exercise = EXERCISES[name]
    assert len(exercise.slips) >= 5
    hints = {slip.says: slip.hint for slip in exercise.slips}
    for slip in exercise.slips:
        told = exercise.judged(slip.program)
        assert (told.state, told.words, told.hints) == ("named", slip.says, (hints[slip.says],)), f"{slip.says}: {told}"


def _written(session, name, source):
    "What a session's exercise says of a program that is given as text."
    exec(source, namespace := dict(session.namespace))
    return EXERCISES[name].judged(namespace[name])


@pytest.mark.parametrize(("name", "source"), [(name, source) for name, sources in ALSO_RIGHT.items() for source in sources])
def test_what_is_right_in_another_way_is_right(session, name, source):
    told = _written(session, name, source)
    assert told.state == "right", str(told)


@pytest.mark.parametrize(("name", "source", "words"), [(name, *each) for name, all_of_it in AS_WRITTEN.items() for each in all_of_it])
def test_a_slip_is_told_however_it_is_written(session, name, source, words):
    told = _written(session, name, source)
    assert (told.state, told.words) == ("named", words)


@pytest.mark.parametrize("name", STUBS)
@pytest.mark.parametrize("other", OTHERS)
def test_what_is_on_no_list_is_not_named(session, name, other):
    told = EXERCISES[name].judged(OTHERS[other])
    assert told.words and not told
    assert told.state in ("unknown", "stopped") or told.words.startswith("nothing has "), "and nothing it has done"


@pytest.mark.parametrize("book", partly_live(), ids=lambda book: book.name)
def test_where_a_page_needs_more_its_exercises_run_without(book):
    "The cells that come alive need no others, and no package but NumPy."
    alive = [index for index, cell in enumerate(book.cells) if cell.has("live")]
    code = "\n".join(book.cells[index].source for index in alive)
    assert not imported_modules(code) & {each.module.removeprefix("dlnbook.") for each in read_all() if each.needs}
    roots = {(node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0] for node in ast.walk(ast.parse(code)) if isinstance(node, (ast.Import, ast.ImportFrom))}
    assert roots <= {"numpy", "dlnbook"} | sys.stdlib_module_names
    session = Session(book)
    with at_home():
        for index in alive:
            session.run(index)
    assert all(book.cells[index].has("live") for name, (home, index) in STUBS.items() if home is book)


def test_there_are_enough_and_no_two_have_one_name():
    assert len(STUBS) == sum(cell.has("exercise") for book in BOOKS for cell in book.cells)
    assert len(STUBS) >= 3
