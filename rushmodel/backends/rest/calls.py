"""`Call` and `Answer`: what commands say to a server and hear from it. No I/O.

A command is carried out by a generator that yields calls and is sent their answers, so that it is
written once for `Transport` and `AsyncTransport`.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar, cast

from ...errors import ServerError
from ...value import Value
from ...wire.routes import Route

R = TypeVar("R")

LONGEST_REMARK = 300
"""Characters of a server's message that are shown."""


class Call(Value, eq=False):
    """An HTTP request to make.

    ``body`` is JSON; ``repeatable``: it may be sent again although the first may have been carried
    out; ``version``: the one a record must have (``if-match``); ``what`` names it in messages:
    "save of Article".
    """

    route: Route
    ids: tuple[str, ...] = ()
    body: bytes | None = None
    repeatable: bool = False
    version: int | None = None
    what: str = ""
    grace: float | None = None
    """Seconds it may take although the deadline is over: for what sets a write right that ran out of time."""
    transaction: str | None = None
    """The transaction it belongs to. Any error may end that, so it is sent again only if it never left."""

    @property
    def subject(self) -> str:
        """How messages begin: what it is for, or else method and path."""
        return self.what or f"{self.route.method} {self.route.path}"

    def __repr__(self) -> str:
        size = 0 if self.body is None else len(self.body)
        return f"<Call {self.route.method} {self.route.at(*self.ids)} of {size} bytes: {self.what or '-'}>"


class Answer(Value, eq=False):
    """What a server answered: a 2xx, or a refusal: a 4xx not about the token or the time, or a 501.

    ``document`` is the parsed JSON, None where there was no body; ``extensions``: the server is
    `rushmodel serve`; ``date``: its clock, in seconds since 1970; ``place``: for messages, what was
    asked of which server; ``repeated``: the call was sent before and that may have been carried out,
    so that a "409 exists" or "404 not found" can be its own work.
    """

    status: int
    document: Any = None
    extensions: bool = False
    date: float | None = None
    place: str = ""
    repeated: bool = False

    @property
    def data(self) -> Any:
        """``data`` of the document; `ServerError` where there is none."""
        return self._member("data")

    @property
    def total(self) -> int:
        """``total`` of the document; `ServerError` where there is none."""
        total = self._member("total")
        if type(total) is not int or total < 0:
            raise ServerError(f"{self.place}: the server's answer has no sound 'total'", sent=True)
        return total

    @property
    def remark(self) -> str:
        """The server's message, shortened; "" where it gave none."""
        return remark_of(self.document)

    def _member(self, name: str) -> Any:
        held: object = self.document
        document = cast("dict[str, Any]", held) if isinstance(held, dict) else {}
        if name not in document:
            raise ServerError(f"{self.place}: the server answered {self.status} without {name!r}", sent=True)
        return document[name]

    def __repr__(self) -> str:
        return f"<Answer {self.status} with {'a document' if self.document is not None else 'no document'}>"


Exchange: TypeAlias = Generator[Call, Answer, R]
"""A command, as the calls it takes; `Transport` errors are thrown into it."""


class Deadline:
    """The moment by which a verb must be done, shared by all its commands; None seconds: never."""

    __slots__ = ("_end", "seconds")

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Seconds that are left, below zero once it is over; None without a deadline."""
        return None if self._end is None else self._end - time.monotonic()

    def over(self) -> bool:
        """Whether it is over."""
        return self._end is not None and time.monotonic() >= self._end

    def for_call(self, call: Call) -> Deadline:
        """The one for a call: itself, or what the call is granted beyond it."""
        left = self.left()
        if call.grace is None or left is None or left >= call.grace:
            return self
        return Deadline(call.grace)

    def cut(self, seconds: float) -> float:
        """``seconds``, or what is left where that is less; never below zero."""
        return seconds if self._end is None else max(0.0, min(seconds, self._end - time.monotonic()))

    def allows(self, seconds: float) -> bool:
        """Whether that many seconds are left."""
        return self._end is None or self._end - time.monotonic() >= seconds

    def __repr__(self) -> str:
        left = self.left()
        return "<Deadline never>" if left is None else f"<Deadline in {left:.1f} s>"


def remark_of(document: object) -> str:
    """What a server says of an error: ``message``, a text or a list of texts (R23), in one line."""
    if not isinstance(document, dict):
        return ""
    given = cast("dict[str, object]", document)
    said = given.get("message") or given.get("error") or ""
    parts = cast("list[object]", said) if isinstance(said, list) else [said]
    return shortened("; ".join(str(part) for part in parts))


def shortened(text: str, longest: int = LONGEST_REMARK) -> str:
    """Foreign text for a message: one line of printable characters, cut at ``longest``."""
    line = " ".join(
        "".join(letter if letter.isprintable() else " " for letter in text[: 4 * longest]).split()
    )
    return line if len(line) <= longest else line[:longest] + "..."
