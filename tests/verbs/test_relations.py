"""Relations in a store: saving trees, prefetching, conditions, over every store."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, assignment, list-item, union-attr"

from __future__ import annotations

import asyncio
import datetime as dt
from itertools import pairwise
from typing import Any

import pytest

from rushmodel import (
    BulkError,
    ConfigurationError,
    ConflictError,
    Edge,
    Field,
    LoadError,
    Model,
    MultipleFound,
    NotFound,
    NotLoaded,
    NotSaved,
    PropertyError,
    QueryError,
    RecordGone,
    Relation,
    StaleVector,
    Vector,
    VectorField,
    connect,
    field,
    relation,
)
from rushmodel.backends.rest.portions import portions_of_writes
from rushmodel.flow import ask
from rushmodel.port import (
    End,
    FindRelated,
    FindRelationships,
    Link,
    LinkRecords,
    RecordWrite,
    SaveGraph,
    SaveRecords,
    Unlink,
)

UTC = dt.timezone.utc


class Signed(Edge):
    at: Field[dt.datetime]
    place: Field[str | None] = None
    pages: Field[int] = field(default=1, name="page count")


class Firm(Model):
    name: Field[str] = field(key=True)


class Author(Model):
    name: Field[str] = field(key=True)
    age: Field[int] = 0
    firm: Relation[Firm] = relation("WORKS_AT")
    novels: Relation[list[Novel]] = relation("WROTE")
    friends: Relation[list[Author]] = relation("KNOWS")
    boss: Relation[Author] = relation("LEADS", direction="in")
    staff: Relation[list[Author]] = relation("LEADS")


class Novel(Model):
    title: Field[str] = field(key=True)
    year: Field[int] = 2000
    author: Relation[Author] = relation("WROTE", direction="in")
    editor: Relation[Author] = relation("EDITED", direction="in", edge=Signed)
    themes: Relation[list[Theme]] = relation("ABOUT")


class Theme(Model):
    """Without a key: each that is saved is a record of its own."""

    word: Field[str]


class Scene(Model):
    body: Field[str] = field(key=True)
    novel: Relation[Novel] = relation("OF")
    embedding: Vector = VectorField(dims=2, property="body")


def edges(db: Any) -> set[tuple[str, str, str, str]]:
    """Every relationship: label and id of its source, type, target's id."""
    found = db.run(ask(FindRelationships(End(), End())))
    return {(each.source_label, each.source, each.type, each.target) for each in found.relationships}


def signed(year: int = 2020, **values: Any) -> Signed:
    return Signed(at=dt.datetime(year, 1, 1, tzinfo=UTC), **values)


@pytest.fixture
def library(db):
    """Ten novels of three authors, two firms."""
    firms = [Firm(name=name) for name in ("North", "South")]
    authors = [Author(name=f"a{at}", age=20 * at, firm=firms[at % 2]) for at in range(3)]
    themes = [Theme(word=word) for word in ("war", "sea")]
    novels = [
        Novel(title=f"n{at}", year=2000 + at, author=authors[at % 3], themes=themes[: at % 3])
        for at in range(9)
    ]
    Novel.save_many([*novels, Novel(title="nobody's")])
    return db


def titles(query: Any) -> list[str]:
    return sorted(novel.title for novel in query)


# -- saving


def test_a_new_tree_is_one_command(db, sent):
    ada = Author(name="Ada", firm=Firm(name="North"))
    novel = Novel(title="one", author=ada, themes=[Theme(word="war"), Theme(word="sea")])
    novel.editor.set(Author(name="Ed"), edge=signed())
    assert novel.save() is novel
    assert [type(each) for each in sent if isinstance(each, (SaveGraph, SaveRecords))] == [SaveGraph]
    assert novel.is_saved
    assert ada.is_saved
    assert all(theme.is_saved for theme in novel.themes)
    assert edges(db) == {
        ("Author", ada.record_id, "WROTE", novel.record_id),
        ("Author", novel.editor.value.record_id, "EDITED", novel.record_id),
        ("Author", ada.record_id, "WORKS_AT", ada.firm.value.record_id),
        *(("Novel", novel.record_id, "ABOUT", theme.record_id) for theme in novel.themes),
    }
    sent.clear()
    novel.save()
    ada.save()
    assert sent == []


