"""`Edge`: the properties that relationships have of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict
from typing_extensions import dataclass_transform

from .errors import LoadError, ModelError, PropertyError
from .fields import field
from .metaclass import ModelMeta, schema_of
from .names import PYDANTIC_NAMES
from .port import StoredValue
from .schema import ModelSchema

E = TypeVar("E", bound="Edge")

TYPE = "type"
"""What a server calls a relationship's type, beside its properties (rule R27)."""


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class EdgeMeta(ModelMeta):
    """As `ModelMeta`; edges are no records: they have no label, key, vectors and relations."""

    __rush_reserved__ = PYDANTIC_NAMES

    if not TYPE_CHECKING:

        def __new__(mcs, name, bases, namespace, **kwargs):
            kwargs.setdefault("abstract", True)
            return super().__new__(mcs, name, bases, namespace, **kwargs)

    def __rush_check__(cls, schema: ModelSchema) -> None:
        for found, what in (
            (schema.vectors, "vectors belong to records"),
            (schema.keys, "relationships have no merge key"),
            (schema.relations, "relations lead from records"),
        ):
            for each in found:
                raise ModelError(f"{schema.name}.{each.name}: an Edge has none: {what}", field=each.name)
        for each in schema.properties:
            if each.former is not None:
                where = f"{schema.name}.{each.name}"
                raise ModelError(
                    f"{where}: the properties of relationships keep their names: write "
                    f"field(name={each.former!r})",
                    field=each.name,
                )
            if each.index:
                where = f"{schema.name}.{each.name}"
                raise ModelError(f"{where}: there are no property indexes on edges", field=each.name)
            if each.property == TYPE:
                raise ModelError(
                    f"{schema.name}.{each.name}: it would be stored as {TYPE!r}, which is the name of the "
                    "relationship's type (rule R27). Write field(name='...')",
                    field=each.name,
                )


class Edge(BaseModel, metaclass=EdgeMeta):
    """The properties of a relationship, declared as a class::

        class Wrote(Edge):
            at: Field[datetime]

        class Article(Model):
            author: Relation[Person] = relation("WROTE", direction="in", edge=Wrote)

    Stored as the fields of models are. An edge does not change: to change what a relationship has,
    give it another one, ``article.author.set(ada, edge=Wrote(at=...))``.
    """

    model_config = ConfigDict(
        frozen=True,  # a change would go unseen
        hide_input_in_errors=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        defer_build=True,
    )
    __rush_edge__ = True


def edge_data(edge: Edge) -> dict[str, StoredValue]:
    """The properties of an edge as they are stored; None is left out.

    Raises:
        PropertyError: A value that cannot be stored; names the field.
    """
    schema = schema_of(type(edge))
    data: dict[str, StoredValue] = {}
    for each in schema.properties:
        value = getattr(edge, each.name)
        if value is None:
            continue
        try:
            data[each.property] = each.codec.encode(value)
        except ValueError as error:
            raise PropertyError(f"{schema.name}.{each.name}: {error}", field=each.name) from None
    return data


def load_edge(kind: type[E], data: Mapping[str, Any], where: str) -> E:
    """The edge of stored properties, made without validation.

    Raises:
        LoadError: A property is absent or of another type, and the class does not allow that.
    """
    values: dict[str, Any] = {}
    for each in schema_of(kind).properties:
        stored = data.get(each.property)
        if stored is not None:
            try:
                values[each.name] = each.codec.decode(stored)
            except ValueError as error:
                raise _misfit(kind, each.name, where, str(error)) from None
        elif each.optional:
            values[each.name] = None
        elif each.default is None:
            raise _misfit(
                kind, each.name, where, f"it has no property {each.property!r}, and no default is declared"
            )
        else:
            values[each.name] = each.default(values)
    return kind.model_construct(**values)


def _misfit(kind: type[Edge], name: str, where: str, reason: str) -> LoadError:
    return LoadError(f"{where} is no {kind.__name__}: {name}: {reason}", field=name, model=kind)
