"""`SearchVectors`, `SearchMany`: the records nearest to a vector, among those a condition leaves."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from ...errors import AmbiguousSearch, CapabilityError, PolicyMissing, QueryError, VectorError
from ...port import (
    BuildIndex,
    DropIndex,
    Float32,
    GetIndexStats,
    IndexStats,
    RecordQuery,
    SearchMany,
    SearchVectors,
    StoredRecord,
)
from .approximate import Graphs, stats_of
from .damage import DamagedFile
from .graphs import Graph
from .masks import rows_among
from .mirrors import Mirror, last_seq
from .names import Table
from .parts import DamagedVectors
from .querying import tables_of
from .records import Projection, read_rows
from .sidecar import remove_sidecars
from .vectors import sum_of_squares

if TYPE_CHECKING:
    from .file import StoreFile
    from .policies import StoredPolicy
    from .session import Session

_COPIED: Final = 4096
"""Vectors that are copied at a time for an index, while matrices stay as they are."""

_QUICK: Final = 2**21
"""Numbers that take some 0.3 ms to scan: as long as it takes to save a record or two."""

_WAIT: Final = 0.02
"""Seconds between two looks at the clock while others scan, or read vectors."""


class Searcher:
    """Searches, and keeps the vectors of every policy that was searched in memory.

    Threads may search at the same time, each in a session of its own. A matrix is brought up to date at
    each search, to that session's snapshot: by ``seq`` it learns what this process and others have
    committed since, and never what was rolled back. So long as anybody scans the matrices they stay as
    they are; a session whose snapshot is older than they are takes a newer one.

    The sessions show what is committed, or else they are one only, and its own Searcher with it, which does
    not save sidecars (``saves``).
    """

    def __init__(self, file: StoreFile, *, saves: bool = True) -> None:
        self._file = file
        self._saves = saves
        self._database = None if file.in_memory else file.path
        self._mirrors: dict[int, Mirror] = {}
        self._graphs = Graphs(file)
        self._turn = threading.Condition()
        self._scanning = 0
        self._process = os.getpid()

    @property
    def is_quick(self) -> bool:
        """Whether a search would keep who writes waiting for next to nothing, were it on that connection."""
        sizes = [len(mirror.matrix) * mirror.matrix.dims for mirror in list(self._mirrors.values())]
        return bool(sizes) and max(sizes) <= _QUICK

    def search(self, session: Session, command: SearchVectors) -> list[StoredRecord]:
        asked = _Asked(command, command.vector[np.newaxis], command.without)
        return self._answer(session, asked)[0]

    def search_many(self, session: Session, command: SearchMany) -> list[list[StoredRecord]]:
        vectors = command.vectors
        if vectors.ndim != 2:
            raise VectorError(
                f"expected vectors of shape (m, dims), got {vectors.shape}", given=vectors.shape
            )
        if not len(vectors):
            return []
        return self._answer(session, _Asked(command, vectors, None))

    def build_index(self, session: Session, command: BuildIndex) -> IndexStats:
        """Others search and write meanwhile: vectors are copied out a few thousand at a time."""
        if not self._saves:
            raise CapabilityError("an index is built outside of transactions", signature=command.signature)
        policy = session.policies.get(command.signature)
        table = session.names.table(policy.signature.label)
        while True:
            place = _Place(table, self._mirror(policy)) if table is not None else None
            try:
                graph = self._build(session, place) if place else Graph.empty(policy, 0)
            except DamagedVectors:
                assert place is not None
                self._distrust([place])
            else:
                self._graphs.keep(policy, graph)
                return stats_of(session, graph)

    def index_stats(self, session: Session, command: GetIndexStats) -> IndexStats | None:
        graph = self._graphs.get(session, session.policies.get(command.signature))
        return None if graph is None else stats_of(session, graph)

    def drop_index(self, session: Session, command: DropIndex) -> bool:
        policy = session.policies.get(command.signature)
        there = self._graphs.get(session, policy) is not None
        self._graphs.drop(policy.number)
        return there

    def _build(self, session: Session, place: _Place) -> Graph:
        with self._scan(session, lambda: [place]):
            graph = Graph.empty(place.mirror.policy, place.mirror.seq)
            rows = place.mirror.matrix.rows()
        for start in range(0, len(rows), _COPIED):
            with self._scan(session, lambda: [place]):
                held, vectors = place.mirror.matrix.vectors_of(rows[start : start + _COPIED])
            graph.add(held, vectors)
            session.renew()  # so that the file can be checkpointed meanwhile
            session.pause()
        return graph

    @contextmanager
    def _scan(self, session: Session, find: Callable[[], list[_Place]]) -> Generator[None]:
        self._begin(session, find)
        try:
            yield
        finally:
            self._end()

    def _answer(self, session: Session, asked: _Asked) -> list[list[StoredRecord]]:
        query = asked.command.query
        if query.order:
            raise QueryError("a search is ordered by nearness; leave the order out, or sort what it answers")
        for vector in asked.vectors:
            _check_vector(asked, vector)
        while True:
            places = self._begin(session, lambda: self._places(session, asked))
            if places is None:
                return [[] for _ in asked.vectors]
            try:
                hits = _nearest(session, asked, places, self._graphs if self._saves else None)
                if self._saves:
                    self._save(places)
            except DamagedVectors:
                self._distrust(places)
                continue
            finally:
                self._end()
            return [_read_hits(session, query, found) for found in hits]

    def _begin(self, session: Session, find: Callable[[], list[_Place]]) -> list[_Place] | None:
        """What is to be searched, as the session's snapshot shows it, until `_end`; None: nothing."""
        self._enter_process()
        while not self._turn.acquire(timeout=_WAIT):
            session.pause()  # who reads all vectors for the first time keeps it for as long
        try:
            while True:
                places = find()
                if not places:
                    return None
                last = last_seq(session.connection)
                mirrors = [place.mirror for place in places]
                if any(mirror.reached > last for mirror in mirrors):
                    session.renew()  # others cannot go on meanwhile: once is enough
                elif all(mirror.seq == last for mirror in mirrors) or not self._scanning:
                    for mirror in mirrors:
                        mirror.catch_up(session.connection, last, session.pause)
                    self._scanning += 1
                    return places
                else:
                    self._turn.wait(_WAIT)
                    session.pause()
        finally:
            self._turn.release()

    def _end(self) -> None:
        with self._turn:
            self._scanning -= 1
            self._turn.notify_all()

    def _places(self, session: Session, asked: _Asked) -> list[_Place]:
        command = asked.command
        tables = tables_of(session, command.query)
        labels = command.query.labels or [table.label for table in tables]
        # A label that has never had a record has policies, and no table.
        policies = {label: _policies_for(session, label, asked) for label in labels}
        _check_similarity([policy for several in policies.values() for policy in several], asked)
        self._forget_deleted(session)
        places = [_Place(table, self._mirror(policy)) for table in tables for policy in policies[table.label]]
        if not places:
            _refuse_unless_empty(session, tables, asked)
        return places

    def _mirror(self, policy: StoredPolicy) -> Mirror:
        mirror = self._mirrors.get(policy.number)
        if mirror is None:
            mirror = self._mirrors[policy.number] = Mirror(policy, self._database)
        return mirror

    def _save(self, places: list[_Place]) -> None:
        for place in places:
            mirror = place.mirror
            if mirror.needs_saving():
                with mirror.saving:
                    if mirror.needs_saving():  # another thread may have been faster
                        mirror.save(self._file)

    def _distrust(self, places: list[_Place]) -> None:
        with self._turn:
            for place in places:
                number = place.mirror.policy.number
                if self._mirrors.get(number) is place.mirror:
                    place.mirror.distrust()
                    # Without its path it reads no sidecar again, and so comes to an end.
                    fresh = self._mirrors[number] = Mirror(place.mirror.policy, self._database)
                    fresh.trusts = False

    def _forget_deleted(self, session: Session) -> None:
        if self._mirrors:
            there = {policy.number for policy in session.policies.all()}
            for number in self._mirrors.keys() - there:
                if self._saves and self._database is not None:
                    remove_sidecars(self._database, number)
                    self._graphs.drop(number)
                del self._mirrors[number]

    def _enter_process(self) -> None:
        if self._process != os.getpid():
            # A fork came while another thread searched, which is not here to finish.
            self._process = os.getpid()
            if self._scanning or not self._turn.acquire(blocking=False):
                self._mirrors = {}
            self._turn = threading.Condition()
            self._scanning = 0


