"""``with db.transaction():`` on every store: what is kept, what instances know afterwards, who may use it."""

# ruff: noqa: PT012
# A transaction ends by what its block raises: the block is what is tested.

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="union-attr"

from __future__ import annotations

import asyncio
import contextvars
import threading

import numpy as np
import pytest

from rushmodel import (
    ConfigurationError,
    Field,
    Model,
    RecordGone,
    Relation,
    TransactionBusy,
    TransactionClosed,
    TransactionError,
    TransactionExpired,
    connect,
    field,
    relation,
)

from .models import Article, Page, Plain, article, page, quote, stored, vec


class Boom(Exception):
    pass


class Writer(Model):
    name: Field[str] = field(key=True)


class Pen(Model):
    name: Field[str] = field(key=True)
    owner: Relation[Writer] = relation("OWNS", direction="in")


def test_all_of_the_block_is_kept(db):
    with db.transaction() as tx:
        assert tx.is_open
        one = article("one").save()
        Plain(name="a").save()
        two = article("two", title="2").save()
    assert not tx.is_open
    assert one.is_saved
    assert {each.slug for each in Article.find()} == {"one", "two"}
    assert Plain.find().count() == 1
    two.title = "two"
    two.save()
    assert Article.get(slug="two").title == "two"


def test_nothing_of_a_block_that_raises_is_kept(db):
    before = article("before", title="old").save()
    with pytest.raises(Boom), db.transaction():
        article("new").save()
        before.title = "changed"
        before.save()
        Article.find(Article.slug == "before").update(year=1)
        raise Boom
    assert [each.slug for each in Article.find()] == ["before"]
    assert (Article.get(slug="before").title, Article.get(slug="before").year) == ("old", 2026)


def test_the_block_sees_its_writes(db):
    article("one", embedding=[1, 0, 0]).save()
    with db.transaction():
        article("two", embedding=[0, 1, 0]).save()
        Plain(name="p").save()
        assert Article.find().count() == 2
        assert [each.slug for each in Article.find().order_by(Article.slug.asc())] == ["one", "two"]
        assert Article.search([0, 1, 0])[0].record.slug == "two"
        assert Article.get(slug="two").slug == "two"
        assert Article.get_or_none("01a20646-0000-7000-8000-000000000000") is None
        assert Article.get_or_none(slug="three") is None
        assert Article.find(Article.slug == "two").delete() == 1
        assert Article.find().count() == 1
    assert Article.find().count() == 1


def test_instances_that_were_saved_are_unsaved_again(db):
    with pytest.raises(Boom), db.transaction():
        made = article("made", title="t").save()
        plain = Plain(name="p").save()
        inline = quote("q").save()
        record_id = made.record_id
        raise Boom
    assert record_id is not None
    for each in (made, plain, inline):
        assert not each.is_saved
        assert each.record_id is None
        each.save()
    assert stored(db, made)["title"] == "t"
    assert stored(db, plain)["name"] == "p"
    assert Article.search([1, 2, 3])[0].record.slug == "made"
    assert type(inline).search([1, 2, 3], on="text")[0].record.name == "q"


def test_instances_that_were_changed_send_the_change_again(db):
    record = article("a", title="old", embedding=[1, 0, 0]).save()
    with pytest.raises(Boom), db.transaction():
        record.title = "new"
        record.body = "other text"
        record.embedding = vec(0, 1, 0)
        record.save()
        record.year = 1999  # assigned and not saved: it stays assigned
        raise Boom
    assert (record.title, record.year) == ("new", 1999)
    record.save()
    assert (stored(db, record)["title"], stored(db, record)["year"]) == ("new", 1999)
    hit = Article.search([0, 1, 0])[0]
    assert hit.score == pytest.approx(1.0)


def test_instances_that_were_deleted_are_there_again(db):
    record = article("a").save()
    with pytest.raises(Boom), db.transaction():
        record.delete()
        assert not record.is_saved
        raise Boom
    assert record.is_saved
    record.title = "t"
    record.save()
    record.delete()
    assert Article.find().count() == 0


def test_instances_that_were_read_again_hold_what_they_held(db):
    record = article("a", title="old").save()
    with pytest.raises(Boom), db.transaction():
        Article.find(Article.slug == "a").update(title="new")
        record.refresh()
        assert record.title == "new"
        record.year = 1999
        raise Boom
    assert (record.title, record.year) == ("old", 1999)
    record.save()
    assert (stored(db, record)["title"], stored(db, record)["year"]) == ("old", 1999)


