"""`check`: whether a module is nothing but classes with fields, before anybody gets to run it.

The names of a store may be anything. This does not trust the writer to have put them into the source
as it should: the tree of the finished text is compared with what may be in it, node by node.
"""

from __future__ import annotations

import ast

IMPORTS = {
    "annotations": "__future__",
    "date": "datetime",
    "datetime": "datetime",
    **dict.fromkeys(
        (
            *("Edge", "Field", "Model", "OptionalVector", "Relation", "Vector", "VectorField"),
            *("field", "relation"),
        ),
        "rushmodel",
    ),
}
"""The names that a module may import, and where from."""

TYPES = ("bool", "float", "int", "list", "str")
"""The built-in names that annotations use."""

CLASS_NAMES = ("mro", "register")
"""What every class has by itself: pydantic warns of a field that hides it."""

_CALLS = {
    "field": frozenset(("default", "name")),
    "VectorField": frozenset(("default", "dims", "name", "property", "similarity", "source")),
    "relation": frozenset(("edge",)),
}
_BASES = (["Model"], ["Edge"])


def check(text: str) -> None:
    """Raises AssertionError unless ``text`` is a docstring, imports, and classes with fields alone.

    It can only come from a fault of the writer: what a store holds must never lead here.
    """
    if not text.isascii():
        raise AssertionError("the source holds letters that are not ASCII")
    tree = ast.parse(text)
    docstring, *rest = tree.body
    _must(isinstance(docstring, ast.Expr) and _is_literal(docstring.value), docstring)
    classes = {node.name for node in rest if isinstance(node, ast.ClassDef)}
    _must(len(classes) == sum(isinstance(node, ast.ClassDef) for node in rest), tree)
    _must(classes.isdisjoint((*IMPORTS, *TYPES)), tree)
    for node in rest:
        if isinstance(node, ast.ImportFrom):
            names = [(IMPORTS.get(each.name), each.asname) for each in node.names]
            _must(not node.level and names == [(node.module, None)] * len(names), node)
        else:
            _check_class(node, classes)


def _check_class(node: ast.stmt, classes: set[str]) -> None:
    if not isinstance(node, ast.ClassDef):
        raise _refused(node)
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    _must(bases in _BASES and len(bases) == len(node.bases) and not node.decorator_list, node)
    _must(all(each.arg == "label" and _is_literal(each.value) for each in node.keywords), node)
    known = classes.union(IMPORTS, TYPES)
    fields: set[str] = set()
    for line in node.body:
        if isinstance(line, ast.Pass):
            continue
        if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)):
            raise _refused(line)
        name = line.target.id
        _must(line.simple == 1 and name not in known and name not in fields, line)
        _must(not name.startswith("_"), line)
        fields.add(name)
        _check_annotation(line.annotation, known)
        if line.value is not None:
            _check_call(line.value, classes)


def _check_annotation(node: ast.expr, known: set[str]) -> None:
    """``Field[list[str] | None]`` and the like: known names, brackets and ``|``."""
    if isinstance(node, ast.Name):
        _must(node.id in known, node)
    elif isinstance(node, ast.Subscript):
        _check_annotation(node.value, known)
        _check_annotation(node.slice, known)
    elif isinstance(node, ast.BinOp):
        _must(isinstance(node.op, ast.BitOr), node)
        _check_annotation(node.left, known)
        _check_annotation(node.right, known)
    else:
        _must(isinstance(node, ast.Constant) and node.value is None, node)


def _check_call(node: ast.expr, classes: set[str]) -> None:
    """``field(...)`` and the like, with literals for arguments."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS):
        raise _refused(node)
    allowed = _CALLS[node.func.id]
    _must(all(map(_is_literal, node.args)) and len(node.args) <= (node.func.id == "relation"), node)
    for each in node.keywords:
        _must(each.arg in allowed, node)
        is_edge = each.arg == "edge" and isinstance(each.value, ast.Name) and each.value.id in classes
        _must(is_edge or _is_literal(each.value), node)


def _is_literal(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return all(map(_is_literal, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, (str, int, type(None)))


def _must(is_so: bool, node: ast.AST) -> None:
    if not is_so:
        raise _refused(node)


def _refused(node: ast.AST) -> AssertionError:
    where = getattr(node, "lineno", 1)
    return AssertionError(f"line {where} of the source is none that may be written: {type(node).__name__}")
