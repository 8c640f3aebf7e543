"""What a failed assertion compared: `assert a == b` says what a was and what b was.

The cells' own assertions are rewritten before they run, as pytest does, so that nothing is computed twice.
"""

import ast
import builtins
import copy

LIMIT = 400  # characters of a value
LEFT, RIGHT, SAY = "_left_", "_right_", "_dln_sides"


class Sides(ast.NodeTransformer):
    "Has each assertion that compares two things, or calls a function with two, keep them and say them."

    def visit_Assert(self, node):
        self.generic_visit(node)
        if isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.And):
            parts = [ast.copy_location(ast.Assert(test, copy.deepcopy(node.msg)), node) for test in node.test.values]
            return [self.visit_Assert(part) for part in parts]
        places = _places(node.test)
        if not places:
            return node
        for name, side, put in places:
            put(ast.NamedExpr(ast.Name(name, ast.Store()), side))
        values = [ast.Name(name, ast.Load()) for name, _, _ in places]
        node.msg = ast.Call(ast.Name(SAY, ast.Load()), [node.msg or ast.Constant(None), *values], [])
        ast.fix_missing_locations(ast.copy_location(node.msg, node))
        return ast.fix_missing_locations(node)


def _places(test):
    "The two things that an assertion is about: a name for each, the thing, and how to put another in its place."
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _places(test.operand)
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return [
            (LEFT, test.left, lambda new: setattr(test, "left", new)),
            (RIGHT, test.comparators[0], lambda new: test.comparators.__setitem__(0, new)),
        ]
    if isinstance(test, ast.Call) and len(test.args) >= 2 and not any(isinstance(each, ast.Starred) for each in test.args[:2]):
        return [
            (LEFT, test.args[0], lambda new: test.args.__setitem__(0, new)),
            (RIGHT, test.args[1], lambda new: test.args.__setitem__(1, new)),
        ]
    return []


def say(message, left, right):
    "The message of the assertion, if it has one, and both sides."
    lines = [] if message is None else [str(message)]
    return "\n".join([*lines, f"left:  {_short(left)}", f"right: {_short(right)}"])


def _short(value):
    "A value as Python writes it, cut where it is long."
    text = repr(value)
    return text if len(text) <= LIMIT else text[:LIMIT] + " …"


def install(shell):
    "Let a shell of IPython rewrite what it runs."
    setattr(builtins, SAY, say)
    shell.ast_transformers.append(Sides())
