"""Random use of two databases, one in memory and one on a server that forgets: they stay the same.

Where the server would lose something, the client refuses before it has written anything.
"""

# mypy: disable-error-code="assignment"

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rushmodel import (
    BulkError,
    Database,
    Field,
    Model,
    OptionalVector,
    RushModelError,
    VectorError,
    VectorField,
    VectorsNotLoaded,
    connect,
    field,
)
from tests.unkind.process import Request, Unkind, unkind

__all__ = ["unkind"]


class Story(Model):
    """With a merge key, and vectors of both kinds."""

    slug: Field[str] = field(key=True)
    title: Field[str] = ""
    note: Field[str | None] = None
    tags: Field[list[str]] = field(default_factory=list)
    body: Field[str | None] = None
    embedding: OptionalVector = VectorField(
        default=None, dims=3, similarity=("cosine", "euclidean"), property="body"
    )
    look: OptionalVector = VectorField(default=None, dims=2, similarity="euclidean")


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that it has vectors and no key

    class Loose(Model):
        """The same without a merge key."""

        slug: Field[str]
        title: Field[str] = ""
        note: Field[str | None] = None
        tags: Field[list[str]] = field(default_factory=list)
        body: Field[str | None] = None
        embedding: OptionalVector = VectorField(
            default=None, dims=3, similarity=("cosine", "euclidean"), property="body"
        )
        look: OptionalVector = VectorField(default=None, dims=2, similarity="euclidean")


SLUGS = ("a", "b", "c", "d")
QUERIES = {
    ("body", "cosine"): [1.0, 2.0, 4.0],
    ("body", "euclidean"): [1.0, 2.0, 4.0],
    ("look", "euclidean"): [1.0, 3.0],
}
"""What a vector is asked for with: no two of the vectors below are equally near."""

slugs = st.sampled_from(SLUGS)
texts = st.sampled_from(["one", "two", "three"])
optional_texts = st.none() | texts
embeddings = st.none() | st.tuples(*[st.integers(1, 9)] * 3).map(list)
looks = st.none() | st.tuples(*[st.integers(1, 9)] * 2).map(list)
changes = st.fixed_dictionaries(
    {},
    optional={
        "title": texts,
        "note": optional_texts,
        "tags": st.lists(texts, max_size=2),
        "body": optional_texts,
        "embedding": embeddings,
        "look": looks,
    },
)
on_stale = st.sampled_from([None, "keep", "drop"])


def contents(client: Any, label: str) -> dict[str, Any]:
    """All records of a label with the scores that their vectors get, by slug."""
    found: dict[str, Any] = {}
    for record in client.records.find({"labels": [label], "limit": 1000}):
        assert record["slug"] not in found, "a key twice"
        found[record["slug"]] = {"data": record.fields, "vectors": {}}
    for (name, similarity), query in QUERIES.items():
        search = {
            "labels": [label],
            "propertyName": name,
            "sourceType": "external",
            "similarityFunction": similarity,
            "queryVector": query,
            "where": {"slug": {"$exists": True}},
            "limit": 1000,
        }
        for record in client.ai.search(search).data:
            found[record["slug"]]["vectors"][name, similarity] = pytest.approx(record.score, abs=1e-6)
    return found


def check_deletions(requests: list[Request]) -> None:
    """R17: a deletion names the records."""
    for each in requests:
        if each.path == "/records/delete":
            assert list(each.body["where"]) == ["$id"], each
            assert each.body["where"]["$id"]["$in"], each


