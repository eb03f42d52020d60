"""What a query document is about, and how SQL speaks of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from .leaves import Column, marks
from .terms import Term

if TYPE_CHECKING:
    from .names import Table


class Scope(NamedTuple):
    """A record of one label, or a relationship.

    ``label`` is None for a relationship, which has properties and nothing else. ``column`` gives
    None for a property that is absent everywhere. ``row`` is the record's row, ``texts`` what
    tells its strings from datetimes (R14), ``id`` its id: None where the ids' table is not at hand.
    """

    label: str | None
    column: Callable[[str], Column | None]
    row: str
    texts: str
    id: str | None = None

    def is_one_of(self, ids: list[str], wanted: bool) -> Term:
        """Whether the record has, or has not, one of the ids."""
        word = "IN" if wanted else "NOT IN"
        if self.id is not None:
            return Term(f"({self.id} {word} ({marks(ids)}))", tuple(ids))
        rows = f"SELECT row FROM records WHERE id IN ({marks(ids)})"
        return Term(f"({self.row} {word} ({rows}))", tuple(ids))


def _absent(name: str) -> Column | None:
    return None


NOWHERE: Final = Scope("", _absent, "NULL", "NULL")
"""A record that does not exist: compiling for it only checks the document."""


class Graph(Protocol):
    """What is known of the file: `names.Names`."""

    def number(self, name: str) -> int | None:
        """The number that a name was interned as, if it was."""
        ...

    def table(self, label: str) -> Table | None:
        """The table of a label that has one."""
        ...


class Totals:
    """What a document has in all: the conditions and values of its comparisons, and names for tables."""

    __slots__ = ("conditions", "numbers", "values")

    def __init__(self) -> None:
        self.conditions = 0
        self.values = 0
        self.numbers = 0

    def number(self) -> int:
        """One that no other table of the statement has."""
        self.numbers += 1
        return self.numbers


def related(label: str, table: Table | None, number: int) -> Scope:
    """A related record, as ``t<number>``."""
    if table is None:
        return NOWHERE._replace(label=label)
    return Scope(label, partial(_column, table, number), f"t{number}.row", f"t{number}.texts")


def relationship(columns: dict[str, Column]) -> Scope:
    """A relationship, as ``x``; ``columns`` takes up the properties that are asked for, by name."""
    return Scope(None, partial(_property, columns), "NULL", "NULL")


def _column(table: Table, number: int, name: str) -> Column | None:
    found = table.columns.get(name)
    return None if found is None else found._replace(sql=f"t{number}.p{found.name_id:d}")


def _property(columns: dict[str, Column], name: str) -> Column:
    """It may be anything, so a list as well."""
    if name not in columns:
        columns[name] = Column(f"x.p{len(columns)}", True, len(columns))
    return columns[name]
