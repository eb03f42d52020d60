"""`Database.push` and `pull`: to every kind of store, and back to a file that equals the first one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushmodel import (
    CapabilityError,
    ConfigurationError,
    ConflictError,
    PropertyError,
    PushIncomplete,
    PushReport,
    Signature,
    connect,
    embedder,
)
from rushmodel.flow import ask
from rushmodel.operations import moving
from rushmodel.port import (
    CreatePolicy,
    DeleteRecords,
    FindRecords,
    FindRelationships,
    ImportRecords,
    ImportRow,
    InlineVector,
    Link,
    LinkRecords,
    ListPolicies,
    RecordQuery,
)
from tests.serve.process import environment

BODY = Signature("Article", "body", "external", "cosine", 3)
TWIN = Signature("Article", "body", "external", "euclidean", 3)
LOOK = Signature("Picture", "look", "external", "cosine", 2)
ROWS = (
    ImportRow(
        "Article",
        {"slug": "a", "body": "text", "n": 1, "f": 1.0, "tags": ["x", "y"], "none": []},
        (InlineVector("body", np.array([0.1, -3e-39, 3e18], np.float32), "cosine"),),
    ),
    ImportRow(
        "Article",
        {"slug": "b", "body": "2026 is a year", "yes": True, "big": 2**53, "small": 5e-324},
        (
            InlineVector("body", np.array([1, 2, 3], np.float32), "cosine"),
            InlineVector("body", np.array([3, 2, 1], np.float32), "euclidean"),
        ),
    ),
    ImportRow(
        "Article",
        {"slug": "c", "at": "2026-01-01T00:00:00Z", "title": "2026-01-01"},
        texts=frozenset({"title"}),
    ),
    ImportRow(
        "odd label",
        {'a "b"\n': "\N{SNOWMAN}\u202e", "dates": ["2026-01-01"], "texts": ["2026-01-02"]},
        texts=frozenset({"texts"}),
    ),
    ImportRow(
        "Picture", {"look": "f32-0123456789abcdef"}, (InlineVector("look", np.array([1, 0], np.float32)),)
    ),
)


@pytest.fixture
def source(tmp_path):
    """A file with everything that there can be."""
    db = connect(tmp_path / "source.db", durability="normal", default=False)
    for signature in (BODY, TWIN, LOOK):
        db.run(ask(CreatePolicy(signature)))
    made = db.run(ask(ImportRecords(ROWS)))
    ids = [record.id for record in made]
    links = [
        Link(ids[0], ids[1], "CITES", {"page": 3, "exact": True}),
        Link(ids[0], ids[1], "LIKES"),
        Link(ids[1], ids[0], "ANSWERS", {"w": 0.5}),
        Link(ids[2], ids[2], "CITES"),
        Link(ids[3], ids[4], "RUSHDB_DEFAULT_RELATION"),
    ]
    db.run(ask(LinkRecords(links)))
    yield db
    db.close()


@pytest.fixture
def target(location):
    db = connect(location, durability="normal", default=False)
    yield db
    db.close()


@pytest.fixture
def back(tmp_path):
    db = connect(tmp_path / "back.db", durability="normal", default=False)
    yield db
    db.close()


def state(db: Any) -> Any:
    """Everything that is in an embedded store, but versions."""
    signatures = [each.signature for each in db.run(ask(ListPolicies()))]
    external = tuple(each for each in signatures if each.source == "external")
    records = db.run(ask(FindRecords(RecordQuery((), vectors=external))))
    relationships = db.run(ask(FindRelationships())).relationships
    return (
        {
            each.id: (
                each.label,
                repr(sorted(each.data.items())),
                each.texts,
                {str(one): vector.tobytes() for one, vector in (each.vectors or {}).items()},
            )
            for each in records
        },
        sorted(map(repr, relationships)),
        sorted(map(str, signatures)),
    )


def test_there_and_back(source, target, back):
    report = source.push(target)
    assert report == PushReport(records=5, vectors=4, relationships=5, policies=3, checked=5)
    assert back.pull(target) == report
    assert state(back) == state(source)


def test_again_sends_nothing(source, target, back):
    source.push(target)
    again = source.push(target)
    assert again == PushReport(records=5, unchanged=5, relationships=5, checked=5)
    back.pull(target)
    before = state(back)
    assert back.pull(target).unchanged == 5
    assert state(back) == before


def test_what_has_changed_is_sent(source, target, back):
    source.push(target)
    records = {
        record.data.get("slug"): record for record in source.run(ask(FindRecords(RecordQuery(("Article",)))))
    }
    row = ImportRow(
        "Article",
        {"slug": "b", "body": "other", "yes": False},  # big and small are gone
        (
            InlineVector("body", np.array([9, 9, 9], np.float32), "cosine"),
            InlineVector("body", None, "euclidean", 3),
        ),
        id=records["b"].id,
    )
    source.run(ask(ImportRecords([row, ImportRow("Article", {"slug": "new"})], rewrite=True)))
    source.run(ask(LinkRecords([Link(records["a"].id, records["b"].id, "CITES", {"page": 4})])))
    report = source.push(target)
    assert (report.records, report.unchanged, report.vectors) == (6, 4, 1)
    back.pull(target)
    assert state(back) == state(source)


def test_what_is_only_at_the_target_stays(source, target, back):
    source.push(target)
    (gone,) = source.run(ask(FindRecords(RecordQuery(("Article",), {"slug": "c"}))))
    source.run(ask(DeleteRecords(RecordQuery(("Article",), {"slug": "c"}))))
    assert source.push(target).records == 4
    assert back.pull(target).records == 5
    assert gone.id in state(back)[0]


def test_some_labels(source, target, back):
    report = source.push(target, ["Picture", "odd label"])
    assert report == PushReport(records=2, vectors=1, relationships=1, policies=1, checked=2)
    report = source.push(target, ["Article"])
    assert (report.records, report.relationships, report.left_out) == (3, 4, 0)
    assert back.pull(target, ["odd label"]) == PushReport(records=1, left_out=1, checked=1)
    with pytest.raises(ConfigurationError, match="labels is a list of labels, got the text 'Article'"):
        source.push(target, "Article")


def test_without_vectors(source, target, back):
    report = source.push(target, without_vectors=True)
    assert (report.records, report.vectors, report.policies) == (5, 0, 3)
    assert source.push(target, without_vectors=True).unchanged == 5
    assert source.push(target).vectors == 4  # those it lacks


def test_a_managed_policy_is_moved_and_its_vectors_are_made_there(tmp_path, back):
    letters = embedder(lambda texts: [[len(text), 1.0] for text in texts], name="letters", dims=2)
    source = connect(tmp_path / "managed.db", embedder=letters, default=False)
    source.run(ask(CreatePolicy(Signature("Note", "text", "managed", "cosine", 2))))
    source.run(ask(ImportRecords([ImportRow("Note", {"text": "abc"})])))
    source.backfill()
    report = source.push(back)
    assert (report.records, report.vectors, report.policies) == (1, 0, 1)
    other = connect(tmp_path / "back.db", embedder=letters, default=False)
    assert other.backfill() == 1
    other.close()
    source.close()


def test_progress_and_pages(source, target, back, monkeypatch):
    monkeypatch.setattr("rushmodel.steps.PAGE", 2)
    monkeypatch.setattr("rushmodel.moving.PAGE", 2)
    told: list[int] = []
    source.push(target, progress=told.append)
    assert told == [2, 4, 5]
    back.pull(target)
    assert state(back) == state(source)


def test_async(source, target, back):
    async def there_and_back():
        return await source.aio.push(target), await back.aio.pull(target)

    one, other = asyncio.run(there_and_back())
    assert one == other
    assert state(back) == state(source)


def test_an_id_that_is_another_label_at_the_target(source, back):
    (taken,) = source.run(ask(FindRecords(RecordQuery(("Picture",)))))
    back.run(ask(ImportRecords([ImportRow("Other", {"a": 1}, id=taken.id)])))
    before = state(back)[0][taken.id]
    with pytest.raises(ConflictError, match="is there already, and its label is Other"):
        source.push(back)
    assert state(back)[0][taken.id] == before


def test_a_name_that_belongs_to_push(source, target):
    source.run(ask(ImportRecords([ImportRow("Odd", {"rushmodel_id": 5})])))
    with pytest.raises(PropertyError, match=r"Odd .* has a property 'rushmodel_id' that is not an id"):
        source.push(target)


def test_two_records_that_would_be_one(source, back):
    """Which nobody makes but by hand; it must not pass for a move of two."""
    rows = [ImportRow("Odd", {"rushmodel_id": "same", "n": number}) for number in range(2)]
    source.run(ask(ImportRecords(rows)))
    with pytest.raises(PushIncomplete, match="of 2 records of Odd 1 are there") as caught:
        source.push(back)
    assert "Another call sends it" in str(caught.value)
    assert len(caught.value.differences) >= 1


def test_vectors_that_are_lost_on_the_way_are_seen(source, back, monkeypatch):
    write = moving.write
    monkeypatch.setattr(
        moving, "write", lambda side, rows: write(side, [row._replace(vectors=()) for row in rows])
    )
    with pytest.raises(PushIncomplete, match=r"Article [\w-]+ is another one there"):
        source.push(back)
    monkeypatch.undo()
    source.push(back)
    assert state(back) == state(source)


def test_relationships_that_are_lost_on_the_way_are_seen(source, back, monkeypatch):
    link = moving.link
    monkeypatch.setattr(moving, "link", lambda links: link(links[1:]))
    with pytest.raises(PushIncomplete, match=r"of 5 relationships 4 are there; the relationship \w+ from"):
        source.push(back)
    monkeypatch.setattr(moving, "link", lambda links: link([each._replace(data={}) for each in links]))
    with pytest.raises(PushIncomplete, match="has other properties there"):
        source.push(back)
    monkeypatch.undo()
    source.push(back)
    assert state(back) == state(source)


def test_many_labels(source, target, back):
    """A server looks for an id under each label, unless it is told which."""
    rows = [ImportRow(f"Label{number}", {"n": number}) for number in range(40)]
    made = source.run(ask(ImportRecords(rows)))
    more = source.run(ask(ImportRecords([ImportRow("Label0", {"n": n}) for n in range(1000)])))
    links = [Link(each.id, made[1].id, "NEXT") for each in (*made, *more) if each.id != made[1].id]
    source.run(ask(LinkRecords(links)))
    assert source.push(target).relationships == 5 + len(links)
    back.pull(target)
    assert state(back) == state(source)


def test_no_database_is_moved_to_itself(source, tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be moved to itself"):
        source.push(source)
    other = connect(tmp_path / "source.db", default=False)
    with pytest.raises(ConfigurationError, match="cannot be moved to itself"):
        source.push(other)
    other.close()
    one, two = connect("memory://", default=False), connect("memory://", default=False)
    assert one.push(two) == PushReport()
    one.close()
    two.close()


# -- a RushDB server, which gives no vectors back


@pytest.fixture
def blind(unkind, monkeypatch):
    unkind.reset(rushdb=True)
    monkeypatch.setenv("RUSHDB_API_KEY", unkind.token)
    db = connect(unkind.url, default=False)
    yield db
    db.close()


def test_a_server_that_gives_no_vectors_back(source, blind, back):
    assert source.push(blind).vectors == 4
    assert source.push(blind).vectors == 4  # nobody can tell whether they are there
    with pytest.raises(
        CapabilityError, match=r"does not give vectors back, and it has some .*embedder="
    ) as caught:
        back.pull(blind)
    assert "without_vectors=True" in str(caught.value)
    assert state(back) == ({}, [], [])
    report = back.pull(blind, without_vectors=True)
    assert (report.records, report.vectors, report.policies) == (5, 0, 3)
    wanted = state(source)
    found = state(back)
    assert {key: value[:3] for key, value in found[0].items()} == {
        key: value[:3] for key, value in wanted[0].items()
    }
    assert found[1:] == wanted[1:]


def test_an_embedder_makes_them_again(source, blind, back):
    source.push(blind, ["Article"])
    letters = embedder(lambda texts: [[len(text), 1.0, 0.0] for text in texts], name="letters", dims=3)
    report = back.pull(blind, ["Article"], embedder=letters)
    assert (report.records, report.vectors) == (3, 4)  # of two texts, in two policies
    small = embedder(lambda texts: [[1.0]] * len(texts), name="small", dims=1)
    with pytest.raises(CapabilityError, match=r"embedder small have 1 numbers, and those of Article\.body"):
        back.pull(blind, embedder=small)
    with pytest.raises(ConfigurationError, match="embedder= is an embedder"):
        back.pull(blind, embedder=5)


def test_relationships_both_ways_are_refused_by_a_server(source, blind):
    records = source.run(ask(FindRecords(RecordQuery(("Article",)))))
    source.run(ask(LinkRecords([Link(records[1].id, records[0].id, "CITES")])))
    with pytest.raises(CapabilityError, match=r"would be lost.*5 records are at the target"):
        source.push(blind)


# -- interrupted

CHILD = """
    import sys, time
    from rushmodel import connect
    from rushmodel.operations import moving

    write, link, left = moving.write, moving.link, [int(sys.argv[4])]

    def counted(operation):
        def run(*arguments):
            left[0] -= 1
            if left[0] < 0:
                print("now", flush=True)
                time.sleep(60)
            return operation(*arguments)
        return run

    moving.write, moving.link = counted(write), counted(link)
    source = connect(sys.argv[1], default=False)
    target = connect(sys.argv[2], token=sys.argv[3] or None, default=False)
    source.push(target)
    print("done", flush=True)
