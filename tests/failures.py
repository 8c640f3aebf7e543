"What a failed assertion says, in words: which one it was, and by how much."

from __future__ import annotations

import ast
import itertools
import operator
import re
import traceback
from typing import Any

import numpy as np

EQUAL = {"assert_allclose", "assert_array_equal", "isclose", "allclose", "array_equal", "same"}  # `same` is chapter 7's
ORDERS = {
    ast.Lt: (operator.lt, "below"), ast.LtE: (operator.le, "at most"),
    ast.Gt: (operator.gt, "above"), ast.GtE: (operator.ge, "at least"),
}  # fmt: skip
NUMBER = re.compile(r"−?\d+(?:\.\d+)?(?:e[-+]\d+)?")


SIDE = "side_{}_of_the_assertion"


class _Kept(ast.NodeTransformer):
    "Has each assertion keep what it compares under names of its own."

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        number = itertools.count()
        for compared in _comparisons(node.test):
            compared.left, *compared.comparators = [_kept(next(number), side) for side in (compared.left, *compared.comparators)]
        return self.visit_Expr(node, node.test)

    def visit_Expr(self, node: ast.stmt, call: ast.expr | None = None) -> ast.stmt:
        call = call or node.value
        if isinstance(call, ast.Call) and _name(call) in EQUAL and not any(isinstance(each, ast.Starred) for each in call.args):
            call.args[:2] = map(_kept, range(2), call.args)
        return node


def _comparisons(tested: ast.expr) -> list[ast.Compare]:
    "The comparisons that an assertion makes one after the other."
    parts = tested.values if isinstance(tested, ast.BoolOp) and isinstance(tested.op, ast.And) else [tested]
    return [each for each in parts if isinstance(each, ast.Compare)]


def _kept(n: int, value: ast.expr) -> ast.expr:
    "An expression that leaves its value under the name of a side."
    return ast.NamedExpr(ast.Name(SIDE.format(n), ast.Store()), value)


def _name(call: ast.Call) -> str:
    "What is called, without the module."
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def keeping(source: str) -> ast.Module:
    "Some source whose assertions keep what they compare, so that nothing is computed again to tell of a failure."
    return ast.fix_missing_locations(_Kept().visit(ast.parse(source)))


def said(error: AssertionError, sources: dict[str, str]) -> dict[str, str]:
    "The innermost assertion that failed of some sources, known by file name, and the words for it."
    within = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename in sources]
    frame, line = within[-1]
    source = sources[frame.f_code.co_filename]
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Assert, ast.Expr)) and node.lineno <= line <= node.end_lineno]
    statement = statements[-1]
    tested = statement.test if isinstance(statement, ast.Assert) else statement.value
    values = {**frame.f_globals, **frame.f_locals}
    sides = [values[SIDE.format(n)] for n in range(9) if SIDE.format(n) in values]
    return {"assertion": " ".join(ast.get_source_segment(source, statement).split()), "words": _words(tested, sides)}


def _words(tested: ast.expr, sides: list[Any]) -> str:
    "By how much an assertion fails."
    if isinstance(tested, ast.Call) and _name(tested) in EQUAL:
        near = {each.arg: each.value.value for each in tested.keywords if each.arg in ("rtol", "atol") and isinstance(each.value, ast.Constant)}
        return apart(*sides[:2], **near)
    for comparison in _comparisons(tested):
        for left, compared, right in zip(sides, comparison.ops, sides[1:]):
            holds, words = ORDERS.get(type(compared), (operator.eq, ""))
            if not holds(left, right) and words:
                return f" is not {words} ".join(told(left, right))
            if not holds(left, right):
                return apart(left, right)
        sides = sides[1 + len(comparison.ops) :]
    return "it does not hold"


def apart(one: Any, other: Any, rtol: float = 1e-7, atol: float = 0.0) -> str:
    "How far two values are apart: two numbers, or of two arrays the entries that differ most. Which is right, a check does not say."
    if all(isinstance(each, (list, tuple)) and all(isinstance(part, np.ndarray) for part in each) for each in (one, other)):
        one, other = (np.concatenate([part.ravel() for part in each]) for each in (one, other))
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() != other.keys():
        one, other = sorted(one.keys() - other.keys()), sorted(other.keys() - one.keys())
    if not _numbers(one) or not _numbers(other) or np.ndim(one) and np.ndim(other) and np.shape(one) != np.shape(other):
        return "{} and {}, which should be equal".format(*told(one, other))
    a, b = (np.asarray(each) for each in np.broadcast_arrays(np.add(one, 0), np.add(other, 0)))  # plain arrays; truth values are numbers
    if a.size == 1:
        return "{} and {}, which should be equal".format(*told(a.item(), b.item()))
    if not np.isfinite(a).all():
        return f"{np.sum(~np.isfinite(a))} of {a.size} numbers are not finite"
    wrong = np.abs(a - b) > atol + rtol * np.abs(b)
    worst = np.unravel_index(np.argmax(np.abs(a - b)), a.shape)
    return "{} of {} numbers differ{}, most of all {} and {}".format(wrong.sum(), a.size, "s" if wrong.sum() == 1 else "", *told(a[worst].item(), b[worst].item()))


def _numbers(value: Any) -> bool:
    "Whether a value is a number or an array of them."
    if isinstance(value, (list, tuple)):
        return all(map(_numbers, value)) and len({np.shape(each) for each in value}) == 1
    return isinstance(value, (int, float, complex, np.ndarray, np.number)) and np.asarray(value).dtype.kind in "biufc"


def told(one: Any, other: Any) -> tuple[str, str]:
    "Two values in as few digits as tell them apart."
    for digits in (3, 5, 8, 12, 17):
        texts = _shown(one, digits), _shown(other, digits)
        if texts[0] != texts[1]:
            break
    return texts


def _shown(value: Any, digits: int) -> str:
    "A value in a few digits."
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and np.isfinite(value):
        text = str(int(value)) if value == int(value) else f"{value:.{digits}g}"
        return text.replace("-", "−", int(value < 0))
    text = str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def alike(one: str, other: str) -> bool:
    "Whether two such sentences say the same, with numbers equal to a hundredth."
    numbers = [[float(each.replace("−", "-")) for each in NUMBER.findall(text)] for text in (one, other)]
    return NUMBER.sub("", one) == NUMBER.sub("", other) and np.allclose(*numbers, rtol=0.02)
