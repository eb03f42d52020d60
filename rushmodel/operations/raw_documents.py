"""The dicts that RushDB's own methods take, read key by key.

Everything that is wrong with one is said by its key, with what was given and
what was expected, before anything is sent. A key that no one reads is refused
too: a misspelt ``limit`` would be a silent one.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from ..errors import RushModelError

T = TypeVar("T", bound=str)


class Document:
    """A dict that a method was given.

    ``what`` is how messages call it ("indexes.create()"), ``keys`` are the ones it may have;
    ``error`` is raised, with ``key`` and ``status``, for whatever is wrong in it.
    """

    def __init__(
        self, what: str, given: object, keys: Sequence[str], error: type[RushModelError], status: int = 400
    ) -> None:
        self._what = what
        self._error = error
        self._status = status
        if not isinstance(given, Mapping):
            raise error(f"{what} takes a dict with {', '.join(keys)}, got {shown(given)}", status=status)
        self._given = cast("Mapping[object, Any]", given)
        for key in self._given:
            if key not in keys:
                message = f"{what}: unknown key {shown(key)}; there are {', '.join(keys)}"
                raise error(message, key=key, status=status)

    def __contains__(self, key: str) -> bool:
        """Whether the key was given, and not as None."""
        return self._given.get(key) is not None

    def get(self, key: str) -> Any:
        """The value as it was given; None without one."""
        return self._given.get(key)

    def text(self, key: str) -> str:
        """A text that must be there and not be empty."""
        value = self._given.get(key)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "a text that is not empty")
        return value

    def choice(self, key: str, choices: Sequence[T]) -> T | None:
        """One of a few texts; None where the key is absent."""
        value = self._given.get(key)
        if value is None:
            return None
        for choice in choices:
            if value == choice:
                return choice
        raise self.wrong(key, " or ".join(map(repr, choices)))

    def flag(self, key: str, default: bool) -> bool:
        """True or False."""
        value = self._given.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(key, "True or False")
        return value

    def count(self, key: str, default: int, least: int, most: int | None = None) -> int:
        """A whole number from ``least`` to ``most``."""
        value = self._given.get(key)
        if value is None:
            return default
        if (
            not isinstance(value, int)
            or isinstance(value, bool)
            or value < least
            or (most is not None and value > most)
        ):
            upper = f"to {most}" if most is not None else "up"
            raise self.wrong(key, f"a whole number from {least} {upper}")
        return value

    def mapping(self, key: str) -> Mapping[str, Any]:
        """A dict; an empty one where the key is absent."""
        value = self._given.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self.wrong(key, "a dict")
        return cast("Mapping[str, Any]", value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, none of them empty; no texts where the key is absent."""
        value = self._given.get(key)
        if value is None:
            return ()
        if not isinstance(value, (list, tuple)):
            raise self.wrong(key, "a list of texts")
        texts = cast("Sequence[object]", value)
        for text in texts:
            if not isinstance(text, str) or not text:
                raise self.wrong(key, "a list of texts that are not empty", text)
        return tuple(cast("Sequence[str]", texts))

    def wrong(
        self, key: str, expected: str, given: object = ..., *, status: int | None = None
    ) -> RushModelError:
        """The error about a key; ``given`` if it is not the whole value that is wrong."""
        value = self._given.get(key) if given is ... else given
        there = "got nothing" if key not in self._given else f"got {shown(value)}"
        message = f"{self._what}: {key}: expected {expected}, {there}"
        return self._error(message, key=key, status=self._status if status is None else status)


def shown(value: object) -> str:
    """A value as a message may show it: short ones in full, of others the type, of a vector no number."""
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, str):
        return _SHOW.repr(str.__str__(value))
    return type(value).__name__


_SHOW = reprlib.Repr()
_SHOW.maxstring = 60  # an id is 36
