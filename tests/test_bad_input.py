"""What a public function does with input it can't use: it says which parameter, what was expected and what came.

A row names a function, a parameter, a bad value for it, the kind of error, what the message must say was
expected, and what it must say came. The other arguments are good ones.
"""

import contextlib
import gzip
import inspect
import re
from types import GeneratorType

import numpy as np
import pytest

from dlnbook import chain, data, descent, figures, gradcheck, loss, numeric, page, scale

MODULES = [data, scale, loss, descent, numeric, gradcheck, chain, figures, page]


class Canvas:
    "Axes that draw nothing, and count how often they are asked to."

    asked = 0

    def __getattr__(self, name):
        self.asked += 1
        return lambda *args, **kwargs: None


class Sparse:
    "What all sparse matrices and arrays of SciPy have in common."

    nnz = 1

    def toarray(self):
        raise AssertionError("an array as large as memory allows")


def slope(parameters, X, T):
    "The gradient of the mean of ½(w·x − t)², for descend."
    [w] = parameters
    return [(X @ w - T) @ X / len(X)]


def square(parameters):
    "A function with a gradient, for the differences."
    return (parameters[0] ** 2).sum()


def picture(**values):
    "An explorable's drawing function."
    return figures.Picture("<svg></svg>", alt="Nothing.")


def good():
    "Arguments that each public function accepts, made anew."
    rng = np.random.default_rng(0)
    A, T = np.array([[1.0, 0.0, 2.0], [3.0, 1.0, 0.0]]), np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    W, b, X = np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]]), np.array([0.0, 1.0, 2.0]), np.array([[1.0, 2.0], [3.0, 0.0]])
    table, labels, pair = np.array([[1.0, 5.0, 2.0], [3.0, 4.0, 2.0], [0.0, 1.0, 2.0], [1.0, 1.0, 2.0]]), np.array([0, 1, 0, 1]), [np.array([1.0, 2.0])]
    widths, difference = [2, 3, 2], {"f": square, "parameters": pair, "epsilon": None}
    return {
        data.split: {"X": table, "labels": labels, "test": 0.5, "rng": rng},
        data.standardize: {"train": table, "others": (table[:2] + 1,)},
        data.read_idx: {"path": __file__},
        data.moons: {"samples": 4, "noise": 0.1, "rng": rng},
        data.spirals: {"samples_per_class": 4, "classes": 3, "noise": 0.1, "rng": rng},
        scale.parameter_count: {"widths": widths},
        scale.forward_flops: {"widths": widths, "batch": 2},
        scale.brute_force_flops: {"widths": widths, "batch": 2},
        scale.parameter_bytes: {"widths": widths, "dtype": "float32"},
        scale.activation_bytes: {"widths": widths, "batch": 2, "dtype": "float32"},
        loss.softmax: {"A": A},
        loss.log_softmax: {"A": A},
        loss.cross_entropy: {"A": A, "T": T},
        loss.sigmoid: {"a": A},
        loss.one_hot: {"labels": labels, "K": 2},
        loss.linear_scores: {"W": W, "b": b, "X": X},
        loss.hidden_scores: {"W1": W, "b1": b, "W2": W.T.copy(), "b2": b[:2], "X": X, "f": np.tanh},
        loss.linear_gradient: {"W": W, "b": b, "X": X, "T": T},
        loss.accuracy: {"A": A, "labels": np.array([2, 1])},
        descent.update: {"parameters": pair, "gradients": [np.array([3.0, 1.0])], "eta": 0.5},
        descent.batches: {"samples": 5, "batch_size": 2, "rng": rng},
        descent.descend: {
            "parameters": [np.array([0.0, 0.0])], "gradient": slope, "X": X, "T": np.array([1.0, 2.0]), "eta": 0.25,
            "batch_size": 1, "epochs": 2, "rng": rng, "on_epoch": None, "optimizer": descent.update,
        },
        numeric.disagreement: {"f": square, "gradient": [2 * pair[0]], "parameters": pair, "rng": rng, "directions": 2},
        numeric.forward_difference: difference,
        numeric.central_difference: difference,
        numeric.complex_step: difference,
        numeric.directional_difference: difference | {"direction": [np.array([1.0, 1.0])], "method": "central"},
        gradcheck.check_gradient: {
            "f": square, "gradient": [2 * pair[0]], "parameters": pair, "rng": rng,
            "directions": 2, "coordinates": 2, "tolerance": None, "promote": False,
        },
        chain.Link: {"forward": np.sin, "jvp": lambda x, V: V * np.cos(x), "vjp": lambda x, G: G * np.cos(x)},
        chain.affine: {"W": W, "b": b},
        chain.elementwise: {"f": np.sin, "df": np.cos},
        chain.compose: {"links": (chain.affine(W, b), chain.elementwise(np.sin, np.cos))},
        chain.jacobian_cost: {"widths": [2, 3, 1], "order": "reverse"},
        chain.jacobian: {"link": chain.affine(W, b), "x": X[0], "order": "auto"},
        chain.softmax_jacobian: {"A": A},
        chain.softmax_vjp: {"A": A, "G": A + 1},
        chain.cross_entropy_gradient: {"A": A, "T": T},
        figures.Picture: {"svg": "<svg></svg>", "alt": "Nothing."},
        figures.figure: {"width": 2.0, "height": 1.0, "rows": 1, "columns": 1, "subplots": {"sharex": True}},
        figures.shade: {"color": figures.palette.blue},
        figures.diverging: {"negative": figures.palette.blue, "positive": figures.palette.orange},
        figures.draw_image: {"ax": Canvas(), "image": A, "cmap": None, "limit": None},
        figures.draw_graph: {
            "ax": Canvas(), "nodes": {"x": (0, 0), "y": (2, 0)}, "wires": [("x", "y", "3", "1")],
            "labels": {"x": "in"}, "radius": 0.3,
        },
        figures.layers: {"widths": [2, 3], "names": ["x", "a"], "across": 2.0, "down": 1.0},
        page.setting: {"variable": "DLNBOOK_SIZE"},
        page.sized: {"full": 3, "book": 2, "live": 1},
        page.kept_results: {"name": "stopping"},
        page.glue: {"name": "ratio", "value": 0.5, "form": "{:.3f}"},
        page.progress: {"steps": [1, 2], "label": "counting"},
        page.slider: {"values": [1, 2, 3], "start": 2, "label": "x", "format": "{:g}"},
        page.frame_html: {"draw": picture, "values": {"x": 1}},
        page.explore: {"draw": picture, "sliders": {"x": [1, 2]}},
    }  # fmt: skip


