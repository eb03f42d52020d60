"""LanceDB: a table without a vector index, which it searches exactly, and scalar indexes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa

from ..engine import Float32, Plain, Row, Safety, Window

_COLUMNS = ["number", "title", "body", "lot", "place", "_distance"]


class Store(Plain):
    def __init__(self) -> None:
        self._indexed = False
        self._table: Any = None
        self._schema: Any = None

    def create(self, folder: Path, dims: int, *, indexed: bool, safety: Safety) -> None:
        self._schema = pa.schema(
            [
                ("number", pa.int64()),
                ("title", pa.string()),
                ("body", pa.string()),
                ("lot", pa.int64()),
                ("place", pa.int64()),
                ("vector", pa.list_(pa.float32(), dims)),
            ]
        )
        self._indexed = indexed
        self._table = lancedb.connect(str(folder)).create_table("articles", schema=self._schema)

    def open(self, folder: Path, dims: int) -> None:
        self._table = lancedb.connect(str(folder)).open_table("articles")

    def save_one(self, row: Row) -> None:
        self._table.add([row._asdict()])

    def save_many(self, rows: Sequence[Row]) -> None:
        *plain, vectors = zip(*rows, strict=True)
        flat = pa.array(np.concatenate(vectors))
        columns = [pa.array(column) for column in plain]
        columns.append(pa.FixedSizeListArray.from_arrays(flat, len(vectors[0])))
        self._table.add(pa.Table.from_arrays(columns, schema=self._schema))

    def settle(self) -> None:
        if self._indexed:
            for name in ("lot", "place"):
                self._table.create_scalar_index(name)

    def search(self, vector: Float32, limit: int) -> list[int]:
        return self._numbers(self._table.search(vector), limit)

    def search_filtered(self, vector: Float32, limit: int, window: Window) -> list[int]:
        name, low, high = window
        query = self._table.search(vector).where(f"{name} >= {low} AND {name} < {high}", prefilter=True)
        return self._numbers(query, limit)

    def _numbers(self, query: Any, limit: int) -> list[int]:
        found = query.distance_type("cosine").select(_COLUMNS).limit(limit).to_list()
        return [each["number"] for each in found]
