"""The async face does what the sync one does."""

from __future__ import annotations

import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from rushmodel import NotFound, RushDB, RushModelError
from rushmodel.client import AsyncRecord

INDEX = {"label": "A", "propertyName": "body", "external": True, "dimensions": 2}
SEARCH = {"labels": ["A"], "propertyName": "body", "queryVector": [1, 0]}


def vectors(*numbers: float) -> list[dict[str, Any]]:
    return [{"propertyName": "body", "vector": list(numbers)}]


class Id:
    """Stands for an id that only the store knows: the ``number``-th that it gave."""

    def __init__(self, number: int) -> None:
        self.number = number


CALLS: list[tuple[Any, ...]] = [
    ("ping",),
    ("ai.indexes.create", INDEX),
    ("ai.indexes.create", INDEX),
    ("ai.indexes.find",),
    ("records.create", "A", {"body": "one", "n": 1}, None, vectors(1, 0)),
    ("records.create_many", "A", [{"body": "two"}, {"body": "three", "n": 3}], None, [None, vectors(0, 1)]),
    ("records.create_many", "A", [{"body": "four"}], {"returnResult": False}),
    ("records.import_json", {"Box": {"x": 1, "A": [{"body": "five", "$vectors": vectors(1, 1)}]}}),
    ("records.import_csv", "Cell", "name,n\na,1\nb,2\n"),
    ("records.import_csv", "Cell", "name,n\na\n"),
    ("records.export", {"labels": ["Cell"]}),
    ("records.upsert", {"n": 3, "m": 4}, "A", {"mergeBy": ["n"]}),
    ("records.find",),
    (
        "records.find",
        {"labels": ["A"], "where": {"n": {"$exists": True}}, "orderBy": {"n": "asc"}, "limit": 1},
    ),
    ("records.find", {"limit": 0}),
    ("records.find_one", {"labels": ["A"]}),
    ("records.find_one", {"labels": ["none"]}),
    ("records.find_uniq", {"labels": ["A"]}),
    ("records.find_uniq", {"labels": ["Box"]}),
    ("records.find_by_id", Id(1)),
    ("records.find_by_id", [Id(2), "nobody", Id(1)]),
    ("records.find_by_id", "nobody"),
    ("records.update", Id(1), {"n": 9}),
    ("records.set", Id(2), {"body": "other"}, None, vectors(1, 2)),
    ("ai.search", SEARCH),
    ("ai.search", {**SEARCH, "limit": 1, "where": {"n": 9}}),
    ("ai.search", "words"),
    ("records.vector_search", {**SEARCH, "labels": ["Box"]}),
    ("ai.indexes.stats", Id(0)),
    ("ai.indexes.upsert_vectors", Id(0), {"items": [{"recordId": Id(2), "vector": [3, 4]}]}),
    ("ai.indexes.upsert_vectors", Id(0), {"items": 5}),
    ("records.attach", Id(1), [Id(2)], {"type": "T", "properties": {"w": 1}}),
    ("records.attach", Id(1), "nobody"),
    ("relationships.find", {"where": {"type": "T"}}),
    ("records.find", {}, Id(2)),
    ("records.detach", Id(1), Id(2)),
    ("records.delete_by_id", Id(1)),
    ("records.delete_by_id", [Id(1), Id(2)]),
    ("records.delete", {}),
    ("records.delete", {"labels": ["A"]}),
    ("ai.indexes.delete", Id(0)),
    ("ai.indexes.stats", Id(0)),
]


