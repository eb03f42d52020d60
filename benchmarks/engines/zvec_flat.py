"""zvec, with a flat index, which is exact, and inverted indexes with ranges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zvec

from ..engine import Float32, Plain, Row, Safety, Window, Work

_BATCH = 1000  # documents: it takes at most 1024 at a time


class Store(Plain):
    works: frozenset[Work] = frozenset({"search", "filter", "one", "power", "many", "reopen"})

    def __init__(self) -> None:
        zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=1, optimize_threads=1)
        self._articles: Any = None
        self._flushes = False

    def create(self, folder: Path, dims: int, *, indexed: bool, safety: Safety) -> None:
        index = zvec.InvertIndexParam(enable_range_optimization=True) if indexed else None
        schema = zvec.CollectionSchema(
            name="articles",
            fields=[
                zvec.FieldSchema("number", zvec.DataType.INT64),
                zvec.FieldSchema("title", zvec.DataType.STRING),
                zvec.FieldSchema("body", zvec.DataType.STRING),
                zvec.FieldSchema("lot", zvec.DataType.INT64, index_param=index),
                zvec.FieldSchema("place", zvec.DataType.INT64, index_param=index),
            ],
            vectors=zvec.VectorSchema(
                "embedding",
                zvec.DataType.VECTOR_FP32,
                dims,
                index_param=zvec.FlatIndexParam(metric_type=zvec.MetricType.COSINE),
            ),
        )
        self._articles = zvec.create_and_open(str(folder / "articles"), schema)
        self._flushes = safety == "power"

    def open(self, folder: Path, dims: int) -> None:
        self._articles = zvec.open(str(folder / "articles"))

    def save_one(self, row: Row) -> None:
        _check(self._articles.insert(_document(row)))
        if self._flushes:
            self._articles.flush()

    def save_many(self, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), _BATCH):
            for status in self._articles.insert([_document(row) for row in rows[start : start + _BATCH]]):
                _check(status)

    def settle(self) -> None:
        self._articles.flush()
        self._articles.optimize()

    def search(self, vector: Float32, limit: int) -> list[int]:
        return self._ask(vector, limit, None)

    def search_filtered(self, vector: Float32, limit: int, window: Window) -> list[int]:
        name, low, high = window
        return self._ask(vector, limit, f"{name} >= {low} and {name} < {high}")

    def _ask(self, vector: Float32, limit: int, condition: str | None) -> list[int]:
        found = self._articles.query(
            zvec.Query(field_name="embedding", vector=vector),
            topk=limit,
            filter=condition,
            output_fields=["number", "title", "body", "lot", "place"],
        )
        return [each.field("number") for each in found]

    def close(self) -> None:
        self._articles.flush()
        self._articles.close()


def _document(row: Row) -> Any:
    fields = row._asdict()
    del fields["vector"]
    return zvec.Doc(id=str(row.number), fields=fields, vectors={"embedding": row.vector})


def _check(status: Any) -> None:
    if not status.ok():
        raise RuntimeError(status.message())
