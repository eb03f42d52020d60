"""The low-level client, in RushDB's own vocabulary: records, index policies and vectors as documents.

Names, parameters and results are those of the official SDK (PyPI ``rushdb``);
models (`rushmodel.Model`) are the typed layer beside it.
"""

from __future__ import annotations

from .aio import AsyncRecord, AsyncRecordSearchResult, AsyncRushDB
from .record import Record
from .results import ApiResponse, RecordSearchResult, SearchResult
from .rushdb import RushDB
from .transactions import AsyncTransaction, Transaction

__all__ = [
    "ApiResponse",
    "AsyncRecord",
    "AsyncRecordSearchResult",
    "AsyncRushDB",
    "AsyncTransaction",
    "Record",
    "RecordSearchResult",
    "RushDB",
    "SearchResult",
    "Transaction",
]
