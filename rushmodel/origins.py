"""Origins: the stored property that says of which text, and by which embedder, a vector was made.

It is the text's property with two underscores and six hexadecimal digits, which stand for the embedder and
the policies of its vectors: while one embedder takes the place of another, both have their own. Its value is
``<name>@<version> <digest>``, or ``given <digest>`` for a vector that was given by hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

GIVEN = "given"
"""Stands where an embedder's name would, for a vector that was given by hand."""

_SEPARATOR = "__"
_DIGITS = 16
"""Hexadecimal digits of a text's digest: 64 bits."""
_HEXADECIMAL = frozenset("0123456789abcdef")


def origin_property(text_property: str, maker: str, dims: int, similarities: Iterable[str]) -> str:
    """The name of the property, for an embedder's ``<name>@<version>``."""
    named = " ".join((maker, str(dims), *sorted(similarities)))
    mark = hashlib.sha256(named.encode()).hexdigest()[:6]
    return f"{text_property}{_SEPARATOR}{mark}"


def origin_of(text: str, maker: str) -> str:
    """The value of the property: who made the vector, and a digest of the text."""
    return f"{maker} {_digest(text.encode())}"


def is_unmade(text: bytes, origin: object, maker: str) -> bool:
    """Whether an origin is not that of a vector of this text (UTF-8), made by hand or by the embedder."""
    if not isinstance(origin, str):
        return True
    made_by, _, digest = origin.rpartition(" ")
    return made_by not in (maker, GIVEN) or digest != _digest(text)


def is_origin_property(name: str, value: object) -> bool:
    """Whether a stored property looks like an origin, which is no property of the user's."""
    text, separator, mark = name.rpartition(_SEPARATOR)
    if not (text and separator and len(mark) == 6 and _HEXADECIMAL.issuperset(mark)):
        return False
    if not isinstance(value, str):
        return False
    maker, _, digest = value.rpartition(" ")
    named = maker == GIVEN or "@" in maker
    return named and len(digest) == _DIGITS and _HEXADECIMAL.issuperset(digest)


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:_DIGITS]
