"""`Transactions`: those that clients have open."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ..backends.embedded import AsyncEmbedded, AsyncEmbeddedTransaction
from ..errors import StoreBusy, TransactionClosed, TransactionExpired
from .limits import Limits


class Transactions:
    """The open transactions, by id. One request at a time is carried out in each; others wait.

    The store has room for one, and who begins one may then do nothing for long: so it is begun in the store
    by the first request that belongs to it. That waits for the one before, on a thread of its own. Each is
    rolled back when its time is over.
    """

    def __init__(self, store: AsyncEmbedded, limits: Limits) -> None:
        self._store = store
        self._most = limits.transactions
        self._open: dict[str, _Open] = {}

    def begin(self, seconds: float) -> str:
        """The id of a new one; `StoreBusy` where too many are open."""
        if len(self._open) >= self._most:
            raise StoreBusy(f"{self._most} transactions are open")
        made = _Open(seconds)
        self._open[made.id] = made
        # The store ends it; here it is remembered a little longer, so that who comes late hears why.
        asyncio.get_running_loop().call_later(2 * seconds, self._forget, made.id)
        return made.id

    def find(self, transaction_id: str) -> _Open:
        """The open transaction; `TransactionClosed`, or `TransactionExpired`."""
        found = self._open.get(transaction_id)
        if found is None:
            raise TransactionClosed(
                f"Transaction with ID {transaction_id} not found", transaction_id=transaction_id
            )
        if found.is_late or (found.stored is not None and not found.stored.is_open):
            raise found.over()
        return found

    @asynccontextmanager
    async def use(self, transaction_id: str) -> AsyncGenerator[AsyncEmbeddedTransaction]:
        """The store for one request in the transaction; what the request raises ends it (R22)."""
        async with self.find(transaction_id).turn:
            found = self.find(transaction_id)  # it may be over by now
            try:
                if found.stored is None:
                    found.stored = await self._store.begin(found.left)
                    self.find(transaction_id)  # its client may have given it up while the store was taken
                yield found.stored
            except BaseException:
                await self._undo(found)
                raise

    async def commit(self, transaction_id: str) -> None:
        """Commit; `TransactionClosed`."""
        async with self.find(transaction_id).turn:
            found = self.find(transaction_id)
            self._forget(transaction_id)
            if found.stored is not None:
                await found.stored.commit()

    async def rollback(self, transaction_id: str) -> bool:
        """Roll back; whether it was open. A request that waits for its turn finds it over."""
        found = self._open.get(transaction_id)
        if found is None:
            return False
        await self._undo(found)
        return not found.is_late

    async def _undo(self, found: _Open) -> None:
        """Of one that was forgotten as well: the store may have begun it after that."""
        self._forget(found.id)
        if found.stored is not None:
            await found.stored.rollback()

    def _forget(self, transaction_id: str) -> None:
        self._open.pop(transaction_id, None)


class _Open:
    """A transaction, and whose turn it is to use it. ``stored`` is None until the first request."""

    def __init__(self, seconds: float) -> None:
        self.id = str(uuid.uuid4())
        self.stored: AsyncEmbeddedTransaction | None = None
        self.turn = asyncio.Lock()
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that it may still take."""
        return max(0.001, self._until - time.monotonic())

    @property
    def is_late(self) -> bool:
        """Whether its time is over."""
        return time.monotonic() >= self._until

    def over(self) -> TransactionClosed:
        """The error for using it."""
        if not self.is_late:
            return TransactionClosed(
                f"transaction {self.id} was ended by an error, and nothing of it was kept",
                transaction_id=self.id,
            )
        return TransactionExpired(
            f"transaction {self.id} took longer than the {self._seconds:g} s that it may; "
            "nothing of it was kept",
            transaction_id=self.id,
            seconds=self._seconds,
        )
