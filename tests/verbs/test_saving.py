"""`save`: what is sent, what is kept, who wins."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, assignment, index, union-attr"

from __future__ import annotations

import datetime as dt
import enum
import json
import math
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rushmodel import (
    CapabilityError,
    ConflictError,
    Field,
    LoadError,
    Model,
    NotConnected,
    NotFound,
    NotSaved,
    PropertyError,
    RecordGone,
    VectorError,
    VectorsNotLoaded,
    connect,
    field,
)
from rushmodel.port import CreatePolicy, SaveRecords

from .conftest import around
from .models import (
    Article,
    Line,
    Page,
    Picture,
    Plain,
    Quote,
    article,
    page,
    picture,
    quote,
    saves,
    stored,
    vec,
)

UTC = dt.timezone.utc
ROOT = Path(__file__).parents[2]
MAKERS = [article, page, picture, quote, lambda: Line(name="a", points=[1, 2, 3]), lambda: Plain(name="a")]
IDS = ["Article", "Page", "Picture", "Quote", "Line", "Plain"]


# -- what is sent -------------------------------------------------------------


@pytest.mark.parametrize("make", MAKERS, ids=IDS)
def test_a_new_record_is_one_write(db, sent, make):
    record = make()
    assert not record.is_saved
    assert record.record_id is None
    assert record.save() is record
    (write,) = saves(sent)
    assert write.record_id is None
    assert record.is_saved
    assert type(record).get(record.record_id, with_vectors=True) == record


@pytest.mark.parametrize("make", MAKERS, ids=IDS)
@pytest.mark.parametrize("way", ["saved", "get", "vectors", "find", "only", "copy", "again"])
def test_an_unchanged_record_sends_nothing(db, sent, make, way):
    record = make().save()
    model = type(record)
    if way == "get":
        record = model.get(record.record_id)
    elif way == "vectors":
        record = model.get(record.record_id, with_vectors=True)
    elif way == "find":
        record = model.find().one()
    elif way == "only":
        record = model.find().only("name" if "name" in model.model_fields else "title").one()
    elif way == "copy":
        record = record.model_copy(deep=True)
    elif way == "again":
        record = make().save()
    sent.clear()
    assert record.save() is record
    assert record.save(if_unchanged=True, on_stale="drop") is record
    assert sent == []


def test_only_what_changed_is_sent(db, sent):
    record = article(title="a").save()
    sent.clear()
    record.title, record.year = "b", 2026
    record.save()
    (write,) = saves(sent)
    assert len(sent) == 1
    assert (write.data, write.remove, write.vectors, write.guards) == ({"title": "b"}, (), (), ())
    assert write.record_id == record.record_id


def test_a_change_there_and_back_sends_nothing(db, sent):
    record = article(title="a").save()
    record.title = "b"
    record.title = "a"
    sent.clear()
    record.save()
    assert sent == []


def test_a_list_that_changed_in_place_is_sent(db, sent):
    record = article(tags=["a"]).save()
    record.tags.append("b")
    sent.clear()
    record.save()
    assert [write.data for write in saves(sent)] == [{"tags": ["a", "b"]}]
    record = Article.get(slug="warp")
    record.tags.remove("a")
    record.save()
    assert Article.get(slug="warp").tags == ["b"]


def test_a_changed_vector_is_sent_alone(db, sent):
    record = page().save()
    sent.clear()
    record.embedding = vec(3, 2, 1)
    record.save()
    (write,) = saves(sent)
    assert write.data == {}
    assert [signature.similarity for signature, _ in write.vectors] == ["cosine", "euclidean"]
    assert Page.get(slug="warp", with_vectors=True).embedding.tolist() == [3, 2, 1]


def test_an_equal_vector_that_was_assigned_counts_as_fresh(db, sent):
    record = page().save()
    sent.clear()
    record.embedding = record.embedding
    record.save()
    assert len(saves(sent)[0].vectors) == 2
    sent.clear()
    record.save()
    assert sent == []


def test_a_vector_without_a_text_goes_with_its_fingerprint(db, sent):
    record = picture().save()
    (write,) = saves(sent)
    first = write.data["look"]
    assert isinstance(first, str)
    assert len(first) < 40
    sent.clear()
    record.look = [3, 2, 1]
    record.save()
    (write,) = saves(sent)
    assert write.data.keys() == {"look"}
    assert write.data["look"] != first
    assert [signature.property for signature, _ in write.vectors] == ["look"]


def test_a_list_vector_that_changed_in_place_is_sent(db, sent):
    record = Line(name="a", points=[1, 2, 3]).save()
    record.points[0] = 9
    sent.clear()
    record.save()
    assert len(saves(sent)[0].vectors) == 1
    assert Line.get(name="a", with_vectors=True).points == [9, 2, 3]


def test_a_list_vector_that_was_spoilt_in_place_is_refused(db):
    record = Line(name="a", points=[1, 2, 3]).save()
    for spoil in (lambda points: points.append(4), lambda points: points.__setitem__(3, math.nan)):
        spoil(record.points)
        with pytest.raises(VectorError, match="points"):
            record.save()
    assert Line.get(name="a", with_vectors=True).points == [1, 2, 3]


def test_inline_vectors_are_sent_alone(db, sent):
    record = quote().save()
    sent.clear()
    record.vectors["text"] = [3, 2, 1]
    record.save()
    (write,) = saves(sent)
    assert (write.data, len(write.vectors)) == ({}, 1)
    assert Quote.get(name="one", with_vectors=True).vectors["text"].tolist() == [3, 2, 1]
    record.vectors = {"text": vec(1, 1, 1)}
    record.save()
    assert Quote.get(name="one", with_vectors=True).vectors["text"].tolist() == [1, 1, 1]
    sent.clear()
    record.save()
    assert sent == []


def test_policies_are_looked_for_once(db, sent):
    article("a").save()
    first = len(sent)
    article("b").save()
    assert [type(command) for command in sent[first:]] == [SaveRecords]


# -- with and without a key ---------------------------------------------------


def test_without_a_key_every_instance_is_a_record(db):
    one, other = Plain(name="a").save(), Plain(name="a").save()
    assert one.record_id != other.record_id
    assert one == other
    one.name = "b"
    one.save()
    assert sorted(each.name for each in Plain.find()) == ["a", "b"]


def test_with_a_key_two_instances_are_one_record(db):
    one = article(title="one").save()
    other = article(title="two", embedding=[3, 2, 1]).save()
    assert one.record_id == other.record_id
    assert Article.find().count() == 1
    assert Article.get(slug="warp", with_vectors=True) == other


def test_a_new_instance_writes_its_defaults_too(db):
    article(title="one", year=1999, tags=["a"]).save()
    article().save()
    found = Article.get(slug="warp")
    assert (found.title, found.year, found.tags) == ("", 2026, [])


def test_a_none_that_was_not_given_removes_nothing_and_takes_the_stored_value(db, sent):
    article(note="kept", rating=0.5).save()
    again = article().save()
    assert (again.note, again.rating) == ("kept", 0.5)
    assert Article.get(slug="warp").note == "kept"
    sent.clear()
    again.save()
    assert sent == []
    again.note = None
    again.save()
    assert Article.get(slug="warp").note is None
    assert Article.get(slug="warp").rating == 0.5


def test_an_explicit_none_removes_the_property(db):
    article(note="gone", rating=0.5).save()
    again = article(note=None).save()
    assert (again.note, again.rating) == (None, 0.5)
    assert Article.find(Article.note.exists()).count() == 0


def test_none_removes_the_property(db, sent):
    record = article(note="a").save()
    sent.clear()
    record.note = None
    record.save()
    (write,) = saves(sent)
    assert (write.data, write.remove) == ({}, ("note",))
    assert "note" not in stored(db, record)


def test_none_removes_a_property_that_only_left_out(db):
    """The instance never saw the stored value; what was assigned must be saved all the same."""
    Plain(name="a", note="stored").save()
    record = Plain.find().only("name").one()
    record.note = None
    record.save()
    assert Plain.find().one().note is None


def test_a_field_that_only_left_out_can_be_assigned_and_saved(db, sent):
    article(note="stored", title="stored").save()
    record = Article.find().only("year").one()
    record.note = "new"
    sent.clear()
    record.save()
    assert [write.data for write in saves(sent)] == [{"note": "new"}]
    found = Article.get(slug="warp", with_vectors=True)
    assert (found.title, found.note) == ("stored", "new")
    assert found.embedding.tolist() == [1, 2, 3]


def test_undeclared_properties_are_kept(db):
    db.client.records.create(label="Plain", data={"name": "a", "other": "kept"})
    record = Plain.find().one()
    record.name, record.note = "b", "new"
    record.save()
    assert stored(db, record)["other"] == "kept"


def test_a_record_without_any_property_is_refused(db):
    class Empty(Model):
        note: Field[str | None] = None

    with pytest.raises(PropertyError, match="Empty"):
        Empty().save()
    assert Empty.find().count() == 0


def test_a_record_that_meets_a_stored_one_it_cannot_hold(db):
    """The stored value of a field that was not given does not fit: as with any load, `LoadError`."""
    db.client.records.create(label="Article", data={"slug": "warp", "note": 5})
    with pytest.raises(LoadError) as caught:
        article().save()
    assert caught.value.field == "note"


# -- what goes in comes out ---------------------------------------------------


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Every(Model):
    key: Field[int] = field(key=True)
    whole: Field[int] = 0
    number: Field[float] = 0.0
    truth: Field[bool] = False
    text: Field[str] = ""
    moment: Field[dt.datetime | None] = None
    naive: Field[dt.datetime | None] = field(default=None, naive="utc")
    day: Field[dt.date | None] = None
    clock: Field[dt.time | None] = None
    uuid: Field[UUID | None] = None
    size: Field[Size | None] = None
    exact: Field[Decimal | None] = None
    price: Field[Decimal | None] = field(default=None, as_number=True)
    literal: Field[Literal["a", "b"] | None] = None
    texts: Field[list[str]] = field(default_factory=list)
    numbers: Field[list[float]] = field(default_factory=list)
    days: Field[list[dt.date]] = field(default_factory=list)
    anything: dict[str, Any] | None = field(default=None, json=True)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
MOMENTS = st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(fold=0)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "whole": st.integers(-(2**53), 2**53),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "truth": st.booleans(),
        "text": TEXTS,
        "moment": MOMENTS,
        "naive": MOMENTS,
        "day": st.dates(),
        "clock": st.times().map(lambda clock: clock.replace(fold=0)),
        "uuid": st.uuids(),
        "size": st.sampled_from(Size),
        "exact": st.decimals(allow_nan=False, allow_infinity=False),
        "price": st.integers(-(10**9), 10**9).map(lambda cents: Decimal(cents) / 100),
        "literal": st.sampled_from(["a", "b"]),
        "texts": st.lists(TEXTS, max_size=3),
        "numbers": st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3),
        "days": st.lists(st.dates(), max_size=3),
        "anything": st.dictionaries(TEXTS, JSON, max_size=3),
    },
)


def exactly(record):
    """Tells what == does not; a Decimal that is stored as a number keeps its value, not its zeros."""
    return {name: value if name == "price" else (type(value), repr(value)) for name, value in record}


@settings(max_examples=150, deadline=None)
@given(VALUES, VALUES)
def test_what_goes_in_comes_out(first, second):
    database = connect("memory://", default=False)
    with database:
        record = Every(key=1, **first).save()
        assert exactly(Every.get(key=1)) == exactly(record)
        changed = Every.get(key=1)
        for name, value in second.items():
            setattr(changed, name, value)
        expected = exactly(changed)
        if "number" in second and second["number"] == record.number:
            expected["number"] = exactly(record)["number"]  # 0.0 and -0.0 are equal: no change
        assert exactly(changed.save().refresh()) == expected
        (found,) = Every.find()
        assert exactly(found) == expected
    database.close()


@pytest.mark.parametrize(
    "text",
    ["", "\0", "a\0b", "'; drop table records; --", '"', "%_*", "é\u0301ß", "𝄞", "\ufffe", "x" * 1_000_000],
    ids=lambda text: ascii(text)[:20],
)
def test_texts_come_back(db, text):
    record = article(title=text, body=text, note=text, tags=[text]).save()
    found = Article.get(slug="warp", with_vectors=True)
    assert found == record
    assert Article.find(Article.title == text, Article.tags == text).count() == 1
    assert Article.get(slug=article(text).save().slug).slug == text


@pytest.mark.parametrize("text", ["2024-02-30", "2024-02-29", "2024-01-01T00:00:00Z"])
def test_texts_that_look_like_datetimes_stay_texts(db, location, text):
    if str(location).startswith("http") and text != "2024-02-30":  # which is no day
        with pytest.raises(PropertyError, match="body") as caught:  # R14: no server would index it
            article(title=text, body=text).save()
        assert caught.value.field == "body"
        article(title=text).save()
        assert Article.get(slug="warp").title == text
        return
    article(title=text, body=text).save()
    assert Article.get(slug="warp").title == text
    assert db.plan().in_sync or db.sync()
    assert Article.search([1, 2, 3]).records[0].body == text


def test_datetimes_come_back_in_utc(db):
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    Every(key=1, moment=dt.datetime(2020, 1, 1, 5, 30, tzinfo=zone), naive=dt.datetime(2020, 1, 1)).save()
    found = Every.get(key=1)
    assert found.moment == found.naive == dt.datetime(2020, 1, 1, tzinfo=UTC)
    assert found.moment.tzinfo is found.naive.tzinfo is UTC


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("moment", dt.datetime(2020, 1, 1)),
        ("moment", dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))),  # year 0 in UTC
        ("moment", dt.datetime(9999, 12, 31, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-1)))),
        ("whole", 2**53 + 1),
        ("whole", -(2**63) - 1),
        ("number", math.inf),
        ("number", math.nan),
        ("text", "a\ud800"),
        ("texts", ["a", "\udfff"]),
        ("numbers", [1.0, math.nan]),
        ("clock", dt.time(1, tzinfo=UTC)),
        ("exact", Decimal("NaN")),
        ("exact", Decimal("Infinity")),
        ("price", Decimal("0.1234567890123456789")),
        ("anything", {"a": math.inf}),
        ("anything", {"a": (1, 2)}),
    ],
    ids=lambda each: str(each)[:20],
)
@pytest.mark.parametrize("way", ["new", "changed"])
def test_what_cannot_be_stored_is_refused_and_changes_nothing(db, name, value, way):
    if way == "changed":
        Every(key=1, text="before").save()
    before = [exactly(each) for each in Every.find()]
    try:
        record = Every(key=1, **{name: value}) if way == "new" else Every.get(key=1)
        setattr(record, name, value)
    except ValidationError:
        return  # refused earlier still
    with pytest.raises(PropertyError, match=rf"Every\.{name}"):
        record.save()
    assert [exactly(each) for each in Every.find()] == before
    assert record.is_saved == (way == "changed")


def test_a_refused_vector_leaves_no_record(db):
    record = Article.model_construct(
        slug="a", title="", body="b", year=1, tags=[], rating=None, note=None, embedding=[1.0, math.nan, 2.0]
    )
    with pytest.raises(VectorError, match="embedding"):
        record.save()
    assert Article.find().count() == 0
    assert not record.is_saved


# -- several writers ----------------------------------------------------------


def test_the_last_writer_wins_per_changed_property(db):
    article(title="a", note="a").save()
    one, other = Article.get(slug="warp"), Article.get(slug="warp")
    one.title = "one"
    other.note = "other"
    other.rating = 0.5
    one.save()
    other.save()
    one.rating = 0.25
    one.save()
    found = Article.get(slug="warp")
    assert (found.title, found.note, found.rating) == ("one", "other", 0.25)


def test_if_unchanged_refuses_what_others_changed(db):
    one = article().save()
    other = Article.get(slug="warp")
    other.title = "other"
    other.save(if_unchanged=True)
    one.title = "one"
    with pytest.raises(ConflictError) as caught:
        one.save(if_unchanged=True)
    assert caught.value.record_id == one.record_id
    assert caught.value.status == 409
    assert Article.get(slug="warp").title == "other"
    assert one.title == "one"
    one.refresh()
    assert one.title == "other"
    one.title = "one"
    one.save(if_unchanged=True)
    one.note = "again"
    one.save(if_unchanged=True)
    assert Article.get(slug="warp").title == "one"


@pytest.mark.parametrize("way", ["update", "client", "vectors", "vector", "new instance", "rename"])
def test_if_unchanged_sees_every_way_to_change(db, way):
    record = article().save()
    if way == "update":
        Article.find(Article.slug == "warp").update(note="x")
    elif way == "client":
        db.client.records.update(record.record_id, {"note": "x"})
    elif way == "vectors":
        (index,) = db.client.ai.indexes.find().data
        db.client.ai.indexes.upsert_vectors(
            index["id"], {"items": [{"recordId": record.record_id, "vector": [3, 2, 1]}]}
        )
    elif way == "vector":
        other = Article.get(slug="warp")
        other.embedding = vec(3, 2, 1)
        other.save()
    elif way == "new instance":
        article().save()
    else:
        Article.get(slug="warp").rename_key(slug="woof")
    record.title = "mine"
    with pytest.raises(ConflictError):
        record.save(if_unchanged=True)


def test_if_unchanged_still_knows_after_a_save_without_it(db):
    """A save of one property does not mean that the others were seen."""
    one = article().save()
    other = Article.get(slug="warp")
    other.note = "other"
    other.save()
    one.title = "one"
    one.save()
    one.year = 1999
    with pytest.raises(ConflictError):
        one.save(if_unchanged=True)
    one.rename_key(slug="renamed")  # nor does a new key
    with pytest.raises(ConflictError):
        one.save(if_unchanged=True)


def test_if_unchanged_is_for_records_that_were_read(db):
    with pytest.raises(NotSaved):
        article().save(if_unchanged=True)
    assert Article.find().count() == 0


def test_if_unchanged_on_a_record_that_is_gone(db):
    record = article().save()
    Article.delete_all()
    record.title = "x"
    with pytest.raises(RecordGone):
        record.save(if_unchanged=True)


def test_a_record_that_is_gone_is_not_made_again(db):
    record, other = article().save(), Article.get(slug="warp")
    other.delete()
    record.title = "x"
    with pytest.raises(RecordGone) as caught:
        record.save()
    assert caught.value.record_id == record.record_id
    assert isinstance(caught.value, NotFound)
    with pytest.raises(RecordGone):
        record.refresh()
    assert Article.find().count() == 0
    article(title="another").save()
    with pytest.raises(RecordGone):  # the key is there again, and it is another record
        record.save()
    assert Article.get(slug="warp").title == "another"


def test_options_that_make_no_sense(db):
    record = article().save()
    record.title = "x"
    with pytest.raises(ValueError, match="on_stale"):
        record.save(on_stale="nonsense")
    with pytest.raises(CapabilityError):
        record.save(on_stale="embed")
    assert Article.get(slug="warp").title == ""


def test_without_a_database():
    with pytest.raises(NotConnected, match="connect"):
        article().save()


def together(*tasks):
    """Run them in threads that start at the same moment; what they raised."""
    barrier, errors = threading.Barrier(len(tasks)), []

    def run(task):
        barrier.wait()
        try:
            task()
        except Exception as error:  # handed to the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_threads_that_save_one_key_make_one_record(db):
    def save(number):
        for step in range(5):
            page("same", title=f"{number} {step}", embedding=[number, 1, 1]).save()

    assert together(*(lambda n=n: save(n) for n in range(8))) == []
    found = Page.find().with_vectors().one()
    assert found.title == f"{int(found.embedding[0])} 4"  # the vector came with the record that won


def test_threads_that_change_one_record_lose_nothing(db):
    Every(key=1).save()
    names = ["whole", "number", "truth", "text", "literal"]
    values = [7, 1.5, True, "x", "b"]

    def change(name, value):
        record = Every.get(key=1)
        setattr(record, name, value)
        record.save()

    assert together(*(lambda n=n, v=v: change(n, v) for n, v in zip(names, values, strict=True))) == []
    found = Every.get(key=1)
    assert [getattr(found, name) for name in names] == values


def test_first_saves_at_the_same_moment_both_succeed(db, monkeypatch):
    """Between the two policies of a field, another thread or process saves for the first time."""
    others = iter([page("other")])

    def interrupted(execute, command):
        answer = execute(command)
        if isinstance(command, CreatePolicy):
            for other in others:
                other.save()
        return answer

    around(db, monkeypatch, interrupted)
    page("one").save()
    assert Page.find().count() == 2
    for similarity in ("cosine", "euclidean"):
        assert len(Page.search([1, 2, 3], similarity=similarity)) == 2


PROGRAM = """
import json, sys
import numpy as np
from rushmodel import Field, Model, Vector, VectorField, connect, field

