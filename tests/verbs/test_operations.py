"""Operations as conversations: what they ask, what they make of the answers; no store."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="attr-defined, union-attr"

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

from rushmodel import (
    BulkError,
    BulkReport,
    CapabilityError,
    ConflictError,
    MultipleFound,
    NotFound,
    Plan,
    PolicyConflict,
    PolicyDrift,
    PolicyError,
    PolicyExists,
    PolicyMissing,
    RecordGone,
    StaleVector,
    VectorsNotLoaded,
)
from rushmodel.errors import StoreBusy
from rushmodel.metaclass import schema_of
from rushmodel.operations import planning, reading, saving, searching
from rushmodel.operations.context import Context
from rushmodel.operations.drafts import SaveOptions
from rushmodel.port import (
    Capabilities,
    CountRecords,
    Coverage,
    CreatePolicy,
    DeletePolicy,
    DeleteRecords,
    EnsureIndexes,
    FindRecords,
    GetCapabilities,
    GetCoverage,
    GetRecords,
    ListPolicies,
    Policy,
    SaveRecords,
    SearchVectors,
    Signature,
    StoredRecord,
    UpdateRecords,
    VectorGuard,
    Written,
)

from .models import Article, Page, Picture, Plain, Quote, article, page, vec

COSINE = Signature("Page", "body", "external", "cosine", 3)
EUCLIDEAN = Signature("Page", "body", "external", "euclidean", 3)
PAGE, ARTICLE = schema_of(Page), schema_of(Article)


def capable(*, reads_vectors: bool = True, versions: bool = True) -> Capabilities:
    return Capabilities("test", reads_vectors=reads_vectors, versions=versions, managed=False)


def context(*prepared: Any, **rest: Any) -> Context:
    made = Context(**rest)
    made.prepared |= set(prepared)
    return made


def told(operation: Generator[Any, Any, Any], **capabilities: Any) -> Any:
    """The first command of an operation that asks what the store can do, once it was told."""
    assert next(operation) == GetCapabilities()
    return operation.send(capable(**capabilities))


def policy(signature: Signature, number: int = 1) -> Policy:
    return Policy(f"policy-{number}", signature, "ready", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")


def stored(model: Any, number: int = 1, /, **data: Any) -> StoredRecord:
    return StoredRecord(f"id-{number}", model.__name__, 1, data)


def result(operation: Generator[Any, Any, Any], reply: Any = None) -> Any:
    """What the operation returns on this, its last, reply."""
    with pytest.raises(StopIteration) as done:
        operation.send(reply)
    return done.value.value


# -- saving -------------------------------------------------------------------


def test_the_first_save_of_a_class():
    record, known = page(), context()
    saved = saving.save(known, record)
    assert next(saved) == ListPolicies("Page")
    assert saved.send([]) == CreatePolicy(COSINE)
    assert saved.send(policy(COSINE)) == CreatePolicy(EUCLIDEAN)
    assert saved.throw(PolicyExists("somebody was quicker")) == EnsureIndexes("Page", (("slug",),))
    command = saved.send(None)
    assert isinstance(command, SaveRecords)
    (write,) = command.writes
    assert command.label == "Page"
    assert write.data == {"slug": "warp", "title": "", "body": "text"}
    assert (write.record_id, write.key, write.version) == (None, ("slug",), None)
    assert [signature for signature, _ in write.vectors] == [COSINE, EUCLIDEAN]
    assert [vector.tolist() for _, vector in write.vectors] == [[1, 2, 3]] * 2
    assert not record.is_saved
    assert result(saved, [Written("id-1", 1, True)]) is record
    assert (record.record_id, record.is_saved) == ("id-1", True)
    assert Page in known.prepared


def test_a_second_save_of_a_class_asks_for_nothing_else():
    saved = saving.save(context(Page), page())
    assert isinstance(next(saved), SaveRecords)


def test_an_unchanged_save_says_nothing():
    record, known = page(), context(Page)
    saved = saving.save(known, record)
    next(saved)
    result(saved, [Written("id-1", 1, True)])
    assert result(saving.save(known, record)) is record
    assert result(saving.save(known, record, SaveOptions(if_unchanged=True))) is record


def test_what_is_not_known_is_guarded_by_the_store():
    known = context(Page)
    for record, expected in (
        (Page(slug="a", body="text"), "text"),
        (Page(slug="a", body=None), None),
    ):
        command: Any = next(saving.save(known, record))
        assert command.writes[0].guards == (
            VectorGuard("embedding", "body", expected, (COSINE, EUCLIDEAN), "raise"),
        )
    command = next(saving.save(known, Page(slug="a", body="b"), SaveOptions(on_stale="drop")))
    assert command.writes[0].guards[0].action == "drop"
    assert next(saving.save(known, Page(slug="a", body="b"), SaveOptions("keep"))).writes[0].guards == ()
    # A text that was not given stays as it is, and so does its vector.
    assert next(saving.save(known, Page(slug="a"))).writes[0].guards == ()


def test_drift_is_found_before_anything_is_written():
    other = Signature("Page", "body", "external", "cosine", 768)
    saved = saving.save(context(), page())
    next(saved)
    with pytest.raises(PolicyDrift, match="768"):
        saved.send([policy(other)])
    managed = Signature("Page", "body", "managed", "cosine", 768)
    saved = saving.save(context(), page())
    next(saved)
    assert saved.send([policy(managed)]) == CreatePolicy(COSINE)


def test_without_autosync_a_missing_policy_is_an_error():
    known = context(autosync=False)
    saved = saving.save(known, page())
    next(saved)
    with pytest.raises(PolicyMissing):
        saved.send([])
    assert known.prepared == set()
    saved = saving.save(known, page())
    next(saved)
    assert isinstance(saved.send([policy(COSINE), policy(EUCLIDEAN, 2)]), EnsureIndexes)


def test_what_the_store_finds_stale_is_said_in_the_words_of_the_class():
    saved = saving.save(context(Page), Page(slug="a", body="b"))
    next(saved)
    with pytest.raises(StaleVector, match=r"Page\.embedding.*'body'") as caught:
        saved.throw(StaleVector("store's words", field="embedding", record_id="id-1"))
    assert caught.value.record_id == "id-1"


def test_a_new_instance_takes_what_the_store_kept():
    record = Page(slug="a")
    saved = saving.save(context(Page), record)
    next(saved)
    result(saved, [Written("id-1", 7, False, kept={"body": "kept", "other": 5})])
    assert (record.body, record.record_id) == ("kept", "id-1")
    with pytest.raises(VectorsNotLoaded):
        record.embedding
    assert result(saving.save(context(Page), record)) is record


def test_versions_need_a_store_that_tells_them():
    record = article()
    saved = saving.save(context(Article), record)
    next(saved)
    result(saved, [Written("id-1", None, True)])
    record.title = "new"
    with pytest.raises(CapabilityError, match="test"):
        told(saving.save(context(Article), record, SaveOptions(if_unchanged=True)), versions=False)
    command: Any = next(saving.save(context(Article), record))
    assert command.writes[0].version is None


def test_if_unchanged_sends_the_version_that_was_read():
    record = result_of_loading(Article, slug="a", body="b", title="t", year=1, tags=[])
    record.title = "new"
    saved = saving.save(context(Article), record, SaveOptions(if_unchanged=True))
    command: Any = told(saved)
    assert command.writes[0].version == 1
    with pytest.raises(ConflictError):
        saved.throw(ConflictError("changed"))
    command = told(saving.save(context(Article), record, SaveOptions(if_unchanged=True)))
    assert command.writes[0].version == 1


def result_of_loading(model: Any, **data: Any) -> Any:
    found = reading.get(context(), schema_of(model), "id-1", {}, False)
    assert next(found) == GetRecords(("id-1",), model.__name__, ())
    return result(found, [stored(model, **data)])


def test_rename_key_is_one_write_with_id_and_key():
    record = result_of_loading(Article, slug="a", body="b", title="t", year=1, tags=[])
    renamed = saving.rename_key(context(), record, {"slug": "c"})
    command: Any = next(renamed)
    (write,) = command.writes
    assert (write.record_id, write.key, write.data) == ("id-1", ("slug",), {"slug": "c"})
    assert record.slug == "a"
    assert result(renamed, [Written("id-1", 2, False)]).slug == "c"


def test_a_batch_goes_on_without_what_is_refused():
    records = [page(str(n)) for n in range(4)]
    batch = saving.save_batch(context(Page), PAGE, list(enumerate(records, 10)), BulkReport(10), skip=True)
    command: Any = next(batch)
    assert [write.data["slug"] for write in command.writes] == ["0", "1", "2", "3"]
    command = batch.throw(RecordGone("gone", index=1))
    assert [write.data["slug"] for write in command.writes] == ["0", "2", "3"]
    command = batch.throw(StaleVector("stale", index=2, field="embedding", record_id="id"))
    assert [write.data["slug"] for write in command.writes] == ["0", "2"]
    report = result(batch, [Written("id-0", 1, True), Written("id-2", 1, True)])
    assert report.saved == 12
    assert [failed.position for failed in report.failed] == [11, 13]
    assert [record.record_id for record in records] == ["id-0", None, "id-2", None]


def test_a_batch_ends_with_what_is_refused():
    records = [page(str(n)) for n in range(3)]
    batch = saving.save_batch(context(Page), PAGE, list(enumerate(records)), BulkReport(5), skip=False)
    next(batch)
    with pytest.raises(BulkError) as caught:
        batch.throw(RecordGone("gone", index=1))
    assert caught.value.report.saved == 5
    assert not any(record.is_saved for record in records)


def test_a_store_that_fails_is_not_a_record_that_is_refused():
    batch = saving.save_batch(context(Page), PAGE, [(0, page())], BulkReport(5), skip=True)
    next(batch)
    with pytest.raises(StoreBusy) as caught:
        batch.throw(StoreBusy("locked"))
    assert caught.value.report == BulkReport(5)


# -- reading ------------------------------------------------------------------


def test_get_by_key_asks_for_two():
    found = reading.get(context(), ARTICLE, None, {"slug": "a"}, True)
    command: Any = told(found)
    assert isinstance(command, FindRecords)
    assert (command.query.labels, command.query.where, command.query.limit) == (
        ("Article",),
        {"slug": "a"},
        2,
    )
    assert command.query.vectors == ARTICLE.signatures
    with pytest.raises(MultipleFound, match="id-2") as caught:
        found.send([stored(Article, 1), stored(Article, 2)])
    assert caught.value.record_ids == ["id-1", "id-2"]
    found = reading.get(context(), ARTICLE, None, {"slug": "a"}, False)
    next(found)
    with pytest.raises(NotFound):
        found.send([])


def test_vectors_are_not_asked_of_a_store_that_has_none_to_give():
    known = context()
    with pytest.raises(CapabilityError, match="test"):
        told(reading.get(known, ARTICLE, "id-1", {}, True), reads_vectors=False)
    record = result_of_loading(Article, slug="a", body="b", title="t", year=1, tags=[])
    assert next(reading.refresh(known, record, None)) == GetRecords(("id-1",), "Article", ())
    with pytest.raises(CapabilityError):
        told(reading.refresh(known, record, True), reads_vectors=False)
    held = article()
    saved = saving.save(context(Article), held)
    next(saved)
    result(saved, [Written("id-1", None, True)])
    assert told(reading.refresh(known, held, None), reads_vectors=False) == GetRecords(
        ("id-1",), "Article", ()
    )
    with pytest.raises(CapabilityError):
        told(search(known, ARTICLE, [1, 2, 3], with_vectors=True), reads_vectors=False)
    with pytest.raises(VectorsNotLoaded):
        told(search(known, ARTICLE, record), reads_vectors=False)  # the store does not tell it


def test_delete_is_by_id_and_once():
    record = result_of_loading(Plain, name="a")
    deleted = reading.delete(context(), record)
    command: Any = next(deleted)
    assert isinstance(command, DeleteRecords)
    assert (command.query.labels, command.query.where) == (("Plain",), {"$id": "id-1"})
    result(deleted, 0)
    result(reading.delete(context(), record))


def test_update_is_one_command():
    query = Page.find(Page.slug == "a")
    updated = reading.update(context(), PAGE, stored_query(query), {"body": None, "title": "x"}, "drop")
    command: Any = next(updated)
    assert isinstance(command, UpdateRecords)
    assert (command.data, command.remove) == ({"title": "x"}, ("body",))
    assert command.guards == (VectorGuard("embedding", "body", None, (COSINE, EUCLIDEAN), "drop"),)
    assert result(updated, 3) == 3


def stored_query(query: Any) -> Any:
    from rushmodel.port import RecordQuery

    return RecordQuery((query.model.__name__,), query.conditions[0].where)


# -- searching ----------------------------------------------------------------


def search(known: Context, schema: Any, query: Any, **options: Any) -> Any:
    asked: dict[str, Any] = {
        "text": None,
        "on": None,
        "similarity": None,
        "where": None,
        "limit": 10,
        "offset": 0,
        "min_score": None,
        "exact": None,
        "with_vectors": False,
        **options,
    }
    return searching.search(known, schema, searching.Search(query, **asked))


def test_a_search_says_everything_about_its_policy():
    found = search(context(), ARTICLE, [1, 2, 3], where=Article.year > 2000, limit=5, offset=2, min_score=0.5)
    command: Any = next(found)
    assert isinstance(command, SearchVectors)
    assert (command.property, command.source, command.similarity) == ("body", "external", "cosine")
    assert command.vector.dtype == np.float32
    assert (command.query.labels, command.query.where) == (("Article",), {"year": {"$gt": 2000}})
    assert (command.query.limit, command.query.offset, command.min_score) == (5, 2, 0.5)
    assert command.exact
    assert command.without is None
    data = {"slug": "a", "body": "b", "title": "", "year": 1, "tags": []}
    hits = result(found, [stored(Article, **data)._replace(score=0.75)])
    assert [(hit.record.slug, hit.score) for hit in hits] == [("a", 0.75)]


def test_exactness_comes_from_the_call_or_the_database():
    for settings, wanted, expected in (({}, None, True), ({}, False, False), ({"exact": False}, None, False)):
        command: Any = next(search(context(**settings), ARTICLE, [1, 2, 3], exact=wanted))
        assert command.exact is expected
    assert next(search(context(exact=False), ARTICLE, [1, 2, 3], exact=True)).exact


@pytest.mark.parametrize("model", [Article, Quote])
def test_more_like_an_unloaded_record_asks_for_its_vector(model):
    data = {
        "slug": "a",
        "body": "b",
        "title": "",
        "year": 1,
        "tags": [],
        "name": "a",
        "text": "t",
        "source": "",
    }
    record = result_of_loading(model, **data)
    schema = schema_of(model)
    found = search(context(), schema, record)
    assert told(found) == GetRecords(("id-1",), model.__name__, schema.signatures)
    answer = stored(model)._replace(vectors={schema.signatures[0]: vec(3, 2, 1)})
    command: Any = found.send([answer])
    assert (command.vector.tolist(), command.without) == ([3, 2, 1], "id-1")


def test_more_like_a_record_the_store_has_no_vector_of():
    record = result_of_loading(Article, slug="a", body="b", title="", year=1, tags=[])
    for answer in ([], [stored(Article)]):
        found = search(context(), ARTICLE, record)
        told(found)
        with pytest.raises(VectorsNotLoaded):
            found.send(answer)


# -- planning -----------------------------------------------------------------


def test_a_sync_reads_first_and_then_writes():
    spare = Signature("Page", "title", "external", "cosine", 2)
    foreign = Signature("Other", "body", "external", "cosine", 2)
    known = context()
    done = planning.sync(known, [PAGE], prune=True, drop_vectors=False)
    assert next(done) == ListPolicies()
    policies = [policy(COSINE, 1), policy(spare, 2), policy(foreign, 3)]
    assert done.send(policies) == GetCoverage(("policy-1", "policy-2"))
    assert isinstance(done.send([Coverage(5, 5), Coverage(3, 0)]), CountRecords)
    assert isinstance(done.send(0), CountRecords)
    assert done.send(7) == CreatePolicy(EUCLIDEAN)
    assert done.send(policy(EUCLIDEAN, 4)) == DeletePolicy("policy-2", only_empty=True)
    assert done.send(None) == EnsureIndexes("Page", (("slug",),))
    made = result(done)
    assert isinstance(made, Plan)
    assert [change.kind for change in made.changes] == ["keep", "create", "drop"]
    assert made.of("create")[0].coverage == Coverage(7, 0)
    assert known.prepared == {Page}


@pytest.mark.parametrize(
    ("counts", "vectors", "error"),
    [((1, 0), 0, PolicyConflict), ((0, 0), 4, PolicyError)],
    ids=["conflict", "vectors"],
)
def test_a_sync_that_is_refused_writes_nothing(counts, vectors, error):
    spare = Signature("Page", "title", "external", "cosine", 2)
    done = planning.sync(context(), [PAGE], prune=True, drop_vectors=False)
    next(done)
    done.send([policy(COSINE, 1), policy(spare, 2)])
    done.send([Coverage(5, 5), Coverage(3, vectors)])
    done.send(counts[0])
    with pytest.raises(error):
        done.send(counts[1])


def test_two_vectors_of_a_class_are_two_policies():
    saved = saving.save(context(), Picture(name="a", look=[1, 2, 3]))
    next(saved)
    asked = [saved.send([]), saved.send(None)]
    assert [str(command.signature) for command in asked] == [
        "Picture.look external cosine 3",
        "Picture.thumbnail external euclidean 2",
    ]
