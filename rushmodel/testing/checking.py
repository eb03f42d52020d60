"""`assert_in_sync`: the policies are those that the classes want."""

from __future__ import annotations

from ..database import Database


def assert_in_sync(database: Database) -> None:
    """Fail unless every policy that a class in scope wants is there, and migrations are over.

    Raises:
        AssertionError: With the plan that says what is missing.
    """
    plan = database.plan()
    if not plan.in_sync:
        raise AssertionError(f"the policies of {database.url} are not in sync:\n{plan}")
