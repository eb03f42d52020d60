"""The measurements: engines in turn, a round each, so that what disturbs the machine disturbs them all."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from .child import Child, ChildError
from .data import Data
from .engine import Safety, Window, Work
from .engines import MODULES, OURS
from .results import FIELDS, KEEPS, Result, Sizes, filter_work, line

LIMIT: Final = 10
_ROUNDS: Final = 10
_LONG: Final = 8.0
"""Seconds: a bulk save that took longer is done once, others three times."""
_PATIENCE: Final = 5.0
"""Seconds: an engine that took so long for a work begins no further round of it, and its ``n`` says so.
It holds for the conditions that no goal compares."""
_COMPARED: Final = 0.05
"""The share that a condition of the goals keeps."""
_SLOW_TO_LOAD: Final = ("Chroma", "qdrant local")
_INDEXES: Final = (0, 1, 2)


class Bench:
    """One run: its folder, its engines, and its results as they come.

    ``cores``: those to load stores on, as many at a time; all is measured on the last one.
    """

    def __init__(self, folder: Path, engines: Sequence[str], sizes: Sizes, cores: Sequence[int] = ()) -> None:
        self.folder = folder
        self._cores = cores
        self.engines = list(engines)
        self.sizes = sizes
        self.results: list[Result] = []
        self.missing: dict[str, str] = {}
        self._works: dict[str, set[Work]] = {}
        self._asked: dict[Path, int] = {}
        for name in engines:
            try:
                child = Child(name)
                self._works[name] = set(child.call("works"))
                child.kill()
            except ChildError as error:
                self.missing[name] = str(error)

    def able(self, work: Work, among: Iterable[str] | None = None) -> list[str]:
        """The engines that are there and can do it, ours first."""
        return [
            name for name in (self.engines if among is None else among) if work in self._works.get(name, ())
        ]

    def fresh(self, data: Data, count: int) -> int:
        """The first of so many queries that were never asked."""
        first = self._asked.get(data.folder, 0)
        if first + count > len(data.queries):
            raise ValueError(f"{data.folder.name} has {len(data.queries)} queries, and more are needed")
        self._asked[data.folder] = first + count
        return first

    def add(self, work: str, engine: str, seconds: Sequence[float], recall: float | None = None) -> None:
        """Keep and print a result; seconds become milliseconds."""
        times = [1000 * each for each in seconds]
        middle = statistics.median(times)
        self.put(Result(work, engine, middle, min(times), max(times), "ms", len(times), recall))

    def put(self, result: Result) -> None:
        self.results.append(result)
        print(line(result), flush=True)

    def fail(self, work: str, engine: str, error: Exception) -> None:
        """An engine that cannot go on is left out of what follows."""
        self.missing[f"{engine}, {work}"] = str(error)
        print(f"{work:<44} {engine:<18} failed: {error}", file=sys.stderr, flush=True)

    def find(self, work: str, engine: str) -> Result | None:
        found = [each for each in self.results if (each.work, each.engine) == (work, engine)]
        return found[-1] if found else None

    @contextmanager
    def stores(self, data: Data, rows: int, place: str, engines: Sequence[str]) -> Iterator[dict[str, Child]]:
        """The first ``rows`` rows in each engine, open, and closed in an orderly way at the end."""
        free: SimpleQueue[int | None] = SimpleQueue()
        for core in self._cores or (None,):
            free.put(core)

        def load(name: str) -> Child | None:
            core = free.get()
            child = None
            try:
                child = Child(name)
                if core is not None:
                    child.call("stay_on", core)
                child.call("create", self.folder / place / name, data.dims, True, "process", {})
                child.call("save_many", data.folder, 0, rows)
                child.call("settle")
                if core is not None:
                    child.call("stay_on", self._cores[-1])
            except ChildError as error:
                self.fail(f"loading {place}", name, error)
                if child is not None:
                    child.kill()
                return None
            finally:
                free.put(core)
            return child

        # What takes long goes first, so that no core waits for it in the end.
        order = sorted(engines, key=lambda name: name not in _SLOW_TO_LOAD)
        with ThreadPoolExecutor(max(1, len(self._cores))) as threads:
            loaded = dict(zip(order, threads.map(load, order), strict=True))
        children = {name: child for name in engines if (child := loaded[name]) is not None}
        if hasattr(os, "sync"):
            os.sync()  # what was loaded is not written while something is measured
        yield children
        for name, child in children.items():
            try:
                child.stop()
            except ChildError as error:
                self.fail(f"closing {place}", name, error)

    def search(self, work: str, data: Data, rows: int, children: dict[str, Child]) -> None:
        """Exact top 10 of the first ``rows`` rows."""
        count = self.sizes.queries
        first = self.fresh(data, count)
        self._ask(work, data, rows, children, first, count, None)

    def filters(self, data: Data, children: dict[str, Child]) -> None:
        """Conditions that keep less and less, with the clusters and without."""
        for field in FIELDS:
            for keep in KEEPS:
                count = self.sizes.filtered
                first = self.fresh(data, count)
                windows = data.windows(field, keep, first, count)
                patience = float("inf") if keep == _COMPARED else _PATIENCE
                work = filter_work(field, keep)
                self._ask(work, data, len(data), children, first, count, windows, patience)

    def _ask(
        self,
        work: str,
        data: Data,
        rows: int,
        children: dict[str, Child],
        first: int,
        count: int,
        windows: list[Window] | None,
        patience: float = float("inf"),
    ) -> None:
        truth = data.truth(first, count, LIMIT, rows=rows, windows=windows)
        warm = self.fresh(data, 1)
        warmers = windows and [windows[0]._replace(low=windows[0].low + 1)]
        seconds: dict[str, list[float]] = {name: [] for name in children}
        answers: dict[str, list[list[int]]] = {name: [] for name in children}
        able = list(children) if windows is None else self.able("filter", children)
        step = -(-count // _ROUNDS)
        for start in range(0, count, step):
            for name in list(able):
                some = windows[start : start + step] if windows else None
                try:
                    children[name].call("ask", data.folder, warm, 1, LIMIT, warmers)
                    took, found = children[name].call(
                        "ask", data.folder, first + start, min(step, count - start), LIMIT, some
                    )
                except ChildError as error:
                    self.fail(work, name, error)
                    able.remove(name)
                    continue
                seconds[name] += took
                answers[name] += found
                if sum(seconds[name]) > patience:
                    able.remove(name)
        for name, times in seconds.items():
            if times:
                recall = None if name == "float32 read" else _recall(answers[name], truth)
                self.add(work, name, times, recall)

    def save_one(self, data: Data, safety: Safety, work: str) -> None:
        """Single saves into a new store without indexes; ours with indexes, too."""
        able = self.able("one" if safety == "process" else "power")
        children: dict[str, Child] = {}
        for name in able:
            for indexes in _INDEXES if name == OURS else (0,):
                key = f"{name}, {indexes} index=True" if indexes else name
                options: dict[str, Any] = {"indexes": indexes} if name == OURS else {}
                try:
                    child = Child(name)
                    place = self.folder / f"one-{safety}" / key
                    child.call("create", place, data.dims, bool(indexes), safety, options)
                    child.call("save_each", data.folder, len(data) - 5, len(data))
                    children[key] = child
                except ChildError as error:
                    self.fail(work, key, error)
        seconds: dict[str, list[float]] = {key: [] for key in children}
        step = -(-self.sizes.saves // _ROUNDS)
        for start in range(0, self.sizes.saves, step):
            for key, child in list(children.items()):
                try:
                    seconds[key] += child.call("save_each", data.folder, start, start + step)
                except ChildError as error:
                    self.fail(work, key, error)
                    children.pop(key).kill()
        for key, child in children.items():
            child.stop()
            self.add(work, key, seconds[key])

    def save_many(self, data: Data, work: str) -> None:
        """A bulk save into a new store, in rows a second; least and most of the rounds, best last."""
        rows = self.sizes.some
        rates: dict[str, list[float]] = {name: [] for name in self.able("many")}
        slow: set[str] = set()
        for attempt in range(self.sizes.rounds):
            for name in rates.keys() - slow:
                child = Child(name)
                try:
                    child.call(
                        "create", self.folder / f"many{attempt}" / name, data.dims, False, "process", {}
                    )
                    seconds = child.call("save_many", data.folder, 0, rows)
                    child.stop()
                except ChildError as error:
                    self.fail(work, name, error)
                    slow.add(name)
                    continue
                rates[name].append(rows / seconds)
                if seconds > _LONG:
                    slow.add(name)
        for name, each in rates.items():
            if each:
                middle = statistics.median(each)
                self.put(Result(work, name, middle, min(each), max(each), "rows/s", len(each)))

    def reopen(self, data: Data, place: str, work: str) -> None:
        """Open and search once, each time in a new process that has imported the engine."""
        able = self.able("reopen", [each for each in MODULES if (self.folder / place / each).exists()])
        seconds: dict[str, list[float]] = {name: [] for name in able}
        for attempt in range(self.sizes.openings + 1):
            for name in list(able):
                child = Child(name)
                folder = self.folder / place / name
                try:
                    took, _ = child.call("reopen", folder, data.folder, self.fresh(data, 1), LIMIT)
                    child.stop()
                except ChildError as error:
                    self.fail(work, name, error)
                    able.remove(name)
                    continue
                if attempt:  # the first one warms the files
                    seconds[name].append(took)
        for name in able:
            self.add(work, name, seconds[name])


def _recall(answers: list[list[int]], truth: list[list[int]]) -> float:
    """The share of the nearest that were found."""
    pairs = list(zip(answers, truth, strict=False))  # fewer answers, where patience ended
    found = sum(len(set(answer) & set(right)) for answer, right in pairs)
    return found / sum(len(right) for _, right in pairs)
