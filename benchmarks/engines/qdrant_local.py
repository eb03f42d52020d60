"""qdrant-client's local mode: vectors in numpy, records in SQLite; its payload indexes have no effect.

Meant for small collections, and it commits each point: a bulk load of 20,000 takes a minute, and is not
measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qdrant_client import QdrantClient, models

from ..engine import Float32, Plain, Row, Safety, Window, Work


class Store(Plain):
    works: frozenset[Work] = frozenset({"search", "one"})

    def __init__(self) -> None:
        self._client: QdrantClient

    def create(self, folder: Path, dims: int, *, indexed: bool, safety: Safety) -> None:
        self.open(folder, dims)
        self._client.create_collection(
            "articles", vectors_config=models.VectorParams(size=dims, distance=models.Distance.COSINE)
        )

    def open(self, folder: Path, dims: int) -> None:
        self._client = QdrantClient(path=str(folder))

    def save_one(self, row: Row) -> None:
        self._client.upsert("articles", [_point(row)])

    def save_many(self, rows: Sequence[Row]) -> None:
        self._client.upload_points("articles", [_point(row) for row in rows], batch_size=1000)

    def search(self, vector: Float32, limit: int) -> list[int]:
        return self._ask(vector, limit, None)

    def search_filtered(self, vector: Float32, limit: int, window: Window) -> list[int]:
        name, low, high = window
        condition = models.FieldCondition(key=name, range=models.Range(gte=low, lt=high))
        return self._ask(vector, limit, models.Filter(must=[condition]))

    def _ask(self, vector: Float32, limit: int, condition: Any) -> list[int]:
        found = self._client.query_points(
            "articles", query=vector, limit=limit, query_filter=condition, with_payload=True
        )
        return [int(point.id) for point in found.points]

    def close(self) -> None:
        self._client.close()


def _point(row: Row) -> Any:
    payload = row._asdict()
    del payload["vector"]
    return models.PointStruct(id=row.number, vector=row.vector.tolist(), payload=payload)
