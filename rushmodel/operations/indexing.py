"""Graph indexes for approximate searches: which policy is meant by a field."""

from __future__ import annotations

from typing import Any

from ..errors import AmbiguousSearch, ModelError, QueryError
from ..expressions import Column, VectorColumn
from ..flow import Operation, ask
from ..metaclass import schema_of
from ..port import BuildIndex, DropIndex, DropKeywords, GetIndexStats, IndexStats, Signature, Similarity


def build_index(
    column: VectorColumn[Any] | Column[Any, Any], similarity: Similarity | None
) -> Operation[IndexStats]:
    """Build the graph index of a field's policy."""
    return (yield from ask(BuildIndex(_signature(column, similarity))))


def index_stats(
    column: VectorColumn[Any] | Column[Any, Any], similarity: Similarity | None
) -> Operation[IndexStats | None]:
    """How much the graph index of a field's policy holds; None where there is none."""
    return (yield from ask(GetIndexStats(_signature(column, similarity))))


def drop_index(
    column: VectorColumn[Any] | Column[Any, Any], similarity: Similarity | None
) -> Operation[bool]:
    """Remove the graph index of a field's policy, or the keyword index of a text; whether there was one."""
    if isinstance(column, Column):
        schema = schema_of(column.model)
        if column.name in schema.by_name and column.name not in schema.vector_by_name:
            return (yield from ask(DropKeywords(schema.concrete_label())))
    return (yield from ask(DropIndex(_signature(column, similarity))))


def _signature(column: object, similarity: Similarity | None) -> Signature:
    if not isinstance(column, (VectorColumn, Column)):
        raise QueryError(
            f"an index is of a vector field, as in db.build_index(Article.embedding), got {column!r:.60}"
        )
    schema = schema_of(column.model)
    schema.concrete_label()
    spec = schema.vector_by_name.get(column.name)
    if spec is None:
        known = ", ".join(each.name for each in schema.vectors) or "none"
        raise ModelError(
            f"{schema.name}.{column.name} is no vector field; there are {known}", model=schema.model
        )
    fitting = [each for each in spec.signatures if similarity in (None, each.similarity)]
    if not fitting:
        raise QueryError(f"{schema.name}.{spec.name} has {', '.join(spec.similarities)}, not {similarity!r}")
    if len(fitting) > 1:
        raise AmbiguousSearch(
            f"{schema.name}.{spec.name} has several policies; say which, as in "
            f"similarity={spec.similarities[0]!r}",
            candidates=[(spec.name, each) for each in spec.similarities],
        )
    return fitting[0]