def test_instances_that_were_renamed_have_their_key_again(db):
    record = Page(slug="old").save()
    with pytest.raises(Boom), db.transaction():
        record.rename_key(slug="new")
        raise Boom
    assert record.slug == "old"
    record.title = "t"
    record.save()
    assert [(each.slug, each.title) for each in Page.find()] == [("old", "t")]


def test_an_instance_that_met_a_record_in_it_is_new_again(db):
    page("a", title="stored", embedding=None).save()
    with pytest.raises(Boom), db.transaction():
        again = Page(slug="a", body="text").save()
        raise Boom
    assert not again.is_saved
    again.title = "mine"
    again.save()
    assert [each.title for each in Page.find()] == ["mine"]


def test_relations_that_were_saved_are_to_be_saved_again(db):
    with pytest.raises(Boom), db.transaction():
        pen = Pen(name="p", owner=Writer(name="w")).save()
        raise Boom
    assert not pen.is_saved
    assert not pen.owner.value.is_saved
    pen.save()
    assert [each.name for each in Pen.find(Pen.owner.has(Writer.name == "w"))] == ["p"]
    with pytest.raises(Boom), db.transaction():
        pen.owner.set(Writer(name="other"))
        pen.save()
        raise Boom
    assert [each.name for each in Pen.find(Pen.owner.has(Writer.name == "w"))] == ["p"]
    pen.save()
    assert [each.name for each in Pen.find(Pen.owner.has(Writer.name == "other"))] == ["p"]


def test_many_at_once(db):
    with pytest.raises(Boom), db.transaction():
        many = [article(f"s{n}") for n in range(30)]
        assert Article.save_many(many).saved == 30
        assert Article.find().count() == 30
        raise Boom
    assert Article.find().count() == 0
    assert not any(each.is_saved for each in many)
    with db.transaction():
        Article.save_many(many)
    assert Article.find().count() == 30


def test_rolled_back_by_hand(db):
    with db.transaction() as tx:
        record = article("a").save()
        tx.rollback()
        assert not record.is_saved
        with pytest.raises(TransactionClosed, match="was rolled back"):
            article("b").save()
        with pytest.raises(TransactionClosed):
            tx.rollback()
    assert Article.find().count() == 0


def test_pages_belong_to_where_they_were_begun(db):
    for n in range(5):
        Plain(name=str(n)).save()
    outside = Plain.find().pages(2)
    seen = len(next(outside))
    with db.transaction():
        inside = Plain.find().pages(2)
        assert len(next(inside)) == 2
    with pytest.raises(TransactionClosed):
        next(inside)
    with pytest.raises(StopIteration):
        next(inside)
    assert seen + sum(map(len, outside)) == 5


def test_each_item_of_a_stream_in_a_transaction_of_its_own(db):
    for n in range(4):
        Plain(name=str(n)).save()
    for each in Plain.find():
        with db.transaction():
            each.count = 1
            each.save()
    assert Plain.find(Plain.count == 1).count() == 4


def test_it_is_not_nested(db):
    with db.transaction():
        article("a").save()
        with pytest.raises(TransactionBusy, match="nested"), db.transaction():
            pytest.fail("not reached")
        article("b").save()
    assert Article.find().count() == 2


def test_it_is_for_one_block(db):
    tx = db.transaction()
    with pytest.raises(TransactionError, match="not begun"):
        assert tx.id
    with tx:
        assert tx.id
    with pytest.raises(TransactionClosed, match="one `with` block"), tx:
        pytest.fail("not reached")


def test_an_empty_one(db):
    with db.transaction():
        pass
    with db.transaction():
        assert Article.find().count() == 0


@pytest.mark.parametrize("seconds", [0, -1, True, "1", float("nan"), float("inf")])
def test_seconds_that_are_none(db, seconds):
    with pytest.raises(ConfigurationError, match="seconds"):
        db.transaction(seconds=seconds)


def test_its_time_is_over(db):
    with pytest.raises(TransactionExpired), db.transaction(seconds=0.3):
        record = article("a").save()
        threading.Event().wait(0.35)
    assert not record.is_saved
    assert Article.find().count() == 0


def test_what_awaits_cannot_be_used_in_with(db):
    async def talk():
        with db.transaction(), pytest.raises(TransactionError, match="async with"):
            await article("a").asave()
        async with db.transaction():
            with pytest.raises(TransactionError, match="begin with an a"):
                article("a").save()

    asyncio.run(closing(db, talk()))
    assert Article.find().count() == 0


def test_a_thread_that_shares_it_while_it_is_used(db, monkeypatch):
    """A context that is run elsewhere brings the transaction along."""
    with db.transaction():
        article("a").save()
        context = contextvars.copy_context()
        found: list[object] = []

        def elsewhere():
            try:
                context.run(lambda: found.append(Article.find().count()))
            except TransactionBusy as error:
                found.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert found == [1]  # one after the other is fine
    other = threading.Thread(target=lambda: found.append(Article.find().count()))
    other.start()
    other.join()
    assert found == [1, 1]