def call(function, arguments):
    "Call with arguments by name, starred ones included, and go through what comes if it is a generator."
    bound = inspect.BoundArguments(inspect.signature(function), dict(arguments))
    result = function(*bound.args, **bound.kwargs)
    return list(result) if isinstance(result, GeneratorType) else result


def bad(function, parameter, value):
    "The good arguments with one of them, or one of the arrays in it, replaced. Returns the new dictionary."
    arguments = good()[function]
    name, _, index = parameter.rstrip("]").partition("[")
    if index:
        value = [value if i == int(index) else each for i, each in enumerate(arguments[name])]
    return arguments | {name: value}


# Kinds of parameters, and how to spoil a good value of each: bad value, error, what was expected, what came


def real_array(good):
    yield from array(good)
    yield good + 1j, TypeError, "real", "complex128"


def array(good):
    yield np.ma.masked_equal(good, good.flat[0]), TypeError, "without a mask", "masked"
    yield Sparse(), TypeError, "dense", "sparse"
    nan, infinite = good.copy(), good.copy()
    nan.flat[0], infinite.flat[-1] = np.nan, -np.inf
    yield nan, ValueError, "finite", "NaN"
    yield infinite, ValueError, "finite", "infinity"
    yield good.astype(str), TypeError, "numbers", "dtype <U"
    yield np.full(good.shape, None), TypeError, "numbers", "dtype object"
    yield [[1.0], [1.0, 2.0]], ValueError, "equal length", ""
    yield np.zeros((0, 2)), ValueError, "", "(0, 2)"


def arrays(good):
    yield good[0], TypeError, "list of arrays", "ndarray"
    yield "ab", TypeError, "list of arrays", "'ab'"
    yield [], ValueError, "at least one array", "none"


def class_numbers(good):
    yield good.astype(float), TypeError, "integers", "float64"
    yield good.astype(bool), TypeError, "integers", "bool"
    yield np.array(["a", "b"])[good % 2], TypeError, "numpy.unique", "strings"
    yield np.ma.masked_equal(good, good[0]), TypeError, "without a mask", "masked"
    yield [good.tolist()], ValueError, "shape", f"(1, {len(good)})"
    yield good[:0], ValueError, "shape", "(0,)"
    yield [[0], [0, 1]], ValueError, "equal length", ""
    yield np.append(good[1:], -1), ValueError, "0", "-1"


