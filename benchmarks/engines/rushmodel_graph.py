"""rushmodel with the graph that `Database.build_index` makes, and searches that may use it."""

from __future__ import annotations

from typing import Any

from rushmodel import Database

from ..engine import Float32, Work
from . import rushmodel_file

if not hasattr(Database, "build_index"):
    raise ImportError("this rushmodel has no Database.build_index")


class Store(rushmodel_file.Store):
    works: frozenset[Work] = frozenset({"graph"})

    def settle(self) -> None:
        database: Any = self.db
        database.build_index(self.model.embedding)

    def search(self, vector: Float32, limit: int) -> list[int]:
        return [hit.record.number for hit in self.model.search(vector, limit=limit, exact=False)]
