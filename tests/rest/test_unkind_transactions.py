"""Transactions on servers that hang on dead ones, confirm what they did not do, and lose answers (R22)."""

# ruff: noqa: PT012
# A transaction ends by what its block raises: the block is what is tested.

from __future__ import annotations

import asyncio
import time

import pytest

from rushmodel import (
    CommitUnknown,
    RecordGone,
    ServerError,
    StoreBusy,
    StoreTimeout,
    TransactionClosed,
    TransactionExpired,
    connect,
)
from rushmodel.backends.rest import course
from tests.unkind.process import db, unkind
from tests.verbs.models import Article, Plain, article, page

__all__ = ["db", "unkind"]


def sent(unkind, path):
    return [each for each in unkind.requests if each.path == path or each.path.endswith(path)]


def test_policies_are_made_outside(db, unkind):
    with pytest.raises(KeyError), db.transaction():
        Plain(name="a").save()
        article("a").save()
        raise KeyError
    with unkind.client() as client:
        there = client.get("/ai/indexes").json()["data"]
    assert [each["label"] for each in there] == ["Article"]
    assert Article.find().count() == 0


def test_a_dead_transaction_is_never_named_again(db, unkind):
    """The server would not answer."""
    gone = Plain(name="gone").save()
    Plain.find(Plain.name == "gone").delete()
    before = time.monotonic()
    with pytest.raises(TransactionClosed), db.transaction():
        gone.count = 1
        with pytest.raises(RecordGone):
            gone.save()
        for use in (lambda: Plain(name="x").save(), lambda: Plain.find().count()):
            with pytest.raises(TransactionClosed):
                use()
    assert time.monotonic() - before < 5
    assert len(sent(unkind, "/commit")) == 0
    assert len(sent(unkind, "/rollback")) == 1


def test_a_transaction_that_the_server_ended(unkind, monkeypatch):
    """It hangs, and the verb ends by its deadline."""
    unkind.faults(rushdb=True)
    database = connect(unkind.url, token=unkind.token, timeout=1.0, default=True)
    before = time.monotonic()
    with pytest.raises(StoreTimeout), database.transaction() as tx:
        record = Plain(name="a").save()
        with unkind.client() as client:
            client.post(f"/tx/{tx.id}/rollback", json={})
        Plain(name="b").save()
    assert time.monotonic() - before < 4
    assert not record.is_saved
    assert Plain.find().count() == 0
    database.close()


def test_without_a_timeout_a_verb_ends_with_the_transaction(unkind):
    unkind.faults(rushdb=True)
    database = connect(unkind.url, token=unkind.token, timeout=None, default=True)
    before = time.monotonic()
    with pytest.raises(StoreTimeout), database.transaction(seconds=1.5) as tx:
        Plain(name="a").save()
        with unkind.client() as client:
            client.post(f"/tx/{tx.id}/rollback", json={})
        Plain(name="b").save()
    assert time.monotonic() - before < 5
    database.close()


def test_a_commit_that_was_a_lie(db, unkind):
    unkind.faults(lies=True)
    with pytest.raises(CommitUnknown, match="not there") as found, db.transaction() as tx:
        record = Plain(name="a").save()
        record_id = record.record_id
    assert (found.value.transaction_id, found.value.record_id) == (tx.id, record_id)
    assert not record.is_saved
    unkind.faults(lies=False)
    record.save()
    assert Plain.find().count() == 1


@pytest.mark.parametrize("how", ["changed", "deleted", "merged", "many"])
def test_a_lie_about_other_writes(db, unkind, how):
    record = page("a", title="old", embedding=None).save()
    unkind.faults(lies=True)
    with pytest.raises(CommitUnknown), db.transaction():
        if how == "changed":
            record.title = "new"
            record.save()
        elif how == "deleted":
            record.delete()
        elif how == "merged":
            page("a", title="other", embedding=None).save()
        else:
            Plain.save_many([Plain(name=str(n)) for n in range(20)])


@pytest.mark.parametrize("how", ["changed", "deleted", "made and deleted", "many", "by condition", "nothing"])
def test_the_truth_is_believed(db, unkind, how):
    record = page("a", title="old", embedding=None).save()
    with db.transaction():
        if how == "changed":
            record.title = "new"
            record.save()
        elif how == "deleted":
            record.delete()
        elif how == "made and deleted":
            Plain(name="x").save().delete()
        elif how == "many":
            Plain.save_many([Plain(name=str(n)) for n in range(20)])
        elif how == "by condition":
            Plain(name="x").save()
            Plain.find(Plain.name == "x").delete()
    assert len(sent(unkind, "/commit")) == 1