class Both(RuleBasedStateMachine):
    """A database in memory, one on the server, and instances of the same records from each."""

    model: type[Any]
    server: Unkind
    near: Database
    far: Database

    def __init__(self) -> None:
        super().__init__()
        self.server.reset(rushdb=True)
        self.far = connect(self.server.url, token=self.server.token, default=False)
        self.near = connect("memory://", default=False)
        self.pairs: dict[str, tuple[Any, Any]] = {}
        for database in (self.near, self.far):
            with database:
                self.model(slug="first").save()  # makes the policies
                self.model.find().where(self.model.slug == "first").delete()

    def teardown(self) -> None:
        self.near.close()
        self.far.close()

    def both(self, slug: str, do: Any) -> bool:
        """Do the same with the server and in memory; False: refused, and nothing was written."""
        far, near = self.pairs.get(slug, (None, None))
        self.server.faults(reset=True, rushdb=True)
        before = contents(self.far.client, self.model.__name__)
        self.server.faults(reset=True, rushdb=True)
        wrong: RushModelError | None = None
        with self.far:
            try:
                do(far)
            except RushModelError as error:
                wrong = error
        requests = self.server.requests
        check_deletions(requests)
        if wrong is not None:
            assert [each for each in requests if each.writes] == [], wrong
            assert contents(self.far.client, self.model.__name__) == before
        if isinstance(wrong, VectorsNotLoaded) or (type(wrong) is VectorError):
            return False
        expected = contextlib.nullcontext() if wrong is None else pytest.raises(type(wrong))
        with self.near, expected:
            do(near)
        return wrong is None

    def read_again(self, slug: str) -> None:
        """Instances as they are stored, without their vectors."""
        self.pairs.pop(slug, None)
        instances = []
        for database in (self.far, self.near):
            with database:
                instances.append(self.model.find(self.model.slug == slug).first())
        far, near = instances
        assert (far is None) == (near is None)
        if far is not None:
            self.pairs[slug] = far, near

    @rule(slug=slugs, values=changes)
    def save_new(self, slug: str, values: dict[str, Any]) -> None:
        """Over an existing record where there is a key, else only where there is none."""
        if self.model is Loose and slug in self.pairs:
            return
        made: list[Any] = []

        def do(_: Any) -> None:
            made.append(self.model(slug=slug, **values).save())

        if self.both(slug, do):
            self.pairs[slug] = made[0], made[1]
        else:
            self.read_again(slug)

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), values=changes, stale=on_stale)
    def change(self, data: Any, values: dict[str, Any], stale: Any) -> None:
        slug = data.draw(st.sampled_from(sorted(self.pairs)))

        def do(record: Any) -> None:
            for name, value in values.items():
                setattr(record, name, value)
            record.save(on_stale=stale)

        if not self.both(slug, do):
            self.read_again(slug)

    @precondition(lambda self: self.pairs)
    @rule(data=st.data())
    def forget_instances(self, data: Any) -> None:
        self.read_again(data.draw(st.sampled_from(sorted(self.pairs))))

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), values=changes, other=slugs, new=changes)
    def save_several(self, data: Any, values: dict[str, Any], other: str, new: dict[str, Any]) -> None:
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.pairs)), unique=True, min_size=1))
        if other in self.pairs:
            new, other = {}, ""
        turn = iter((0, 1))

        def do(_: Any) -> None:
            place = next(turn)
            records = [self.pairs[slug][place] for slug in chosen]
            for record in records:
                for name, value in values.items():
                    setattr(record, name, value)
            if other:
                records.append(self.model(slug=other, **new))
            try:
                self.model.save_many(records)
            except BulkError as group:
                raise group.exceptions[0] from group

        self.both("", do)
        for slug in [*chosen, other]:
            if slug:
                self.read_again(slug)

    @rule(title=texts, title_of=slugs | st.none(), note=st.just("-") | optional_texts)
    def update(self, title: str, title_of: str | None, note: str | None) -> None:
        values = {"title": title} if note == "-" else {"title": title, "note": note}
        wanted = self.model.slug == title_of if title_of else self.model.slug.in_(list(SLUGS))

        def do(_: Any) -> None:
            self.model.find(wanted).update(**values)

        self.both("", do)
        for slug in list(self.pairs):
            self.read_again(slug)

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), values=st.fixed_dictionaries({"title": texts}, optional={"note": texts}))
    def update_by_client(self, data: Any, values: dict[str, Any]) -> None:
        slug = data.draw(st.sampled_from(sorted(self.pairs)))
        turn = iter((self.far, self.near))

        def do(record: Any) -> None:
            next(turn).client.records.update(record.record_id, values)

        self.both(slug, do)
        self.read_again(slug)

    @precondition(lambda self: self.pairs and self.model is Story)
    @rule(data=st.data(), other=slugs)
    def rename(self, data: Any, other: str) -> None:
        slug = data.draw(st.sampled_from(sorted(self.pairs)))
        self.both(slug, lambda record: record.rename_key(slug=other))
        self.read_again(slug)
        self.read_again(other)

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), many=st.booleans())
    def delete(self, data: Any, many: bool) -> None:
        slug = data.draw(st.sampled_from(sorted(self.pairs)))

        def do(record: Any) -> None:
            if many:
                assert self.model.find(self.model.slug == slug).delete() == 1
            else:
                record.delete()

        assert self.both(slug, do)
        del self.pairs[slug]

    @invariant()
    def same(self) -> None:
        label = self.model.__name__
        assert contents(self.far.client, label) == contents(self.near.client, label)


def machine(model: type[Any], server: Unkind) -> Any:
    return type(f"Both{model.__name__}", (Both,), {"model": model, "server": server})


@pytest.mark.parametrize("model", [Story, Loose])
def test_nothing_is_lost(unkind, model):
    run_state_machine_as_test(
        machine(model, unkind),
        settings=settings(
            max_examples=6,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.soak
@pytest.mark.parametrize("model", [Story, Loose])
def test_nothing_is_lost_for_long(unkind, model):
    run_state_machine_as_test(
        machine(model, unkind),
        settings=settings(
            max_examples=300,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