class _Asked(NamedTuple):
    command: SearchVectors | SearchMany
    vectors: Float32  # (m, dims)
    without: str | None

    @property
    def dims(self) -> int:
        return int(self.vectors.shape[1])


class _Place(NamedTuple):
    table: Table
    mirror: Mirror


_Found: TypeAlias = "list[tuple[float, int, Table]]"


def _nearest(session: Session, asked: _Asked, places: list[_Place], graphs: Graphs | None) -> list[_Found]:
    """Score, row and table of the hits of each vector, best first.

    ``graphs`` may serve searches that need not be exact.
    """
    command = asked.command
    query = command.query
    without = _row_of(session, asked.without)
    most = None if query.limit is None else query.limit + query.offset
    found: list[_Found] = [[] for _ in asked.vectors]
    for table, mirror in places:
        matrix = mirror.matrix
        k = len(matrix) if most is None else most
        among = rows_among(session, table, query)
        near = None
        if graphs is not None and not command.exact:
            near = [graphs.nearest(session, mirror, each, k, among, without) for each in asked.vectors]
        if near is not None and None not in near:
            several = [each for each in near if each is not None]
        elif len(found) == 1:
            several = [matrix.nearest(asked.vectors[0], k, among=among, without=without, pause=session.pause)]
        else:
            several = matrix.nearest_many(asked.vectors, k, among=among, pause=session.pause)
        for hits, nearest in zip(found, several, strict=True):
            hits.extend((score, row, table) for row, score in nearest)
    for place, hits in enumerate(found):
        # One matrix answers in order; of several, equal scores go by row, which is by age.
        hits.sort(key=lambda hit: (-hit[0], hit[1]))
        if command.min_score is not None:
            hits = [hit for hit in hits if hit[0] >= command.min_score]
        found[place] = hits[query.offset : most]
    return found


