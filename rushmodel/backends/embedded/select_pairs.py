"""Which records of a node belong to which of its parent's: pairs of rows, as tables for a WITH.

As in `traversals`, paths are remembered only where they have to be; but here every walk carries the
record that it set out from. ``s<n>(a, b)`` are the pairs, each once; ``e<n>`` the relationships
that count, ``w<n>`` the ends of walks.
"""

from __future__ import annotations

from collections.abc import Iterator

from .relations import Relation
from .traversals import returning, sides


def pairs(number: int, relation: Relation, parents: str, *, same: bool) -> Iterator[str]:
    """Tables that end with ``s<n>``: a row that ``parents`` selects, and one that a path leads to from it.

    ``same``: the two may be of one label, so that paths may come back to where they began.
    """
    e, w, s = (f"{letter}{number}" for letter in "ews")
    steps = sides(relation.direction)
    if relation.most == 1:
        # A relationship of one type in one direction is there once (R21), and UNION leaves each pair once.
        once = len(steps) > 1 or (relation.type is not None and len(relation.types) == 1)
        yield (
            f"{s}(a, b) AS ("
            + " UNION ".join(
                f"SELECT {'' if once else 'DISTINCT '}q.row, e.{there} FROM ({parents}) q"
                f" CROSS JOIN {e} e ON e.{here} = q.row"
                for here, there in steps
            )
            + ")"
        )
    elif relation.least > 1:
        further = "".join(
            f" UNION ALL SELECT w.a, e.{there}, w.length + 1, w.way || e.id || ','"
            f" FROM {w} w CROSS JOIN {e} e ON e.{here} = w.row"
            f" WHERE w.length < {relation.most:d} AND instr(w.way, ',' || e.id || ',') = 0"
            for here, there in steps
        )
        yield f"{w}(a, row, length, way) AS (SELECT row, row, 0, ',' FROM ({parents}){further})"
        yield f"{s}(a, b) AS (SELECT DISTINCT a, row FROM {w} WHERE length >= {relation.least:d})"
    else:
        further = "".join(
            f" UNION SELECT w.a, e.{there}, w.length + 1 FROM {w} w CROSS JOIN {e} e ON e.{here} = w.row"
            f" WHERE w.length < {relation.most:d}"
            for here, there in steps
        )
        yield f"{w}(a, row, length) AS (SELECT row, row, 0 FROM ({parents}){further})"
        found = f"SELECT DISTINCT a, row FROM {w} WHERE length > 0"
        if same and relation.direction is None:
            # A walk in either direction may come back on the relationship it went by, which no path does.
            back = returning(number, relation, "f.a", loops=1)
            found = f"SELECT f.a, f.row FROM ({found}) f WHERE f.a <> f.row OR {back}"
        yield f"{s}(a, b) AS ({found})"
