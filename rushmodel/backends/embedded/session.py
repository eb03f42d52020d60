"""A connection with what is known of the database behind it."""

from __future__ import annotations

import sqlite3

from .limits import TimeLimit
from .masks import Masks
from .names import Names
from .policies import Policies


class Session:
    """What a command works with: the connection, the names and tables, the policies.

    Lives as long as its connection. `check` begins every transaction.
    """

    __slots__ = ("_data_version", "connection", "execute", "limit", "masks", "names", "policies", "run")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.execute = connection.execute
        # A save makes half a dozen statements, and a cursor for each is a fifth of their time.
        self.run = connection.cursor().execute
        """As `execute`, on one cursor for all: the answer is to be taken before the next call."""
        self.names = Names(connection)
        self.policies = Policies(connection, self.names)
        self.masks = Masks()
        self.limit: TimeLimit | None = None
        """That of the command that is carried out, for work that SQLite does not do."""
        self._data_version = -1

    def check(self) -> None:
        """Forget what was read, if another connection has committed since.

        Inside a transaction: the pragma then begins the snapshot, so that what
        is read afterwards belongs together.
        """
        version = self.run("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:
            self.forget()
            self._data_version = version

    def renew(self) -> None:
        """Look at what is committed now, in a transaction that has only read."""
        self.run("COMMIT")
        self.run("BEGIN")
        self.check()

    def pause(self) -> None:
        """Called every few milliseconds by work that SQLite does not do; `StoreTimeout`, `Cancelled`."""
        if self.limit is not None:
            self.limit.check()

    def forget(self) -> None:
        """Forget what was read, also for the reason that a transaction was rolled back."""
        self.names.forget()
        self.policies.forget()
        self.masks.forget()