def test_a_save_without_changed_relations_is_as_before(db, sent):
    novel = Novel(title="one").save()
    novel.year = 1999
    novel.save()
    assert [type(each) for each in sent if isinstance(each, (SaveGraph, SaveRecords))] == [SaveRecords] * 2


def test_targets_are_created_upserted_saved_or_only_linked(db, sent):
    known, changed = Author(name="Known", age=1).save(), Author(name="Changed", age=1).save()
    Firm(name="North").save()
    changed.age = 2
    changed.firm = Firm(name="North")
    sent.clear()
    novel = Novel(title="one", author=known)
    novel.editor.set(changed, edge=signed())
    novel.save()
    (graph,) = [each for each in sent if isinstance(each, SaveGraph)]
    assert sorted(label for label, _ in graph.writes) == ["Author", "Firm", "Novel"]
    assert Firm.find().count() == 1
    assert Author.get(name="Changed").age == 2
    assert Novel.get(title="one", with_=[Novel.author]).author.value == known


def test_cycles(db):
    ada, bob = Author(name="Ada"), Author(name="Bob")
    ada.friends.attach(bob, ada)
    bob.boss = ada
    ada.boss = bob
    ada.save()
    assert edges(db) == {
        ("Author", ada.record_id, "KNOWS", bob.record_id),
        ("Author", ada.record_id, "KNOWS", ada.record_id),
        ("Author", ada.record_id, "LEADS", bob.record_id),
        ("Author", bob.record_id, "LEADS", ada.record_id),
    }


def test_one_key_twice_in_a_tree_is_one_record(db):
    novel = Novel(title="one", author=Author(name="Ada"))
    novel.editor.set(Author(name="Ada", age=7), edge=signed())
    novel.save()
    assert novel.author.value.record_id == novel.editor.value.record_id
    assert Author.find().count() == 1


def test_to_one_replaces(db):
    ada, bob = Author(name="Ada").save(), Author(name="Bob").save()
    novel = Novel(title="one", author=ada).save()
    novel.author = bob
    novel.save()
    assert edges(db) == {("Author", bob.record_id, "WROTE", novel.record_id)}
    again = Novel.get(title="one")
    again.author = ada  # not loaded before
    again.save()
    assert edges(db) == {("Author", ada.record_id, "WROTE", novel.record_id)}
    again.author = None
    again.save()
    assert edges(db) == set()
    assert Author.find().count() == 2


def test_a_new_instance_of_a_key_replaces_too(db):
    ada, bob = Author(name="Ada").save(), Author(name="Bob").save()
    novel = Novel(title="one", author=ada, themes=[Theme(word="war")]).save()
    Novel(title="one", author=bob).save()
    assert {edge[:3] for edge in edges(db)} == {
        ("Author", bob.record_id, "WROTE"),
        ("Novel", novel.record_id, "ABOUT"),
    }
    other = Novel(title="one").save()
    assert not other.author.is_loaded
    assert not other.themes.is_loaded


def test_replacing_leaves_other_labels_alone(db):
    class Essay(Model):
        title: Field[str] = field(key=True)
        author: Relation[Firm] = relation("WROTE", direction="in")
        writer: Relation[Author] = relation("WROTE", direction="in")

    firm, ada, bob = Firm(name="North"), Author(name="Ada"), Author(name="Bob")
    essay = Essay(title="e", author=firm, writer=ada).save()
    essay.writer = bob
    essay.save()
    assert {edge[1] for edge in edges(db)} == {firm.record_id, bob.record_id}


