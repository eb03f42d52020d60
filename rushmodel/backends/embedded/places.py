"""Which files this process has open, and what has to happen to them around a fork.

Both are about POSIX file locks, with which SQLite keeps several processes
apart. They belong to a process and a file, not to a descriptor:

- closing ANY descriptor of a file gives up all the process's locks on it. A
  second process then takes the WAL for abandoned, deletes it on leaving, and
  commits made here are lost. So a file's header is read only while no
  connection of this process is open on it (`OpenFiles`).
- a forked child inherits SQLite's belief that the locks are held, but not the
  locks: its commits go the same way when the parent leaves. So before a fork
  every store closes its connection, and both processes open new ones (`watch`). That of an open
  transaction cannot be closed: it goes on in the parent, and the child may not open the file.
"""

from __future__ import annotations

import atexit
import os
import threading
from itertools import count
from typing import Protocol, TypeAlias
from weakref import WeakValueDictionary

from ...errors import StoreError

Identity: TypeAlias = "tuple[int, int]"
"""Device and inode."""


def identity(path: str) -> Identity | None:
    """What file is at that path; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class OpenFiles:
    """How many connections of this process are open on a file. Used under `lock`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._counts: dict[Identity, int] = {}
        self._inherited: set[Identity] = set()

    def enter_child(self) -> None:
        """This process is a fork: what is open still is the parent's."""
        self._inherited |= self._counts.keys()
        self._counts.clear()

    def check_own(self, place: Identity | None, path: str) -> None:
        """Refuse a file on which this process has inherited a connection, and so wrong ideas of locks."""
        if place in self._inherited:
            raise StoreError(
                f"{path} cannot be used in this process: it was forked while a transaction was open on the "
                "file. Fork before or after, or start processes by 'spawn'",
                path=path,
            )

    def __contains__(self, place: Identity | None) -> bool:
        return place in self._counts

    def add(self, place: Identity) -> None:
        self._counts[place] = self._counts.get(place, 0) + 1

    def remove(self, place: Identity) -> None:
        left = self._counts[place] - 1
        if left:
            self._counts[place] = left
        else:
            del self._counts[place]


open_files = OpenFiles()


class Suspendable(Protocol):
    """Who has connections open. Whoever uses them holds `lock`."""

    @property
    def lock(self) -> threading.RLock: ...

    def suspend(self) -> None:
        """Close every connection, so that it is opened again when it is needed."""

    def leave(self) -> None:
        """Close every connection: the process ends."""


def watch(owner: Suspendable) -> None:
    """From now on, suspend the owner (weakly held) before this process forks, and when it ends.

    Who came last goes first, so that readers are closed before what they read from.
    """
    with _watch_lock:
        _watched[next(_places)] = owner


_watched: WeakValueDictionary[int, Suspendable] = WeakValueDictionary()
_places = count()
_watch_lock = threading.Lock()
_held: list[Suspendable] = []
_EXIT_SECONDS = 1.0


def _before_fork() -> None:
    _watch_lock.acquire()
    _held[:] = _last_first()
    for owner in _held:
        owner.lock.acquire()
    for owner in _held:
        owner.suspend()
    open_files.lock.acquire()


def _after_fork_in_child() -> None:
    open_files.enter_child()
    _after_fork()


def _after_fork() -> None:
    open_files.lock.release()
    for owner in _held:
        owner.lock.release()
    _held.clear()
    _watch_lock.release()


def _last_first() -> list[Suspendable]:
    return [owner for _, owner in sorted(_watched.items(), reverse=True)]


def _at_exit() -> None:
    # The last connection that closes moves the WAL into the file, which then is the whole store. A
    # daemon thread that never lets go is not waited for: its store is safe as it is, in two files.
    for owner in _last_first():
        if owner.lock.acquire(timeout=_EXIT_SECONDS):
            try:
                owner.leave()
            finally:
                owner.lock.release()


atexit.register(_at_exit)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
