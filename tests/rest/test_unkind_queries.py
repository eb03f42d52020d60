"""Conditions, searches and deletions on a server that misreads them: they mean what they mean in memory."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, assignment"

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushmodel import Database, PolicyMissing, StoreError, UnboundedQuery, connect
from tests.unkind.process import Unkind, db, unkind
from tests.verbs.models import Article, Page, Plain, article, page

__all__ = ["db", "unkind"]

SETTINGS = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def articles() -> Iterator[Article]:
    """Records that differ in all a condition can ask for; some properties are missing here and there."""
    for number in range(24):
        yield article(
            f"s{number:02}",
            title=("Alpha", "beta", "Gamma ray", "")[number % 4],
            year=2000 + number % 7,
            rating=None if number % 3 == 0 else number / 4,
            note=None if number % 5 == 0 else f"note {number % 2}",
            tags=[("a", "b", "c")[each] for each in range(number % 4) if each != 1],
            embedding=[1, 1 + number, 3],
        )


@pytest.fixture
def near() -> Iterator[Database]:
    with closing(connect("memory://", default=False)) as database:
        yield database


@pytest.fixture
def both(db: Database, near: Database) -> tuple[Database, Database]:
    """The server and a store in memory, with the same records."""
    fill(db)
    fill(near)
    return db, near


def fill(database: Database) -> None:
    with database:
        Article.save_many(articles())


leaves = st.sampled_from(
    [
        Article.year > 2003,
        Article.year == 2001,
        Article.year != 2001,
        Article.year.between(2002, 2004),
        Article.year.in_([2000, 2006]),
        Article.year.not_in([2000, 2006]),
        Article.year.in_([]),
        Article.rating >= 2.0,
        Article.rating < 4.0,
        Article.rating.is_none(),
        Article.rating.exists(),
        Article.rating == None,  # noqa: E711
        Article.note == "note 1",
        Article.note != "note 1",
        Article.note != None,  # noqa: E711
        Article.note.contains("NOTE"),
        Article.title.contains("a"),
        Article.title.startswith("G"),
        Article.title.endswith("a"),
        Article.title == "",
        Article.tags.contains("a"),
        Article.tags.in_(["a", "c"]),
        Article.tags.not_in(["c"]),
        Article.slug.in_(["s01", "s02", "s20"]),
        Article.slug > "s11",
    ]
)
conditions = st.recursive(
    leaves,
    lambda parts: st.one_of(
        st.builds(lambda part: ~part, parts),
        st.builds(lambda one, other: one & other, parts, parts),
        st.builds(lambda one, other: one | other, parts, parts),
    ),
    max_leaves=6,
)


def slugs(found: Any) -> list[str]:
    return [each.slug for each in found]


def check_deletions(unkind: Unkind) -> int:
    """Every deletion names its records (R17); how many deletions there were."""
    sent = [each for each in unkind.requests if each.path == "/records/delete"]
    for each in sent:
        assert list(each.body["where"]) == ["$id"], each
        assert list(each.body["where"]["$id"]) == ["$in"], each
        assert each.body["where"]["$id"]["$in"], each
    return len(sent)


@given(condition=conditions)
@SETTINGS
def test_conditions_find_the_same(both, condition):
    answers = []
    for database in both:
        with database:
            query = Article.find(condition)
            page = query.order_by(Article.slug.desc()).limit(5).offset(1)
            answers.append((slugs(query.all()), query.count(), query.exists(), slugs(page.all())))
    assert answers[0] == answers[1]
    assert answers[0][1] == len(answers[0][0])


@given(condition=conditions, limit=st.integers(1, 30), offset=st.integers(0, 3))
@SETTINGS
def test_searches_find_the_same(both, condition, limit, offset):
    answers = []
    for database in both:
        with database:
            hits = Article.search([1, 5, 3], where=condition, limit=limit, offset=offset)
            answers.append([(hit.record.slug, pytest.approx(hit.score, abs=1e-6)) for hit in hits])
    assert answers[0] == answers[1]


@given(condition=conditions, how=st.sampled_from(["delete", "update"]))
@settings(SETTINGS, max_examples=25)
def test_writes_touch_what_they_should(unkind, condition, how):
    unkind.reset(rushdb=True)
    outcomes = []
    for location, token in ((unkind.url, unkind.token), ("memory://", None)):
        with closing(connect(location, token=token, default=False)) as database, database:
            fill(database)
            query = Article.find(condition)
            if how == "delete":
                count = query.delete()
            else:
                count = query.update(title="touched", year=1)
            outcomes.append((count, [each.model_dump() for each in Article.find()]))
    assert outcomes[0] == outcomes[1]
    check_deletions(unkind)


def test_removing_where_no_vectors_are(db, unkind):
    """PUT forgets vectors, so it is made sure that there are none."""
    Page.save_many([page(slug, embedding=None, title="x") for slug in "abc"])
    assert Page.find(~(Page.slug == "b")).update(body=None, title="y") == 2
    assert [(each.slug, each.body, each.title) for each in Page.find()] == [
        ("a", None, "y"),
        ("b", "text", "x"),
        ("c", None, "y"),
    ]


def test_vectors_stay_with_what_is_not_deleted(both, unkind):
    far, _ = both
    unkind.faults(reset=True, rushdb=True)
    with far:
        assert Article.find(~(Article.year > 2003) | (Article.note == None)).delete() == 17  # noqa: E711
        assert check_deletions(unkind) == 1
        left = Article.search([1, 5, 3], limit=100)
        assert len(left) == 7
        assert all(hit.record.year > 2003 for hit in left)


def test_delete_all_is_of_one_label(both, unkind):
    far, _ = both
    with far:
        page().save()
        Plain(name="x").save()
        unkind.faults(reset=True, rushdb=True)
        for verb in (Article.find().delete, lambda: Article.find().update(title="x")):
            with pytest.raises(UnboundedQuery):
                verb()
        assert unkind.writes == []
        assert Article.delete_all() == 24
        assert check_deletions(unkind) == 1
        assert Article.delete_all() == 0
        assert check_deletions(unkind) == 1  # nothing to delete, nothing sent
        assert (Page.find().count(), Plain.find().count()) == (1, 1)
        Plain.find().one().delete()
        assert check_deletions(unkind) == 2 or unkind.writes[-1].method == "DELETE"
        assert (Page.find().count(), Plain.find().count()) == (1, 0)


def test_an_unfiltered_search_is_exact(both, unkind):
    far, near = both
    unkind.faults(reset=True, rushdb=True)
    answers = []
    for database in (far, near):
        with database:
            answers.append(
                [
                    [(hit.record.slug, pytest.approx(hit.score, abs=1e-6)) for hit in hits]
                    for hits in (
                        Article.search([1, 5, 3], limit=7),
                        Article.search([1, 5, 3], limit=3, offset=22),
                        Article.search([1, 5, 3], min_score=0.99),
                        Article.search(Article.get(slug="s04"), limit=3, on="embedding")
                        if database is near
                        else Article.search([1, 5, 3], limit=4)[1:],
                    )
                ]
            )
    assert answers[0] == answers[1]
    sent = [each.body for each in unkind.requests if each.path == "/ai/search"]
    assert all(body["where"] for body in sent)
    assert all(body["sourceType"] == "external" for body in sent)
    assert all(body["similarityFunction"] == "cosine" for body in sent)


def test_exact_false_sends_no_condition(both, unkind):
    far, _ = both
    unkind.faults(reset=True, rushdb=True)
    with far:
        assert list(Article.search([1, 5, 3], exact=False)) == []  # as such a server answers at times
    with (
        closing(connect(unkind.url, token=unkind.token, exact=False, default=False)) as database,
        database,
    ):
        Article.search([1, 5, 3])
        assert len(Article.search([1, 5, 3], exact=True, limit=3)) == 3
    first, second, third = [each.body for each in unkind.requests if each.path == "/ai/search"]
    assert not first.get("where")
    assert not second.get("where")
    assert third["where"]


def test_searches_without_a_policy(db, unkind):
    assert list(Page.search([1, 2, 3], similarity="euclidean")) == []  # no records: nothing to be missed
    with unkind.client() as client:
        body = {"label": "Page", "data": {"slug": "x"}, "options": {"suggestTypes": True}}
        client.post("/records", json=body).raise_for_status()
    with pytest.raises(PolicyMissing):
        Page.search([1, 2, 3], similarity="euclidean")


def test_the_similarity_is_always_said(db, unkind):
    """Both policies have the same length and property (R12)."""
    page().save()
    page("far", embedding=[10, 20, 30]).save()
    assert [round(hit.score, 6) for hit in Page.search([1, 2, 3], similarity="cosine")] == [1.0, 1.0]
    assert [hit.record.slug for hit in Page.search([10, 20, 30], similarity="euclidean")] == ["far", "warp"]
    client = db.client
    found = client.ai.search(
        {
            "labels": ["Page"],
            "propertyName": "body",
            "queryVector": [10, 20, 30],
            "similarityFunction": "euclidean",
        }
    )
    assert [each["slug"] for each in found.data] == ["far", "warp"]


def test_labels_and_ids_in_where(db, unkind):
    """The guide's ``__label`` and ``__id``, which a server does not know (R26)."""
    first, second = article("a").save(), article("b").save()
    page().save()
    records = db.client.records
    assert records.find({"where": {"__label": "Article"}}).total == 2
    assert [each.id for each in records.find({"where": {"__id": first.record_id}})] == [first.record_id]
    mixed = {"$or": [{"__label": "Page"}, {"$not": {"slug": "a"}}]}
    assert sorted(each["slug"] for each in records.find({"where": mixed})) == ["b", "warp"]
    hits = db.client.ai.search(
        {
            "labels": ["Article"],
            "propertyName": "body",
            "queryVector": [1, 2, 3],
            "where": {"__id": {"$ne": first.record_id}},
        }
    )
    assert [each.id for each in hits.data] == [second.record_id]
    unkind.faults(reset=True, rushdb=True)
    records.delete({"where": {"$and": [{"__label": "Article"}, {"$not": {"slug": "b"}}]}})
    assert check_deletions(unkind) == 1
    assert sorted(each["slug"] for each in records.find({})) == ["b", "warp"]


