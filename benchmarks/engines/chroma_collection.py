"""Chroma, persistent. It has no exact search: its graph index as it comes, so its recall stands beside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import chromadb
from chromadb.config import Settings

from ..engine import Float32, Plain, Row, Safety, Window


class Store(Plain):
    def __init__(self) -> None:
        self._client: Any = None
        self._articles: Any = None

    def create(self, folder: Path, dims: int, *, indexed: bool, safety: Safety) -> None:
        self._connect(folder)
        self._articles = self._client.create_collection(
            "articles", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )

    def open(self, folder: Path, dims: int) -> None:
        self._connect(folder)
        self._articles = self._client.get_collection("articles", embedding_function=None)

    def _connect(self, folder: Path) -> None:
        self._client = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))

    def save_one(self, row: Row) -> None:
        self._add([row])

    def save_many(self, rows: Sequence[Row]) -> None:
        most = self._client.get_max_batch_size()
        for start in range(0, len(rows), most):
            self._add(rows[start : start + most])

    def _add(self, rows: Sequence[Row]) -> None:
        self._articles.add(
            ids=[str(row.number) for row in rows],
            embeddings=[row.vector for row in rows],
            documents=[row.body for row in rows],
            metadatas=[
                {"number": row.number, "title": row.title, "lot": row.lot, "place": row.place} for row in rows
            ],
        )

    def search(self, vector: Float32, limit: int) -> list[int]:
        return self._ask(vector, limit, None)

    def search_filtered(self, vector: Float32, limit: int, window: Window) -> list[int]:
        name, low, high = window
        return self._ask(vector, limit, {"$and": [{name: {"$gte": low}}, {name: {"$lt": high}}]})

    def _ask(self, vector: Float32, limit: int, where: Any) -> list[int]:
        found = self._articles.query(
            query_embeddings=[vector],
            n_results=limit,
            where=where,
            include=["metadatas", "documents", "distances"],
        )
        return [each["number"] for each in found["metadatas"][0]]
