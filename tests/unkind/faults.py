"""The faults of the unkind server: what can be switched on, and which request each strikes."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

TRAITS = (
    "plain",  # no extensions of ours: versions, if-match, /records/vectors (and 403 without a token, R23)
    "forgets",  # PATCH, PUT and rewriting upserts drop the vectors that they do not carry (R6, R15)
    "ignores",  # a vector of a record without the indexed property is dropped silently (R4)
    "approximate",  # a search without a condition finds nothing (R11)
    "misreads",  # $not in lists, field-level $not, __label and __id in where (R25, R26)
    "needs",  # a search without sourceType means managed, of several labels the first is searched (R12, R13)
    "stats_zero",  # statistics of an unknown policy are zeros (R3)
    "widens",  # a deletion without where takes every record of the project (R17), properties are of all
    "loses",  # attaching to unknown ids is silent, and takes the opposite relationship away (R21, R29)
    "hangs",  # what names a transaction that is over gets no answer, its commit a 500 (R22)
)
"""What a RushDB 2.11 server does and `serve` does not: true or false, together ``rushdb``."""

TELLS = "tells"
"""Vectors can be read although it is ``plain``: for tests, which want to see them."""

LIES = "lies"
"""A commit is confirmed, and nothing was kept (R22: it came too late)."""

ALWAYS = {"count": None, "skip": 0, "method": "*", "path": "*"}
"""What every fault of the network takes: how many requests it strikes (None: all of them) after letting
``skip`` pass, of those whose method and path (below ``/api/v1``) match these patterns."""

NETWORK: dict[str, dict[str, Any]] = {
    # answered so, not carried out; ``echo``: the answer repeats the request's headers
    "status": {"code": 503, "retry_after": None, "message": None, "echo": False},
    # carried out, and then: "cut" before the answer, "middle" of it, "silent", or a status answered instead
    "after": {"how": "cut"},
    # the answer's body in so many pieces, with seconds before each
    "slow": {"seconds": 0.1, "pieces": 20},
    # never answered, not carried out
    "silent": {},
    # the connection is closed before the body is read; ``reset``: by RST
    "cut": {"reset": False},
    # answered after so many seconds; another fault may strike the same request
    "latency": {"seconds": 0.02},
    # the page of a proxy, not carried out
    "html": {"code": 502, "echo": False},
    # answered by a redirect, not carried out
    "redirect": {"to": "http://127.0.0.1:1/", "code": 307},
}
"""The faults of the network with their parameters: an object of them, true for the defaults, or a list."""


class FaultError(Exception):
    """A fault that there is not; the message says which there are."""


class Strike:
    """One fault of the network with its parameters, and how often it may still strike."""

    def __init__(self, name: str, given: dict[str, Any]) -> None:
        known = {**ALWAYS, **NETWORK[name]}
        unknown = given.keys() - known.keys()
        if unknown:
            raise FaultError(f"{name} takes {', '.join(known)}; got {', '.join(sorted(unknown))}")
        self.name = name
        self.options = {**known, **given}
        self._skip: int = self.options["skip"]
        self._left: int | None = self.options["count"]

    def __getitem__(self, option: str) -> Any:
        return self.options[option]

    def strikes(self, method: str, path: str) -> bool:
        """Whether this request is struck, which counts."""
        if not (fnmatchcase(method, self["method"]) and fnmatchcase(path, self["path"])):
            return False
        if self._left == 0:
            return False
        if self._skip:
            self._skip -= 1
            return False
        if self._left is not None:
            self._left -= 1
        return True


class Faults:
    """The faults that are switched on."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """None at all."""
        self.traits: frozenset[str] = frozenset()
        self._strikes: dict[str, list[Strike]] = {}

    def switch(self, named: dict[str, Any]) -> None:
        """Switch some; the others stay. Null or false switches off, a list brings several of a kind.

        Raises:
            FaultError: An unknown name, or an unknown parameter; nothing was switched.
        """
        traits, strikes = set(self.traits), dict(self._strikes)
        for name, value in named.items():
            if name in ("rushdb", TELLS, LIES, *TRAITS):
                chosen = set(TRAITS) if name == "rushdb" else {name}
                traits = traits | chosen if value else traits - chosen
            elif name not in NETWORK:
                raise FaultError(
                    f"there is no fault {name!r}, only {', '.join(['rushdb', *TRAITS, *NETWORK])}"
                )
            elif value:
                given = value if isinstance(value, list) else [value]
                strikes[name] = [Strike(name, {} if each is True else each) for each in given]
            else:
                strikes.pop(name, None)
        self.traits, self._strikes = frozenset(traits), strikes

    def document(self) -> dict[str, Any]:
        """What is switched on."""
        traits: dict[str, Any] = dict.fromkeys(sorted(self.traits), True)
        return {**traits, **{name: [each.options for each in held] for name, held in self._strikes.items()}}

    def latency(self, method: str, path: str) -> float:
        """Seconds to wait before all else."""
        held = self._strikes.get("latency", [])
        return sum(float(each["seconds"]) for each in held if each.strikes(method, path))

    def choose(self, method: str, path: str) -> Strike | None:
        """The one that strikes a request: the first that was switched on."""
        for name, held in self._strikes.items():
            for each in held:
                if name != "latency" and each.strikes(method, path):
                    return each
        return None
