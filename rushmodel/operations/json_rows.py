"""JSON as rows: an object a line, or the objects of one large text, one after the other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, NoReturn

import orjson

from ..errors import RowError
from .raw_documents import shown

LONGEST_ROW = 2**26
"""Characters of one row; what is longer was not meant as one."""


class JsonRow(NamedTuple):
    """A row: an object, and the label that it stood under, or what is wrong with it.

    ``number`` counts the rows from 1 (of JSON Lines, without empty lines); ``line`` is where it begins.
    """

    number: int
    line: int
    value: Any
    label: str | None = None
    error: RowError | None = None


def read_lines(lines: Iterable[str | bytes]) -> Iterator[JsonRow]:
    """The rows of JSON Lines. What is wrong with one leaves the next readable.

    ``lines`` may raise `RowError` for a line that cannot be read, and go on after it.
    """
    number = line = 0
    source = iter(lines)
    while True:
        line += 1
        try:
            text = next(source)
            if not text.strip():
                continue
            number += 1
            yield JsonRow(number, line, loads(text))
        except StopIteration:
            return
        except RowError as error:
            number += 1
            yield _wrong(number, line, str(error))
        except ValueError as error:
            yield _wrong(number, line, f"this is no JSON: {error}")


def loads(text: str | bytes) -> Any:
    """What a JSON text says; `ValueError`. No whole number is rounded."""
    if _LONG_NUMBER.search(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")):
        # orjson makes a float of a whole number past 64 bits: the slower parser tells it as it is.
        try:
            return json.loads(text, parse_constant=_no_constant)
        except RecursionError:
            raise ValueError("it is nested too deep") from None
    return orjson.loads(text)


def read_text(chunks: Iterable[str], *, labelled: bool) -> Iterator[JsonRow]:
    """The rows of one JSON text: an array of objects, or one object, or objects under their labels.

    Only a row at a time is held. With ``labelled`` an object at the top is ``{"LABEL": [...], ...}``,
    else it is the only row.

    Raises:
        RowError: The text is no JSON, or no such JSON: nothing after that place can be read.
    """
    text = _Text(iter(chunks))
    numbers = iter(range(1, 2**62))
    first = text.peek()
    if first == "[":
        yield from _rows_of_array(text, numbers, None)
    elif first == "{" and not labelled:
        yield JsonRow(next(numbers), text.line, text.value())
    elif first == "{":
        yield from _rows_by_label(text, numbers)
    else:
        text.refuse("an array of objects, or an object")
    if text.peek():
        text.refuse("the end")


_LONG_NUMBER = re.compile(rb"[0-9]{17}")
_CHUNK_END = 12
"""Characters at the end of what was read so far that may be the beginning of something longer."""

_SPACE = re.compile(r"[ \t\r\n]*")


def _rows_of_array(text: _Text, numbers: Iterator[int], label: str | None) -> Iterator[JsonRow]:
    text.take("[")
    if text.peek() == "]":
        text.take("]")
        return
    while True:
        text.peek()
        line = text.line
        yield JsonRow(next(numbers), line, text.value(), label)
        if text.peek() == "]":
            text.take("]")
            return
        text.take(",")


def _rows_by_label(text: _Text, numbers: Iterator[int]) -> Iterator[JsonRow]:
    text.take("{")
    if text.peek() == "}":
        text.take("}")
        return
    while True:
        if text.peek() != '"':
            text.refuse("a label in quotes")
        label = text.value()
        text.take(":")
        if text.peek() == "[":
            yield from _rows_of_array(text, numbers, label)
        else:
            line = text.line
            yield JsonRow(next(numbers), line, text.value(), label)
        if text.peek() == "}":
            text.take("}")
            return
        text.take(",")


class _Text:
    """A JSON text that is read as it is needed; what was taken is let go."""

    def __init__(self, chunks: Iterator[str]) -> None:
        self._chunks = chunks
        self._decoder = json.JSONDecoder(parse_constant=_no_constant)
        self._held = ""
        self._at = 0
        self._lines = 1
        self._counted = 0

    @property
    def line(self) -> int:
        """Where the next character stands, from 1."""
        self._lines += self._held.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._lines

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            found = _SPACE.match(self._held, self._at)
            assert found is not None
            self._at = found.end()
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more():
                return ""

    def take(self, letter: str) -> None:
        """Go past a character; `RowError` where another one stands."""
        if self.peek() != letter:
            self.refuse(shown(letter))
        self._at += 1

    def value(self) -> Any:
        """The next value, whatever it is."""
        self.peek()
        value: Any
        while True:
            try:
                value, end = self._decoder.raw_decode(self._held, self._at)
            except json.JSONDecodeError as error:
                # At the end of what was read the rest may still come; anywhere else it is wrong.
                cut_off = error.pos >= len(self._held) - _CHUNK_END or error.msg.startswith("Unterminated")
                if not cut_off or not self._more():
                    reason = "it ends too early: the file was cut off" if cut_off else error.msg
                    self._fail(f"this is no JSON: {reason}", error.pos)
            except ValueError as error:
                self._fail(f"this is no JSON: {error}", self._at)
            except RecursionError:
                self._fail("it is nested too deep", self._at)
            else:
                # A number at the end may go on, but rows are objects.
                if end < len(self._held) or type(value) in (dict, list, str) or not self._more():
                    self._at = end
                    return value

    def refuse(self, expected: str) -> NoReturn:
        """Raise that something else was expected here."""
        there = self.peek()
        found = f"got {shown(there)}" if there else "it ends: the file was cut off"
        self._fail(f"expected {expected}, {found}", self._at)

    def _more(self) -> bool:
        """Read on; False at the end. As much again as is held, or a long row would be read over and over."""
        self._lines, self._counted = self.line, 0
        self._held, self._at = self._held[self._at :], 0
        if len(self._held) > LONGEST_ROW:
            self._fail(f"a row has more than {LONGEST_ROW:,} characters", 0)
        wanted, parts = max(1, len(self._held)), list[str]()
        for chunk in self._chunks:
            parts.append(chunk)
            wanted -= len(chunk)
            if wanted <= 0:
                break
        self._held += "".join(parts)
        return bool(parts)

    def _fail(self, reason: str, at: int) -> NoReturn:
        line = self.line + self._held.count("\n", self._at, at)
        raise RowError(f"line {line}: {reason}", row=None, line=line)


def _wrong(number: int, line: int, reason: str) -> JsonRow:
    error = RowError(f"row {number} (line {line}): {reason}", row=number, line=line)
    return JsonRow(number, line, None, error=error)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON's")
