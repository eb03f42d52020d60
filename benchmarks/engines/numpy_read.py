"""No search at all: the largest of all numbers, the fastest reduction that numpy has over float32."""

from __future__ import annotations

from ..engine import Float32
from . import numpy_matrix


class Store(numpy_matrix.Store):
    def search(self, vector: Float32, limit: int) -> list[int]:
        self.matrix.max()
        return []
