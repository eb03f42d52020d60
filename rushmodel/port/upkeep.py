"""Looking after a store that is a file: is it whole, how large is it, a copy of it, a smaller one.

Stores that are servers have none of these commands: `CapabilityError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from ..value import Value
from .commands import Command
from .values import Signature

FindingKind: TypeAlias = Literal[
    "file", "names", "records", "relationships", "policies", "vectors", "keywords", "sidecars"
]


class Finding(Value):
    """Something that is wrong with a store, in words, and what it is about."""

    kind: FindingKind
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class Health(Value):
    """What a check of a store has found: nothing, where all is well."""

    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return "ok" if self.ok else "\n".join(map(str, self.findings))


class VectorCount(Value):
    """The vectors that a policy holds, and how many of those that were taken away have left a trace.

    `VacuumStore` removes the traces.
    """

    held: int
    taken_away: int


class Stats(Value):
    """How much there is in a store. ``wal_bytes``: written and not yet moved into the file itself."""

    records: Mapping[str, int]
    vectors: Mapping[Signature, VectorCount]
    relationships: int
    file_bytes: int
    wal_bytes: int
    sidecar_bytes: int
    free_bytes: int
    """Of the file, of no use until something is written there, or it is vacuumed."""
    format: int
    sqlite_version: str

    @property
    def total_records(self) -> int:
        return sum(self.records.values())


class Vacuumed(Value):
    """The size of the database before and after, and how many traces of vectors were removed."""

    bytes_before: int
    bytes_after: int
    removed: int


class IndexStats(Value):
    """A graph index: the vectors it knows, and how many were written since, which are searched beside it."""

    signature: Signature
    vectors: int
    later: int

    @property
    def rebuild_pays(self) -> bool:
        """Whether so much came later that building it anew makes searches faster."""
        return self.later > max(1000, self.vectors // 10)


class BuildIndex(Command[IndexStats]):
    """Makes a graph index for approximate searches, in place of the one there is; `PolicyMissing`.

    `CapabilityError`: the library for it is not installed, or the command is part of a transaction.
    """

    signature: Signature


class GetIndexStats(Command["IndexStats | None"]):
    """The graph index of a policy; None where there is none, or none that can be believed."""

    signature: Signature


class DropIndex(Command[bool]):
    """Removes the graph index of a policy; whether there was one."""

    signature: Signature


class CheckStore(Command[Health]):
    """Looks at everything that is stored; as long as that takes, others write and read."""


class GetStats(Command[Stats]):
    """How much there is."""


class BackUpStore(Command[None]):
    """Copies the store, as it is at one moment, to a file at ``path``, which appears when it is whole.

    `StoreError`: there is a file and not ``overwrite``, it is in use, or it cannot be written.
    """

    path: str
    overwrite: bool = False


class VacuumStore(Command[Vacuumed]):
    """Makes the file as small as it can be; others wait with their writes."""
