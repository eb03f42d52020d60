"""Names and tables: which number stands for a name, and which columns a label's table has.

Labels, property names and relationship types are interned: label 12 has the
table ``r12``, property 34 the column ``p34`` of each table that needs it. No
name ever becomes part of an SQL text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...errors import PropertyError
from .damage import DamagedFile
from .leaves import Column
from .values import well_formed

if TYPE_CHECKING:
    from .rows import Shape

MAX_PROPERTIES = 1900
"""Of one label. SQLite's own limit is 2,000 columns to a table."""

MAX_NAME = 100


class Table:
    """The table of one label, as far as it was read: columns by property, indexes by their properties."""

    __slots__ = ("columns", "indexes", "keywords", "label", "number", "shapes", "sql")

    def __init__(self, label: str, number: int) -> None:
        self.label = label
        self.number = number
        self.sql = f"r{number}"
        self.columns: dict[str, Column] = {}
        self.indexes: set[tuple[str, ...]] = set()
        self.keywords: frozenset[str] = frozenset()
        """The columns of its keyword index; none where it has no index."""
        self.shapes: dict[tuple[str, ...], Shape] = {}
        """Statements by the properties they write."""

    def properties(self, numbers: Iterable[int]) -> frozenset[str]:
        """The names of these of its columns."""
        wanted = set(numbers)
        return frozenset(name for name, column in self.columns.items() if column.name_id in wanted)


