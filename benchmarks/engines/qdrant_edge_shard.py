"""qdrant-edge: a shard that is searched exactly, with integer indexes on the payload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from ..engine import Float32, Plain, Row, Safety, Window, Work

_BATCH = 1000
_NEVER = 2**40  # KB: no graph is built, which exact searches would not look at


class Store(Plain):
    works: frozenset[Work] = frozenset({"search", "filter", "one", "power", "many", "reopen"})

    def __init__(self) -> None:
        self._shard: Any = None
        self._flushes = False
        self._params = edge.SearchParams(exact=True)

    def create(self, folder: Path, dims: int, *, indexed: bool, safety: Safety) -> None:
        place = folder / "shard"
        place.mkdir()
        vectors = edge.EdgeVectorParams(size=dims, distance=edge.Distance.Cosine)
        config = edge.EdgeConfig(vectors=vectors, optimizers=self.optimizers(), max_search_threads=1)
        self._shard = edge.EdgeShard.create(str(place), config)
        self._flushes = safety == "power"
        if indexed:
            for name in ("lot", "place"):
                kind = edge.PayloadSchemaType.Integer
                self._shard.update(edge.UpdateOperation.create_field_index(name, kind))

    def optimizers(self) -> Any:
        return edge.EdgeOptimizersConfig(indexing_threshold=_NEVER)

    def open(self, folder: Path, dims: int) -> None:
        self._shard = edge.EdgeShard.load(str(folder / "shard"))

    def save_one(self, row: Row) -> None:
        self._shard.update(edge.UpdateOperation.upsert_points([_point(row)]))
        if self._flushes:
            self._shard.flush()

    def save_many(self, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), _BATCH):
            points = [_point(row) for row in rows[start : start + _BATCH]]
            self._shard.update(edge.UpdateOperation.upsert_points(points))

    def settle(self) -> None:
        self._shard.flush()

    def search(self, vector: Float32, limit: int) -> list[int]:
        return self._ask(vector, limit, None)

    def search_filtered(self, vector: Float32, limit: int, window: Window) -> list[int]:
        name, low, high = window
        condition = edge.FieldCondition(key=name, range=edge.RangeFloat(gte=low, lt=high))
        return self._ask(vector, limit, edge.Filter(must=[condition]))

    def _ask(self, vector: Float32, limit: int, condition: Any) -> list[int]:
        request = edge.QueryRequest(
            limit=limit,
            query=edge.Query.Nearest(vector.tolist()),
            filter=condition,
            params=self._params,
            with_payload=True,
        )
        return [point.payload["number"] for point in self._shard.query(request)]

    def close(self) -> None:
        self._shard.flush()
        self._shard.close()


def _point(row: Row) -> Any:
    payload = row._asdict()
    del payload["vector"]
    return edge.Point(row.number, row.vector.tolist(), payload)
