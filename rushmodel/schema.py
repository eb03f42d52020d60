"""What a model is, as data: read once from the class, then by everybody.

Planning, saving, loading and the docs read this, never pydantic.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from . import codecs
from .codecs import Codec
from .embedding import Embedder
from .errors import ModelError
from .expressions import Column, VectorColumn
from .port import Float32, Signature, Similarity, Source
from .relationcolumns import RelationColumn, RelationSpec
from .value import Value
from .vectorfields import OnStale
from .vectors import as_vector

MISSING: Any = object()
"""Stands for "nothing there" where None is a value."""


class Property(Value):
    """A field that is stored as one property.

    ``name`` is the attribute, ``property`` the name in the store. ``default`` makes the
    value where none is given, out of the fields before it; None where the field is required.
    ``former`` is the name that the property had in the store before, and is written along.
    """

    name: str
    property: str
    codec: Codec
    optional: bool
    key: bool
    index: bool
    default: Callable[[dict[str, Any]], Any] | None
    former: str | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names that it is stored under."""
        return (self.property,) if self.former is None else (self.property, self.former)


class VectorProperty(Value):
    """A vector field and the policies it belongs to.

    ``property`` is the indexed property. ``text`` is the attribute that holds the text
    (None where the vector stands for itself: a fingerprint is stored then, rule R4).
    ``inline``: declared as ``Annotated[str, VectorField(...)]``; the vector lives in
    ``record.vectors[name]``. ``text_property`` is the stored name of the text, which is
    ``property`` unless an embedder has one of its own. ``origin`` is the property that says what an
    embedder's vector was made of. ``replaces`` is what the field was before.
    """

    name: str
    property: str
    text: str | None
    dims: int
    similarities: tuple[Similarity, ...]
    source: Source
    on_stale: OnStale
    optional: bool
    as_list: bool
    inline: bool
    label: str | None
    text_property: str | None = None
    embedder: Embedder | None = None
    origin: str | None = None
    replaces: VectorProperty | None = None

    @cached_property
    def signatures(self) -> tuple[Signature, ...]:
        """One policy for each similarity; none on an abstract class."""
        if self.label is None:
            return ()
        return tuple(
            Signature(self.label, self.property, self.source, each, self.dims) for each in self.similarities
        )

    @cached_property
    def migration(self) -> str:
        """The name of the move from what the field was before to what it is."""
        return f"{self.label}.{self.origin}"

    @cached_property
    def managed(self) -> bool:
        return self.source == "managed"

    def convert(self, value: object) -> Float32:
        """The vector as it is stored, whatever flavour the field holds.

        Raises:
            ValueError: See `vectors.as_vector`.
        """
        return as_vector(value, dims=self.dims, similarities=self.similarities)


class ModelSchema(Value):
    """A model: its label (None for an abstract class), properties, vectors, merge key and relations."""

    model: type[Any]
    label: str | None
    properties: tuple[Property, ...]
    vectors: tuple[VectorProperty, ...]
    columns: dict[str, Column[Any, Any] | VectorColumn[Any]]
    relations: tuple[RelationSpec, ...] = ()

    @cached_property
    def name(self) -> str:
        return self.model.__name__

    @cached_property
    def by_name(self) -> dict[str, Property]:
        return {each.name: each for each in self.properties}

    @cached_property
    def vector_by_name(self) -> dict[str, VectorProperty]:
        return {each.name: each for each in self.vectors}

    @cached_property
    def relation_by_name(self) -> dict[str, RelationSpec]:
        return {each.name: each for each in self.relations}

    @cached_property
    def relation_columns(self) -> dict[str, RelationColumn[Any, Any]]:
        """The relations as seen on the class."""
        return {each.name: RelationColumn[Any, Any](self.model, each) for each in self.relations}

    @cached_property
    def keys(self) -> tuple[Property, ...]:
        return tuple(each for each in self.properties if each.key)

    @cached_property
    def key_properties(self) -> tuple[str, ...]:
        """The stored names of the merge key."""
        return tuple(each.property for each in self.keys)

    @cached_property
    def text_properties(self) -> frozenset[str]:
        """The stored names of properties that are strings, even where one looks like a datetime (R14)."""
        dated = (codecs.DATETIME, codecs.NAIVE_UTC, codecs.DATE)
        return frozenset(
            name
            for each in self.properties
            if (each.codec.item or each.codec) not in dated
            for name in each.names
        )

    @cached_property
    def scalars(self) -> frozenset[str]:
        """The stored names of properties that never hold a list."""
        return frozenset(name for each in self.properties if each.codec.item is None for name in each.names)

    @cached_property
    def renamed(self) -> tuple[Property, ...]:
        """The properties that had another name before."""
        return tuple(each for each in self.properties if each.former is not None)

    @cached_property
    def attribute_vectors(self) -> tuple[VectorProperty, ...]:
        """Vectors that are attributes of their own."""
        return tuple(each for each in self.vectors if not each.inline)

    @cached_property
    def inline_vectors(self) -> tuple[VectorProperty, ...]:
        """Vectors that live in ``record.vectors``."""
        return tuple(each for each in self.vectors if each.inline)

    @cached_property
    def external(self) -> tuple[VectorProperty, ...]:
        """The vectors that are given by the program, not made by the store."""
        return tuple(each for each in self.vectors if not each.managed)

    @cached_property
    def former(self) -> tuple[VectorProperty, ...]:
        """What fields were before, where ``replaces=`` says that."""
        return tuple(each.replaces for each in self.vectors if each.replaces is not None)

    @cached_property
    def former_signatures(self) -> frozenset[Signature]:
        """The policies of what fields were before."""
        return frozenset(one for each in self.former for one in each.signatures)

    @cached_property
    def embedded(self) -> tuple[VectorProperty, ...]:
        """The vectors, of before too, that an embedder makes."""
        return tuple(each for each in (*self.external, *self.former) if each.embedder is not None)

    @cached_property
    def signatures(self) -> tuple[Signature, ...]:
        """The policies the class wants, each once."""
        return tuple(dict.fromkeys(one for each in self.vectors for one in each.signatures))

    @cached_property
    def indexes(self) -> tuple[tuple[str, ...], ...]:
        """The property indexes the class wants: its merge key, and each ``index=True``."""
        wanted = [(name,) for each in self.properties if each.index for name in each.names]
        return tuple(dict.fromkeys([self.key_properties, *wanted] if self.keys else wanted))

    def concrete_label(self) -> str:
        """The label, or a clear error for a class that has none."""
        if self.label is None:
            raise ModelError(
                f"{self.name} is abstract: it has no label and no records. "
                "Use a subclass of it (for a generic model: class IntBox(Box[int]))",
                model=self.model,
            )
        return self.label
