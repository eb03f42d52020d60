"""One query read page by page, while others write."""

from __future__ import annotations

from collections.abc import Sequence

from ...port import Order, StoredRecord
from ...wire.bodies import query_body
from ...wire.documents import read_records
from ...wire.routes import FIND_NEAR_RECORD, FIND_RECORDS
from .calls import Answer, Exchange
from .conditions import Plain
from .server import Server

MOST = 1000
"""Records a page may have (R16)."""


FARTHEST = 2**53
"""No store has so many records, and no server can count so far."""


class Pages:
    """What a query finds, a page at a time; no record that is there all the time is missed.

    A server knows pages by number only (R26: ids have no ranges), and a deletion moves everything
    after it forward by one. So each page begins with the last record of the page before. Where
    that is another record, something has moved: pages further back are read until one begins
    with a record that was seen, and those that were seen already are left out.
    """

    def __init__(self, plain: Plain, order: Sequence[Order], limit: int | None, offset: int) -> None:
        self._plain = plain
        self._order = order
        self._offset = offset
        self._left = limit
        self._position = offset
        self._last: str | None = None
        self._seen: set[str] = set()
        self._over = limit == 0 or offset >= FARTHEST
        # Sorted by id alone, whatever is not after the last one was seen: no need to know them all.
        self._by_id = not order

    def rest(self, server: Server) -> Exchange[list[StoredRecord]]:
        """All that has not been read yet."""
        records: list[StoredRecord] = []
        while page := (yield from self.next(server, MOST - 1 if self._last else MOST)):
            records += page
        return records

    def next(self, server: Server, size: int) -> Exchange[list[StoredRecord]]:
        """The next records, ``size`` of them where there are so many; none at the end."""
        records: list[StoredRecord] = []
        if self._left is not None:
            size = min(size, self._left)
        while len(records) < size and not self._over:
            records += yield from self._read(server, size - len(records))
        if self._left is not None:
            self._left -= len(records)
            self._over = self._over or not self._left
        return records

    def _read(self, server: Server, size: int) -> Exchange[list[StoredRecord]]:
        overlap = 0 if self._last is None else 1
        skip, limit = self._position - overlap, min(size + overlap, MOST)
        page = yield from self._page(server, skip, limit)
        while overlap and skip > self._offset and not (page and self._was_seen(page[0])):
            skip = max(self._offset, skip - limit)
            page = yield from self._page(server, skip, limit)
        places = [place for place, each in enumerate(page) if not self._was_seen(each)][:size]
        fresh = [page[place] for place in places]
        taken = places[-1] + 1 if len(places) == size else len(page)
        self._position = skip + taken
        self._over = taken == len(page) < limit
        if fresh:
            self._last = fresh[-1].id
            if not self._by_id:
                self._seen.update(each.id for each in fresh)
        return fresh

    def _page(self, server: Server, skip: int, limit: int) -> Exchange[list[StoredRecord]]:
        answer = yield from ask_page(server, self._plain, self._order, limit, skip)
        return read_records(answer.data)

    def _was_seen(self, record: StoredRecord) -> bool:
        if self._by_id:
            return self._last is not None and record.id <= self._last
        return record.id in self._seen


def ask_page(server: Server, plain: Plain, order: Sequence[Order], limit: int, skip: int) -> Exchange[Answer]:
    """One page of what a query finds, and its total."""
    body = query_body(plain.labels, plain.where, order, limit=limit, skip=skip)
    what = f"finding records of {', '.join(plain.labels) or 'any label'}"
    if plain.related_to is not None:
        return (
            yield from server.ask(FIND_NEAR_RECORD, plain.related_to, what=what, body=body, repeatable=True)
        )
    return (yield from server.ask(FIND_RECORDS, what=what, body=body, repeatable=True))
