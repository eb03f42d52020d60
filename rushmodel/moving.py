"""``db.push(target)`` and ``db.pull(source)``: what a store holds, brought to another one."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import orjson

from .effects import Embed
from .embedding import Embedder, EmbedFunction, as_embedder
from .errors import CapabilityError, ConfigurationError, PushIncomplete, RushModelError
from .flow import Operation, ask
from .ledger import Ledger
from .opening import MEMORY
from .operations import moving
from .operations.exporting import relationships_from
from .operations.moving import Moved, Side
from .port import Float32, ImportRow, Link, RecordQuery, Signature, StoredRecord, StoredRelationship
from .progress import Progress, Told, telling
from .results import PushReport
from .steps import PAGE, Step, acarry, carry, pages

if TYPE_CHECKING:
    from .database import Database

R = TypeVar("R")

SAMPLE = 100
"""Records that are compared at the end."""


class Moves:
    """What a `Database` does with another one."""

    def push(
        self,
        target: Database,
        labels: Sequence[str] | None = None,
        *,
        without_vectors: bool = False,
        embedder: Embedder | EmbedFunction | None = None,
        progress: Progress = None,
    ) -> PushReport:
        """Bring records, vectors, relationships and policies to another database, and check them there.

        A record is the same one there each time: an embedded store keeps its id, a server has it as the
        property ``rushmodel_id``. So what was interrupted goes on when it is called again: what is there as
        it is here is not sent. What is at the target and not here stays as it is.

        Args:
            target: Where they go.
            labels: Only records of these, and the relationships among them.
            without_vectors: No vectors; policies are created all the same.
            embedder: Makes the vectors of texts again, where this store does not give vectors back.
            progress: Called after every page with the number of records so far.

        Raises:
            CapabilityError: This store does not give vectors back, and ``embedder`` does not make them;
                nothing was changed.
            QueryError: There is nothing of one of the labels; nothing was changed.
            PolicyConflict, PropertyError: Something cannot be stored at the target; what was sent before is
                there.
            PushIncomplete: At the end, the target lacks something.
        """
        source = cast("Database", self)
        way = Moving(source, target, labels, without_vectors=without_vectors, embedder=embedder)
        with telling(progress, f"to {target.url}") as told:
            return carry(source, way.steps(told))

    def pull(
        self,
        source: Database,
        labels: Sequence[str] | None = None,
        *,
        without_vectors: bool = False,
        embedder: Embedder | EmbedFunction | None = None,
        progress: Progress = None,
    ) -> PushReport:
        """As ``source.push(self)``: bring what another database has to this one."""
        return source.push(
            cast("Database", self),
            labels,
            without_vectors=without_vectors,
            embedder=embedder,
            progress=progress,
        )


class AsyncMoves:
    """As `Moves`, awaitable; the target is asked on a thread."""

    _database: Database

    async def push(
        self,
        target: Database,
        labels: Sequence[str] | None = None,
        *,
        without_vectors: bool = False,
        embedder: Embedder | EmbedFunction | None = None,
        progress: Progress = None,
    ) -> PushReport:
        """As `Moves.push`."""
        way = Moving(self._database, target, labels, without_vectors=without_vectors, embedder=embedder)
        with telling(progress, f"to {target.url}") as told:
            return await acarry(self._database, way.steps(told))

    async def pull(
        self,
        source: Database,
        labels: Sequence[str] | None = None,
        *,
        without_vectors: bool = False,
        embedder: Embedder | EmbedFunction | None = None,
        progress: Progress = None,
    ) -> PushReport:
        """As `Moves.pull`."""
        return await source.aio.push(
            self._database,
            labels,
            without_vectors=without_vectors,
            embedder=embedder,
            progress=progress,
        )


class Moving:
    """One way from a database to another, step by step: steps are the source's, the target is called."""

    def __init__(
        self,
        source: Database,
        target: Database,
        labels: Sequence[str] | None,
        *,
        without_vectors: bool,
        embedder: Embedder | EmbedFunction | None,
    ) -> None:
        if target is source or (target.url == source.url and source.url != MEMORY):
            raise ConfigurationError(f"{source!r} cannot be moved to itself")
        if isinstance(labels, str):
            raise ConfigurationError(f"labels is a list of labels, got the text {labels!r}")
        try:
            self._embedder = None if embedder is None else as_embedder(embedder)
        except ValueError as error:
            raise ConfigurationError(str(error).replace("factory=", "embedder=")) from None
        self._source, self._target = source, target
        self._labels = tuple(labels or ())
        self._without_vectors = without_vectors
        self._counts: Counter[str] = Counter()
        self._unchanged = self._vectors = self._linked = self._left_out = 0
        self._sample: list[tuple[str, Moved]] = []
        self._random = random.Random()

    def steps(self, told: Told | None) -> Generator[Step, Any, PushReport]:
        """Everything, in order: policies, records, relationships, a look at what came of it."""
        here: Side = yield moving.look(self._labels)
        yield moving.check_labels(self._labels, here)
        there: Side = yield self._at_target(moving.look())
        unread = self._unread(here)
        policies: int = yield self._at_target(moving.create_policies(here.policies, there))
        there = there.replaced(policies=tuple(dict.fromkeys((*there.policies, *here.policies))))
        query = RecordQuery(self._labels, vectors=() if self._without_vectors else here.readable)
        with tempfile.TemporaryFile() as spool, closing(Ledger()) as ledger:
            way = _Way(there, there.reads_vectors and not self._without_vectors, unread, ledger, spool, told)
            try:
                yield from pages(query, lambda page: self._page(page, way))
                links = yield from self._relate(way)
            except RushModelError as error:
                if done := sum(self._counts.values()):
                    error.args = (f"{error}; {done} records are at the target, and another call goes on",)
                raise
            differences = yield from self._differences(way, links)
        if differences:
            raise _incomplete(self._target, differences)
        return PushReport(
            sum(self._counts.values()),
            self._unchanged,
            self._vectors,
            self._linked,
            self._left_out,
            policies,
            len(self._sample),
        )

    def _at_target(self, operation: Operation[R]) -> Callable[[], R]:
        return partial(self._target.run, operation, raw=True)

    def _unread(self, here: Side) -> tuple[Signature, ...]:
        """The policies whose vectors are made anew, since the source does not give them."""
        if self._without_vectors or here.reads_vectors or not here.external:
            return ()
        if self._embedder is None:
            raise CapabilityError(
                f"{self._source.url} does not give vectors back, and it has some "
                f"({', '.join(map(str, here.external))}): embedder= makes them again from their texts, "
                "without_vectors=True leaves them out"
            )
        dims = getattr(self._embedder, "dims", None)
        others = [str(each) for each in here.external if dims not in (None, each.dims)]
        if others:
            raise CapabilityError(
                f"vectors of the embedder {self._embedder.name} have {dims} numbers, and those of "
                f"{', '.join(others)} another number: without_vectors=True leaves them out"
            )
        return here.external

    def _page(self, page: Sequence[StoredRecord], way: _Way) -> Generator[Step, Any, None]:
        """Send what of a page is not there as it is here."""
        wanted = [moving.moved(record) for record in page]
        yield from self._embed(wanted, way.unread)
        there: dict[str, tuple[str, Moved]]
        there = yield self._at_target(moving.find_moved(way.side, wanted, vectors=way.compares_vectors))
        places = {one.key: place for one in wanted if (place := there.get(one.key, ("",))[0])}
        sent: list[Moved] = []
        rows: list[ImportRow] = []
        for one in sorted(wanted, key=lambda one: one.label):  # a label's records go in one request
            before = there[one.key][1] if one.key in there else None
            is_known = way.compares_vectors or not one.vectors
            if before is None or not is_known or not moving.same(one, before, vectors=way.compares_vectors):
                sent.append(one)
                rows.append(moving.row_of(one, before if way.compares_vectors else None, way.side))
        if rows:
            ids = yield self._at_target(moving.write(way.side, rows))
            places.update(zip((one.key for one in sent), ids, strict=True))
        found: Sequence[StoredRelationship] = yield relationships_from([each.id for each in page])

        def remember() -> None:
            way.ledger.name((record.id, places[one.key]) for record, one in zip(page, wanted, strict=True))
            way.spool.writelines(map(_spooled, found))
            self._unchanged += len(wanted) - len(sent)
            self._vectors += sum(len(one.vectors) for one in sent)
            for record, one in zip(page, wanted, strict=True):
                self._remember(record.id, one)
            if way.told is not None:
                way.told(sum(self._counts.values()))

        yield remember

    def _embed(self, wanted: list[Moved], signatures: Iterable[Signature]) -> Generator[Step, Any, None]:
        """Give records the vectors that the source does not tell."""
        for signature in signatures:
            texts: dict[int, str] = {}
            for place, one in enumerate(wanted):
                text = one.data.get(signature.property)
                if one.label == signature.label and isinstance(text, str):
                    texts[place] = text
            if texts:
                assert self._embedder is not None
                assert signature.dims is not None
                asked = Embed(
                    self._embedder, tuple(texts.values()), "document", signature.dims, str(signature)
                )
                vectors: Float32 = yield ask(asked)
                for place, vector in zip(texts, vectors, strict=True):
                    held = {**wanted[place].vectors, signature: vector}
                    wanted[place] = wanted[place]._replace(vectors=held)

    def _remember(self, record_id: str, one: Moved) -> None:
        """Count it; each has the same chance to be compared at the end (Vitter's algorithm R)."""
        self._counts[one.label] += 1
        if len(self._sample) < SAMPLE:
            self._sample.append((record_id, one))
        elif (place := self._random.randrange(sum(self._counts.values()))) < SAMPLE:
            self._sample[place] = (record_id, one)

    def _relate(self, way: _Way) -> Generator[Step, Any, list[Link]]:
        """Make the relationships; those that lead away from the records of the sample."""
        sampled = {record_id for record_id, _ in self._sample}
        looked_at: list[Link] = []
        way.spool.seek(0)
        while rows := (yield partial(_next_rows, way.spool)):
            ids = yield partial(way.ledger.find, {end for row in rows for end in (row[0], row[2])})
            links = [
                Link(ids[source], ids[target], kind, data)
                for source, kind, target, data in rows
                if source in ids and target in ids
            ]
            if links:
                yield self._at_target(moving.link(links))
            looked_at += [
                Link(ids[source], ids[target], kind, data)
                for source, kind, target, data in rows
                if source in sampled and target in ids
            ]
            self._linked += len(links)
            self._left_out += len(rows) - len(links)
        return looked_at

    def _differences(self, way: _Way, links: Sequence[Link]) -> Generator[Step, Any, list[str]]:
        """What the target lacks, by counts and by a sample, in words."""
        said: list[str] = []
        for label, number in sorted(self._counts.items()):
            count: int = yield self._at_target(moving.count(way.side, label))
            if count < number:
                said.append(f"of {number} records of {label} {count} are there")
        total: int = yield self._at_target(moving.count_relationships())
        if total < self._linked:
            said.append(f"of {self._linked} relationships {total} are there")
        wanted = [one for _, one in self._sample]
        compares = way.compares_vectors
        there = yield self._at_target(moving.find_moved(way.side, wanted, vectors=compares))
        for one in wanted:
            if one.key not in there:
                said.append(f"{one.label} {one.key} is not there")
            elif not moving.same(one, there[one.key][1], vectors=compares):
                said.append(f"{one.label} {one.key} is another one there")
        if links:
            sources = list(dict.fromkeys(str(each.source) for each in links))
            found = yield self._at_target(relationships_from(sources))
            said += moving.lacking(links, found)
        return said


class _Way(NamedTuple):
    """The target, what is compared, and what is kept outside of memory: ids here and there, relationships."""

    side: Side
    compares_vectors: bool
    unread: tuple[Signature, ...]
    ledger: Ledger
    spool: IO[bytes]
    told: Told | None


def _spooled(each: StoredRelationship) -> bytes:
    return orjson.dumps([each.source, each.type, each.target, dict(each.data)]) + b"\n"


def _next_rows(spool: IO[bytes]) -> list[Any]:
    return [orjson.loads(line) for line in islice(spool, PAGE)]


def _incomplete(target: Database, differences: Sequence[str]) -> PushIncomplete:
    more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
    return PushIncomplete(
        f"{target.url} lacks something of what was moved there: {'; '.join(differences[:3])}{more}. "
        "Another call sends it",
        differences=tuple(differences),
    )
