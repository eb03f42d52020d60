"""What bulk verbs are given: records in batches, numbered by their place."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import Any

from .instance import Instance


def check_several(model: type[Any], records: object) -> None:
    """Refuse a single record where several are expected; TypeError."""
    if isinstance(records, Instance) or not isinstance(records, (Iterable, AsyncIterable)):
        one = type(records).__name__
        raise TypeError(f"{model.__name__}.save_many() takes several records, got one {one}: write [record]")


def skips(on_error: str) -> bool:
    """Whether records that are refused are left out; ValueError where ``on_error`` does not say."""
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error is 'raise' or 'skip', got {on_error!r}")
    return on_error == "skip"


def batches(numbered: Iterable[tuple[int, object]], batch: int) -> Iterator[list[tuple[int, object]]]:
    """Lists of at most ``batch``."""
    iterator, size = iter(numbered), _size(batch)
    while several := list(islice(iterator, size)):
        yield several


async def abatches(
    records: Iterable[Any] | AsyncIterable[Any], batch: int
) -> AsyncIterator[list[tuple[int, object]]]:
    """As `batches`, of records that are not numbered yet."""
    if not isinstance(records, AsyncIterable):
        for several in batches(enumerate(records), batch):
            yield several
        return
    size, several, position = _size(batch), list[tuple[int, object]](), 0
    async for record in records:
        several.append((position, record))
        position += 1
        if len(several) == size:
            yield several
            several = []
    if several:
        yield several


def _size(batch: Any) -> int:
    if type(batch) is not int or batch < 1:
        raise ValueError(f"batch is a whole number from 1, got {batch!r}")
    return batch
