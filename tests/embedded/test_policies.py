from __future__ import annotations

import re
import time
import uuid
from typing import Any

import pytest

from rushmodel.errors import (
    NotFound,
    PolicyConflict,
    PolicyError,
    PolicyExists,
    PolicyMissing,
    PropertyError,
    VectorError,
)
from rushmodel.port import GetCoverage, Signature, UpsertVectors

from .store import cosine, euclidean, vec


def managed(dims=None):
    return Signature("A", "body", "managed", "cosine", dims)


def test_a_policy_is_created(store):
    policy = store.policy(cosine())
    assert uuid.UUID(policy.id).version == 4
    assert policy.signature == cosine()
    assert policy.status == "awaiting_vectors"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", policy.created_at)
    assert policy.updated_at == policy.created_at
    assert store.policies() == [policy]


def test_the_signature_is_the_identity(store):
    variants = [
        cosine(),
        cosine("B"),
        cosine(name="title"),
        euclidean(),
        cosine(dims=4),
        managed(),
        managed(3),
    ]
    for signature in variants:
        store.policy(signature)
    for signature in variants:
        with pytest.raises(PolicyExists) as raised:
            store.policy(signature)
        assert raised.value.signature == signature
        assert raised.value.status == 409
    assert [policy.signature for policy in store.policies()] == variants
    assert [policy.signature for policy in store.policies("B")] == [cosine("B")]
    assert store.policies("Never") == []


