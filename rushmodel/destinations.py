"""Where exports write to: a path, where there is all of it or nothing, or an open file."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import IO, Any, TypeAlias, cast

from .errors import QueryError

Target: TypeAlias = "str | os.PathLike[str] | IO[str] | IO[bytes]"
Write: TypeAlias = Callable[[bytes], object]


@contextmanager
def writing(target: Target, what: str, *, overwrite: bool) -> Generator[Write, None, None]:
    """What takes UTF-8, piece by piece. A path is written to beside its place, and put there at the end.

    Raises:
        FileExistsError: There is such a file, and it is not to be overwritten.
        QueryError: The target is neither a path nor a file.
    """
    if isinstance(target, (str, os.PathLike)):
        with _replacing(Path(target), overwrite) as write:
            yield write
    elif isinstance(target, io.TextIOBase):
        text = cast("IO[str]", target)
        yield lambda data: text.write(data.decode())
    elif hasattr(target, "write"):
        yield cast("IO[Any]", target).write
    else:
        raise QueryError(
            f"{what}: expected a path or an open file, got {type(target).__name__}", key="target"
        )


@contextmanager
def _replacing(target: Path, overwrite: bool) -> Generator[Write, None, None]:
    _check_free(target, overwrite)
    part = target.with_name(f".{target.name}.{token_hex(4)}.part")
    try:
        part.touch(exist_ok=False)
    except OSError as error:  # which would name the part, of which nobody knows
        raise type(error)(error.errno, error.strerror, str(target)) from None
    try:
        with open(part, "wb") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        _check_free(target, overwrite)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _check_free(target: Path, overwrite: bool) -> None:
    if not overwrite and target.exists():
        raise FileExistsError(f"{target} is there already: overwrite=True writes a new one in its place")
