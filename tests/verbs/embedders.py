"""Embedders for tests: a text's vector is made of its words, and what was asked is kept."""

from __future__ import annotations

import hashlib

import numpy as np


class Words:
    """A stand-in for a model: texts that share words are near to each other, and nothing else is meant."""

    def __init__(self, name="words", version="1", dims=8, batch_size=None):
        self.name, self.version, self.dims, self.batch_size = name, version, dims, batch_size
        self.asked: list[tuple[str, list[str]]] = []

    @property
    def texts(self):
        """All the texts that were asked for, in that order."""
        return [text for _, several in self.asked for text in several]

    def embed(self, texts, *, kind):
        self.asked.append((kind, list(texts)))
        return np.array([self.vector(text) for text in texts])

    def vector(self, text):
        made = np.full(self.dims, 0.01)
        for word in text.lower().split():
            seed = hashlib.sha256(f"{self.name}@{self.version} {word}".encode()).digest()
            made += np.random.default_rng(int.from_bytes(seed[:8], "big")).standard_normal(self.dims)
        return made.astype(np.float32)


class AsyncWords(Words):
    """The same, to be awaited."""

    async def embed(self, texts, *, kind):
        return super().embed(texts, kind=kind)


def near(one, other):
    return np.allclose(one, other, atol=1e-6)
