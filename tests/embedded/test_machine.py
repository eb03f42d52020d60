"""Random programs against a dictionary: models with vectors, relations, transactions, over two connections.

Whoever is not in the open transaction must see what was committed before it, and everybody all the rest; also
after the store was closed and opened again, and after policies were dropped and made.
"""

from __future__ import annotations

import contextlib
import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rushmodel import (
    BulkError,
    ConflictError,
    Database,
    Field,
    Model,
    NotFound,
    OptionalVector,
    PolicyMissing,
    RecordGone,
    Relation,
    StoreBusy,
    VectorField,
    connect,
    field,
    relation,
)
from rushmodel.backends.embedded import mirrors
from rushmodel.port import (
    CountRecords,
    DeletePolicy,
    FindRelationships,
    Float32,
    GetRecords,
    Link,
    LinkRecords,
    ListPolicies,
    Unlink,
)

from .store import query

FLAT, ROUND = "euclidean", "cosine"


class Team(Model, label="MachineTeam"):
    name: Field[str] = field(key=True)


class Player(Model, label="MachinePlayer"):
    name: Field[str] = field(key=True)
    points: Field[int] = field(default=0)
    text: Field[str | None] = field(default=None)
    look: OptionalVector = VectorField(
        default=None, dims=2, similarity=("euclidean", "cosine"), property="text", on_stale="keep"
    )
    team: Relation[Team] = relation("PLAYS_FOR")


MODELS: list[type[Any]] = [Player, Team]

names = st.sampled_from("abcdef")
teams = st.sampled_from(["red", "blue"])
points = st.integers(-2, 2)
texts = st.sampled_from(["one", "two", "three ü\0", "2024-01-01"])
vectors = st.tuples(points, points).filter(any).map(lambda pair: np.array(pair, dtype=np.float32))


class Entry(NamedTuple):
    """What the dictionary holds of a player; ``kept`` are the similarities whose policies hold its vector."""

    points: int
    text: str | None
    look: tuple[float, ...] | None
    kept: frozenset[str]
    team: str | None
    likes: frozenset[str] = frozenset()
    """Names of players, by relationships that no model declares."""