@pytest.mark.parametrize("how", ["cut", "middle", 502])
def test_the_answer_to_a_commit_is_lost(db, unkind, how):
    """The record that was written last tells."""
    unkind.faults(after={"how": how, "path": "/tx/*/commit"})
    with db.transaction():
        record = Plain(name="a").save()
    assert record.is_saved
    assert Plain.find().count() == 1
    assert len(sent(unkind, "/commit")) == 1


def test_a_commit_that_did_not_arrive(db, unkind):
    unkind.faults(cut={"path": "/tx/*/commit"})
    with pytest.raises(CommitUnknown), db.transaction():
        record = Plain(name="a").save()
    assert not record.is_saved


def test_a_commit_without_an_answer(unkind):
    unkind.faults(rushdb=True, silent={"path": "/tx/*/commit"})
    database = connect(unkind.url, token=unkind.token, timeout=1.0, default=True)
    with pytest.raises(CommitUnknown), database.transaction():
        Plain(name="a").save()
    unkind.faults(silent=None)
    database.close()


@pytest.mark.parametrize("fault", [{"cut": {}}, {"status": {"code": 500}}, {"status": {"code": 429}}])
def test_nothing_is_sent_twice_in_it(db, unkind, fault):
    (name, options), *_ = fault.items()
    with pytest.raises((ServerError, StoreBusy)), db.transaction():
        unkind.faults(**{name: {**options, "count": 1, "path": "/records*"}})
        Plain(name="a").save()
    assert len(sent(unkind, "/records")) == 1
    assert len(sent(unkind, "/rollback")) == 1
    assert Plain.find().count() == 0


def test_reads_are_not_sent_twice_either(db, unkind):
    with pytest.raises(ServerError), db.transaction():
        unkind.faults(cut={"count": 1, "path": "/records/search"})
        Plain.find().all()
    assert len(sent(unkind, "/records/search")) == 1


def test_past_its_time_nothing_is_committed(db, unkind):
    with pytest.raises(TransactionExpired, match="80%"), db.transaction(seconds=1):
        record = Plain(name="a").save()
        time.sleep(0.85)
    assert not record.is_saved
    assert len(sent(unkind, "/commit")) == 0
    assert len(sent(unkind, "/rollback")) == 1
    assert Plain.find().count() == 0


def test_what_a_server_grants(db, unkind):
    with db.transaction():
        pass
    with db.transaction(seconds=600):
        pass
    assert [each.body for each in sent(unkind, "/tx")] == [{"ttl": 55_000}, {"ttl": 60_000}]
    assert course.SECONDS == 55


def test_a_rollback_that_does_not_arrive_hides_nothing(db, unkind, caplog):
    with pytest.raises(KeyError), db.transaction():
        Plain(name="a").save()
        unkind.faults(status={"code": 500, "path": "/tx/*/rollback"})
        raise KeyError
    assert "rolling transaction" in caplog.text
    unkind.faults(status=None)


def test_many_are_not_taken_back_one_by_one(db, unkind):
    """The end of the transaction undoes them."""
    with pytest.raises(ServerError) as found, db.transaction():
        unkind.faults(status={"code": 500, "count": 1, "skip": 1, "path": "/records/import/json"})
        Plain.save_many([Plain(name=str(n)) for n in range(2500)])
    assert "left" not in str(found.value)
    assert sent(unkind, "/records/delete") == []
    assert Plain.find().count() == 0


def test_awaited(unkind):
    unkind.faults(rushdb=True)
    database = connect(unkind.url, token=unkind.token, default=True)

    async def talk():
        unkind.faults(lies=True)
        with pytest.raises(CommitUnknown):
            async with database.transaction():
                await Plain(name="a").asave()
        unkind.faults(lies=False, silent={"path": "/records", "count": 1})
        with pytest.raises(asyncio.TimeoutError):
            async with database.transaction():
                await asyncio.wait_for(Plain(name="b").asave(), 0.3)
        async with database.transaction():
            await Plain(name="c").asave()
        found = [each.name async for each in Plain.find()]
        await database.aclose()
        return found

    assert asyncio.run(talk()) == ["c"]
    assert len(sent(unkind, "/rollback")) == 1
