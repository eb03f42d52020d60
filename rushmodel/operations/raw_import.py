"""Creating records as RushDB's client does: one, many, upserted, or from nested JSON."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from ..errors import PropertyError, QueryError
from ..flow import Operation, ask
from ..port import ImportRecords, ImportRow, InlineVector, StoredRecord, StoredValue
from .csv_rows import typed
from .raw_documents import shown
from .raw_options import (
    CLIENT,
    JSON_OPTIONS,
    RECORD_OPTIONS,
    ROWS_OPTIONS,
    Caller,
    WriteOptions,
    read_options,
)
from .raw_values import as_texts, entries, is_empty, read_data, read_value, read_vectors

VECTORS = "$vectors"
"""Where a row of an import holds its inline vectors (R5)."""

MOST_LEVELS = 100


def create(
    label: object,
    data: object,
    options: object,
    vectors: object,
    caller: Caller = CLIENT,
    texts: frozenset[str] = frozenset(),
) -> Operation[StoredRecord]:
    """One record; with ``mergeBy`` among the options, an upsert.

    ``texts`` names properties that are strings even where they look like a datetime (R14).

    Raises:
        QueryError: No label, an unknown option.
        PropertyError: No property at all (R15), or one that cannot be stored as it is.
        VectorError, PolicyMissing, AmbiguousSearch: A vector without one policy that can hold it (R5).
    """
    chosen = read_options(options, "create()", RECORD_OPTIONS, caller=caller)
    return (yield from _write_one(label, data, vectors, chosen, "create()", caller, texts))


def upsert(data: object, label: object, options: object, vectors: object) -> Operation[StoredRecord]:
    """The record that has the values of ``mergeBy``, changed, or a new one; errors as for `create`.

    Where several have them all are changed (R18) and the oldest is the answer.
    """
    chosen = read_options(options, "upsert()", RECORD_OPTIONS, merges=True)
    return (yield from _write_one(label, data, vectors, chosen, "upsert()"))


def create_many(
    label: object, data: object, options: object, vectors: object
) -> Operation[list[StoredRecord]]:
    """Flat rows, all or none; ``vectors[i]`` are those of ``data[i]``, None or nothing for no vectors.

    Raises:
        QueryError: More ``vectors`` than rows; errors of `create` otherwise.
    """
    chosen = read_options(options, "create_many()", ROWS_OPTIONS)
    name = chosen.label(labelled(label, "create_many()"))
    rows = _sequence(data, "create_many(): data", "a list of dicts")
    given = _sequence(() if vectors is None else vectors, "create_many(): vectors", "a list, one item a row")
    if len(given) > len(rows):
        raise QueryError(
            f"create_many(): vectors: {len(given)} were given for {len(rows)} rows", key="vectors"
        )
    made: list[ImportRow] = []
    for index, row in enumerate(rows):
        place = f"data[{index}]"
        properties = _not_nothing(read_data(row, place, skip_empty=chosen.skip_empty), place)
        inline = read_vectors(given[index], f"vectors[{index}]") if index < len(given) else ()
        made.append(_row(name, properties, inline, chosen))
    return (yield from write_rows(made, chosen))


def import_json(
    data: object, label: object, options: object, caller: Caller = CLIENT
) -> Operation[list[StoredRecord]]:
    """Nested JSON as related records (R19): parents before children, level by level.

    An object in an object is a child whose label is the key, a list of objects several; an object
    without any value is none. ``$vectors`` in any of them are its inline vectors. Without a
    label, the one key of ``data`` is it; on REST there may be several, and options that do not ask
    for types store texts (R14).

    Raises:
        QueryError: No label, an unknown option, data that is neither an object nor a list of them.
        PropertyError: By path: a value that cannot be stored as it is, a record with children and
            no property of its own.
        VectorError, PolicyMissing, AmbiguousSearch: As for `create`.
    """
    types = options is None or not caller.rest
    chosen = read_options(options, "import_json()", JSON_OPTIONS, types=types, caller=caller)
    name = None if label is None else labelled(label, "import_json()")
    roots = _roots(data, name, several=caller.rest)
    return (yield from write_rows(list(_flatten(roots, chosen, caller)), chosen))


def rows_of(given: object, label: str, options: WriteOptions, path: str) -> list[ImportRow]:
    """The rows of one object with its children; none where it says nothing. Errors of `import_json`."""
    return list(_flatten([_Node(label, given, None, path, 0)], options, CLIENT))


class _Node(NamedTuple):
    """An object of the tree that is still to be read; ``path`` is for messages."""

    label: str
    given: object
    parent: int | None
    path: str
    level: int


def _roots(data: object, label: str | None, *, several: bool) -> Iterator[_Node]:
    """The objects at the top, each with its label."""
    if label is None:
        for name, held in _labelled(data, several):
            yield from _nodes_of(name, held, f"data.{name}")
    else:
        yield from _nodes_of(label, data, "data")


def _nodes_of(label: str, data: object, path: str) -> Iterator[_Node]:
    if isinstance(data, Mapping):
        yield _Node(label, cast("object", data), None, path, 0)
    else:
        rows = _sequence(data, f"import_json(): {path}", "a dict or a list of dicts")
        yield from (_Node(label, row, None, f"{path}[{index}]", 0) for index, row in enumerate(rows))


def _labelled(data: object, several: bool) -> list[tuple[str, object]]:
    """Labels and what they hold, of data that comes without a label."""
    found = list(cast("Mapping[object, object]", data).items()) if isinstance(data, Mapping) else []
    if len(found) == 1 or several:
        named = [(labelled(name, "import_json()"), held) for name, held in found]
        if named and all(isinstance(held, (Mapping, list, tuple)) for _, held in named):
            return named
    raise QueryError(
        "import_json(): label: expected a text, or data with one key that is the label, as in"
        ' {"ITEM": [...]}',
        key="label",
    )


def _flatten(roots: Iterable[_Node], options: WriteOptions, caller: Caller) -> Iterator[ImportRow]:
    """The rows of a tree, breadth first."""
    waiting = deque(roots)
    made = 0
    while waiting:
        node = waiting.popleft()
        properties, vectors, children = _read_node(node, made, options, caller)
        if not properties and not vectors and not _says_anything(children, options, caller):
            continue  # an object that says nothing, as ``{}`` or ``{"a": None}``
        _not_nothing(properties, node.path, caller)
        yield _row(options.label(node.label), properties, vectors, options, node.parent)
        waiting.extend(children)
        made += 1


def _read_node(
    node: _Node, number: int, options: WriteOptions, caller: Caller
) -> tuple[dict[str, StoredValue], tuple[InlineVector, ...], list[_Node]]:
    """Properties, vectors and children of the object that becomes row ``number``."""
    if node.level > MOST_LEVELS:
        raise QueryError(f"import_json(): data is nested deeper than {MOST_LEVELS} levels, or holds itself")
    properties: dict[str, StoredValue] = {}
    vectors: tuple[InlineVector, ...] = ()
    children: list[_Node] = []
    for name, value in entries(node.given, node.path):
        if name == VECTORS:
            vectors = read_vectors(value, f"{node.path}.{VECTORS}", caller)
        elif isinstance(value, Mapping):
            children.append(_child(node, name, cast("object", value), "", number))
        elif _holds_objects(value):
            items = cast("Sequence[object]", value)
            children.extend(
                _child(node, name, item, f"[{index}]", number) for index, item in enumerate(items)
            )
        elif value is not None and not (options.skip_empty and is_empty(value)):
            stored = read_value(name, value, node.path, skip_empty=options.skip_empty)
            properties[name] = _numeric(stored) if options.numbers else stored
    return properties, vectors, children


def _numeric(value: StoredValue) -> StoredValue:
    """Texts that are written as numbers as such; of a list, where all are."""
    if isinstance(value, str):
        number = typed(value) if value else value
        return value if isinstance(number, bool) else number
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        items = [_numeric(item) for item in value]
        return value if any(isinstance(item, str) for item in items) else cast("StoredValue", items)
    return value


def _child(node: _Node, name: object, given: object, index: str, parent: int) -> _Node:
    if not isinstance(name, str) or not name or name.startswith(("$", "__")):
        raise PropertyError(
            f"{node.path}: the key of an object is its label, which does not begin with '$' or '__',"
            f" got {shown(name)}"
        )
    return _Node(name, given, parent, f"{node.path}.{name}{index}", node.level + 1)


def _says_anything(nodes: Sequence[_Node], options: WriteOptions, caller: Caller) -> bool:
    """Whether anything under these would be stored."""
    waiting = list(nodes)
    while waiting:
        properties, vectors, children = _read_node(waiting.pop(), 0, options, caller)
        if properties or vectors:
            return True
        waiting.extend(children)
    return False


def _holds_objects(value: object) -> bool:
    return isinstance(value, (list, tuple)) and any(
        isinstance(item, Mapping) for item in cast("Sequence[object]", value)
    )


def _write_one(
    label: object,
    data: object,
    vectors: object,
    options: WriteOptions,
    what: str,
    caller: Caller = CLIENT,
    texts: frozenset[str] = frozenset(),
) -> Operation[StoredRecord]:
    name = labelled(label, what)
    properties = _not_nothing(read_data(data, "data", skip_empty=options.skip_empty), "data", caller)
    row = _row(name, properties, read_vectors(vectors, "vectors", caller), options)
    found = yield from write_rows([row._replace(texts=row.texts | texts)], options)
    return found[0]


def _row(
    label: str,
    data: dict[str, StoredValue],
    vectors: tuple[InlineVector, ...],
    options: WriteOptions,
    parent: int | None = None,
) -> ImportRow:
    if options.types:
        return ImportRow(label, data, vectors, parent)
    return ImportRow(label, as_texts(data), vectors, parent, frozenset(data))


def write_rows(rows: Sequence[ImportRow], options: WriteOptions) -> Operation[list[StoredRecord]]:
    """Rows as the options say; none where there are none."""
    if not rows:
        return []
    return (
        yield from ask(
            ImportRecords(
                rows,
                merge_by=options.merge_by,
                rewrite=options.rewrite,
                relationship=options.relationship,
                unique=bool(options.unique_by),
            )
        )
    )


def labelled(label: object, what: str) -> str:
    """A label as a method was given it; `QueryError`."""
    if not isinstance(label, str) or not label:
        raise QueryError(f"{what}: label: expected a text that is not empty, got {shown(label)}", key="label")
    return label


def _sequence(given: object, what: str, expected: str) -> Sequence[Any]:
    if not isinstance(given, (list, tuple)):
        raise QueryError(f"{what}: expected {expected}, got {shown(given)}")
    return cast("Sequence[Any]", given)


def _not_nothing(data: dict[str, StoredValue], place: str, caller: Caller = CLIENT) -> dict[str, StoredValue]:
    if not data:
        raise PropertyError(
            f"{place}: expected at least one property that is not None: a record needs one",
            place=place,
            status=404 if caller.rest else 422,
        )
    return data
