"""`save_many`: batches, reports, and what happens to what is refused."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="attr-defined, no-any-return, union-attr"

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from rushmodel import (
    BulkError,
    BulkReport,
    Field,
    Model,
    ModelError,
    PropertyError,
    RushModelError,
    StaleVector,
    StoreClosed,
    VectorError,
    field,
)
from rushmodel.port import SaveRecords

from .models import Article, Page, Picture, Plain, Quote, article, page, picture, quote, saves, vec


def refused(slug: str = "refused") -> Article:
    """An article that passes construction and cannot be saved."""
    record = article(slug)
    record.tags.append("\ud800")
    return record


def sync_and_async(model: Any, records: Any, **options: Any) -> BulkReport:
    return model.save_many(records, **options)


def asynchronous(model: Any, records: Any, **options: Any) -> BulkReport:
    return asyncio.run(model.asave_many(records, **options))


@pytest.fixture(params=[sync_and_async, asynchronous], ids=["sync", "async"])
def save_many(request):
    return request.param


def test_batches(db, sent, save_many):
    done: list[int] = []
    records = [article(str(n)) for n in range(25)]
    report = save_many(Article, iter(records), batch=10, progress=done.append)
    assert report == BulkReport(25, ())
    assert done == [10, 20, 25]
    batches = [len(command.writes) for command in sent if isinstance(command, SaveRecords)]
    assert batches == [10, 10, 5]
    assert all(record.is_saved for record in records)
    assert sorted(each.slug for each in Article.find()) == sorted(str(n) for n in range(25))
    assert len(Article.search([1, 2, 3], limit=100)) == 25
    sent.clear()
    assert save_many(Article, records).saved == 25  # stored already, nothing to send
    assert sent == []
    assert Article.find().all() == [Article.get(each.record_id) for each in records]


@pytest.mark.parametrize("make", [article, page, picture, quote])
def test_every_kind_of_vector(db, save_many, make):
    records = [make(str(n)) for n in range(5)]
    save_many(type(records[0]), records)
    found = type(records[0]).find().with_vectors().all()
    assert found == records


def test_an_iterable_is_read_a_batch_at_a_time(db, save_many):
    taken: list[int] = []

    def stream() -> Iterator[Article]:
        for n in range(7):
            taken.append(n)
            yield article(str(n))

    seen: list[tuple[int, int]] = []
    save_many(Article, stream(), batch=3, progress=lambda done: seen.append((done, len(taken))))
    assert seen == [(3, 3), (6, 6), (7, 7)]


def test_nothing_to_save(db, sent, save_many):
    assert save_many(Article, []) == BulkReport(0, ())
    assert sent == []


@pytest.mark.parametrize("options", [{"batch": 0}, {"batch": -1}, {"batch": 2.0}, {"batch": True}])
def test_a_batch_that_makes_no_sense(db, save_many, options):
    with pytest.raises(ValueError, match="batch"):
        save_many(Article, [article()], **options)
    with pytest.raises(ValueError, match="on_error"):
        save_many(Article, [article()], on_error="ignore")
    assert Article.find().count() == 0


@pytest.mark.parametrize("at", [0, 4, 9])
def test_raise_ends_at_the_first_batch_with_a_refused_record(db, save_many, at):
    records = [article(str(n)) for n in range(15)]
    bad = records[5 + at // 2] = refused()
    done: list[int] = []
    with pytest.raises(BulkError) as caught:
        save_many(Article, iter(records), batch=5, progress=done.append)
    report = caught.value.report
    assert report.saved == Article.find().count() == 5
    assert done == [5]
    (failed,) = report.failed
    assert (failed.position, failed.item) == (5 + at // 2, bad)
    assert failed.item is bad
    assert isinstance(failed.error, PropertyError)
    assert "tags" in str(failed.error)
    assert caught.value.exceptions == (failed.error,)
    assert isinstance(caught.value, RushModelError)
    assert f"position {5 + at // 2}" in str(caught.value)
    assert [record.is_saved for record in records] == [True] * 5 + [False] * 10


def test_bulk_errors_can_be_caught_by_what_is_in_them(db):
    with pytest.raises(BulkError) as caught:
        Article.save_many([article("a"), refused("b"), refused("c")])
    matched, rest = caught.value.split(PropertyError)
    assert rest is None
    assert matched is not None
    assert len(matched.exceptions) == 2
    assert [each.position for each in matched.report.failed] == [1, 2]


def test_skip_leaves_out_what_is_refused(db, save_many):
    records: list[Any] = [article(str(n)) for n in range(12)]
    records[2], records[11] = refused("x"), refused("y")
    done: list[int] = []
    report = save_many(Article, iter(records), batch=5, progress=done.append, on_error="skip")
    assert report.saved == Article.find().count() == 10
    assert [failed.position for failed in report.failed] == [2, 11]
    assert [failed.item for failed in report.failed] == [records[2], records[11]]
    assert done == [5, 10, 12]


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_what_the_store_refuses(db, save_many, on_error):
    """That a vector is stale is known only in the transaction."""
    page("b").save()
    records = [page("a"), Page(slug="b", body="changed"), page("c")]
    if on_error == "raise":
        with pytest.raises(BulkError) as caught:
            save_many(Page, records)
        report = caught.value.report
        assert Page.find().count() == 1
        assert report.saved == 0
    else:
        report = save_many(Page, records, on_error="skip")
        assert Page.find().count() == 3
        assert report.saved == 2
    (failed,) = report.failed
    assert failed.position == 1
    assert isinstance(failed.error, StaleVector)
    assert "Page.embedding" in str(failed.error)  # in the words of the class
    assert Page.get(slug="b", with_vectors=True).embedding.tolist() == [1, 2, 3]


def test_skip_when_everything_is_refused(db, save_many):
    page("a").save()
    report = save_many(Page, [Page(slug="a", body=str(n)) for n in range(5)], on_error="skip")
    assert report.saved == 0
    assert [failed.position for failed in report.failed] == [0, 1, 2, 3, 4]


def test_a_bad_vector_in_a_batch(db):
    bad = Article.model_construct(
        slug="b", title="", body="b", year=1, rating=None, note=None, tags=[], embedding=[1, 2]
    )
    with pytest.raises(BulkError) as caught:
        Article.save_many([article("a"), bad])
    assert isinstance(caught.value.exceptions[0], VectorError)
    assert Article.find().count() == 0


def test_one_key_twice_in_a_batch_is_one_record(db, save_many):
    one, other = article("same", title="1"), article("same", title="2", embedding=[3, 2, 1])
    assert save_many(Article, [one, other]).saved == 2
    assert one.record_id == other.record_id
    assert Article.find().with_vectors().one() == other
    assert len(Article.search([1, 2, 3])) == 1


def test_one_instance_twice_is_written_once(db, sent, save_many):
    record = Plain(name="a")
    assert save_many(Plain, [record, record, record], batch=2).saved == 3
    assert Plain.find().count() == 1
    assert len(saves(sent)) == 1


@pytest.mark.parametrize("batch", [1, 2])
def test_one_instance_twice_that_is_refused_is_not_saved(db, save_many, batch):
    bad = refused()
    report = save_many(Article, [bad, bad], batch=batch, on_error="skip")
    assert report.saved == Article.find().count() == 0
    assert [failed.position for failed in report.failed] == [0, 1]


@pytest.mark.parametrize("item", [Picture(name="a", look=[1, 2, 3]), "text", None, {"slug": "a"}], ids=repr)
def test_another_class_is_refused(db, save_many, item):
    with pytest.raises(BulkError, match="Article") as caught:
        save_many(Article, [article(), item])
    assert isinstance(caught.value.exceptions[0], ModelError)
    assert Article.find().count() == 0
    report = save_many(Article, [article(), item], on_error="skip")
    assert (report.saved, report.failed[0].position, report.failed[0].item) == (1, 1, item)


def test_a_subclass_has_a_label_of_its_own(db, save_many):
    class Base(Model):
        slug: Field[str] = field(key=True)

    class Derived(Base):
        pass

    with pytest.raises(BulkError):
        save_many(Base, [Derived(slug="a")])
    assert save_many(Derived, [Derived(slug="a")]).saved == 1
    assert (Base.find().count(), Derived.find().count()) == (0, 1)


def test_changed_records_send_what_changed(db, sent):
    records = [article(str(n)).save() for n in range(3)]
    records[1].title = "new"
    sent.clear()
    assert Article.save_many(records).saved == 3
    (write,) = saves(sent)
    assert (write.data, write.record_id) == ({"title": "new"}, records[1].record_id)


def test_a_record_that_is_gone_is_reported(db):
    records = [article(str(n)).save() for n in range(3)]
    Article.get(slug="1").delete()
    for record in records:
        record.title = "new"
    report = Article.save_many(records, on_error="skip")
    assert report.saved == 2
    assert report.failed[0].item is records[1]
    assert [each.title for each in Article.find()] == ["new", "new"]


def test_an_iterable_that_fails_keeps_whole_batches(db, save_many):
    def stream() -> Iterator[Article]:
        for n in range(5):
            yield article(str(n))
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        save_many(Article, stream(), batch=2)
    assert Article.find().count() == 4


def test_a_store_that_fails_says_what_was_saved(db):
    def stream() -> Iterator[Plain]:
        for n in range(4):
            if n == 3:
                db.close()
            yield Plain(name=str(n))

    with pytest.raises(StoreClosed) as caught:
        Plain.save_many(stream(), batch=2)
    assert caught.value.report.saved == 2


def test_async_iterables(db):
    async def stream():
        for n in range(7):
            await asyncio.sleep(0)
            yield article(str(n))

    async def main() -> tuple[BulkReport, list[int]]:
        done: list[int] = []
        return await Article.asave_many(stream(), batch=3, progress=done.append), done

    assert asyncio.run(main()) == (BulkReport(7), [3, 6, 7])
    assert Article.find().count() == 7


def test_fresh_vectors_in_bulk(db):
    Page.save_many([page(str(n)) for n in range(3)])
    loaded = Page.find().all()
    for n, record in enumerate(loaded):
        record.body, record.embedding = "changed", vec(n + 1, 0, 0)
    assert Page.save_many(loaded) == BulkReport(3)
    assert [each.embedding.tolist() for each in Page.find().with_vectors()] == [
        [1, 0, 0],
        [2, 0, 0],
        [3, 0, 0],
    ]


def test_inline_vectors_in_bulk(db):
    records = [quote(str(n)) for n in range(3)]
    Quote.save_many(records)
    for record in records:
        record.text = "changed"
    report = Quote.save_many(records, on_error="skip")
    assert (report.saved, len(report.failed)) == (0, 3)
    assert {each.text for each in Quote.find()} == {"text"}
