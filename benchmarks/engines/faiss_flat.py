"""faiss, a flat index of inner products: vectors in memory and nothing else, no records and no filter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from ..engine import Float32, Plain, Row, Safety, Window, Work


class Store(Plain):
    works: frozenset[Work] = frozenset({"search"})

    def __init__(self) -> None:
        faiss.omp_set_num_threads(1)
        self._index: Any = None

    def create(self, folder: Path, dims: int, *, indexed: bool, safety: Safety) -> None:
        self._index = faiss.IndexFlatIP(dims)

    def open(self, folder: Path, dims: int) -> None:
        raise NotImplementedError

    def save_one(self, row: Row) -> None:
        raise NotImplementedError

    def save_many(self, rows: Sequence[Row]) -> None:
        self._index.add(np.stack([row.vector for row in rows]))

    def search(self, vector: Float32, limit: int) -> list[int]:
        numbers: list[int] = self._index.search(vector[np.newaxis], limit)[1][0].tolist()
        return numbers

    def search_filtered(self, vector: Float32, limit: int, window: Window) -> list[int]:
        raise NotImplementedError
