"""The source of an `Edge` class: the properties of relationships."""

from __future__ import annotations

from collections.abc import Iterable

from ..names import RESERVED, property_name_error
from .checking import CLASS_NAMES, IMPORTS, TYPES
from .facts import RelationFacts
from .fieldsource import field_line, left_out
from .identifiers import Scope, class_name, field_name
from .text import ClassSource, class_source

_TYPE = "type"
"""Stands beside the properties of a relationship, and is none (rule R27)."""


class EdgeSource:
    """The class for the relationships of one type between two labels."""

    def __init__(self, facts: RelationFacts) -> None:
        self._facts = facts
        self._kinds: dict[str, str] = {}
        self._remarks: list[str] = []
        for name, seen in sorted(facts.tally.properties.items()):
            if name == _TYPE or property_name_error(name) is not None:
                self._remarks.append(left_out(name, "no field can have that name in the store"))
            elif seen.type is None:
                self._remarks.append(left_out(name, "its values are of several types"))
            else:
                self._kinds[name] = seen.type

    @property
    def has_fields(self) -> bool:
        """Whether any property fits into a field; without one there is no use in a class."""
        return bool(self._kinds)

    def take_name(self, module: Scope) -> str:
        """A name for it."""
        facts = self._facts
        return module.take(class_name(facts.type), class_name(f"{facts.type}_{facts.target}"))

    def source(self, name: str, classes: Iterable[str]) -> ClassSource:
        """The class, beside all ``classes`` of the module."""
        tally, fields = self._facts.tally, list[str]()
        scope = Scope((*RESERVED, *CLASS_NAMES, *IMPORTS, *TYPES, *classes))
        for stored, kind in self._kinds.items():
            attribute = scope.take(stored, field_name(stored))
            is_optional = tally.properties[stored].records < tally.records
            fields.append(field_line(attribute, stored, kind, is_optional=is_optional))
        return class_source(f"{name}(Edge)", fields, self._remarks)
