"""Mypy plugin: a plain ``year: int`` also reads as a `Column` on the class.

Add to the configuration, after pydantic's own where that is used::

    [tool.mypy]
    plugins = ["pydantic.mypy", "rushmodel.mypy_plugin"]

Pyright has no plugins, so ``Field[int]`` is what every checker understands.
"""

from __future__ import annotations

from collections.abc import Callable

from mypy.nodes import TypeInfo, Var
from mypy.plugin import AttributeContext, Plugin
from mypy.types import AnyType, CallableType, Instance, Type, TypeOfAny, TypeType, get_proper_type

BASE = "rushmodel.instance.Instance"
COLUMN = "rushmodel.expressions.Column"
OWN = ("rushmodel.", "pydantic.")
"""Where the attributes of every model come from; they are no fields."""


class RushModelPlugin(Plugin):
    """Types the class attributes of models."""

    def get_class_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        owner, _, name = fullname.rpartition(".")
        symbol = self.lookup_fully_qualified(owner)
        if symbol is None or not isinstance(symbol.node, TypeInfo) or not symbol.node.has_base(BASE):
            return None
        found = symbol.node.get(name)
        if found is None or not isinstance(found.node, Var) or found.node.is_classvar:
            return None
        if found.node.info.fullname.startswith(OWN) or name.startswith("_"):
            return None
        return self._column

    def _column(self, context: AttributeContext) -> Type:
        value = get_proper_type(context.default_attr_type)
        column = self.lookup_fully_qualified(COLUMN)
        if column is None or not isinstance(column.node, TypeInfo):
            return context.default_attr_type
        if isinstance(value, Instance) and value.type.fullname.startswith("rushmodel."):
            return context.default_attr_type  # Field and Vector have typed it already
        owner: Type = get_proper_type(context.type)
        if isinstance(owner, CallableType):
            owner = owner.ret_type
        elif isinstance(owner, TypeType):
            owner = owner.item
        elif not isinstance(owner, Instance):
            owner = AnyType(TypeOfAny.special_form)
        return Instance(column.node, [owner, context.default_attr_type])


def plugin(version: str) -> type[Plugin]:
    """Mypy's entry point."""
    return RushModelPlugin
