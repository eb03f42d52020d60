"""What a matrix consists of, and the proof that vectors which came from a file are what they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ...port import Float32
from .kernels import Float64, Int8
from .rowplaces import Places, Rows

Sums: TypeAlias = "npt.NDArray[np.uint64]"


class Parts(NamedTuple):
    """What a matrix consists of, each with as many rows: what a sidecar keeps."""

    rows: Rows
    squares: Float64
    sums: Sums  # of the vectors' bytes, by which each is checked before it counts
    scales: Float64
    apart: Float64
    lengths: Float64
    codes: Int8
    vectors: Float32


class DamagedVectors(Exception):
    """Vectors that a matrix was opened with are not what their sums say: it is worth nothing."""


class Proof:
    """Which vectors of a matrix have been checked against the sums that they were opened with."""

    def __init__(self, sums: Sums) -> None:
        self._sums = sums
        self._open = np.ones(len(sums), dtype=np.bool_)

    def grow(self, capacity: int, held: int) -> None:
        """Make room for ``capacity`` rows; the first ``held`` stay."""
        sums, still = np.zeros(capacity, dtype=np.uint64), np.zeros(capacity, dtype=np.bool_)
        sums[:held], still[:held] = self._sums[:held], self._open[:held]
        self._sums, self._open = sums, still

    def put(self, places: Places) -> None:
        """There are other vectors at these places now, which came from elsewhere."""
        self._open[places] = False

    def move(self, holes: Places, movers: Places) -> None:
        """Vectors were copied from ``movers`` to ``holes``."""
        self._sums[holes] = self._sums[movers]
        self._open[holes] = self._open[movers]

    def check(self, vectors: Float32, places: Places, step: int, pause: Callable[[], object]) -> None:
        """Check those at these places that have not been, ``step`` at a time; `DamagedVectors`."""
        places = places[self._open[places]]
        for start in range(0, len(places), step):
            pause()
            chosen = places[start : start + step]
            if not np.array_equal(row_sums(vectors[chosen]), self._sums[chosen]):
                raise DamagedVectors
            self._open[chosen] = False


def row_sums(vectors: Float32) -> Sums:
    """The sum of each row's bytes, eight (or four) at a time, modulo 2^64."""
    whole = np.ascontiguousarray(vectors)
    if whole.shape[1] % 2:
        sums: Sums = whole.view(np.uint32).sum(axis=1, dtype=np.uint64)
    else:
        sums = whole.view(np.uint64).sum(axis=1)
    return sums
