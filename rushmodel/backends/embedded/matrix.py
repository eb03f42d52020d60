"""The vectors of one policy in memory, and the exact nearest among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from ...errors import VectorError
from ...port import Float32, Similarity
from .kernels import Float64, int8_dots, int8_products
from .parts import Parts, Proof, row_sums
from .quantised import LARGEST, SMALLEST, Quantised
from .ranking import best_of, gamma, reaching, rows_at_once, wide_dots
from .rowplaces import NOWHERE, Places, RowPlaces, Rows

Pause: TypeAlias = Callable[[], object]
"""Called every few milliseconds of a search; what it raises ends the search."""


class VectorMatrix:
    """Row ids and their vectors, which are finite, and under cosine not zero.

    Holds ``capacity`` x ``dims`` float32, C-contiguous, of which the first
    ``len(matrix)`` count; beside it row ids (int64) and squared norms (float64), and from
    `_WORTH_IT` numbers on the same vectors in eight bits (`quantised`), which are scanned first.
    The caller sees to it that nobody writes while another reads or writes.
    """

    def __init__(self, dims: int, similarity: Similarity) -> None:
        self.dims = dims
        self.similarity: Similarity = similarity
        self._count = 0
        self._vectors: Float32 = np.empty((0, dims), dtype=np.float32)
        self._squares: Float64 = np.empty(0, dtype=np.float64)
        self._rows: Rows = np.empty(0, dtype=np.int64)
        self._places = RowPlaces()
        self._quantised: Quantised | None = None
        self._proof: Proof | None = None

    @classmethod
    def opened(cls, dims: int, similarity: Similarity, parts: Parts, count: int) -> VectorMatrix:
        """A matrix of the first ``count`` rows of these parts, which it may write to from now on.

        The vectors are checked against their sums when they are first used: then `DamagedVectors`.
        """
        matrix = cls(dims, similarity)
        matrix._count = count
        matrix._rows, matrix._squares, matrix._vectors = parts.rows, parts.squares, parts.vectors
        matrix._places.put(parts.rows[:count], np.arange(count))
        matrix._quantised = Quantised(dims, similarity, int8_dots())
        matrix._quantised.take(parts.codes, parts.scales, parts.apart, parts.lengths)
        matrix._proof = Proof(parts.sums)
        return matrix

    def parts(self) -> Parts:
        """What it holds, all of it checked; views, good until the next `put` or `drop`."""
        self._prove_all(_go_on)
        if self._quantised is None:
            self._quantise(_go_on)
        assert self._quantised is not None
        held = self._count
        codes, scales, apart, lengths = self._quantised.parts()
        vectors = self._vectors[:held]
        sums = np.empty(held, dtype=np.uint64)
        step = rows_at_once(self.dims)
        for start in range(0, held, step):
            sums[start : start + step] = row_sums(vectors[start : start + step])
        return Parts(
            self._rows[:held],
            self._squares[:held],
            sums,
            scales[:held],
            apart[:held],
            lengths[:held],
            codes[:held],
            vectors,
        )

    def reserve(self, count: int) -> None:
        """Make room for ``count`` rows in all, so that they are put without moving the others."""
        if count > len(self._rows):
            self._move_to(count)

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
        squares = wide_dots(vectors, None)
        bad = ~np.isfinite(squares)
        if self.similarity == "cosine":
            bad |= squares == 0.0
        if bad.any():
            row = int(rows[int(np.argmax(bad))])
            raise VectorError(f"the vector of row {row} is zero or not finite", row=row)
        if len(np.unique(rows)) < len(rows):
            last = {row: i for i, row in enumerate(rows.tolist())}
            kept = np.fromiter(last.values(), dtype=np.intp, count=len(last))
            rows, vectors, squares = rows[kept], vectors[kept], squares[kept]
        places = self._places.find(rows)
        fresh = places == NOWHERE
        added = int(np.count_nonzero(fresh))
        self._reserve(self._count + added)
        places[fresh] = np.arange(self._count, self._count + added)
        self._count += added
        self._vectors[places] = vectors
        self._squares[places] = squares
        self._rows[places] = rows
        if self._proof is not None:
            self._proof.put(places)
        if self._quantised is not None:
            self._quantised.put(places, vectors, np.sqrt(squares))
        if added:
            self._places.put(rows[fresh], places[fresh])

    def rows(self) -> Rows:
        """The rows that are held, ascending; a copy."""
        return np.sort(self._rows[: self._count])

    def vectors_of(self, rows: Rows) -> tuple[Rows, Float32]:
        """Those of the rows that are held, and their vectors (n, dims); copies. `DamagedVectors`."""
        places = self._places.find(rows)
        held = places != NOWHERE
        self._prove(places[held], _go_on)
        return rows[held], self._vectors[places[held]]

    def drop(self, rows: Rows) -> None:
        """Remove rows; the last ones move into the gaps. Rows that are not held are ignored."""
        rows = np.unique(rows)
        places = self._places.find(rows)
        held = places != NOWHERE
        rows, gone = rows[held], places[held]
        if not len(gone):
            return
        count = self._count - len(gone)
        holes = gone[gone < count]
        staying = np.ones(len(gone), dtype=np.bool_)
        staying[gone[gone >= count] - count] = False
        movers = count + np.flatnonzero(staying)
        self._places.drop(rows)
        self._vectors[holes] = self._vectors[movers]
        self._squares[holes] = self._squares[movers]
        self._rows[holes] = self._rows[movers]
        if self._proof is not None:
            self._proof.move(holes, movers)
        if self._quantised is not None:
            self._quantised.move(holes, movers)
        self._places.put(self._rows[holes], holes)
        self._count = count

    def nearest(
        self,
        query: Float32,
        k: int,
        *,
        among: Rows | None = None,
        without: int | None = None,
        pause: Pause | None = None,
    ) -> list[tuple[int, float]]:
        """The ``k`` best (row, score), best first, equal scores by ascending row; exactly those (R10).

        The score is (1 + cos) / 2 or 1 / (1 + d^2), in float64. ``among`` holds the rows
        that survived a filter, in any order, those not held included; ``without`` is a row to leave out.
        ``pause`` is called between the blocks of a scan. Threads may search at the same time.

        Of many rows a scan in eight bits finds the few that can be among the nearest, as `quantised`
        proves; where these are still many, or rows were few, float32 does the same:

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
        wide, square = self._checked(query)
        searched = None if among is None else self._found(among)
        return self._nearest(query, wide, square, k, searched, without, pause or _go_on, None)

    def nearest_many(
        self,
        queries: Float32,
        k: int,
        *,
        among: Rows | None = None,
        pause: Pause | None = None,
    ) -> list[list[tuple[int, float]]]:
        """As `nearest`, for each of ``queries``, (m, dims), in turn.

        Where many rows are searched, each block of codes is multiplied with dozens of queries at once.
        """
        pause = pause or _go_on
        checked = [self._checked(query) for query in queries]
        searched = None if among is None else self._found(among)
        total = self._count if searched is None else len(searched)
        products = int8_products()
        quantised = None
        if products is not None and len(queries) > 1 and 0 < k < total and total * self.dims >= _WORTH_IT:
            quantised = self._in_eight_bits(pause)
        found: list[list[tuple[int, float]]] = []
        together = max(1, min(_TOGETHER, _TOGETHER_BYTES // (8 * max(1, total))))
        for start in range(0, len(queries), together):
            group = checked[start : start + together]
            dots: Float64 | None = None
            if quantised is not None and products is not None:
                dots = quantised.dots_of(group, searched, self._count, products, pause)
            for i, (wide, square) in enumerate(group):
                query = queries[start + i]
                own = None if dots is None else dots[i]
                found.append(self._nearest(query, wide, square, k, searched, None, pause, own))
        return found

    def _checked(self, query: Float32) -> tuple[Float64, float]:
        """A query in float64, and its squared norm; `VectorError`."""
        wide = query.astype(np.float64)
        if wide.shape != (self.dims,):
            raise VectorError(f"expected a vector of {self.dims} numbers, got shape {wide.shape}")
        square = float(wide_dots(query[np.newaxis], None)[0])
        if not np.isfinite(square) or (self.similarity == "cosine" and square == 0.0):
            raise VectorError("the query vector is zero or not finite")
        return wide, square

    def _nearest(
        self,
        query: Float32,
        wide: Float64,
        square: float,
        k: int,
        searched: Places | None,
        without: int | None,
        pause: Pause,
        dots: Float64 | None,
    ) -> list[tuple[int, float]]:
        """``dots`` are those of the query's codes with the rows', if they are known already."""
        total = self._count if searched is None else len(searched)
        # One more, so that the row left out takes nobody's place.
        left_out = without is not None and self._places.find(np.array([without]))[0] != NOWHERE
        wanted = min(k + left_out, total)
        if k <= 0 or wanted <= 0:
            return []
        if wanted < total:
            places = self._close(query, wide, square, searched, wanted, pause, dots)
        else:
            places = np.arange(total) if searched is None else searched
        scores = self._scores(places, wide, square, pause)
        best = best_of(scores, self._rows[places], wanted)
        return [hit for hit in best if hit[0] != without][:k]

    def _reserve(self, count: int) -> None:
        """Make room for ``count`` rows, and by half at least, so that growth is amortised."""
        capacity = len(self._rows)
        if count <= capacity:
            return
        self._move_to(max(count, capacity + capacity // 2))

    def _move_to(self, capacity: int) -> None:
        vectors = np.empty((capacity, self.dims), dtype=np.float32)
        squares = np.empty(capacity, dtype=np.float64)
        rows = np.empty(capacity, dtype=np.int64)
        held = self._count
        vectors[:held] = self._vectors[:held]
        squares[:held] = self._squares[:held]
        rows[:held] = self._rows[:held]
        self._vectors, self._squares, self._rows = vectors, squares, rows
        if self._quantised is not None:
            self._quantised.reserve(capacity, held)
        if self._proof is not None:
            self._proof.grow(capacity, held)

    def _prove_all(self, pause: Pause) -> None:
        """Check every vector that has not been checked yet; `DamagedVectors`."""
        if self._proof is not None:
            self._prove(np.arange(self._count), pause)
            self._proof = None

    def _prove(self, places: Places, pause: Pause) -> None:
        proof = self._proof  # another thread may find meanwhile that all are right
        if proof is not None:
            proof.check(self._vectors, places, rows_at_once(self.dims), pause)

    def _found(self, rows: Rows) -> Places:
        """Where those of the rows that are held lie, ascending, each once."""
        places = self._places.find(rows)
        held = np.zeros(self._count, dtype=np.bool_)
        held[places[places != NOWHERE]] = True
        return np.flatnonzero(held)

    def _close(
        self,
        query: Float32,
        wide: Float64,
        square: float,
        places: Places | None,
        wanted: int,
        pause: Pause,
        dots: Float64 | None,
    ) -> Places:
        """Those of the rows at ``places`` (None: all) that can be among the ``wanted`` best."""
        count = self._count if places is None else len(places)
        quantised = self._in_eight_bits(pause) if count * self.dims >= _WORTH_IT else None
        if quantised is not None:
            squares = self._squares[: self._count] if places is None else self._squares[places]
            value, error = quantised.bounds(wide, square, squares, places, self._count, pause, dots)
            close = reaching(value, error, wanted)
            places = close if places is None else places[close]
            if len(places) <= max(_FEW, 4 * wanted):
                return places
        value, error = self._bounds(query, wide, square, places, pause)
        close = reaching(value, error, wanted)
        return close if places is None else places[close]

    def _in_eight_bits(self, pause: Pause) -> Quantised | None:
        """The vectors in eight bits, made now if they were not; None where there is no fast kernel."""
        if int8_dots() is None:
            return None
        if self._quantised is None:
            self._quantise(pause)
        return self._quantised

    def _quantise(self, pause: Pause) -> None:
        made = Quantised(self.dims, self.similarity, int8_dots())
        made.reserve(len(self._rows), 0)
        places = np.arange(self._count)
        made.put(places, self._vectors[: self._count], np.sqrt(self._squares[: self._count]), pause)
        # Only when it is whole: another thread may be searching, and make its own.
        self._quantised = made

    def _bounds(
        self, query: Float32, wide: Float64, square: float, places: Places | None, pause: Pause
    ) -> tuple[Float64, Float64]:
        """Cosine, or -d^2, of the rows at ``places`` (None: all), and how far it may be off."""
        squares = self._squares[: self._count] if places is None else self._squares[places]
        norms = np.sqrt(squares)
        norm = float(np.sqrt(square))
        value: Float64
        error: Float64
        if self.similarity == "cosine":
            dots = self._dots32((wide / norm).astype(np.float32), places, pause)
            out = (norms < SMALLEST) | (norms > LARGEST)
            value = dots / norms
            error = np.full(len(value), gamma(self.dims + 8))
        else:
            dots = self._dots32(query, places, pause)
            out = norms > LARGEST / max(norm, 1.0)
            value = 2.0 * dots.astype(np.float64) - (squares + square)
            error = 2.0 * gamma(self.dims + 8) * norm * norms
            error += (self.dims + 16) * 2.0**-50 * (1.0 + square + squares)
        if out.any():
            value[out], error[out] = 0.0, np.inf
        return value, error

    def _dots32(self, query: Float32, places: Places | None, pause: Pause) -> Float32:
        """The float32 dot product with each row at ``places``: gathered in chunks, or all and then chosen."""
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            if places is None or len(places) > self._count * _GATHERED:
                self._prove_all(pause)
                dots = np.empty(self._count, dtype=np.float32)
                step = max(1, _SCANNED // self.dims)
                for start in range(0, self._count, step):
                    pause()
                    block = slice(start, min(start + step, self._count))
                    np.dot(self._vectors[block], query, out=dots[block])
                return dots if places is None else dots[places]
            self._prove(places, pause)
            dots = np.empty(len(places), dtype=np.float32)
            step = rows_at_once(self.dims)
            for start in range(0, len(places), step):
                pause()
                chosen = places[start : start + step]
                dots[start : start + step] = self._vectors[chosen] @ query
            return dots

    def _scores(self, places: Places, wide: Float64, square: float, pause: Pause) -> Float64:
        """The scores (R10) of the rows at ``places``, in float64."""
        self._prove(places, pause)
        scores = np.empty(len(places), dtype=np.float64)
        step = rows_at_once(self.dims)
        for start in range(0, len(places), step):
            pause()
            chosen = places[start : start + step]
            vectors = self._vectors[chosen]
            if self.similarity == "cosine":
                cosines = wide_dots(vectors, wide) / np.sqrt(self._squares[chosen] * square)
                scores[start : start + step] = (1.0 + np.clip(cosines, -1.0, 1.0)) / 2.0
            else:
                apart = vectors - wide
                scores[start : start + step] = 1.0 / (1.0 + np.square(apart, out=apart).sum(axis=1))
        return scores


_WORTH_IT: Final = 2**21
"""Numbers that are scanned: fewer lie in the processor's cache, where float32 is as fast."""

_FEW: Final = 2000
"""Rows that are scored in float64 as they are; of more, float32 finds those that can be meant."""

_GATHERED: Final = 0.2  # of all rows: up to here picking them out is faster than scanning past the others


_SCANNED: Final = 2**24
"""Numbers that float32 scans without looking at the clock: some 8 ms."""

_TOGETHER: Final = 64
_TOGETHER_BYTES: Final = 2**26
"""Queries that are multiplied at once, and what their products may take."""


def _go_on() -> None:
    """The pause of a search that nobody ends."""
