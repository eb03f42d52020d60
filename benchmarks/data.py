"""What is saved and asked: clustered vectors, or WordNet's, in files that every process maps."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from .engine import Float32, Row, Window

_PER_CLUSTER: Final = 500
_SPREAD: Final = 0.7
_BLOCK: Final = 20  # queries at a time: the float64 scores of 100,000 rows are 16 MB then


class Data:
    """Rows and queries in a folder: unit vectors, and a query is never one of the rows.

    ``vectors`` (rows, dims) and ``queries`` (queries, dims) are float32; ``lots`` and ``places`` are each a
    permutation of the rows' numbers, so that a window of a given width keeps exactly so many.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vectors: Float32 = np.load(folder / "vectors.npy", mmap_mode="r")
        self.queries: Float32 = np.load(folder / "queries.npy")
        self._orders: npt.NDArray[np.int64] = np.load(folder / "orders.npy")

    @property
    def dims(self) -> int:
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.vectors)

    def rows(self, start: int, stop: int) -> list[Row]:
        """Rows in memory: nothing of them is read from a file when they are saved."""
        vectors = np.array(self.vectors[start:stop])
        lots, places = self._orders[:, start:stop].tolist()
        return [
            Row(start + at, *self._texts(start + at), lots[at], places[at], vectors[at])
            for at in range(len(vectors))
        ]

    def windows(self, field: Literal["lot", "place"], keep: float, first: int, count: int) -> list[Window]:
        """A window for each query, none like another on purpose: a cache of conditions does not help."""
        width = max(1, round(len(self) * keep))
        lows = np.random.default_rng(first).integers(0, len(self) - width + 1, count).tolist()
        return [Window(field, low, low + width) for low in lows]

    def truth(
        self, first: int, count: int, limit: int, *, rows: int, windows: list[Window] | None = None
    ) -> list[list[int]]:
        """The nearest of the first ``rows`` rows to each query, by brute force in float64."""
        wide = self.vectors[:rows].astype(np.float64)
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
        answers: list[list[int]] = []
        for start in range(first, first + count, _BLOCK):
            stop = min(start + _BLOCK, first + count)
            block = self.queries[start:stop].astype(np.float64) @ wide.T
            for query, scores in enumerate(block, start - first):
                if windows is not None:
                    name, low, high = windows[query]
                    values = self._orders[("lot", "place").index(name), :rows]
                    scores[(values < low) | (values >= high)] = -np.inf
                best = np.argpartition(scores, -limit)[-limit:]
                best = best[np.argsort(-scores[best], kind="stable")]
                answers.append(best[scores[best] > -np.inf].tolist())
        return answers

    def _texts(self, number: int) -> tuple[str, str]:
        if self._words is not None:
            title, body = self._words[number]
            return title, body
        body = f"The body of article {number}, of about the length of a sentence or two. " * 3
        return f"Article {number}", body

    @cached_property
    def _words(self) -> list[tuple[str, str]] | None:
        path = self.folder / "words.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else None


def make_clustered(folder: Path, rows: int, dims: int, queries: int) -> Data:
    """Clusters of some 500, around centres that are standard normal, with noise of 0.7."""
    random = np.random.default_rng(dims)
    centres = random.standard_normal((max(2, rows // _PER_CLUSTER), dims), dtype=np.float32)
    clusters = random.integers(0, len(centres), rows + queries)
    vectors = random.standard_normal((rows + queries, dims), dtype=np.float32)
    vectors *= _SPREAD
    vectors += centres[clusters]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return _write(folder, vectors[:rows], vectors[rows:], clusters[:rows])


def make_wordnet(folder: Path, source: Path, rows: int, queries: int) -> Data:
    """WordNet's synsets (all-MiniLM-L6-v2, 384 numbers): some are saved, others are the queries.

    The clusters are those of k-means, as the data has none of its own.
    """
    random = np.random.default_rng(384)
    vectors = np.load(source / "vectors.f16.npy").astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    synsets = [json.loads(line) for line in (source / "synsets.jsonl").read_text("utf-8").splitlines()]
    order = random.permutation(len(vectors))
    saved, asked = order[:rows], order[rows : rows + queries]
    data = _write(folder, vectors[saved], vectors[asked], _clusters(vectors[saved], random))
    words = [(", ".join(synsets[at]["words"]), synsets[at]["definition"]) for at in saved]
    (folder / "words.json").write_text(json.dumps(words), "utf-8")
    return data


def _clusters(vectors: Float32, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """The number of each vector's cluster, by a few rounds of k-means on the sphere."""
    centres = vectors[random.choice(len(vectors), max(2, len(vectors) // _PER_CLUSTER), replace=False)]
    for _ in range(5):
        nearest: npt.NDArray[np.int64] = (vectors @ centres.T).argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, vectors)
        centres = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return nearest


def _write(folder: Path, vectors: Float32, queries: Float32, clusters: npt.NDArray[np.int64]) -> Data:
    folder.mkdir()
    places = np.empty(len(vectors), dtype=np.int64)
    places[np.argsort(clusters, kind="stable")] = np.arange(len(vectors))
    lots = np.random.default_rng(1).permutation(len(vectors))
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "queries.npy", queries)
    np.save(folder / "orders.npy", np.stack([lots, places]))
    return Data(folder)