def test_more_than_a_page(db, unkind):
    assert (
        Plain.save_many(Plain(name=f"{number:04}", count=number % 3) for number in range(2100)).saved == 2100
    )
    wanted = ~(Plain.count == 1) | (Plain.note != None)  # noqa: E711
    expected = [f"{number:04}" for number in range(2100) if number % 3 != 1]
    assert Plain.find(wanted).count() == len(expected)
    assert sorted(each.name for each in Plain.find(wanted)) == expected
    assert [each.name for each in Plain.find().order_by(Plain.name.desc()).offset(1500).limit(3)] == [
        "0599",
        "0598",
        "0597",
    ]
    unkind.faults(reset=True, rushdb=True)
    assert Plain.find(wanted).delete() == len(expected)
    assert check_deletions(unkind) == 2
    assert Plain.find().count() == 700


def test_records_that_are_there_all_the_time_are_not_missed(db):
    """While pages are read, others are deleted: the pages after them move forward."""
    Plain.save_many(Plain(name=f"{number:03}") for number in range(60))
    seen = []
    for number, each in enumerate(Plain.find().order_by(Plain.name.asc()).pages(size=7)):
        seen += [record.name for record in each]
        if number < 4:
            Plain.find(Plain.name.in_([seen[0], seen[-2], seen[-3]])).delete()
    assert seen == sorted(set(seen))
    assert len(seen) == 60


def test_the_same_from_an_event_loop(db, unkind):
    async def use():
        await Article.asave_many(articles())
        wanted = ~(Article.year > 2003) | Article.note.is_none()
        found = [record.slug async for record in Article.find(wanted)]
        counted = await Article.find(wanted).acount()
        hits = await Article.asearch([1, 5, 3], where=wanted, limit=100)
        deleted = await Article.find(wanted).adelete()
        return len(found), counted, len(hits), deleted

    assert asyncio.run(use()) == (17, 17, 17, 17)
    assert check_deletions(unkind) == 1


def test_a_failing_condition_is_no_empty_answer(db, unkind):
    """A server that fails at a query: an error, never []."""
    article().save()
    unkind.faults(status={"code": 500, "path": "/records/search"})
    for read in (lambda: Article.find().all(), lambda: Article.find().count(), lambda: list(Article.find())):
        with pytest.raises(StoreError, match="500"):
            read()
