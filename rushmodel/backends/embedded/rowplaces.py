"""Where in a matrix each row lies."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Rows: TypeAlias = "npt.NDArray[np.int64]"
Places: TypeAlias = "npt.NDArray[np.intp]"

NOWHERE: Final = -1


class RowPlaces:
    """Places by row: many looked up at once, as fast as memory is read where rows lie close together.

    They do, unless most records of the file have other labels: a dictionary is smaller then.
    """

    def __init__(self) -> None:
        self._first = 0
        self._array: npt.NDArray[np.int32] | None = np.empty(0, dtype=np.int32)
        self._places: dict[int, int] = {}
        self._count = 0

    def find(self, rows: Rows) -> Places:
        """The place of each of the rows, `NOWHERE` for one that has none."""
        if self._array is None:
            get = self._places.get
            return np.fromiter((get(row, NOWHERE) for row in rows.tolist()), dtype=np.intp, count=len(rows))
        at = rows - self._first
        inside = (at >= 0) & (at < len(self._array))
        if inside.all():
            return self._array[at].astype(np.intp)
        found = np.full(len(rows), NOWHERE, dtype=np.intp)
        found[inside] = self._array[at[inside]]
        return found

    def put(self, rows: Rows, places: Places) -> None:
        """Say where rows lie, each given once."""
        if not len(rows):
            return
        if self._array is not None:
            self._count += int(np.count_nonzero(self.find(rows) == NOWHERE))
            self._make_room(int(rows.min()), int(rows.max()) + 1)
        if self._array is None:
            self._places.update(zip(rows.tolist(), places.tolist(), strict=True))
        else:
            self._array[rows - self._first] = places

    def drop(self, rows: Rows) -> None:
        """Forget rows; each has a place."""
        if self._array is None:
            for row in rows.tolist():
                del self._places[row]
        else:
            self._array[rows - self._first] = NOWHERE
            self._count -= len(rows)

    def _make_room(self, first: int, end: int) -> None:
        """Let the array reach from ``first`` to ``end``, or give it up for a dictionary."""
        array = self._array
        assert array is not None
        if len(array):
            first, end = min(first, self._first), max(end, self._first + len(array))
            if first == self._first and end == first + len(array):
                return
        if end - first > _SPARSE * self._count + _SMALL:
            held = np.flatnonzero(array != NOWHERE)
            self._places = dict(zip((held + self._first).tolist(), array[held].tolist(), strict=True))
            self._array = None
            return
        # Rows are numbered upwards: what comes next is close behind, and the array need not grow each time.
        grown = np.full(end - first + (end - first) // 4, NOWHERE, dtype=np.int32)
        grown[self._first - first : self._first - first + len(array)] = array
        self._first, self._array = first, grown


_SPARSE: Final = 16
_SMALL: Final = 65_536
