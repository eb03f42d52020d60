"""The embedded store as a `Backend`: every command in one transaction on one SQLite database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from ...errors import CapabilityError, QueryError
from ...port import (
    Capabilities,
    CloseCursor,
    Command,
    CountRecords,
    CreatePolicy,
    DeletePolicy,
    DeleteRecords,
    EnsureIndexes,
    Execute,
    FindPage,
    FindRecords,
    GetCapabilities,
    GetCoverage,
    GetRecords,
    ImportRecords,
    ListPolicies,
    OpenCursor,
    PatchRecord,
    ReadCursor,
    SaveRecords,
    SearchVectors,
    UpdateRecords,
    UpsertVectors,
)
from .changing import delete_records, patch_record, update_records
from .cursors import Cursors
from .file import Durability, StoreFile
from .importing import import_records
from .limits import TimeLimit
from .policies import create_policy, delete_policy, get_coverage, list_policies
from .querying import count_records, find_page, find_records
from .records import get_records
from .saving import save_records
from .searching import Searcher
from .session import Session
from .vectors import upsert_vectors

R = TypeVar("R")

_Handler: TypeAlias = "Callable[[Session, Any], Any]"


class EmbeddedBackend:
    """A store in one file, or in memory with the location ``memory://``.

    Threads may share it: one command runs at a time. Processes may share the
    file: each sees what the others have committed. A command is carried out as
    a whole or, when it raises, not at all.

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
        self._cursors = Cursors(self._file)
        self._limit = TimeLimit(time_limit)
        self._session: Session | None = None
        self._writes: dict[type[Command[Any]], _Handler] = _WRITES
        self._reads: dict[type[Command[Any]], _Handler] = {
            **_READS,
            SearchVectors: Searcher().search,
            OpenCursor: self._cursors.open,
            ReadCursor: self._cursors.read,
            CloseCursor: self._cursors.close,
        }

    def __repr__(self) -> str:
        return f"EmbeddedBackend({self._file.path!r})"

    def verb(self) -> Execute:
        """The store is near: its commands need no common deadline."""
        return self.execute

    def execute(self, command: Command[R]) -> R:
        """Carry a command out, from whatever thread; its errors are documented with it."""
        writes = self._writes.get(type(command))
        handler = writes or self._reads.get(type(command))
        if handler is None:
            raise CapabilityError(f"the embedded store has no {type(command).__name__}")
        with self._file.lock:
            try:
                session = self._ready()
                if writes:
                    self._file.check_still_there()
                return self._within(session, handler, command, "BEGIN IMMEDIATE" if writes else "BEGIN")
            except sqlite3.Error as error:
                raise self._limit.error(error) or self._file.translate(error) from error
            except UnicodeEncodeError as error:
                raise QueryError("a text holds a lone surrogate, which no stored text does") from error

    def close(self) -> None:
        """Close the file and every cursor; twice is no error."""
        with self._file.lock:
            self._cursors.close_all()
            self._session = None
            self._file.close()

    def _ready(self) -> Session:
        connection = self._file.connection()
        session = self._session
        if session is None or session.connection is not connection:
            session = self._session = Session(connection)
        return session

    def _within(self, session: Session, handler: _Handler, command: Command[R], begin: str) -> R:
        run = session.run
        self._limit.begin(session.connection)
        try:
            run(begin)
            session.check()
            answer: R = handler(session, command)
            run("COMMIT")
        except BaseException:
            # Names, columns and policies that were read may be the ones that go now.
            session.forget()
            if session.connection.in_transaction:
                run("ROLLBACK")
            raise
        return answer


def _ensure_indexes(session: Session, command: EnsureIndexes) -> None:
    names = session.names
    table = names.table(command.label) or names.create_table(command.label, ())
    for properties in command.indexes:
        if not properties:
            raise QueryError("an index needs at least one property", label=command.label)
        names.ensure_index(table, properties)


def _get_capabilities(session: Session, command: GetCapabilities) -> Capabilities:
    return _CAPABILITIES


_CAPABILITIES = Capabilities(store="embedded", reads_vectors=True, versions=True, managed=False)

_WRITES: dict[type[Command[Any]], _Handler] = {
    CreatePolicy: create_policy,
    DeletePolicy: delete_policy,
    DeleteRecords: delete_records,
    EnsureIndexes: _ensure_indexes,
    ImportRecords: import_records,
    PatchRecord: patch_record,
    SaveRecords: save_records,
    UpdateRecords: update_records,
    UpsertVectors: upsert_vectors,
}

_READS: dict[type[Command[Any]], _Handler] = {
    CountRecords: count_records,
    FindPage: find_page,
    FindRecords: find_records,
    GetCapabilities: _get_capabilities,
    GetCoverage: get_coverage,
    GetRecords: get_records,
    ListPolicies: list_policies,
}