@pytest.mark.parametrize(
    ("signature", "status"),
    [
        (cosine(dims=0), 400),
        (cosine(dims=4097), 400),
        (cosine(dims=-1), 400),
        (cosine(dims=True), 400),
        (cosine(dims=3.0), 400),  # type: ignore[arg-type]
        (Signature("A", "body", "external", "cosine", None), 422),
        (managed(0), 400),
        (cosine(""), 400),
        (cosine("a b"), 400),
        (cosine("1a"), 400),
        (cosine("ä"), 400),
        (cosine("A\n"), 400),
        (Signature("A", "body", "elsewhere", "cosine", 3), 400),  # type: ignore[arg-type]
        (Signature("A", "body", "external", "dot", 3), 400),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_signatures_that_are_none(store, signature, status):
    with pytest.raises(PolicyError) as raised:
        store.policy(signature)
    assert raised.value.status == status
    assert store.policies() == []


def test_dimensions_at_the_edges(store):
    store.policy(cosine(dims=1))
    store.policy(cosine(dims=4096))
    assert store.save({"body": "x"}, vectors={cosine(dims=1): vec(-1), cosine(dims=4096): vec(*[1] * 4096)})


def test_property_names_are_checked(store):
    with pytest.raises(PropertyError):
        store.policy(cosine(name="$id"))


@pytest.mark.parametrize(
    "value",
    [1, 1.5, True, [1], [True], [0.5], "2024-01-01", "2024-01-01T10:00:00Z", ["2024-01-01"]],
    ids=repr,
)
def test_a_property_that_is_no_text_cannot_be_indexed(store, value):
    """R2: in whatever label."""
    store.save({"body": "a text"})
    other = store.save({"body": value}, "Other").id
    with pytest.raises(PolicyConflict) as raised:
        store.policy(cosine())
    assert raised.value.record_id == other
    assert raised.value.status == 422
    assert store.policies() == []
    store.delete("Other")
    store.policy(cosine())


@pytest.mark.parametrize(
    "value",
    ["", "x", "1", "true", "[1]", [], [""], ["a", "2"], "2024-02-30", "2024-01-01x", ["2024-01-01", "a"]],
    ids=repr,
)
def test_texts_and_lists_of_texts_can_be_indexed(store, value):
    store.save({"body": value}, "Other")
    store.policy(cosine())


def test_a_datetime_that_is_marked_as_text_can_be_indexed(store):
    store.save({"body": "2024-01-01", "other": "2024-01-01"}, texts=frozenset({"body"}))
    store.policy(cosine())
    with pytest.raises(PolicyConflict, match="datetime"):
        store.policy(cosine(name="other"))


def test_status_follows_the_vectors(store):
    store.policy(cosine())
    store.policy(managed())

    def status():
        return [policy.status for policy in store.policies()]

    assert status() == ["awaiting_vectors", "pending"]
    first = store.save({"body": "x"})
    assert status() == ["awaiting_vectors", "pending"]
    store.save({}, record_id=first.id, vectors={cosine(): vec(1, 0, 0)})
    assert status() == ["ready", "pending"]
    store.delete()
    assert status() == ["awaiting_vectors", "pending"]


def test_updated_is_when_vectors_were_written(store):
    policy = store.policy(cosine())
    time.sleep(0.002)
    store.save({"body": "x"}, vectors={cosine(): vec(1, 0, 0)})
    (updated,) = store.policies()
    assert updated.updated_at > policy.updated_at
    assert updated.created_at == policy.created_at


def test_a_policy_goes_with_its_vectors(store):
    policy = store.policy(cosine())
    first = store.save({"body": "x"}, vectors={cosine(): vec(1, 0, 0)})
    assert len(store.search(vec(1, 0, 0))) == 1
    with pytest.raises(PolicyError, match="1 vectors") as raised:
        store.drop_policy(policy.id, only_empty=True)
    assert raised.value.vectors == 1
    store.drop_policy(policy.id)
    assert store.policies() == []
    assert store.get(first.id).data == {"body": "x"}
    with pytest.raises(PolicyMissing):
        store.search(vec(1, 0, 0))
    for use in (lambda: store.drop_policy(policy.id), lambda: store.coverage(policy.id)):
        with pytest.raises(PolicyMissing) as missing:
            use()
        assert missing.value.policy_id == policy.id
    # The same signature again is another policy, without the old one's vectors.
    again = store.policy(cosine())
    assert again.id != policy.id
    assert store.search(vec(1, 0, 0)) == []
    assert store.get(first.id, cosine()).vectors == {}
    store.drop_policy(again.id, only_empty=True)


def test_coverage(store):
    policy = store.policy(cosine())
    other = store.policy(cosine("Never"))
    assert store.coverage(policy.id) == (0, 0)
    ids = store.save_all([{"body": "x"}, {"body": ["a"]}, {"n": 1}])
    store.save({"body": "x"}, "B")
    store.upsert(policy.id, {ids[0]: vec(1, 0, 0), ids[1]: vec(1, 0, 0)})
    assert store.coverage(policy.id) == (2, 2)
    store.save({}, record_id=ids[0], vectors={cosine(): None})
    store.save({}, record_id=ids[0], remove=("body",))
    assert store.coverage(policy.id) == (1, 1)
    both = store.do(GetCoverage((other.id, policy.id)))
    assert [(coverage.records, coverage.vectors) for coverage in both] == [(0, 0), (1, 1)]
    assert store.do(GetCoverage(())) == []


# -- upserting vectors (R7) ---------------------------------------------------


@pytest.fixture
def shelf(store):
    """Three records that have a body, one of them another label's, one that has none; and the policy."""
    policy = store.policy(cosine())
    ids = store.save_all([{"body": "a"}, {"body": "b"}, {"n": 1}])
    other = store.save({"body": "c"}, "B").id
    return store, policy.id, [*ids, other]


def held(store, record_id):
    found = store.get(record_id, cosine()).vectors
    return found[cosine()].tolist() if found else None


def test_vectors_are_set_and_replaced(shelf):
    store, policy, (a, b, _, _) = shelf
    assert store.upsert(policy, {a: vec(1, 0, 0), b: vec(0, 1, 0)}) == 2
    assert store.upsert(policy, {a: vec(0, 0, 1)}) == 1
    assert (held(store, a), held(store, b)) == ([0, 0, 1], [0, 1, 0])
    assert (store.get(a).version, store.get(b).version) == (3, 2)
    assert store.upsert(policy, {}) == 0


def test_the_last_of_several_wins(shelf):
    store, policy, (a, b, _, _) = shelf
    vectors: Any = vec(1, 0, 0, 0, 1, 0, 0, 0, 1).reshape(3, 3)
    assert store.do(UpsertVectors(policy, (a, b, a), vectors)) == 3
    assert (held(store, a), held(store, b)) == ([0, 0, 1], [0, 1, 0])
    assert store.get(a).version == 2


@pytest.mark.parametrize("wrong", [2, 3, None], ids=["without the property", "another label", "unknown"])
def test_all_or_nothing_for_ids(shelf, wrong):
    store, policy, ids = shelf
    wrong_id = "nobody" if wrong is None else ids[wrong]
    with pytest.raises(NotFound) as raised:
        store.upsert(policy, {ids[0]: vec(1, 0, 0), wrong_id: vec(1, 0, 0), ids[1]: vec(1, 0, 0)})
    assert raised.value.record_id == wrong_id
    assert held(store, ids[0]) is held(store, ids[1]) is None
    assert store.get(ids[0]).version == 1


@pytest.mark.parametrize("vector", [vec(1, 0), vec(1, 0, float("nan")), vec(0, 0, 0)], ids=str)
def test_all_or_nothing_for_vectors(shelf, vector):
    store, policy, ids = shelf
    with pytest.raises(VectorError) as raised:
        store.upsert(policy, {ids[0]: vec(1, 0, 0), ids[1]: vector})
    assert raised.value.record_id == ids[1]
    assert held(store, ids[0]) is None


def test_one_vector_to_an_id(shelf):
    store, policy, (a, b, _, _) = shelf
    with pytest.raises(VectorError, match="2 record ids and 1 vectors"):
        store.do(UpsertVectors(policy, (a, b), [vec(1, 0, 0)]))
    with pytest.raises(PolicyMissing):
        store.upsert("nowhere", {a: vec(1, 0, 0)})


def test_a_property_nobody_has(store):
    policy = store.policy(cosine())
    first = store.save({"n": 1})
    with pytest.raises(NotFound, match="'body'"):
        store.upsert(policy.id, {first.id: vec(1, 0, 0)})


def test_many_at_once(store):
    policy = store.policy(cosine())
    ids = store.save_all([{"body": "x"} for _ in range(2000)])
    assert store.upsert(policy.id, {record_id: vec(1, n, 0) for n, record_id in enumerate(ids)}) == 2000
    assert store.coverage(policy.id) == (2000, 2000)
    assert [hit.id for hit in store.search(vec(1, 0, 0), limit=3)] == ids[:3]
