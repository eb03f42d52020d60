"""`Aggregation`: what ``Article.aggregate(...)`` returns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from .aggregates import read_keys
from .arithmetic import Expression, Path
from .current import current_database
from .errors import MultipleFound, NotFound, QueryError
from .expressions import Column, Condition, Order
from .flow import Operation, ask
from .metaclass import schema_of
from .operations.naming import named
from .operations.searching import check_condition
from .port import ExplainQuery, FindRows, RowQuery, Where
from .relationcolumns import alias_of
from .rows import Key, Row, RowLoader
from .value import Value

R = TypeVar("R", bound=Row)
T = TypeVar("T")

Way: TypeAlias = Literal["asc", "desc"]
Group: TypeAlias = "Column[Any, Any] | Expression[Any] | str"


class Aggregation(Value, Generic[R], eq=False):
    """What is computed of the records of one model, as rows of the class ``row``.

    Immutable: every method returns a changed copy. Without `group_by` aggregates are of all
    records together, one row, and other expressions give a row for each record. Nothing is read
    before a terminal: `all`, `first`, `one`, or a ``for`` loop; each has a twin with an ``a`` in front.
    """

    model: type[Any]
    row: type[R]
    select: Mapping[str, Expression[Any]]
    conditions: tuple[Condition[Any], ...] = ()
    groups: tuple[Group, ...] = ()
    orders: tuple[tuple[Column[Any, Any] | str, bool], ...] = ()
    limited: int | None = None
    skipped: int = 0

    # -- builders

    def where(self, *conditions: Condition[Any]) -> Aggregation[R]:
        """Of the records that satisfy all these conditions."""
        schema = schema_of(self.model)
        checked = tuple(check_condition(schema, each) for each in conditions)
        return self.replaced(conditions=(*self.conditions, *checked))

    def group_by(self, *groups: Group) -> Aggregation[R]:
        """A row for every combination of values: of fields, or of keys that are no aggregates, by name.

        A field, also of related records, becomes a key of the row under its own name.
        """
        for each in groups:
            if isinstance(each, (Column, Expression)):
                _check_model(self.model, each.model, repr(each))
                if isinstance(each, Expression) and not _field_of(each):
                    raise QueryError(f"group_by({each!r}): give it a key, and group by that")
            elif each not in self.select:
                raise QueryError(f"group_by({each!r}): {self._known()}")
            elif self.select[each].aggregate is not False:
                raise QueryError(
                    f"group_by({each!r}): {self.select[each]!r} is computed of groups, not of records"
                )
        return self.replaced(groups=(*self.groups, *groups))

    def order_by(self, *orders: Order[Any], **keys: Way) -> Aggregation[R]:
        """Sorted by fields that are grouped by, ``Article.year.asc()``, or by keys, ``total="desc"``."""
        added: list[tuple[Column[Any, Any] | str, bool]] = []
        for each in orders:
            if not isinstance(each, Order):
                raise TypeError(
                    f"order_by() takes Article.year.asc() or total='desc', got {type(each).__name__}"
                )
            column = self._column_of(each)
            added.append((column, each.stored.descending))
        for key, way in keys.items():
            if key not in self.select and key not in self._group_names():
                raise QueryError(f"order_by({key}=...): {self._known()}")
            if way not in ("asc", "desc"):
                raise QueryError(f"order_by({key}=...): 'asc' or 'desc', got {way!r}")
            added.append((key, way == "desc"))
        return self.replaced(orders=(*self.orders, *added))

    def limit(self, count: int) -> Aggregation[R]:
        """At most so many rows."""
        return self.replaced(limited=_whole("limit", count))

    def offset(self, count: int) -> Aggregation[R]:
        """Without the first so many rows."""
        return self.replaced(skipped=_whole("offset", count))

    # -- terminals

    def all(self) -> list[R]:
        """All the rows, as a list."""
        return current_database().run(self._all())

    async def aall(self) -> list[R]:
        """As `all`."""
        return await current_database().arun(self._all())

    def first(self) -> R | None:
        """The first row, or None."""
        return current_database().run(self._first())

    async def afirst(self) -> R | None:
        """As `first`."""
        return await current_database().arun(self._first())

    def one(self) -> R:
        """The only row; `NotFound` without one, `MultipleFound` with more."""
        return current_database().run(self._one())

    async def aone(self) -> R:
        """As `one`."""
        return await current_database().arun(self._one())

    def explain(self) -> str:
        """How the store would compute the rows, as `Query.explain`."""
        return current_database().run(self._explain())

    async def aexplain(self) -> str:
        """As `explain`."""
        return await current_database().arun(self._explain())

    def __iter__(self) -> Iterator[R]:
        return iter(self.all())

    async def __aiter__(self) -> AsyncIterator[R]:
        for row in await self.aall():
            yield row

    # -- operations

    def _all(self) -> Operation[list[R]]:
        loader = RowLoader(self.row, self._keys())
        schema = schema_of(self.model)
        found = yield from named(schema, "aggregate", ask(FindRows(self.stored())))
        return [loader.load(each) for each in found.rows]

    def _first(self) -> Operation[R | None]:
        rows = yield from self.limit(1 if self.limited is None else min(self.limited, 1))._all()
        return rows[0] if rows else None

    def _explain(self) -> Operation[str]:
        return named(schema_of(self.model), "aggregate", ask(ExplainQuery(self.stored())))

    def _one(self) -> Operation[R]:
        rows = yield from self.limit(2 if self.limited is None else min(self.limited, 2))._all()
        if len(rows) > 1:
            raise MultipleFound(
                f"one row of {self.model.__name__}.aggregate() was asked for, and there are more"
            )
        if not rows:
            raise NotFound(f"{self.model.__name__}.aggregate() gives no row", model=self.model)
        return rows[0]

    def stored(self) -> RowQuery:
        """The query, as stores are asked it."""
        schema = schema_of(self.model)
        select = {name: each.document for name, each in self.select.items()}
        groups: list[str] = [
            each if isinstance(each, str) else each.expression().document for each in self.groups
        ]
        if not groups and self._aggregates():
            groups = list(select)  # "group by" what is computed of all: one row
        groups_by_name = self._group_names()
        orders = tuple(
            (self._order_key(column) if isinstance(column, Column) else column, descending)
            for each, descending in self.orders
            for column in [groups_by_name.get(each, each) if isinstance(each, str) else each]
        )
        return RowQuery(
            (schema.concrete_label(),),
            self._where(),
            select,
            tuple(groups),
            orders,
            self.limited,
            self.skipped,
        )

    def _where(self) -> Where:
        computed = [*self.select.values(), *(each for each in self.groups if isinstance(each, Expression))]
        named = _blocks(sorted({path for each in computed for path in each.paths}, key=alias_of))
        conditions = [each.where for each in self.conditions]
        if not conditions:
            return named
        return {"$and": conditions, **named} if named or len(conditions) > 1 else conditions[0]

    def _aggregates(self) -> bool:
        """Whether rows are of many records. A mixture of both needs groups."""
        single = [name for name, each in self.select.items() if each.aggregate is False]
        many = [name for name, each in self.select.items() if each.aggregate]
        if single and many:
            raise QueryError(
                f"{self.model.__name__}.aggregate(): {single[0]} is of single records and {many[0]} of many: "
                f"group by {single[0]!r}, or aggregate it as well"
            )
        return bool(many)

    def _keys(self) -> list[Key]:
        keys = [Key(name, name, each.codec) for name, each in self.select.items()]
        if self.groups:
            by_name = {each for each in self.groups if isinstance(each, str)}
            for name, each in self.select.items():
                if each.aggregate is False and name not in by_name:
                    raise QueryError(
                        f"{self.model.__name__}.aggregate(): {name} is of single records: group by it, too, "
                        "or aggregate it"
                    )
        for group in self.groups:
            if isinstance(group, Expression):
                name = _field_of(group)
                if name in self.select:
                    raise QueryError(
                        f"{group!r} is grouped by and would be a key twice; name the other one anew"
                    )
                keys.append(Key(name, name, group.codec))
            if isinstance(group, Column):
                if group.name in self.select or group.property in self.select:
                    raise QueryError(
                        f"{group!r} is grouped by and would be a key twice; name the other one anew"
                    )
                keys.append(Key(group.name, _key_of(group), group.codec))
        return keys

    def _group_names(self) -> dict[str, Column[Any, Any]]:
        return {each.name: each for each in self.groups if isinstance(each, Column)}

    def _column_of(self, order: Order[Any]) -> Column[Any, Any]:
        _check_model(self.model, order.model, "an order")
        for each in schema_of(self.model).columns.values():
            if isinstance(each, Column) and each.property == order.stored.property:
                return each
        raise QueryError(f"{self.model.__name__}.aggregate() is ordered by fields and keys")

    def _order_key(self, column: Column[Any, Any]) -> str:
        if self.groups and column.property not in {each.property for each in self._group_names().values()}:
            raise QueryError(
                f"rows are grouped, and not by {column!r}: order by what they are grouped by, or a key"
            )
        if not self.groups and self._aggregates():
            raise QueryError(f"there is one row of all records, without {column!r}")
        return _key_of(column)

    def _known(self) -> str:
        return f"{self.model.__name__}.aggregate() has the keys {', '.join(self.select) or 'none'}"


def aggregation_of(
    model: type[Any],
    row: type[R],
    select: Mapping[str, Any],
    conditions: tuple[Condition[Any], ...] = (),
) -> Aggregation[R]:
    """An aggregation over a model.

    Raises:
        QueryError: A key that is no expression, is about another model, or refers to a key that is not there.
    """
    if not (isinstance(row, type) and issubclass(row, Row)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise QueryError(f"{model.__name__}.aggregate() takes a class derived from Row, got {row!r:.60}")
    schema_of(model).concrete_label()
    what = f"{model.__name__}.aggregate()"
    return Aggregation(model, row, read_keys(model, what, select), conditions)


def _blocks(paths: Iterable[Path], at: Path = ()) -> dict[str, Any]:
    """The blocks of a ``where`` that name the records at the ends of these paths, one in another.

    Raises:
        QueryError: Two relations lead to records of one label: one block has one name.
    """
    blocks: dict[str, Any] = {}
    further = [path for path in paths if len(path) > len(at)]
    for spec in dict.fromkeys(path[len(at)] for path in further):
        here = (*at, spec)
        if spec.label in blocks:
            raise QueryError(
                f"an aggregation goes along one relation to {spec.label} at a time, "
                f"and {spec!r} is another one"
            )
        blocks[spec.label] = {
            "$alias": alias_of(here),
            "$relation": {"type": spec.kind, "direction": spec.direction},
            **_blocks([path for path in further if path[: len(here)] == here], here),
        }
    return blocks


def _field_of(expression: Expression[Any]) -> str:
    """The property of an expression that is just a field, of related records; empty for any other."""
    document = expression.document
    return document.partition(".")[2] if isinstance(document, str) else ""


def _check_model(model: type[Any], other: type[Any] | None, what: str) -> None:
    if other is not None and not issubclass(model, other):
        raise QueryError(f"{what}: a field of {other.__name__} says nothing about {model.__name__}")


def _key_of(column: Column[Any, Any]) -> str:
    return "__id" if column.property == "$id" else column.property


def _whole(name: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise QueryError(f"{name} is a whole number from 0, got {value!r}")
    return min(value, 2**60)
