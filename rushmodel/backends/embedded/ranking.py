"""Scores in float64, and the best of them."""

from __future__ import annotations

from typing import Final

import numpy as np

from ...port import Float32
from .kernels import Float64
from .rowplaces import Places, Rows


def gamma(terms: int) -> float:
    """The relative error of a float32 dot product of that many terms."""
    return terms * 2.0**-24 / (1.0 - terms * 2.0**-24)


def rows_at_once(dims: int) -> int:
    """How many rows are worked on at a time: about 2 MB of float64."""
    return max(1, 262_144 // dims)


def wide_dots(vectors: Float32, query: Float64 | None) -> Float64:
    """The float64 dot product of each row with the query, or with itself (None).

    Each row's sum is made on its own, in the same order wherever it stands, which
    a BLAS product does not promise: equal vectors get equal scores.
    """
    dots = np.empty(len(vectors), dtype=np.float64)
    step = rows_at_once(max(1, vectors.shape[1]))
    for start in range(0, len(vectors), step):
        wide = vectors[start : start + step].astype(np.float64)
        wide *= wide if query is None else query
        dots[start : start + step] = wide.sum(axis=1)
    return dots


def reaching(value: Float64, error: Float64, k: int) -> Places:
    """Where the upper bound reaches the k-th best lower bound."""
    lower = value - error
    # The k-th best of the bests of some blocks is not above the k-th best, and much faster to find.
    blocks = len(lower) // _BLOCK
    ranked = lower if blocks < 4 * k else lower[: blocks * _BLOCK].reshape(blocks, _BLOCK).max(axis=1)
    floor = np.partition(ranked, len(ranked) - k)[len(ranked) - k]
    value += error
    close = np.flatnonzero(value >= floor)
    if ranked is not lower and len(close) > k:
        best = lower[close]
        floor = np.partition(best, len(best) - k)[len(best) - k]
        close = close[value[close] >= floor]
    return close


_BLOCK: Final = 64


def best_of(scores: Float64, rows: Rows, k: int) -> list[tuple[int, float]]:
    """The ``k`` first by descending score, then ascending row."""
    if k < len(scores):
        floor = np.partition(scores, len(scores) - k)[len(scores) - k]
        chosen = np.flatnonzero(scores >= floor)
        scores, rows = scores[chosen], rows[chosen]
    order = np.lexsort((rows, -scores))[:k]
    return list(zip(rows[order].tolist(), scores[order].tolist(), strict=True))
