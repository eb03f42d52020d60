"""``field(renamed_from=...)``: old and new classes side by side, until values are brought over and after."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from rushmodel import (
    Edge,
    Field,
    Model,
    ModelError,
    Relation,
    Row,
    Vector,
    VectorField,
    collect,
    connect,
    count,
    field,
    max,
    relation,
)
from rushmodel.flow import ask
from rushmodel.metaclass import schema_of
from rushmodel.names import Renamed
from rushmodel.operations import renaming
from rushmodel.port import FindRecords, RecordQuery, SaveRecords
from rushmodel.renaming import Renaming
from rushmodel.steps import carry

LABEL = "RenamedPaper"


class Author(Model, label="RenamedAuthor"):
    name: Field[str] = field(key=True)
    papers: Relation[list[New]] = relation("WROTE")


class Old(Model, label=LABEL):
    slug: Field[str] = field(key=True)
    headline: Field[str]
    pages: Field[int | None] = field(default=None)
    words: Field[list[str]] = field(default_factory=list)
    day: Field[dt.date | None] = field(default=None)
    price: Field[Decimal | None] = field(default=None)
    body: Field[str] = field(default="")
    embedding: Vector = VectorField(dims=2, property="body")


class New(Model, label=LABEL):
    slug: Field[str] = field(key=True)
    title: Field[str] = field(renamed_from="headline", index=True)
    length: Field[int | None] = field(default=None, renamed_from="pages")
    tags: Field[list[str]] = field(default_factory=list, name="the tags", renamed_from="words")
    at: Field[dt.date | None] = field(default=None, renamed_from="day")
    cost: Field[Decimal | None] = field(default=None, renamed_from="price")
    body: Field[str] = field(default="")
    embedding: Vector = VectorField(dims=2, property="body")


class Last(Model, label=LABEL):
    """What the class is when all is over."""

    slug: Field[str] = field(key=True)
    title: Field[str]
    length: Field[int | None] = field(default=None)
    tags: Field[list[str]] = field(default_factory=list, name="the tags")
    at: Field[dt.date | None] = field(default=None)
    cost: Field[Decimal | None] = field(default=None)
    body: Field[str] = field(default="")
    embedding: Vector = VectorField(dims=2, property="body")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Each verb asks whether the renaming is over."""
    monkeypatch.setattr(renaming, "FRESH", 0.0)


@pytest.fixture
def db(location):
    database = connect(location, durability="normal", default=True, models=[New])
    yield database
    database.close()


def old(slug, headline, **more):
    return Old(slug=slug, headline=headline, embedding=[1, 0], **more).save()


def new(slug, title, **more):
    return New(slug=slug, title=title, embedding=[0, 1], **more).save()


def titles(*conditions):
    return sorted(each.title for each in New.find(*conditions))


def stored(db: Any, slug: str) -> dict[str, Any]:
    """A record's properties as they are in the store."""
    (found,) = db.run(ask(FindRecords(RecordQuery((LABEL,), {"slug": slug}))), raw=True)
    return dict(found.data)


def test_both_classes_read_and_write(db):
    old("a", "A", pages=3, words=["x"])
    new("b", "B", length=5, tags=["y"])
    found = [(each.title, each.length, each.tags) for each in New.find().order_by(New.slug.asc())]
    assert found == [("A", 3, ["x"]), ("B", 5, ["y"])]
    of_old = [(each.headline, each.pages) for each in Old.find().order_by(Old.slug.asc())]
    assert of_old == [("A", 3), ("B", 5)]
    record = New.get(slug="a")
    record.title, record.length = "AA", None
    record.save()
    assert (Old.get(slug="a").headline, Old.get(slug="a").pages) == ("AA", None)
    other = Old.get(slug="b")
    other.headline, other.pages = "BB", None
    other.save()
    assert (New.get(slug="b").title, New.get(slug="b").length) == ("BB", None)
    assert New.get(slug="b").refresh().tags == ["y"]
    for query in ([1, 0], [0, 1]):
        assert {hit.record.title for hit in New.search(query)} == {"AA", "BB"}


