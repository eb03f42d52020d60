"""Identifiers out of names that may be anything: ASCII, no keyword, each once in its scope."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable

LONGEST = 60

_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_RUN = re.compile(r"[^A-Za-z0-9]+")


class Scope:
    """The names that are taken in a class or a module."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def is_free(self, name: str) -> bool:
        """Whether ``name`` can be an identifier here as it is.

        ASCII alone: of other letters some look alike, and Python takes some for others (NFKC).
        """
        return (
            name.isascii()
            and name.isidentifier()
            and not name.startswith("_")
            and not keyword.iskeyword(name)
            and len(name) <= LONGEST
            and name not in self._taken
        )

    def take(self, *wanted: str) -> str:
        """The first of the names that is free, else the last one with ``_`` or a number behind it."""
        number, found = 2, next(filter(self.is_free, (*wanted, f"{wanted[-1]}_")), None)
        while found is None:
            candidate = f"{wanted[-1][: LONGEST - 8]}_{number}"
            if self.is_free(candidate):
                found = candidate
            number += 1
        self._taken.add(found)
        return found


def field_name(name: str, fallback: str = "field") -> str:
    """An identifier as attributes have it, after a property, a label or a type: "Born in" is born_in."""
    return _words(name, fallback).lower()


def class_name(label: str) -> str:
    """An identifier as classes have it, after a label: "user profile" is UserProfile."""
    words = _words(_CAPITAL.sub("_", label), "Record")
    return "".join(
        word[0].upper() + (word[1:] if word.isupper() else word[1:].lower()) for word in _split(words)
    )


def _split(words: str) -> list[str]:
    return [word for word in words.split("_") if word]


def _words(name: str, fallback: str) -> str:
    plain = unicodedata.normalize("NFKD", name[: 4 * LONGEST]).encode("ascii", "ignore").decode()
    words = _RUN.sub("_", plain).strip("_")[: LONGEST - 10].strip("_")
    if not words:
        return fallback
    if words[0].isdigit():
        return f"{fallback}_{words}"
    return f"{words}_" if keyword.iskeyword(words) or keyword.iskeyword(words.lower()) else words
