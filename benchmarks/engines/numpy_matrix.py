"""numpy: the vectors in an array, one product with it, and the best of that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..engine import Float32, Plain, Row, Safety, Window, Work


class Store(Plain):
    works: frozenset[Work] = frozenset({"search"})

    def __init__(self) -> None:
        self.matrix: Float32

    def create(self, folder: Path, dims: int, *, indexed: bool, safety: Safety) -> None:
        self.matrix = np.empty((0, dims), dtype=np.float32)

    def open(self, folder: Path, dims: int) -> None:
        raise NotImplementedError

    def save_one(self, row: Row) -> None:
        raise NotImplementedError

    def save_many(self, rows: Sequence[Row]) -> None:
        self.matrix = np.concatenate([self.matrix, np.stack([row.vector for row in rows])])

    def search(self, vector: Float32, limit: int) -> list[int]:
        scores = self.matrix @ vector
        best = np.argpartition(scores, -limit)[-limit:]
        numbers: list[int] = best[np.argsort(-scores[best])].tolist()
        return numbers

    def search_filtered(self, vector: Float32, limit: int, window: Window) -> list[int]:
        raise NotImplementedError