def generator(good):
    "A seed and None are taken, as everywhere in scientific Python."
    yield "0", TypeError, "numpy.random.Generator", "'0'"
    yield 0.5, TypeError, "numpy.random.Generator", "0.5"
    yield True, TypeError, "numpy.random.Generator", "True"
    yield -1, ValueError, "at least 0", "-1"
    yield np.random.RandomState(0), TypeError, "numpy.random.Generator", ""


def integer(good):
    yield 2.0, TypeError, "integer", "2.0"
    yield True, TypeError, "integer", "True"
    yield "2", TypeError, "integer", "'2'"


def count(good):
    yield from integer(good)
    yield 0, ValueError, "at least", "0"
    yield -3, ValueError, "at least", "-3"


def number(good):
    yield True, TypeError, "number", "True"
    yield "1", TypeError, "number", "'1'"
    yield 1j, TypeError, "number", "1j"
    yield np.nan, ValueError, "", "nan"
    yield np.inf, ValueError, "finite", "inf"
    yield 10**400, ValueError, "finite", "1000"
    yield np.ones(2), TypeError, "number", "array"


def positive(good):
    yield from number(good)
    yield 0, ValueError, "positive", "0"
    yield -0.5, ValueError, "positive", "-0.5"


def function(good):
    yield 3, TypeError, "function", "3"
    yield "relu", TypeError, "function", "'relu'"


def number_of_arrays(good):
    yield lambda parameters: parameters[0], TypeError, "one number", "shape (2,)"
    yield lambda parameters: "one", TypeError, "number", "<U3"
    yield lambda parameters: None, TypeError, "number", "object"
    yield lambda parameters: parameters[0].sum() * np.nan, ValueError, "finite", "nan"


KINDS = {
    real_array: [
        (data.split, "X"),
        (data.standardize, "train", "others[0]"),
        (loss.cross_entropy, "T"),
        (loss.linear_gradient, "T"),
        (chain.cross_entropy_gradient, "T"),
        (loss.accuracy, "A"),
        (numeric.forward_difference, "parameters[0]"),
        (numeric.central_difference, "parameters[0]"),
        (numeric.complex_step, "parameters[0]"),
        (numeric.directional_difference, "parameters[0]", "direction[0]"),
        (gradcheck.check_gradient, "parameters[0]", "gradient[0]"),
        (numeric.disagreement, "parameters[0]", "gradient[0]"),
        (figures.draw_image, "image"),
    ],
    array: [
        (chain.affine, "W", "b"),
        (chain.jacobian, "x"),
        (chain.softmax_jacobian, "A"),
        (chain.softmax_vjp, "A", "G"),
        (chain.cross_entropy_gradient, "A"),
        (loss.softmax, "A"),
        (loss.log_softmax, "A"),
        (loss.cross_entropy, "A"),
        (loss.sigmoid, "a"),
        (loss.linear_scores, "W", "b", "X"),
        (loss.hidden_scores, "W1", "b1", "W2", "b2", "X"),
        (loss.linear_gradient, "W", "b", "X"),
        (descent.update, "parameters[0]", "gradients[0]"),
        (descent.descend, "parameters[0]", "X", "T"),
    ],
    arrays: [
        (descent.update, "parameters", "gradients"),
        (descent.descend, "parameters"),
        (numeric.forward_difference, "parameters"),
        (numeric.central_difference, "parameters"),
        (numeric.complex_step, "parameters"),
        (numeric.directional_difference, "parameters", "direction"),
        (gradcheck.check_gradient, "parameters", "gradient"),
        (numeric.disagreement, "parameters", "gradient"),
    ],
    class_numbers: [(data.split, "labels"), (loss.one_hot, "labels"), (loss.accuracy, "labels")],
    generator: [
        (data.split, "rng"),
        (data.moons, "rng"),
        (data.spirals, "rng"),
        (descent.batches, "rng"),
        (descent.descend, "rng"),
        (gradcheck.check_gradient, "rng"),
        (numeric.disagreement, "rng"),
    ],
    integer: [(gradcheck.check_gradient, "directions", "coordinates")],
    count: [
        (data.moons, "samples"),
        (data.spirals, "samples_per_class", "classes"),
        (scale.parameter_count, "widths[1]"),
        (scale.forward_flops, "widths[1]", "batch"),
        (scale.brute_force_flops, "widths[1]", "batch"),
        (scale.parameter_bytes, "widths[1]"),
        (scale.activation_bytes, "widths[1]", "batch"),
        (loss.one_hot, "K"),
        (descent.batches, "samples", "batch_size"),
        (numeric.disagreement, "directions"),
        (descent.descend, "batch_size", "epochs"),
        (figures.figure, "rows", "columns"),
        (figures.layers, "widths[1]"),
    ],
    number: [(data.split, "test"), (data.moons, "noise"), (data.spirals, "noise"), (figures.layers, "across", "down")],
    positive: [
        (descent.update, "eta"),
        (descent.descend, "eta"),
        (numeric.forward_difference, "epsilon"),
        (numeric.central_difference, "epsilon"),
        (numeric.complex_step, "epsilon"),
        (numeric.directional_difference, "epsilon"),
        (gradcheck.check_gradient, "tolerance"),
        (figures.figure, "width", "height"),
        (figures.draw_image, "limit"),
        (figures.draw_graph, "radius"),
    ],
    function: [
        (chain.Link, "forward", "jvp", "vjp"),
        (chain.elementwise, "f", "df"),
        (loss.hidden_scores, "f"),
        (descent.descend, "gradient", "on_epoch", "optimizer"),
        (numeric.forward_difference, "f"),
        (numeric.central_difference, "f"),
        (numeric.complex_step, "f"),
        (numeric.directional_difference, "f"),
        (gradcheck.check_gradient, "f"),
        (numeric.disagreement, "f"),
        (page.frame_html, "draw"),
        (page.explore, "draw"),
    ],
    number_of_arrays: [
        (numeric.forward_difference, "f"),
        (numeric.central_difference, "f"),
        (numeric.complex_step, "f"),
        (numeric.directional_difference, "f"),
        (gradcheck.check_gradient, "f"),
        (numeric.disagreement, "f"),
    ],
}

