"""``db.inspect()``: model classes for what a store holds, and the file that they go to."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Sequence
from typing import Any

from .catalog import Schema
from .destinations import writing
from .errors import QueryError
from .flow import Operation, ask
from .inspection.facts import LabelFacts, PolicyFacts, RelationFacts
from .inspection.source import written
from .inspection.tally import Tally
from .operations import cataloguing
from .operations.migrating import LABEL as MIGRATIONS
from .port import (
    Coverage,
    DescribedRelationship,
    DescribeStore,
    Description,
    End,
    FindRelationships,
    GetCapabilities,
    RecordQuery,
    Signature,
    StoredRecord,
)
from .progress import Told
from .steps import Step, pages
from .vectors import same_vector

PAGE = 1000
"""Relationships that are asked for at a time."""


class Inspecting:
    """One look at a store: every record of the labels (none: of all), page by page."""

    def __init__(self, labels: Sequence[str], progress: Told | None) -> None:
        self._labels = tuple(labels)
        self._progress = progress
        self._count = 0

    def steps(self) -> Generator[Step, Any, str]:
        """The source of a module.

        Raises:
            QueryError: A label that is asked for is not there.
        """
        described: Description = yield ask(DescribeStore(self._labels))
        reads_vectors: bool = yield _reads_vectors()
        policies = _by_label(described)
        labels = sorted({each.name for each in described.labels}.union(policies) - {MIGRATIONS})
        if self._labels:
            labels = [each for each in labels if each in self._labels]
            absent = sorted(set(self._labels).difference(labels))
            if absent:
                known: Schema = yield cataloguing.describe()
                raise _absent(absent, known)
        facts: list[LabelFacts] = []
        for label in labels:
            found = yield from self._label(label, policies.get(label, {}), reads_vectors)
            facts.append(found)
        relations: list[RelationFacts] = []
        for each in sorted(described.relationships):
            if each.source in labels:
                related = yield from self._relation(each)
                relations.append(related)
        return written(facts, relations)

    def _label(
        self, label: str, policies: dict[Signature, Coverage], reads_vectors: bool
    ) -> Generator[Step, Any, LabelFacts]:
        tally = Tally()
        groups = _Groups(policies, reads_vectors)
        query = RecordQuery((label,), vectors=groups.compared)
        yield from pages(query, lambda page: self._page(page, tally, groups))
        return LabelFacts(label, tally, tuple(groups.found()))

    def _page(
        self, page: Sequence[StoredRecord], tally: Tally, groups: _Groups
    ) -> Generator[Step, Any, None]:
        def count() -> None:
            for record in page:
                tally.add(record.data, record.texts)
            groups.compare(page)
            self._count += len(page)
            if self._progress is not None:
                self._progress(self._count)

        yield count

    def _relation(self, each: DescribedRelationship) -> Generator[Step, Any, RelationFacts]:
        tally = Tally()
        if each.properties:
            ends = End((each.source,)), End((each.target,))
            offset = 0
            while True:
                found = yield ask(FindRelationships(*ends, (each.type,), limit=PAGE, offset=offset))
                for relationship in found.relationships:
                    tally.add(relationship.data)
                offset += len(found.relationships)
                if not found.relationships or offset >= found.total:
                    break
        return RelationFacts(each.source, each.type, each.target, tally)


class _Groups:
    """Which policies of a label hold the same vectors: one field stands for them."""

    def __init__(self, policies: dict[Signature, Coverage], reads_vectors: bool) -> None:
        groups: dict[tuple[Any, ...], list[Signature]] = {}
        for one in sorted(policies, key=str):
            groups.setdefault((one.property, one.source, one.dims), []).append(one)
        self._coverages = policies
        self._groups = list(groups.values())
        self._comparable = [
            each for each in self._groups if len(each) > 1 and reads_vectors and each[0].source == "external"
        ]
        self._different: set[Signature] = set()

    @property
    def compared(self) -> tuple[Signature, ...]:
        """Those whose vectors have to be read for that."""
        return tuple(one for each in self._comparable for one in each)

    def compare(self, page: Iterable[StoredRecord]) -> None:
        """Look at the vectors of some records."""
        for group in self._comparable:
            first, *others = group
            for record in page:
                vectors = record.vectors or {}
                for other in others:
                    one, another = vectors.get(first), vectors.get(other)
                    if not (same_vector(one, another) or one is another is None):
                        self._different.update(group)

    def found(self) -> Iterable[PolicyFacts]:
        """The policies, those of one field together."""
        for group in self._groups:
            together = group in self._comparable and self._different.isdisjoint(group)
            for some in [group] if together else [[one] for one in group]:
                yield PolicyFacts(tuple(some), self._coverages[some[0]])


def write_models(source: str, path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Write what `Database.inspect` gave to a file: all of it, or nothing.

    Args:
        source: The module.
        path: Where it goes.
        force: It may take the place of another file.

    Raises:
        FileExistsError: There is such a file.
    """
    with writing(path, "write_models()", overwrite=force) as write:
        write(source.encode())


def _absent(labels: Iterable[str], known: Schema) -> QueryError:
    there = ", ".join(map(repr, known.labels)) or "none of any label"
    asked = ", ".join(map(repr, labels))
    return QueryError(f"there are no records and no index policies of {asked}; there are {there}")


def _reads_vectors() -> Operation[bool]:
    return (yield from ask(GetCapabilities())).reads_vectors


def _by_label(described: Description) -> dict[str, dict[Signature, Coverage]]:
    found: dict[str, dict[Signature, Coverage]] = {}
    for policy, coverage in described.policies:
        found.setdefault(policy.signature.label, {})[policy.signature] = coverage
    return found
