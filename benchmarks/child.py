"""A process for an engine: what it loads and how it crashes stays there. It times itself."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .data import Data
from .engine import Engine, Safety, Window
from .engines import load

_CONTEXT = multiprocessing.get_context("spawn")
_BATCH = 20_000


class ChildError(Exception):
    """What went wrong in the process, as text."""


class Child:
    """The process, from here; every method of `Served` is a `call`."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self.call("load", engine)
        except ChildError:
            self.kill()
            raise

    def call(self, verb: str, *args: Any) -> Any:
        """`ChildError` if it fails, or dies."""
        try:
            self._pipe.send((verb, args))
            done, answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(5)
            raise ChildError(f"its process ended with exit code {self._process.exitcode}") from error
        if not done:
            raise ChildError(answer)
        return answer

    def stop(self) -> None:
        """Close its store and end it."""
        try:
            self.call("close")
        finally:
            self.kill()

    def kill(self) -> None:
        """End it as it is."""
        self._pipe.close()
        self._process.join(30)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def run_apart(work: Callable[..., Any], *args: Any) -> Any:
    """``work(*args)`` in a fresh process; `ChildError`."""
    pipe, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_work, args=(theirs, work, args), daemon=True)
    process.start()
    theirs.close()
    try:
        done, answer = pipe.recv()
    except EOFError as error:
        raise ChildError("its process died") from error
    finally:
        process.join()
    if not done:
        raise ChildError(answer)
    return answer


class Served:
    """The engine in its process. Times are seconds of `time.perf_counter`, one of each question or save."""

    def __init__(self) -> None:
        self._engine: Engine

    def load(self, name: str) -> None:
        self._engine = load(name)

    def stay_on(self, core: int) -> None:
        """Go to a core with all threads that there are; those that they start begin there. On Linux alone."""
        for thread in os.listdir("/proc/self/task"):
            with suppress(ProcessLookupError):  # it ended
                os.sched_setaffinity(int(thread), {core})

    def works(self) -> list[str]:
        return sorted(self._engine.works)

    def create(self, folder: Path, dims: int, indexed: bool, safety: Safety, options: dict[str, Any]) -> None:
        folder.mkdir(parents=True)
        self._engine.create(folder, dims, indexed=indexed, safety=safety, **options)

    def open(self, folder: Path, dims: int) -> None:
        self._engine.open(folder, dims)

    def save_each(self, data: Path, start: int, stop: int) -> list[float]:
        seconds = []
        for row in Data(data).rows(start, stop):
            begin = time.perf_counter()
            self._engine.save_one(row)
            seconds.append(time.perf_counter() - begin)
        return seconds

    def save_many(self, data: Path, start: int, stop: int) -> float:
        """Rows are made 20,000 at a time, which is not counted."""
        seconds, opened = 0.0, Data(data)
        for first in range(start, stop, _BATCH):
            rows = opened.rows(first, min(first + _BATCH, stop))
            begin = time.perf_counter()
            self._engine.save_many(rows)
            seconds += time.perf_counter() - begin
        return seconds

    def settle(self) -> float:
        begin = time.perf_counter()
        self._engine.settle()
        return time.perf_counter() - begin

    def ask(
        self, data: Path, first: int, count: int, limit: int, windows: list[Window] | None
    ) -> tuple[list[float], list[list[int]]]:
        seconds, answers = [], []
        for at, query in enumerate(Data(data).queries[first : first + count]):
            begin = time.perf_counter()
            if windows is None:
                answer = self._engine.search(query, limit)
            else:
                answer = self._engine.search_filtered(query, limit, windows[at])
            seconds.append(time.perf_counter() - begin)
            answers.append(answer)
        return seconds, answers

    def reopen(self, folder: Path, data: Path, first: int, limit: int) -> tuple[float, list[int]]:
        """Open, and search once, after a little store elsewhere, for which engines import what they need."""
        opened = Data(data)
        query = opened.queries[first]
        with tempfile.TemporaryDirectory(dir=data.parent, ignore_cleanup_errors=True) as little:
            self._engine.create(Path(little), opened.dims, indexed=True, safety="process")
            self._engine.save_many(opened.rows(0, limit))
            self._engine.settle()
            self._engine.search(query, limit)
            self._engine.close()
        begin = time.perf_counter()
        self._engine.open(folder, opened.dims)
        answer = self._engine.search(query, limit)
        return time.perf_counter() - begin, answer

    def close(self) -> None:
        self._engine.close()


def _serve(pipe: Connection) -> None:
    served = Served()
    while True:
        try:
            verb, args = pipe.recv()
        except EOFError:
            return
        pipe.send(_tried(getattr(served, verb), args))


def _work(pipe: Connection, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    pipe.send(_tried(work, args))


def _tried(work: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, work(*args)
    except Exception as error:  # noqa: BLE001 (whatever an engine raises is reported)
        line = traceback.extract_tb(error.__traceback__)[-1]
        return False, f"{type(error).__name__}: {error} ({Path(line.filename).name}:{line.lineno})"
