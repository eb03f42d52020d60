"""A migration while others read and write: what each of its processes does.

The embedder is a stand-in that is honest about being one: a text's vector is the sum of a pseudorandom
vector for each of its words. So a text is nearest to itself, with a score of 1, in any policy that is
complete, and every score tells by which embedder it came about.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rushmodel import Database, Field, Model, Vector, VectorField, VectorSpec, connect, field

Kind = Literal["other dims", "same signature"]
Role = Literal["old", "new"]

DIMS = {"other dims": (384, 256), "same signature": (256, 256)}


class StandIn:
    """No model of language: it knows words by their letters alone."""

    def __init__(self, name: str, dims: int) -> None:
        self.name, self.version, self.dims = name, "1", dims

    def embed(self, texts: Sequence[str], *, kind: str) -> Any:
        return np.array([self.vector(text) for text in texts])

    def vector(self, text: str) -> Any:
        made = sum((_word(self.name, self.dims, word) for word in text.split()), np.zeros(self.dims))
        return (made + 1e-3).astype(np.float32)


@cache
def _word(name: str, dims: int, word: str) -> Any:
    seed = int.from_bytes(hashlib.sha256(f"{name} {word}".encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(dims)


def classes(kind: Kind) -> tuple[type[Any], type[Any], StandIn]:
    """The old class, the new one, and the new embedder."""
    before, after = DIMS[kind]
    old, new = StandIn("old", before), StandIn("new", after)

    class Old(Model, label="Synset"):
        key: Field[str] = field(key=True)
        text: Field[str]
        embedding: Vector = VectorField(factory=old, property="text")

    class New(Model, label="Synset"):
        key: Field[str] = field(key=True)
        text: Field[str]
        embedding: Vector = VectorField(
            factory=new, property="text", replaces=VectorSpec(dims=before, similarity="cosine", factory=old)
        )

    return Old, New, new


def opened(path: Path, kind: Kind, role: Role) -> tuple[Database, type[Any]]:
    old, new, _ = classes(kind)
    model = old if role == "old" else new
    return connect(path, models=[model], durability="normal", default=True), model


def use(path: Path, kind: Kind, role: Role, texts: Sequence[str], seed: int, pipe: Connection) -> None:
    """Search and write until somebody says that it is enough; then tell what was done."""
    chance, done = random.Random(seed), Counter[str]()
    db, model = opened(path, kind, role)
    pipe.send("ready")
    while not pipe.poll():
        if chance.random() < 0.7:
            place = chance.randrange(len(texts))
            hits = model.search(texts[place], limit=5)
            assert len(hits) == 5, f"{role}: {len(hits)} hits"
            found = {hit.record.text for hit in hits if hit.score > 0.99999}
            assert texts[place] in found, f"{role}: {texts[place]!r} is not among the best: {hits!r:.300}"
            done[f"{role} searched"] += 1
        else:
            key = f"{role}-{seed}-{chance.randrange(30)}"
            text = f"{role} {seed} wrote {chance.randrange(10**6)} for {key}"
            model(key=key, text=text).save()
            done[f"{role} wrote"] += 1
    db.close()
    pipe.send(done)


def move(path: Path, kind: Kind, pipe: Connection) -> None:
    """Migrate, and tell of every batch."""
    db, _ = opened(path, kind, "new")
    pipe.send("ready")

    def told(count: int) -> None:
        pipe.send(count)
        time.sleep(0.002)  # so that it can be met in the middle

    db.migrate(batch=50, progress=told)
    pipe.send("done")
    db.close()
