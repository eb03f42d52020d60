"""Steps: what a verb does bit by bit, between which a database and a file take turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from .flow import Operation, ask
from .port import CloseCursor, OpenCursor, ReadCursor, RecordQuery, StoredRecord

if TYPE_CHECKING:
    from .database import Database

R = TypeVar("R")

Step: TypeAlias = "Operation[Any] | Callable[[], Any]"
"""Something to be carried out by the database, or something to be called that may wait for a file."""

PAGE = 1000
"""Records that are read at a time."""


def carry(database: Database, steps: Generator[Step, Any, R]) -> R:
    """Carry steps out, in the calling thread. Errors go to the steps first, which may have to tidy up."""
    try:
        step = next(steps)
        while True:
            try:
                reply = step() if callable(step) else database.run(step, raw=True)
            except BaseException as error:  # noqa: BLE001 - it is raised again by the steps
                step = steps.throw(error)
            else:
                step = steps.send(reply)
    except StopIteration as done:
        result: R = done.value
        return result


async def acarry(database: Database, steps: Generator[Step, Any, R]) -> R:
    """As `carry`, from an event loop."""
    try:
        step = next(steps)
        while True:
            try:
                reply = await (asyncio.to_thread(step) if callable(step) else database.arun(step, raw=True))
            except BaseException as error:  # noqa: BLE001 - it is raised again by the steps
                step = steps.throw(error)
            else:
                step = steps.send(reply)
    except StopIteration as done:
        result: R = done.value
        return result


def pages(
    query: RecordQuery, then: Callable[[Sequence[StoredRecord]], Generator[Step, Any, None]]
) -> Generator[Step, Any, None]:
    """The records of a query, of one snapshot: page by page, each with the steps that it leads to."""
    cursor = yield ask(OpenCursor(query))
    try:
        while page := (yield ask(ReadCursor(cursor, PAGE))):
            yield from then(page)
    except GeneratorExit:
        raise
    except BaseException:
        yield ask(CloseCursor(cursor))
        raise
    yield ask(CloseCursor(cursor))
