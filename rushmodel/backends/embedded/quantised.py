"""Vectors in eight bits a number, and bounds for what that leaves unknown.

A quarter of the bytes are a quarter of the time: a scan of vectors waits for memory. The scan decides
which few rows can be among the nearest, and those are scored from the vectors themselves.

**The bound.** A vector x is kept as whole numbers c, -127 to 127, and a scale s = max|x_i| / 127, so that
x' = s c is close to it, and so is the query q' = t d. Then

    x.q = x'.q' + (x - x').q + x'.(q - q')

and by Cauchy and Schwarz |x.q - x'.q'| <= |x - x'| |q| + |x'| |q - q'|. Here x'.q' = s t (c.d), and c.d
is a sum of at most 4096 products below 2^14, which float64 holds exactly. Distances |x - x'| and lengths
|x'| are worked out once for each row, |q - q'| once for each query, so that a row's bound is its own.

- cosine: divided by |x| |q|, the error is at most |x - x'| / |x| + (|x'| / |x|) (|q - q'| / |q|).
- euclidean: d^2 = |x|^2 + |q|^2 - 2 x.q, so that of d^2 is at most twice the error of x.q.

**Rounding.** All of this is computed in float64 from float32 numbers. For norms from 2^-60 to 2^120
nothing overflows or underflows; every quantity above is a sum of at most 4096 terms of one sign, or one of
a few products, and so off by a factor below 1 + 2^-39, and (c.d) s t by one of 1 + 2^-51. `_SLACK`, 2^-32
of the largest value there can be (1 for a cosine, 1 + |x|^2 + |q|^2 for d^2), is above all of it together,
and above what is lost where a score is made of a value. Rows whose norms lie outside of that range have an
infinite error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from ...port import Float32, Similarity
from .kernels import Dots, Float64, Int8, Products
from .rowplaces import Places

_SLACK: Final = 2.0**-32
SMALLEST: Final = 2.0**-60
LARGEST: Final = 2.0**120
_MOST: Final = 127.0


class Quantised:
    """The rows of a matrix in eight bits: (capacity, dims) int8, and three float64 a row.

    For cosine these are about the row's direction, x / |x|; for euclidean about x.
    """

    def __init__(self, dims: int, similarity: Similarity, dots: Dots | None) -> None:
        """``dots`` None: the rows are kept, but `bounds` may not be asked."""
        self._dims = dims
        self._cosine = similarity == "cosine"
        self._dots = dots
        self._codes: Int8 = np.empty((0, dims), dtype=np.int8)
        self._scales: Float64 = np.empty(0)
        self._apart: Float64 = np.empty(0)  # |x - x'|
        self._lengths: Float64 = np.empty(0)  # |x'|

    def reserve(self, capacity: int, held: int) -> None:
        """Make room for ``capacity`` rows; the first ``held`` stay."""
        codes = np.empty((capacity, self._dims), dtype=np.int8)
        codes[:held] = self._codes[:held]
        self._codes = codes
        for name in ("_scales", "_apart", "_lengths"):
            grown = np.empty(capacity)
            grown[:held] = getattr(self, name)[:held]
            setattr(self, name, grown)

    def take(self, codes: Int8, scales: Float64, apart: Float64, lengths: Float64) -> None:
        """Hold these rows, which `parts` gave of another one."""
        self._codes, self._scales, self._apart, self._lengths = codes, scales, apart, lengths

    def parts(self) -> tuple[Int8, Float64, Float64, Float64]:
        """Codes, scales, |x - x'| and |x'|, (capacity, ...)."""
        return self._codes, self._scales, self._apart, self._lengths

    def put(
        self,
        places: Places,
        vectors: Float32,
        norms: Float64,
        pause: Callable[[], object] | None = None,
    ) -> None:
        """Keep vectors, (n, dims), at these places; ``norms`` are theirs."""
        step = max(1, 262_144 // self._dims)
        for start in range(0, len(places), step):
            if pause is not None:
                pause()
            chosen = slice(start, start + step)
            self._put(places[chosen], vectors[chosen], norms[chosen])

    def move(self, holes: Places, movers: Places) -> None:
        """Copy rows from ``movers`` to ``holes``."""
        for array in (self._codes, self._scales, self._apart, self._lengths):
            array[holes] = array[movers]

    def bounds(
        self,
        query: Float64,
        square: float,
        squares: Float64,
        places: Places | None,
        count: int,
        pause: Callable[[], object],
        dots: Float64 | None = None,
    ) -> tuple[Float64, Float64]:
        """Cosine, or -d^2, of the rows at ``places`` (None: the first ``count``), and how far it may be off.

        ``query`` is (dims,) float64, ``square`` its squared norm, ``squares`` those of the rows.
        ``dots`` is the query's row of `dots_of`, which is used up, if that was asked for several queries.
        """
        norm = float(np.sqrt(square))
        code, scale, apart, _ = self._code(query[np.newaxis], norm)
        every: Places | slice = slice(count) if places is None else places
        value = self._scan(code[0], places, count, pause) if dots is None else dots
        value *= self._scales[every]
        value *= scale[0]
        error = self._lengths[every] * (apart[0] * (1.0 + _SLACK))
        if self._cosine:
            error += self._apart[every]
            error += _SLACK
            return value, error
        value *= 2.0
        value -= squares
        value -= square
        error += self._apart[every] * max(norm, SMALLEST)  # not 0, of which infinity makes no number
        error *= 2.0
        error += (1.0 + square + squares) * _SLACK
        if not SMALLEST <= norm <= LARGEST and norm:
            error[:] = np.inf
        return value, error

    def dots_of(
        self,
        queries: Sequence[tuple[Float64, float]],
        places: Places | None,
        count: int,
        products: Products,
        pause: Callable[[], object],
    ) -> Float64:
        """The dot products, (m, n), of the codes of m queries with those of the rows, in one pass.

        The queries come with their squared norms: the ones that `bounds` will be given.
        """
        codes = [self._code(query[np.newaxis], float(np.sqrt(square)))[0][0] for query, square in queries]
        multiply = products(np.array(codes))
        rows = count if places is None else len(places)
        found = np.empty((len(codes), rows))
        step = max(1, _CHUNK // self._dims)
        for start in range(0, rows, step):
            pause()
            block = slice(start, min(start + step, rows))
            held = self._codes[block] if places is None else self._codes.take(places[block], axis=0)
            found[:, block] = multiply(held).T
        return found

    def _code(self, query: Float64, norm: float) -> tuple[Int8, Float64, Float64, Float64]:
        return _quantised(query / norm if self._cosine else query)

    def _scan(self, code: Int8, places: Places | None, count: int, pause: Callable[[], object]) -> Float64:
        """The dot products of codes, in blocks, gathered where few rows are chosen."""
        assert self._dots is not None
        if places is not None and len(places) > count * _GATHERED:
            every: Float64 = self._scan(code, None, count, pause)[places]
            return every
        rows = count if places is None else len(places)
        found = np.empty(rows)
        step = max(1, (_SCANNED if places is None else _CHUNK) // self._dims)
        for start in range(0, rows, step):
            pause()
            block = slice(start, min(start + step, rows))
            held = self._codes[block] if places is None else self._codes.take(places[block], axis=0)
            self._dots(code, held, found[block])
        return found

    def _put(self, places: Places, vectors: Float32, norms: Float64) -> None:
        wide = vectors.astype(np.float64)
        usable = (norms >= SMALLEST) & (norms <= LARGEST)
        if self._cosine:
            with np.errstate(all="ignore"):
                wide /= norms[:, np.newaxis]
        else:
            usable |= norms == 0.0
        wide[~usable] = 0.0
        codes, scales, apart, lengths = _quantised(wide)
        apart[~usable] = np.inf
        self._codes[places] = codes
        self._scales[places] = scales
        self._apart[places] = apart
        self._lengths[places] = lengths


_GATHERED: Final = 0.3
"""Of all rows: up to here picking codes out is faster than scanning past the others.

Measured on one core with AVX-512, rows chosen at random, medians of 15: of 100,000 x 768 a scan of all takes
3.6 ms, and picking out 25 / 35 / 50 % of them 2.9 / 4.7 / 6.7 ms; of 20,000 x 384, which lie in the
processor's cache, 0.34 ms and 0.15 / 0.21 / 0.31 ms.
"""

_CHUNK: Final = 1_048_576
"""Bytes of codes that are gathered at a time: they stay in the processor's cache."""

_SCANNED: Final = 2**26
"""Bytes of codes that are scanned without looking at the clock: some 3 ms."""


def _quantised(wide: Float64) -> tuple[Int8, Float64, Float64, Float64]:
    """Codes, scales, |x - x'| and |x'| of rows; a row of zeros is itself."""
    scales = np.abs(wide).max(axis=1) / _MOST
    scales[scales == 0.0] = 1.0
    whole = np.rint(wide / scales[:, np.newaxis])
    codes = whole.astype(np.int8)
    whole *= scales[:, np.newaxis]
    lengths = np.sqrt(np.square(whole).sum(axis=1))
    whole -= wide
    apart = np.sqrt(np.square(whole, out=whole).sum(axis=1)) * (1.0 + _SLACK)
    return codes, scales, apart, lengths
