"""`Rushdb`: what a RushDB 2.11 server does and `serve` does not, around the application of `serve`."""

from __future__ import annotations

import asyncio
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
from rushmodel.wire.routes import EXTENSIONS, PREFIX, VERSION_HEADER

from .faults import TELLS

Headers: TypeAlias = "list[tuple[bytes, bytes]]"
JSON = (b"content-type", b"application/json")
NOTHING: dict[str, Any] = {"$id": {"$in": []}}
"""A condition that no record meets."""

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

    async def answer(self, scope: Scope, body: bytes, traits: frozenset[str]) -> Reply:
        """The answer to one request; it has been carried out then."""
        if not traits:
            return await self._carried_out(scope, body)
        async with self._turn:
            return await self._answer(scope, body, traits)

    async def _answer(self, scope: Scope, body: bytes, traits: frozenset[str]) -> Reply:
        method, path = scope["method"], scope["path"].removeprefix(PREFIX)
        if "plain" in traits:
            if path == "/records/vectors" and TELLS not in traits:
                return reply(404, {"message": f"Cannot {method} {scope['path']}", "statusCode": 404})
            hidden = {EXTENSIONS.encode(), VERSION_HEADER.encode()}
            scope = {**scope, "headers": [each for each in scope["headers"] if each[0] not in hidden]}
        document = _parsed(body)
        where = document.get("where")
        if "misreads" in traits and isinstance(where, (dict, list)):
            if _fails(where):
                return reply(500, {"statusCode": 500, "message": "Neo4j database error occurred"})
            if _is_misread(where):
                document["where"] = NOTHING
        if "widens" in traits and (method, path) == ("POST", "/records/delete") and not where:
            document = {"where": EVERYTHING}
        if "needs" in traits and path == "/ai/search":
            document.setdefault("sourceType", "managed")
            document.setdefault("similarityFunction", "cosine")
            if isinstance(document.get("labels"), list):
                document["labels"] = document["labels"][:1]
        found = await self._carried_out(scope, orjson.dumps(document) if document else body)
        if 200 <= found.status < 300:
            await self._lose_vectors(method, path, document, found, traits)
        return self._changed(path, where, found, traits)

    def _changed(self, path: str, where: object, found: Reply, traits: frozenset[str]) -> Reply:
        if "stats_zero" in traits and path.endswith("/stats") and found.status == 404:
            return reply(200, {"data": {"totalRecords": 0, "indexedRecords": 0}, "success": True})
        if "approximate" in traits and path == "/ai/search" and found.status == 200 and not where:
            return reply(200, {"data": [], "success": True})
        if "plain" in traits:
            kept = [each for each in found.headers if each[0] != EXTENSIONS.encode()]
            found = found._replace(headers=kept, status=403 if found.status == 401 else found.status)
        return found

    async def _lose_vectors(
        self, method: str, path: str, document: dict[str, Any], found: Reply, traits: frozenset[str]
    ) -> None:
        if method not in ("POST", "PUT", "PATCH") or not path.startswith("/records"):
            return
        if path in ("/records/search", "/records/delete", "/records/vectors"):
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
