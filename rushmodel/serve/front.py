"""`Front`: what an endpoint works with, and what it reads of a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar, cast

from starlette.requests import Request
from starlette.responses import Response

from ..backends.embedded import AsyncEmbedded, AsyncEmbeddedTransaction
from ..codecs import LARGEST_INT
from ..flow import Operation, arun
from ..operations.raw_options import UNIQUE_BY, Caller
from ..value import Value
from ..wire.routes import EXTENSIONS, TRANSACTION_HEADER, VERSION_HEADER
from .bodies import read_object
from .limits import Limits
from .open_transactions import Transactions
from .refusals import Refusal

R = TypeVar("R")
Body: TypeAlias = "dict[str, Any]"


class Front(Value, eq=False):
    """The store, whose operations run one at a time, each as a whole, the limits, and open transactions.

    For a request that belongs to a transaction, ``store`` is that.
    """

    store: AsyncEmbedded | AsyncEmbeddedTransaction
    limits: Limits
    transactions: Transactions

    async def run(self, operation: Operation[R]) -> R:
        """Carry an operation out; its errors."""
        return await arun(self.store, operation)

    async def body(self, request: Request) -> Body:
        """The object that the request brings; `Refusal`."""
        return await read_object(request, self.limits)


Handler: TypeAlias = Callable[[Front, Request], Awaitable[Response]]
"""An endpoint. A `Refusal` or an error of this package that it raises is answered as one."""


def kept(body: object, keys: Sequence[str]) -> Any:
    """An object without the keys that no one reads: a server passes them over. What is no object stays."""
    if not isinstance(body, dict):
        return body
    given = cast("Body", body)
    return {key: given[key] for key in keys if key in given}


def kept_options(request: Request, body: Body, keys: Sequence[str]) -> Any:
    """``options`` of a body, as `kept`, with what extended clients may say."""
    return kept(body.get("options"), (*keys, UNIQUE_BY) if extended(request) else keys)


def check_skip(body: Body) -> None:
    """Refuse to skip more records than a store can number; `Refusal`."""
    skip = body.get("skip")
    if isinstance(skip, int) and skip > LARGEST_INT:
        raise Refusal(400, f"skip: expected at most {LARGEST_INT}, got {skip}")


def extended(request: Request) -> bool:
    """Whether the client understands what `serve` can do and RushDB cannot."""
    return request.headers.get(EXTENSIONS) == "1"


def transaction_named(request: Request) -> str | None:
    """The id of the transaction that a request belongs to."""
    return request.headers.get(TRANSACTION_HEADER) or None


def caller_of(request: Request) -> Caller:
    """Who asks, for operations."""
    return Caller(rest=True, extended=extended(request))


def expected_version(request: Request) -> int | None:
    """The version that a record must still be at; `Refusal` where it is no number."""
    given = request.headers.get(VERSION_HEADER)
    if given is None:
        return None
    text = given.strip().strip('"')
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Refusal(400, f"{VERSION_HEADER}: expected the __version of a record, a whole number")
    return int(text)