def test_attach_and_detach(db):
    novel = Novel(title="one", themes=[Theme(word="war")]).save()
    other = Novel.get(title="one")
    sea, sky = Theme(word="sea").save(), Theme(word="sky")
    other.themes.attach(sea, sky)
    assert not other.themes.is_loaded
    assert "2 changed" in repr(other)
    other.save()
    assert not other.themes.is_loaded
    assert {theme.word for theme in other.themes.fetch()} == {"war", "sea", "sky"}
    other.themes.detach(sea)
    assert {theme.word for theme in other.themes} == {"war", "sky"}
    other.save()
    assert {theme.word for theme in novel.themes.fetch()} == {"war", "sky"}
    novel.themes.set([sea])
    novel.save()
    assert {edge[3] for edge in edges(db)} == {sea.record_id}
    assert Theme.find().count() == 3
    novel.themes.detach(sky, Theme(word="never saved"))
    novel.save()
    assert {edge[3] for edge in edges(db)} == {sea.record_id}


def test_the_other_side(db):
    ada, bob = Author(name="Ada").save(), Author(name="Bob").save()
    novel = Novel(title="one", author=ada).save()
    assert not ada.novels.is_loaded  # it was loaded as empty, and is no more
    assert ada.novels.fetch() == (novel,)
    bob.novels.attach(novel)
    bob.save()
    # What leads to one record from there leads to one record only.
    assert edges(db) == {("Author", bob.record_id, "WROTE", novel.record_id)}
    assert not novel.author.is_loaded
    assert novel.author.fetch() == bob
    ada.staff.attach(bob)
    ada.save()
    Author(name="Cy", staff=[bob]).save()
    assert bob.boss.fetch().name == "Cy"


def test_several_where_one_is_meant(db):
    novel = Novel(title="one", author=Author(name="Ada")).save()
    other = connect_link(db, Author(name="Bob").save(), novel)
    novel = Novel.get(title="one", with_=[Novel.author])
    with pytest.raises(MultipleFound, match=r"Novel\.author of record .* the store has 2"):
        novel.author.value
    novel.author = other
    novel.save()
    assert novel.author.fetch() == other


def connect_link(db, author, novel):
    from rushmodel.port import Link, LinkRecords

    db.run(ask(LinkRecords([Link(author.record_id, novel.record_id, "WROTE")])))
    return author


def test_edges_come_back(db):
    novel = Novel(title="one")
    ed = Author(name="Ed")
    novel.editor.set(ed, edge=signed(place="Rome", pages=3))
    novel.save()
    again = Novel.get(title="one", with_=[Novel.editor])
    assert again.editor.edge(Signed) == signed(place="Rome", pages=3)
    again.editor.set(ed, edge=signed(2021))
    again.save()
    assert novel.editor.fetch() == ed
    assert novel.editor.edge(Signed) == signed(2021)


def test_an_edge_that_does_not_fit_its_class(db):
    novel = Novel(title="one").save()
    db.client.records.attach(Author(name="Ed").save().record_id, novel.record_id, {"type": "EDITED"})
    with pytest.raises(LoadError, match="at: it has no property 'at'"):
        novel.editor.fetch()


def test_without_cascade(db):
    ada = Author(name="Ada").save()
    ada.age = 50
    novel = Novel(title="one", author=ada).save(cascade=False)
    assert edges(db) == set()
    assert Author.get(name="Ada").age == 0
    assert Novel.get(title="one").author.fetch() is None
    assert novel.author.value is ada
    novel.save()
    assert edges(db) == {("Author", ada.record_id, "WROTE", novel.record_id)}
    assert Author.get(name="Ada").age == 50
    novel.author = Author(name="Bob")
    novel.save(cascade=False)
    assert Author.find().count() == 1
    novel.save()
    assert Author.find().count() == 2


# -- what is refused leaves nothing behind


def test_a_deleted_target(db):
    ada = Author(name="Ada").save()
    Author.get(name="Ada").delete()
    with pytest.raises(RecordGone, match=r"Author .* was deleted") as caught:
        Novel(title="one", author=ada).save()
    assert caught.value.model is Author
    assert caught.value.record_id == ada.record_id
    ada.delete()
    with pytest.raises(RecordGone):
        Novel(title="one", author=ada).save()
    assert Novel.find().count() == 0


