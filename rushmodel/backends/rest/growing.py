"""New records that form trees, in one import: the one request of a RushDB server that saves several
labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from ...errors import ServerError
from ...port import DEFAULT_RELATIONSHIP, ImportRow, Link, RecordWrite, StoredRecord, StoredValue, Written
from ...wire.bodies import import_body
from ...wire.documents import read_records
from ...wire.routes import IMPORT_JSON
from .calls import Exchange
from .keeping import check_texts, given
from .server import Server
from .trees import MOST_ROWS, trees_of


class Growth(NamedTuple):
    """Writes that are new trees: of each the place of its parent, parents first; the type of all links."""

    order: list[int]
    parents: dict[int, int]
    type: str


def growth(writes: Sequence[tuple[str, RecordWrite]], links: Sequence[Link]) -> Growth | None:
    """The trees that the writes are; None where they are none, or cannot be told apart in the answer.

    The answer comes in another order and without parents, so no two records may look alike.
    """
    if not links or len(writes) > MOST_ROWS or not all(map(_is_new, (write for _, write in writes))):
        return None
    parents: dict[int, int] = {}
    for link in links:
        if not isinstance(link.source, int) or not isinstance(link.target, int):
            return None
        places = range(len(writes))
        if link.data or link.target in parents or link.source not in places or link.target not in places:
            return None
        parents[link.target] = link.source
    if len({link.type for link in links}) > 1:
        return None
    roots = [place for place in range(len(writes)) if place not in parents]
    if len({writes[place][0] for place in roots}) != 1:
        return None
    children: dict[int, list[int]] = {}
    for child, parent in parents.items():
        if writes[child][0] in writes[parent][1].data:
            return None  # a property of the parent has the name that the child would be sent under
        children.setdefault(parent, []).append(child)
    order: list[int] = []
    level = roots
    while level:
        order += level
        level = [child for place in level for child in children.get(place, ())]
    contents = {_content(label, write.data) for label, write in writes}
    if len(order) < len(writes) or len(contents) < len(writes):
        return None  # a circle, or two that look alike
    return Growth(order, parents, links[0].type)


def import_growth(
    server: Server, writes: Sequence[tuple[str, RecordWrite]], grown: Growth
) -> Exchange[list[Written]]:
    """Import the trees; an error about one of the writes is about all of them."""
    for label, write in writes:
        yield from check_texts(server, label, write)
    rank = {place: number for number, place in enumerate(grown.order)}
    rows = [
        ImportRow(
            writes[place][0],
            writes[place][1].data,
            given(writes[place][1]),
            rank[grown.parents[place]] if place in grown.parents else None,
        )
        for place in grown.order
    ]
    ((label, trees),) = trees_of(rows)
    what = f"saving {len(writes)} records of {label} and what is related to them"
    answer = yield from server.ask(
        IMPORT_JSON,
        what=what,
        body=import_body(
            label,
            [tree for tree, _ in trees],
            relationship=None if grown.type == DEFAULT_RELATIONSHIP else grown.type,
        ),
    )
    made: dict[bytes, StoredRecord] = {
        _content(record.label, record.data): record for record in read_records(answer.data)
    }
    written: list[Written] = []
    for label, write in writes:
        record = made.get(_content(label, write.data))
        if record is None:
            raise ServerError(f"{what}: the server's answer lacks one of them", sent=True)
        written.append(Written(record.id, record.version, created=True))
    return written


def _is_new(write: RecordWrite) -> bool:
    """Whether a write is nothing but a new record, whose vectors have their texts (R4)."""
    return (
        write.record_id is None
        and not write.key
        and not write.remove
        and not write.guards
        and write.version is None
        and bool(write.data)
        and all(
            vector is not None and signature.property in write.data for signature, vector in write.vectors
        )
    )


def _content(label: str, data: Mapping[str, StoredValue]) -> bytes:
    """What a record is known by; a server makes 5 of 5.0."""
    plain = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in data.items()
    }
    return orjson.dumps([label, plain], option=orjson.OPT_SORT_KEYS)
