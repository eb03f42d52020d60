"""A bad network: what may be sent again is, what may not is sent once, and nothing takes forever."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="assignment"

from __future__ import annotations

import asyncio
import gc
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
import stamina

from rushmodel import (
    AccessDenied,
    Field,
    Model,
    ServerError,
    ServerUnreachable,
    StoreBusy,
    StoreError,
    StoreTimeout,
    Vector,
    VectorField,
    connect,
)
from tests.unkind.process import Unkind, db, unkind
from tests.verbs.models import Article, Page, Plain, article, page

__all__ = ["db", "unkind"]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that it has vectors and no key

    class Loose(Model):
        """Vectors and no merge key."""

        title: Field[str] = ""
        note: Field[str | None] = None
        body: Field[str] = "text"
        embedding: Vector = VectorField(dims=3, property="body")


@pytest.fixture
def hasty() -> Iterator[None]:
    """No pauses between tries."""
    with stamina.set_testing(True, attempts=5, cap=True):
        yield


TROUBLE: dict[str, dict[str, Any]] = {
    "429": {"status": {"code": 429}},
    "502": {"status": {"code": 502}},
    "503": {"status": {"code": 503}},
    "504": {"status": {"code": 504}},
    "html": {"html": {"code": 502}},
    "cut": {"cut": {}},
    "reset": {"cut": {"reset": True}},
    "answer cut": {"after": {"how": "cut"}},
    "answer cut in the middle": {"after": {"how": "middle"}},
    "502 after it was done": {"after": {"how": 502}},
    "504 after it was done": {"after": {"how": 504}},
}
"""What passes."""


def struck(trouble: str, **options: Any) -> dict[str, Any]:
    ((name, parameters),) = TROUBLE[trouble].items()
    return {name: {**parameters, **options}}


def vectors(unkind: Unkind, label: str = "Article") -> int:
    """How many records a search of the server itself finds."""
    unkind.faults(status=False, html=False, cut=False, after=False, silent=False, slow=False, latency=False)
    body = {
        "labels": [label],
        "propertyName": "body",
        "queryVector": [1, 2, 3],
        "sourceType": "external",
        "similarityFunction": "cosine",
        "where": {"body": {"$exists": True}},
        "limit": 1000,
    }
    with unkind.client() as client:
        answer = client.post("/ai/search", json=body)
    assert answer.status_code == 200, answer.text
    return len(answer.json()["data"])


def records(unkind: Unkind, label: str) -> int:
    """How many records the server has."""
    unkind.faults(status=False, html=False, cut=False, after=False, silent=False, slow=False, latency=False)
    with unkind.client() as client:
        total: int = client.post("/records/search", json={"labels": [label]}).json()["total"]
    return total


# -- what is safe to send again ----------------------------------------------


def save_new(database, stored):
    article("new").save()
    return vectors, 2


def save_changed(database, stored):
    stored.title = "changed"
    stored.save()
    assert stored.title == "changed"
    return vectors, 1


def save_vector(database, stored):
    stored.embedding = [3, 2, 1]
    stored.save()
    return vectors, 1


def save_many(database, stored):
    stored.year = 1
    assert Article.save_many([stored, *(article(str(number)) for number in range(5))]).saved == 6
    return vectors, 6


def read(database, stored):
    assert Article.get(slug="warp").body == "text"
    assert Article.get(stored.record_id).body == "text"
    return vectors, 1


def find(database, stored):
    assert Article.find(Article.year > 1).count() == 1
    assert len(Article.find(Article.year > 1).all()) == 1
    return vectors, 1


def search(database, stored):
    assert [hit.record.slug for hit in Article.search([1, 2, 3])] == ["warp"]
    return vectors, 1


def upsert_vectors(database, stored):
    indexes = database.client.ai.indexes
    (policy,) = indexes.find().data
    indexes.upsert_vectors(policy["id"], {"items": [{"recordId": stored.record_id, "vector": [1, 2, 3]}]})
    return vectors, 1


def make_policies(database, stored):
    page().save()
    return lambda unkind: vectors(unkind, "Article"), 1


def update(database, stored):
    assert Article.find(Article.slug == "warp").update(title="changed") == 1
    return vectors, 1


def delete(database, stored):
    stored.delete()
    return vectors, 0


def delete_by_query(database, stored):
    assert Article.find(Article.year > 1).delete() == 1
    return vectors, 0


SAFE = [
    save_new,
    save_changed,
    save_vector,
    save_many,
    read,
    find,
    search,
    upsert_vectors,
    make_policies,
    update,
    delete,
    delete_by_query,
]


USUAL = ("429", "503", "cut", "answer cut", "answer cut in the middle")
OFTEN = [each if each in USUAL else pytest.param(each, marks=pytest.mark.soak) for each in TROUBLE]


@pytest.mark.parametrize("trouble", OFTEN)
@pytest.mark.parametrize("verb", SAFE)
def test_what_is_safe_survives(db, unkind, hasty, verb, trouble):
    for skip in (0, 1):  # the first request of the verb, and the second
        unkind.reset(rushdb=True)
        db.context.prepared.clear()
        stored = article().save()
        unkind.faults(**struck(trouble, count=2, skip=skip))
        counted, expected = verb(db, stored)
        assert counted(unkind) == expected


def test_policies_made_by_sync_and_client(unkind, hasty):
    unkind.faults(rushdb=True)
    with closing(connect(unkind.url, token=unkind.token, models=[Page], default=True)) as database:
        unkind.faults(after={"how": "cut", "count": 1, "method": "POST", "path": "/ai/indexes"})
        assert len(database.sync().changes) == 2
        assert not database.plan().of("create")
        unkind.faults(after={"how": "cut", "count": 1, "method": "POST", "path": "/ai/indexes"})
        made = database.client.ai.indexes.create(
            {"label": "Note", "propertyName": "text", "external": True, "dimensions": 3}
        )
        assert made.data["label"] == "Note"
        assert len(database.client.ai.indexes.find().data) == 3


def test_a_vector_that_comes_with_trouble_on_every_request(unkind, hasty):
    """Each request is struck once: the one after is its second try."""
    unkind.faults(rushdb=True, status=[{"code": 503, "count": 1, "skip": at} for at in range(60)])
    with closing(connect(unkind.url, token=unkind.token, default=True)):
        article(note="x").save()
        assert [hit.record.note for hit in Article.search([1, 2, 3])] == ["x"]


def test_trouble_that_stays(db, unkind, hasty):
    """After the last try the error says what happened, and what was meant to be done."""
    stored = article().save()
    for code, kind in ((429, StoreBusy), (503, StoreBusy), (502, ServerError), (504, ServerError)):
        unkind.faults(reset=True, rushdb=True, status={"code": code, "message": "too much of it"})
        with pytest.raises(kind, match=rf"{code}.*too much of it") as info:
            Article.get(stored.record_id)
        assert info.value.status == code
        assert len(unkind.requests) == 5
    unkind.faults(status=False, cut=True)
    with pytest.raises(ServerError, match="reading record"):
        Article.get(stored.record_id)


def test_many_threads_on_a_bad_network(db, unkind, hasty):
    article("first").save()
    kinds: list[dict[str, Any]] = [
        {"code": code, "count": 25, "skip": code % 7} for code in (429, 502, 503, 504)
    ]
    unkind.faults(
        status=kinds,
        cut={"count": 20, "skip": 11},
        after=[{"how": "cut", "count": 20}, {"how": "middle", "count": 20}],
    )

    def save(number: int) -> str | None:
        try:
            with db:
                return article(str(number)).save().record_id
        except StoreError:
            return None

    with ThreadPoolExecutor(8) as pool:
        saved = [each for each in pool.map(save, range(120)) if each]
    assert vectors(unkind) == records(unkind, "Article") >= len(saved) + 1
    assert len(saved) > 60
    assert {each.record_id for each in Article.find()} >= set(saved)


# -- what is not --------------------------------------------------------------

UNSAFE = {
    "model": lambda database: Plain(name="once").save(),
    "vector": lambda database: Loose(embedding=[1, 2, 3]).save(),
    "many": lambda database: Loose.save_many([Loose(embedding=[1, 2, 3]) for _ in range(3)]),
    "client": lambda database: database.client.records.create("Plain", {"name": "once"}),
    "rows": lambda database: database.client.records.create_many("Plain", [{"name": "once"}] * 3),
}


@pytest.mark.parametrize("trouble", [each for each in TROUBLE if each != "429"])
@pytest.mark.parametrize("make", UNSAFE)
def test_a_creation_is_sent_once(db, unkind, hasty, make, trouble):
    label = "Loose" if make in ("vector", "many") else "Plain"
    UNSAFE[make](db)
    before = records(unkind, label)
    unkind.faults(reset=True, rushdb=True)
    unkind.faults(**struck(trouble, method="POST", path="/records*"))
    with pytest.raises(StoreError) as info:
        UNSAFE[make](db)
    assert info.value.sent is True
    made = [each for each in unkind.requests if each.path in ("/records", "/records/import/json")]
    assert len(made) == 1
    carried_out = trouble.endswith("done") or trouble.startswith("answer")
    one = 3 if make in ("many", "rows") else 1
    assert records(unkind, label) == before + (one if carried_out else 0)


@pytest.mark.parametrize("make", UNSAFE)
def test_a_creation_that_was_refused_for_a_while(db, unkind, hasty, make):
    """429 says that it was not carried out."""
    UNSAFE[make](db)
    label = "Loose" if make in ("vector", "many") else "Plain"
    before = records(unkind, label)
    unkind.faults(status={"code": 429, "count": 3})
    UNSAFE[make](db)
    assert records(unkind, label) == 2 * before


def test_a_creation_without_a_server(unkind, hasty):
    with (
        closing(connect(f"http://127.0.0.1:{free_port()}", token="x" * 20, default=True)),
        pytest.raises(ServerUnreachable) as info,
    ):
        Plain(name="x").save()
    assert info.value.sent is False


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_an_update_by_id_may_be_sent_again(db, unkind, hasty):
    """PATCH sets the same again; PUT could put back what others changed meanwhile, and is sent once."""
    record = Loose(note="old", embedding=[1, 2, 3]).save()
    record.title = "new"
    unkind.faults(reset=True, rushdb=True, after={"how": "cut", "count": 1, "method": "PATCH"})
    record.save()
    assert [each.method for each in unkind.writes] == ["PATCH", "PATCH"]
    record.note = None
    unkind.faults(after={"how": "cut", "count": 1, "method": "PUT"})
    with pytest.raises(ServerError) as info:
        record.save()
    assert info.value.sent is True
    assert vectors(unkind, "Loose") == 1
    record.save()
    assert Loose.get(record.record_id).note is None
    assert vectors(unkind, "Loose") == 1


# -- time ---------------------------------------------------------------------


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_honoured(db, unkind, code):
    stored = article().save()
    unkind.faults(reset=True, rushdb=True, status={"code": code, "retry_after": 1, "count": 1})
    begin = time.monotonic()
    Article.get(stored.record_id)
    assert 1.0 <= time.monotonic() - begin < 3.0
    first, second = unkind.requests
    assert second.time - first.time >= 1.0


def test_a_pause_longer_than_the_deadline_is_no_pause(unkind):
    unkind.faults(rushdb=True, status={"code": 503, "retry_after": 30})
    with closing(connect(unkind.url, token=unkind.token, timeout=2.0, default=True)):
        begin = time.monotonic()
        with pytest.raises(StoreBusy, match="503") as info:
            Article.find().count()
        assert time.monotonic() - begin < 1.0
        assert info.value.retry_after == 30


STUCK: dict[str, dict[str, Any]] = {
    "silent": {"silent": True},
    "silent once done": {"after": {"how": "silent"}},
    "slow": {"slow": {"seconds": 0.2, "pieces": 50}},
    "late": {"latency": {"seconds": 5}},
}
SECONDS = 0.4


@pytest.mark.parametrize("stuck", STUCK)
def test_a_verb_ends_in_time(unkind, stuck):
    unkind.faults(rushdb=True)
    with closing(connect(unkind.url, token=unkind.token, timeout=SECONDS, default=True)) as database:
        Plain(name="x" * 200).save()
        unkind.faults(**STUCK[stuck])
        for verb in (Plain(name="y" * 200).save, Plain.find().all):
            begin = time.monotonic()
            with pytest.raises(StoreTimeout) as info:
                verb()
            assert SECONDS * 0.9 <= time.monotonic() - begin < SECONDS + 0.8
            assert info.value.sent is True

        async def use():
            begin = time.monotonic()
            with pytest.raises(StoreTimeout):
                await Plain.find().aall()
            assert SECONDS * 0.9 <= time.monotonic() - begin < SECONDS + 0.8

        asyncio.run(use())
        unkind.faults(reset=True, rushdb=True)
        assert Plain.find(Plain.name != "z").exists()  # and the database goes on
        assert repr(database)


def test_a_deadline_is_for_all_requests_of_a_verb(unkind):
    """None of them takes long; together they do."""
    unkind.faults(rushdb=True, latency={"seconds": 0.15})
    with closing(connect(unkind.url, token=unkind.token, timeout=0.5, default=True)):
        begin = time.monotonic()
        with pytest.raises(StoreTimeout):
            Page.save_many([page(str(number)) for number in range(3)])  # policies, an import, vectors twice
        assert time.monotonic() - begin < 1.2


def test_an_interrupted_verb_leaves_the_connections_usable(db, unkind):
    async def use():
        await article().asave()
        unkind.faults(latency={"seconds": 1.0})
        for _ in range(5):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(Article.find().aall(), 0.05)
        unkind.faults(latency=False)
        found = await asyncio.gather(*[Article.aget(slug="warp") for _ in range(20)])
        assert {each.title for each in found} == {""}

    asyncio.run(use())


# -- answers that are none ----------------------------------------------------


def test_a_server_that_says_nothing(db, unkind, hasty):
    article().save()
    unkind.faults(reset=True, rushdb=True, status={"code": 500})
    with pytest.raises(ServerError, match=r"finding records of Article.*500 without a word") as info:
        Article.find().all()
    assert (info.value.status, info.value.sent) == (500, True)
    with pytest.raises(ServerError, match="saving a record of Article"):
        article("new").save()
    assert len(unkind.requests) == 2  # 500 is no passing trouble


@pytest.mark.parametrize("code", [200, 201, 400, 404, 500, 502])
def test_pages_of_proxies(db, unkind, hasty, code):
    article().save()
    unkind.faults(html={"code": code})
    for verb in (
        Article.find().all,
        lambda: Article.get(slug="warp"),
        article("new").save,
        Plain(name="x").save,
    ):
        with pytest.raises(ServerError, match="Bad gateway") as info:
            verb()
        assert str(code) in str(info.value)
    unkind.faults(html=False)
    assert Article.find().count() == 1


@pytest.mark.parametrize("code", [401, 403])
def test_a_token_that_is_not_taken(db, unkind, code):
    unkind.faults(status={"code": code, "message": "not you"})
    with pytest.raises(AccessDenied, match="not you"):
        Article.find().count()
    assert len(unkind.requests) == 1


def test_no_answer_is_taken_for_another(db, unkind, hasty):
    """A pooled connection on which an answer was left half read is not used again."""
    for number in range(20):
        article(f"{number:02}", title=f"title {number:02}").save()
    unkind.faults(after={"how": "middle", "count": 10})

    def get(number: int) -> str:
        with db:
            return Article.get(slug=f"{number % 20:02}").title

    with ThreadPoolExecutor(6) as pool:
        titles = list(pool.map(get, range(100)))
    assert titles == [f"title {number % 20:02}" for number in range(100)]


def test_the_same_from_an_event_loop(db, unkind, hasty):
    async def use():
        for trouble in TROUBLE:
            unkind.reset(rushdb=True)
            db.context.prepared.clear()
            unkind.faults(**struck(trouble, count=2, skip=1))
            record = await article(note="old").asave()
            record.title = trouble
            await record.asave()
            assert [hit.record.title for hit in await Article.asearch([1, 2, 3])] == [trouble]
            if trouble == "429":
                continue
            await Plain(name="x").asave()
            unkind.faults(**struck(trouble, path="/records"))
            with pytest.raises(StoreError) as info:
                await Plain(name="x").asave()
            assert info.value.sent is True

    asyncio.run(use())


def test_closing_in_a_loop_leaves_no_connection_open(unkind):
    async def use():
        database = connect(unkind.url, token=unkind.token, default=True)
        await asyncio.gather(*[Plain.find().acount() for _ in range(20)])
        await database.aio.close()

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(3):
            asyncio.run(use())
            gc.collect()
    assert [str(each.message) for each in heard] == []