def test_a_record_of_another_store(db):
    with connect("memory://", default=False) as other:
        ada = Author(name="Ada").save()
    novel = Novel(title="one", author=ada)
    with pytest.raises(ConfigurationError, match="this Author belongs to"):
        novel.save()
    assert Novel.find().count() == 0
    assert not novel.is_saved
    assert novel.author.value is ada
    other.close()


def test_a_target_that_cannot_be_stored(db):
    class Number(Model):
        n: Field[int]

    class Holder(Model):
        name: Field[str] = field(key=True)
        number: Relation[Number] = relation("HOLDS")

    holder = Holder(name="h", number=Number(n=2**60))
    with pytest.raises(PropertyError, match=r"Number\.n") as caught:
        holder.save()
    assert caught.value.model is Number
    assert caught.value.field == "n"
    assert Holder.find().count() == 0
    assert holder.number.value.n == 2**60


def test_a_stale_vector_of_a_target(db):
    class Cover(Model):
        scene: Relation[Scene] = relation("SHOWS")
        name: Field[str] = field(key=True)

    class Text(Model):
        name: Field[str] = field(key=True)
        body: Field[str]
        embedding: Vector = VectorField(dims=2, property="body")

    class Sheet(Model):
        name: Field[str] = field(key=True)
        text: Relation[Text] = relation("SHOWS")

    text = Text(name="t", body="one", embedding=[1, 2]).save()
    text.body = "two"
    sheet = Sheet(name="s", text=text)
    with pytest.raises(StaleVector, match=r"Text\.embedding"):
        sheet.save()
    other = Text(name="t", body="three", embedding=[1, 2])
    vars(other).pop("embedding")
    assert Sheet.find().count() == 0
    sheet.save(on_stale="keep")
    assert Text.get(name="t").body == "two"


def test_if_unchanged_is_about_the_record_itself(embedded_db):
    ada = Author(name="Ada").save()
    novel = Novel(title="one").save()
    other = Novel.get(title="one")
    other.year = 1900
    other.save()
    Author(name="Ada", age=3).save()
    novel.year = 1901
    novel.author = ada
    with pytest.raises(ConflictError):
        novel.save(if_unchanged=True)
    assert edges(embedded_db) == set()
    novel.refresh()
    assert not novel.author.is_loaded
    novel.year, novel.author = 1902, ada
    ada.age = 5
    novel.save(if_unchanged=True)
    assert Author.get(name="Ada").age == 5


# -- many


def test_save_many_is_a_command_a_batch(db, sent):
    firm = Firm(name="North")
    authors = [Author(name=f"a{at}", firm=firm) for at in range(10)]
    report = Author.save_many(authors, batch=5)
    assert report.saved == 10
    assert len([each for each in sent if isinstance(each, SaveGraph)]) == 2
    assert len(edges(db)) == 10
    assert Firm.find().count() == 1


def test_save_many_refuses_a_record_with_what_it_leads_to(db):
    gone = Author(name="Gone").save()
    Author.get(name="Gone").delete()
    novels = [
        Novel(title="a", author=Author(name="Ada")),
        Novel(title="b", author=gone),
        Novel(title="c", author=Author(name="Bob")),
    ]
    with pytest.raises(BulkError, match=r"position 1: Author .* was deleted"):
        Novel.save_many(novels)
    assert Novel.find().count() == 0
    report = Novel.save_many([*novels, novels[1], novels[0]], on_error="skip")
    assert report.saved == 3
    assert [each.position for each in report.failed] == [1, 3]
    assert all(isinstance(each.error, RecordGone) for each in report.failed)
    assert titles(Novel.find()) == ["a", "c"]
    assert sorted(author.name for author in Author.find()) == ["Ada", "Bob"]


# -- reading


