"""What an engine is to the benchmarks: one small protocol, the same rows and the same questions for all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Float32: TypeAlias = npt.NDArray[np.float32]
Safety: TypeAlias = Literal["process", "power"]
"""What a save survives once it is acknowledged: a killed process, or loss of power."""
Work: TypeAlias = Literal["search", "filter", "one", "power", "many", "reopen", "graph"]


class Row(NamedTuple):
    """One record: five properties, and its vector (dims,) of unit length."""

    number: int
    title: str
    body: str
    lot: int
    """Drawn by lot: independent of the vector."""
    place: int
    """Its place among all rows in the order of their clusters: a range of places is a few whole clusters."""
    vector: Float32


class Window(NamedTuple):
    """A condition: ``low <= field < high``."""

    field: Literal["lot", "place"]
    low: int
    high: int


class Engine(Protocol):
    """A store of one collection. Similarity is the cosine; answers are ``number``, best first.

    An engine that keeps records reads those of its answers whole, without vectors, as `Model.search` does.
    """

    works: frozenset[Work]
    """What it can do; the benchmarks ask nothing else of it."""

    def create(self, folder: Path, dims: int, *, indexed: bool, safety: Safety) -> None:
        """Make the collection in an empty folder; ``indexed``: with indexes on ``lot`` and ``place``."""

    def open(self, folder: Path, dims: int) -> None:
        """Open what `create` and saves left, in another process."""

    def save_one(self, row: Row) -> None:
        """Save one row, as safely as `create` was told."""

    def save_many(self, rows: Sequence[Row]) -> None:
        """Save rows the fastest way that the engine has for rows like these."""

    def settle(self) -> None:
        """What is done once after a bulk load, such as making indexes; not a part of `save_many`'s time."""

    def search(self, vector: Float32, limit: int) -> list[int]:
        """The nearest of all rows."""

    def search_filtered(self, vector: Float32, limit: int, window: Window) -> list[int]:
        """The nearest of the rows in the window."""

    def close(self) -> None:
        """Leave the folder as a program that ends in an orderly way does."""


class Plain:
    """The parts of an engine that many have nothing to do for."""

    works: frozenset[Work] = frozenset({"search", "filter", "one", "many", "reopen"})

    def settle(self) -> None:
        pass

    def close(self) -> None:
        pass
