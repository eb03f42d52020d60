"""Index policies as the file keeps them, and the commands about them."""

from __future__ import annotations

import re
import sqlite3
import time
import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ...errors import PolicyConflict, PolicyError, PolicyExists, PolicyMissing
from ...port import Coverage, CreatePolicy, DeletePolicy, GetCoverage, ListPolicies, Policy, Signature
from ...wire.proptypes import value_type
from .damage import parsed
from .names import Names, Table, check_name
from .values import unpack

if TYPE_CHECKING:
    from .session import Session

MAX_DIMS = 4096

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII).fullmatch
_TOUCH_SECONDS = 1.0


class StoredPolicy:
    """A policy as writes and searches need it. ``number`` is what vectors refer to it by."""

    __slots__ = ("id", "number", "signature", "touched")

    def __init__(self, number: int, id: str, signature: Signature) -> None:
        self.number = number
        self.id = id
        self.signature = signature
        self.touched = -_TOUCH_SECONDS
        """When its ``updated`` was last written, on the monotonic clock."""


class Policies:
    """The policies of a database, oldest first; read when first asked for (`Session.check`)."""

    def __init__(self, connection: sqlite3.Connection, names: Names) -> None:
        self._connection = connection
        self._names = names
        self.forget()

    def forget(self) -> None:
        self._by_fields: dict[_Fields, StoredPolicy] | None = None
        self._managed: dict[str, list[StoredPolicy]] | None = None

    def all(self) -> list[StoredPolicy]:
        return list(self._read().values())

    def find(self, signature: Signature) -> StoredPolicy | None:
        return self._read().get(_fields(signature))

    def get(self, signature: Signature) -> StoredPolicy:
        """The policy of that signature; `PolicyMissing`."""
        policy = self._read().get(_fields(signature))
        if policy is None:
            raise PolicyMissing(
                f"there is no index policy {signature}{self.known(signature.label, signature.property)}",
                signature=signature,
            )
        return policy

    def by_id(self, policy_id: str) -> StoredPolicy:
        """The policy with that id; `PolicyMissing`."""
        for policy in self._read().values():
            if policy.id == policy_id:
                return policy
        raise PolicyMissing(f"there is no index policy with id {policy_id}", policy_id=policy_id)

    def of_label(self, label: str) -> list[StoredPolicy]:
        return [policy for policy in self._read().values() if policy.signature.label == label]

    def managed(self, label: str) -> list[StoredPolicy]:
        """Those of the label whose vectors the store sees to; hardly any label has one."""
        if self._managed is None:
            self._managed = {}
            for policy in self._read().values():
                if policy.signature.source == "managed":
                    self._managed.setdefault(policy.signature.label, []).append(policy)
        return self._managed.get(label, [])

    def of_property(self, label: str, name: str) -> list[StoredPolicy]:
        return [policy for policy in self.of_label(label) if policy.signature.property == name]

    def known(self, label: str, name: str) -> str:
        """What to add to a message that says a policy is missing: the ones there are."""
        others = ", ".join(str(policy.signature) for policy in self.of_property(label, name))
        return f"; there is {others}" if others else "; create it first"

    def touch(self, policy: StoredPolicy) -> None:
        """Note that vectors of the policy are being written.

        To the second: a save that follows within one does not write the
        policy's page again, which would cost it a tenth of its time.
        """
        now = time.monotonic()
        if now - policy.touched >= _TOUCH_SECONDS:
            policy.touched = now
            self._connection.execute(
                "UPDATE policies SET updated = ? WHERE number = ?", (_now(), policy.number)
            )

    def _read(self) -> dict[_Fields, StoredPolicy]:
        if self._by_fields is None:
            found = self._connection.execute(
                "SELECT number, id, label, property, source, similarity, dims FROM policies ORDER BY number"
            ).fetchall()
            name = self._names.name
            policies = [
                StoredPolicy(row[0], row[1], Signature(name(row[2]), name(row[3]), *row[4:])) for row in found
            ]
            self._by_fields = {_fields(policy.signature): policy for policy in policies}
        return self._by_fields


_Fields: TypeAlias = "tuple[str, str, str, str, int | None]"


def _fields(signature: Signature) -> _Fields:
    # Every save looks its policies up, and a tuple is hashed several times faster than a `Value`.
    return signature.label, signature.property, signature.source, signature.similarity, signature.dims


def list_policies(session: Session, command: ListPolicies) -> list[Policy]:
    policies = session.policies.all() if command.label is None else session.policies.of_label(command.label)
    return [_describe(session, policy) for policy in policies]


def create_policy(session: Session, command: CreatePolicy) -> Policy:
    signature = command.signature
    _check_signature(signature)
    if session.policies.find(signature) is not None:
        raise PolicyExists(f"the index policy {signature} exists", signature=signature)
    _check_texts(session, signature)
    now = _now()
    names = session.names
    session.execute(
        "INSERT INTO policies (id, label, property, source, similarity, dims, created, updated)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(uuid.uuid4()),
            names.intern(signature.label),
            names.intern(signature.property),
            signature.source,
            signature.similarity,
            signature.dims,
            now,
            now,
        ),
    )
    session.policies.forget()
    return _describe(session, session.policies.get(signature))


