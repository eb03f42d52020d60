"""The port: everything a store can be asked, as values.

Operations yield these commands and are sent the replies; a backend carries
them out. They speak of records and policies, never of HTTP or SQL, so a store
is one class with one method, `Backend.execute`.

Property values in commands are *stored* values: ``str | int | float | bool`` or
a list of one of them. Names are stored names. Vectors are one-dimensional
float32 arrays. ``where`` is a RushDB filter document (RushDB's search query language).
"""

from __future__ import annotations

from .backend import (
    AsyncBackend,
    AsyncExecute,
    Backend,
    Execute,
    ThreadedBackend,
)
from .commands import (
    CloseCursor,
    Command,
    CountRecords,
    CreatePolicy,
    DeletePolicy,
    DeleteRecords,
    EnsureIndexes,
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
from .values import (
    Capabilities,
    Coverage,
    Float32,
    FoundPage,
    ImportRow,
    InlineVector,
    Order,
    Policy,
    RecordQuery,
    RecordWrite,
    Signature,
    Similarity,
    Source,
    StoredRecord,
    StoredValue,
    VectorGuard,
    VectorWrite,
    Where,
    Written,
)

__all__ = [
    "AsyncBackend",
    "AsyncExecute",
    "Backend",
    "Capabilities",
    "CloseCursor",
    "Command",
    "CountRecords",
    "Coverage",
    "CreatePolicy",
    "DeletePolicy",
    "DeleteRecords",
    "EnsureIndexes",
    "Execute",
    "FindPage",
    "FindRecords",
    "Float32",
    "FoundPage",
    "GetCapabilities",
    "GetCoverage",
    "GetRecords",
    "ImportRecords",
    "ImportRow",
    "InlineVector",
    "ListPolicies",
    "OpenCursor",
    "Order",
    "PatchRecord",
    "Policy",
    "ReadCursor",
    "RecordQuery",
    "RecordWrite",
    "SaveRecords",
    "SearchVectors",
    "Signature",
    "Similarity",
    "Source",
    "StoredRecord",
    "StoredValue",
    "ThreadedBackend",
    "UpdateRecords",
    "UpsertVectors",
    "VectorGuard",
    "VectorWrite",
    "Where",
    "Written",
]
