"""`CheckStore`: whether all that belongs together in a file is there together, and is what it should be."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import numpy as np
import orjson

from ...port import CheckStore, Finding, Health
from .damage import DamagedFile
from .graphs import graph_path, whole_graph
from .keywords import index_of
from .mirrors import last_seq
from .parts import DamagedVectors
from .sidecar import find_sidecars, paths_of
from .vectors import FLOAT32

if TYPE_CHECKING:
    from ...port import FindingKind
    from .policies import StoredPolicy
    from .session import Session

_MOST: Final = 20
"""Findings of one check that are told one by one."""
_ROWS: Final = 2048


class Checker:
    """Checks the database behind a session; ``path`` is that of the file, None in memory."""

    def __init__(self, path: str | None) -> None:
        self._path = path

    def check(self, session: Session, command: CheckStore) -> Health:
        findings: list[Finding] = []
        for kind, check in self._checks():
            try:
                for count, message in enumerate(check(session)):
                    if count == _MOST:
                        findings.append(Finding(kind, "and more"))
                        break
                    findings.append(Finding(kind, message))
            except sqlite3.DatabaseError as error:
                if not _means_damage(error):
                    raise
                findings.append(Finding("file", f"it cannot be read: {error}"))
                # In the middle of the transaction SQLite would repeat the error at its end.
                session.run("ROLLBACK")
                session.run("BEGIN")
                break
        return Health(tuple(findings))

    def _checks(self) -> tuple[tuple[FindingKind, Callable[[Session], Iterator[str]]], ...]:
        # Each relies on what those before it have looked at; SQLite's own comes first.
        return (
            ("file", _file),
            ("names", _names),
            ("records", _records),
            ("relationships", _relationships),
            ("policies", _policies),
            ("vectors", _vectors),
            ("keywords", _keywords),
            ("sidecars", self._sidecars),
        )

    def _sidecars(self, session: Session) -> Iterator[str]:
        """A damaged one is seen and written anew when it is used; that it is damaged says something."""
        for policy in session.policies.all() if self._path is not None else ():
            assert self._path is not None
            signature, dims = policy.signature, policy.signature.dims
            if dims is None:
                continue
            whole: set[str] = set()
            for found in find_sidecars(self._path, policy.number, policy.id, dims, signature.similarity):
                matrix = found.load()
                if matrix is not None:
                    with suppress(DamagedVectors):
                        matrix.parts()
                        whole.add(found.path)
            for path in paths_of(self._path, policy.number):
                if os.path.lexists(path) and path not in whole:
                    yield f"{path} is damaged, or not this policy's; it may be deleted, and is not believed"
            path = graph_path(self._path, policy.number)
            if os.path.lexists(path) and whole_graph(self._path, policy, session.connection) is None:
                yield f"{path} is damaged, or not this policy's; build the index again, or delete it"


def _means_damage(error: sqlite3.DatabaseError) -> bool:
    # Python 3.10 does not tell the code; the words are SQLite's own for SQLITE_CORRUPT and SQLITE_NOTADB.
    known = "malformed" in str(error) or "not a database" in str(error)
    return known or isinstance(error, DamagedFile)


def _file(session: Session) -> Iterator[str]:
    for (message,) in session.execute(f"PRAGMA integrity_check({_MOST + 1})"):
        if message != "ok":
            yield str(message)


def _keywords(session: Session) -> Iterator[str]:
    """A keyword index has an entry for each record; what is in them SQLite's own check looks at."""
    for table in session.names.tables():
        if table.keywords:
            index = index_of(table)
            (strays,) = session.execute(
                f"SELECT (SELECT count(*) FROM {index}_docsize WHERE id NOT IN (SELECT row FROM {table.sql}))"
                f" + (SELECT count(*) FROM {table.sql} WHERE row NOT IN (SELECT id FROM {index}_docsize))"
            ).fetchone()
            if strays:
                yield f"the keyword index of {table.label} is wrong about {strays:,} records: drop_index()"


def _names(session: Session) -> Iterator[str]:
    """What is said by number has a name, and labels' tables have the columns that are noted."""
    execute = session.execute
    for what, numbers in (
        ("a label's table", "SELECT CAST(substr(name, 2) AS INTEGER) FROM sqlite_master WHERE type = 'table'"
         " AND name GLOB 'r[0-9]*'"),
        ("a label's columns", "SELECT label FROM columns"),
        ("a property", "SELECT property FROM columns"),
        ("the label of a policy", "SELECT label FROM policies"),
        ("the property of a policy", "SELECT property FROM policies"),
        ("the type of a relationship", "SELECT type FROM edges"),
    ):  # fmt: skip
        missing = f"SELECT DISTINCT * FROM ({numbers}) EXCEPT SELECT id FROM names"
        for (number,) in execute(missing).fetchall():
            yield f"number {number}, {what}, has no name"
    for number in _tables(session):
        there = {row[1] for row in execute(f"PRAGMA table_info(r{number})")} - {"row", "texts"}
        noted = {
            f"p{each}"
            for (each,) in execute("SELECT property FROM columns WHERE label = ?", (number,)).fetchall()
        }
        for name in sorted(there ^ noted):
            where = "is in the table and not noted" if name in there else "is noted and not in the table"
            yield f"column {name} of label {_name(session, number)} {where}"