COUNTING = [scale.parameter_count, scale.forward_flops, scale.brute_force_flops, scale.parameter_bytes, scale.activation_bytes]
LOGITS = [loss.softmax, loss.log_softmax, loss.cross_entropy]
LINEAR = [loss.linear_scores, loss.linear_gradient]
TARGETS = [loss.cross_entropy, loss.linear_gradient]

SINGLE = [
    # data
    ([data.split], "X", np.ones(4), ValueError, "(M, N, ...)", "(4,)"),
    ([data.split], "labels", [0, 1, 0], ValueError, "(4,)", "(3,)"),
    ([data.split], "test", 0, ValueError, "above 0", "0"),
    ([data.split], "test", 1.5, ValueError, "below 1", "1.5"),
    ([data.split], "test", 0.01, ValueError, "both sides", "0.01"),
    ([data.standardize], "train", np.ones(3), ValueError, "(M, N)", "(3,)"),
    ([data.standardize], "train", np.ones((2, 2, 2)), ValueError, "shape", "(2, 2, 2)"),
    ([data.standardize], "others[0]", np.ones((4, 2)), ValueError, "(S, 3)", "(4, 2)"),
    ([data.moons], "samples", 1, ValueError, "at least 2", "1"),
    ([data.moons, data.spirals], "noise", -0.5, ValueError, "at least 0", "-0.5"),
    ([data.spirals], "classes", 1, ValueError, "at least 2", "1"),
    ([data.read_idx], "path", 3, TypeError, "path", "3"),
    # scale
    (COUNTING, "widths", [3], ValueError, "inputs and the outputs", "[3]"),
    (COUNTING, "widths", [], ValueError, "inputs and the outputs", "[]"),
    (COUNTING, "widths", 3, TypeError, "list", "3"),
    (COUNTING[3:], "dtype", "int64", TypeError, "floating-point", "'int64'"),
    (COUNTING[3:], "dtype", bool, TypeError, "floating-point", "bool"),
    (COUNTING[3:], "dtype", "no such type", TypeError, "floating-point", "'no such type'"),
    # loss
    (LOGITS, "A", np.ones((2, 2, 2)), ValueError, "(K,) or (M, K)", "(2, 2, 2)"),
    (LOGITS, "A", 1.0, ValueError, "(K,) or (M, K)", "()"),
    ([loss.accuracy], "A", np.ones(3), ValueError, "(M, K)", "(3,)"),
    ([loss.accuracy], "labels", [0, 1, 2], ValueError, "2", "3"),
    ([loss.accuracy], "labels", [0, 3], ValueError, "0 to 2", "3"),
    ([loss.one_hot], "labels", [0, 2], ValueError, "0 to 1", "2"),
    (TARGETS, "T", [[0.5, 0.25, 0.0], [0, 0, 1]], ValueError, "sum to one", "0.75"),
    (TARGETS, "T", [[2, -1, 0], [0, 0, 1]], ValueError, "negative", "-1"),
    (TARGETS, "T", np.eye(2), ValueError, "(2, 3)", "(2, 2)"),
    (TARGETS, "T", np.eye(3), ValueError, "(2, 3)", "(3, 3)"),
    (TARGETS, "T", [1, 0, 0], ValueError, "(2, 3)", "(3,)"),
    (LINEAR, "W", np.ones(3), ValueError, "(K, N)", "(3,)"),
    (LINEAR, "b", np.ones(2), ValueError, "(3,)", "(2,)"),
    (LINEAR, "b", np.ones((3, 1)), ValueError, "(3,)", "(3, 1)"),
    ([*LINEAR, loss.hidden_scores], "X", np.ones((2, 3)), ValueError, "(M, 2)", "(2, 3)"),
    ([*LINEAR, loss.hidden_scores], "X", np.ones(2), ValueError, "(M, 2)", "(2,)"),
    ([loss.hidden_scores], "W1", np.ones(3), ValueError, "(P_1, N)", "(3,)"),
    ([loss.hidden_scores], "b1", np.ones(2), ValueError, "(3,)", "(2,)"),
    ([loss.hidden_scores], "W2", np.ones((2, 2)), ValueError, "(K, 3)", "(2, 2)"),
    ([loss.hidden_scores], "b2", np.ones(3), ValueError, "(2,)", "(3,)"),
    # descent
    ([descent.update], "gradients", [np.ones(2), np.ones(2)], ValueError, "1", "2"),
    ([descent.update], "gradients[0]", np.ones(3), ValueError, "(2,)", "(3,)"),
    ([descent.update], "gradients[0]", np.ones(2) + 1j, TypeError, "real", "complex128"),
    ([descent.descend], "X", 1.0, ValueError, "(M, ...)", "()"),
    ([descent.descend], "T", 1.0, ValueError, "(2, ...)", "()"),
    ([descent.descend], "T", np.ones(3), ValueError, "2", "3"),
    ([descent.descend], "gradient", lambda parameters, X, T: None, TypeError, "list of arrays", "NoneType"),
    ([descent.descend], "gradient", lambda parameters, X, T: np.ones(2), TypeError, "list of arrays", "ndarray"),
    ([descent.descend], "gradient", lambda parameters, X, T: [], ValueError, "at least one array", "none"),
    ([descent.descend], "gradient", lambda parameters, X, T: [np.ones(3)], ValueError, "(2,)", "(3,)"),
    # numeric
    ([numeric.forward_difference, numeric.central_difference], "epsilon", 1e-30, ValueError, "survives rounding", "1e-30"),
    ([numeric.forward_difference], "f", lambda p: p[0].sum() + 1j, TypeError, "real", "complex128"),
    ([numeric.complex_step], "f", lambda p: p[0].sum().real, TypeError, "complex", "float64"),
    ([numeric.directional_difference], "direction[0]", np.ones(3), ValueError, "(2,)", "(3,)"),
    ([numeric.directional_difference], "direction", [np.zeros(2)], ValueError, "not zero", "zeros"),
    ([numeric.directional_difference], "method", "backward", ValueError, "central", "'backward'"),
    ([gradcheck.check_gradient], "parameters", [np.ones(2), np.ones(2, "f")], TypeError, "one dtype", "float32 and float64"),
    ([gradcheck.check_gradient], "gradient", None, TypeError, "list of arrays", "NoneType"),
    ([gradcheck.check_gradient], "gradient", lambda p: p[0], TypeError, "list of arrays", "ndarray"),
    ([gradcheck.check_gradient, numeric.disagreement], "gradient", [np.ones(3)], ValueError, "(2,)", "(3,)"),
    ([gradcheck.check_gradient, numeric.disagreement], "gradient", [np.ones(2), np.ones(2)], ValueError, "1 arrays", "2"),
    ([gradcheck.check_gradient], "directions", -1, ValueError, "at least 0", "-1"),
    ([gradcheck.check_gradient], "coordinates", -1, ValueError, "at least 0", "-1"),
    # chain
    ([chain.compose], "links", (), ValueError, "at least one", "[]"),
    ([chain.compose], "links[1]", np.sin, TypeError, "Link", "ufunc"),
    ([chain.jacobian], "link", np.sin, TypeError, "Link", "ufunc"),
    ([chain.jacobian], "order", "sideways", ValueError, "forward, reverse", "'sideways'"),
    ([chain.jacobian_cost], "order", "auto", ValueError, "forward, reverse", "'auto'"),
    ([chain.jacobian_cost], "widths", [3], ValueError, "at least two", "[3]"),
    ([chain.jacobian_cost], "widths", [3, 0], ValueError, "1", "0"),
    # figures
    ([figures.shade], "color", "red", ValueError, "palette", "'red'"),
    ([figures.diverging], "negative", "red", ValueError, "palette", "'red'"),
    ([figures.diverging], "positive", "red", ValueError, "palette", "'red'"),
    ([figures.draw_image], "image", np.ones(3), ValueError, "(rows, columns)", "(3,)"),
    ([figures.draw_image], "image", np.ones((2, 2, 3)), ValueError, "(rows, columns)", "(2, 2, 3)"),
    ([figures.draw_image], "cmap", "gray", TypeError, "shade", "'gray'"),
    ([figures.draw_graph], "nodes", {"x": (0, 0), "y": (np.nan, 0)}, ValueError, "finite", "nan"),
    ([figures.draw_graph], "nodes", {"x": (0, 0), "y": (1, 2, 3)}, ValueError, "(x, y)", "(1, 2, 3)"),
    ([figures.draw_graph], "nodes", {"x": (0, 0), "y": (0, 0)}, ValueError, "different", "(0, 0)"),
    ([figures.draw_graph], "wires", [("x", "z")], ValueError, "'x', 'y'", "'z'"),
    ([figures.draw_graph], "wires", [("x", "x")], ValueError, "two nodes", "'x'"),
    ([figures.draw_graph], "wires", [("x",)], ValueError, "tail, head", "('x',)"),
    ([figures.draw_graph], "labels", {"z": "in"}, ValueError, "'x', 'y'", "'z'"),
    ([figures.layers], "names", ["x"], ValueError, "2 different", "['x']"),
    ([figures.layers], "names", ["x", "x"], ValueError, "2 different", "['x', 'x']"),
    # page
    ([page.setting], "variable", "DLNBOOK_WEIGHT", ValueError, "DLNBOOK_SIZE", "'DLNBOOK_WEIGHT'"),
    ([page.kept_results], "name", "", ValueError, "a text", "''"),
    ([page.kept_results], "name", 3, TypeError, "a text", "3"),
    ([page.glue], "name", "", ValueError, "name", "''"),
    ([page.glue], "form", "no field", ValueError, "format for one value", "'no field'"),
    ([page.glue], "form", "{} {}", ValueError, "format for one value", "'{} {}'"),
    ([page.glue], "form", "{:d}", ValueError, "format for one value", "'{:d}'"),
    ([page.progress], "steps", 3, TypeError, "iterable", "3"),
    ([page.slider], "values", 3, TypeError, "iterable", "3"),
    ([page.slider], "values", [1], ValueError, "at least two", "(1,)"),
    ([page.slider], "start", 7, ValueError, "(1, 2, 3)", "7"),
    ([page.slider], "format", "same", ValueError, "differ", "'same'"),
    ([page.slider], "format", "{} {}", ValueError, "format", "'{} {}'"),
    ([page.frame_html, page.explore], "draw", lambda x: "text", TypeError, "picture", "str"),
    ([page.explore], "sliders", {}, ValueError, "one or two", "0"),
    ([page.explore], "sliders", {"x": [1, 2], "y": [1, 2], "z": [1, 2]}, ValueError, "one or two", "3"),
]

