"""`Course`: a transaction on a server, from beginning to end, as exchanges; what rule R22 demands of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import orjson

from ...errors import (
    CommitUnknown,
    RushModelError,
    ServerError,
    TransactionBusy,
    TransactionClosed,
    TransactionExpired,
)
from ...wire import routes
from .calls import Answer, Call, Deadline, Exchange
from .server import Server, ids_condition

R = TypeVar("R")

SECONDS = 55.0
"""How long a transaction may take where nobody says."""

MOST_SECONDS = 60.0
"""What a server grants at most."""

USABLE = 0.8
"""Of its time: past that nothing is committed, as a server may confirm a commit that comes too late."""

LAST_SECONDS = 10.0
"""For what ends a transaction, when its own time is over."""

_log = logging.getLogger("rushmodel")

_POLICIES = {
    routes.LIST_POLICIES,
    routes.CREATE_POLICY,
    routes.DELETE_POLICY,
    routes.POLICY_STATS,
}
_READS = {
    routes.COUNT_LABELS,
    routes.EXPORT_CSV,
    routes.FIND_NEAR_RECORD,
    routes.FIND_PROPERTIES,
    routes.FIND_RECORDS,
    routes.FIND_RELATED,
    routes.FIND_RELATIONSHIPS,
    routes.GET_PROPERTY,
    routes.GET_RECORD,
    routes.GET_SCHEMA,
    routes.GET_SCHEMA_MARKDOWN,
    routes.GET_VECTORS,
    routes.LIST_VALUES,
    routes.SEARCH_VECTORS,
}
_CHANGES_NO_RECORD = {
    routes.ATTACH,
    routes.CREATE_RELATIONSHIPS,
    routes.DELETE_RELATIONSHIPS,
    routes.DETACH,
    routes.UPSERT_VECTORS,
}


class Course:
    """A transaction: its calls, its age, and what was written last.

    `unsettled`: an error ended it, and the server was not told yet (`undo`).
    """

    def __init__(self, server: Server, transaction_id: str, seconds: float, began: float) -> None:
        self.id = transaction_id
        self.unsettled = False
        self._server = server
        self._seconds = seconds
        self._began = began
        self._end: str | None = None
        self._wrote = False
        self._last: tuple[str, Mapping[str, Any] | None] | None = None
        self._turn = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._end is None

    def deadline(self, seconds: float | None) -> Deadline:
        """For a verb: no longer than the transaction, as one that is over may get no answer."""
        left = max(0.0, self._began + self._seconds - time.monotonic())
        return Deadline(left if seconds is None else min(left, seconds))

    def carry(self, exchange: Exchange[R]) -> Exchange[R]:
        """The exchange, inside the transaction; any error ends it."""
        try:
            call = next(exchange)
            while True:
                try:
                    answer = yield from self._ask(call)
                except RushModelError as error:
                    call = exchange.throw(error)
                else:
                    call = exchange.send(answer)
        except StopIteration as done:
            result: R = done.value
            return result
        finally:
            exchange.close()

    def commit(self) -> Exchange[None]:
        """Commit, and see that it was done.

        Raises:
            TransactionClosed: It is over.
            TransactionExpired: Too much of its time has passed; it was rolled back.
            CommitUnknown: The answer was lost, or what was written last is not there as it was.
            StoreError: The commit was not sent; it was rolled back.
        """
        self._check_open()
        if time.monotonic() - self._began > USABLE * self._seconds:
            self._end = "expired"
            yield from self.undo()
            raise self._over()
        self._end = "committed"
        what, lost = f"committing transaction {self.id}", None
        try:
            yield from self._server.ask(routes.COMMIT, self.id, what=what, body={})
        except TransactionClosed:
            self._end = "failed"
            raise
        except RushModelError as error:
            if getattr(error, "sent", True) is False:
                self._end = "failed"
                yield from self.undo()
                raise
            lost = error
        yield from self._verify(lost)

    def undo(self) -> Exchange[None]:
        """Roll back, as far as the server can be reached: it forgets a transaction that nobody ends."""
        self.unsettled = False
        self._end = self._end or "rolled back"
        what = f"rolling transaction {self.id} back"
        try:
            yield from self._server.ask(
                routes.ROLLBACK, self.id, what=what, body={}, repeatable=True, grace=LAST_SECONDS
            )
        except RushModelError as error:
            _log.warning("%s", error)

    def _ask(self, call: Call) -> Exchange[Answer]:
        if call.route == routes.SETTINGS or (
            # A server has policies outside of transactions; of `serve`, which would wait, in them.
            call.route in _POLICIES and not (yield from self._server.extended())
        ):
            return (yield call)
        if self._end is not None and call.grace is not None:
            return Answer(200, {"data": {}})  # what sets a write right is done by the end of all of it
        self._check_open()
        if call.route in (routes.BEGIN, routes.COMMIT):
            return Answer(200, {"data": {"id": self.id}})  # what a command needs one for is done in this one
        if not self._turn.acquire(blocking=False):
            raise TransactionBusy(
                f"{call.subject}: transaction {self.id} is waiting for the answer to another request",
                transaction_id=self.id,
            )
        try:
            answer = yield _inside(call, self.id)
        except BaseException:
            self._fail()
            raise
        finally:
            self._turn.release()
        if answer.status >= 400:
            self._fail()
            return answer
        if call.route not in _READS:
            self._wrote = True
            self._note(call, answer)
        return _as_asked(call, answer)

    def _fail(self) -> None:
        self._end = "failed"
        self.unsettled = True

    def _note(self, call: Call, answer: Answer) -> None:
        """Remember the record that was written last; none, where this may have changed it unseen."""
        if call.route in _CHANGES_NO_RECORD:
            return
        document: Any = answer.document
        data: Any = cast("dict[str, Any]", document).get("data") if isinstance(document, dict) else None
        if call.route == routes.DELETE_RECORD:
            self._last = (call.ids[0], None)
        elif call.route == routes.DELETE_RECORDS:
            deleted = _deleted(call.body)
            self._last = (deleted, None) if deleted else None
        else:
            if isinstance(data, list) and data:
                data = cast("list[Any]", data)[-1]
            record: dict[str, Any] = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
            self._last = (record["__id"], record) if "__id" in record else None

    def _verify(self, lost: RushModelError | None) -> Exchange[None]:
        if not self._wrote or (lost is None and (self._last is None or (yield from self._server.extended()))):
            return  # `serve` does not confirm what it did not do
        if self._last is None:
            raise self._unknown(None, "its answer was lost") from lost
        record_id, expected = self._last
        what = f"reading record {record_id} after a commit"
        body = orjson.dumps({"where": ids_condition([record_id]), "limit": 1})
        try:
            answer = yield Call(
                routes.FIND_RECORDS, body=body, repeatable=True, what=what, grace=LAST_SECONDS
            )
            found = cast("list[dict[str, Any]]", answer.data if answer.status < 400 else [])
        except RushModelError as error:
            raise self._unknown(record_id, "the record written last cannot be read") from error
        if expected is None:
            kept = not found
        else:
            kept = bool(found) and all(
                found[0].get(name) == value for name, value in expected.items() if not name.startswith("__")
            )
        if not kept:
            problem = "the record written last is not there as it was written"
            raise self._unknown(record_id, problem) from lost

    def _unknown(self, record_id: str | None, problem: str) -> CommitUnknown:
        self._end = "failed"
        return CommitUnknown(
            f"whether transaction {self.id} was committed cannot be told: {problem}. Read what it wrote "
            "before it is done again",
            transaction_id=self.id,
            record_id=record_id,
        )

    def _check_open(self) -> None:
        if self._end is not None:
            raise self._over()
        if time.monotonic() - self._began > self._seconds:
            self._end, self.unsettled = "expired", True
            raise self._over()

    def _over(self) -> TransactionClosed:
        if self._end == "expired":
            return TransactionExpired(
                f"transaction {self.id} took longer than {USABLE:.0%} of its {self._seconds:g} s, past which "
                "a commit cannot be trusted; nothing of it was kept",
                transaction_id=self.id,
                seconds=self._seconds,
            )
        how = "was ended by an error" if self._end == "failed" else f"was {self._end}"
        return TransactionClosed(f"transaction {self.id} {how}: begin another one", transaction_id=self.id)


def begin(server: Server, seconds: float | None) -> Exchange[Course]:
    """Begin a transaction; its time runs from before the server hears of it."""
    granted = min(SECONDS if seconds is None else seconds, MOST_SECONDS)
    began = time.monotonic()
    what = "beginning a transaction"
    answer = yield from server.ask(routes.BEGIN, what=what, body={"ttl": round(granted * 1000)})
    data: Any = answer.data
    transaction_id = cast("dict[str, Any]", data).get("id") if isinstance(data, dict) else None
    if not isinstance(transaction_id, str) or not transaction_id:
        raise ServerError(f"{what}: the server's answer names no transaction", sent=True)
    return Course(server, transaction_id, granted, began)


def _inside(call: Call, transaction_id: str) -> Call:
    """The call as it is sent. A record is searched for: one that is not there would be the end (R22)."""
    marked = call.replaced(transaction=transaction_id, repeatable=False)
    if call.route != routes.GET_RECORD:
        return marked
    body = orjson.dumps({"where": ids_condition(call.ids), "limit": 1})
    return marked.replaced(route=routes.FIND_RECORDS, ids=(), body=body)


def _as_asked(call: Call, answer: Answer) -> Answer:
    if call.route != routes.GET_RECORD:
        return answer
    found: Any = answer.data
    if not found:
        missing = {"message": f"Record with id {call.ids[0]} not found", "statusCode": 404}
        return answer.replaced(status=404, document=missing)
    return answer.replaced(document={"data": found[0]})


def _deleted(body: bytes | None) -> str | None:
    """One of the records that a deletion names by their ids; None where it is by a condition."""
    where: Any = orjson.loads(body or b"{}").get("where")
    if not isinstance(where, dict) or where.keys() != {"$id"}:
        return None
    named: Any = cast("dict[str, Any]", where)["$id"]
    if isinstance(named, str):
        return named
    ids: Any = cast("dict[str, Any]", named).get("$in") if isinstance(named, dict) else None
    return str(cast("list[object]", ids)[-1]) if isinstance(ids, list) and ids else None
