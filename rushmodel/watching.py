"""What a database is asked, told to `connect(on_command=...)` and to the log: names and counts, no values."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from .errors import RushModelError
from .flow import Operation
from .port import Command
from .value import Value

R = TypeVar("R")

_log = logging.getLogger("rushmodel")


class Sent(Value):
    """A command that was carried out: its name, whom it is about, and how long it took.

    ``label`` is None where it is about several or none. ``count`` is how many records or vectors it gives;
    None where it gives none. ``error`` is the name of the error it ended with.
    """

    name: str
    label: str | None
    count: int | None
    seconds: float
    error: str | None = None

    def __str__(self) -> str:
        about = "" if self.label is None else f" {self.label}"
        given = "" if self.count is None else f", {self.count} given"
        failed = "" if self.error is None else f", {self.error}"
        return f"{self.name}{about}{given}: {1000 * self.seconds:.1f} ms{failed}"


OnCommand: TypeAlias = Callable[[Sent], object]


def watched(operation: Operation[R], on_command: OnCommand | None) -> Operation[R]:
    """The operation, each of whose commands is told once it is carried out.

    What the hook raises ends the operation.
    """
    try:
        command = next(operation)
        while True:
            begin = time.perf_counter()
            try:
                reply = yield command
            except RushModelError as error:
                _tell(command, begin, error, on_command)
                command = operation.throw(error)
            else:
                _tell(command, begin, None, on_command)
                command = operation.send(reply)
    except StopIteration as done:
        result: R = done.value
        return result
    finally:
        operation.close()


def is_logged() -> bool:
    """Whether somebody wants to read of every command."""
    return _log.isEnabledFor(logging.DEBUG)


def _tell(
    command: Command[Any], begin: float, error: RushModelError | None, on_command: OnCommand | None
) -> None:
    failed = None if error is None else type(error).__name__
    seconds = time.perf_counter() - begin
    sent = Sent(type(command).__name__, _label(command), _count(command), seconds, failed)
    _log.debug("%s", sent)
    if on_command is not None:
        on_command(sent)


def _label(command: Command[Any]) -> str | None:
    given = vars(command)
    labels: tuple[str, ...] = getattr(given.get("query"), "labels", ())
    found = given.get("label") or getattr(given.get("signature"), "label", None)
    if found is None and len(labels) == 1:
        found = labels[0]
    return found if isinstance(found, str) else None


def _count(command: Command[Any]) -> int | None:
    for name in ("writes", "rows", "record_ids", "vectors", "texts"):
        several = vars(command).get(name)
        if several is not None and hasattr(several, "__len__"):
            return len(several)
    return None