# Parameters that take anything
FREE = {
    gradcheck.check_gradient: {"promote"},
    figures.figure: {"subplots"},
    figures.draw_image: {"ax"},
    figures.draw_graph: {"ax"},
    page.sized: {"full", "book", "live"},
    page.glue: {"value"},
    page.progress: {"label"},
    page.slider: {"label"},
    page.frame_html: {"values"},
}


def rows():
    "All rows of the table."
    arguments = good()
    for kind, places in KINDS.items():
        for each, *parameters in places:
            for parameter in parameters:
                name, _, index = parameter.rstrip("]").partition("[")
                value = arguments[each][name]
                for spoiled, *said in kind(value[int(index)] if index else value):
                    yield each, parameter, spoiled, *said
    for functions, *row in SINGLE:
        for each in functions:
            yield each, *row


def label(value):
    "A short name for a function or a value, for pytest."
    return getattr(value, "__name__", None) or (f"{value}"[:20] if isinstance(value, (str, int, float)) else type(value).__name__)


ROWS = list(rows())
EACH_ROW = pytest.mark.parametrize(
    ("function", "parameter", "value", "error", "expected", "came"),
    ROWS,
    ids=["-".join(map(label, row[:3])) for row in ROWS],
)
EACH_FUNCTION = pytest.mark.parametrize("function", [each for each in good() if each is not data.read_idx], ids=label)