def test_not_loaded_until_it_is_asked_for(library, sent):
    novel = Novel.get(title="n0")
    assert not novel.author.is_loaded
    assert "author=<not loaded>" in repr(novel)
    sent.clear()
    for read in (lambda: novel.author.value, lambda: novel.themes.items, lambda: bool(novel.author)):
        with pytest.raises(NotLoaded, match=r"is not loaded: .* with_=\[Novel\.(author|themes)\]"):
            read()
    assert sent == []
    assert novel.author.fetch().name == "a0"
    assert novel.author.is_loaded
    novel.refresh()
    assert not novel.author.is_loaded
    with pytest.raises(NotSaved, match="was never saved"):
        Novel(title="new").author.fetch()
    novel.delete()
    with pytest.raises(RecordGone):
        novel.author.fetch()


def asked(sent: list[Any]) -> list[FindRelated]:
    return [each for each in sent if isinstance(each, FindRelated)]


def test_prefetch_is_a_command_a_relation(library, sent):
    novels = Novel.find().with_(Novel.author.with_(Author.firm), Novel.themes, Novel.author).all()
    assert len(asked(sent)) == 3
    assert len(novels) == 10
    for novel in novels:
        at = novel.title[1:]
        if novel.title == "nobody's":
            assert novel.author.value is None
            assert len(novel.themes) == 0
        else:
            assert novel.author.value.name == f"a{int(at) % 3}"
            assert novel.author.value.firm.value.name == ("North", "South")[int(at) % 3 % 2]
            assert [theme.word for theme in novel.themes] == ["war", "sea"][: int(at) % 3]
    by_name = {novel.title: novel for novel in novels}
    assert by_name["n0"].author.value is by_name["n3"].author.value
    assert by_name["n1"].themes.items[0] is by_name["n2"].themes.items[0]
    assert by_name["n0"].author.value.firm.value is by_name["n2"].author.value.firm.value


def test_prefetch_of_pages(library, sent):
    pages = list(Novel.find().with_(Novel.author).pages(4))
    assert [len(page) for page in pages] == [4, 4, 2]
    assert len(asked(sent)) == 3
    assert [novel.author.is_loaded for page in pages for novel in page] == [True] * 10
    assert all(novel.themes.is_loaded for novel in Novel.find().with_(Novel.themes))


def test_every_way_to_read_takes_relations_along(library):
    query = Novel.find(Novel.title == "n0").with_(Novel.author)
    for novel in (
        query.first(),
        query.one(),
        query.one_or_none(),
        Novel.get(title="n0", with_=[Novel.author]),
    ):
        assert novel.author.value.name == "a0"
    assert Novel.get_or_none(title="n0", with_=[Novel.author]).author.value.name == "a0"
    assert Novel.get_or_none(title="zz", with_=[Novel.author]) is None
    assert query.only(Novel.year).one().author.value.name == "a0"
    with pytest.raises(TypeError, match=r"with_= takes several relations, as in with_=\[Novel"):
        Novel.get(title="n0", with_=Novel.author)
    with pytest.raises(QueryError, match=r"Author\.firm is no relation of Novel"):
        Novel.get(title="n0", with_=[Author.firm])


def test_self_relations_to_any_depth(db):
    chain = [Author(name=f"c{at}") for at in range(5)]
    for boss, author in pairwise(chain):
        author.boss = boss
    chain[-1].save()
    deep = Author.boss.with_(Author.boss.with_(Author.boss))
    last = Author.get(name="c4", with_=[deep])
    third = last.boss.value.boss.value.boss.value
    assert third.name == "c1"
    assert not third.boss.is_loaded


def test_conditions(library):
    assert titles(Novel.find(Novel.author.has(Author.age > 10))) == ["n1", "n2", "n4", "n5", "n7", "n8"]
    assert titles(Novel.find(Novel.author.has(Author.firm.has(Firm.name == "South")))) == ["n1", "n4", "n7"]
    assert titles(Novel.find(Novel.author.none())) == ["nobody's"]
    assert titles(Novel.find(Novel.themes.any(Theme.word == "sea"), Novel.year > 2003)) == ["n5", "n8"]
    assert titles(Novel.find(~Novel.themes.any() & Novel.author.has())) == ["n0", "n3", "n6"]
    assert titles(Novel.find(Novel.themes.none(Theme.word == "sea") & (Novel.year > 2005))) == ["n6", "n7"]
    assert Novel.find(Novel.author.has(Author.name == "a0")).count() == 3
    assert Novel.find(Novel.author.has(Author.name == "zz")).exists() is False
    assert Author.find(Author.novels.any(Novel.year == 2004)).one().name == "a1"


