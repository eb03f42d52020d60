"""Where imports read from: a path, an open file, or lines that somebody makes."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, TypeAlias, cast

from .errors import QueryError, RowError
from .operations.json_rows import LONGEST_ROW

Source: TypeAlias = "str | os.PathLike[str] | IO[str] | IO[bytes] | Iterable[str] | Iterable[bytes]"

_CHUNK = 2**20
_NO_LINES: tuple[type, ...] = (bytes, bytearray, Mapping)


@contextmanager
def opened(source: Source, what: str) -> Generator[IO[Any] | Iterable[Any], None, None]:
    """The open file or the iterable; a file that is opened here is closed here.

    Raises:
        QueryError: It is neither.
        OSError: There is no such file, or it cannot be read.
    """
    if isinstance(source, str) and ("\n" in source or "\r" in source):
        raise QueryError(f"{what}: a text with line breaks is no path; give io.StringIO(text)", key="source")
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            yield file
    elif hasattr(source, "read") or (hasattr(source, "__iter__") and not isinstance(source, _NO_LINES)):
        yield cast("Iterable[Any]", source)
    else:
        raise QueryError(
            f"{what}: expected a path, an open file or lines, got {type(source).__name__}", key="source"
        )


class Lines:
    """The lines of a source as text, without a byte order mark, however they end.

    A line that is no UTF-8 is `RowError`, and the lines after it can still be read; so is one that is too
    long, where reading ends.
    """

    def __init__(self, source: IO[Any] | Iterable[Any]) -> None:
        read = getattr(source, "readline", None)
        if read is None:
            self._read: Iterator[Any] = iter(cast("Iterable[Any]", source))
        else:
            self._read = iter(lambda: read(LONGEST_ROW + 1), None)
        self._is_file = read is not None
        self._first = True
        self._parts: Iterator[str] = iter(())

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for part in self._parts:
            return part
        raw = next(self._read)
        if not raw and self._is_file:
            self._read = iter(())
            raise StopIteration
        if not isinstance(raw, (str, bytes)):
            raise RowError(f"expected a line of text, got {type(raw).__name__}", row=None)
        if len(raw) > LONGEST_ROW:
            self._read = iter(())
            raise RowError(f"a line has more than {LONGEST_ROW:,} characters", row=None)
        text = self._text(raw)
        if "\r" in text[:-2]:  # lines that end with "\r" alone, as files of old Macs have them
            self._parts = iter(io.StringIO(text, newline=""))
            return next(self._parts)
        return text

    def _text(self, raw: str | bytes) -> str:
        first, self._first = self._first, False
        try:
            text = raw if isinstance(raw, str) else raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RowError(
                f"byte {error.start + 1} of the line, {raw[error.start : error.start + 1]!r}, is no UTF-8;"
                " a file in another encoding is read through open(path, encoding=..., newline='')",
                row=None,
            ) from None
        return text.removeprefix("\ufeff") if first else text


def chunks(source: IO[Any] | Iterable[Any]) -> Iterator[str]:
    """The text of a source, in pieces; `RowError` where it is no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    read = getattr(source, "read", None)
    pieces: Iterable[Any] = cast("Iterable[Any]", source)
    if read is not None:
        pieces = iter(lambda: read(_CHUNK) or None, None)
    first = True
    for piece in pieces:
        try:
            text = piece if isinstance(piece, str) else decoder.decode(piece)
        except UnicodeDecodeError as error:
            raise RowError(f"the file is no UTF-8: {error.reason}", row=None, line=None) from None
        except TypeError:
            raise RowError(f"expected text, got {type(piece).__name__}", row=None, line=None) from None
        if text:
            yield text.removeprefix("\ufeff") if first else text
            first = False
    if decoder.getstate()[0]:
        raise RowError("the file ends inside of a character: it was cut off", row=None, line=None)
