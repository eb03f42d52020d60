"""Comparisons of fields with values, as conditions: what of Python's syntax is known, and nothing else."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Sequence
from typing import Any, cast

from ..errors import QueryError
from ..expressions import Column, Condition
from ..metaclass import schema_of
from ..relationcolumns import RelationColumn
from ..schema import ModelSchema
from .literals import kind_of, literal_of, quotes_for, value_of
from .text import DEEPEST, Text


def read_comparisons(text: Text, schema: ModelSchema) -> Condition[Any]:
    """The condition on a model that a text means; `QueryError` where it means none."""
    return _Reader(text).read(text.parsed(), schema, 1)


class _Reader:
    """Reads the parts of one text."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._wrong = text.wrong

    def read(self, node: ast.expr, schema: ModelSchema, depth: int) -> Condition[Any]:
        if depth > DEEPEST:
            raise self._wrong(node, f"more than {DEEPEST} levels")
        if isinstance(node, ast.BoolOp):
            several = [self.read(each, schema, depth + 1) for each in node.values]
            return _joined("$and" if isinstance(node.op, ast.And) else "$or", several, schema)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ~self.read(node.operand, schema, depth + 1)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            pairs = zip(sides, node.ops, sides[1:], strict=False)
            several = [self._compared(left, operator, right, schema) for left, operator, right in pairs]
            return several[0] if len(several) == 1 else _joined("$and", several, schema)
        if isinstance(node, ast.Call):
            return self._called(node, schema, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitAnd, ast.BitOr)):
            raise self._wrong(node, "write and, or for & and |")
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
            raise self._wrong(node, "write not for ~")
        if isinstance(node, ast.Name):
            sample = _sample(self._field(node, schema))
            raise self._wrong(node, f"{node.id} is compared with something, as in {node.id} == {sample}")
        raise self._wrong(node, f"expected a comparison, as in {_example(schema)}, got {kind_of(node)}")

    def _compared(
        self, left: ast.expr, operator: ast.cmpop, right: ast.expr, schema: ModelSchema
    ) -> Condition[Any]:
        if isinstance(operator, (ast.In, ast.NotIn)):
            return self._contained(left, right, schema, inside=isinstance(operator, ast.In))
        if isinstance(operator, (ast.Is, ast.IsNot)):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise self._wrong(right, "is and is not stand before None alone; write == or !=")
            column = self._field(left, schema)
            return column.is_none() if isinstance(operator, ast.Is) else column.exists()
        symbol = _SYMBOLS[type(operator)]
        if not isinstance(left, ast.Name):
            if not isinstance(right, ast.Name):
                raise self._wrong(left, f"a comparison has a field on one side, got {kind_of(left)}")
            left, symbol, right = right, _TURNED[symbol], left
        elif isinstance(right, ast.Name):
            self._field(left, schema)
            raise self._wrong(right, f"{left.id} is compared with a value, not a name{quotes_for(right)}")
        column = self._field(left, schema)
        value = value_of(self._text, column, right)
        return self._made(right, lambda: _COMPARISONS[symbol](column, value))

    def _contained(
        self, left: ast.expr, right: ast.expr, schema: ModelSchema, *, inside: bool
    ) -> Condition[Any]:
        if isinstance(left, ast.Name) and isinstance(right, (ast.Tuple, ast.List)):
            column = self._field(left, schema)
            values = self._values(column, right.elts)
        elif isinstance(left, ast.Name):
            self._field(left, schema)
            raise self._wrong(right, f"in is followed by values in brackets, as in {left.id} in [1, 2]")
        else:
            column = self._field(right, schema)
            if column.codec.item is None:
                raise self._wrong(right, f"{column.name} is no list; a part of a text: .contains(...)")
            values = self._values(column, [left])
        return self._made(right, lambda: column.in_(values) if inside else column.not_in(values))

    def _called(self, node: ast.Call, schema: ModelSchema, depth: int) -> Condition[Any]:
        method = node.func
        if not isinstance(method, ast.Attribute) or not isinstance(method.value, ast.Name):
            raise self._wrong(node, "only methods of fields are called, as in title.contains(...)")
        if node.keywords:
            raise self._wrong(node.keywords[0].value, f"{method.attr}() takes no named arguments here")
        owner, name = method.value, method.attr
        relation = schema.relation_columns.get(owner.id)
        if relation is not None:
            return self._related(node, relation, name, depth)
        column = self._field(owner, schema)
        if name not in _ARGUMENTS:
            known = ", ".join(f"{each}()" for each in _ARGUMENTS)
            raise self._wrong(method, f"fields have no {name}(); there are {known}")
        expected = _ARGUMENTS[name]
        if len(node.args) != expected:
            raise self._wrong(node, f"{name}() takes {expected or 'no'} value{'s' * (expected > 1)}")
        given: list[Any]
        if name in ("in_", "not_in"):
            several = node.args[0]
            if not isinstance(several, (ast.Tuple, ast.List)):
                raise self._wrong(several, f"{name}() takes values in brackets, as in [1, 2]")
            given = [self._values(column, several.elts)]
        elif name == "between":
            given = self._values(column, node.args)
        else:
            given = [literal_of(self._text, each) for each in node.args]
        return self._made(node, lambda: cast("Condition[Any]", getattr(column, name)(*given)))

    def _related(
        self, node: ast.Call, relation: RelationColumn[Any, Any], method: str, depth: int
    ) -> Condition[Any]:
        name = relation.spec.name
        if method not in ("has", "any", "none"):
            raise self._wrong(node, f"{name} is a relation: it has has(), any() and none(), no {method}()")
        if len(node.args) > 1:
            raise self._wrong(node.args[1], f"{method}() takes one condition; join several with and")
        target = schema_of(relation.spec.target)
        inner = self.read(node.args[0], target, depth + 1) if node.args else None
        return self._made(node, lambda: cast("Condition[Any]", getattr(relation, method)(inner)))

    def _field(self, node: ast.expr, schema: ModelSchema) -> Column[Any, Any]:
        if not isinstance(node, ast.Name):
            raise self._wrong(node, f"expected a field of {schema.name}, got {kind_of(node)}")
        name = node.id
        if name == "record_id":
            return cast("Column[Any, Any]", schema.model.record_id)
        column = schema.columns.get(name)
        if isinstance(column, Column):
            return column
        if column is not None:
            raise self._wrong(node, f"{name} is a vector and takes no conditions")
        if name in schema.relation_by_name:
            raise self._wrong(node, f"{name} is a relation: write {name}.has(...) around a condition")
        if name.lower() in _CONSTANTS:
            raise self._wrong(node, f"there is no field {name}; write {_CONSTANTS[name.lower()]}")
        fields = [each for each, found in schema.columns.items() if isinstance(found, Column)]
        near = difflib.get_close_matches(name, fields, 1)
        meant = f"; is {near[0]} meant?" if near else f"; there are {', '.join([*fields, 'record_id'])}"
        raise self._wrong(node, f"{schema.name} has no field {name}{meant}")

    def _values(self, column: Column[Any, Any], nodes: Sequence[ast.expr]) -> list[Any]:
        return [value_of(self._text, column, each) for each in nodes]

    def _made(self, node: ast.expr, make: Callable[[], Condition[Any]]) -> Condition[Any]:
        try:
            return make()
        except QueryError as error:
            raise self._wrong(node, str(error)) from None


def _joined(operator: str, several: Sequence[Condition[Any]], schema: ModelSchema) -> Condition[Any]:
    """One document for all: with ``&`` each condition more would be a level more."""
    return Condition({operator: [each.where for each in several]}, schema.model)


def _example(schema: ModelSchema) -> str:
    for name, column in schema.columns.items():
        if isinstance(column, Column) and column.codec.filters:
            return f"{name} == {_sample(column)}"
    return 'record_id == "..."'


def _sample(column: Column[Any, Any]) -> str:
    codec = column.codec.item or column.codec
    return {"int": "1", "float": "1.5", "bool": "True"}.get(codec.name, '"..."')


_ARGUMENTS = {
    "startswith": 1,
    "endswith": 1,
    "contains": 1,
    "between": 2,
    "in_": 1,
    "not_in": 1,
    "is_none": 0,
    "exists": 0,
}
"""The methods of fields, and how many values they take."""

_SYMBOLS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_COMPARISONS: dict[str, Callable[[Column[Any, Any], Any], Condition[Any]]] = {
    "==": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
}
_CONSTANTS = {"null": "None", "none": "None", "nil": "None", "true": "True", "false": "False"}
