"""The goals, and how far the results of a run reach them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from .engines import OURS, OURS_GRAPH
from .measuring import Bench
from .results import FIELDS, KEEPS, Result, filter_work

SEARCH_MANY: Final = "exact top 10, many x 768"
SEARCH_SOME: Final = "exact top 10, some x 384"
SEARCH_MIDDLE: Final = "exact top 10, some x 768"
SEARCH_FEW: Final = "exact top 10, few x 768"
ONE_PROCESS: Final = "one save, safe against a killed process"
ONE_POWER: Final = "one save, safe against power loss"
GRAPH: Final = "approximate top 10, many x 768"
GRAPH_MOST: Final = "approximate top 10, most x 768"
MANY: Final = "save_many of some x 768"
REOPEN: Final = "reopen and first search, many x 768"
BEFORE: Final = "search before 60 single saves"
AFTER: Final = "first search after 60 single saves"
ALONE: Final = "async saves, one at a time, full durability"
TOGETHER: Final = "async saves, 64 in flight, full durability"
COMMITS: Final = "commits for each of 64 saves in flight"
MODEL: Final = "Model.search"
STORE: Final = "the bare store call"
IMPORT: Final = "import rushmodel"
SIZE: Final = "core install"
HITS: Final = 10


class Goal(NamedTuple):
    """One goal: what was measured for it, and whether that is enough; None: not measured."""

    work: str
    goal: str
    measured: str
    met: bool | None


def goals(bench: Bench) -> list[Goal]:
    """All of them, in the order of the table."""
    found = [
        _recall(bench, SEARCH_MANY),
        _times(bench, SEARCH_MANY, "float32 read", 1),
        _times(bench, SEARCH_MANY, "LanceDB", 15),
        _times(bench, SEARCH_MANY, "faiss flat", 2),
        _times(bench, SEARCH_MANY, "qdrant-edge", 2),
        _times(bench, SEARCH_SOME, "LanceDB", 12),
        _times(bench, SEARCH_SOME, "sqlite-vec", 10),
    ]
    for field in FIELDS:
        found += [_recall(bench, filter_work(field, keep)) for keep in KEEPS]
        work = filter_work(field, 0.05)
        found += [
            _times(bench, work, "LanceDB", 50),
            _times(bench, work, "Chroma", 40),
            _times(bench, work, "qdrant-edge", 1 / 1.5),
        ]
    found += [
        _times(bench, ONE_PROCESS, "LanceDB", 25),
        _times(bench, ONE_PROCESS, "Chroma", 60),
        _times(bench, ONE_PROCESS, "qdrant-edge", 0.8),
        _times(bench, ONE_POWER, "qdrant-edge", 10),
        _times(bench, ONE_POWER, "zvec", 20),
        _times(bench, MANY, "Chroma", 8),
        _times(bench, MANY, "qdrant-edge", 0.7),
        _at_most(bench, REOPEN, "at most 100 ms", 100, "ms"),
        *(_times(bench, REOPEN, peer, 3) for peer in ("qdrant-edge", "LanceDB", "Chroma")),
        _ratio(bench, AFTER, BEFORE, "at most 1.3x of one before", lambda ratio: ratio <= 1.3),
        _ratio(bench, TOGETHER, ALONE, "2.5 times as fast as one at a time", lambda ratio: ratio <= 1 / 2.5),
        _at_most(bench, COMMITS, "at most an eighth of the saves", 1 / 8, "commits a save"),
        *_graph(bench, GRAPH),
        *_graph(bench, GRAPH_MOST),
        *(_layers(bench, rows) for rows in ("many", "few")),
        _at_most(bench, SIZE, "at most 150 MB with dependencies", 150, "MB"),
        _at_most(bench, IMPORT, "at most 500 ms", 500, "ms"),
    ]
    return found


def _times(bench: Bench, work: str, peer: str, factor: float) -> Goal:
    """So many times as fast as a peer; below 1: at most so much slower."""
    ours, theirs = bench.find(work, OURS), bench.find(work, peer)
    goal = f"{factor:.2g}x {peer} or more"
    if ours is None or theirs is None:
        return Goal(work, goal, "not measured", None)
    ratio = _speed(ours) / _speed(theirs)
    return Goal(work, goal, f"{ratio:.2f}x", ratio >= factor)


def _speed(result: Result) -> float:
    return result.median if result.unit == "rows/s" else 1 / result.median


def _recall(bench: Bench, work: str) -> Goal:
    ours = bench.find(work, OURS)
    if ours is None:
        return Goal(work, "recall 1.0", "not measured", None)
    return Goal(work, "recall 1.0", f"recall {ours.recall:.4f}", ours.recall == 1.0)


def _at_most(bench: Bench, work: str, goal: str, most: float, unit: str) -> Goal:
    ours = bench.find(work, OURS)
    if ours is None:
        return Goal(work, goal, "not measured", None)
    return Goal(work, goal, f"{ours.median:.3g} {unit}", ours.median <= most)


def _ratio(bench: Bench, work: str, base: str, goal: str, enough: Callable[[float], bool]) -> Goal:
    ours, other = bench.find(work, OURS), bench.find(base, OURS)
    if ours is None or other is None:
        return Goal(work, goal, "not measured", None)
    ratio = ours.median / other.median
    return Goal(work, goal, f"{ratio:.2f}x the time", enough(ratio))


def _graph(bench: Bench, work: str) -> list[Goal]:
    ours, theirs = bench.find(work, OURS_GRAPH), bench.find(work, "qdrant-edge graph")
    wanted = "recall 0.99 or more", "no slower than qdrant-edge's graph"
    if ours is None or theirs is None or ours.recall is None:
        return [Goal(work, each, "not measured", None) for each in wanted]
    ratio = ours.median / theirs.median
    return [
        Goal(work, wanted[0], f"recall {ours.recall:.4f}", ours.recall >= 0.99),
        Goal(work, wanted[1], f"{ratio:.2f}x the time", ratio <= 1.0),
    ]


def _layers(bench: Bench, rows: str) -> Goal:
    work = f"{MODEL}, {rows} x 768"
    goal = "at most 1.3x the bare store call + 10 us a hit"
    model, store = bench.find(work, OURS), bench.find(f"{STORE}, {rows} x 768", OURS)
    if model is None or store is None:
        return Goal(work, goal, "not measured", None)
    most = 1.3 * store.median + 0.010 * HITS
    return Goal(work, goal, f"{model.median:.3f} ms, {most:.3f} ms allowed", model.median <= most)
