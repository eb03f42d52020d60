"""Bringing the values of renamed properties over, page by page: a part of `Database.migrate`."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from .flow import ask
from .operations.renaming import bring_over, switch_names, unfinished
from .port import GetCapabilities, RecordQuery, StoredRecord
from .progress import Told
from .schema import ModelSchema, Property
from .steps import Step, acarry, carry, pages

if TYPE_CHECKING:
    from .database import Database

PASSES = 5
"""How often records are gone through while others go on writing them under their old names."""


class Renaming:
    """The way of all fields with ``renamed_from=`` to their new names; see `Database.migrate`."""

    def __init__(self, schemas: Sequence[ModelSchema], told: Told | None, done: int = 0) -> None:
        self._schemas = schemas
        self._told = told
        self._done = done

    def run(self, database: Database) -> None:
        """All of it, in the calling thread."""
        excludes = database.run(ask(GetCapabilities())).excludes and not database.here().is_inside
        for schema, properties in database.run(unfinished(self._schemas)):
            for _ in range(PASSES):
                if not carry(database, self._gone_through(schema, properties)):
                    break
            if excludes:
                with database.transaction():  # nobody writes an old name between the last pass and the switch
                    carry(database, self._gone_through(schema, properties))
                    database.run(switch_names(database.context, schema, properties))
            else:
                database.run(switch_names(database.context, schema, properties))

    async def arun(self, database: Database) -> None:
        """As `run`, from an event loop."""
        excludes = (await database.arun(ask(GetCapabilities()))).excludes and not database.here().is_inside
        for schema, properties in await database.arun(unfinished(self._schemas)):
            for _ in range(PASSES):
                if not await acarry(database, self._gone_through(schema, properties)):
                    break
            if excludes:
                async with database.transaction():
                    await acarry(database, self._gone_through(schema, properties))
                    await database.arun(switch_names(database.context, schema, properties))
            else:
                await database.arun(switch_names(database.context, schema, properties))

    def _gone_through(self, schema: ModelSchema, properties: Sequence[Property]) -> Generator[Step, Any, int]:
        """Look at every record; how many had other values under their new names."""
        found = 0

        def look(page: Sequence[StoredRecord]) -> Generator[Step, Any, None]:
            nonlocal found
            count: int = yield bring_over(schema, properties, page)
            found += count
            self._done += count
            if count and self._told is not None:
                self._told(self._done)

        yield from pages(RecordQuery((schema.concrete_label(),)), look)
        return found
