"""The order of records, where a server's cannot be used: several queries make one answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...port import Order, StoredRecord
from ...wire.proptypes import looks_like_datetime

_BY_ID = "$id"


def in_order(records: Iterable[StoredRecord], order: Sequence[Order]) -> list[StoredRecord]:
    """Sorted as a store sorts (R16): absent values last ascending and first descending; ids break ties."""
    found = sorted(records, key=lambda record: record.id)
    # The last key is sorted by first: each sort keeps what the one before has put in order.
    for key in reversed(order):
        found.sort(key=lambda record: _rank(record, key), reverse=key.descending)
    return found


def _rank(record: StoredRecord, key: Order) -> tuple[int, Any]:
    """Numbers, then text, then booleans and lists, then nothing."""
    value = record.id if key.property == _BY_ID else record.data.get(key.property)
    if value is None:
        return 3, 0
    if isinstance(value, str):
        moment = key.moments or (key.moments is None and looks_like_datetime(value))
        return 1, value.removesuffix("Z") if moment else value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 2, repr(value)
    return 0, value
