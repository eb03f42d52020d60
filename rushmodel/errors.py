"""Every error this library raises, as one tree.

    RushModelError
    ├── ModelError (TypeError)            a class that cannot be a model
    ├── ConfigurationError                connect() was given something it cannot use
    │   └── NotConnected                  a verb ran and no database is selected
    ├── CapabilityError                   this store cannot do that; nothing was sent
    ├── PropertyError (ValueError)        a value that cannot be stored as it is
    ├── VectorError (ValueError)          a vector no policy can hold, or no field has
    │   └── StaleVector                   the text changed and its vector did not
    ├── EmbedderError                     an embedder failed, or its answer makes no sense
    ├── NotLoaded (AttributeError)        the field was left out when the record was read
    │   └── VectorsNotLoaded              the same, for a vector
    ├── NotSaved                          the record has no id yet
    ├── KeyChanged                        a merge key is fixed once the record is saved
    ├── LoadError                         a stored record does not fit its class
    ├── PolicyError                       index policies
    │   ├── PolicyMissing                 no policy of that signature
    │   ├── PolicyExists                  one of that signature is there already
    │   ├── PolicyDrift                   others are there, not the ones the class declares
    │   └── PolicyConflict                the indexed property is not text
    ├── RowError (ValueError)             a row of a file that cannot be read
    ├── QueryError (ValueError)           a query the store cannot understand
    │   ├── AmbiguousSearch               several policies fit, one is needed
    │   └── UnboundedQuery                a delete or update without a condition
    ├── NotFound (LookupError)            no such record
    │   └── RecordGone                    the record was there and has been deleted
    ├── MultipleFound                     one record was asked for, several match
    ├── ConflictError                     somebody else saved the record first
    ├── TransactionError                  transactions
    │   ├── TransactionClosed             it was committed, rolled back, or ended by an error
    │   │   └── TransactionExpired        it took longer than it may; nothing of it was kept
    │   ├── TransactionBusy               it is used elsewhere at this moment, or begun inside another
    │   └── CommitUnknown                 whether the server kept it cannot be told
    ├── BulkError (ExceptionGroup)        records that a bulk save could not write
    └── StoreError                        the file or the server, not the data
        ├── ForeignFile                   it belongs to another program
        ├── NewerFormat                   it was written by a newer rushmodel
        ├── StoreBusy                     kept locked for too long, or a server with too much to do
        ├── StoreClosed                   the database was closed
        ├── StoreTimeout                  no answer in time
        ├── PushIncomplete                after a push the target lacks some of it
        ├── AccessDenied                  the server does not take the token
        └── ServerError                   the server failed, or its answer makes no sense
            └── ServerUnreachable         there is no connection to it

Each carries its data as attributes, and ``status``: what a RushDB server would
answer in its place. The message says what to do next.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import Self

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

if TYPE_CHECKING:
    from collections.abc import Sequence


class RushModelError(Exception):
    """The root of every error raised here.

    Keyword arguments become attributes, so a handler reads ``error.field``
    rather than parsing the message.
    """

    status: ClassVar[int] = 500

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.__dict__.update(details)

    if TYPE_CHECKING:  # the details of each error are documented where it is raised

        def __getattr__(self, name: str) -> Any: ...


class ModelError(RushModelError, TypeError):
    """A class that cannot be a model; the message names class and field."""

    status = 422


class ConfigurationError(RushModelError):
    """`connect()` was given something it cannot use."""

    status = 400


class NotConnected(ConfigurationError):
    """A verb that needs a database ran, and none is selected."""


class CapabilityError(RushModelError):
    """This store cannot do what was asked. Raised before anything is sent."""

    status = 501


class PropertyError(RushModelError, ValueError):
    """A property value (or name) that cannot be stored as it is."""

    status = 422


class VectorError(RushModelError, ValueError):
    """A vector that no policy can hold, or of a length that no field has."""

    status = 422


class StaleVector(VectorError):
    """The indexed text changed and its vector did not (promise 3)."""

    status = 409


class EmbedderError(RushModelError):
    """An embedder failed, or what it returned are no vectors for the texts."""

    status = 502


class NotLoaded(RushModelError, AttributeError):
    """The field was left out when the record was read."""

    status = 409


class VectorsNotLoaded(NotLoaded):
    """The vector was left out when the record was read."""


class NotSaved(RushModelError):
    """The record has no id yet: save it first."""

    status = 409


class KeyChanged(RushModelError):
    """A merge key is fixed once the record is saved; see `rename_key()`."""

    status = 409


class LoadError(RushModelError):
    """A stored record does not fit its class; names record id and field."""

    status = 422


class PolicyError(RushModelError):
    """Something about index policies."""

    status = 409


class PolicyMissing(PolicyError):
    """There is no policy of the signature that was named."""

    status = 404


class PolicyExists(PolicyError):
    """A policy with the same five-field signature exists (guide, "Index signature uniqueness")."""


class PolicyDrift(PolicyError):
    """Label and property have policies, but not the ones the class declares."""


class PolicyConflict(PolicyError):
    """The property to be indexed holds values that are not text (rule R2)."""

    status = 422


class RowError(RushModelError, ValueError):
    """A row of a file, or of a text, that is no such row; ``row`` and ``line`` count from 1."""

    status = 400


class QueryError(RushModelError, ValueError):
    """A query that the store cannot understand."""

    status = 400


class AmbiguousSearch(QueryError):
    """More than one policy fits the vector; `on=` or `similarity=` decides."""

    status = 422


class UnboundedQuery(QueryError):
    """A delete or update on a query without a condition."""


class NotFound(RushModelError, LookupError):
    """No record has that id or key."""

    status = 404


class RecordGone(NotFound):
    """The record this instance was loaded from has been deleted."""


class MultipleFound(RushModelError):
    """One record was asked for and several match."""

    status = 409


class ConflictError(RushModelError):
    """The record was saved by somebody else since it was read."""

    status = 409


class TransactionError(RushModelError):
    """Something about a transaction."""

    status = 409


class TransactionClosed(TransactionError):
    """The transaction was committed, rolled back, or ended by an error: begin another one."""

    status = 404


class TransactionExpired(TransactionClosed):
    """The transaction took longer than it may; it was rolled back. ``seconds``: what it was granted."""


class TransactionBusy(TransactionError):
    """The transaction is used elsewhere at this moment, or was to be begun inside another one."""


class CommitUnknown(TransactionError):
    """Whether a commit was carried out cannot be told. ``record_id``: the record written last."""

    status = 502


class BulkError(RushModelError, ExceptionGroup[Exception]):
    """The records that a bulk save could not write, one exception each.

    ``report`` is the `BulkReport`: what was saved, and each failed item with
    its error.
    """

    status = 422

    def __new__(cls, message: str, exceptions: Sequence[Exception], **details: Any) -> Self:
        return super().__new__(cls, message, exceptions)

    def __init__(self, message: str, exceptions: Sequence[Exception], **details: Any) -> None:
        ExceptionGroup.__init__(self, message, exceptions)
        self.__dict__.update(details)

    def derive(self, excs: Sequence[Exception]) -> BulkError:  # type: ignore[override]
        return BulkError(self.message, excs, **self.__dict__)


class StoreError(RushModelError):
    """The file or the server is the trouble, not the data in it."""


class ForeignFile(StoreError):
    """The file belongs to another program; it was not touched."""

    status = 409


class NewerFormat(StoreError):
    """The file was written by a newer rushmodel; it was not touched."""

    status = 409


class StoreBusy(StoreError):
    """Another process kept the file locked for longer than the timeout, or a server asks to be left alone."""

    status = 503


class StoreClosed(StoreError):
    """The database was closed."""

    status = 503


class PushIncomplete(StoreError):
    """After a push or a pull, the target lacks something; ``differences`` are sentences that say what.

    Calling it again sends what is missing.
    """


class StoreTimeout(StoreError):
    """No answer in time. ``sent``: whether a write may have been carried out all the same."""

    status = 408


class AccessDenied(StoreError):
    """The server does not take the token, or wants one."""

    status = 403


class ServerError(StoreError):
    """The server failed, or answered what makes no sense. ``sent`` as in `StoreTimeout`."""

    status = 502


class ServerUnreachable(ServerError):
    """There is no connection to the server; nothing was sent."""

    status = 503
