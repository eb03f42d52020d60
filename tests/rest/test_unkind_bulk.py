"""A connection that is cut in the middle of a bulk save: no new record is left without its vector."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="assignment"

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
import stamina

from rushmodel import (
    BulkError,
    Field,
    Model,
    OptionalVector,
    RecordGone,
    RushModelError,
    ServerError,
    StoreError,
    StoreTimeout,
    Vector,
    VectorField,
    connect,
    field,
)
from tests.unkind.process import Unkind, db, unkind

__all__ = ["db", "unkind"]

IMPORT = "/records/import/json"
UPSERT = "/ai/indexes/*/vectors/upsert"


class Keyed(Model):
    """A key, and two policies for one vector."""

    slug: Field[str] = field(key=True)
    title: Field[str] = ""
    body: Field[str] = "text"
    embedding: Vector = VectorField(dims=3, similarity=("cosine", "euclidean"), property="body")
    look: OptionalVector = VectorField(default=None, dims=2)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that it has vectors and no key

    class Keyless(Model):
        slug: Field[str]
        title: Field[str] = ""
        body: Field[str] = "text"
        embedding: Vector = VectorField(dims=3, similarity=("cosine", "euclidean"), property="body")
        look: OptionalVector = VectorField(default=None, dims=2)

    class Free(Model):
        """A text may be missing, and its vector be there."""

        name: Field[str]
        body: Field[str | None] = None
        embedding: OptionalVector = VectorField(default=None, dims=3, property="body")


@pytest.fixture(autouse=True)
def hasty() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


def make(model: type[Any], count: int, **values: Any) -> list[Any]:
    return [
        model(slug=f"{number:04}", embedding=[1, number + 1, 2], look=[1, number + 1], **values)
        for number in range(count)
    ]


def state(unkind: Unkind, label: str) -> tuple[int, set[int]]:
    """How many records there are, and how many of them each search finds."""
    unkind.faults(status=False, cut=False, after=False, silent=False)
    found = set()
    with unkind.client() as client:
        total = client.post("/records/search", json={"labels": [label]}).json()["total"]
        for name, similarity, query in (
            ("body", "cosine", [1, 1, 1]),
            ("body", "euclidean", [1, 1, 1]),
            ("look", "cosine", [1, 1]),
        ):
            body = {
                "labels": [label],
                "propertyName": name,
                "sourceType": "external",
                "similarityFunction": similarity,
                "queryVector": query,
                "where": {name: {"$exists": True}},
                "limit": 5000,
            }
            found.add(len(client.post("/ai/search", json=body).json()["data"]))
    return total, found


CUTS: dict[str, dict[str, Any]] = {
    "before the import": {"cut": {"path": IMPORT}},
    "import refused": {"status": {"code": 503, "path": IMPORT}},
    "vectors": {"cut": {"path": UPSERT}},
    "second vectors": {"cut": {"path": UPSERT, "skip": 1}},
    "third vectors": {"cut": {"path": UPSERT, "skip": 2}},
    "vectors, answer": {"after": {"how": "cut", "path": UPSERT, "skip": 1}},
    "vectors, half an answer": {"after": {"how": "middle", "path": UPSERT, "skip": 2}},
    "vectors, 500": {"status": {"code": 500, "path": UPSERT, "skip": 1}},
    "vectors, 422": {"status": {"code": 422, "path": UPSERT, "skip": 1}},
    "vectors, 429": {"status": {"code": 429, "path": UPSERT}},
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("model", [Keyed, Keyless])
def test_a_cut_leaves_no_half(db, unkind, model, cut):
    model.save_many(make(model, 2))
    model.delete_all()
    records = make(model, 20)
    unkind.faults(**CUTS[cut])
    with pytest.raises(RushModelError):
        model.save_many(records)
    total, found = state(unkind, model.__name__)
    if model is Keyless:
        assert (total, found) == (0, {0})
    assert all(not record.is_saved for record in records)
    # Saving again makes it whole.
    assert model.save_many(records).saved == 20
    assert state(unkind, model.__name__) == (20, {20})
    for similarity, query in (("cosine", [1, 8, 2]), ("euclidean", [1, 8, 2])):
        (hit,) = model.search(query, similarity=similarity, limit=1)
        assert (hit.record.slug, hit.score) == ("0007", pytest.approx(1.0, abs=1e-6))


@pytest.mark.parametrize("how", ["cut", "middle", 502])
def test_the_answer_to_an_import_without_keys_is_lost(db, unkind, how):
    """Nobody knows the ids then of what was made, so the error says what there may be."""
    Keyless.save_many(make(Keyless, 2))
    Keyless.delete_all()
    unkind.faults(after={"how": how, "path": IMPORT, "count": 1})
    with pytest.raises(StoreError, match="without their vectors") as caught:
        Keyless.save_many(make(Keyless, 20))
    assert caught.value.sent
    assert state(unkind, "Keyless") == (20, {0})


@pytest.mark.parametrize("how", ["cut", "middle", 502])
def test_the_answer_to_an_import_by_key_is_lost(db, unkind, how):
    records = make(Keyed, 20)
    unkind.faults(after={"how": how, "path": IMPORT, "count": 2})
    assert Keyed.save_many(records).saved == 20
    assert state(unkind, "Keyed") == (20, {20})


def test_trouble_of_the_server_is_no_trouble_of_a_record(db, unkind):
    """on_error="skip" leaves out records that are refused, not those on which the connection was cut."""
    saved = make(Keyed, 3)
    Keyed.save_many(saved)
    for record in saved:
        record.look = None  # goes one by one
    unkind.faults(cut={"method": "P[AU]*"})  # PATCH and PUT
    with pytest.raises(ServerError) as info:
        Keyed.save_many(saved, on_error="skip")
    assert info.value.report.saved == 0
    state(unkind, "Keyed")
    assert Keyed.save_many(saved, on_error="skip").saved == 3


def test_batches_before_the_cut_are_saved(db, unkind):
    records = make(Keyless, 30)
    Keyless.save_many(records[:1])
    progress: list[int] = []
    unkind.faults(cut={"path": UPSERT, "skip": 3 * 2})  # three requests a batch
    with pytest.raises(StoreError) as info:
        Keyless.save_many(records[1:], batch=10, progress=progress.append)
    assert progress == [10, 20]
    assert info.value.report.saved == 20
    assert state(unkind, "Keyless") == (21, {21})
    assert [record.is_saved for record in records] == [True] * 21 + [False] * 9
    assert Keyless.save_many(records).saved == 30
    assert state(unkind, "Keyless") == (30, {30})


def test_more_than_one_import(db, unkind):
    """The second thousand fails: the first one is taken back, as it would be made twice otherwise."""
    records = [Keyless(slug=str(number), embedding=[1, number + 1, 2], look=[1, 1]) for number in range(1500)]
    Keyless.save_many(records[:1])
    unkind.faults(reset=True, rushdb=True, cut={"path": UPSERT, "skip": 4})
    with pytest.raises(StoreError):
        Keyless.save_many(records[1:], batch=5000)
    assert state(unkind, "Keyless") == (1, {1})
    imports = [each for each in unkind.requests if each.path == IMPORT]
    assert [len(each.body["data"]) for each in imports] == [1000, 499]


def test_vectors_go_by_the_thousand(db, unkind):
    vectors = np.random.default_rng(5).normal(size=(1200, 3)).astype(np.float32)
    records = [Keyed(slug=str(at), embedding=vector) for at, vector in enumerate(vectors)]
    assert Keyed.save_many(records, batch=1200).saved == 1200
    sent = [each for each in unkind.requests if each.path.endswith("/vectors/upsert")]
    assert sorted(len(each.body["items"]) for each in sent) == [200, 200, 1000, 1000]
    assert not any("$vectors" in str(each.body) for each in unkind.requests if each.path == IMPORT)


def test_a_key_twice_in_a_batch(db, unkind):
    """A server would make two records of them."""
    records = [*make(Keyed, 3), Keyed(slug="0001", title="last", embedding=[9, 9, 9])]
    assert Keyed.save_many(records).saved == 4
    assert state(unkind, "Keyed")[0] == 3
    assert Keyed.get(slug="0001").title == "last"
    (hit,) = Keyed.search([9, 9, 9], similarity="euclidean", limit=1)
    assert hit.record.slug == "0001"
    assert hit.score == pytest.approx(1.0, abs=1e-6)


def test_a_record_that_is_gone_among_others(db, unkind):
    records = make(Keyed, 5)
    Keyed.save_many(records)
    with unkind.client() as client:
        client.delete(f"/records/{records[2].record_id}").raise_for_status()
    for record in records:
        record.title = "new"
    unkind.faults(reset=True, rushdb=True)
    with pytest.raises(BulkError) as info:
        Keyed.save_many(records)
    assert info.group_contains(RecordGone)
    assert unkind.writes == []
    report = Keyed.save_many(records, on_error="skip")
    assert (report.saved, [each.position for each in report.failed]) == (4, [2])
    assert state(unkind, "Keyed")[0] == 4


@pytest.mark.parametrize("model", [Keyed, Keyless])
def test_a_silent_server_in_the_middle(unkind, model):
    unkind.faults(rushdb=True)
    with closing(connect(unkind.url, token=unkind.token, timeout=0.6, default=True)):
        model.save_many(make(model, 1))
        records = make(model, 10)
        unkind.faults(silent={"path": UPSERT, "skip": 1})
        with pytest.raises(StoreTimeout):
            model.save_many(records[1:])
        total, found = state(unkind, model.__name__)
        if model is Keyless:
            assert found == {total}
        assert model.save_many(records[1:]).saved == 9
        assert state(unkind, model.__name__) == (10, {10})


def test_the_client_of_rushdb_takes_back_what_it_could_not_finish(db, unkind):
    indexes, records = db.client.ai.indexes, db.client.records
    indexes.create({"label": "Note", "propertyName": "text", "external": True, "dimensions": 2})
    rows = [{"text": str(number)} for number in range(4)]
    vectors = [[{"propertyName": "text", "vector": [1, number]}] for number in range(4)]
    unkind.faults(cut={"path": UPSERT})
    with pytest.raises(StoreError):
        records.create_many("Note", rows, vectors=vectors)
    unkind.faults(cut=False)
    assert records.find({"labels": ["Note"]}).total == 0
    assert len(records.create_many("Note", rows, vectors=vectors).data) == 4


@pytest.mark.parametrize("rushdb", [False, True])
def test_what_is_refused_makes_no_record_twice(unkind, rushdb):
    """With on_error="skip" the others are sent again, without the one that was refused."""
    unkind.faults(rushdb=rushdb)
    with closing(connect(unkind.url, token=unkind.token, default=True)):
        gone = [Free(name="gone", body="text", embedding=[1, 2, 3]).save() for _ in range(2)]
        Free.find(Free.name == "gone").delete()
        for record in gone:
            record.name = "changed"
        # Without its text a vector goes with its record, one by one, where the server keeps it (R4).
        body = "text" if rushdb else None
        new = [Free(name="new"), Free(name="new", body=body, embedding=[1, 2, 3])]
        report = Free.save_many([*new, *gone], on_error="skip")
        assert (report.saved, [each.position for each in report.failed]) == (2, [2, 3])
        assert {record.record_id for record in Free.find()} == {record.record_id for record in new}


@pytest.mark.parametrize("rushdb", [False, True])
def test_a_record_that_cannot_be_made_takes_the_others_back(unkind, rushdb):
    unkind.faults(rushdb=rushdb)
    with closing(connect(unkind.url, token=unkind.token, default=True)):
        Free(name="first").save()
        body = "text" if rushdb else None  # as above
        new = [Free(name=str(number), body=body, embedding=[1, 2, 3]) for number in range(3)]
        path = IMPORT if rushdb else "/records"
        unkind.faults(status={"code": 503, "method": "POST", "path": path, "skip": 0 if rushdb else 2})
        with pytest.raises(StoreError):
            Free.save_many([Free(name="plain"), *new])
        unkind.faults(status=False)
        assert [record.name for record in Free.find()] == ["first"]
        assert Free.save_many(new).saved == 3


def test_records_that_cannot_be_taken_back_are_named(db, unkind):
    Keyless.save_many(make(Keyless, 1))
    Keyless.delete_all()
    unkind.faults(cut={"path": UPSERT}, status={"code": 503, "path": "/records/delete"})
    with pytest.raises(ServerError, match="4 new records are left") as info:
        Keyless.save_many(make(Keyless, 4), on_error="skip")
    unkind.faults(cut=False, status=False)
    assert {record.record_id for record in Keyless.find()} == set(info.value.left)