class Shared(Model):
    slug: Field[str] = field(key=True)
    text: Field[str]
    embedding: Vector = VectorField(dims=2, similarity=("cosine", "euclidean"), property="text")

number, path = int(sys.argv[1]), sys.argv[2]
with connect(path):
    ids = []
    for step in range(20):
        ids.append(Shared(slug=f"s{step}", text=f"{number}", embedding=[number, step]).save().record_id)
print(json.dumps(ids))
"""


def test_processes_that_save_the_same_keys_make_one_record_each(tmp_path):
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(number), str(tmp_path / "store.db")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in (1, 2)
    ]
    done = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], done
    ids = [json.loads(out) for out, _ in done]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 20
    with connect(tmp_path / "store.db", default=False) as database:
        rows = database.client.records.find({"labels": ["Shared"]})
        assert rows.total == 20
    database.close()


def test_what_another_connection_saves_is_seen(file_db, tmp_path):
    other = connect(tmp_path / "store.db", durability="normal", default=False)
    article("a").save()
    assert len(Article.search([1, 2, 3])) == 1
    with other:
        found = Article.get(slug="a", with_vectors=True)
        found.title, found.embedding = "other", vec(-1, 0, 0)
        found.save()
        article("b").save()
    other.close()
    assert Article.get(slug="a").title == "other"
    assert [hit.record.slug for hit in Article.search([1, 2, 3])] == ["b", "a"]


# -- the instance afterwards --------------------------------------------------


def test_a_failed_save_leaves_the_instance_as_it_was(db):
    record = article().save()
    Article.delete_all()
    record.embedding, record.title = vec(3, 2, 1), "new"
    with pytest.raises(RecordGone):
        record.save()
    assert (record.title, record.embedding.tolist()) == ("new", [3, 2, 1])
    copy = record.clone().save()
    assert Article.get(slug="warp", with_vectors=True) == copy == record


def test_vectors_are_read_only_float32_and_not_the_callers(db):
    given = vec(1, 2, 3)
    record = article(embedding=given).save()
    given[0] = 9
    assert record.embedding.tolist() == [1, 2, 3]
    for vector in (record.embedding, Article.get(slug="warp", with_vectors=True).embedding):
        assert vector.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            vector[0] = 5


def test_vectors_are_stored_as_they_are(db):
    vector = np.array([3e-20, 1e18, -0.1], dtype=np.float32)
    article(embedding=vector).save()
    assert Article.get(slug="warp", with_vectors=True).embedding.tobytes() == vector.tobytes()


def test_vectors_that_were_not_read_are_not_there(db, sent):
    article().save()
    record = Article.get(slug="warp")
    sent.clear()
    with pytest.raises(VectorsNotLoaded, match="embedding"):
        record.embedding
    assert sent == []  # no hidden I/O
    assert "<not loaded>" in repr(record)
    assert "embedding" not in record.model_dump()


def test_reprs_and_errors_show_no_vector(db):
    record = article(embedding=[0.125, 2.625, 3.375])
    assert "2.625" not in repr(record)
    assert "2.625" not in repr(record.save())
    record.body = "changed"
    with pytest.raises(Exception, match="embedding") as caught:
        record.save()
    assert "2.625" not in str(caught.value)


def test_two_vectors_are_kept_apart(db):
    record = picture(thumb=[1, 1]).save()
    record.thumb = [5, 5]
    record.save()
    found = Picture.get(name="sea", with_vectors=True)
    assert (found.look.tolist(), found.thumb.tolist()) == ([1, 2, 3], [5, 5])
