"""A child that writes until it is killed, and says before each step what it is about to do.

Its pipe carries ("begin", {number: `Step`}) before steps are begun, and ("done", number) after each, so
that its parent knows what must be in the file and what may be. A byte in shared memory tells whether
the process is inside of a writing transaction at this moment.
"""

from __future__ import annotations

import asyncio
import itertools
import mmap
import os
import random
import sqlite3
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from rushmodel import Database
from rushmodel.backends.embedded import file as embedded_file

from .models import Item, Owner, Shown, change, item, open_items, owner_of, show, synced, vector_of

OUT, IN = 0, 1


class Step(NamedTuple):
    """What one transaction makes of items (None: they are gone), or a class that it syncs."""

    items: Mapping[str, Shown | None] = {}
    synced: int | None = None


def write(path: Path, slot: int, seed: int, flag: Path, pipe: Connection) -> None:
    """Write items whose keys begin with the slot, until somebody ends it."""
    watch(flag)
    chance = random.Random(seed)
    durability = chance.choice(["normal", "full"])
    with open_items(path, durability=durability) as db:
        writer = Writer(db, slot, chance, pipe)
        pipe.send(("ready", 0))
        while True:
            writer.step()


class Writer:
    """The steps, chosen by chance."""

    def __init__(self, db: Database, slot: int, chance: random.Random, pipe: Connection) -> None:
        self._db = db
        self._slot = f"{slot}-"
        self._chance = chance
        self._pipe = pipe
        self._numbers = itertools.count()
        found = Item.find(Item.key.startswith(self._slot)).with_vectors().with_(Item.owner)
        self._items = {record.key: show(record) for record in found}
        self._steps = (
            *(self.save, self.update, self.upsert, self.delete, self.mark, self.sync, self.search),
            *(self.save_many, self.save_many, self.save_at_once, self.vacuum),
            *(self.transaction, self.transaction, self.transaction, self.transaction, self.transaction),
        )

    def step(self) -> None:
        if len(self._items) > 150:
            self.clear()
        self._chance.choice(self._steps)()

    def save(self) -> None:
        key, value = self._new(), self._value()
        self._do({key: Shown(value, 0, owner_of(value))}, item(key, value).save)

    def update(self) -> None:
        for key in self._some(1):
            value, mark = self._value(), self._items[key].mark
            record = Item.get(key=key)
            change(record, value)
            self._do({key: Shown(value, mark, owner_of(value))}, record.save)

    def upsert(self) -> None:
        """By key, over what is there."""
        for key in self._some(1):
            value = self._value()
            self._do({key: Shown(value, 0, owner_of(value))}, item(key, value).save)

    def delete(self) -> None:
        for key in self._some(1):
            self._do({key: None}, Item.get(key=key).delete)

    def clear(self) -> None:
        keys = self._some(100)
        self._do(dict.fromkeys(keys), Item.find(Item.key.in_(keys)).delete)

    def mark(self) -> None:
        """One statement for all of them."""
        mark = self._chance.randrange(1000)
        marked = {key: shown._replace(mark=mark) for key, shown in self._items.items()}
        self._do(marked, lambda: Item.find(Item.key.startswith(self._slot)).update(mark=mark))

    def save_many(self) -> None:
        """New ones and, by key, old ones: a transaction a batch."""
        keys = [self._new() for _ in range(self._chance.randrange(1, 60))] + self._some(10)
        made = {key: self._value() for key in keys}
        batch = self._chance.choice([10, 30])
        steps = [
            {key: Shown(made[key], 0, self._owner(key)) for key in keys[start : start + batch]}
            for start in range(0, len(keys), batch)
        ]
        numbers = iter(self._begin(*map(Step, steps)))
        records = [item(key, value, owned=False) for key, value in made.items()]
        Item.save_many(records, batch=batch, progress=lambda _: self._done(next(numbers)))
        for step in steps:
            self._items.update(step)

    def save_at_once(self) -> None:
        """From many tasks: what is committed as a group is still acknowledged one by one."""
        made = {key: self._value() for key in [*(self._new() for _ in range(8)), *self._some(4)]}
        steps = {key: Shown(value, 0, owner_of(value)) for key, value in made.items()}
        numbers = self._begin(*(Step({key: shown}) for key, shown in steps.items()))

        async def save(number: int, key: str) -> None:
            await item(key, made[key]).asave()
            self._done(number)

        async def save_all() -> None:
            await asyncio.gather(*map(save, numbers, made))

        asyncio.run(save_all())
        self._items.update(steps)

    def transaction(self) -> None:
        """Saves, updates and deletes that belong together; every fifth is given up."""
        writes: dict[str, Shown | None] = {}
        for key in [*(self._new() for _ in range(self._chance.randrange(1, 20))), *self._some(20)]:
            value = self._value()
            gone = key in self._items and self._chance.random() < 0.3
            writes[key] = None if gone else Shown(value, 0, owner_of(value))
        keeps = self._chance.random() < 0.8
        made = {key: item(key, shown.value) for key, shown in writes.items() if shown is not None}

        def write() -> None:
            with self._db.transaction() as transaction:
                for key in writes:
                    if key in made:
                        made[key].save()
                    else:
                        Item.get(key=key).delete()
                if not keeps:
                    transaction.rollback()

        self._do(writes if keeps else {}, write)

    def sync(self) -> None:
        number = self._chance.randrange(10**9)
        synced(number)
        (step,) = self._begin(Step(synced=number))
        self._db.sync()
        self._done(step)

    def search(self) -> None:
        """Which also leaves sidecars behind, half of them perhaps."""
        query = vector_of(self._chance.randrange(10**6))
        for hit in Item.search(query, limit=5, with_vectors=True, with_=[Item.owner]):
            show(hit.record)
        assert all(owner.n == int(owner.name[-1]) for owner in Owner.find())

    def vacuum(self) -> None:
        """Which writes the whole file anew, and takes away what says which vectors are gone."""
        self._db.vacuum()

    def _do(self, items: Mapping[str, Shown | None], verb: Any) -> None:
        (number,) = self._begin(Step(items))
        verb()
        self._done(number)
        for key, shown in items.items():
            if shown is None:
                del self._items[key]
            else:
                self._items[key] = shown

    def _begin(self, *steps: Step) -> list[int]:
        numbers = list(itertools.islice(self._numbers, len(steps)))
        self._pipe.send(("begin", dict(zip(numbers, steps, strict=True))))
        return numbers

    def _done(self, number: int) -> None:
        self._pipe.send(("done", number))

    def _some(self, count: int) -> list[str]:
        return self._chance.sample(sorted(self._items), min(count, len(self._items)))

    def _owner(self, key: str) -> str | None:
        return self._items[key].owner if key in self._items else None

    def _new(self) -> str:
        return f"{self._slot}{self._chance.randrange(10**9)}"

    def _value(self) -> int:
        return self._chance.randrange(10**6)


