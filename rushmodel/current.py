"""Which database a verb runs on: the one selected by ``with db:``, else the process default."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

from .errors import ConfigurationError, NotConnected
from .opening import MEMORY

if TYPE_CHECKING:
    from .database import Database

_selected: ContextVar[tuple[Database, ...]] = ContextVar("rushmodel_selected", default=())
_lock = threading.Lock()
# The default is the last of them; one that is closed gives its place back.
_defaults: list[Database] = []


def current_database() -> Database:
    """The database that verbs of models run on here.

    Raises:
        NotConnected: None is selected, and there is no default.
    """
    selected = _selected.get()
    if selected:
        return selected[-1]
    defaults = _defaults[-1:]
    if not defaults:
        raise NotConnected(
            "no database: call db = rushmodel.connect('articles.db') first, or select one with `with db:`"
        )
    return defaults[0]


def check_default(url: str, wanted: bool | None) -> None:
    """Refuse a second database that does not say whether it is to be the default."""
    with _lock:
        other = _defaults[-1] if _defaults else None
    if wanted is None and other is not None and (other.url != url or url == MEMORY):
        raise ConfigurationError(
            f"{other.url} is the default database already: say connect(..., default=True) for {url} to take "
            "its place, or default=False and select it with `with db:`"
        )


def enter_default(database: Database, wanted: bool | None) -> None:
    """Make a new database the process default, if it is the first or says so."""
    with _lock:
        if wanted or (wanted is None and not _defaults):
            _defaults.append(database)


def leave_default(database: Database) -> None:
    """A closed database gives its place up, to the one that was the default before it."""
    with _lock:
        if database in _defaults:
            _defaults.remove(database)


def select(database: Database) -> None:
    """``with db:`` begins; tasks inherit it, new threads do not."""
    _selected.set((*_selected.get(), database))


def unselect(database: Database) -> None:
    """``with db:`` ends."""
    selected = list(_selected.get())
    for at in range(len(selected) - 1, -1, -1):
        if selected[at] is database:
            del selected[at]
            break
    _selected.set(tuple(selected))
