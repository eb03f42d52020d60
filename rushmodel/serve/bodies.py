"""What a request brings: its body, read within limits and parsed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeGuard

import anyio
import orjson
from starlette.requests import Request

from .limits import Limits
from .refusals import Refusal


async def read_object(request: Request, limits: Limits) -> dict[str, Any]:
    """The JSON object in the body.

    Raises:
        Refusal: 400 for any other JSON, and as `read_body` says.
    """
    body = await read_body(request, limits)
    if not _is_object(body):
        raise Refusal(400, f"{_INVALID} value Expected object, received {_KINDS[type(body)]}")
    return body


async def read_body(request: Request, limits: Limits) -> Any:
    """The JSON in the body, of any kind. Of a key that comes twice, the last value counts.

    Raises:
        Refusal: 400 for no body, for plain text, for what is no JSON (NaN, bytes that are no UTF-8, halves
            of surrogate pairs), and for nesting and lists beyond the limits; 408 for a body that does not
            arrive; 413 for one that is too large; 415 for one that is compressed, or whose content type is
            not JSON or not given.
        ClientDisconnect: The client went away.
    """
    _check_headers(request, limits)
    raw = b""
    # Most bodies are there already: `asyncio.wait_for` would make a task for each.
    with anyio.move_on_after(limits.body_seconds) as patience:
        raw = await _receive(request, limits.body_bytes)
    if patience.cancelled_caught:
        raise Refusal(408, f"the body did not arrive within {limits.body_seconds:g} s")
    kind = _content_type(request)
    if not raw:
        raise Refusal(400, f"{_INVALID} value Required")
    if kind == "text/plain":
        raise Refusal(400, f"{_INVALID} value Expected object, received string")
    if kind != "application/json":
        raise Refusal(415, "Unsupported Media Type: send application/json")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        # What orjson says names the place in the document, and holds nothing of it.
        raise Refusal(400, f"the body is no JSON: {error}") from None
    _check(body, limits)
    return body


_INVALID = "Request validation of body failed, because:"

_KINDS: dict[type, str] = {
    bool: "boolean",
    dict: "object",
    float: "number",
    int: "number",
    list: "array",
    str: "string",
    type(None): "null",
}


def _check_headers(request: Request, limits: Limits) -> None:
    headers = request.headers
    # A small compressed body may become a large one: nothing is unpacked.
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise Refusal(415, "Unsupported Media Type: send the body without a content-encoding")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.body_bytes:
        raise _too_large(limits.body_bytes)
    comes = length not in ("", "0") or "transfer-encoding" in headers
    if comes and not _content_type(request):
        raise Refusal(415, "Unsupported Media Type: send application/json")


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _receive(request: Request, most: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"a body may have {most:,} bytes: send less at a time")


def _check(body: Any, limits: Limits) -> None:
    """Look at every object and list once, level by level, so that whatever reads them may recurse."""
    level: list[Any] = [body] if type(body) in _CONTAINERS else []
    depth = vectors = 0
    while level:
        depth += 1
        if depth > limits.depth:
            raise Refusal(400, f"the body has more than {limits.depth} levels of objects and lists")
        deeper: list[Any] = []
        for each in level:
            values: Iterable[Any] = each
            if _is_object(each):
                values = each.values()
                if not _LISTS.isdisjoint(each):
                    vectors += _check_lists(each, limits)
            # Most of a body is numbers of vectors: they are passed over without a step of Python for each.
            elif list(map(type, each)).count(float) == len(each):
                continue
            if not _CONTAINERS.isdisjoint(map(type, values)):
                deeper += [value for value in values if type(value) in _CONTAINERS]
        level = deeper
    if vectors > limits.vectors:
        raise Refusal(413, f"a request may bring {limits.vectors:,} vectors, got {vectors:,}: send fewer")


_CONTAINERS: frozenset[type] = frozenset({dict, list})
_OPERATORS = ("$in", "$nin")
_VECTORS = ("vectors", "$vectors", "items")
_LISTS = frozenset({*_OPERATORS, *_VECTORS})


def _check_lists(found: dict[str, Any], limits: Limits) -> int:
    """Refuse lists of an operator that are too long; how many vectors lie in this object."""
    for name in _OPERATORS:
        values = found.get(name)
        if _is_list(values) and len(values) > limits.values:
            raise Refusal(400, f"{name} takes {limits.values:,} values, got {len(values):,}")
    vectors = 0
    for name in _VECTORS:
        values = found.get(name)
        if _is_list(values):
            # A property may have that name, too, but its list holds neither lists nor objects with a vector.
            vectors += sum(_is_list(each) or (_is_object(each) and "vector" in each) for each in values)
    return vectors


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return type(value) is dict


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return type(value) is list
