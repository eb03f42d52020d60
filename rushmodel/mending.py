"""Making stale vectors anew, a batch an operation: what `Model.reembed` and `Database.migrate` go through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .current import current_database
from .flow import ask
from .metaclass import schema_of
from .operations.context import Context
from .operations.managing import managed_fields
from .operations.migrating import is_complete, migrating, switch
from .operations.naming import named
from .operations.staleness import Mending, begin, embedded_fields
from .port import GetCapabilities
from .progress import Told
from .renaming import Renaming
from .schema import ModelSchema, VectorProperty

if TYPE_CHECKING:
    from .database import Database
    from .transactions import Here


def mend(here: Here, mending: Mending, progress: Told | None, verb: str) -> int:
    """Go through all of it; of how many records vectors were made."""
    done = 0
    try:
        while (made := here.run(named(mending.schema, verb, mending.step()))) is not None:
            done += made
            if made and progress is not None:
                progress(done)
    finally:
        if not here.is_over:
            here.run(mending.close())
    return done


async def amend(here: Here, mending: Mending, progress: Told | None, verb: str) -> int:
    """As `mend`."""
    done = 0
    try:
        while (made := await here.arun(named(mending.schema, verb, mending.step()))) is not None:
            done += made
            if made and progress is not None:
                progress(done)
    finally:
        if not here.is_over:
            await here.arun(mending.close())
    return done


def mending_of(model: type[Any], on: object, batch: int) -> tuple[Here, Mending]:
    """The stale vectors of a model in the current database, and where that is."""
    database, schema = current_database(), schema_of(model)
    schema.concrete_label()
    fields = embedded_fields(schema, on)
    return database.here(), Mending(database.context, schema, fields, check_batch(batch))


def backfill(here: Here, context: Context, batch: int, progress: Told | None) -> int:
    """Make what managed vectors there have to be; of how many records."""
    done = 0
    for schema, spec in here.run(managed_fields(context)):
        mending = Mending(context, schema, [spec], check_batch(batch))
        done += mend(here, mending, None if progress is None else _after(progress, done), "backfill")
    return done


async def abackfill(here: Here, context: Context, batch: int, progress: Told | None) -> int:
    """As `backfill`."""
    done = 0
    for schema, spec in await here.arun(managed_fields(context)):
        mending = Mending(context, schema, [spec], check_batch(batch))
        done += await amend(here, mending, None if progress is None else _after(progress, done), "backfill")
    return done


def _after(progress: Told, done: int) -> Told:
    return lambda count: progress(done + count)


class Migrating:
    """The way of fields with ``replaces=`` or ``renamed_from=`` to what they are now: `Database.migrate`."""

    def __init__(
        self, context: Context, schemas: Sequence[ModelSchema], batch: int, progress: Told | None
    ) -> None:
        self._context = context
        self._schemas = schemas
        self._fields = list(migrating(schemas))
        self._batch = check_batch(batch)
        self._progress = progress
        self._done = 0

    def run(self, database: Database) -> None:
        """All of it, in the calling thread."""
        here = database.here()
        excludes = here.run(ask(GetCapabilities())).excludes and not here.is_inside
        for schema, spec in self._fields:
            here.run(named(schema, "migrate", begin(self._context, schema, spec)))
            for everything in (False, True):
                if not everything or not here.run(is_complete(schema, spec)):
                    self._done += mend(here, self._mending(schema, spec, everything), self._told, "migrate")
            if excludes:
                with database.transaction():  # nobody else writes between the last vector and the switch
                    inside = database.here()
                    self._done += mend(inside, self._mending(schema, spec), self._told, "migrate")
                    inside.run(switch(database.context, spec))
            else:
                here.run(switch(self._context, spec))
        Renaming(self._schemas, self._progress, self._done).run(database)

    async def arun(self, database: Database) -> None:
        """As `run`, from an event loop."""
        here = database.here()
        excludes = (await here.arun(ask(GetCapabilities()))).excludes and not here.is_inside
        for schema, spec in self._fields:
            await here.arun(named(schema, "migrate", begin(self._context, schema, spec)))
            for everything in (False, True):
                if not everything or not await here.arun(is_complete(schema, spec)):
                    mending = self._mending(schema, spec, everything)
                    self._done += await amend(here, mending, self._told, "migrate")
            if excludes:
                async with database.transaction():
                    inside = database.here()
                    mending = self._mending(schema, spec)
                    self._done += await amend(inside, mending, self._told, "migrate")
                    await inside.arun(switch(database.context, spec))
            else:
                await here.arun(switch(self._context, spec))
        await Renaming(self._schemas, self._progress, self._done).arun(database)

    def _mending(self, schema: ModelSchema, spec: VectorProperty, everything: bool = False) -> Mending:
        """Of what is stale; or of all, since a policy may have been dropped and made again, and the origins
        say nothing of that."""
        return Mending(self._context, schema, [spec], self._batch, everything=everything)

    def _told(self, count: int) -> None:
        if self._progress is not None:
            self._progress(self._done + count)


def check_batch(batch: Any) -> int:
    """How many records are embedded and written at a time; ValueError."""
    if type(batch) is not int or batch < 1:
        raise ValueError(f"batch is a whole number from 1, got {batch!r}")
    return batch