def delete_policy(session: Session, command: DeletePolicy) -> None:
    policy = session.policies.by_id(command.policy_id)
    if command.only_empty:
        held = _count_vectors(session, policy)
        if held:
            raise PolicyError(
                f"the index policy {policy.signature} holds {held:,} vectors, which would go with it",
                signature=policy.signature,
                vectors=held,
            )
    session.execute("DELETE FROM vectors WHERE policy = ?", (policy.number,))
    session.execute("DELETE FROM policies WHERE number = ?", (policy.number,))
    session.policies.forget()


def get_coverage(session: Session, command: GetCoverage) -> list[Coverage]:
    policies = [session.policies.by_id(policy_id) for policy_id in command.policy_ids]
    return [Coverage(_count_records(session, policy), _count_vectors(session, policy)) for policy in policies]


def _describe(session: Session, policy: StoredPolicy) -> Policy:
    created, updated, holds = session.execute(
        "SELECT created, updated, EXISTS (SELECT 1 FROM vectors WHERE policy = number AND vector IS NOT NULL)"
        " FROM policies WHERE number = ?",
        (policy.number,),
    ).fetchone()
    if policy.signature.source == "managed":
        ready = policy.signature.dims is not None and holds and _is_full(session, policy)
        status = "ready" if ready else "pending"  # R28
    else:
        status = "ready" if holds else "awaiting_vectors"  # R3, as the guide has it
    return Policy(policy.id, policy.signature, status, created, updated)


def _is_full(session: Session, policy: StoredPolicy) -> bool:
    return _count_vectors(session, policy) >= _count_records(session, policy)


def _count_records(session: Session, policy: StoredPolicy) -> int:
    table = session.names.table(policy.signature.label)
    column = table.columns.get(policy.signature.property) if table else None
    if table is None or column is None:
        return 0
    count: int = session.execute(f"SELECT count({column.sql}) FROM {table.sql} t").fetchone()[0]
    return count


def _count_vectors(session: Session, policy: StoredPolicy) -> int:
    count: int = session.execute(
        "SELECT count(*) FROM vectors WHERE policy = ? AND vector IS NOT NULL", (policy.number,)
    ).fetchone()[0]
    return count


def _check_signature(signature: Signature) -> None:
    """`PolicyError`, with the status a server answers (R1, R2), unless this can be a policy."""

    def refuse(message: str, status: int = 400) -> PolicyError:
        return PolicyError(f"{message}, not {signature}", signature=signature, status=status)

    if not _LABEL(signature.label):
        raise refuse(
            "the label of an index policy begins with a letter or _ and goes on with those and digits"
        )
    check_name(signature.property)
    if signature.source not in ("external", "managed"):
        raise refuse("the source of an index policy is 'external' or 'managed'")
    if signature.similarity not in ("cosine", "euclidean"):
        raise refuse("the similarity of an index policy is 'cosine' or 'euclidean'")
    if signature.dims is None:
        if signature.source == "external":
            raise refuse("an external index policy needs its dimensions", status=422)
    elif type(signature.dims) is not int or not 1 <= signature.dims <= MAX_DIMS:
        raise refuse(f"the dimensions of an index policy are an integer from 1 to {MAX_DIMS}")


def _check_texts(session: Session, signature: Signature) -> None:
    """`PolicyConflict` where any record, of whatever label, has another type there than text (R2)."""
    for table in session.names.tables():
        if signature.property in table.columns:
            found = _find_other_type(session, table, signature.property)
            if found is not None:
                record_id, kind = found
                raise PolicyConflict(
                    f"{signature.property!r} cannot be indexed: it has to be text wherever it is, and in"
                    f" {table.label} {record_id} it is a {kind}",
                    signature=signature,
                    record_id=record_id,
                    type=kind,
                )


class _Suspect(NamedTuple):
    record_id: str
    texts: str | None
    cell: int | float | str | bytes


def _find_other_type(session: Session, table: Table, name: str) -> tuple[str, str] | None:
    column = table.columns[name]
    # What can only be text is left in the file: no number, no boolean or list, no leading digit pattern.
    suspects = session.execute(
        f"SELECT r.id, t.texts, {column.sql} FROM {table.sql} t JOIN records r ON r.row = t.row"
        f" WHERE typeof({column.sql}) IN ('integer', 'real', 'blob')"
        f" OR {column.sql} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'"
    )
    for suspect in map(_Suspect._make, suspects):
        kind = value_type(unpack(suspect.cell))
        is_text = kind == "datetime" and suspect.texts and column.name_id in parsed(suspect.texts)
        if kind != "string" and not is_text:
            return suspect.record_id, kind
    return None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
