"""The declarative modelling layer for RushDB: records, index policies and vectors as typed classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .building import VectorsWithoutKey
from .database import AsyncDatabase, Database, connect
from .errors import (
    AccessDenied,
    AmbiguousSearch,
    BulkError,
    CapabilityError,
    ConfigurationError,
    ConflictError,
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
    QueryError,
    RecordGone,
    RushModelError,
    ServerError,
    ServerUnreachable,
    StaleVector,
    StoreBusy,
    StoreClosed,
    StoreError,
    StoreTimeout,
    UnboundedQuery,
    VectorError,
    VectorsNotLoaded,
)
from .expressions import Column, Condition, Order, VectorColumn
from .fields import Field, OptionalVector, Vector, field
from .model import Model
from .plan import Plan, PolicyChange
from .port import Coverage, Policy, Signature
from .query import Query
from .results import BulkReport, Failed, Hit, Hits
from .vectorfields import VectorField
from .vectors import VectorLike

__version__ = "0.1.0"

__all__ = [
    "AccessDenied",
    "AmbiguousSearch",
    "ApiResponse",
    "AsyncDatabase",
    "BulkError",
    "BulkReport",
    "CapabilityError",
    "Column",
    "Condition",
    "ConfigurationError",
    "ConflictError",
    "Coverage",
    "Database",
    "Failed",
    "Field",
    "ForeignFile",
    "Hit",
    "Hits",
    "KeyChanged",
    "LoadError",
    "Model",
    "ModelError",
    "MultipleFound",
    "NewerFormat",
    "NotConnected",
    "NotFound",
    "NotLoaded",
    "NotSaved",
    "OptionalVector",
    "Order",
    "Plan",
    "Policy",
    "PolicyChange",
    "PolicyConflict",
    "PolicyDrift",
    "PolicyError",
    "PolicyExists",
    "PolicyMissing",
    "PropertyError",
    "Query",
    "QueryError",
    "Record",
    "RecordGone",
    "RecordSearchResult",
    "RushDB",
    "RushModelError",
    "SearchResult",
    "ServerError",
    "ServerUnreachable",
    "Signature",
    "StaleVector",
    "StoreBusy",
    "StoreClosed",
    "StoreError",
    "StoreTimeout",
    "UnboundedQuery",
    "Vector",
    "VectorColumn",
    "VectorError",
    "VectorField",
    "VectorLike",
    "VectorsNotLoaded",
    "VectorsWithoutKey",
    "connect",
    "field",
]

# The client is loaded when it is first named: models alone do not need it.
_OF_CLIENT = frozenset({"ApiResponse", "Record", "RecordSearchResult", "RushDB", "SearchResult"})

if TYPE_CHECKING:
    from .client import ApiResponse, Record, RecordSearchResult, RushDB, SearchResult
else:

    def __getattr__(name):
        if name not in _OF_CLIENT:
            raise AttributeError(f"module 'rushmodel' has no attribute {name!r}")
        from . import client

        for each in _OF_CLIENT:
            globals()[each] = _public(getattr(client, each))
        return globals()[name]


def __dir__() -> list[str]:
    return [*globals(), *_OF_CLIENT]


def _public(found: object) -> object:
    """Tracebacks and docs say rushmodel.StaleVector, whatever module it lives in."""
    if getattr(found, "__module__", "").startswith("rushmodel.") and hasattr(found, "__qualname__"):
        found.__module__ = "rushmodel"
    return found


def _publish() -> None:
    for name in __all__:
        if name not in _OF_CLIENT:
            _public(globals()[name])


_publish()