class Conversation:
    """The answers to calls, with ids and times as numbers, in the order in which they came up."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.answers: list[Any] = []

    def arguments(self, value: Any) -> Any:
        if isinstance(value, Id):
            return self.ids[value.number]
        if isinstance(value, dict):
            return {key: self.arguments(item) for key, item in value.items()}
        return [self.arguments(item) for item in value] if isinstance(value, list) else value

    def hear(self, answer: Any) -> None:
        self.answers.append(self.plain(answer))

    def plain(self, value: Any) -> Any:
        if isinstance(value, RushModelError):
            return type(value).__name__, self.plain(str(value))
        if hasattr(value, "get_page_info"):
            return self.plain(value.data), value.get_page_info()
        if hasattr(value, "success"):
            return self.plain(value.data), value.success, value.total
        if hasattr(value, "proptypes"):
            return self.plain(value.data)
        if isinstance(value, dict):
            return {
                key: self.plain(item) for key, item in value.items() if key not in ("createdAt", "updatedAt")
            }
        if isinstance(value, list):
            return [self.plain(item) for item in value]
        if isinstance(value, str):
            for word in re.split(r"[\s';,]+", value):
                if len(word) == 36 and word.count("-") == 4:
                    if word not in self.ids:
                        self.ids.append(word)
                    value = value.replace(word, f"<{self.ids.index(word)}>")
        return value


def method(client: Any, path: str) -> Any:
    for name in path.split("."):
        client = getattr(client, name)
    return client


def test_the_same_conversation() -> None:
    sync, other = Conversation(), Conversation()
    with RushDB("memory://") as db:
        for path, *arguments in CALLS:
            try:
                sync.hear(method(db, path)(*map(sync.arguments, arguments)))
            except RushModelError as error:
                sync.hear(error)

    async def talk() -> None:
        async with RushDB("memory://").aio as db:
            for path, *arguments in CALLS:
                try:
                    other.hear(await method(db, path)(*map(other.arguments, arguments)))
                except RushModelError as error:
                    other.hear(error)

    asyncio.run(talk())
    assert other.answers == sync.answers
    failed = [
        answer[0] for answer in sync.answers if isinstance(answer, tuple) and isinstance(answer[0], str)
    ]
    assert failed == [
        "PolicyExists",
        "RowError",
        "QueryError",
        "MultipleFound",
        "NotFound",
        "CapabilityError",
        "PolicyMissing",
        "VectorError",
        "NotFound",
        "UnboundedQuery",
        "PolicyMissing",
    ]
    methods = {
        f"{space}.{name}"
        for space in ("records", "ai.indexes")
        for name, found in inspect.getmembers(method(db, space))
        if not name.startswith("_") and callable(found)
    }
    assert {path for path, *_ in CALLS} == methods | {"ping", "ai.search", "relationships.find"}


def test_records_and_results_are_awaited(location: str) -> None:
    async def main() -> None:
        async with RushDB(location).aio as db:
            record = await db.records.create("N", {"n": 0})
            assert isinstance(record, AsyncRecord)
            assert (await record.update({"m": 1}))["data"]["m"] == 1
            assert (await record.set({"k": 1}))["data"]["__proptypes"] == {"k": "number"}
            assert (await record.delete())["data"] == {"message": "1 record was deleted"}
            with pytest.raises(NotFound):
                await record.update({"n": 1})

            await db.records.create_many("N", [{"n": n} for n in range(5)])
            page = await db.records.find({"labels": ["N"], "limit": 2, "orderBy": "asc"})
            assert [each["n"] for each in await page.next()] == [2, 3]
            while page.has_more:
                assert await page.next(preserve_data=True) is page
            assert [each["n"] for each in page] == [0, 1, 2, 3, 4]
            await page.delete_all()
            assert (await db.records.find()).total == 0

    asyncio.run(main())


def test_many_at_once(tmp_path: Path) -> None:
    async def main() -> int:
        async with RushDB(tmp_path / "a.db").aio as db:
            await asyncio.gather(*(db.records.upsert({"n": n % 10}, "N") for n in range(50)))
            return (await db.records.find()).total

    assert asyncio.run(main()) == 10


def test_one_store_in_both_colours(db: RushDB) -> None:
    record = db.records.create("N", {"n": 1})
    assert asyncio.run(db.aio.records.find_by_id(record)) == record
    assert asyncio.run(db.aio.records.update(record, {"n": 2}))["data"]["n"] == 2
    assert db.records.find_by_id(asyncio.run(db.aio.records.create("N", {"n": 3})))["n"] == 3


def test_closing(location: str) -> None:
    db = RushDB(location)

    async def main() -> list[bool]:
        before = await db.aio.ping()
        await db.aio.close()
        return [before, await db.aio.ping(), db.ping()]

    assert asyncio.run(main()) == [True, False, False]
    assert repr(db.aio) == f"<AsyncRushDB {db.url}>"
