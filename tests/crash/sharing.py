"""What a process does that shares a file with others: it writes, deletes or searches until its time is over.

Groups of notes are written and deleted whole, each in one commit, and all notes of a group say the same
number: whoever sees half a group, or two numbers in one, or a vector of another number, has not seen the
store as it was after some commit.
"""

from __future__ import annotations

import random
import time
from collections import Counter as Counts
from collections import defaultdict
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from rushmodel import ConflictError, Database, Field, Model, Vector, VectorField, field
from rushmodel.port import Float32

from .models import open_items

DIMS = 16
SIZE = 4
"""Notes in a group."""
GROUPS = 40
SHARED = 3


class Note(Model, label="SharingNote"):
    key: Field[str] = field(key=True)
    group: Field[int] = field(index=True)
    number: Field[int]
    text: Field[str]
    embedding: Vector = VectorField(dims=DIMS, similarity="euclidean", property="text")


class Tally(Model, label="SharingTally"):
    """Counted up by everybody."""

    name: Field[str] = field(key=True)
    count: Field[int] = field(default=0)


class Told(Model, label="SharingTold"):
    """How far one process is: what others have seen of it never goes back."""

    name: Field[str] = field(key=True)
    step: Field[int] = field(default=0)


def vector_of(group: int, number: int) -> Float32:
    vector = np.full(DIMS, number, dtype=np.float32)
    vector[0] = group
    return vector


def open_shared(path: Path) -> Database:
    return open_items(path, models=[Note, Tally, Told], default=False)


def share(role: str, path: Path, seed: int, seconds: float, pipe: Connection) -> None:
    """Do what the role says, then send how often what was done."""
    with open_shared(path) as db:
        pipe.send("ready")
        pipe.recv()
        until = time.monotonic() + seconds
        sharer = Sharer(db, f"{role} {seed}", random.Random(seed))
        steps = ROLES[role]
        while time.monotonic() < until:
            sharer.chance.choice(steps)(sharer)
        pipe.send(dict(sharer.done))


class Sharer:
    """The steps, and what has been done by them."""

    def __init__(self, db: Database, name: str, chance: random.Random) -> None:
        self.db = db
        self.chance = chance
        self.done: Counts[str] = Counts()
        self._told = Told(name=name).save()
        self._seen: dict[str, int] = defaultdict(int)

    # -- writing

    def write_group(self) -> None:
        """In a transaction, or as one batch."""
        group, number = self.chance.randrange(GROUPS), self.chance.randrange(10**6)
        notes = [
            Note(
                key=f"{group}-{place}",
                group=group,
                number=number,
                text=f"Text {number}",
                embedding=vector_of(group, number),
            )
            for place in range(SIZE)
        ]
        if self.chance.random() < 0.5:
            Note.save_many(notes)
        else:
            with self.db.transaction():
                for note in notes:
                    note.save()
        self.done["groups written"] += 1

    def delete_group(self) -> None:
        Note.find(Note.group == self.chance.randrange(GROUPS)).delete()
        self.done["groups deleted"] += 1

    def give_up_a_group(self) -> None:
        """Which nobody may see."""
        with self.db.transaction() as transaction:
            Note.find(Note.group == self.chance.randrange(GROUPS)).update(number=-1)
            transaction.rollback()
        self.done["groups given up"] += 1

    def tally(self) -> None:
        """Refused where somebody was faster: then it does not count."""
        tally = Tally.get(name=f"tally {self.chance.randrange(SHARED)}")
        tally.count += 1
        try:
            tally.save(if_unchanged=True)
        except ConflictError:
            self.done["conflicts"] += 1
        else:
            self.done[tally.name] += 1

    def vacuum(self) -> None:
        """Which takes away what tells the others of vectors that are gone."""
        self.db.vacuum()
        self.done["vacuumed"] += 1

    def tell(self) -> None:
        self._told.step += 1
        self._told.save()
        self.done["told"] += 1

    # -- reading

    def find(self) -> None:
        check_notes(Note.find().with_vectors().all())
        self.done["found"] += 1

    def find_one_group(self) -> None:
        check_notes(Note.find(Note.group == self.chance.randrange(GROUPS)).with_vectors().all())
        self.done["found"] += 1

    def search(self) -> None:
        """All of them, nearest first: as whole as when they are found."""
        group, number = self.chance.randrange(GROUPS), self.chance.randrange(10**6)
        below = self.chance.randrange(1, GROUPS + 1)
        hits = Note.search(
            vector_of(group, number), where=Note.group < below, limit=SIZE * GROUPS, with_vectors=True
        )
        check_notes(hit.record for hit in hits)
        assert all(hit.record.group < below for hit in hits)
        for hit in hits:
            distance = float(
                ((vector_of(group, number) - hit.record.embedding).astype(np.float64) ** 2).sum()
            )
            assert abs(hit.score - 1 / (1 + distance)) <= 1e-6
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        self.done["searched"] += 1

    def page(self) -> None:
        """Pages are of one snapshot."""
        check_notes(note for page in Note.find().with_vectors().pages(7) for note in page)
        self.done["paged"] += 1

    def check(self) -> None:
        health = self.db.check()
        assert health.ok, str(health)
        self.done["checked"] += 1

    def look(self) -> None:
        """Commits that were seen stay seen."""
        for told in Told.find():
            assert told.step >= self._seen[told.name], told.name
            self._seen[told.name] = told.step
        self.done["looked"] += 1


def check_notes(notes: Iterable[Note]) -> None:
    """Whole groups, each of one number, with its text and vectors."""
    numbers: dict[int, set[int]] = defaultdict(set)
    sizes: Counts[int] = Counts()
    for note in notes:
        sizes[note.group] += 1
        numbers[note.group].add(note.number)
        assert note.text == f"Text {note.number}"
        assert np.array_equal(note.embedding, vector_of(note.group, note.number))
    assert all(size == SIZE for size in sizes.values()), f"half a group: {sizes}"
    assert all(len(several) == 1 for several in numbers.values()), f"a group of two commits: {numbers}"


Step = Callable[[Sharer], None]

ROLES: dict[str, tuple[Step, ...]] = {
    "writer": (Sharer.write_group, Sharer.write_group, Sharer.tally, Sharer.tally, Sharer.tell),
    "deleter": (Sharer.delete_group, Sharer.give_up_a_group, Sharer.tally, Sharer.tell, Sharer.vacuum),
    "searcher": (Sharer.search, Sharer.search, Sharer.search, Sharer.find_one_group, Sharer.look),
    "reader": (Sharer.find, Sharer.find_one_group, Sharer.page, Sharer.look, Sharer.check),
}
