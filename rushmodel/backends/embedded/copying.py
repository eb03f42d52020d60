"""`BackUpStore`: a copy of a database in a file of its own, which appears when it is whole."""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
from contextlib import closing, suppress

from ...errors import StoreError
from ...port import BackUpStore
from .places import identity, open_files
from .session import Session

_BESIDE = ("-wal", "-journal")


def back_up(session: Session, command: BackUpStore) -> None:
    """Copy what the session's snapshot shows."""
    path = os.path.abspath(command.path)
    check_target(path, overwrite=command.overwrite)
    copy_database(session.connection, path, overwrite=command.overwrite)


def check_target(path: str, *, overwrite: bool) -> None:
    """`StoreError` unless a database may be put there."""
    place = identity(path)
    if place is not None and not os.path.isfile(path):
        raise StoreError(f"{path} is no file that a backup could replace", path=path)
    if place is not None and not overwrite:
        raise StoreError(f"{path} is there already: choose another name, or overwrite=True", path=path)
    if place in open_files:
        raise StoreError(f"{path} is open in this process: a backup goes elsewhere", path=path)
    if not os.path.isdir(os.path.dirname(path)):
        raise StoreError(f"{path} cannot be made: there is no folder {os.path.dirname(path)}", path=path)
    for beside in _BESIDE:
        # SQLite would take it for the new file's, and play it back into that.
        if os.path.lexists(path + beside):
            raise StoreError(
                f"{path}{beside} is there: {path} is in use, or was not closed; close it first", path=path
            )


def copy_database(source: sqlite3.Connection, path: str, *, overwrite: bool) -> None:
    """Copy a database, as the connection's snapshot shows it, to a new file. Other connections may write.

    `StoreError` where that is not possible; then there is at ``path`` what was there.
    """
    temporary = f"{path}.{secrets.token_hex(6)}.tmp"
    try:
        mode = _mode(source)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(temporary, isolation_level=None)) as target:
            source.backup(target)
        with open(temporary, "rb+", buffering=0) as file:
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        _put(temporary, path, overwrite=overwrite)
    except FileExistsError as error:
        raise StoreError(
            f"{path} was made meanwhile by somebody else, and stays as it is", path=path
        ) from error
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}", path=path) from error
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be written: {error}", path=path) from error
    finally:
        for left in (temporary, *(temporary + beside for beside in _BESIDE)):
            with suppress(FileNotFoundError):
                os.unlink(left)
    _sync_folder(os.path.dirname(path))


def _mode(source: sqlite3.Connection) -> int:
    """Who may read the copy: those who may read the original."""
    path = source.execute("PRAGMA database_list").fetchone()[2]
    return stat.S_IMODE(os.stat(path).st_mode) if path else 0o600


def _put(temporary: str, path: str, *, overwrite: bool) -> None:
    if overwrite:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # which, unlike renaming, replaces nothing
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        # A file system without hard links.
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        os.replace(temporary, path)


def _sync_folder(folder: str) -> None:
    """Make the new name last; Windows does so itself."""
    if os.name != "nt":
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
