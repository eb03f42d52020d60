"""The whole run: what is measured, in which order, and what is written of it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import document, goals, own
from .child import run_apart
from .data import Data, make_clustered, make_wordnet
from .engines import MODULES, OURS, OURS_GRAPH
from .measuring import Bench
from .results import QUICK, WHOLE, Result, Sizes

ROOT = Path(__file__).parent.parent
STAGES = ("one", "bulk", "384", "few", "some", "many", "filters", "reopen", "own", "graph")
"""What `--only` chooses from."""
WORDNET = (ROOT.parent / "shared" / "data" / "wordnet", ROOT / "data" / "wordnet")


def main(cores: Sequence[int]) -> None:
    """The command; ``cores``: those to load stores on, the last of them is the one to measure on."""
    parser = argparse.ArgumentParser(prog="benchmarks/run", description="rushmodel against its peers.")
    parser.add_argument("--quick", action="store_true", help="small sizes, a minute or two, keeps nothing")
    parser.add_argument("--only", default="", help=f"some stages, keeps nothing: {','.join(STAGES)}")
    parser.add_argument("--engines", default="", help=f"some engines, keeps nothing: {','.join(MODULES)}")
    parser.add_argument("--wordnet", type=Path, help="folder of synsets.jsonl and vectors.f16.npy")
    parser.add_argument("--folder", type=Path, help="where stores are made: the disk to measure")
    given = parser.parse_args()
    sizes = QUICK if given.quick else WHOLE
    only = _chosen(parser, "--only", given.only, STAGES)
    engines = _chosen(parser, "--engines", given.engines, tuple(MODULES))
    begin = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="benchmarks-", dir=given.folder))
    try:
        bench = Bench(folder, engines, sizes, cores)
        for name, reason in bench.missing.items():
            print(f"missing: {name}: {reason}")
        run(bench, sizes, given.wordnet, only)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    reached = goals.goals(bench)
    show(reached, sizes)
    minutes = (time.monotonic() - begin) / 60
    print(f"\n{minutes:.1f} minutes on {platform.machine()}, Python {platform.python_version()}")
    if not (given.quick or given.only or given.engines):
        write(bench, reached, minutes, sizes)


def run(bench: Bench, sizes: Sizes, wordnet: Path | None, only: Sequence[str] = STAGES) -> None:
    """The stages, in their order."""
    needed = 4 * (sizes.queries + 2) + 8 * (sizes.filtered + 2) + 20 * len(MODULES) + 4 * sizes.queries + 600
    data = make_clustered(bench.folder / "clustered", sizes.many, 768, needed)
    # To load it with more than a little takes longer than all that the others do.
    able = [name for name in bench.able("search") if name != "qdrant local"]
    if "one" in only:
        with _timed("one"):
            bench.save_one(data, "process", goals.ONE_PROCESS)
            bench.save_one(data, "power", goals.ONE_POWER)
    if "bulk" in only:
        with _timed("bulk"):
            bench.save_many(data, goals.MANY)
    if "384" in only:
        small = real_or_clustered(bench, sizes, wordnet)
        with _timed("384"), bench.stores(small, len(small), "384", bench.able("search")) as children:
            bench.search(goals.SEARCH_SOME, small, len(small), children)
    if {"few", "own"} & {*only}:
        engines = able if "few" in only else bench.able("search", [OURS])
        with _timed("few"), bench.stores(data, sizes.few, "few", engines) as children:
            if "few" in only:
                bench.search(goals.SEARCH_FEW, data, sizes.few, children)
    if "some" in only:
        with _timed("some"), bench.stores(data, sizes.some, "some", able) as children:
            bench.search(goals.SEARCH_MIDDLE, data, sizes.some, children)
    if {"many", "filters", "reopen", "own"} & {*only}:
        engines = able if {"many", "filters", "reopen"} & {*only} else bench.able("search", [OURS])
        with _timed("many and filters"), bench.stores(data, sizes.many, "many", engines) as children:
            if "many" in only:
                bench.search(goals.SEARCH_MANY, data, sizes.many, children)
            if "filters" in only:
                bench.filters(data, {name: child for name, child in children.items() if name != "sqlite-vec"})
    if "reopen" in only:
        with _timed("reopen"):
            bench.reopen(data, "many", goals.REOPEN)
    if "own" in only and bench.able("search", [OURS]):
        with _timed("own"):
            run_own(bench, data, sizes)
    if "graph" in only:
        with _timed("graph"):
            graphs(bench, data, sizes)


def graphs(bench: Bench, data: Data, sizes: Sizes) -> None:
    """Approximate searches, where ours has any: building the graphs alone takes minutes."""
    able = bench.able("graph")
    if OURS_GRAPH not in able:
        print("approximate searches are left out:", bench.missing.get(OURS_GRAPH, "not asked for"))
        return
    with bench.stores(data, sizes.many, "graph", able) as children:
        bench.search(goals.GRAPH, data, sizes.many, children)
    most = make_clustered(bench.folder / "most", sizes.most, 768, sizes.queries + 2)
    with bench.stores(most, sizes.most, "graph of most", able) as children:
        bench.search(goals.GRAPH_MOST, most, sizes.most, children)


@contextmanager
def _timed(stage: str) -> Iterator[None]:
    begin = time.monotonic()
    yield
    print(f"-- {stage}: {time.monotonic() - begin:.0f} s", flush=True)


def _chosen(parser: argparse.ArgumentParser, option: str, given: str, there: Sequence[str]) -> Sequence[str]:
    """What a list with commas names, all where it is empty; an error where it names what is not there."""
    names = given.split(",") if given else there
    if unknown := set(names) - set(there):
        parser.error(f"{option}: {', '.join(sorted(unknown))} is none of {', '.join(there)}")
    return names


def real_or_clustered(bench: Bench, sizes: Sizes, wordnet: Path | None) -> Data:
    """WordNet where it is at hand."""
    for source in (wordnet,) if wordnet else WORDNET:
        if (source / "vectors.f16.npy").exists():
            return make_wordnet(bench.folder / "wordnet", source, sizes.some, sizes.queries + 20)
    print("WordNet is not here (--wordnet): clustered vectors of 384 numbers in its place")
    return make_clustered(bench.folder / "clustered384", sizes.some, 384, sizes.queries + 20)


def run_own(bench: Bench, data: Data, sizes: Sizes) -> None:
    """What is measured of rushmodel alone."""
    for place in ("many", "few"):
        first = bench.fresh(data, 2 * sizes.queries + 2)
        seconds = run_apart(own.layers, bench.folder / place / OURS, data.folder, first, sizes.queries)
        bench.add(f"{goals.MODEL}, {place} x 768", OURS, seconds.model)
        bench.add(f"{goals.STORE}, {place} x 768", OURS, seconds.store)
    first = bench.fresh(data, 1 + 21 * sizes.openings)
    after = run_apart(own.first_searches, bench.folder / "many" / OURS, data.folder, first, sizes.openings)
    bench.add(goals.BEFORE, OURS, after.before)
    bench.add(goals.AFTER, OURS, after.after)
    flights = run_apart(own.async_saves, bench.folder / "flights", data.folder, 2 * sizes.openings)
    bench.add(goals.ALONE, OURS, flights.alone)
    bench.add(goals.TOGETHER, OURS, flights.together)
    each = flights.commits
    bench.put(Result(goals.COMMITS, OURS, each, each, each, "a save", 1))
    bench.add(goals.IMPORT, OURS, run_apart(own.imports, 11))
    megabytes = run_apart(own.installed_megabytes)
    total = sum(megabytes.values())
    bench.put(Result(goals.SIZE, OURS, total, total, total, "MB", 1))


def show(reached: list[goals.Goal], sizes: Sizes) -> None:
    """The goals, and what falls short."""
    print(f"\nmost: {sizes.most:,} rows, many: {sizes.many:,}, some: {sizes.some:,}, few: {sizes.few:,}\n")
    for goal in reached:
        verdict = {True: "met", False: "FALLS SHORT", None: "-"}[goal.met]
        print(f"{goal.work:<46} {goal.goal:<48} {goal.measured:<30} {verdict}")
    short = sum(goal.met is False for goal in reached)
    print(f"\n{sum(goal.met is True for goal in reached)} goals met, {short} fall short")


def write(bench: Bench, reached: list[goals.Goal], minutes: float, sizes: Sizes) -> None:
    """results.json, the tables of docs/benchmarks.md, and the plots."""
    found = {
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "sqlite": own.versions(),
        },
        "minutes": round(minutes, 1),
        "sizes": sizes._asdict(),
        "missing": bench.missing,
        "results": [each._asdict() for each in bench.results],
        "goals": [each._asdict() for each in reached],
    }
    (ROOT / "benchmarks" / "results.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    document.main()
    try:
        from .plots import draw
    except ImportError as error:
        print(f"no plots: {error}", file=sys.stderr)
        return
    for path in draw(bench.results, sizes, ROOT / "docs"):
        print(path)


def processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
