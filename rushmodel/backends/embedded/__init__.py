"""The embedded store: records, vectors, relationships and policies in one SQLite file."""

from __future__ import annotations

from .backend import EmbeddedBackend
from .worker import AsyncEmbedded

__all__ = ["AsyncEmbedded", "EmbeddedBackend"]
