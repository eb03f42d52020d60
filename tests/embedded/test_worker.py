from __future__ import annotations

import asyncio

import pytest

from rushmodel.backends.embedded import AsyncEmbedded, EmbeddedBackend
from rushmodel.errors import RecordGone, StoreClosed
from rushmodel.port import CountRecords, FindRecords, GetCapabilities, RecordWrite, SaveRecords

from .store import query


@pytest.fixture
def worker(path):
    worker = AsyncEmbedded(EmbeddedBackend(path, durability="normal"))
    yield worker
    worker.close()


def test_commands_are_carried_out(worker):
    async def talk():
        (written,) = await worker.execute(SaveRecords("A", [RecordWrite({"n": 1})]))
        (record,) = await worker.execute(FindRecords(query()))
        assert (await worker.execute(GetCapabilities())).store == "embedded"
        return written.id == record.id

    assert asyncio.run(talk())
    assert "store.db" in repr(worker)


def test_errors_come_through(worker):
    with pytest.raises(RecordGone):
        asyncio.run(worker.execute(SaveRecords("A", [RecordWrite({"n": 1}, record_id="nobody")])))


def test_the_loop_goes_on_meanwhile(worker):
    async def talk():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        ticking = asyncio.create_task(tick())
        writes = [RecordWrite({"n": n}) for n in range(2000)]
        await worker.execute(SaveRecords("A", writes))
        ticking.cancel()
        return ticks

    assert asyncio.run(talk()) > 1


def test_many_tasks_and_several_loops(worker):
    async def talk():
        await asyncio.gather(*(worker.execute(SaveRecords("A", [RecordWrite({"n": n})])) for n in range(50)))
        return await worker.execute(CountRecords(query()))

    assert asyncio.run(talk()) == 50
    assert asyncio.run(talk()) == 100


def test_after_closing(worker):
    asyncio.run(worker.execute(CountRecords(query())))
    worker.close()
    worker.close()
    with pytest.raises(StoreClosed):
        asyncio.run(worker.execute(CountRecords(query())))
