"""What is too much for one request to `rushmodel serve`, in several: a save with its relationships.

They belong to one transaction, so it is all or nothing as it would be in one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from ...port import Link, RecordWrite
from .importing import MOST_BYTES, weight

T = TypeVar("T")

_MOST_VECTORS = 8_000
"""Of a request, about: `rushmodel serve` takes 10,000."""

_LINK = 160
"""Bytes of a relationship without properties, about: two ids and a type."""


def portions_of_writes(writes: Iterable[tuple[str, RecordWrite]]) -> list[list[tuple[str, RecordWrite]]]:
    """The writes in order, as many in a portion as a request may have; one that is too much stays alone."""
    least = MOST_BYTES // _MOST_VECTORS
    return _portions(
        writes, lambda write: weight(write[1].data, write[1].vectors) + least * len(write[1].vectors)
    )


def portions_of_links(links: Iterable[Link]) -> list[list[Link]]:
    """As `portions_of_writes`."""
    return _portions(links, lambda link: _LINK + (weight(link.data, ()) if link.data else 0))


def _portions(items: Iterable[T], weight_of: Callable[[T], int]) -> list[list[T]]:
    portions: list[list[T]] = []
    room = 0
    for item in items:
        heavy = weight_of(item)
        if not portions or heavy > room:
            portions.append([])
            room = MOST_BYTES
        portions[-1].append(item)
        room -= heavy
    return portions
