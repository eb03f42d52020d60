"""``db.tx``: transactions, which every method takes as ``transaction=``."""

from __future__ import annotations

from types import TracebackType
from typing import TypeAlias, TypeVar

from typing_extensions import Self

from ..errors import CapabilityError, QueryError, TransactionClosed
from ..opening import is_number
from ..operations.raw_documents import shown
from ..port import AsyncBackend, Backend
from ..port import AsyncTransaction as StoredAsyncTransaction
from ..port import Transaction as StoredTransaction

TTL = 55_000.0
"""Milliseconds; what a server grants where nobody says (R22)."""


class Transaction:
    """A transaction, which holds what methods do with it as their ``transaction``.

    ``with`` commits it at the end, or rolls it back where the block raises. Its time runs from the
    beginning; what is not committed by then is rolled back.
    """

    def __init__(self, stored: StoredTransaction) -> None:
        self.stored = stored
        self._done = False

    @property
    def id(self) -> str:
        return self.stored.id

    def commit(self) -> None:
        """Keep what was done.

        Raises:
            TransactionClosed: It was completed before, or an error ended it; `TransactionExpired`.
            CommitUnknown: The server confirmed it, and the record written last is not there.
        """
        _check_new(self._done, self.id)
        self._done = True
        self.stored.commit()

    def rollback(self) -> None:
        """Undo what was done; `TransactionClosed` where it was completed before."""
        _check_new(self._done, self.id)
        self._done = True
        self.stored.rollback()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._done:
            return
        if error is None:
            self.commit()
        else:
            self.rollback()

    def __repr__(self) -> str:
        return f"<Transaction {self.id}{'' if self.stored.is_open else ', over'}>"


class AsyncTransaction:
    """As `Transaction`, awaited."""

    def __init__(self, stored: StoredAsyncTransaction) -> None:
        self.stored = stored
        self._done = False

    @property
    def id(self) -> str:
        return self.stored.id

    async def commit(self) -> None:
        """As `Transaction.commit`."""
        _check_new(self._done, self.id)
        self._done = True
        await self.stored.commit()

    async def rollback(self) -> None:
        """As `Transaction.rollback`."""
        _check_new(self._done, self.id)
        self._done = True
        await self.stored.rollback()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._done:
            return
        if error is None:
            await self.commit()
        else:
            await self.rollback()

    def __repr__(self) -> str:
        return f"<AsyncTransaction {self.id}{'' if self.stored.is_open else ', over'}>"


TransactionTarget: TypeAlias = Transaction | str
"""What names a transaction: it, or its id, of one that was begun in this process."""

AsyncTransactionTarget: TypeAlias = AsyncTransaction | str
"""As `TransactionTarget`."""


class TransactionsAPI:
    """Transactions of a store."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def begin(self, ttl: float | None = None, autocommit: bool = False) -> Transaction:
        """Begin a transaction.

        Args:
            ttl: Milliseconds that it may take; None: 55,000. A server grants 60,000 at most, and 80 % of
                them are used, since it may confirm a commit that comes too late.
            autocommit: Commit when the time is over, which no store here does: `CapabilityError`.
        """
        made = Transaction(self._backend.begin(_seconds(ttl, autocommit)))
        _keep(_known, made)
        return made

    def get(self, transaction: TransactionTarget) -> Transaction:
        """The open transaction with that id; `TransactionClosed`."""
        return _found(_known, transaction)

    def commit(self, transaction: TransactionTarget) -> None:
        """As `Transaction.commit`."""
        _found(_known, transaction).commit()

    def rollback(self, transaction: TransactionTarget) -> None:
        """As `Transaction.rollback`."""
        _found(_known, transaction).rollback()


class AsyncTransactionsAPI:
    """As `TransactionsAPI`."""

    def __init__(self, backend: AsyncBackend) -> None:
        self._backend = backend

    async def begin(self, ttl: float | None = None, autocommit: bool = False) -> AsyncTransaction:
        """As `TransactionsAPI.begin`."""
        made = AsyncTransaction(await self._backend.begin(_seconds(ttl, autocommit)))
        _keep(_async_known, made)
        return made

    async def get(self, transaction: AsyncTransactionTarget) -> AsyncTransaction:
        """As `TransactionsAPI.get`."""
        return _found(_async_known, transaction)

    async def commit(self, transaction: AsyncTransactionTarget) -> None:
        """As `Transaction.commit`."""
        await _found(_async_known, transaction).commit()

    async def rollback(self, transaction: AsyncTransactionTarget) -> None:
        """As `Transaction.rollback`."""
        await _found(_async_known, transaction).rollback()


def within(backend: Backend, transaction: TransactionTarget | None) -> Backend:
    """Where a method works: in a transaction, or straight in the store; `TransactionClosed`."""
    return backend if transaction is None else _found(_known, transaction).stored


def awithin(backend: AsyncBackend, transaction: AsyncTransactionTarget | None) -> AsyncBackend:
    """As `within`."""
    return backend if transaction is None else _found(_async_known, transaction).stored


Handle = TypeVar("Handle", Transaction, AsyncTransaction)

_known: dict[str, Transaction] = {}
_async_known: dict[str, AsyncTransaction] = {}


def _keep(known: dict[str, Handle], made: Handle) -> None:
    for each in [each for each in known.values() if not each.stored.is_open]:
        known.pop(each.id, None)
    known[made.id] = made


def _found(known: dict[str, Handle], transaction: Handle | str) -> Handle:
    if isinstance(transaction, (Transaction, AsyncTransaction)):
        return transaction
    if not isinstance(transaction, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise QueryError(
            f"transaction: expected a transaction or its id, got {shown(transaction)}", key="transaction"
        )
    found = known.get(transaction)
    if found is None:
        raise TransactionClosed(
            f"Transaction with ID {shown(transaction)} not found", transaction_id=transaction
        )
    return found


def _check_new(done: bool, transaction_id: str) -> None:
    if done:
        raise TransactionClosed(
            f"transaction {transaction_id} was completed already: begin another one",
            transaction_id=transaction_id,
        )


def _seconds(ttl: object, autocommit: object) -> float:
    if autocommit:
        raise CapabilityError("autocommit: a transaction that nobody commits is rolled back here")
    given = TTL if ttl is None else ttl
    if not is_number(given) or not 0 < given < 1e12:
        raise QueryError(f"ttl: expected a number of milliseconds above 0, got {shown(ttl)}", key="ttl")
    return given / 1000
