"""The vectors of one policy in memory, and the exact nearest among them."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ...errors import VectorError
from ...port import Float32, Similarity

Rows: TypeAlias = npt.NDArray[np.int64]
_Float64: TypeAlias = npt.NDArray[np.float64]
_Positions: TypeAlias = npt.NDArray[np.intp]


class VectorMatrix:
    """Row ids and their vectors, which are finite, and under cosine not zero.

    Holds ``capacity`` x ``dims`` float32, C-contiguous, of which the first
    ``len(matrix)`` count; beside it row ids (int64) and squared norms (float64).
    The caller sees to it that nobody writes while another reads or writes.
    """

    def __init__(self, dims: int, similarity: Similarity) -> None:
        self.dims = dims
        self.similarity: Similarity = similarity
        self._count = 0
        self._vectors: Float32 = np.empty((0, dims), dtype=np.float32)
        self._squares: _Float64 = np.empty(0, dtype=np.float64)
        self._rows: Rows = np.empty(0, dtype=np.int64)
        self._positions: dict[int, int] = {}
        self._sorted: tuple[Rows, _Positions] | None = None

    def __len__(self) -> int:
        return self._count

    def put(self, rows: Rows, vectors: Float32) -> None:
        """Add vectors, (n, dims) for n rows, or replace those held; of a row given twice the last counts.

        Raises:
            VectorError: Another shape, a number that is not finite, or zero under cosine. Then
                the matrix is as it was.
        """
        if vectors.shape != (len(rows), self.dims):
            raise VectorError(f"expected {(len(rows), self.dims)} numbers, got {vectors.shape}")
        squares = _dots(vectors, None)
        bad = ~np.isfinite(squares)
        if self.similarity == "cosine":
            bad |= squares == 0.0
        if bad.any():
            row = int(rows[int(np.argmax(bad))])
            raise VectorError(f"the vector of row {row} is zero or not finite", row=row)
        last = {row: i for i, row in enumerate(rows.tolist())}
        if len(last) < len(rows):
            kept = np.fromiter(last.values(), dtype=np.intp, count=len(last))
            vectors, squares = vectors[kept], squares[kept]
        fresh = [row for row in last if row not in self._positions]
        self._reserve(self._count + len(fresh))
        self._positions.update(zip(fresh, range(self._count, self._count + len(fresh)), strict=True))
        self._count += len(fresh)
        places = np.fromiter((self._positions[row] for row in last), dtype=np.intp, count=len(last))
        self._vectors[places] = vectors
        self._squares[places] = squares
        self._rows[places] = np.fromiter(last, dtype=np.int64, count=len(last))
        if fresh:
            self._sorted = None

    def drop(self, rows: Rows) -> None:
        """Remove rows; the last ones move into the gaps. Rows that are not held are ignored."""
        gone = [place for row in rows.tolist() if (place := self._positions.pop(row, None)) is not None]
        if not gone:
            return
        count = self._count - len(gone)
        holes = [place for place in gone if place < count]
        staying = np.ones(len(gone), dtype=np.bool_)
        staying[[place - count for place in gone if place >= count]] = False
        movers = count + np.flatnonzero(staying)
        self._vectors[holes] = self._vectors[movers]
        self._squares[holes] = self._squares[movers]
        self._rows[holes] = self._rows[movers]
        self._positions.update(zip(self._rows[holes].tolist(), holes, strict=True))
        self._count = count
        self._sorted = None

    def nearest(
        self, query: Float32, k: int, *, among: Rows | None = None, without: int | None = None
    ) -> list[tuple[int, float]]:
        """The ``k`` best (row, score), best first, equal scores by ascending row; exactly those (R10).

        The score is (1 + cos) / 2 or 1 / (1 + d^2), in float64. ``among`` holds the rows
        that survived a filter, in any order, those not held included; ``without`` is a row to leave out.

        How the answer comes to be exact though the scan is float32. Let u = 2^-24, and
        gamma(d) = d u / (1 - d u). A float32 product of d numbers, summed in whatever order, with
        or without fused operations, is off by at most gamma(d) |x| |q| (Cauchy-Schwarz over the
        classical bound gamma(d) sum |x_i q_i|), if nothing overflows, plus 3 d 2^-126 where
        something underflows, even if it is flushed to zero. So:

        - cosine: the scan takes q / |q| rounded to float32, at most u (plus underflow) away. For
          2^-60 <= |x| <= 2^120 all of that, divided by |x|, stays below gamma(d + 8): the 8 u
          cover that rounding, second-order terms, underflow, and the float64 steps, of which d
          roundings of 2^-53 each are the most.
        - euclidean: d^2 = |x|^2 + |q|^2 - 2 x.q, with float64 norms. The dot is off by
          gamma(d + 8) |x| |q|, and float64 roundings, underflow, and what is lost when d^2
          becomes a score are below (d + 16) 2^-50 (1 + |x|^2 + |q|^2).

        Each row thus has a lower and an upper bound. Those whose upper bound reaches the k-th
        best lower bound are scored again in float64; k others are better than any row left out,
        by more than the rounding of scores. Rows whose norm is out of the range above
        have infinite bounds and are always scored again.

        Raises:
            VectorError: The query has another length, is not finite, or is zero under cosine.
        """
        wide = query.astype(np.float64)
        if wide.shape != (self.dims,):
            raise VectorError(f"expected a vector of {self.dims} numbers, got shape {wide.shape}")
        square = float(_dots(query[np.newaxis], None)[0])
        if not np.isfinite(square) or (self.similarity == "cosine" and square == 0.0):
            raise VectorError("the query vector is zero or not finite")
        searched = None if among is None else self._found(among)
        total = self._count if searched is None else len(searched)
        # One more, so that the row left out takes nobody's place.
        wanted = min(k + (without in self._positions), total)
        if k <= 0 or wanted <= 0:
            return []
        if wanted < total:
            lower, upper = self._bounds(query, wide, square, searched)
            floor = np.partition(lower, total - wanted)[total - wanted]
            close = np.flatnonzero(upper >= floor)
            places = close if searched is None else searched[close]
        else:
            places = np.arange(total) if searched is None else searched
        scores = self._scores(places, wide, square)
        best = _best(scores, self._rows[places], wanted)
        return [hit for hit in best if hit[0] != without][:k]

    def _reserve(self, count: int) -> None:
        """Make room for ``count`` rows, and by half at least, so that growth is amortised."""
        capacity = len(self._rows)
        if count <= capacity:
            return
        capacity = max(count, capacity + capacity // 2)
        vectors = np.empty((capacity, self.dims), dtype=np.float32)
        squares = np.empty(capacity, dtype=np.float64)
        rows = np.empty(capacity, dtype=np.int64)
        held = self._count
        vectors[:held] = self._vectors[:held]
        squares[:held] = self._squares[:held]
        rows[:held] = self._rows[:held]
        self._vectors, self._squares, self._rows = vectors, squares, rows

    def _found(self, rows: Rows) -> _Positions:
        """Where those of the rows that are held lie, ascending, each once."""
        if self._sorted is None:
            order = np.argsort(self._rows[: self._count], kind="stable")
            self._sorted = self._rows[order], order
        ordered, order = self._sorted
        if not len(ordered):
            return order
        at = np.searchsorted(ordered, rows)
        at[at == len(ordered)] = 0
        held = np.zeros(len(ordered), dtype=np.bool_)
        held[order[at[ordered[at] == rows]]] = True
        return np.flatnonzero(held)

    def _bounds(
        self, query: Float32, wide: _Float64, square: float, places: _Positions | None
    ) -> tuple[_Float64, _Float64]:
        """Bounds of the cosine, or of -d^2, of the rows at ``places`` (None: all). See `nearest`."""
        squares = self._squares[: self._count] if places is None else self._squares[places]
        norms = np.sqrt(squares)
        norm = float(np.sqrt(square))
        value: _Float64
        error: _Float64
        if self.similarity == "cosine":
            dots = self._dots32((wide / norm).astype(np.float32), places)
            out = (norms < _SMALL) | (norms > _LARGE)
            value = dots / norms
            error = np.full(len(value), _gamma(self.dims + 8))
        else:
            dots = self._dots32(query, places)
            out = norms > _LARGE / max(norm, 1.0)
            value = 2.0 * dots.astype(np.float64) - (squares + square)
            error = 2.0 * _gamma(self.dims + 8) * norm * norms
            error += (self.dims + 16) * 2.0**-50 * (1.0 + square + squares)
        if out.any():
            value[out], error[out] = 0.0, np.inf
        return value - error, value + error

    def _dots32(self, query: Float32, places: _Positions | None) -> Float32:
        """The float32 dot product with each row at ``places``: gathered in chunks, or all and then chosen."""
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            if places is None or len(places) > self._count * _GATHERED:
                dots: Float32 = self._vectors[: self._count] @ query
                return dots if places is None else dots[places]
            dots = np.empty(len(places), dtype=np.float32)
            step = _chunk(self.dims)
            for start in range(0, len(places), step):
                chosen = places[start : start + step]
                dots[start : start + step] = self._vectors[chosen] @ query
            return dots

    def _scores(self, places: _Positions, wide: _Float64, square: float) -> _Float64:
        """The scores (R10) of the rows at ``places``, in float64."""
        scores = np.empty(len(places), dtype=np.float64)
        step = _chunk(self.dims)
        for start in range(0, len(places), step):
            chosen = places[start : start + step]
            vectors = self._vectors[chosen]
            if self.similarity == "cosine":
                cosines = _dots(vectors, wide) / np.sqrt(self._squares[chosen] * square)
                scores[start : start + step] = (1.0 + np.clip(cosines, -1.0, 1.0)) / 2.0
            else:
                apart = vectors - wide
                scores[start : start + step] = 1.0 / (1.0 + np.square(apart, out=apart).sum(axis=1))
        return scores


_SMALL: Final = 2.0**-60
_LARGE: Final = 2.0**120
_GATHERED: Final = 0.2  # of all rows: up to here picking them out is faster than scanning past the others


def _gamma(terms: int) -> float:
    """The relative error of a float32 dot product of that many terms."""
    return terms * 2.0**-24 / (1.0 - terms * 2.0**-24)


def _chunk(dims: int) -> int:
    """How many rows are worked on at a time: about 2 MB of float64."""
    return max(1, 262_144 // dims)


def _dots(vectors: Float32, query: _Float64 | None) -> _Float64:
    """The float64 dot product of each row with the query, or with itself (None).

    Each row's sum is made on its own, in the same order wherever it stands, which
    a BLAS product does not promise: equal vectors get equal scores.
    """
    dots = np.empty(len(vectors), dtype=np.float64)
    step = _chunk(max(1, vectors.shape[1]))
    for start in range(0, len(vectors), step):
        wide = vectors[start : start + step].astype(np.float64)
        wide *= wide if query is None else query
        dots[start : start + step] = wide.sum(axis=1)
    return dots


def _best(scores: _Float64, rows: Rows, k: int) -> list[tuple[int, float]]:
    """The ``k`` first by descending score, then ascending row."""
    if k < len(scores):
        floor = np.partition(scores, len(scores) - k)[len(scores) - k]
        chosen = np.flatnonzero(scores >= floor)
        scores, rows = scores[chosen], rows[chosen]
    order = np.lexsort((rows, -scores))[:k]
    return list(zip(rows[order].tolist(), scores[order].tolist(), strict=True))
