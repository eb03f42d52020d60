"""A record as a document: its properties, and ``__id``, ``__label``, ``__proptypes``."""

from __future__ import annotations

import datetime as dt
from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ..errors import NotSaved, QueryError
from ..operations.raw_documents import shown

if TYPE_CHECKING:
    from .rushdb import RushDB
    from .transactions import TransactionTarget

RecordDocument: TypeAlias = "dict[str, Any]"
"""Properties by name, and ``__id``, ``__label``, ``__proptypes`` (R14), after a search ``__score`` (R10)."""


class RecordData:
    """What a record says of itself, without asking the store; `data` is its document."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data: RecordDocument = data if isinstance(data, dict) else dict(data)

    @property
    def id(self) -> str:
        """The record's id; `NotSaved` where the document has none."""
        record_id = self.data.get("__id")
        if not isinstance(record_id, str):
            raise NotSaved("the document has no __id: it is no stored record")
        return record_id

    @property
    def label(self) -> str:
        return cast("str", self.data["__label"])

    @property
    def proptypes(self) -> dict[str, str]:
        """Each property's type: "string", "number", "boolean" or "datetime"; a list has its elements'."""
        return cast("dict[str, str]", self.data["__proptypes"])

    @property
    def score(self) -> float | None:
        """How near a search found it, 0 to 1 (R10); None elsewhere."""
        return self.data.get("__score")

    @property
    def fields(self) -> dict[str, Any]:
        """The properties alone."""
        return self.get_data()

    @property
    def exists(self) -> bool:
        """Whether the document has an id; the store is not asked."""
        return bool(self.data.get("__id"))

    @property
    def timestamp(self) -> int:
        """When the record was made, in milliseconds since 1970 UTC: ids are UUIDv7."""
        return int(self.id.replace("-", "")[:12], 16)

    @property
    def date(self) -> dt.datetime:
        """When the record was made, in UTC, to the millisecond."""
        return dt.datetime.fromtimestamp(self.timestamp / 1000, dt.timezone.utc)

    def get(self, key: str, default: Any = None) -> Any:
        return self.data.get(key, default)

    def get_data(self, exclude_internal: bool = True) -> dict[str, Any]:
        """A copy of the document; by default without the names that begin with ``__``."""
        if not exclude_internal:
            return dict(self.data)
        return {name: value for name, value in self.data.items() if not name.startswith("__")}

    def to_dict(self, exclude_internal: bool = True) -> dict[str, Any]:
        """As `get_data`."""
        return self.get_data(exclude_internal)

    def keys(self) -> KeysView[str]:
        return self.data.keys()

    def values(self) -> ValuesView[Any]:
        return self.data.values()

    def items(self) -> ItemsView[str, Any]:
        return self.data.items()

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def __contains__(self, key: object) -> bool:
        return key in self.data

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __eq__(self, other: object) -> bool:
        """One record is one id, whatever was read of it and when."""
        if not isinstance(other, RecordData):
            return NotImplemented
        return self is other or (self.exists and other.exists and self.id == other.id)

    def __hash__(self) -> int:
        return hash(self.id) if self.exists else id(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.data.get('__id')!r}, label={self.data.get('__label')!r})"


class Record(RecordData):
    """A record, and the client that changes it; the change is not seen here until it is read again."""

    def __init__(self, client: RushDB, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        self._client = client

    def set(
        self,
        data: Mapping[str, Any],
        label: str | None = None,
        vectors: Sequence[Mapping[str, Any]] | None = None,
        transaction: TransactionTarget | None = None,
    ) -> dict[str, Any]:
        """As ``records.set`` with this record."""
        return self._client.records.set(self, data, label, vectors, transaction)

    def update(
        self,
        data: Mapping[str, Any],
        transaction: TransactionTarget | None = None,
        label: str | None = None,
    ) -> dict[str, Any]:
        """As ``records.update`` with this record."""
        return self._client.records.update(self, data, transaction, label)

    def attach(
        self,
        target: RelationTarget,
        options: Mapping[str, Any] | None = None,
        transaction: TransactionTarget | None = None,
    ) -> dict[str, Any]:
        """As ``records.attach`` with this record as the source."""
        return self._client.records.attach(self, target, options, transaction)

    def detach(
        self,
        target: RelationTarget,
        options: Mapping[str, Any] | None = None,
        transaction: TransactionTarget | None = None,
    ) -> dict[str, Any]:
        """As ``records.detach`` with this record as the source."""
        return self._client.records.detach(self, target, options, transaction)

    def delete(self, transaction: TransactionTarget | None = None) -> dict[str, Any]:
        """As ``records.delete_by_id`` with this record."""
        return self._client.records.delete_by_id(self, transaction)


RecordTarget: TypeAlias = str | RecordData | Mapping[str, Any]
"""What names a record: its id, the record itself, or a dict with ``__id``."""

RelationTarget: TypeAlias = RecordTarget | Sequence[Any]
"""What names the other end of relationships: a `RecordTarget`, or several, as found by a search."""


def target_id(target: object) -> str:
    """The id that a `RecordTarget` names; `QueryError`."""
    if isinstance(target, RecordData):
        return target.id
    named = cast("Mapping[str, object]", target).get("__id") if isinstance(target, Mapping) else target
    if not isinstance(named, str) or not named:
        what = "a dict without __id" if isinstance(target, Mapping) else shown(target)
        raise QueryError(
            f"target: expected a record id, a Record or a dict with __id, got {what}", key="target"
        )
    return named


def target_ids(target: object) -> list[str] | None:
    """The ids that a list of `RecordTarget` names; None where it is no list."""
    if not isinstance(target, (list, tuple)):
        return None
    return [target_id(each) for each in cast("Sequence[object]", target)]


def relation_ids(target: object) -> list[str]:
    """The ids that a `RelationTarget` names; `QueryError`."""
    if isinstance(target, Sequence) and not isinstance(target, (str, bytes)):
        return [target_id(each) for each in cast("Sequence[object]", target)]
    return [target_id(target)]
