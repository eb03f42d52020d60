"""Groups: what rows are grouped by, and what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from ...errors import QueryError
from .operands import listed, text
from .select_expressions import (
    Arithmetic,
    Bucket,
    Collection,
    Expression,
    Ref,
    is_of_records,
    put_in,
    with_references,
)
from .select_reading import SelectReader


class Groups(NamedTuple):
    """What rows are grouped by (``keys``, by their names), what else is worked out, and what a row shows."""

    keys: dict[str, Expression]
    worked: dict[str, Expression]
    names: tuple[str, ...]

    def is_order_of_rows(self, order: Sequence[tuple[str, bool]], select: Mapping[str, Expression]) -> bool:
        """Whether the keys of an order are those of the rows; no order is not. `QueryError`."""
        of_rows = [name for name, _ in order if name in self.names]
        for name, _ in order:
            if isinstance(self.worked.get(name), Collection):
                raise QueryError(f"orderBy: {name} is a list of records, which has no order")
            if name not in self.names and (of_rows or name in select):
                raise QueryError(
                    f"orderBy: {name} is of single records, and rows are grouped: group by it as well, or"
                    f" order by {listed(self.names)}"
                )
        return bool(of_rows)


def read_groups(reader: SelectReader, select: dict[str, Expression], group_by: Sequence[str]) -> Groups:
    """``groupBy``: references and keys of ``select``; aggregates among them say nothing."""
    of_records = {
        name: put_in(each, select, f"select.{name}")
        for name, each in select.items()
        if is_of_records(each, select)
    }
    keys: dict[str, Expression] = {}
    for n, given in enumerate(group_by):
        place = f"groupBy[{n}]"
        if text(given, place).startswith("$"):
            ref = reader.reference(given, place)
            name, key = ref.name, cast("Expression", ref)
        elif given in of_records:
            name, key = given, of_records[given]
        elif given in select:
            continue
        else:
            raise QueryError(
                f"{place}: expected a property, as in $record.{given}, or a key of select, got {given!r:.80}"
            )
        if keys.setdefault(name, key) != key:
            raise QueryError(
                f"{place}: rows have a key {name} already: give one of them another name in select, and group"
                " by that"
            )
    kept = [name for name in select if name not in of_records]
    for name in kept:
        if name in keys:
            raise QueryError(f"select.{name}: rows have this key already, which they are grouped by")
    needed = with_references(select, kept)
    worked = {name: of_records.get(name, each) for name, each in select.items() if name in needed}
    known = set(keys.values())
    for name, each in worked.items():
        _check_of_groups(each, known, f"select.{name}")
    return Groups(keys, worked, (*keys, *kept))


def _check_of_groups(expression: Expression, keys: set[Expression], place: str) -> None:
    pending = [expression]
    while pending:
        each = pending.pop()
        if each in keys:
            continue
        if isinstance(each, Arithmetic):
            pending += [each.left, each.right]
        elif isinstance(each, (Ref, Bucket)):
            shown_as = each.shown if isinstance(each, Ref) else each.of.shown
            raise QueryError(
                f'{place}: "{shown_as}" is of single records, and rows are grouped: group by it as well, or'
                " take an aggregate of it"
            )