def test_a_record_that_is_saved_unchanged_sends_nothing(db, sent):
    old("a", "A")
    record = New.get(slug="a")
    sent.clear()
    record.save()
    assert not any(isinstance(each, SaveRecords) for each in sent)


CONDITIONS = [
    lambda: New.title == "B",
    lambda: New.title != "B",
    lambda: New.title > "A",
    lambda: New.title.between("A", "B"),
    lambda: New.title.in_(["A", "C"]),
    lambda: New.title.not_in(["A"]),
    lambda: New.title.startswith("A"),
    lambda: New.title.contains("b"),
    lambda: ~(New.title == "A"),
    lambda: (New.title == "A") | (New.length == 2),
    lambda: New.length.is_none(),
    lambda: New.length.exists(),
    lambda: New.length == None,  # noqa: E711
    lambda: New.length < 3,
    lambda: New.length != 2,
    lambda: New.tags == ["x", "y"],
    lambda: New.tags.in_(["y"]),
    lambda: New.tags.contains("X"),
    lambda: New.at >= dt.date(2026, 1, 2),
    lambda: New.cost == Decimal("1.50"),
    lambda: New.cost.in_([Decimal("1.5"), Decimal(2)]),
]


def filled():
    old("a", "A", pages=1, words=["x", "y"], day=dt.date(2026, 1, 1), price=Decimal("1.5"))
    old("b", "B")
    new("c", "C", length=2, tags=["y"], at=dt.date(2026, 1, 3), cost=Decimal("1.50"))
    new("d", "Ab", length=None)


def test_conditions_find_the_same_before_and_after(db):
    filled()
    before = [titles(make()) for make in CONDITIONS]
    assert before[0] == ["B"]
    assert all(before)
    assert db.migrate().in_sync
    assert [titles(make()) for make in CONDITIONS] == before
    assert sorted(each.title for each in Last.find()) == ["A", "Ab", "B", "C"]


def test_orders_counts_and_some_fields(db):
    filled()
    for _ in range(2):
        assert [each.title for each in New.find().order_by(New.title.desc())] == ["C", "B", "Ab", "A"]
        by_length = New.find().order_by(New.length.desc(), New.title.asc())
        assert [each.title for each in by_length] == ["Ab", "B", "C", "A"]
        assert New.find(New.title > "A").count() == 3
        assert New.find(New.title == "C").one().length == 2
        some = New.find().only(New.title).order_by(New.title.asc()).limit(2)
        assert [each.title for each in some] == ["A", "Ab"]
        db.migrate()


def test_aggregations(db):
    filled()
    for _ in range(2):
        rows = New.aggregate(n=count(), most=max(New.length)).group_by(New.tags).all()
        assert sorted(row.n for row in rows)[-1] >= 1
        (row,) = New.aggregate(most=max(New.length), n=count()).all()
        assert (row.most, row.n) == (2, 4)
        rows = New.aggregate(n=count()).group_by(New.title).order_by(New.title.desc()).all()
        assert [(each.title, each.n) for each in rows] == [("C", 1), ("B", 1), ("Ab", 1), ("A", 1)]
        assert sorted(each.t for each in New.aggregate(t=New.title).all()) == ["A", "Ab", "B", "C"]
        db.migrate()


