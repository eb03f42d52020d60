"""Progress: how far a long verb is, told to a function or drawn as a bar."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sized
from contextlib import contextmanager
from typing import TypeAlias

from .errors import ConfigurationError

Told: TypeAlias = Callable[[int], object]
"""What is called with the number of things done so far."""
Progress: TypeAlias = Told | bool | None
"""``progress=``: a function; True for a bar on stderr, which `rushmodel[cli]` draws; else nothing."""


@contextmanager
def telling(progress: Progress, what: str, things: object = None) -> Generator[Told | None, None, None]:
    """Whom to tell of progress in the block, if anybody; ``things`` that have a length say of how many.

    Raises:
        ConfigurationError: A bar is wanted, and rich is not installed.
        TypeError: It is none of what `Progress` says.
    """
    if progress is None or progress is False:
        yield None
    elif progress is not True:
        if not callable(progress):
            raise TypeError(f"progress is a function, True or None, got {type(progress).__name__}")
        yield progress
    else:
        with bar(what, _length(things)) as told:
            yield told


@contextmanager
def bar(what: str, total: int | None = None, *, transient: bool = False) -> Generator[Told, None, None]:
    """A bar on stderr, and what to call with the number of things done; gone afterwards if ``transient``."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    except ModuleNotFoundError:
        raise ConfigurationError(
            'progress=True draws a bar with rich: pip install "rushmodel[cli]", or give it a function, as in '
            "progress=print"
        ) from None
    counted = "{task.completed:,}" if total is None else "{task.completed:,} of {task.total:,}"
    columns = [
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        *([BarColumn()] if total is not None else []),
        TextColumn(counted),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=Console(stderr=True), transient=transient) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


def _length(things: object) -> int | None:
    return len(things) if isinstance(things, Sized) else None
