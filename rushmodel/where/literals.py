"""Values in conditions: literals, as values of the fields they are compared with."""

from __future__ import annotations

import ast
import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias, cast

from ..codecs import DATETIME, DECIMAL, DECIMAL_NUMBER, NAIVE_UTC, Codec
from ..expressions import Column
from .text import Text

Literal: TypeAlias = "str | int | float | bool | None"


def value_of(text: Text, column: Column[Any, Any], node: ast.expr) -> Any:
    """A literal as a value of the field, or of its items; lists only where the field holds some."""
    codec = column.codec
    if not codec.filters and literal_of(text, node) is not None:
        problem = f"{column.name} is stored as JSON text: it is compared with None alone"
        raise text.wrong(node, problem)
    if isinstance(node, (ast.List, ast.Tuple)) and codec.item is not None:
        return [_converted(text, column, codec.item, each) for each in node.elts]
    return _converted(text, column, codec.item or codec, node)


def literal_of(text: Text, node: ast.expr) -> Literal:
    """What a literal says: a text, a number, a boolean or None. `QueryError` where it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, int, float, type(None))):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = node.operand
        if isinstance(inner, ast.Constant) and type(inner.value) in (int, float):
            number = cast("int | float", inner.value)
            return -number if isinstance(node.op, ast.USub) else number
    raise text.wrong(
        node, f"expected a text, a number, True, False or None, got {kind_of(node)}{quotes_for(node)}"
    )


def kind_of(node: ast.expr) -> str:
    """What a part of a text is, in words."""
    if isinstance(node, ast.Name):
        return f"the name {node.id}"
    return _KINDS.get(type(node), type(node).__name__)


def quotes_for(node: ast.expr) -> str:
    """A hint: a word without quotes is most likely a text in a shell that took them."""
    return f'; a text has quotes: "{node.id}"' if isinstance(node, ast.Name) else ""


def _converted(text: Text, column: Column[Any, Any], codec: Codec, node: ast.expr) -> Any:
    literal = literal_of(text, node)
    if literal is None:
        return None
    try:
        if codec is DECIMAL or codec is DECIMAL_NUMBER:
            return _decimal(literal, text.written(node))
        if codec is NAIVE_UTC and isinstance(literal, str):
            return _moment(literal)
        return codec.decode(literal)
    except ValueError as error:
        such = ', such as "2024-01-31T12:00:00Z"' if codec is DATETIME else ""
        raise text.wrong(node, f"{column.name} is {codec.name}: {error}{such}") from None


def _decimal(literal: Literal, written: str) -> Decimal:
    """The number as it is written: 0.1 is a tenth."""
    if literal is None or isinstance(literal, bool):
        raise ValueError("expected a number, got bool")
    exactly = "".join(written.split()) if isinstance(literal, float) else literal
    try:
        return Decimal(exactly)
    except InvalidOperation:
        raise ValueError("expected a decimal number") from None


def _moment(text: str) -> dt.datetime:
    """A datetime whose time zone may be left out."""
    try:
        moment: dt.datetime = DATETIME.decode(text)
    except ValueError:
        moment = dt.datetime.fromisoformat(text)
    return moment


_KINDS: dict[type[ast.expr], str] = {
    ast.Attribute: "an attribute",
    ast.BinOp: "arithmetic",
    ast.BoolOp: "and / or",
    ast.Call: "a call",
    ast.Compare: "a comparison",
    ast.Constant: "a value",
    ast.Dict: "a dict",
    ast.IfExp: "if / else",
    ast.JoinedStr: "an f-string",
    ast.Lambda: "a lambda",
    ast.List: "a list",
    ast.NamedExpr: "an assignment",
    ast.Set: "a set",
    ast.Starred: "a star",
    ast.Subscript: "an index in brackets",
    ast.Tuple: "values in brackets",
}
