"""From what came back, or did not, to an `Answer` or a `Failure`."""

from __future__ import annotations

import math
import os
import socket
import ssl
import time
import zlib
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from errno import errorcode
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpcore
import orjson

from ...errors import AccessDenied, ServerError, ServerUnreachable, StoreBusy, StoreError, StoreTimeout
from ...wire.routes import EXTENSIONS
from .calls import Answer, Call, Deadline, remark_of, shortened
from .location import Address, Token
from .retrying import Again, Failure

MOST_CONNECTIONS = 32
LARGEST_ANSWER = 256 << 20
"""Bytes of a body, unpacked."""

LONGEST_QUOTE = 100
"""Characters that are shown of a body that is no JSON."""

TROUBLE = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    OSError,  # httpcore lets some errors of TLS through as they are
)
"""What an exchange with a server may raise."""

_NOTHING_SENT = (
    httpcore.ConnectTimeout,
    httpcore.ConnectError,
    httpcore.PoolTimeout,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


class Unreadable(Exception):
    """A body that cannot be read; the message says why."""


class Body:
    """The body of an answer while it arrives: unpacked as it comes, and never more than `LARGEST_ANSWER`."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        encoding = dict(_lower(headers)).get(b"content-encoding", b"identity").strip().lower()
        if encoding not in (b"identity", b"", b"gzip", b"x-gzip"):
            raise Unreadable("packed in a way that was not asked for")
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding.endswith(b"gzip") else None

    def add(self, piece: bytes) -> None:
        """Take what arrived; `Unreadable` where it is too much or badly packed."""
        if self._unpacker is not None:
            try:
                # A few bytes can unpack to very many: no more of them are made than may be kept.
                piece = self._unpacker.decompress(piece, LARGEST_ANSWER - self._size + 1)
            except zlib.error:
                raise Unreadable("badly packed") from None
        self._size += len(piece)
        if self._size > LARGEST_ANSWER:
            self._pieces.clear()
            raise Unreadable(f"larger than {LARGEST_ANSWER >> 20} MiB")
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """All of it, once the last piece arrived."""
        if self._unpacker is not None and self._pieces and not self._unpacker.eof:
            raise Unreadable("badly packed")
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


class Reader:
    """Makes answers, and errors that say what was asked of whom."""

    def __init__(self, address: Address, token: Token) -> None:
        self._address = address
        self._token = token

    def answer(
        self, call: Call, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes, *, repeated: bool
    ) -> Answer:
        """The answer in a response; `Failure` where it is none that commands could use."""
        told = dict(_lower(headers))
        # Some servers and proxies repeat the request when they refuse it.
        said = self._token.hidden_in(body) if status >= 300 else body
        date = _seconds(told.get(b"date"))
        document, text = _parsed(said)
        usable = 200 <= status < 300 or 400 <= status < 500 or status == 501
        if status in (401, 403, 408, 429) or not usable:
            raise self._refusal(call, status, told, document, text, date)
        if text:
            raise self.nonsense(call, status, f"no JSON: {text}")
        extensions = EXTENSIONS.encode() in told
        return Answer(status, document, extensions, date, self._asked(call), repeated)

    def nonsense(self, call: Call, status: int, problem: str) -> Failure:
        """For an answer whose body cannot be read."""
        details = {"status": status} if status >= 300 else {}
        message = f"{call.subject}: the server answered {status}, and the body is {problem}"
        refused = 400 <= status < 500
        return self._failure(ServerError, call, message, Again.NEVER, sent=not refused, **details)

    def late(self, call: Call, deadline: Deadline, *, sent: bool) -> Failure:
        """For a verb whose time is up."""
        message = f"{call.subject}: not done within the {deadline.seconds:g} seconds that it may take"
        return self._failure(StoreTimeout, call, message, Again.NEVER, sent=sent)

    def failed(self, call: Call, deadline: Deadline, error: Exception) -> Failure:
        """For an exchange that ended with an error of `TROUBLE`."""
        sent = not isinstance(error, _NOTHING_SENT)
        if deadline.over() and isinstance(error, httpcore.TimeoutException):
            return self.late(call, deadline, sent=sent)
        if isinstance(error, httpcore.PoolTimeout):
            message = f"{call.subject}: all {MOST_CONNECTIONS} connections to the server are in use"
            return self._failure(StoreTimeout, call, message, Again.NEVER, sent=False)
        reason = shortened(reason_of(error), LONGEST_QUOTE)
        if not sent:
            again = Again.NEVER if is_distrust(error) else Again.ALWAYS
            message = f"{call.subject}: no connection to {self._address.place}: {reason}"
            return self._failure(ServerUnreachable, call, message, again, sent=False)
        if isinstance(error, httpcore.TimeoutException):
            message = f"{call.subject}: the server did not answer in time; it may do it all the same"
            return self._failure(StoreTimeout, call, message, Again.NEVER, sent=True)
        message = f"{call.subject}: the connection was cut before the answer was there: {reason}"
        return self._failure(ServerError, call, message, Again.REPEATABLE, sent=True)

    def _refusal(
        self,
        call: Call,
        status: int,
        told: dict[bytes, bytes],
        document: object,
        text: str,
        date: float | None,
    ) -> Failure:
        """For a status that is no matter of the command's."""
        said = remark_of(document) or text
        message = f"{call.subject}: the server answered {status} {f'({said})' if said else 'without a word'}"
        kind: type[StoreError] = ServerError
        again, wait, sent = Again.NEVER, None, True
        if 300 <= status < 400:
            message = f"{call.subject}: {self._elsewhere(status, told.get(b'location'))}"
        elif status in (401, 403):
            kind, sent = AccessDenied, False
            message += "; is the token the right one for this server? It is given by token= or RUSHDB_API_KEY"
        elif status == 408:
            kind = StoreTimeout
        elif status in (429, 503):
            kind, sent = StoreBusy, status == 503
            again = Again.REPEATABLE if sent else Again.ALWAYS
            wait = _pause(told.get(b"retry-after"), date)
        elif status in (502, 504):
            again = Again.REPEATABLE
        details: dict[str, Any] = {"status": status, "server_message": said}
        if kind is StoreBusy:
            details["retry_after"] = wait
        return self._failure(kind, call, message, again, wait, sent=sent, **details)

    def _elsewhere(self, status: int, location: bytes | None) -> str:
        """What to do about a redirect; only the host is named, as the rest may hold anything."""
        try:
            to = urlsplit((location or b"").decode("ascii"))
            host = to.hostname or self._address.host
            target = f"{to.scheme or self._address.scheme}://{shortened(host, LONGEST_QUOTE)}"
        except ValueError:
            target = "another place"
        return (
            f"the server answered {status} and sends on to {target}, where the token was not sent; "
            "if that is right, connect to that URL"
        )

    def _failure(
        self,
        kind: type[StoreError],
        call: Call,
        message: str,
        again: Again,
        wait: float | None = None,
        **details: Any,
    ) -> Failure:
        return Failure(kind(f"{message} [{self._asked(call)}]", doing=call.what, **details), again, wait)

    def _asked(self, call: Call) -> str:
        return f"{call.route.method} {self._address.url}{call.route.at(*call.ids)}"


def _lower(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    return ((name.lower(), value) for name, value in headers)


def _parsed(body: bytes) -> tuple[Any, str]:
    """The document in a body and ""; or None and the beginning of a text that is no JSON."""
    if not body:
        return None, ""
    try:
        return orjson.loads(body), ""
    except orjson.JSONDecodeError:
        text = body[: 8 * LONGEST_QUOTE].decode("utf-8", "replace")
        return None, shortened(text, LONGEST_QUOTE) or "unprintable"


@lru_cache(maxsize=8)
def _seconds(date: bytes | None) -> float | None:
    """An HTTP date, in seconds since 1970; None where it is none. A second has many answers."""
    try:
        return parsedate_to_datetime((date or b"").decode("ascii")).timestamp()
    except (ValueError, OverflowError):
        return None


def _pause(retry_after: bytes | None, date: float | None) -> float | None:
    """The seconds that ``retry-after`` asks for: a number, or a date by the server's own clock."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        moment = _seconds(retry_after)
        if moment is None:
            return None
        seconds = moment - (time.time() if date is None else date)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def reason_of(error: BaseException) -> str:
    """The plainest words for why there is no connection: those of the operating system, if any."""
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message})"
        # asyncio says "Connect call failed" of all there is: the number knows more. Those of TLS and
        # of the resolver are none of the operating system's.
        if isinstance(cause, OSError) and cause.strerror:
            ours = not isinstance(cause, (ssl.SSLError, socket.gaierror)) and cause.errno in errorcode
            return os.strerror(cause.errno or 0) if ours else cause.strerror
    return str(error) or type(error).__name__


def is_distrust(error: BaseException) -> bool:
    """Whether the server could not show who it is, which another try would not change."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _chain(error))


def _chain(error: BaseException) -> Iterable[BaseException]:
    """An error and those it came from; httpcore raises "from None", which leaves the context only."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        several = getattr(cause, "exceptions", None)  # one for each address of the host
        cause = several[0] if several else cause.__cause__ or cause.__context__
