"""Making stale vectors anew, a batch an operation: what `Model.reembed` and `Database.migrate` go through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .current import current_database
from .imports import Progress
from .metaclass import schema_of
from .operations.naming import named
from .operations.staleness import Mending, embedded_fields

if TYPE_CHECKING:
    from .transactions import Here


def mend(here: Here, mending: Mending, progress: Progress | None, verb: str) -> int:
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


async def amend(here: Here, mending: Mending, progress: Progress | None, verb: str) -> int:
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
    if type(batch) is not int or batch < 1:
        raise ValueError(f"batch is a whole number from 1, got {batch!r}")
    database, schema = current_database(), schema_of(model)
    schema.concrete_label()
    return database.here(), Mending(database.context, schema, embedded_fields(schema, on), batch)