def test_relations_and_conditions_on_related_records(db):
    one, other = old("a", "A", pages=1), old("b", "B", pages=2)
    Author(name="Ada", papers=[New.get(slug=one.slug), New.get(slug=other.slug)]).save()
    Author(name="Bob", papers=[New.get(slug="b")]).save()
    for _ in range(2):
        assert [each.name for each in Author.find(Author.papers.any(New.title == "A"))] == ["Ada"]
        assert [each.name for each in Author.find(Author.papers.none(New.length == 1))] == ["Bob"]
        (ada,) = Author.find(Author.name == "Ada").with_(Author.papers)
        assert sorted(each.title for each in ada.papers) == ["A", "B"]
        rows = Author.aggregate(name=Author.name, most=max(Author.papers[New.length])).group_by("name").all()
        assert sorted((each.name, each.most) for each in rows) == [("Ada", 2), ("Bob", 2)]
        db.migrate()


def test_what_is_collected(embedded_db):
    old("a", "A", pages=1)
    Author(name="Ada", papers=[New.get(slug="a")]).save()
    for _ in range(2):
        papers = collect(Author.papers, t=New.title, where=New.length == 1, order_by=New.title.asc())
        (row,) = Author.aggregate(name=Author.name, papers=papers).all()
        assert [each.t for each in row.papers] == ["A"]
        embedded_db.migrate()


def test_words_are_found(embedded_db):
    old("a", "warp drive")
    new("b", "ion drive")
    for _ in range(2):
        assert {hit.record.slug for hit in New.search(text="drive")} == {"a", "b"}
        assert {hit.record.slug for hit in New.search(text="warp", on=New.title)} == {"a"}
        embedded_db.migrate()


def test_updates_deletes_and_documents(db):
    filled()
    assert New.find(New.title == "B").update(title="BB", length=9) == 1
    assert (Old.get(slug="b").headline, Old.get(slug="b").pages) == ("BB", 9)
    assert New.find(New.title == "BB").update(length=None) == 1
    assert Old.get(slug="b").pages is None
    assert New.find(New.title == "BB").delete() == 1
    found = New.find_raw({"where": {"headline": {"$exists": True}}})
    assert {each.title for each in found} == {"A", "Ab", "C"}


def test_an_upsert_takes_back_what_it_was_not_given(db):
    old("a", "A", pages=7, words=["x"])
    again = New(slug="a", title="AA", embedding=[1, 1]).save()
    assert (again.length, Old.get(slug="a").pages) == (7, 7)
    other = Old.get(slug="a")
    other.pages = 8
    other.save()
    again.title = "AAA"
    again.save()  # and says nothing of the pages
    assert (New.get(slug="a").length, Old.get(slug="a").headline) == (8, "AAA")


def test_plan_and_migrate(db):
    filled()
    plan = db.plan()
    assert not plan.in_sync
    by_field = {each.field: each for each in plan.renames}
    title = by_field["title"]
    assert (title.records, title.remaining, title.is_over) == (4, 2, False)
    assert str(title) == (
        f"{LABEL}.title, headline to title: bring 2 records of 4 over; then read the new name: db.migrate()."
    )
    assert plan.as_dict()["renames"][0]["old"] == "headline"
    assert str(by_field["title"]) in str(plan)
    told: list[int] = []
    done = db.migrate(progress=told.append)
    assert done.in_sync
    assert sum(told[-1:]) == 2
    assert "its renaming is done, renamed_from= can go." in str(done)
    assert stored(db, "a")["title"] == "A"
    again: list[int] = []
    db.migrate(progress=again.append)
    assert again == []


def test_what_old_classes_have_written_since_is_brought_over(db):
    new("a", "A", length=1)
    late = Old.get(slug="a")
    late.headline, late.pages = "late", None
    late.save()
    assert stored(db, "a")["title"] == "A"
    db.migrate()
    assert stored(db, "a")["title"] == "late"
    assert "length" not in stored(db, "a")
    assert (Last.get(slug="a").title, Last.get(slug="a").length) == ("late", None)


def test_the_last_class_is_seen_after_it_is_over(db):
    old("a", "A")
    db.migrate()
    last = Last.get(slug="a")
    last.title, last.length = "last", 4
    last.save()
    assert (New.get(slug="a").title, New.get(slug="a").length) == ("last", 4)
    assert titles(New.title == "last") == ["last"]
    db.migrate()
    assert Last.get(slug="a").title == "last"


