"""The `a` twins: the same results, many at once, and cancellation."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="attr-defined, var-annotated"

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from typing import Any

import pytest
from pydantic import PrivateAttr

from rushmodel import (
    BulkReport,
    ConflictError,
    Database,
    Field,
    Model,
    MultipleFound,
    NotFound,
    Query,
    StaleVector,
    UnboundedQuery,
    Vector,
    VectorField,
    field,
)
from rushmodel.database import AsyncDatabase
from rushmodel.port import CloseCursor, OpenCursor, SaveRecords

from .conftest import around, recorded
from .models import Article, Page, Plain, article, page, vec


def run(main: Any) -> Any:
    return asyncio.run(main())


def public(cls: type[Any]) -> dict[str, Any]:
    return {
        name: each
        for name, each in vars(cls).items()
        if not name.startswith(("_", "model_")) and (inspect.isroutine(each) or isinstance(each, classmethod))
    }


@pytest.mark.parametrize("cls", [Model, Query])
def test_every_verb_has_its_twin(cls):
    verbs = public(cls)
    without = {
        "clone",
        "find",
        "where",
        "order_by",
        "limit",
        "offset",
        "with_",
        "with_vectors",
        "only",
        "aggregate",
    }
    twins = {name for name in verbs if name.startswith("a") and name[1:] in verbs}
    assert verbs.keys() - twins - without == {name[1:] for name in twins}
    for twin in twins:
        one, other = (inspect.signature(getattr(cls, name)) for name in (twin[1:], twin))
        ours = {name: (each.kind, each.default) for name, each in one.parameters.items()}
        assert ours == {name: (each.kind, each.default) for name, each in other.parameters.items()}


def test_the_async_face_of_a_database_has_the_same_verbs():
    async_verbs = public(AsyncDatabase)
    upkeep = {"check", "backup", "vacuum", "stats", "build_index", "index_stats", "drop_index"}
    upkeep |= {"migrate", "backfill"}
    assert async_verbs.keys() == {"plan", "sync", "schema", "inspect", "transaction", "close"} | upkeep
    for name in [*async_verbs, "push", "pull"]:
        assert inspect.signature(getattr(Database, name)).parameters.keys() == (
            inspect.signature(getattr(AsyncDatabase, name)).parameters.keys()
        )


def test_every_twin_does_the_same(db):
    async def main() -> None:
        record = article("a", title="1")
        assert await record.asave() is record
        assert await Article.aget(slug="a", with_vectors=True) == Article.get(slug="a", with_vectors=True)
        assert await Article.aget(record.record_id) == Article.get(record.record_id)
        assert await Article.aget_or_none(slug="none") is None
        with pytest.raises(NotFound):
            await Article.aget(slug="none")
        other = Article.get(slug="a")
        other.title = "2"
        await other.asave(if_unchanged=True)
        record.title = "3"
        with pytest.raises(ConflictError):
            await record.asave(if_unchanged=True)
        assert (await record.arefresh()).title == "2"
        record.body = "changed"
        with pytest.raises(StaleVector):
            await record.asave()
        await record.asave(on_stale="keep")
        assert await Article.asave_many([article("b"), article("c")]) == BulkReport(2)
        assert (await record.arename_key(slug="z")).slug == Article.get(slug="z").slug
        query = Article.find().order_by(Article.slug.asc())
        assert await query.aall() == query.all()
        assert await query.afirst() == query.first()
        assert await query.acount() == query.count() == 3
        assert await query.aexists()
        assert await Article.find(Article.slug == "b").aone() == Article.get(slug="b")
        assert await Article.find(Article.slug == "x").aone_or_none() is None
        with pytest.raises(MultipleFound):
            await query.aone()
        assert [each async for each in query] == [each async for each in query.astream()] == query.all()
        assert [page async for page in query.apages(2)] == list(query.pages(2))
        assert await Article.asearch([1, 2, 3], limit=2) == Article.search([1, 2, 3], limit=2)
        assert await Article.asearch(record, where=Article.slug == "b") == Article.search(
            record, where=Article.slug == "b"
        )
        assert await Article.find(Article.slug == "b").aupdate(title="b") == 1
        assert await Article.find(Article.slug == "b").adelete() == 1
        with pytest.raises(UnboundedQuery):
            await Article.find().adelete()
        await record.adelete()
        await record.adelete()
        assert await Article.adelete_all() == 1
        assert (await db.aio.plan()) == db.plan()

    run(main)


def test_many_saves_at_once(db):
    async def main() -> None:
        await asyncio.gather(*(page(str(n), embedding=[n, 1, 1]).asave() for n in range(60)))
        hits = await asyncio.gather(
            *(Page.asearch([n, 1, 1], similarity="euclidean", limit=1) for n in range(60))
        )
        assert [hit[0].record.slug for hit in hits] == [str(n) for n in range(60)]
        await asyncio.gather(*(page("same", title=str(n)).asave() for n in range(30)))

    run(main)
    assert Page.find().count() == 61


def test_changes_at_once_lose_nothing(db):
    article().save()

    async def change(name: str, value: Any) -> None:
        record = await Article.aget(slug="warp")
        await asyncio.sleep(0)
        setattr(record, name, value)
        await record.asave()

    async def main() -> None:
        changes = {"title": "t", "year": 1999, "rating": 0.5, "note": "n", "tags": ["a"]}
        await asyncio.gather(*(change(name, value) for name, value in changes.items()))

    run(main)
    found = Article.get(slug="warp")
    assert (found.title, found.year, found.rating, found.note, found.tags) == ("t", 1999, 0.5, "n", ["a"])


def test_the_event_loop_is_not_held_up(embedded_db, monkeypatch):
    """A slow command runs on the database's own thread."""
    threads = set()

    def slow(execute: Any, command: Any) -> Any:
        threads.add(threading.current_thread())
        time.sleep(0.05)
        return execute(command)

    around(embedded_db, monkeypatch, slow)

    async def main() -> int:
        task, ticks = asyncio.create_task(Plain(name="a").asave()), 0
        while not task.done():
            ticks += 1
            await asyncio.sleep(0.001)
        await task
        return ticks

    assert run(main) > 5
    assert threading.main_thread() not in threads
    assert len(threads) == 1


