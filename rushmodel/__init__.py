"""The declarative modelling layer for RushDB: records, index policies and vectors as typed classes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .aggregates import avg, bucket, collect, count, max, min, ref, sum
from .aggregation import Aggregation
from .arithmetic import Expression
from .building import VectorsWithoutKey
from .catalog import Schema
from .database import AsyncDatabase, Database, connect
from .edges import Edge
from .embedding import Embedder, embedder
from .errors import (
    AccessDenied,
    AmbiguousSearch,
    BulkError,
    CapabilityError,
    CommitUnknown,
    ConfigurationError,
    ConflictError,
    EmbedderError,
    ForeignFile,
    KeyChanged,
    LoadError,
    ModelError,
    MultipleFound,
    NewerFormat,
    NotConnected,
    NotFound,
    NotLoaded,
    NotSaved,
    PolicyConflict,
    PolicyDrift,
    PolicyError,
    PolicyExists,
    PolicyMissing,
    PropertyError,
    PushIncomplete,
    QueryError,
    RecordGone,
    RowError,
    RushModelError,
    ServerError,
    ServerUnreachable,
    StaleVector,
    StoreBusy,
    StoreClosed,
    StoreError,
    StoreTimeout,
    TransactionBusy,
    TransactionClosed,
    TransactionError,
    TransactionExpired,
    UnboundedQuery,
    VectorError,
    VectorsNotLoaded,
)
from .expressions import Column, Condition, Order, VectorColumn
from .fields import Field, OptionalVector, Vector, field
from .inspecting import write_models
from .model import Model
from .plan import Migration, Plan, PolicyChange
from .port import Coverage, Finding, Health, IndexStats, Policy, Signature, Stats, Vacuumed, VectorCount
from .query import Query
from .related import Many, One
from .relationcolumns import RelationColumn
from .relations import Relation, relation
from .results import BulkReport, ExportReport, Failed, FailedRow, Hit, Hits, ImportReport, Part, PushReport
from .rows import Row
from .transactions import Transaction
from .vectorfields import VectorField, VectorSpec
from .vectors import VectorLike
from .watching import Sent

__version__ = "0.1.0"

__all__ = [
    "AccessDenied",
    "Aggregation",
    "AmbiguousSearch",
    "ApiResponse",
    "AsyncDatabase",
    "BulkError",
    "BulkReport",
    "CachedEmbedder",
    "CapabilityError",
    "Column",
    "CommitUnknown",
    "Condition",
    "ConfigurationError",
    "ConflictError",
    "Coverage",
    "Database",
    "Edge",
    "Embedder",
    "EmbedderError",
    "ExportReport",
    "Expression",
    "Failed",
    "FailedRow",
    "Field",
    "Finding",
    "ForeignFile",
    "Health",
    "Hit",
    "Hits",
    "ImportReport",
    "IndexStats",
    "KeyChanged",
    "LoadError",
    "Many",
    "Migration",
    "Model",
    "ModelError",
    "MultipleFound",
    "NewerFormat",
    "NotConnected",
    "NotFound",
    "NotLoaded",
    "NotSaved",
    "One",
    "OpenAIEmbedder",
    "OptionalVector",
    "Order",
    "Part",
    "Plan",
    "Policy",
    "PolicyChange",
    "PolicyConflict",
    "PolicyDrift",
    "PolicyError",
    "PolicyExists",
    "PolicyMissing",
    "PropertyError",
    "PushIncomplete",
    "PushReport",
    "Query",
    "QueryError",
    "Record",
    "RecordGone",
    "RecordSearchResult",
    "Relation",
    "RelationColumn",
    "Row",
    "RowError",
    "RushDB",
    "RushModelError",
    "Schema",
    "SearchResult",
    "Sent",
    "ServerError",
    "ServerUnreachable",
    "Signature",
    "StaleVector",
    "Stats",
    "StoreBusy",
    "StoreClosed",
    "StoreError",
    "StoreTimeout",
    "Transaction",
    "TransactionBusy",
    "TransactionClosed",
    "TransactionError",
    "TransactionExpired",
    "UnboundedQuery",
    "Vacuumed",
    "Vector",
    "VectorColumn",
    "VectorCount",
    "VectorError",
    "VectorField",
    "VectorLike",
    "VectorSpec",
    "VectorsNotLoaded",
    "VectorsWithoutKey",
    "avg",
    "bucket",
    "collect",
    "connect",
    "count",
    "embedder",
    "field",
    "max",
    "min",
    "ref",
    "relation",
    "sum",
    "write_models",
]

# What is loaded when it is first named: models alone do not need it.
_LATER = {
    **dict.fromkeys(("ApiResponse", "Record", "RecordSearchResult", "RushDB", "SearchResult"), "client"),
    **dict.fromkeys(("CachedEmbedder", "OpenAIEmbedder"), "embedders"),
}

if TYPE_CHECKING:
    from .client import ApiResponse, Record, RecordSearchResult, RushDB, SearchResult
    from .embedders import CachedEmbedder, OpenAIEmbedder
else:

    def __getattr__(name):
        if name not in _LATER:
            raise AttributeError(f"module 'rushmodel' has no attribute {name!r}")
        room = importlib.import_module(f".{_LATER[name]}", __name__)
        for each in _LATER:
            if _LATER[each] == _LATER[name]:
                globals()[each] = _public(getattr(room, each))
        return globals()[name]


def __dir__() -> list[str]:
    return [*globals(), *_LATER]


def _public(found: object) -> object:
    """Tracebacks and docs say rushmodel.StaleVector, whatever module it lives in."""
    if getattr(found, "__module__", "").startswith("rushmodel.") and hasattr(found, "__qualname__"):
        found.__module__ = "rushmodel"
    return found


def _publish() -> None:
    for name in __all__:
        if name not in _LATER:
            _public(globals()[name])


_publish()
