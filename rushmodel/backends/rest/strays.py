"""Upserts that met another record than the one that was meant (R18)."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import MultipleFound, RecordGone
from ...port import StoredRecord, StoredValue
from ...wire.routes import DELETE_RECORDS
from .calls import Exchange
from .reading import get_record
from .server import Server, ids_condition

_UUID_DIGITS = 32
_SECONDS = 2.0


def check_identity(
    server: Server,
    label: str,
    answered: StoredRecord,
    record_id: str,
    sent: Mapping[str, StoredValue],
    date: float | None,
) -> Exchange[None]:
    """See to it that an upsert changed the record that was meant.

    An upsert of a record that was deleted makes a new one. That is taken away again if it was made
    by the upsert, and by nobody else before it: it has nothing but what was sent, and its id is
    as old as the answer, whose ``date`` is by the same clock.

    Raises:
        RecordGone: The record is not there.
        MultipleFound: It is, and another one has its merge key, too.
    """
    if answered.id == record_id:
        return
    if (yield from get_record(server, record_id)) is not None:
        raise MultipleFound(
            f"{label} {record_id} was saved, and so was {answered.id}, which has the same merge key:"
            " nothing on a RushDB server keeps keys unique. Delete or rename one of them",
            label=label,
            record_ids=(record_id, answered.id),
        )
    new = answered.data == dict(sent) and _is_as_old(answered.id, date)
    if new:
        body = {"labels": [label], "where": ids_condition([answered.id])}
        what = f"taking back {label} {answered.id}"
        yield from server.ask(DELETE_RECORDS, what=what, body=body, repeatable=True)
    raise RecordGone(
        f"{label} {record_id} is not there: it was deleted"
        + ("" if new else f"; {answered.id} has its merge key now, and was changed"),
        record_id=record_id,
    )


def _is_as_old(record_id: str, date: float | None) -> bool:
    """Whether a UUIDv7 was made in the seconds before an answer; a date is to the second."""
    digits = record_id.replace("-", "")
    if date is None or len(digits) != _UUID_DIGITS:
        return False
    try:
        made = int(digits[:12], 16) / 1000
    except ValueError:
        return False
    return date - _SECONDS <= made <= date + _SECONDS