def watch(flag: Path) -> None:
    """From now on, keep the first byte of that file: whether a writing transaction is open."""
    with flag.open("r+b") as opened:
        shared = mmap.mmap(opened.fileno(), 1)

    class Watched(sqlite3.Connection):
        def execute(self, statement: str, *parameters: Any) -> Any:
            return self.cursor().execute(statement, *parameters)

        def cursor(self, *_: Any) -> Any:
            return super().cursor(WatchedCursor)

    class WatchedCursor(sqlite3.Cursor):
        def execute(self, statement: str, *parameters: Any) -> Any:
            answer = super().execute(statement, *parameters)
            if statement.startswith("BEGIN IMMEDIATE"):
                _writing.add(id(self.connection))
                shared[0] = IN
            elif statement in ("COMMIT", "ROLLBACK") and id(self.connection) in _writing:
                _writing.discard(id(self.connection))
                shared[0] = IN if _writing else OUT
            return answer

    class Connecting:
        """The module, but for the class of the connections."""

        def __getattr__(self, name: str) -> Any:
            return getattr(sqlite3, name)

        def connect(self, *args: Any, **kwargs: Any) -> sqlite3.Connection:
            return sqlite3.connect(*args, factory=Watched, **kwargs)

    vars(embedded_file)["sqlite3"] = Connecting()


_writing: set[int] = set()


def create(path: Path, flag: Path, pipe: Connection) -> None:
    """Make a new store, with its policies, and one record."""
    watch(flag)
    pipe.send(("ready", os.getpid()))
    with open_items(path, durability="full") as db:
        pipe.send(("opened", 0))
        db.sync()
        pipe.send(("synced", 0))
        item("first", 1).save()
        pipe.send(("saved", 0))
