"""Conditions that are given as JSON: a filter document of RushDB's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NoReturn, cast

from ..codecs import encode_text
from ..errors import QueryError
from .text import DEEPEST


def read_document(text: str) -> dict[str, Any]:
    """A filter document; `QueryError` where it is no JSON, or says something twice.

    What it may say is the store's to know, and is refused there.
    """
    try:
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        column = error.pos + 1
        raise QueryError(f"column {column}: this is no JSON: {error.msg}", text=text, column=column) from None
    except QueryError as error:
        raise QueryError(str(error), text=text) from None
    except (ValueError, RecursionError):  # of a number with thousands of digits, of thousands of brackets
        raise QueryError("this is no JSON that can be read", text=text) from None
    _check(document, text, 1)
    return cast("dict[str, Any]", document)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise QueryError(f"an object has {json.dumps(twice)} twice, and one would be ignored")
    return found


def _no_constant(name: str) -> NoReturn:
    raise QueryError(f"{name} is no JSON")


def _check(value: Any, text: str, depth: int) -> None:
    if depth > DEEPEST:
        raise QueryError(f"the document has more than {DEEPEST} levels", text=text)
    if isinstance(value, dict):
        for name, each in cast("dict[str, Any]", value).items():
            _check(name, text, depth)
            _check(each, text, depth + 1)
    elif isinstance(value, list):
        for each in cast("list[Any]", value):
            _check(each, text, depth + 1)
    elif isinstance(value, str):
        try:
            encode_text(value)
        except ValueError as error:
            raise QueryError(str(error), text=text) from None