def _policies_for(session: Session, label: str, asked: _Asked) -> list[StoredPolicy]:
    """The policies of the label that the search can mean (R12): external ones before managed ones (R28)."""
    command = asked.command
    fitting = [
        policy
        for policy in session.policies.of_property(label, command.property)
        if policy.signature.dims == asked.dims
        and command.source in (None, policy.signature.source)
        and command.similarity in (None, policy.signature.similarity)
    ]
    external = [policy for policy in fitting if policy.signature.source == "external"]
    return external or fitting


def _check_vector(asked: _Asked, vector: Float32) -> None:
    if vector.ndim != 1 or vector.dtype != np.float32:
        raise VectorError(
            f"a search takes one float32 vector, got {vector.dtype} of shape {vector.shape}",
            given=vector.shape,
        )
    if not np.isfinite(vector).all():
        raise VectorError("the query vector holds NaN or infinite values", property=asked.command.property)


def _check_similarity(policies: list[StoredPolicy], asked: _Asked) -> None:
    """`AmbiguousSearch` unless one similarity is meant; `VectorError` where cosine gets no direction."""
    similarities = {policy.signature.similarity for policy in policies}
    if len(similarities) > 1:
        candidates = tuple(policy.signature for policy in policies)
        raise AmbiguousSearch(
            f"several index policies fit the query vector: {', '.join(map(str, candidates))};"
            " similarityFunction decides",
            property=asked.command.property,
            candidates=candidates,
        )
    if similarities != {"cosine"}:
        return
    if not all(0.0 < sum_of_squares(vector) < np.inf for vector in asked.vectors):
        raise VectorError(
            "the query vector's norm is zero or not finite in float32, so that it has no direction",
            property=asked.command.property,
        )


def _refuse_unless_empty(session: Session, tables: list[Table], asked: _Asked) -> None:
    """`PolicyMissing` if there are records to search and no policy to search by (promise 7)."""
    command = asked.command
    for table in tables:
        if session.execute(f"SELECT EXISTS (SELECT 1 FROM {table.sql})").fetchone()[0]:
            labels = ", ".join(command.query.labels) or "any label"
            wanted = " ".join(filter(None, (command.source, command.similarity)))
            raise PolicyMissing(
                f"no {wanted + ' ' if wanted else ''}index policy found for label {labels}, property"
                f" {command.property!r}, dimensions {asked.dims}"
                f"{session.policies.known(table.label, command.property)}",
                labels=command.query.labels,
                property=command.property,
                dimensions=asked.dims,
            )


def _row_of(session: Session, record_id: str | None) -> int | None:
    if record_id is None:
        return None
    found = session.execute("SELECT row FROM records WHERE id = ?", (record_id,)).fetchone()
    return None if found is None else int(found[0])


def _read_hits(session: Session, query: RecordQuery, hits: _Found) -> list[StoredRecord]:
    by_label: dict[str, tuple[Table, list[int]]] = {}
    for _, row, table in hits:
        by_label.setdefault(table.label, (table, []))[1].append(row)
    records: dict[int, StoredRecord] = {}
    for table, rows in by_label.values():
        projection = Projection(session, table, query.properties, query.vectors)
        records.update(read_rows(session, table, projection, rows))
    try:
        return [records[row]._replace(score=score) for score, row, _ in hits]
    except KeyError as error:
        raise DamagedFile("a vector is there without its record") from error