class Names:
    """The names and tables of a database, read when first asked for.

    Names are never taken away and tables only grow, so what was read stays
    true until another process adds to it or a transaction is rolled back:
    `forget` then, and everything is read again.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.forget()

    def forget(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._tables: dict[str, Table] = {}
        self._table_numbers: set[int] | None = None
        self._keyword_numbers: set[int] = set()

    def number(self, name: str) -> int | None:
        """The number of a name; None if it was never stored."""
        number = self._numbers.get(name)
        if number is None and well_formed(name):
            found = self._connection.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()
            if found is not None:
                number = self._keep(name, found[0])
        return number

    def name(self, number: int) -> str:
        """The name of a number that is in the file."""
        name = self._names.get(number)
        if name is None:
            found = self._connection.execute("SELECT name FROM names WHERE id = ?", (number,)).fetchone()
            if found is None:
                raise DamagedFile(f"nothing is said of name {number}")
            name = str(found[0])
            self._keep(name, number)
        return name

    def intern(self, name: str) -> int:
        """The number of a name, given now if it has none."""
        number = self.number(name)
        if number is None:
            added = self._connection.execute("INSERT INTO names (name) VALUES (?)", (name,)).lastrowid
            assert added is not None
            number = self._keep(name, added)
        return number

    def table(self, label: str) -> Table | None:
        """A label's table; None if no record ever had the label."""
        table = self._tables.get(label)
        if table is None:
            number = self.number(label)
            if number is not None and number in self._all_tables():
                table = self._load(label, number)
        return table

    def tables(self) -> list[Table]:
        """Every label's table, by the label's number."""
        return [self._tables.get(label) or self._load(label, number) for number, label in self._labels()]

    def create_table(self, label: str, properties: Iterable[str]) -> Table:
        """The table of a label that had none, with columns for these properties."""
        check_label(label)
        names = _check_width(label, 0, list(dict.fromkeys(properties)))
        table = Table(label, self.intern(label))
        numbers = [self.intern(name) for name in names]
        columns = "".join(f", p{number}" for number in numbers)
        self._connection.execute(f"CREATE TABLE {table.sql} (row INTEGER PRIMARY KEY, texts TEXT{columns})")
        self._all_tables().add(table.number)
        self._tables[label] = table
        self._add(table, names, numbers)
        return table

    def add_columns(self, table: Table, properties: Iterable[str]) -> None:
        """Columns for those of the properties that the table lacks."""
        missing = [name for name in dict.fromkeys(properties) if name not in table.columns]
        names = _check_width(table.label, len(table.columns), missing)
        numbers = [self.intern(name) for name in names]
        for number in numbers:
            self._connection.execute(f"ALTER TABLE {table.sql} ADD COLUMN p{number}")
        self._add(table, names, numbers)

    def mark_list(self, table: Table, name: str) -> None:
        """Note that a list is about to be stored in that column: filters have to look into it from now on."""
        column = table.columns[name]
        self._connection.execute(
            "UPDATE columns SET lists = 1 WHERE label = ? AND property = ?", (table.number, column.name_id)
        )
        table.columns[name] = column._replace(lists=True)

    def ensure_index(self, table: Table, properties: tuple[str, ...]) -> None:
        """An index over these properties, in their order, unless it is there."""
        if properties not in table.indexes:
            self.add_columns(table, properties)
            columns = [f"p{table.columns[name].name_id}" for name in dict.fromkeys(properties)]
            index = "_".join([f"i{table.number}", *columns])
            self._connection.execute(
                f"CREATE INDEX IF NOT EXISTS {index} ON {table.sql} ({', '.join(columns)})"
            )
            table.indexes.add(properties)

    def _all_tables(self) -> set[int]:
        if self._table_numbers is None:
            # One of the few places where a name is read from SQL: "r12" back to 12, and "k12", its keywords.
            found = self._connection.execute(
                "SELECT substr(name, 1, 1), substr(name, 2) FROM sqlite_master"
                " WHERE type = 'table' AND name GLOB '[rk][0-9]*' AND name NOT GLOB '*_*'"
            ).fetchall()
            self._table_numbers = {int(number) for kind, number in found if kind == "r"}
            self._keyword_numbers = {int(number) for kind, number in found if kind == "k"}
        return self._table_numbers

    def _labels(self) -> list[tuple[int, str]]:
        return [(number, self.name(number)) for number in sorted(self._all_tables())]

    def _load(self, label: str, number: int) -> Table:
        table = Table(label, number)
        found = self._connection.execute(
            "SELECT n.name, c.lists, n.id FROM columns c JOIN names n ON n.id = c.property"
            " WHERE c.label = ? ORDER BY n.id",
            (number,),
        )
        table.columns = {name: Column(f"t.p{of}", bool(lists), of) for name, lists, of in found}
        if number in self._keyword_numbers:
            columns = self._connection.execute(f"PRAGMA table_info(k{number:d})")
            table.keywords = frozenset(name for _, name, *_ in columns)
        self._tables[label] = table
        return table

    def _add(self, table: Table, names: list[str], numbers: list[int]) -> None:
        self._connection.executemany(
            "INSERT INTO columns (label, property) VALUES (?, ?)",
            [(table.number, number) for number in numbers],
        )
        for name, number in zip(names, numbers, strict=True):
            table.columns[name] = Column(f"t.p{number}", False, number)

    def _keep(self, name: str, number: int) -> int:
        self._numbers[name] = number
        self._names[number] = name
        return number


def check_label(label: str) -> None:
    """`PropertyError` unless records can have that label."""
    if not isinstance(label, str) or not label or "\0" in label or not well_formed(label):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PropertyError(
            f"a label is a text that is not empty, without NUL and lone surrogates, not {label!r:.60}",
            label=label,
        )


def check_name(name: str) -> None:
    """`PropertyError` unless a property can have that name (R27)."""
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PropertyError(f"a property name has 1 to {MAX_NAME} characters: {name!r:.60}", property=name)
    if name.startswith(("$", "__")):
        raise PropertyError(
            f"property names that begin with $ or __ are the store's own: {name!r:.60}", property=name
        )
    if not well_formed(name):
        raise PropertyError(f"a property name cannot hold a lone surrogate: {name!r:.60}", property=name)


def _check_width(label: str, have: int, names: list[str]) -> list[str]:
    for name in names:
        check_name(name)
    if have + len(names) > MAX_PROPERTIES:
        raise PropertyError(
            f"{label} would have {have + len(names)} properties, and a label has at most {MAX_PROPERTIES:,};"
            " keep what has no fixed names in one JSON text",
            label=label,
            property=names[-1],
        )
    return names
