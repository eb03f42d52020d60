"""`Rushdb`: what a RushDB 2.11 server does and `serve` does not, around the application of `serve`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import orjson
from starlette.types import ASGIApp, Message, Scope

from rushmodel.backends.embedded import AsyncEmbedded
from rushmodel.port import (
    FindRecords,
    GetRecords,
    ListPolicies,
    RecordQuery,
    RecordWrite,
    SaveRecords,
    Signature,
    StoredRecord,
    VectorWrite,
)
from rushmodel.wire.routes import EXTENSIONS, PREFIX, TRANSACTION_HEADER, VERSION_HEADER

from .faults import LIES, TELLS
from .relations import Ask, losing, meets_twice, without_edges

Headers: TypeAlias = "list[tuple[bytes, bytes]]"
JSON = (b"content-type", b"application/json")
NOTHING: dict[str, Any] = {"$id": {"$in": []}}
"""A condition that no record meets."""

_ATTACH = re.compile(r"/relationships/(?!search$|create-many$|delete-many$)[^/]+")

EVERYTHING = {"$id": {"$ne": ""}}
"""One that every record meets."""


class Reply(NamedTuple):
    """An answer as a whole."""

    status: int
    headers: Headers
    body: bytes

    @property
    def data(self) -> Any:
        return orjson.loads(self.body)["data"]


def reply(status: int, document: object, headers: Iterable[tuple[bytes, bytes]] = ()) -> Reply:
    """An answer of JSON."""
    body = orjson.dumps(document)
    return Reply(status, [JSON, (b"content-length", b"%d" % len(body)), *headers], body)


class Rushdb:
    """Asks the application, and does to request, store and answer what the traits say.

    Of the extensions that clients may ask for nothing is left with all `faults.TRAITS` on.
    """

    def __init__(self, app: ASGIApp, store: AsyncEmbedded) -> None:
        self._app = app
        self._store = store
        # A write and the loss of its vectors are one step: no other request sees the record between.
        self._turn = asyncio.Lock()
        self._transaction: str | None = None
        """The one that has the store."""
        self._policies: list[bytes] = []
        """Those that were created while it had."""

    async def answer(self, scope: Scope, body: bytes, traits: frozenset[str]) -> Reply:
        """The answer to one request; it has been carried out then."""
        if not traits:
            return await self._carried_out(scope, body)
        if transaction_of(scope) is not None or scope["path"].startswith(f"{PREFIX}/tx"):
            # Nobody else sees what happens in it, and others may have to wait for it. In here no vectors
            # are forgotten.
            return await self._answer(scope, body, traits)
        async with self._turn:
            return await self._answer(scope, body, traits)

    async def _answer(self, scope: Scope, body: bytes, traits: frozenset[str]) -> Reply:
        method, path = scope["method"], scope["path"].removeprefix(PREFIX)
        if "plain" in traits:
            if (path == "/records/vectors" and TELLS not in traits) or path.startswith("/graph"):
                return reply(404, {"message": f"Cannot {method} {scope['path']}", "statusCode": 404})
            hidden = {EXTENSIONS.encode(), VERSION_HEADER.encode()}
            scope = {**scope, "headers": [each for each in scope["headers"] if each[0] not in hidden]}
        document = _parsed(body)
        where = document.get("where")
        if "misreads" in traits and isinstance(where, (dict, list)):
            if _fails(where) or meets_twice(where):
                return reply(500, {"statusCode": 500, "message": "Neo4j database error occurred"})
            if _is_misread(where):
                document["where"] = NOTHING
            elif not path.startswith("/relationships"):
                document["where"] = without_edges(where)
        if "loses" in traits and method == "POST" and _ATTACH.fullmatch(path):
            source = path.removeprefix("/relationships/")
            left = await losing(self._asking(scope), source, document)
            if left is None:
                message = f"Relations to Record {source} have been successfully created"
                return reply(201, {"data": {"message": message}, "success": True})
            document = left
        scope = self._noted(scope, method, path, body)
        if path.endswith("/commit") and path.startswith("/tx/") and LIES in traits:
            undo = scope["path"].replace("/commit", "/rollback")
            await self._carried_out({**scope, "path": undo, "raw_path": undo.encode()}, body)
            self._transaction, self._policies = None, []
            return reply(200, {"data": {"message": "committed"}, "success": True})
        if "widens" in traits and (method, path) == ("POST", "/records/delete") and not where:
            document = {"where": EVERYTHING}
        if "widens" in traits and path == "/properties/search":
            document, body = {}, b"{}"
        if "needs" in traits and path == "/ai/search":
            document.setdefault("sourceType", "managed")
            document.setdefault("similarityFunction", "cosine")
            if isinstance(document.get("labels"), list):
                document["labels"] = document["labels"][:1]
        found = await self._carried_out(scope, orjson.dumps(document) if document else body)
        if path.startswith("/tx/") and path.endswith(("/commit", "/rollback")):
            await self._let_go(scope, path)
        elif transaction_of(scope) is not None:
            self._transaction = transaction_of(scope)  # whoever was answered has the store
        elif 200 <= found.status < 300:
            await self._lose_vectors(method, path, document, found, traits)
        return self._changed(path, where, found, traits)

    def _asking(self, scope: Scope) -> Ask:
        """Requests of its own, in the transaction of the one that came."""

        async def ask(method: str, path: str, body: object) -> tuple[int, Any]:
            there = f"{PREFIX}{path}"
            other = {**scope, "method": method, "path": there, "raw_path": there.encode()}
            found = await self._carried_out(other, orjson.dumps(body))
            return found.status, orjson.loads(found.body)

        return ask

    def _changed(self, path: str, where: object, found: Reply, traits: frozenset[str]) -> Reply:
        if "stats_zero" in traits and path.endswith("/stats") and found.status == 404:
            return reply(200, {"data": {"totalRecords": 0, "indexedRecords": 0}, "success": True})
        if "approximate" in traits and path == "/ai/search" and found.status == 200 and not where:
            return reply(200, {"data": [], "success": True})
        if "hangs" in traits and path.endswith("/commit") and found.status == 404:
            found = reply(500, {})
        if "plain" in traits:
            kept = [each for each in found.headers if each[0] != EXTENSIONS.encode()]
            found = found._replace(headers=kept, status=403 if found.status == 401 else found.status)
        return found

    def _noted(self, scope: Scope, method: str, path: str, body: bytes) -> Scope:
        """A policy is made beside a transaction on a server; here it must not wait for it."""
        writes = (method, path) == ("POST", "/ai/indexes") or (method == "DELETE" and "/ai/indexes" in path)
        if self._transaction is not None and transaction_of(scope) is None and writes:
            if method == "POST":
                self._policies.append(body)
            given = (TRANSACTION_HEADER.encode(), self._transaction.encode())
            return {**scope, "headers": [*scope["headers"], given]}
        return scope

    async def _let_go(self, scope: Scope, path: str) -> None:
        """A transaction is over; policies stay also where it was rolled back."""
        if self._transaction is None or self._transaction not in path:
            return
        made, self._policies, self._transaction = self._policies, [], None
        if path.endswith("/rollback"):
            there = f"{PREFIX}/ai/indexes"
            headers = [each for each in scope["headers"] if each[0] != b"content-type"]
            scope = {**scope, "path": there, "raw_path": there.encode(), "headers": [*headers, JSON]}
            for body in made:
                await self._carried_out(scope, body)

    async def _lose_vectors(
        self, method: str, path: str, document: dict[str, Any], found: Reply, traits: frozenset[str]
    ) -> None:
        if method not in ("POST", "PUT", "PATCH") or not path.startswith("/records"):
            return
        if path in ("/records/delete", "/records/vectors") or path.endswith("/search"):
            return
        policies = [each.signature for each in await self._store.execute(ListPolicies())]
        external = tuple(each for each in policies if each.source == "external")
        if not external:
            return
        options = document.get("options") or {}
        merges = method == "POST" and "mergeBy" in options
        forgets = method != "POST" or (merges and options.get("mergeStrategy") == "rewrite")
        carried = _carried(path, document)
        for place, record in enumerate(await self._written(found, external)):
            given = carried[place] if place < len(carried) else []
            lost = [
                signature
                for signature in record.vectors or ()
                if ("forgets" in traits and forgets and not any(_fits(each, signature) for each in given))
                or ("ignores" in traits and not _is_text(record.data.get(signature.property)))
            ]
            if lost:
                vectors = tuple(VectorWrite(signature, None) for signature in lost)
                write = RecordWrite({}, record_id=record.id, vectors=vectors)
                await self._store.execute(SaveRecords(record.label, [write]))

    async def _written(self, found: Reply, external: tuple[Signature, ...]) -> list[StoredRecord]:
        """The records that were written, in the answer's order; all there are where it does not tell."""
        data = found.data
        if not isinstance(data, (dict, list)) or "count" in data:
            return await self._store.execute(FindRecords(RecordQuery((), vectors=external)))
        ids = [each["__id"] for each in (data if isinstance(data, list) else [data])]
        return await self._store.execute(GetRecords(tuple(ids), vectors=external))

    async def _carried_out(self, scope: Scope, body: bytes) -> Reply:
        incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[Message] = []

        async def receive() -> Message:
            return incoming.pop() if incoming else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [
            each for each in scope["headers"] if each[0] not in (b"content-length", b"transfer-encoding")
        ]
        if body:
            headers.append((b"content-length", b"%d" % len(body)))
        await self._app({**scope, "headers": headers}, receive, send)
        start, *rest = sent
        return Reply(
            start["status"], list(start["headers"]), b"".join(each.get("body", b"") for each in rest)
        )