class World:
    """The dictionary."""

    def __init__(self) -> None:
        self.players: dict[str, Entry] = {}
        self.policies = {FLAT, ROUND}


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(mirrors, "WORTH_KEEPING", 1)
        self.patch.setattr(mirrors, "_PATIENCE", 0.0)
        self.databases: list[Database] = []
        self.turn = 0
        self.committed = World()
        self.open = contextlib.ExitStack()
        self.transaction: Any = None
        self.world = self.committed
        """What the transaction sees, where one is open."""

    @initialize(kind=st.sampled_from(["memory", "file", "file"]))
    def connect(self, kind: str) -> None:
        self.location = "memory://" if kind == "memory" else str(Path(self.folder.name) / "store.db")
        self.is_file = kind == "file"
        self.databases = [self.connected() for _ in range(1 + self.is_file)]

    def connected(self) -> Database:
        """Open, and through with the first save, which sees to the policies: later ones do not."""
        database = connect(self.location, models=MODELS, default=False, durability="normal")
        with database:
            Player(name="first").save().delete()
        return database

    @contextlib.contextmanager
    def somebody(self) -> Iterator[Database]:
        """Who does the next step: in a transaction always who began it, else each in turn."""
        if self.transaction is None:
            self.turn += 1
        database = self.databases[self.turn % len(self.databases)]
        with database:
            yield database

    # -- writing

    @rule(name=names, count=points, text=st.none() | texts, look=st.none() | vectors, team=st.none() | teams)
    def save(self, name: str, count: int, text: str | None, look: Float32 | None, team: str | None) -> None:
        """By key: a new one, or over the old one; what is given as None is taken away."""
        if text is None:
            look = None
        player = Player(name=name, points=count, text=text, look=look)
        if team is not None:
            player.team.set(Team(name=team))
        with self.somebody():
            if self.world.policies != {FLAT, ROUND}:
                with pytest.raises(PolicyMissing):
                    player.save()
                return
            player.save()
        before = self.world.players.get(name)
        self.world.players[name] = Entry(
            count,
            text,
            None if look is None else tuple(map(float, look)),
            frozenset() if look is None else frozenset((FLAT, ROUND)),
            team if team is not None or before is None else before.team,
            before.likes if before is not None else frozenset(),
        )

    @rule(name=names, count=points, unchanged=st.booleans())
    def change(self, name: str, count: int, unchanged: bool) -> None:
        with self.somebody():
            player = Player.get_or_none(name=name)
            assert (player is not None) == (name in self.world.players)
            if player is None:
                return
            player.points = count
            player.save(if_unchanged=unchanged)
        self.world.players[name] = self.world.players[name]._replace(points=count)

    @rule(name=names)
    def lose_a_race(self, name: str) -> None:
        """Two have read the same version, and the second to save it finds out."""
        if name not in self.world.players:
            return
        with self.somebody():
            first, second = Player.get(name=name), Player.get(name=name)
            first.points += 1
            second.points += 2
            first.save(if_unchanged=True)
            with pytest.raises(ConflictError):
                second.save(if_unchanged=True)
        entry = self.world.players[name]
        self.world.players[name] = entry._replace(points=entry.points + 1)

    @rule(name=names, team=teams)
    def join(self, name: str, team: str) -> None:
        with self.somebody():
            player = Player.get_or_none(name=name)
            if player is None:
                return
            player.team.set(Team(name=team))
            player.save()
        self.world.players[name] = self.world.players[name]._replace(team=team)

    @rule(rows=st.lists(st.tuples(names, points, texts), max_size=4), refused=st.booleans())
    def save_many(self, rows: list[tuple[str, int, str]], refused: bool) -> None:
        """One transaction; with one that is refused in it nothing of it is there."""
        players = [Player(name=name, points=count, text=text) for name, count, text in rows]
        with self.somebody():
            if refused:
                gone = Player(name="gone").save()
                Player.find(Player.name == "gone").delete()
                gone.points = 9
                with pytest.raises(BulkError) as raised:
                    Player.save_many([*players, gone])
                assert [type(each) for each in raised.value.exceptions] == [RecordGone]
                return
            assert Player.save_many(players).saved == len(players)
        for name, count, text in rows:
            before = self.world.players.get(name, Entry(0, None, None, frozenset(), None))
            self.world.players[name] = before._replace(points=count, text=text)

    @rule(least=points, by=points)
    def update(self, least: int, by: int) -> None:
        matching = [name for name, entry in self.world.players.items() if entry.points >= least]
        with self.somebody():
            assert Player.find(Player.points >= least).update(points=by) == len(matching)
        for name in matching:
            self.world.players[name] = self.world.players[name]._replace(points=by)

    @rule(name=names)
    def delete(self, name: str) -> None:
        with self.somebody():
            player = Player.get_or_none(name=name)
            if player is None:
                return
            player.delete()
            with pytest.raises(RecordGone):
                player.refresh()
        self.remove(name)

    @rule(team=teams)
    def delete_team(self, team: str) -> None:
        """By a condition along a relationship."""
        matching = [name for name, entry in self.world.players.items() if entry.team == team]
        with self.somebody():
            assert Player.find(Player.team.has(Team.name == team)).delete() == len(matching)
        for name in matching:
            self.remove(name)

    def remove(self, name: str) -> None:
        del self.world.players[name]
        for other, entry in self.world.players.items():
            self.world.players[other] = entry._replace(likes=entry.likes - {name})

    # -- relationships, by the port

    @rule(source=names, liked=names)
    def like(self, source: str, liked: str) -> None:
        with self.somebody() as database:
            ids = {each.name: each.record_id or "" for each in Player.find()}
            if source in ids and liked in ids:
                made = execute(database, LinkRecords([Link(ids[source], ids[liked], "LIKES")]))
                assert made == (liked not in self.world.players[source].likes)
                entry = self.world.players[source]
                self.world.players[source] = entry._replace(likes=entry.likes | {liked})
                return
            link = Link(ids.get(source, "nobody"), ids.get(liked, "nobody"), "LIKES")
            with pytest.raises(NotFound):
                execute(database, LinkRecords([link], [Unlink(each, ("LIKES",)) for each in ids.values()]))

    @rule(source=names)
    def like_nobody(self, source: str) -> None:
        with self.somebody() as database:
            player = Player.get_or_none(name=source)
            if player is None or player.record_id is None:
                return
            execute(database, LinkRecords((), [Unlink(player.record_id, ("LIKES",), "out")]))
        self.world.players[source] = self.world.players[source]._replace(likes=frozenset())

    # -- policies

    @rule(similarity=st.sampled_from([FLAT, ROUND]))
    def drop_policy(self, similarity: str) -> None:
        if similarity not in self.world.policies:
            return
        with self.somebody() as database:
            (policy,) = (
                each
                for each in execute(database, ListPolicies("MachinePlayer"))
                if each.signature.similarity == similarity
            )
            execute(database, DeletePolicy(policy.id))
        self.world.policies.discard(similarity)
        for name, entry in self.world.players.items():
            kept = entry.kept - {similarity}
            self.world.players[name] = entry._replace(kept=kept, look=entry.look if kept else None)

    @rule()
    def sync(self) -> None:
        """Policies that are made again are empty."""
        with self.somebody() as database:
            database.sync()
        self.world.policies = {FLAT, ROUND}

    # -- transactions, and closing

    @precondition(lambda self: self.transaction is None)
    @rule()
    def begin(self) -> None:
        self.turn += 1
        self.transaction = self.databases[self.turn % len(self.databases)].transaction()
        self.open.enter_context(self.transaction)
        self.world = copy.deepcopy(self.committed)

    @precondition(lambda self: self.transaction is not None)
    @rule()
    def commit(self) -> None:
        self.open.close()
        self.committed, self.transaction = self.world, None

    @precondition(lambda self: self.transaction is not None)
    @rule(raises=st.booleans())
    def roll_back(self, raises: bool) -> None:
        if raises:
            with contextlib.suppress(KeyError), self.open:
                raise KeyError
        else:
            self.transaction.rollback()
            self.open.close()
        self.world, self.transaction = self.committed, None

    @precondition(lambda self: self.transaction is None and self.is_file and len(self.world.policies) == 2)
    @rule(several=st.booleans())
    def reopen(self, several: bool) -> None:
        for place in range(2 if several else 1):
            self.databases[place].close()
        for place in range(2 if several else 1):
            self.databases[place] = self.connected()

    # -- reading

    @rule(
        look=vectors,
        similarity=st.sampled_from([FLAT, ROUND]),
        limit=st.integers(1, 7),
        least=st.none() | points,
    )
    def search(self, look: Float32, similarity: Any, limit: int, least: int | None) -> None:
        for database, world in self.views():
            with database:
                where = None if least is None else Player.points >= least
                search = {"similarity": similarity, "where": where, "limit": limit}
                if similarity not in world.policies:
                    if world.players:
                        with pytest.raises(PolicyMissing):
                            Player.search(look, **search)
                    continue
                hits = Player.search(look, **search)
            wanted = {
                name: score(similarity, np.array(entry.look), look)
                for name, entry in world.players.items()
                if similarity in entry.kept and (least is None or entry.points >= least)
            }
            scores = sorted(wanted.values(), reverse=True)[:limit]
            assert [hit.score for hit in hits] == pytest.approx(scores, abs=1e-6)
            for hit in hits:
                assert hit.score == pytest.approx(wanted[hit.record.name], abs=1e-6)
                assert hit.record.points == world.players[hit.record.name].points

    @rule(low=points, text=texts, team=teams)
    def find(self, low: int, text: str, team: str) -> None:
        for database, world in self.views():
            conditions = [
                (Player.points > low, lambda entry: entry.points > low),
                (Player.text == text, lambda entry: entry.text == text),
                (~(Player.text == text), lambda entry: entry.text not in (None, text)),
                (Player.text.is_none(), lambda entry: entry.text is None),
                (
                    Player.team.has(Team.name == team) | (Player.points == low),
                    lambda entry: entry.team == team or entry.points == low,
                ),
                (Player.team.none(), lambda entry: entry.team is None),
            ]
            with database:
                for condition, holds in conditions:
                    wanted = sorted(name for name, entry in world.players.items() if holds(entry))
                    found = Player.find(condition).order_by(Player.name.asc())
                    assert [each.name for each in found] == wanted
                    assert Player.find(condition).count() == len(wanted)

    @invariant()
    def everything_is_there(self) -> None:
        for database, world in self.views():
            with database:
                found = Player.find().with_vectors().with_(Player.team).all()
            assert sorted(each.name for each in found) == sorted(world.players)
            ids = {each.record_id: each.name for each in found}
            for each in found:
                entry = world.players[each.name]
                assert (each.points, each.text) == (entry.points, entry.text)
                team = each.team.value
                assert (None if team is None else team.name) == entry.team
            signatures = {
                policy.signature.similarity: policy.signature
                for policy in execute(database, ListPolicies("MachinePlayer"))
            }
            assert signatures.keys() == world.policies
            stored = execute(database, GetRecords(tuple(map(str, ids)), vectors=tuple(signatures.values())))
            for record in stored:
                entry = world.players[ids[record.id]]
                held = {sig.similarity: tuple(v.tolist()) for sig, v in (record.vectors or {}).items()}
                assert held == dict.fromkeys(entry.kept, entry.look)
            likes = execute(database, FindRelationships(types=("LIKES",))).relationships
            assert sorted((ids[each.source], ids[each.target]) for each in likes) == sorted(
                (name, other) for name, entry in world.players.items() for other in entry.likes
            )
            assert execute(database, CountRecords(query("MachinePlayer"))) == len(world.players)

    @precondition(lambda self: self.transaction is not None and self.is_file)
    @rule(name=names)
    def others_wait_with_writing(self, name: str) -> None:
        """Who is on the same connection and not in the transaction is told, rather than left waiting."""
        backend = self.databases[self.turn % 2]._store.backend
        with pytest.raises(StoreBusy):
            backend.execute(LinkRecords((), [Unlink(name)]))

    def views(self) -> list[tuple[Database, World]]:
        """Every connection, and what is to be seen there now."""
        if self.transaction is None:
            return [(database, self.committed) for database in self.databases]
        turn = self.turn % len(self.databases)
        return [
            (database, self.world if place == turn else self.committed)
            for place, database in enumerate(self.databases)
        ]

    def teardown(self) -> None:
        self.open.close()
        for database in self.databases:
            database.close()
        self.patch.undo()
        self.folder.cleanup()


def execute(database: Database, command: Any) -> Any:
    """A command of the port, in the transaction that is open."""
    from rushmodel.flow import ask

    return database.run(ask(command))


def score(similarity: str, one: Any, other: Float32) -> float:
    wide = other.astype(np.float64)
    if similarity == ROUND:
        return float((1 + one @ wide / (np.linalg.norm(one) * np.linalg.norm(wide))) / 2)
    return float(1 / (1 + ((one - wide) ** 2).sum()))


Machine.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestMachine = Machine.TestCase