def test_one_loop_after_the_other(db):
    for n in range(3):
        run(lambda n=n: Plain(name=str(n)).asave())
    assert Plain.find().count() == 3


def test_loops_in_several_threads(db):
    def work(number: int) -> None:
        asyncio.run(Article.asave_many(article(f"{number} {n}") for n in range(10)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Article.find().count() == 30


@pytest.mark.parametrize("delay", [0, 0.002, 0.01, 0.03])
def test_a_cancelled_save_is_whole_or_not_at_all(embedded_db, monkeypatch, delay):
    article("first").save()

    def slow(execute: Any, command: Any) -> Any:
        time.sleep(0.005)
        answer = execute(command)
        time.sleep(0.005)
        return answer

    around(embedded_db, monkeypatch, slow)
    records = [article(str(n), embedding=[n, 1, 1]) for n in range(5)]

    async def main() -> None:
        task = asyncio.create_task(Article.asave_many(records, batch=2))
        await asyncio.sleep(delay)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await Article.find().acount()  # after what was begun: the worker takes one command at a time

    run(main)
    monkeypatch.undo()
    saved = Article.find(Article.slug != "first").with_vectors().all()
    assert len(saved) in (0, 2, 4, 5)
    assert len(Article.search([1, 2, 3], limit=10)) == 1 + len(saved)
    for record in records:
        record.save()  # by key: what was written already is the same record
    assert Article.find().count() == 6
    assert Article.find(Article.slug != "first").with_vectors().all() == sorted(
        records, key=lambda each: each.record_id or ""
    )


def test_a_cancelled_task_leaves_the_others_alone(db):
    async def main() -> None:
        tasks = [asyncio.create_task(article(str(n)).asave()) for n in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await Article.find().acount()

    run(main)
    slugs = {each.slug for each in Article.find()}
    assert {str(n) for n in range(1, 20, 2)} <= slugs
    assert len(Article.search([1, 2, 3], limit=100)) == len(slugs)


def test_an_async_iteration_sees_one_snapshot(db):
    Plain.save_many([Plain(name=str(n)) for n in range(10)])

    async def main() -> list[str]:
        seen = []
        async for record in Plain.find():
            if not seen:
                await Plain.adelete_all()
            seen.append(record.name)
        return seen

    assert run(main) == [str(n) for n in range(10)]
    assert Plain.find().count() == 0


def test_an_async_iteration_that_is_left_gives_its_cursor_up(embedded_db, monkeypatch):
    sent = recorded(embedded_db, monkeypatch)
    Plain.save_many([Plain(name=str(n)) for n in range(10)])

    async def main() -> None:
        async for _ in Plain.find():
            break
        stream = Plain.find().apages(2)
        await anext(stream)  # Python 3.10 has it
        await stream.aclose()

    run(main)
    kinds = [type(command) for command in sent if not isinstance(command, SaveRecords)]
    assert kinds.count(OpenCursor) == kinds.count(CloseCursor) == 2
    assert embedded_db._store.backend._cursors._open == {}


def test_sync_verbs_in_a_coroutine(db):
    async def main() -> None:
        record = article().save()
        record.embedding = vec(3, 2, 1)
        await record.asave()
        assert Article.search([3, 2, 1])[0].score == 1.0

    run(main)


class Watched(Model):
    name: Field[str] = field(key=True)
    vector: Vector = VectorField(dims=2)
    _thread: str = PrivateAttr(default_factory=lambda: threading.current_thread().name)


def test_instances_are_made_off_the_event_loop(embedded_db):
    """Thousands of them would hold it up for as long as the store itself."""

    async def main() -> None:
        await Watched(name="a", vector=[1, 2]).asave()
        made = [*await Watched.find().aall(), await Watched.aget(name="a")]
        made += [hit.record for hit in await Watched.asearch([1, 2])]
        made += [record async for record in Watched.find()]
        assert len(made) == 4
        assert all(record._thread.startswith("rushmodel") for record in made)

    asyncio.run(main())
    assert Watched.find().one()._thread == threading.current_thread().name
