"""Asking SQLite the statements of one query; or, to explain it, only how it would answer them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import QueryError
from .select_joins import Join, Top

if TYPE_CHECKING:
    from .session import Session


class Plan(NamedTuple):
    """A statement, and how SQLite goes about it: steps (number, the step it is a part of, 0, what it is)."""

    sql: str
    steps: list[tuple[int, int, int, str]]


class Asker:
    """Runs a query's statements; with ``plans`` it takes down what SQLite says of each, and reads nothing."""

    def __init__(self, session: Session, plans: list[Plan] | None = None) -> None:
        self.session = session
        self.plans = plans

    def join(self, top: Top) -> Join:
        return Join(self.session, top)

    def ask(self, sql: str, params: Sequence[object]) -> Iterable[tuple[Any, ...]]:
        """The answer's rows. `QueryError` where a sum is too large an integer."""
        if self.plans is not None:
            steps = self.session.execute(f"EXPLAIN QUERY PLAN {sql}", params).fetchall()
            self.plans.append(Plan(sql, steps))
            return []
        try:
            return self.session.execute(sql, params).fetchall()
        except sqlite3.OperationalError as error:
            if str(error) == "integer overflow":
                raise QueryError("select: a $sum is past 64 bits; multiply its integers by 1.0") from error
            raise
