"""The embedded store as a `Backend`: every command in one transaction on one SQLite database."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar, cast

from ...errors import CapabilityError, QueryError
from ...port import (
    BackUpStore,
    BuildIndex,
    Capabilities,
    CheckStore,
    CloseCursor,
    Command,
    CountLabels,
    CountRecords,
    CreatePolicy,
    DeletePolicy,
    DeleteProperty,
    DeleteRecords,
    DescribeStore,
    DropIndex,
    DropKeywords,
    EnsureIndexes,
    EnsureKeywords,
    Execute,
    ExplainQuery,
    FindPage,
    FindProperties,
    FindRecords,
    FindRelated,
    FindRelationships,
    FindRows,
    GetCapabilities,
    GetCoverage,
    GetIndexStats,
    GetProperty,
    GetRecords,
    GetStats,
    ImportRecords,
    JoinRecords,
    LinkRecords,
    ListPolicies,
    ListValues,
    OpenCursor,
    PatchRecord,
    ReadCursor,
    SaveGraph,
    SaveRecords,
    SearchMany,
    SearchText,
    SearchVectors,
    SearchWords,
    SetDimensions,
    StoredRecord,
    UpdateRecords,
    UpsertVectors,
    VacuumStore,
)
from .catalog import count_labels, delete_property, find_properties, get_property, list_values
from .changing import delete_records, patch_record, update_records
from .checking import Checker
from .committing import Commits, Pending
from .copying import back_up
from .cursors import Cursors
from .describing import describe_store
from .explaining import explain_query
from .file import Durability, StoreFile
from .importing import import_records
from .joining import join_records
from .keywords import drop_keywords, ensure_keywords
from .limits import TimeLimit
from .linking import link_records, save_graph
from .managed import set_dimensions
from .measuring import Measurer, vacuum
from .neighbours import find_related
from .policies import create_policy, delete_policy, get_coverage, list_policies
from .querying import count_records, find_page, find_records
from .readers import Readers, read
from .records import get_records
from .relationships import find_relationships
from .saving import save_records
from .searching import Searcher
from .select_rows import find_rows
from .session import Session
from .transactions import EmbeddedTransaction, Handlers
from .vectors import upsert_vectors
from .wordsearch import search_text

R = TypeVar("R")


class EmbeddedBackend:
    """A store in one file, or in memory with the location ``memory://``.

    Threads may share it: what several of them write at a time is committed together (`Commits`), and on
    a file those who read wait for none of those who write (`Readers`). In memory one command runs at a
    time. Processes may share the file: each sees what the others have committed. A command is
    carried out as a whole or, when it raises, not at all.

    ``durability``: "full" keeps what was acknowledged through a power cut,
    "normal" through a killed process. ``busy_timeout``: seconds to wait for
    other processes' writes before `StoreBusy`. ``time_limit``: seconds that a command
    may take before `StoreTimeout`; None: as long as it needs.

    Raises `StoreError` (`ForeignFile`, `NewerFormat`, `StoreBusy`) with the path
    where the file cannot be opened, and `StoreClosed` after `close`.
    """

    def __init__(
        self,
        location: str | os.PathLike[str],
        *,
        durability: Durability = "full",
        busy_timeout: float = 30.0,
        time_limit: float | None = None,
    ) -> None:
        self._file = StoreFile(location, durability, busy_timeout)
        self._cursors = Cursors(self._file, at_once=self._file.in_memory)
        self._seconds = time_limit
        self._limit = TimeLimit(time_limit)
        self._readers = Readers(self._file, time_limit)
        self._commits = Commits(self._file, self._limit)
        self._writes = _WRITES
        path = None if self._file.in_memory else self._file.path
        self._searcher = Searcher(self._file)
        self._reads: Handlers = {
            **_reads(self._cursors, self._searcher),
            CheckStore: Checker(path).check,
            BackUpStore: back_up,
            GetStats: Measurer(path).measure,
        }

    def __repr__(self) -> str:
        return f"EmbeddedBackend({self._file.path!r})"

    def verb(self) -> Execute:
        """The store is near: its commands need no common deadline."""
        return self.execute

    def execute(self, command: Command[R]) -> R:
        """Carry a command out, from whatever thread; its errors are documented with it."""
        writes = self._writes.get(type(command))
        if writes is not None:
            pending = Pending(writes, command)
            self._commits.carry_out((pending,))
            answer: R = pending.result()
            return answer
        handler = self._reads.get(type(command))
        if isinstance(command, VacuumStore):
            return cast("R", self._commits.alone(vacuum))
        if handler is None:
            raise CapabilityError(f"the embedded store has no {type(command).__name__}")
        if self._file.in_memory:
            with self._file.lock:
                self._file.turns.wait()
                return read(self._file, self._commits.session(), self._limit, handler, command)
        if type(command) in _OF_CURSORS:
            return self._cursors.carry_out(handler, command)
        # The connection that writes knows most, and is free unless somebody is writing just now.
        if not self._is_long(command) and self._file.lock.acquire(blocking=False):
            try:
                return read(self._file, self._commits.session(), self._limit, handler, command)
            finally:
                self._file.lock.release()
        return self._readers.carry_out(handler, command)

    def _is_long(self, command: Command[Any]) -> bool:
        """Whether it may take so long that who writes should not have to wait for it."""
        if isinstance(command, (SearchMany, SearchVectors)):
            return not self._searcher.is_quick
        return isinstance(command, _LONG)

    def pending(self, command: Command[Any]) -> Pending | None:
        """A command that writes, for `write_together`; None for one that reads."""
        handler = self._writes.get(type(command))
        return None if handler is None else Pending(handler, command)

    def write_together(self, pending: Sequence[Pending]) -> None:
        """Carry out several commands with one commit. Each is over then, with its own answer or error."""
        self._commits.carry_out(pending)

    def begin(self, seconds: float | None = None) -> EmbeddedTransaction:
        """Begin a transaction, once those before it are over: others may read meanwhile, but not write.

        In memory others wait altogether. `StoreBusy` after ``busy_timeout``.
        """
        in_memory = self._file.in_memory
        limit = self._limit if in_memory else TimeLimit(self._seconds)  # one for each connection
        reads = _reads(Cursors(self._file, at_once=True), Searcher(self._file, saves=False))
        transaction = EmbeddedTransaction(self._file, self._writes, reads, limit, seconds)
        if in_memory:
            self._commits.forget()  # on the same connection, what it knows may be changed now
        return transaction

    @property
    def is_taken(self) -> bool:
        """Whether a transaction is open, so that commands may have to wait."""
        return self._file.turns.holder is not None

    def end_transaction(self) -> None:
        """Roll the open transaction back, if there is one."""
        holder = self._file.turns.holder
        if isinstance(holder, EmbeddedTransaction):
            holder.close()

    def close(self) -> None:
        """Close the file and every cursor, and roll an open transaction back; twice is no error."""
        self.end_transaction()
        self._cursors.close_all()
        self._readers.close()
        with self._file.lock:
            self._commits.forget()
            self._file.close()


def _reads(cursors: Cursors, searcher: Searcher) -> Handlers:
    """The commands that read, with what belongs to one connection."""
    return {
        **_READS,
        BuildIndex: searcher.build_index,
        DropIndex: searcher.drop_index,
        GetIndexStats: searcher.index_stats,
        SearchMany: searcher.search_many,
        SearchVectors: searcher.search,
        OpenCursor: cursors.open,
        ReadCursor: cursors.read,
        CloseCursor: cursors.close,
    }


def _ensure_indexes(session: Session, command: EnsureIndexes) -> None:
    names = session.names
    table = names.table(command.label) or names.create_table(command.label, ())
    for properties in command.indexes:
        if not properties:
            raise QueryError("an index needs at least one property", label=command.label)
        names.ensure_index(table, properties)


def _get_capabilities(session: Session, command: GetCapabilities) -> Capabilities:
    return _CAPABILITIES


def _search_words(session: Session, command: SearchWords) -> list[StoredRecord]:
    raise CapabilityError("the embedded store embeds no words itself: connect(..., embedder=...)")


_LONG = (CheckStore, BackUpStore, BuildIndex, GetStats)
"""On a connection of their own: for so long nobody should have to wait for the one that writes."""

_OF_CURSORS = (OpenCursor, ReadCursor, CloseCursor)

_CAPABILITIES = Capabilities(
    store="embedded", reads_vectors=True, versions=True, managed=False, keywords=True, excludes=True
)

_WRITES: Handlers = {
    CreatePolicy: create_policy,
    DeletePolicy: delete_policy,
    DeleteProperty: delete_property,
    DeleteRecords: delete_records,
    DropKeywords: drop_keywords,
    EnsureIndexes: _ensure_indexes,
    EnsureKeywords: ensure_keywords,
    ImportRecords: import_records,
    JoinRecords: join_records,
    LinkRecords: link_records,
    PatchRecord: patch_record,
    SaveGraph: save_graph,
    SaveRecords: save_records,
    SetDimensions: set_dimensions,
    UpdateRecords: update_records,
    UpsertVectors: upsert_vectors,
}

_READS: Handlers = {
    CountLabels: count_labels,
    CountRecords: count_records,
    DescribeStore: describe_store,
    ExplainQuery: explain_query,
    FindPage: find_page,
    FindProperties: find_properties,
    FindRecords: find_records,
    FindRelated: find_related,
    FindRelationships: find_relationships,
    FindRows: find_rows,
    GetCapabilities: _get_capabilities,
    GetCoverage: get_coverage,
    GetProperty: get_property,
    GetRecords: get_records,
    ListPolicies: list_policies,
    ListValues: list_values,
    SearchText: search_text,
    SearchWords: _search_words,
}