def _records(session: Session) -> Iterator[str]:
    """Each record is in the table of its label, and nothing else is there."""
    execute = session.execute
    tables = _tables(session)
    for (number,) in execute("SELECT DISTINCT label FROM records").fetchall():
        if number not in tables:
            yield f"there are records of label {_name(session, number)}, and no table of it"
    for number in tables:
        label = _name(session, number)
        for (record_id,) in execute(
            f"SELECT id FROM records WHERE label = ? AND row NOT IN (SELECT row FROM r{number})", (number,)
        ):
            yield f"{label} {record_id} has no properties, not even none: it is not in its label's table"
        for (row,) in execute(
            f"SELECT row FROM r{number} WHERE row NOT IN (SELECT row FROM records WHERE label = ?)",
            (number,),
        ):
            yield f"row {row} of {label} belongs to no record of that label"
        yield from _cells(session, number, label)


def _cells(session: Session, number: int, label: str) -> Iterator[str]:
    """Lists are noted, without which conditions do not look into them, and what is JSON can be read."""
    for column, lists in session.execute(
        "SELECT property, lists FROM columns WHERE label = ?", (number,)
    ).fetchall():
        name = _name(session, column)
        for row, cell in session.execute(
            f"SELECT row, p{column} FROM r{number} WHERE typeof(p{column}) = 'blob'"
        ):
            try:
                is_list = isinstance(orjson.loads(cell), list)
            except orjson.JSONDecodeError:
                yield f"{label}.{name} of row {row} cannot be read"
                continue
            if is_list and not lists:
                yield f"{label}.{name} of row {row} is a list, which is not noted"


def _relationships(session: Session) -> Iterator[str]:
    for end in ("source", "target"):
        for number, row in session.execute(
            f"SELECT id, {end} FROM edges WHERE {end} NOT IN (SELECT row FROM records)"
        ):
            yield f"the {end} of relationship {number} is row {row}, where no record is"
    for number, data in session.execute("SELECT id, data FROM edges WHERE data IS NOT NULL"):
        try:
            orjson.loads(data)
        except orjson.JSONDecodeError:
            yield f"the properties of relationship {number} cannot be read"


def _policies(session: Session) -> Iterator[str]:
    for policy in session.policies.all():
        signature = policy.signature
        source = signature.source in ("external", "managed")
        similarity = signature.similarity in ("cosine", "euclidean")
        if not (source and similarity) or (signature.dims is None and signature.source == "external"):
            yield f"{signature} makes no sense"
    for number, held in session.execute(
        "SELECT policy, count(*) FROM vectors WHERE policy NOT IN (SELECT number FROM policies)"
        " GROUP BY policy"
    ):
        yield f"there are {held:,} vectors of policy number {number}, which is not there"


def _vectors(session: Session) -> Iterator[str]:
    """Each vector is that of a record with the policy's label, and one that the policy can hold."""
    known = last_seq(session.connection)
    largest = session.execute("SELECT max(seq) FROM vectors").fetchone()[0] or 0
    if largest > known:
        yield f"a vector has number {largest}, and only {known} were given"
    for policy in session.policies.all():
        signature = policy.signature
        for (row,) in session.execute(
            "SELECT v.row FROM vectors v WHERE v.policy = ?1 AND v.vector IS NOT NULL AND v.row NOT IN"
            " (SELECT r.row FROM records r JOIN policies p ON p.label = r.label WHERE p.number = ?1)",
            (policy.number,),
        ):
            yield f"{signature} holds a vector of row {row}, where no {signature.label} is"
        yield from _numbers(session, policy)


def _numbers(session: Session, policy: StoredPolicy) -> Iterator[str]:
    signature = policy.signature
    cosine = signature.similarity == "cosine"
    found = session.connection.execute(
        "SELECT row, vector FROM vectors WHERE policy = ? AND vector IS NOT NULL", (policy.number,)
    )
    while chunk := found.fetchmany(_ROWS):
        session.pause()
        size = (signature.dims or 0) * FLOAT32.itemsize
        whole = [(row, vector) for row, vector in chunk if isinstance(vector, bytes) and len(vector) == size]
        for row in {row for row, _ in chunk} - {row for row, _ in whole}:
            yield f"the vector of row {row} has not the {signature.dims} numbers of {signature}"
        if not size or not whole:
            continue
        numbers = np.frombuffer(b"".join([vector for _, vector in whole]), FLOAT32).reshape(len(whole), -1)
        wide = numbers.astype(np.float64)
        squares = np.einsum("ij,ij->i", wide, wide)
        bad = ~np.isfinite(squares) | ((squares == 0.0) & cosine)
        for place in np.flatnonzero(bad).tolist():
            yield f"the vector of row {whole[place][0]} is zero or not finite, which {signature} cannot hold"


def _tables(session: Session) -> list[int]:
    found = session.execute(
        "SELECT CAST(substr(name, 2) AS INTEGER) FROM sqlite_master WHERE type = 'table'"
        " AND name GLOB 'r[0-9]*' ORDER BY 1"
    )
    return [number for (number,) in found.fetchall()]


def _name(session: Session, number: int) -> str:
    found = session.execute("SELECT name FROM names WHERE id = ?", (number,)).fetchone()
    return f"number {number}" if found is None else str(found[0])
