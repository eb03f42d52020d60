"""Reading records over REST: by id, by query, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from ...errors import CapabilityError, NotFound, QueryError
from ...origins import is_unmade
from ...port import (
    CloseCursor,
    CountRecords,
    FindPage,
    FindRecords,
    Float32,
    FoundPage,
    GetRecords,
    OpenCursor,
    ReadCursor,
    RecordQuery,
    Signature,
    StoredRecord,
    Unmade,
)
from ...wire.bodies import query_body
from ...wire.documents import read_record, read_records, read_vectors, signature_document
from ...wire.routes import FIND_RECORDS, GET_RECORD, GET_VECTORS
from .asking import queries_for
from .calls import Exchange
from .conditions import Plain
from .ordering import in_order
from .paging import MOST, Pages, ask_page
from .server import Server, ids_condition


def get_records(server: Server, command: GetRecords) -> Exchange[list[StoredRecord]]:
    found = yield from get_records_by_id(server, command.record_ids)
    asked = [found[each] for each in command.record_ids if each in found]
    records = [each for each in asked if command.label in (None, each.label)]
    return (yield from with_vectors(server, records, command.vectors))


def get_records_by_id(server: Server, record_ids: Sequence[str]) -> Exchange[dict[str, StoredRecord]]:
    """Those of the records that there are, by id."""
    ids = [each for each in dict.fromkeys(record_ids) if each]
    if len(ids) == 1:
        record = yield from get_record(server, ids[0])
        return {} if record is None else {record.id: record}
    found: dict[str, StoredRecord] = {}
    for start in range(0, len(ids), MOST):
        chunk = ids[start : start + MOST]
        body = query_body((), ids_condition(chunk), limit=len(chunk))
        what = f"reading {len(chunk)} records"
        answer = yield from server.ask(FIND_RECORDS, what=what, body=body, repeatable=True)
        found.update((record.id, record) for record in read_records(answer.data))
    return found


def get_record(server: Server, record_id: str) -> Exchange[StoredRecord | None]:
    """The record with that id, or None."""
    try:
        answer = yield from server.ask(
            GET_RECORD, record_id, what=f"reading record {record_id}", repeatable=True
        )
    except NotFound:
        return None
    return read_record(answer.data)


def find_records(server: Server, command: FindRecords) -> Exchange[list[StoredRecord]]:
    records = yield from find_all(server, command.query)
    return (yield from finished(server, command.query, records))


def find_all(server: Server, query: RecordQuery) -> Exchange[list[StoredRecord]]:
    """The whole records that a query finds, without vectors."""
    queries = yield from queries_for(server, query)
    if query.unmade:
        whole = query.replaced(limit=None, offset=0, unmade=())
        records = [each for each in (yield from find_all(server, whole)) if _is_unmade(each, query.unmade)]
        return records[query.offset : None if query.limit is None else query.offset + query.limit]
    if len(queries) == 1:
        return (yield from Pages(queries[0], query.order, query.limit, query.offset).rest(server))
    united = yield from _united(server, query, queries)
    return united[query.offset : None if query.limit is None else query.offset + query.limit]


def find_page(server: Server, command: FindPage) -> Exchange[FoundPage]:
    query = command.query
    queries = yield from queries_for(server, query)
    if len(queries) == 1 and not query.unmade and query.limit is not None and 1 <= query.limit <= MOST:
        answer = yield from ask_page(server, queries[0], query.order, query.limit, query.offset)
        records = yield from finished(server, query, read_records(answer.data))
        return FoundPage(records, answer.total)
    records = yield from find_records(server, FindRecords(query))
    return FoundPage(records, (yield from count_records(server, CountRecords(query))))


def count_records(server: Server, command: CountRecords) -> Exchange[int]:
    query = command.query
    if query.unmade:
        return len((yield from find_all(server, query.replaced(order=(), limit=None, offset=0))))
    queries = yield from queries_for(server, query)
    if not queries:
        return 0
    if len(queries) == 1:
        return (yield from ask_page(server, queries[0], (), 1, 0)).total
    return len((yield from _united(server, query.replaced(order=(), limit=None), queries)))


class Cursors:
    """The open cursors of a backend: what was read of each, kept on this side.

    A server has no snapshots, so a cursor sees what is there when a page is read; no record that
    is there all the time is left out (`Pages`).
    """

    def __init__(self) -> None:
        self._open: dict[str, tuple[RecordQuery, Pages | list[StoredRecord]]] = {}

    def open(self, server: Server, command: OpenCursor) -> Exchange[str]:
        query, name = command.query, uuid4().hex
        queries = yield from queries_for(server, query)
        if len(queries) == 1 and not (query.unmade and (query.offset or query.limit is not None)):
            self._open[name] = query, Pages(queries[0], query.order, query.limit, query.offset)
        else:
            self._open[name] = query, (yield from find_all(server, query))
        return name

    def read(self, server: Server, command: ReadCursor) -> Exchange[list[StoredRecord]]:
        if command.cursor not in self._open:
            raise QueryError(f"there is no open cursor {command.cursor}", cursor=command.cursor)
        if command.size < 1:
            raise QueryError(f"a page has at least one record, not {command.size}")
        query, source = self._open[command.cursor]
        if isinstance(source, Pages):
            records = yield from source.next(server, command.size)
            while query.unmade and records:
                unmade = [each for each in records if _is_unmade(each, query.unmade)]
                if unmade:
                    records = unmade
                    break
                records = yield from source.next(server, command.size)
        else:
            records = source[: command.size]
            del source[: command.size]
        return (yield from finished(server, query, records))

    def close(self, server: Server, command: CloseCursor) -> Exchange[None]:
        self._open.pop(command.cursor, None)
        return
        yield  # a generator like the others, that has nothing to ask


def finished(server: Server, query: RecordQuery, records: list[StoredRecord]) -> Exchange[list[StoredRecord]]:
    """Records as a query wants them: with vectors, and without properties it did not ask for."""
    if query.properties is not None:
        wanted = frozenset(query.properties)
        records = [
            each._replace(data={name: value for name, value in each.data.items() if name in wanted})
            for each in records
        ]
    return (yield from with_vectors(server, records, query.vectors))


def with_vectors(
    server: Server, records: list[StoredRecord], signatures: Sequence[Signature]
) -> Exchange[list[StoredRecord]]:
    """The records with their vectors (an extension).

    Raises:
        CapabilityError: The server does not give vectors back.
    """
    if not signatures or not records:
        return records
    if not (yield from server.reads_vectors()):
        raise CapabilityError("with_vectors=True: a RushDB server does not give vectors back")
    held: dict[str, dict[Signature, Float32]] = {}
    policies = [signature_document(each) for each in signatures]
    for start in range(0, len(records), MOST):
        ids = [each.id for each in records[start : start + MOST]]
        answer = yield from server.ask(
            GET_VECTORS,
            what=f"reading the vectors of {len(ids)} records",
            body={"ids": ids, "policies": policies, "packed": True},
            repeatable=True,
        )
        held.update(read_vectors(each) for each in answer.data)
    return [each._replace(vectors=held.get(each.id, {})) for each in records]


def _is_unmade(record: StoredRecord, unmade: Sequence[Unmade]) -> bool:
    """Whether any of these says that a vector of the record has to be made; a server is not asked that."""
    for each in unmade:
        text, origin = record.data.get(each.property), record.data.get(each.origin)
        if isinstance(text, str) and is_unmade(text.encode(), origin, each.maker):
            return True
    return False


def _united(server: Server, query: RecordQuery, queries: Sequence[Plain]) -> Exchange[list[StoredRecord]]:
    """What several queries find, each record once, in the query's order and before its limit and offset."""
    most = None if query.limit is None else query.limit + query.offset
    found: dict[str, StoredRecord] = {}
    for plain in queries:
        records = yield from Pages(plain, query.order, most, 0).rest(server)
        found.update((each.id, each) for each in records)
    return in_order(found.values(), query.order)
