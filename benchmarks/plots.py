"""The results as plots: latency against rows, against selectivity, and recall against latency."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from .goals import GRAPH, GRAPH_MOST, SEARCH_FEW, SEARCH_MANY, SEARCH_MIDDLE
from .results import FIELDS, KEEPS, Result, Sizes, filter_work

mpl.use("Agg")

from matplotlib import pyplot as plt

_COLOURS = {
    "rushmodel": "#c0392b",
    "qdrant-edge": "#8e44ad",
    "zvec": "#16a085",
    "sqlite-vec": "#7f8c8d",
    "LanceDB": "#e67e22",
    "Chroma": "#2980b9",
    "qdrant local": "#b06ab3",
    "faiss flat": "#27ae60",
    "numpy": "#34495e",
    "float32 read": "#bdc3c7",
}


def draw(results: list[Result], sizes: Sizes, folder: Path) -> list[Path]:
    """The files that were made."""
    found = {(each.work, each.engine): each for each in results}
    return [
        _rows(found, sizes, folder / "benchmarks-rows.png"),
        _selectivity(found, folder / "benchmarks-selectivity.png"),
        _recall(found, sizes, folder / "benchmarks-recall.png"),
    ]


def _rows(found: dict[tuple[str, str], Result], sizes: Sizes, path: Path) -> Path:
    figure, axes = plt.subplots(figsize=(7, 4.5))
    counts = {SEARCH_FEW: sizes.few, SEARCH_MIDDLE: sizes.some, SEARCH_MANY: sizes.many}
    for engine in _COLOURS:
        keys = [(rows, (work, engine)) for work, rows in counts.items()]
        points = [(rows, found[key].median) for rows, key in keys if key in found]
        _line(axes, engine, points)
    _finish(axes, "rows of 768 numbers", "ms, median of a search for the top 10")
    return _save(figure, path)


def _selectivity(found: dict[tuple[str, str], Result], path: Path) -> Path:
    figure, all_axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True)
    for axes, field in zip(all_axes, FIELDS, strict=True):
        for engine in _COLOURS:
            works = [(100 * keep, (filter_work(field, keep), engine)) for keep in KEEPS]
            _line(axes, engine, [(keep, found[key].median) for keep, key in works if key in found])
        axes.set_title("independent of the clusters" if field == "lot" else "along the clusters")
        _finish(axes, "% of the rows that the filter keeps", "ms, median" if field == "lot" else "")
    return _save(figure, path)


def _recall(found: dict[tuple[str, str], Result], sizes: Sizes, path: Path) -> Path:
    figure, axes = plt.subplots(figsize=(7, 4.5))
    for engine, colour in _COLOURS.items():
        result = found.get((SEARCH_MANY, engine))
        if result is not None and result.recall is not None:
            axes.scatter([result.median], [result.recall], s=50, color=colour, label=engine)
    for name in ("rushmodel graph", "qdrant-edge graph"):
        colour = _COLOURS[name.removesuffix(" graph")]
        for work, marker, rows in ((GRAPH, "^", sizes.many), (GRAPH_MOST, "s", sizes.most)):
            result = found.get((work, name))
            if result is not None and result.recall is not None:
                label = f"{name}, {rows:,} rows"
                axes.scatter([result.median], [result.recall], s=50, marker=marker, color=colour, label=label)
    axes.set_title(f"{sizes.many:,} rows where nothing else is said", fontsize=10)
    _finish(axes, "ms, median of a search for the top 10", "recall", both=False)
    return _save(figure, path)


def _line(axes: Any, engine: str, points: Sequence[tuple[float, float]]) -> None:
    if points:
        width = 2.6 if engine == "rushmodel" else 1.3
        axes.plot(*zip(*points, strict=True), "o-", color=_COLOURS[engine], linewidth=width, label=engine)


def _finish(axes: Any, x: str, y: str, *, both: bool = True) -> None:
    axes.set_xscale("log")
    if both:
        axes.set_yscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=8)


def _save(figure: Any, path: Path) -> Path:
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
