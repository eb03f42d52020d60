"""What is found: a result each, how much a run measures, and how both are named and printed."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class Result(NamedTuple):
    """What one engine took for one work: the median, least and most of ``n`` measurements, in ``unit``."""

    work: str
    engine: str
    median: float
    low: float
    high: float
    unit: str
    n: int
    recall: float | None = None


class Sizes(NamedTuple):
    """How much of everything; the whole, or a little to see whether it works."""

    most: int
    many: int
    some: int
    few: int
    queries: int
    filtered: int
    saves: int
    openings: int
    rounds: int


WHOLE: Final = Sizes(
    most=200_000,
    many=100_000,
    some=20_000,
    few=2_000,
    queries=200,
    filtered=200,
    saves=250,
    openings=5,
    rounds=3,
)
QUICK: Final = Sizes(
    most=3_000,
    many=2_000,
    some=500,
    few=200,
    queries=20,
    filtered=10,
    saves=20,
    openings=1,
    rounds=1,
)
KEEPS: Final = (0.5, 0.05, 0.005, 0.0005)
FIELDS: Final[tuple[Literal["lot", "place"], ...]] = ("lot", "place")


def filter_work(field: str, keep: float) -> str:
    """The name of a filter's row."""
    kind = "independent of" if field == "lot" else "along"
    return f"filter keeps {100 * keep:g} %, {kind} clusters"


def line(result: Result) -> str:
    """A result as a line of the table."""
    recall = "" if result.recall is None else f"recall {result.recall:.3f}"
    digits = 0 if result.unit == "rows/s" else 3
    return (
        f"{result.work:<44} {result.engine:<26} {result.median:>10,.{digits}f} {result.unit:<6}"
        f" ({result.low:,.{digits}f} - {result.high:,.{digits}f}, n {result.n}) {recall}"
    )
