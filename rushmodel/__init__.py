"""The declarative modelling layer for RushDB: records, index policies and vectors as typed classes."""

from __future__ import annotations

from .building import VectorsWithoutKey
from .client import ApiResponse, Record, RecordSearchResult, RushDB, SearchResult
from .database import AsyncDatabase, Database, connect
from .errors import (
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
    StaleVector,
    StoreBusy,
    StoreClosed,
    StoreError,
    UnboundedQuery,
    VectorError,
    VectorsNotLoaded,
)
from .expressions import Column, Condition, Order, VectorColumn
from .fields import Field, OptionalVector, Vector, VectorField, field
from .model import Model
from .plan import Plan, PolicyChange
from .port import Coverage, Policy, Signature
from .query import Query
from .results import BulkReport, Failed, Hit, Hits
from .vectors import VectorLike

__version__ = "0.1.0"

__all__ = [
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
    "Signature",
    "StaleVector",
    "StoreBusy",
    "StoreClosed",
    "StoreError",
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

# Tracebacks and docs say rushmodel.StaleVector, whatever module it lives in.
for _name in __all__:
    _public = globals()[_name]
    if getattr(_public, "__module__", "").startswith("rushmodel.") and hasattr(_public, "__qualname__"):
        _public.__module__ = "rushmodel"
del _name, _public
