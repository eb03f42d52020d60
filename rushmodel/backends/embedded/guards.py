"""Guards: what becomes of a vector when the text it was made from changes (promise 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import PropertyError, StaleVector
from ...port import Signature, VectorGuard
from .vectors import drop_vectors, in_chunks, rows_with_vector

if TYPE_CHECKING:
    from .names import Table
    from .session import Session


def apply_guards(
    session: Session,
    table: Table,
    guards: Sequence[VectorGuard],
    rows: Sequence[int],
    fresh: frozenset[Signature] = frozenset(),
) -> tuple[Signature, ...]:
    """Before the texts of these records are written: `StaleVector`, or the signatures that lost vectors.

    ``fresh`` signatures get a new vector in the same write.
    """
    dropped: dict[Signature, None] = {}
    for guard in guards:
        policies = [
            session.policies.find(signature) for signature in guard.signatures if signature not in fresh
        ]
        held = [policy for policy in policies if policy is not None and policy.signature.label == table.label]
        changing = _rows_changing(session, table, guard, rows) if held else []
        for policy in held:
            stale = rows_with_vector(session, policy, changing)
            if stale and guard.action == "raise":
                raise _stale_vector(session, table, guard, stale[0])
            if stale:
                drop_vectors(session, policy, stale)
                dropped[policy.signature] = None
    return tuple(dropped)


def _rows_changing(session: Session, table: Table, guard: VectorGuard, rows: Sequence[int]) -> list[int]:
    """Those of the records whose stored text is not the guard's."""
    column = table.columns.get(guard.property)
    if column is None:  # absent everywhere
        return [] if guard.text is None else list(rows)
    try:
        return [
            row
            for marks, chunk in in_chunks(rows)
            for (row,) in session.execute(
                f"SELECT t.row FROM {table.sql} t WHERE t.row IN ({marks}) AND {column.sql} IS NOT ?",
                (*chunk, guard.text),
            )
        ]
    except UnicodeEncodeError:
        raise PropertyError(
            f"{table.label}.{guard.property} cannot be stored: the text holds a lone surrogate",
            label=table.label,
            property=guard.property,
        ) from None


def _stale_vector(session: Session, table: Table, guard: VectorGuard, row: int) -> StaleVector:
    record_id = session.execute("SELECT id FROM records WHERE row = ?", (row,)).fetchone()[0]
    return StaleVector(
        f"{table.label} {record_id}: {guard.property!r} changes and its vector {guard.field!r} does not;"
        " give the new vector with the text, or say on_stale='keep' or 'drop'",
        field=guard.field,
        record_id=record_id,
        property=guard.property,
    )
