"""Which records' texts have no vector yet, by the embedder that is to make it: see `origins`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...port import Unmade
from .filters import Filter

if TYPE_CHECKING:
    from .names import Table
    from .session import Session

_HELD = "EXISTS (SELECT 1 FROM vectors v WHERE v.policy = {:d} AND v.row = t.row AND v.vector IS NOT NULL)"


def with_unmade(session: Session, table: Table, found: Filter, unmade: tuple[Unmade, ...]) -> Filter:
    """The condition over a label's table ``t``, and that one of ``unmade`` says of the record."""
    if not unmade:
        return found
    terms: list[str] = []
    params: list[object] = []
    for each in unmade:
        text, origin = table.columns.get(each.property), table.columns.get(each.origin)
        if text is None:
            continue  # no record has such a text
        ways = ["1"] if origin is None else [f"rush_unmade(CAST({text.sql} AS BLOB), {origin.sql}, ?)"]
        if origin is not None:
            params.append(each.maker)
        for signature in each.signatures:
            policy = session.policies.find(signature)
            ways.append("1" if policy is None else f"NOT {_HELD.format(policy.number)}")
        terms.append(f"(typeof({text.sql}) = 'text' AND ({' OR '.join(ways)}))")
    return Filter(f"({' OR '.join(terms) or '0'}) AND {found.sql}", (*params, *found.params))
