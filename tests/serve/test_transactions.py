"""`serve` with transactions: one client's beside others', errors that end them, and a stop in the middle."""

from __future__ import annotations

import signal
import threading
import time

import httpx
import pytest

from rushmodel import StoreBusy, connect
from rushmodel.serve.limits import Limits

from .process import Process

SEARCH = {"labels": ["X"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Process(tmp_path_factory.mktemp("served") / "store.db") as process:
        yield process


@pytest.fixture
def client(server):
    headers = {"authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=40) as client:
        client.post("/records/delete", json={"labels": ["X"]}).raise_for_status()
        yield client


def begin(client, **body):
    answer = client.post("/tx", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["id"]


def inside(transaction):
    return {"x-transaction-id": transaction}


def create(client, n, transaction=None):
    headers = inside(transaction) if transaction else {}
    return client.post("/records", json={"label": "X", "data": {"n": n}}, headers=headers)


def count(client, transaction=None):
    headers = inside(transaction) if transaction else {}
    answer = client.post("/records/search", json=SEARCH, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["total"]


def test_committed_and_rolled_back(client):
    one = begin(client)
    assert create(client, 1, one).status_code == 201
    assert (count(client, one), count(client)) == (1, 0)
    assert client.get(f"/tx/{one}").json()["data"] == {"id": one}
    assert client.post(f"/tx/{one}/commit", json={}).status_code == 200
    assert count(client) == 1
    two = begin(client)
    create(client, 2, two)
    assert "has been rolled back" in client.post(f"/tx/{two}/rollback").json()["data"]["message"]
    assert "already closed" in client.post(f"/tx/{two}/rollback").json()["data"]["message"]
    assert count(client) == 1


@pytest.mark.parametrize("end", ["commit", "rollback", "error", "never was", "expired"])
def test_one_that_is_over_is_answered_at_once(client, end):
    transaction = begin(client, **({"ttl": 50} if end == "expired" else {}))
    if end == "expired":
        time.sleep(0.1)
    elif end == "error":
        assert create(client, {"no": "value"}, transaction).status_code == 400
    elif end == "never was":
        transaction = "nobody"
    else:
        client.post(f"/tx/{transaction}/{end}", json={})
    answers = [
        create(client, 1, transaction),
        client.get(f"/tx/{transaction}"),
        client.post(f"/tx/{transaction}/commit", json={}),
    ]
    assert [each.status_code for each in answers] == [404, 404, 404]
    assert count(client) == 0


def test_an_error_undoes_all_of_it(client):
    transaction = begin(client)
    create(client, 1, transaction)
    assert client.get("/records/nobody", headers=inside(transaction)).status_code == 404
    assert create(client, 2, transaction).status_code == 404
    assert count(client) == 0
    assert create(client, 3).status_code == 201  # nobody waits for it


def test_who_begins_and_does_nothing_is_in_nobodys_way(client):
    begun = [begin(client) for _ in range(20)]
    assert create(client, 1).status_code == 201
    for each in begun:
        assert create(client, 2, each).status_code == 201
        assert client.post(f"/tx/{each}/commit").status_code == 200
    assert count(client) == 21


def test_others_wait_and_read_meanwhile(client, server):
    transaction = begin(client)
    create(client, 1, transaction)
    answers = []
    headers = {"authorization": f"Bearer {server.token}"}

    def write():
        with httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=40) as other:
            answers.append(create(other, 2).status_code)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for each in threads:
        each.start()
    time.sleep(0.1)
    assert count(client) == 0
    assert create(client, 3, transaction).status_code == 201
    assert answers == []
    assert client.post(f"/tx/{transaction}/commit").status_code == 200
    for each in threads:
        each.join()
    assert answers == [201] * 8
    assert count(client) == 10


def test_a_client_that_went_away_does_not_keep_the_store(client):
    transaction = begin(client, ttl=300)
    create(client, 1, transaction)
    before = time.monotonic()
    assert create(client, 2).status_code == 201
    assert 0.1 < time.monotonic() - before < 5
    assert count(client) == 1


@pytest.mark.parametrize("ttl", [0, -1, "abc", True, None])
def test_ttl(client, ttl):
    answer = client.post("/tx", json={"ttl": ttl})
    assert answer.status_code == (200 if ttl is None else 400)
    assert client.post("/tx").status_code == 200
    assert client.post("/tx", json={"autocommit": True}).status_code == 422
    assert client.post("/tx", json={"autocommit": False, "ttl": 1e9}).status_code == 200


def test_requests_of_one_transaction_take_turns(client, server):
    """The JavaScript SDK's Promise.all."""
    transaction = begin(client)
    statuses = []

    def write(n):
        headers = {"authorization": f"Bearer {server.token}"}
        with httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=40) as other:
            statuses.append(create(other, n, transaction).status_code)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert statuses == [201] * 6
    assert client.post(f"/tx/{transaction}/commit").status_code == 200
    assert count(client) == 6


@pytest.mark.skipif(not hasattr(signal, "SIGTERM"), reason="needs signals")
def test_a_stop_rolls_back(tmp_path):
    with Process(tmp_path / "store.db") as process:
        headers = {"authorization": f"Bearer {process.token}"}
        with httpx.Client(base_url=process.url, headers=headers, trust_env=False, timeout=40) as client:
            create(client, 0)
            transaction = begin(client)
            create(client, 1, transaction)
    with connect(tmp_path / "store.db", default=False) as database:
        assert database.client.records.find({"labels": ["X"]}).total == 1
    database.close()


def test_too_many():
    """Of a registry alone: a process would need hundreds."""
    import asyncio

    from rushmodel.backends.embedded import AsyncEmbedded, EmbeddedBackend
    from rushmodel.serve.open_transactions import Transactions

    async def talk():
        store = AsyncEmbedded(EmbeddedBackend("memory://"))
        transactions = Transactions(store, Limits(transactions=2))
        first = transactions.begin(5)
        transactions.begin(5)
        with pytest.raises(StoreBusy):
            transactions.begin(5)
        await transactions.rollback(first)
        transactions.begin(5)
        await store.aclose()

    asyncio.run(talk())


@pytest.mark.parametrize("end", ["rolled back", "late"])
def test_one_that_ends_while_it_waits_for_the_store_leaves_nothing_open(end):
    """Its client gave up, and the store began it after that: nobody would have ended it."""
    import asyncio

    from rushmodel import TransactionClosed
    from rushmodel.backends.embedded import AsyncEmbedded, EmbeddedBackend
    from rushmodel.serve.open_transactions import Transactions

    async def talk():
        store = AsyncEmbedded(EmbeddedBackend("memory://"))
        transactions = Transactions(store, Limits())
        before = await store.begin(20)
        waits = transactions.begin(20 if end == "rolled back" else 0.05)

        async def request():
            async with transactions.use(waits):
                raise AssertionError("it is over")

        waiting = asyncio.ensure_future(request())
        await asyncio.sleep(0.1)
        if end == "rolled back":
            assert await transactions.rollback(waits)
        await before.rollback()
        with pytest.raises(TransactionClosed):
            await waiting
        after = await asyncio.wait_for(store.begin(5), 3)
        await after.rollback()
        await store.aclose()

    asyncio.run(talk())
