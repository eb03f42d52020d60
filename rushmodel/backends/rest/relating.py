"""Relationships made and taken away over REST, alone or with the records they join.

`rushmodel serve` takes all of it in one request, or where it is too much for one in several of one
transaction. To a RushDB server it is one import, where nothing but new
records of one tree is saved, and else a transaction, in which everything is read and checked that the
server would be silent about: ids that are not there (R21), and relationships that it would lose (R29).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from ...errors import NotFound, QueryError, RushModelError
from ...port import Link, LinkRecords, RecordWrite, SaveGraph, SaveRecords, Unlink, Written
from ...wire.graphs import graph_body, read_written
from ...wire.routes import SAVE_GRAPH
from .begun import Begun
from .calls import Exchange
from .course import begin
from .edges import Steps, planned, take
from .growing import growth, import_growth
from .portions import portions_of_links, portions_of_writes
from .reading import get_records_by_id
from .saving import save_records
from .server import Server

R = TypeVar("R")


def link_records(server: Server, command: LinkRecords) -> Exchange[int]:
    """How many were made, or given properties; a RushDB server does not tell which of these had the same."""
    if (yield from server.extended()):
        parts = portions_of_links(command.links)
        if len(parts) > 1:
            return (yield from _in_one_transaction(server, _link_in_parts(server, parts, command.unlinks)))
        return (yield from _send_links(server, command.links, command.unlinks))
    steps = yield from _plan(server, command.links, command.unlinks)
    if len(steps.calls) > 1:
        yield from _in_one_transaction(server, take(server, steps))
    else:
        yield from take(server, steps)
    return steps.links


def save_graph(server: Server, command: SaveGraph) -> Exchange[list[Written]]:
    """Records of several labels, then relationships: all or nothing."""
    if not command.writes:
        yield from link_records(server, LinkRecords(command.links, command.unlinks))
        return []
    if (yield from server.extended()):
        parts = portions_of_writes(command.writes)
        if len(parts) > 1 or len(portions_of_links(command.links)) > 1:
            return (yield from _in_one_transaction(server, _save_in_parts(server, parts, command)))
        return (yield from _send_graph(server, command))
    if len(command.writes) == 1 and not command.links and not command.unlinks:
        ((label, write),) = command.writes
        return (yield from save_records(server, SaveRecords(label, [write])))
    grown = None if command.unlinks else growth(command.writes, command.links)
    if grown is not None:
        return (yield from import_growth(server, command.writes, grown))
    return (yield from _in_one_transaction(server, _save_and_relate(server, command)))


def _send_links(server: Server, links: Sequence[Link], unlinks: Sequence[Unlink]) -> Exchange[int]:
    answer = yield from server.ask(
        SAVE_GRAPH,
        what=_about(links, unlinks),
        body=graph_body((), links, unlinks),
        repeatable=True,
    )
    return int(answer.data["linked"])


def _link_in_parts(
    server: Server, parts: Sequence[Sequence[Link]], unlinks: Sequence[Unlink]
) -> Exchange[int]:
    if unlinks:
        yield from _send_links(server, (), unlinks)
    linked = before = 0
    for part in parts:
        with _counted_from(before, "link"):
            linked += yield from _send_links(server, part, ())
        before += len(part)
    return linked


def _send_graph(server: Server, command: SaveGraph) -> Exchange[list[Written]]:
    answer = yield from server.ask(
        SAVE_GRAPH,
        what=f"saving {len(command.writes)} records with their relationships",
        body=graph_body(command.writes, command.links, command.unlinks),
        repeatable=all(_may_be_repeated(write) for _, write in command.writes),
    )
    return read_written(answer.data["written"])


def _save_in_parts(
    server: Server, parts: Sequence[Sequence[tuple[str, RecordWrite]]], command: SaveGraph
) -> Exchange[list[Written]]:
    written: list[Written] = []
    for part in parts:
        with _counted_from(len(written), "index"):
            written += yield from _send_graph(server, SaveGraph(part))
    links, unlinks = _named(command.links, command.unlinks, written)
    yield from _link_in_parts(server, portions_of_links(links), unlinks)
    return written


@contextmanager
def _counted_from(start: int, name: str) -> Generator[None, None, None]:
    """A place that an error tells is one among those of all the parts."""
    try:
        yield
    except RushModelError as error:
        if name in vars(error):
            vars(error)[name] += start
        raise


def _may_be_repeated(write: RecordWrite) -> bool:
    """Whether a write does the same when it is done again."""
    return (bool(write.key) or write.record_id is not None) and write.version is None


def _save_and_relate(server: Server, command: SaveGraph) -> Exchange[list[Written]]:
    by_label: dict[str, list[int]] = {}
    for place, (label, _) in enumerate(command.writes):
        by_label.setdefault(label, []).append(place)
    written: dict[int, Written] = {}
    for label, places in by_label.items():
        try:
            writes = [command.writes[place][1] for place in places]
            answers = yield from save_records(server, SaveRecords(label, writes))
        except RushModelError as error:
            if "index" in vars(error):  # of the writes of this label
                vars(error)["index"] = places[vars(error)["index"]]
            raise
        written.update(zip(places, answers, strict=True))
    answers = [written[place] for place in range(len(command.writes))]
    # An answer to an upsert cannot tell for certain that the record is new.
    new = frozenset(
        answer.id
        for answer, (_, write) in zip(answers, command.writes, strict=True)
        if write.record_id is None and not write.key
    )
    steps = yield from _plan(server, command.links, command.unlinks, answers, new)
    yield from take(server, steps)
    return answers


def _plan(
    server: Server,
    links: Sequence[Link],
    unlinks: Sequence[Unlink],
    written: Sequence[Written] = (),
    new: frozenset[str] = frozenset(),
) -> Exchange[Steps]:
    """What there is to do, once all that could be wrong with it was looked up."""
    named, gone = _named(links, unlinks, written)
    yield from _check_ends(server, named, frozenset(each.id for each in written))
    return (yield from planned(server, named, gone, new))


def _named(
    links: Sequence[Link], unlinks: Sequence[Unlink], written: Sequence[Written]
) -> tuple[list[Link], list[Unlink]]:
    """With the ids of the records at all ends; `QueryError` for a place where there is none."""

    def id_of(end: str | int) -> str:
        if isinstance(end, str):
            return end
        if not 0 <= end < len(written):
            raise QueryError(
                f"a relationship ends at an id, or at the place of one of the {len(written)} writes, not at"
                f" {end!r}"
            )
        return written[end].id

    named = [link._replace(source=id_of(link.source), target=id_of(link.target)) for link in links]
    gone = [
        unlink._replace(record=id_of(unlink.record), keep=tuple(map(id_of, unlink.keep)))
        for unlink in unlinks
    ]
    return named, gone


def _check_ends(server: Server, links: Sequence[Link], known: frozenset[str]) -> Exchange[None]:
    """`NotFound` for a link's end that is not there, where a server would say nothing (R21)."""
    ends = {str(end): link for link in links for end in (link.target, link.source) if end not in known}
    if not ends:
        return
    there: Mapping[str, object] = yield from get_records_by_id(server, list(ends))
    for record_id, link in ends.items():
        if record_id not in there:
            role = "source" if link.source == record_id else "target"
            raise NotFound(
                f"there is no record with id {record_id}, which was to be the {role} of a relationship"
                f" {link.type}",
                record_id=record_id,
                link=links.index(link),
            )


def _in_one_transaction(server: Server, exchange: Exchange[R]) -> Exchange[R]:
    """All of an exchange or none of it; what it reads before its first write is read outside."""
    begun = Begun(exchange)
    yield from begun.begin()
    course = yield from begin(server, None)
    try:
        result = yield from course.carry(begun.finish())
        yield from course.commit()
    except RushModelError:
        if course.is_open or course.unsettled:
            yield from course.undo()
        raise
    return result


def _about(links: Sequence[Link], unlinks: Sequence[Unlink]) -> str:
    if not links:
        return "taking relationships away"
    return f"making {len(links)} relationships {', '.join(sorted({link.type for link in links}))}"