def test_updates_and_deletes(library):
    assert Novel.find(Novel.author.has(Author.name == "a0")).update(year=1) == 3
    assert titles(Novel.find(Novel.year == 1)) == ["n0", "n3", "n6"]
    assert Novel.find(Novel.author.none()).delete() == 1
    assert Novel.find().count() == 9


def test_hops(db):
    chain = [Author(name=f"c{at}") for at in range(6)]
    for boss, author in pairwise(chain):
        author.boss = boss
    chain[-1].save()

    def names(condition: Any) -> list[str]:
        return sorted(author.name for author in Author.find(condition))

    first = Author.name == "c0"
    assert names(Author.boss.has(first)) == ["c1"]
    assert names(Author.boss.has(first, hops=2)) == ["c2"]
    assert names(Author.boss.has(first, hops=(2, 4))) == ["c2", "c3", "c4"]
    assert names(Author.staff.any(Author.name == "c5", hops=(1, 20))) == ["c0", "c1", "c2", "c3", "c4"]
    assert names(Author.boss.none(first, hops=(1, 20))) == ["c0"]


def test_conditions_on_edges(db):
    for at in range(3):
        novel = Novel(title=f"n{at}")
        novel.editor.set(Author(name="Ed"), edge=signed(2020 + at, pages=at))
        novel.save()
    assert titles(Novel.find(Novel.editor.has(edge=Signed.pages > 1))) == ["n2"]
    later = Signed.at >= dt.datetime(2021, 1, 1, tzinfo=UTC)
    assert titles(Novel.find(Novel.editor.has(Author.name == "Ed", edge=later & (Signed.pages < 2)))) == [
        "n1"
    ]


def test_search_among_what_a_relation_allows(db):
    novels = [Novel(title=f"n{at}") for at in range(2)]
    Scene.save_many(Scene(body=f"s{at}", novel=novels[at % 2], embedding=[1, at / 100]) for at in range(20))
    where = Scene.novel.has(Novel.title == "n1")
    hits = Scene.search([1.0, 0.0], where=where, limit=5, with_=[Scene.novel])
    assert [hit.record.body for hit in hits] == ["s1", "s3", "s5", "s7", "s9"]
    assert {hit.record.novel.value.title for hit in hits} == {"n1"}
    assert len({id(hit.record.novel.value) for hit in hits}) == 1


def test_find_raw(library):
    where = {"Author": {"$relation": {"type": "WROTE", "direction": "in"}, "name": "a0"}}
    found = Novel.find_raw({"where": where, "orderBy": {"year": "desc"}, "limit": 2})
    assert [novel.title for novel in found] == ["n6", "n3"]
    assert Novel.find_raw({})[0].title == "nobody's"
    assert len(Novel.find_raw({"labels": ["Novel"], "skip": 4})) == 6
    for document, message in (
        ({"where": {"year": {"$nope": 1}}}, "nope"),
        ({"wher": {}}, "wher"),
        ({"labels": ["Author"]}, "labels: expected"),
        ({"select": {"n": {"$count": "*"}}}, "select: .* give the class of its rows"),
        ([], "search query"),
    ):
        with pytest.raises(QueryError, match=message):
            Novel.find_raw(document)


def test_cycles_are_found_raw(db):
    a, b, c = (Author(name=name) for name in "abc")
    a.staff.attach(b)
    b.staff.attach(c)
    c.friends.attach(a)
    a.save()
    assert Author.find_raw({"where": {"$cycle": {"type": "LEADS", "hops": {"min": 2, "max": 6}}}}) == []


