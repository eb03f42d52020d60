"""Paths along relationships, as SQL.

A path repeats no relationship (R30), and a statement that remembers the way of
each path has as many rows as there are paths, which can be a lot. Where only
the ends matter it need not remember. Let a *walk* be a sequence of steps that
may repeat anything.

1. From a record to *another*, or along directions, a path of at most ``most``
   steps exists if and only if such a walk does: the shortest walk visits no
   record twice (but for its end, if it comes back to where it began), so that
   it repeats no relationship either. A walk is told by its end and its length
   alone, so these are at most records times steps.
2. Back to the *same* record in either direction, a walk may just go and come
   back on one relationship. A path exists if and only if there is a self loop,
   or a walk whose first step leaves the record by some relationship and which
   never uses that one again: cut to its shortest, the rest visits no record
   twice. Such a walk is told by its first relationship, its end and its length.
3. The same with two steps or more: two self loops, or a walk as in 2. (In one
   direction the rest cannot use the first relationship again: it would have to
   be back already.)

At least two steps from record to record, and three back to the same, is where
paths have to be remembered: by the ids of their relationships, as text.

In the statements, ``e<n>`` are the relationships that count, ``m<n>`` the
related records for which a block holds, ``w<n>`` the ends of walks that set out
from them, with their lengths, and ``s<n>`` the records that the block is true for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .relations import Direction, Relation
from .terms import Term

ROOM: Final = 18
"""What a condition inside a WITH inside a condition takes of SQLite's parser stack, on top of its own."""

NEIGHBOUR_DEPTH: Final = 18
CYCLE_DEPTH: Final = 28
"""What `has_neighbour` and `lies_on_cycle` take of it."""


def sources(number: int, relation: Relation, *, same: bool) -> Iterator[Term]:
    """Tables that end with ``s<n>``: the records from which a path leads to a record of ``m<n>``.

    ``same``: a record of ``m<n>`` may be one of those asked for, so that paths may come back.
    """
    e, m, w, s = (f"{letter}{number}" for letter in "emws")
    back = _OPPOSITE[relation.direction]  # the paths are gone back, from the related records on
    if relation.most == 1 and back is not None:
        here, there = _ENDS[back]
        yield Term(f"{s}(row) AS (SELECT e.{there} FROM {m} m CROSS JOIN {e} e ON e.{here} = m.row)")
    elif relation.least > 1:
        yield Term(_trails(w, e, f"SELECT row, 0, ',' FROM {m}", back, relation.most))
        yield Term(f"{s}(row) AS (SELECT row FROM {w} WHERE length >= {relation.least:d})")
    else:
        yield Term(_walks(w, e, f"SELECT row, 0 FROM {m}", back, relation.most))
        if uses(relation, same=same) == 1:
            yield Term(f"{s}(row) AS (SELECT row FROM {w} WHERE length > 0)")
        else:
            # Of the related records themselves, only those that reach another one or come back to themselves.
            others = _walks(f"o{number}", e, "SELECT a.row, 0", None, relation.most)
            yield Term(
                f"{s}(row) AS (SELECT a.row FROM (SELECT DISTINCT row FROM {w} WHERE length > 0) a"
                f" WHERE a.row NOT IN (SELECT row FROM {m})"
                f" OR EXISTS (WITH RECURSIVE {others} SELECT 1 FROM o{number} o"
                f" WHERE o.row <> a.row AND o.row IN (SELECT row FROM {m}))"
                f" OR {returning(number, relation, 'a.row', loops=1)})",
                depth=CYCLE_DEPTH,
            )


def uses(relation: Relation, *, same: bool) -> int:
    """How often the tables of `sources` name ``m<n>``, each time of which SQLite reads it anew."""
    return 3 if same and relation.direction is None and relation.least == 1 < relation.most else 1


def has_neighbour(number: int, relation: Relation, table: str, row: str) -> str:
    """Whether one step leads from the record ``row`` to any record of ``table``."""
    directions: tuple[Direction, ...] = ("out", "in") if relation.direction is None else (relation.direction,)
    return " OR ".join(
        f"EXISTS (SELECT 1 FROM e{number} e CROSS JOIN {table} n ON n.row = e.{there} WHERE e.{here} = {row})"
        for here, there in (_ENDS[direction] for direction in directions)
    )


def lies_on_cycle(number: int, relation: Relation, row: str) -> str:
    """Whether a path of two steps or more leads from the record ``row`` back to it."""
    if relation.least == 2:
        return returning(number, relation, row, loops=2)
    trails = _trails(f"c{number}", f"e{number}", f"SELECT {row}, 0, ','", relation.direction, relation.most)
    return (
        f"EXISTS (WITH RECURSIVE {trails} SELECT 1 FROM c{number} c"
        f" WHERE c.length >= {relation.least:d} AND c.row = {row})"
    )


def sides(direction: Direction | None) -> list[tuple[str, str]]:
    """The columns of a relationship where a step begins and where it ends."""
    return list(_ENDS.values()) if direction is None else [_ENDS[direction]]


def _walks(name: str, e: str, start: str, direction: Direction | None, most: int) -> str:
    steps = "".join(
        f" UNION SELECT e.{there}, w.length + 1 FROM {name} w CROSS JOIN {e} e ON e.{here} = w.row"
        f" WHERE w.length < {most:d}"
        for here, there in sides(direction)
    )
    return f"{name}(row, length) AS ({start}{steps})"


def _trails(name: str, e: str, start: str, direction: Direction | None, most: int) -> str:
    steps = "".join(
        f" UNION ALL SELECT e.{there}, w.length + 1, w.way || e.id || ','"
        f" FROM {name} w CROSS JOIN {e} e ON e.{here} = w.row"
        f" WHERE w.length < {most:d} AND instr(w.way, ',' || e.id || ',') = 0"
        for here, there in sides(direction)
    )
    return f"{name}(row, length, way) AS ({start}{steps})"


def returning(number: int, relation: Relation, row: str, *, loops: int) -> str:
    """Whether a path leads from the record ``row`` back to it, of ``loops`` steps or more (1 or 2).

    The walks of 2 and 3 above. In one direction the first relationship need not be told: it is 0.
    """
    e, c, directed = f"e{number}", f"c{number}", relation.direction is not None
    began, again = ("0", "") if directed else ("e.id", " AND e.id <> c.began")
    starts = " UNION ".join(
        f"SELECT {began}, e.{there}, 1 FROM {e} e WHERE e.{here} = {row} AND e.{there} <> {row}"
        for here, there in sides(relation.direction)
    )
    steps = "".join(
        f" UNION SELECT c.began, e.{there}, c.length + 1 FROM {c} c CROSS JOIN {e} e ON e.{here} = c.row"
        f" WHERE c.length < {relation.most:d} AND c.row <> {row}{again}"
        for here, there in sides(relation.direction)
    )
    # In most graphs most records hang on a single relationship, and need no search.
    ends = " + ".join(f"(SELECT count(*) FROM {e} e WHERE e.{here} = {row})" for here in ("source", "target"))
    enough = f"{ends} > 1 AND "
    return (
        f"(SELECT count(*) FROM {e} e WHERE e.source = {row} AND e.target = {row}) >= {loops:d}"
        f" OR ({enough}EXISTS (WITH RECURSIVE {c}(began, row, length) AS ({starts}{steps})"
        f" SELECT 1 FROM {c} c WHERE c.row = {row}))"
    )


_OPPOSITE: Final[dict[Direction | None, Direction | None]] = {"in": "out", "out": "in", None: None}
_ENDS: Final[dict[Direction, tuple[str, str]]] = {"out": ("source", "target"), "in": ("target", "source")}
