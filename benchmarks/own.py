"""What is measured of rushmodel alone. Each function runs in a process of its own, and gives seconds."""

from __future__ import annotations

import asyncio
import importlib.metadata
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rushmodel.port import RecordQuery, SearchVectors

from .data import Data
from .engine import Row
from .engines.rushmodel_file import Store

_IN_FLIGHT = 64
_PAUSE = 60


class After(NamedTuple):
    """First searches after single saves: seconds of searches before, and of the first one after each 60."""

    before: list[float]
    after: list[float]


def first_searches(folder: Path, data: Path, first: int, rounds: int) -> After:
    """In a store of nearly all rows; the last ones are saved again, one at a time, which changes each."""
    store, opened = Store(), Data(data)
    store.open(folder, opened.dims)
    rows = opened.rows(len(opened) - _PAUSE * rounds, len(opened))
    queries = iter(opened.queries[first:])
    before, after = [], []
    store.search(next(queries), 10)
    for start in range(0, len(rows), _PAUSE):
        before += [_time(lambda: store.search(next(queries), 10)) for _ in range(20)]
        for at, row in enumerate(rows[start : start + _PAUSE]):
            store.save_one(row._replace(vector=-row.vector, number=len(opened) + start + at))
        after.append(_time(lambda: store.search(next(queries), 10)))
    store.close()
    return After(before, after)


class Layers(NamedTuple):
    """Seconds of `Model.search` and of the command that it gives to the store, in turn."""

    model: list[float]
    store: list[float]


def layers(folder: Path, data: Path, first: int, count: int) -> Layers:
    """Ten hits, a query each; every one of them is asked in one of the two ways only."""
    store, opened = Store(), Data(data)
    store.open(folder, opened.dims)
    backend: Any = store.db._store.backend

    def bare(query: Any) -> None:
        records = RecordQuery(("Article",), limit=10)
        backend.execute(SearchVectors(records, "body", query, "external", "cosine"))

    model, command = [], []
    queries = opened.queries[first : first + 2 * count + 2]
    store.model.search(queries[-1], limit=10)
    bare(queries[-2])
    for at in range(0, 2 * count, 2):
        model.append(_time(lambda at=at: store.model.search(queries[at], limit=10)))  # type: ignore[misc]
        command.append(_time(lambda at=at: bare(queries[at + 1])))  # type: ignore[misc]
    store.close()
    return Layers(model, command)


class Flights(NamedTuple):
    """Seconds a save, of rounds: awaited one at a time, and 64 in flight; and commits for each save."""

    alone: list[float]
    together: list[float]
    commits: float


def async_saves(folder: Path, data: Path, rounds: int) -> Flights:
    """Full durability. Commits are counted by SQLite's own trace, in a store that is not timed."""
    opened = Data(data)
    rows = iter(opened.rows(0, (4 * _IN_FLIGHT + 1) * rounds))
    counter = _Commits()
    for name in ("timed", "counted"):
        (folder / name).mkdir(parents=True)
    timed = asyncio.run(_fly(folder / "timed", opened.dims, rows, rounds, counter))
    counter.watch()
    counted = asyncio.run(_fly(folder / "counted", opened.dims, rows, rounds, counter))
    return Flights(timed.alone, timed.together, counted.commits)


class _Commits:
    """Counts the COMMITs of all connections that this process opens from `watch` on."""

    def __init__(self) -> None:
        self.seen = 0

    def watch(self) -> None:
        connect: Any = sqlite3.connect

        def watched(*args: Any, **named: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*args, **named)
            connection.set_trace_callback(self._see)
            return connection

        patched: Any = sqlite3
        patched.connect = watched

    def _see(self, statement: str) -> None:
        self.seen += statement.startswith("COMMIT")


async def _fly(folder: Path, dims: int, rows: Iterator[Row], rounds: int, counter: _Commits) -> Flights:
    store = Store()
    store.create(folder, dims, indexed=False, safety="power")
    await store.record(next(rows)).asave()
    alone, together, commits = [], [], 0
    for _ in range(rounds):
        records = [store.record(next(rows)) for _ in range(_IN_FLIGHT)]
        begin = time.perf_counter()
        for record in records:
            await record.asave()
        alone.append((time.perf_counter() - begin) / _IN_FLIGHT)
        records = [store.record(next(rows)) for _ in range(_IN_FLIGHT)]
        before = counter.seen
        begin = time.perf_counter()
        await asyncio.gather(*(record.asave() for record in records))
        together.append((time.perf_counter() - begin) / _IN_FLIGHT)
        commits += counter.seen - before
    await store.db.aio.close()
    return Flights(alone, together, commits / (_IN_FLIGHT * rounds))


def imports(rounds: int) -> list[float]:
    """``import rushmodel``, each in a new interpreter, whose own start is not counted."""
    code = "import time; a = time.perf_counter(); import rushmodel; print(time.perf_counter() - a)"
    return [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(rounds)]


def installed_megabytes() -> dict[str, float]:
    """MB on disk of rushmodel and each distribution that it needs, with what these need."""
    sizes: dict[str, float] = {}
    waiting = ["rushmodel"]
    while waiting:
        name = waiting.pop()
        if name in sizes:
            continue
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform or an older Python
        sizes[name] = sum(each.stat().st_size for each in _files(name, found)) / 1e6
        needed = [each for each in found.requires or () if "extra ==" not in each]
        waiting += [re.split(r"[^\w.-]", each, maxsplit=1)[0].lower() for each in needed]
    return sizes


def _files(name: str, found: importlib.metadata.Distribution) -> list[Path]:
    if name == "rushmodel":  # installed from the tree: its package is elsewhere than its metadata
        import rushmodel

        return [each for each in Path(rushmodel.__file__).parent.rglob("*") if each.is_file()]
    files = (Path(str(each.locate())) for each in found.files or ())
    return [each for each in files if each.is_file()]


def versions() -> str:
    """SQLite's, as it decides much of what saves cost."""
    return sqlite3.sqlite_version


def _time(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