@EACH_FUNCTION
def test_good_arguments_are_taken_and_left_alone(function):
    arguments = good()[function]
    before = frozen(arguments, generators=False)
    call(function, arguments)
    assert frozen(arguments, generators=False) == before


@EACH_ROW
def test_bad_ones_are_refused_with_a_clear_message(function, parameter, value, error, expected, came):
    with pytest.raises(error) as caught:
        call(function, bad(function, parameter, value))
    said = str(caught.value)
    assert said.startswith(parameter), f"the message does not begin with the parameter's name: {said}"
    assert expected in said, f"the message does not say what was expected: {said}"
    assert re.search(f"got .*{re.escape(came)}", said, re.DOTALL), f"the message does not say what came: {said}"


@EACH_ROW
def test_a_refusal_changes_nothing(function, parameter, value, error, expected, came):
    arguments = bad(function, parameter, value)
    before = frozen(arguments, generators=not callable(value))
    with contextlib.suppress(Exception):
        call(function, arguments)
    assert frozen(arguments, generators=not callable(value)) == before


def frozen(value, generators=True):
    "A copy of a value, to compare with later; with `generators`, the state of those and of a canvas too."
    if isinstance(value, dict):
        return {name: frozen(each, generators) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [frozen(each, generators) for each in value]
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes() if value.dtype != object else value.tolist()  # NaN equals NaN there
    if isinstance(value, np.random.Generator):
        return str(value.bit_generator.state) if generators else None
    if isinstance(value, Canvas):
        return value.asked if generators else None
    return repr(value)


def test_every_parameter_of_every_public_function_has_a_row():
    covered = {(row[0], row[1].partition("[")[0]) for row in ROWS}
    for module in MODULES:
        for name in module.__all__:
            each = getattr(module, name)
            if inspect.isfunction(each):
                parameters = set(inspect.signature(each).parameters) - FREE.get(each, set())
                assert parameters == {parameter for function, parameter in covered if function is each}, name


# What does not fit into the table


@pytest.mark.parametrize(("variable", "reader"), [("DLNBOOK_SIZE", "sized"), ("DLNBOOK_EXPLORE", "explore"), ("DLNBOOK_EXPLORE", "progress")])
def test_an_impossible_setting_is_refused(monkeypatch, variable, reader):
    monkeypatch.setenv(variable, "huge")
    function = getattr(page, reader)
    with pytest.raises(ValueError, match=f"^{variable}: expected one of .*, got 'huge'"):
        call(function, good()[function])


@pytest.mark.parametrize("alt", ["", " ", None])
def test_a_picture_needs_words(alt):
    with pytest.raises(ValueError, match="^alt: expected .* got"):
        figures.Picture("<svg></svg>", alt=alt)
    with pytest.raises(ValueError, match="^plot: expected .*alternative text, got"):

        @figures.figure(width=1, height=1)
        def plot(ax):
            return alt

        plot()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "an IDX file"),
        (b"\x89PNG", "an IDX file"),
        (bytes([0, 0, 0x0A, 1, 0, 0, 0, 1, 7]), "an IDX file"),  # no such type
        (bytes([0, 0, 8, 0]), "an IDX file"),  # no dimension
        (bytes([0, 0, 8, 1, 0, 0]), "bytes"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2]), "11 bytes"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 1, 7, 2]), "9 bytes"),
        (gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]), mtime=0)[:-4], "a whole gzip file"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, content, expected):
    path = tmp_path / "labels-idx1-ubyte"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^path: expected .*{re.escape(expected)}.*, got .*{path.name}"):
        data.read_idx(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no-such-file"):
        data.read_idx(tmp_path / "no-such-file")


@pytest.mark.parametrize("size", [1e-200, 1e200])
@pytest.mark.parametrize("method", ["forward", "central", "complex"])
def test_a_direction_of_any_length_has_a_slope(size, method):
    point, direction = [np.array([1.0, 2.0])], [size * np.array([3.0, 1.0])]
    slope = numeric.directional_difference(lambda p: p[0] @ p[0], point, direction, method=method)
    assert slope / size == pytest.approx(10, rel=1e-6)


# Dtypes

KEPT = [
    (data.standardize, ["train", "others"]),
    (loss.softmax, ["A"]),
    (loss.log_softmax, ["A"]),
    (loss.cross_entropy, ["A"]),
    (loss.cross_entropy, ["A", "T"]),
    (loss.sigmoid, ["a"]),
    (loss.linear_scores, ["W", "b", "X"]),
    (loss.hidden_scores, ["W1", "b1", "W2", "b2", "X"]),
    (loss.linear_gradient, ["W", "b", "X"]),
    (loss.linear_gradient, ["W", "b", "X", "T"]),
    (descent.update, ["parameters"]),
    (descent.update, ["parameters", "gradients"]),
    (descent.descend, ["parameters", "X", "T"]),
    (numeric.forward_difference, ["parameters"]),
    (numeric.central_difference, ["parameters"]),
    (numeric.complex_step, ["parameters"]),
]
ANALYTIC = [
    (loss.softmax, ["A"]),
    (loss.log_softmax, ["A"]),
    (loss.cross_entropy, ["A"]),
    (loss.sigmoid, ["a"]),
    *((loss.linear_scores, [name]) for name in ("W", "b", "X")),
    *((loss.hidden_scores, [name]) for name in ("W1", "b1", "W2", "b2", "X")),
    *((loss.linear_gradient, [name]) for name in ("W", "b", "X")),
    (descent.update, ["parameters"]),
]


def converted(value, dtype):
    "The arrays of an argument with another dtype."
    return value.astype(dtype) if isinstance(value, np.ndarray) else [each.astype(dtype) for each in value]


def results(function, names, dtype):
    "What the function returns, as a list of arrays, if the arguments of these names have another dtype."
    arguments = good()[function]
    result = call(function, arguments | {name: converted(arguments[name], dtype) for name in names})
    return list(result) if isinstance(result, (list, tuple)) else [result]


@pytest.mark.parametrize(("function", "names"), KEPT, ids=label)
@pytest.mark.parametrize(("given", "returned"), [("float64", "float64"), ("float32", "float32"), ("int64", "float64"), ("uint8", "float64")])
def test_the_dtype_is_kept_and_integers_are_promoted(function, names, given, returned):
    exact = results(function, names, "float64")
    for value, right in zip(results(function, names, given), exact, strict=True):
        assert value.dtype == returned
        np.testing.assert_allclose(value, right, rtol=0 if returned == "float64" else 1e-2, atol=0 if returned == "float64" else 1e-6)


@pytest.mark.parametrize(("function", "names"), ANALYTIC, ids=label)
def test_complex_numbers_pass_where_the_function_is_analytic(function, names):
    exact = results(function, names, "float64")
    for dtype, tolerance in (("complex128", 1e-15), ("complex64", 1e-6)):
        for value, right in zip(results(function, names, dtype), exact, strict=True):
            assert value.dtype.kind == "c"
            np.testing.assert_allclose(value, right, rtol=10 * tolerance, atol=10 * tolerance)


def test_split_keeps_dtypes():
    for dtype in ("float32", "float64", "uint8"):
        arguments = good()[data.split]
        X, labels, X_test, labels_test = data.split(**arguments | {"X": arguments["X"].astype(dtype), "labels": np.array([0, 1, 0, 1], "int8")})
        assert X.dtype == X_test.dtype == dtype and labels.dtype == labels_test.dtype == "int8"


def test_made_data_are_float64_and_int64():
    for X, labels in (data.digits(), data.moons(4, 0.1, np.random.default_rng(0)), data.spirals(4, 3, 0.1, np.random.default_rng(0))):
        assert X.dtype == "float64" and labels.dtype == "int64"
    assert loss.one_hot([0, 1], 2).dtype == "float64"


def test_counts_are_python_integers_of_any_size():
    widths = np.array([2**31 - 1, 2**31 - 1], "int32")
    assert scale.parameter_count(widths) == 2**62 - 2**31
    for function in COUNTING:
        count = call(function, good()[function] | {"widths": widths})
        assert type(count) is int and count > 2**31
    assert type(loss.accuracy([[0.0, 1.0]], [1])) is float


@EACH_FUNCTION
def test_a_seed_gives_the_same_numbers_every_time(function):
    first, second = (call(function, good()[function]) for _ in range(2))
    if not callable(first) and not isinstance(first, (np.random.Generator, chain.Link)):
        np.testing.assert_equal(second, first)