"""


@pytest.mark.parametrize("location", ["file", "serve"], indirect=True)
@pytest.mark.parametrize("stage", [1, 2, 4])
def test_a_push_that_was_killed_goes_on(tmp_path, location, back, stage):
    source = connect(tmp_path / "source.db", durability="normal", default=False)
    source.run(ask(CreatePolicy(BODY)))
    vectors = np.random.default_rng(1).standard_normal((2500, 3)).astype(np.float32)
    rows = [
        ImportRow("Article", {"slug": f"a{at}", "body": "b"}, (InlineVector("body", vector),))
        for at, vector in enumerate(vectors)
    ]
    made = source.run(ask(ImportRecords(rows)))
    links = [Link(one.id, other.id, "NEXT", {"n": 1}) for one, other in pairwise(made)]
    source.run(ask(LinkRecords(links)))
    token = os.environ["RUSHDB_API_KEY"] if "://" in str(location) else ""
    given = [str(tmp_path / "source.db"), str(location), token, str(stage)]
    command = [sys.executable, "-c", textwrap.dedent(CHILD), *given]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "now\n"
        time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
    target = connect(location, default=False)
    report = source.push(target)
    assert report.records == 2500
    assert report.unchanged == min(stage, 3) * 1000 - (500 if stage > 2 else 0)
    back.pull(target)
    assert state(back) == state(source)
    source.close()
    target.close()


# -- whatever there is

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
NAMES = st.one_of(
    st.sampled_from(["a", "b", "body", "type", "x y", "class"]),
    TEXT.filter(lambda name: name and not name.startswith(("$", "__", "rushmodel_"))),
)
DATES = st.sampled_from(["2026-01-01", "2026-01-01T00:00:00Z", "2026-02-30", "2026-01-01T10:00:00.5+02:00"])
NUMBERS = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.one_of(
    TEXT,
    DATES,
    NUMBERS,
    st.booleans(),
    st.lists(TEXT, max_size=2),
    st.lists(DATES, max_size=2),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=2),
)
RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "an odd label"]),
        st.dictionaries(NAMES, VALUES, min_size=1, max_size=4),
        st.booleans(),
    ),
    max_size=6,
)
LINKS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(0, 5),
        st.sampled_from(["ONE", "TWO"]),
        st.dictionaries(st.sampled_from(["p", "q"]), st.one_of(NUMBERS, TEXT, st.booleans()), max_size=2),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=RECORDS, links=LINKS)
def test_any_store_is_equal_after_two_moves(server, monkeypatch, records, links):
    server.clear()
    source, back = connect("memory://", default=False), connect("memory://", default=False)
    target = connect(server.url, token=server.token, default=False)
    try:
        rows = [
            ImportRow(label, data, texts=frozenset(data) if texts else frozenset())
            for label, data, texts in records
        ]
        made = source.run(ask(ImportRecords(rows))) if rows else []
        wanted = [
            Link(made[one].id, made[other].id, kind, data)
            for one, other, kind, data in links
            if one < len(made) and other < len(made) and one <= other
        ]
        source.run(ask(LinkRecords(wanted)))
        source.push(target)
        back.pull(target)
        assert state(back) == state(source)
        assert source.push(target).unchanged == len(made)
    finally:
        for db in (source, target, back):
            db.close()