def test_vectors_stay(db):
    old("a", "A")
    db.migrate()
    found = New.search([1, 0], limit=1)
    assert found[0].record.title == "A"
    assert found[0].score == pytest.approx(1)


def test_a_migration_that_was_interrupted_goes_on(db, monkeypatch):
    filled()
    monkeypatch.setattr("rushmodel.steps.PAGE", 1)
    bring_over, left = renaming.bring_over, [2]

    def failing(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return bring_over(*arguments)

    monkeypatch.setattr("rushmodel.renaming.bring_over", failing)
    with pytest.raises(KeyboardInterrupt):
        db.migrate()
    assert titles() == ["A", "Ab", "B", "C"]
    assert not db.plan().in_sync
    monkeypatch.undo()
    assert db.migrate().in_sync


def test_async(db):
    filled()

    async def main():
        assert sorted([each.title async for each in New.find()]) == ["A", "Ab", "B", "C"]
        assert (await New.aget(slug="a")).title == "A"
        assert (await db.aio.migrate()).in_sync
        assert (await New.find(New.title == "B").aone()).slug == "b"

    asyncio.run(main())


def test_in_a_transaction(db):
    old("a", "A")
    with db.transaction():
        record = New.get(slug="a")
        record.title = "B"
        record.save()
        assert titles(New.title == "B") == ["B"]
        new("b", "C", length=3)
        New.save_many([New(slug=f"m{n}", title=f"M{n}", embedding=[1, n]) for n in range(3)])
        assert New.find().count() == 5
    assert Old.get(slug="a").headline == "B"
    assert [each.headline for each in Old.find(Old.headline > "L").order_by(Old.slug.asc())] == [
        "M0",
        "M1",
        "M2",
    ]


# -- whatever both do


class OldNote(Model, label="RenamedNote"):
    slug: Field[str] = field(key=True)
    headline: Field[str]
    pages: Field[int | None] = field(default=None)


class NewNote(Model, label="RenamedNote"):
    slug: Field[str] = field(key=True)
    title: Field[str] = field(renamed_from="headline")
    length: Field[int | None] = field(default=None, renamed_from="pages")


class LastNote(Model, label="RenamedNote"):
    slug: Field[str] = field(key=True)
    title: Field[str]
    length: Field[int | None] = field(default=None)


def test_a_history_of_both_classes(location):
    """What either reads is what the last of them wrote; when it is over, the last class reads it, too."""
    db = connect(location, durability="normal", default=True, models=[NewNote])
    slugs, words = st.sampled_from("abc"), st.sampled_from("xyz")
    numbers = st.none() | st.integers(0, 3)

    class History(RuleBasedStateMachine):
        @initialize()
        def empty(self):
            OldNote.delete_all()
            self.known: dict[str, tuple[str, int | None]] = {}
            self.held: dict[str, NewNote] = {}

        @rule(slug=slugs, word=words, number=numbers)
        def old_saves(self, slug, word, number):
            OldNote(slug=slug, headline=word, pages=number).save()
            self.known[slug] = (word, number)

        @rule(slug=slugs, word=words, number=numbers)
        def new_saves(self, slug, word, number):
            self.held[slug] = NewNote(slug=slug, title=word, length=number).save()
            self.known[slug] = (word, number)

        @rule(slug=slugs, word=words)
        def old_changes(self, slug, word):
            found = OldNote.get_or_none(slug=slug)
            if found is not None:
                found.headline = word
                found.save()
                self.known[slug] = (word, self.known[slug][1])

        @rule(slug=slugs, number=numbers)
        def new_changes_what_it_has_read_before(self, slug, number):
            found = self.held.get(slug)
            if found is not None:
                found.refresh()
                found.length = number
                found.save()
                self.known[slug] = (self.known[slug][0], number)

        @rule(word=words, number=numbers)
        def new_updates(self, word, number):
            NewNote.find(NewNote.title == word).update(length=number)
            for slug, (title, length) in self.known.items():
                self.known[slug] = (title, number if title == word else length)

        @invariant()
        def all_agree(self):
            assert {each.slug: (each.headline, each.pages) for each in OldNote.find()} == self.known
            assert {each.slug: (each.title, each.length) for each in NewNote.find()} == self.known
            for word in "xyz":
                assert {each.slug for each in NewNote.find(NewNote.title == word)} == {
                    slug for slug, (title, _) in self.known.items() if title == word
                }
            assert {each.slug for each in NewNote.find(NewNote.length.is_none())} == {
                slug for slug, (_, length) in self.known.items() if length is None
            }

        @rule()
        def values_are_brought_over(self):
            """All of a migration but its end, after which old classes are gone."""
            schema = schema_of(NewNote)
            carry(db, Renaming([schema], None)._gone_through(schema, schema.renamed))
            assert {each.slug: (each.title, each.length) for each in LastNote.find()} == self.known

    try:
        run_state_machine_as_test(
            History,
            settings=settings(
                max_examples=5,
                stateful_step_count=10,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        db.close()


# -- what cannot be


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("x: Field[str] = field(key=True, renamed_from='y')", r"A\.x: a merge key keeps its .* name='y'"),
        ("x: Field[str] = field(renamed_from='x')", r"renamed_from='x' is its name in the store still"),
        ("x: Field[str] = field(name='y', renamed_from='y')", r"is its name in the store still"),
        ("x: Field[str] = field(renamed_from='$y')", r"renamed_from='\$y': names that begin with"),
        ("x: Field[str] = field(renamed_from=5)", r"renamed_from=5: it is a text"),
        ("x: Field[str] = field(renamed_from='y')\n    y: Field[str]", r"'x' is stored as 'y' too"),
        (
            "x: Field[str] = field(renamed_from='y')\n    k: Field[str] = field(key=True)\n"
            "    v: Vector = VectorField(dims=2, property='x')",
            r"A\.x: it is the text of a vector, .* field\(name='y'\)",
        ),
    ],
)
def test_what_cannot_be_renamed(body, reason):
    names = {"Model": Model, "Field": Field, "field": field, "Vector": Vector, "VectorField": VectorField}
    with pytest.raises(ModelError, match=reason):
        exec(compile(f"class A(Model):\n    {body}", "a class", "exec", dont_inherit=True), names)


def test_edges_are_not_renamed():
    with pytest.raises(ModelError, match=r"E\.at: the properties of relationships keep their names"):

        class E(Edge):
            at: Field[int] = field(renamed_from="when")


def test_an_abstract_class_may_say_it(db):
    class Base(Model, abstract=True):
        name: Field[str] = field(renamed_from="label")

    class Thing(Base, label="RenamedThing"):
        key: Field[str] = field(key=True)

    db.client.records.create("RenamedThing", {"key": "a", "label": "x"})
    assert Thing.find(Base.name == "x").one().name == "x"
    assert Thing.find(Thing.name == "x").count() == 1


def test_names_can_be_copied():
    name = Renamed("title", "headline", "A").of("$record")
    for other in (copy.deepcopy(name), pickle.loads(pickle.dumps(name))):
        assert (str(other), other.former, other.label) == ("$record.title", "$record.headline", "A")
    moved = name.moved("$record", "$self")
    assert (moved, moved.former) == ("$self.title", "$self.headline")


def test_rows_have_a_class(db):
    class Titles(Row):
        title: str
        n: int

    filled()
    for _ in range(2):
        rows = New.aggregate(Titles, n=count()).group_by(New.title).order_by(n="desc", title="asc").all()
        assert rows[0] == Titles(title="A", n=1)
        db.migrate()