def test_async(db):
    async def work() -> None:
        ada = Author(name="Ada", firm=Firm(name="North"))
        await Novel(title="one", author=ada).asave()
        again = await Novel.aget(title="one", with_=[Novel.author.with_(Author.firm)])
        assert again.author.value.firm.value.name == "North"
        fresh = await Novel.find().afirst()
        assert (await fresh.author.afetch()) == ada
        assert (await fresh.themes.afetch()) == ()
        assert [each.author.is_loaded async for each in Novel.find().with_(Novel.author)] == [True]
        assert len(await Novel.afind_raw({})) == 1
        report = await Novel.asave_many([Novel(title="two", author=ada)])
        assert report.saved == 1

    asyncio.run(work())


def test_a_transaction_that_is_rolled_back_gives_the_changes_back(db):
    ada = Author(name="Ada", firm=Firm(name="North"))
    novel = Novel(title="one", author=ada)
    saved = Novel(title="two").save()
    saved.author.fetch()

    class Stop(Exception):
        pass

    def both() -> None:
        with db.transaction():
            novel.save()
            saved.author = ada
            saved.save()
            assert len(edges(db)) == 3
            raise Stop

    with pytest.raises(Stop):
        both()
    assert edges(db) == set()
    assert not novel.is_saved
    assert not ada.is_saved
    assert novel.author.value is ada
    novel.save()
    assert len(edges(db)) == 2
    saved.author = ada
    saved.save()
    assert len(edges(db)) == 3


@pytest.fixture
def narrow(server, monkeypatch):
    """A database behind `serve`, to whom a request may bring some three records."""
    server.clear()
    monkeypatch.setenv("RUSHDB_API_KEY", server.token)
    monkeypatch.setattr("rushmodel.backends.rest.portions.MOST_BYTES", 1000)
    monkeypatch.setattr("rushmodel.backends.rest.portions._MOST_VECTORS", 4)
    with connect(server.url, default=False) as database, database:
        yield database
    database.close()


def test_a_save_that_is_too_much_for_a_request_goes_in_several(narrow):
    novel = Novel(title="N", themes=[Theme(word=f"{number} " * 50) for number in range(40)])
    scenes = [Scene(body=f"s{number}", novel=novel, embedding=[number, 1]) for number in range(20)]
    Scene.save_many(scenes)
    assert Theme.find().count() == 40
    found = Novel.find().with_(Novel.themes).one()
    assert {each.word for each in found.themes.items} == {f"{number} " * 50 for number in range(40)}
    assert Scene.find(Scene.novel.has(Novel.title == "N")).count() == 20
    assert [hit.record.body for hit in Scene.search([0, 1], limit=1)] == ["s0"]


def test_what_goes_in_several_requests_is_one_save(narrow):
    Author(name="a").save()
    first = [("Theme", RecordWrite({"word": f"{number} " * 100})) for number in range(30)]
    wrong = [*first, ("Author", RecordWrite({"age": 1}, "nobody"))]
    assert len(portions_of_writes(wrong)) > 9
    with pytest.raises(RecordGone) as caught:
        narrow.run(ask(SaveGraph(wrong)))
    assert vars(caught.value)["index"] == 30
    links = [Link(place, place + 1, "NEXT") for place in range(29)]
    with pytest.raises(NotFound, match="nobody"):
        narrow.run(ask(SaveGraph(first, [*links, Link(0, "nobody", "NEXT")])))
    with pytest.raises(QueryError, match="30 writes"):
        narrow.run(ask(SaveGraph(first, [Link(0, 30, "NEXT")])))
    assert Theme.find().count() == 0

    def undone() -> None:
        with narrow.transaction():
            narrow.run(ask(SaveGraph(first, links)))
            assert Theme.find().count() == 30
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    assert Theme.find().count() == 0
    written = narrow.run(ask(SaveGraph(first, links)))
    ids = [each.id for each in written]
    back = [Link(source, target, "BACK") for target, source in pairwise(ids)]
    assert narrow.run(ask(LinkRecords(back, [Unlink(ids[0], ("NEXT",))]))) == 29
    assert len(edges(narrow)) == 28 + 29
