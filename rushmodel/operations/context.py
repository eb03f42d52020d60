"""What operations know of the database they run on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from ..errors import ConfigurationError
from ..instance import Instance, state_of
from ..port import Signature
from .journal import NO_TRANSACTION, Journal, Remembering


class Context:
    """Settings of one `Database`, and what it has seen.

    ``place`` tells stores apart: a URL, or for a store in memory a name of its own. ``scope`` are the
    models given to `connect()` (None: all concrete ones). ``prepared`` are those whose policies and
    property indexes have been looked after here. ``switched`` are migrations that are known to be over;
    ``former`` the policies of what fields were before, ``absent`` those of them that are known to be gone.
    ``journal`` is that of a transaction.
    """

    def __init__(
        self,
        *,
        place: str = "",
        autosync: bool = True,
        exact: bool = True,
        scope: tuple[type[Any], ...] | None = None,
    ) -> None:
        self.place = place
        self.autosync = autosync
        self.exact = exact
        self.scope = scope
        self.prepared: set[type[Any]] = set()
        self.switched: set[str] = set()
        self.absent: set[Signature] = set()
        self.former: set[Signature] = set()
        self.journal: Journal | None = None

    def inside(self) -> Context:
        """The same for a transaction: what it prepares and changes can be undone."""
        made = Context(place=self.place, autosync=self.autosync, exact=self.exact, scope=self.scope)
        made.prepared = set(self.prepared)
        made.switched, made.absent, made.former = set(self.switched), set(self.absent), set(self.former)
        made.journal = Journal()
        return made

    def remembering(self, record: Instance) -> AbstractContextManager[None]:
        """``with context.remembering(record):`` goes around what changes an instance after an answer."""
        return NO_TRANSACTION if self.journal is None else Remembering(self.journal, record)

    def check_place(self, record: Instance) -> None:
        """Refuse a record of another store: its id means nothing here.

        Raises:
            ConfigurationError: It was read from, or saved to, another store.
        """
        place = state_of(record).place
        if place is not None and place != self.place:
            raise ConfigurationError(
                f"this {type(record).__name__} belongs to {place}, and the current database is {self.place}: "
                "select its own with `with db:`, or clone() it to save it here"
            )
