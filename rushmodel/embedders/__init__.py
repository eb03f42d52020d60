"""Embedders that are ready made: one for OpenAI-compatible servers, and a cache for any other."""

from __future__ import annotations

from .cached import CachedEmbedder
from .openai import OpenAIEmbedder

__all__ = ["CachedEmbedder", "OpenAIEmbedder"]
