"What a failed assertion says, in words: which one it was, and by how much."

from __future__ import annotations

import ast
import operator
import re
import traceback
from typing import Any

import numpy as np

EQUAL = {"assert_allclose", "assert_array_equal", "isclose", "allclose", "array_equal"}
ORDERS = {
    ast.Lt: (operator.lt, "below"), ast.LtE: (operator.le, "at most"),
    ast.Gt: (operator.gt, "above"), ast.GtE: (operator.ge, "at least"),
}  # fmt: skip
NUMBER = re.compile(r"−?\d+(?:\.\d+)?(?:e[-+]\d+)?")


def said(error: AssertionError, sources: dict[str, str]) -> dict[str, str]:
    "The innermost assertion that failed of some sources, known by file name, and the words for it."
    within = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename in sources]
    frame, line = within[-1]
    source = sources[frame.f_code.co_filename]
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Assert, ast.Expr)) and node.lineno <= line <= node.end_lineno]
    statement = statements[-1]
    tested = statement.test if isinstance(statement, ast.Assert) else statement.value
    values = dict(frame.f_globals) | dict(frame.f_locals)
    return {"assertion": " ".join(ast.get_source_segment(source, statement).split()), "words": _words(tested, values)}


def _words(tested: ast.expr, names: dict[str, Any]) -> str:
    "By how much an assertion fails."
    def value(node: ast.expr) -> Any:
        return eval(compile(ast.Expression(node), "assertion", "eval"), names)

    if isinstance(tested, ast.Call):
        name = tested.func.attr if isinstance(tested.func, ast.Attribute) else getattr(tested.func, "id", "")
        near = {each.arg: value(each.value) for each in tested.keywords if each.arg in ("rtol", "atol")}
        return apart(*map(value, tested.args[:2]), **near) if name in EQUAL else "it does not hold"
    if isinstance(tested, ast.Compare):
        sides = [tested.left, *tested.comparators]
        for left, compared, right in zip(sides, tested.ops, sides[1:]):
            left, right = value(left), value(right)
            holds, words = ORDERS.get(type(compared), (operator.eq, ""))
            if not holds(left, right) and words:
                return f" is not {words} ".join(told(left, right))
            if not holds(left, right):
                return apart(left, right) if len(sides) == 2 else " and ".join(told(left, right)) + " should be equal"
    return "it does not hold"


def apart(found: Any, expected: Any, rtol: float = 1e-7, atol: float = 0.0) -> str:
    "How far two values are apart: two numbers, or of two arrays the entries that differ most."
    try:
        a, b = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    except (TypeError, ValueError):
        return "{}, where {} is right".format(*told(found, expected))
    if a.size == b.size == 1:
        return "{}, where {} is right".format(*told(a.item(), b.item()))
    if a.ndim and b.ndim and a.shape != b.shape:
        return f"shape {a.shape}, where {b.shape} is right"
    a, b = np.broadcast_arrays(a, b)
    if not np.isfinite(a).all():
        return f"{np.sum(~np.isfinite(a))} of {a.size} numbers are not finite"
    wrong = np.abs(a - b) > atol + rtol * np.abs(b)
    worst = np.unravel_index(np.argmax(np.abs(a - b)), a.shape)
    return "{} of {} numbers are wrong, the worst is {}, where {} is right".format(wrong.sum(), a.size, *told(a[worst].item(), b[worst].item()))


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
    return str(value)


def alike(one: str, other: str) -> bool:
    "Whether two such sentences say the same, with numbers equal to a hundredth."
    numbers = [[float(each.replace("−", "-")) for each in NUMBER.findall(text)] for text in (one, other)]
    return NUMBER.sub("", one) == NUMBER.sub("", other) and np.allclose(*numbers, rtol=0.02)
