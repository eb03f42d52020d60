"""``db.tx`` on every store, in both colours."""

# ruff: noqa: PT012
# A transaction ends by what its block raises: the block is what is tested.

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rushmodel import CapabilityError, QueryError, RushDB, TransactionClosed, TransactionExpired
from rushmodel.client import Record, Transaction


def names(db: RushDB, transaction: Transaction | str | None = None) -> list[str]:
    found = db.records.find({"labels": ["X"], "orderBy": {"name": "asc"}}, transaction=transaction)
    return [each["name"] for each in found]


def test_the_example_of_the_sdk(db: RushDB) -> None:
    transaction = db.tx.begin(ttl=30_000)
    db.records.create("X", {"name": "a"}, transaction=transaction)
    db.records.create("X", {"name": "b"}, transaction=transaction)
    assert names(db, transaction) == ["a", "b"]
    transaction.commit()
    assert names(db) == ["a", "b"]
    for again in (transaction.commit, transaction.rollback):
        with pytest.raises(TransactionClosed, match="completed already"):
            again()


def test_with(db: RushDB) -> None:
    with db.tx.begin() as transaction:
        made = db.records.create("X", {"name": "a"}, transaction=transaction)
        made.update({"n": 1}, transaction=transaction)
    with pytest.raises(KeyError), db.transactions.begin() as transaction:
        db.records.create("X", {"name": "b"}, transaction=transaction)
        made.delete(transaction=transaction)
        raise KeyError
    with db.tx.begin() as transaction:
        db.records.create("X", {"name": "c"}, transaction=transaction)
        transaction.rollback()
    assert names(db) == ["a"]
    assert db.records.find_one({"labels": ["X"]}).get("n") == 1  # type: ignore[union-attr]


def test_every_method_takes_one(db: RushDB) -> None:
    db.ai.indexes.create({"label": "X", "propertyName": "name", "sourceType": "external", "dimensions": 2})
    vector = [{"propertyName": "name", "vector": [1, 0]}]
    search = {"labels": ["X"], "propertyName": "name", "queryVector": [1, 0]}
    query = {"labels": ["X"]}
    kept = db.records.create("X", {"name": "kept"})
    transaction = db.tx.begin()

    def made(record: Record) -> str:
        return record.id

    here: dict[str, Any] = {"transaction": transaction.id}
    one = made(db.records.create("X", {"name": "one"}, vectors=vector, **here))
    db.records.upsert({"name": "one", "n": 2}, "X", {"mergeBy": ["name"]}, **here)
    db.records.create_many("X", [{"name": "two"}], **here)
    db.records.import_json([{"name": "three"}], "X", **here)
    db.records.set(one, {"name": "one", "n": 3}, vectors=vector, **here)
    db.records.update(one, {"m": 4}, **here)
    assert names(db, transaction) == ["kept", "one", "three", "two"]
    assert db.records.find_by_id(one, **here)["m"] == 4
    assert len(db.records.find_by_id([one], **here)) == 1
    assert db.records.find_uniq({**query, "where": {"name": "two"}}, **here) is not None
    assert db.records.find_one({**query, "where": {"name": "two"}}, **here) is not None
    assert db.records.vector_search(search, **here)[0].id == one
    assert db.ai.search(search, **here)[0].id == one
    db.records.delete_by_id(one, **here)
    db.records.delete({**query, "where": {"name": "kept"}}, **here)
    assert names(db, transaction) == ["three", "two"]
    db.tx.rollback(transaction)
    assert names(db) == ["kept"]
    assert db.records.find_by_id(kept)["name"] == "kept"


def test_by_its_id(db: RushDB) -> None:
    transaction = db.tx.begin()
    assert db.tx.get(transaction.id) is transaction
    db.records.create("X", {"name": "a"}, transaction=transaction.id)
    db.tx.commit(transaction.id)
    assert names(db) == ["a"]
    with pytest.raises(TransactionClosed, match="nobody"):
        db.records.create("X", {"name": "b"}, transaction="nobody")
    with pytest.raises(QueryError, match="transaction"):
        db.records.create("X", {"name": "b"}, transaction=5)  # type: ignore[arg-type]


def test_its_time(db: RushDB) -> None:
    transaction = db.tx.begin(ttl=200)
    db.records.create("X", {"name": "a"}, transaction=transaction)
    asyncio.run(asyncio.sleep(0.25))
    with pytest.raises(TransactionExpired):
        transaction.commit()
    assert names(db) == []


@pytest.mark.parametrize("ttl", [0, -5, "1", True])
def test_what_cannot_be_begun(db: RushDB, ttl: Any) -> None:
    with pytest.raises(QueryError, match="ttl"):
        db.tx.begin(ttl=ttl)
    with pytest.raises(CapabilityError, match="autocommit"):
        db.tx.begin(autocommit=True)


def test_awaited(db: RushDB) -> None:
    async def talk() -> list[str]:
        aio = db.aio
        async with await aio.tx.begin() as transaction:
            record = await aio.records.create("X", {"name": "a"}, transaction=transaction)
            await record.update({"n": 1}, transaction=transaction)
            await aio.records.create_many("X", [{"name": "b"}], transaction=transaction.id)
            assert await aio.tx.get(transaction.id) is transaction
        with pytest.raises(KeyError):
            async with await aio.transactions.begin() as transaction:
                await record.delete(transaction)
                raise KeyError
        transaction = await aio.tx.begin()
        await aio.records.delete({"labels": ["X"]}, transaction=transaction)
        await aio.tx.rollback(transaction)
        with pytest.raises(TransactionClosed):
            await transaction.commit()
        found = [each["name"] for each in await aio.records.find({"labels": ["X"]})]
        await aio.close()
        return sorted(found)

    assert asyncio.run(talk()) == ["a", "b"]