async def closing(db, talk):
    try:
        return await talk
    finally:
        await db._store.aio.aclose() if db.url.startswith("http") else None


def test_awaited(db):
    async def talk():
        async with db.transaction() as tx:
            await article("a").asave()
            assert [each.slug async for each in Article.find()] == ["a"]
        with pytest.raises(Boom):
            async with db.aio.transaction():
                lost = await article("b").asave()
                raise Boom
        assert not lost.is_saved
        async with db.transaction() as tx:
            await article("c").asave()
            await tx.arollback()
            with pytest.raises(TransactionClosed):
                await article("d").asave()
        return await Article.find().acount()

    assert asyncio.run(closing(db, talk())) == 1


def test_tasks_at_the_same_time(db):
    async def talk():
        async with db.transaction():
            await article("first").asave()
            done = await asyncio.gather(*(article(f"t{n}").asave() for n in range(4)), return_exceptions=True)
            assert sum(isinstance(each, TransactionBusy) for each in done) == 3
            await asyncio.wait_for(article("last").asave(), 20)  # a task of its own, one after the other
            left = asyncio.create_task(late())
        with pytest.raises(TransactionClosed, match="started"):
            await left
        return await Article.find().acount()

    async def late():
        await asyncio.sleep(0.2)
        await article("late").asave()

    assert asyncio.run(closing(db, talk())) == 3


def test_a_cancelled_block_is_rolled_back(db):
    async def block(ready):
        async with db.transaction():
            await article("a").asave()
            ready.set()
            await asyncio.sleep(60)

    async def talk():
        ready = asyncio.Event()
        task = asyncio.create_task(block(ready))
        await ready.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await Article.find().acount()

    assert asyncio.run(closing(db, talk())) == 0


def test_two_tasks_with_one_each(db):
    Plain(name="p").save()

    async def add():
        async with db.transaction():
            record = await Plain.find().aone()
            record.count += 1
            await record.asave()

    async def talk():
        await asyncio.gather(*(add() for _ in range(5)))
        return (await Plain.find().aone()).count

    assert asyncio.run(asyncio.wait_for(closing(db, talk()), 60)) == 5


def test_prepared_policies_of_a_block_that_raised(db):
    with pytest.raises(Boom), db.transaction():
        article("a").save()
        raise Boom
    article("a").save()  # its policies are there, or are made again
    assert len(Article.search([1, 2, 3])) == 1
    wanted = {each.signature for each in db.plan().of("create")}
    assert wanted.isdisjoint(Article.__rush_schema__.signatures)


def test_another_database_inside(db, tmp_path):
    other = connect(tmp_path / "other.db", durability="normal", default=False)
    with pytest.raises(Boom), db.transaction():
        article("a").save()
        with other:
            article("b").save()
            with other.transaction():
                article("c").save()
        raise Boom
    assert Article.find().count() == 0
    with other:
        assert Article.find().count() == 2
    other.close()


def test_an_error_that_was_caught(embedded_db):
    """On the embedded store a verb that fails is undone alone; on a server it ends the transaction."""
    gone = Plain(name="gone").save()
    Plain.find(Plain.name == "gone").delete()
    with embedded_db.transaction():
        article("a").save()
        gone.count = 2
        with pytest.raises(RecordGone):
            gone.save()
        article("b").save()
    assert Article.find().count() == 2


def test_an_error_that_was_caught_on_a_server(db):
    if not db.url.startswith("http"):
        pytest.skip("the embedded store goes on")
    gone = Plain(name="gone").save()
    Plain.find(Plain.name == "gone").delete()
    with pytest.raises(TransactionClosed, match="ended by an error"), db.transaction():
        lost = article("a").save()
        gone.count = 2
        with pytest.raises(RecordGone):
            gone.save()
        with pytest.raises(TransactionClosed):
            article("b").save()
    assert not lost.is_saved
    assert Article.find().count() == 0


def test_vectors_come_back_as_they_were(embedded_db):
    record = article("a", embedding=[1, 2, 3]).save()
    with pytest.raises(Boom), embedded_db.transaction():
        record.embedding = [4, 5, 6]
        record.body = "b"
        record.save()
        raise Boom
    found = Article.find().with_vectors().one()
    assert np.array_equal(found.embedding, vec(1, 2, 3))
    record.save()
    assert np.array_equal(Article.find().with_vectors().one().embedding, vec(4, 5, 6))