def transaction_of(scope: Scope) -> str | None:
    """The transaction that a request names."""
    return next((value.decode() for name, value in scope["headers"] if name == _TRANSACTION), None)


_TRANSACTION = TRANSACTION_HEADER.encode()


def _parsed(body: bytes) -> dict[str, Any]:
    """The object in a body; empty where there is none, which is for the application to say."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _carried(path: str, document: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The inline vectors of each record that a request writes; of nested rows nothing is told."""
    if path != "/records/import/json":
        return [document.get("vectors") or []]
    rows = document.get("data")
    if isinstance(rows, dict):
        rows = [rows] if document.get("label") else [row for held in rows.values() for row in held]
    return [row.get("$vectors") or [] for row in rows or []] if isinstance(rows, list) else []


def _fits(inline: dict[str, Any], signature: Signature) -> bool:
    """Whether an inline vector was for that policy (R5); the application has found that there is only one."""
    return (
        inline["propertyName"] == signature.property
        and len(inline["vector"]) == signature.dims
        and inline.get("similarityFunction") in (None, signature.similarity)
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(each, str) for each in value)
    )


def _is_misread(where: object, inside: bool = False) -> bool:
    """Whether a condition matches nothing: ``$not`` in a list (R25), ``__id`` or ``__label`` (R26)."""
    if isinstance(where, list):
        return any(_is_misread(each, True) for each in where)
    if not isinstance(where, dict):
        return False
    named = {"__id", "__label", *(["$not"] if inside else [])}
    return not named.isdisjoint(where) or any(_is_misread(each, inside) for each in where.values())


def _fails(where: object) -> bool:
    """Whether ``$not`` stands under a property's name (trace 12); in the block of a relation it is right."""
    if isinstance(where, list):
        return any(map(_fails, where))
    if not isinstance(where, dict):
        return False
    for name, value in where.items():
        if not name.startswith("$") and isinstance(value, dict) and "$not" in value:
            operand = value["$not"]
            if not isinstance(operand, dict) or all(each.startswith("$") for each in operand):
                return True
        if _fails(value):
            return True
    return False
