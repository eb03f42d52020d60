"""The embedded store: records, vectors, relationships and policies in one SQLite file."""

from __future__ import annotations

from .backend import EmbeddedBackend
from .transactions import EmbeddedTransaction
from .worker import AsyncEmbedded, AsyncEmbeddedTransaction

__all__ = ["AsyncEmbedded", "AsyncEmbeddedTransaction", "EmbeddedBackend", "EmbeddedTransaction"]
