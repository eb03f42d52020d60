"""A matrix in a file beside the database, so that the next process need not read every vector from SQLite.

It is a cache: deleting it is always safe, and it is believed only as far as it is proved.

**Layout** (little-endian, every part at a multiple of 4096 bytes). One page of header, then the parts of a
matrix (`Parts`), each with room for ``capacity`` rows, of which the first ``rows`` count. The room that is
left over takes no disk where files may have holes, and lets a process add rows without moving the others.
The file is mapped copy-on-write: opening it copies nothing, and what a process changes stays its own.

**Damage.** The header carries its own CRC-32 and the length of the file. For each part but the vectors it
holds the CRC-32 of the sums (modulo 2^64) of the part's pages, which are checked at opening, at the speed at
which memory is read. So a page that was lost, zeroed, swapped or cut off is seen, and so is every flipped
bit. Vectors are checked row by row when they are first used, against `Parts.sums`.

**Files.** Written under another name, 0600, and renamed when whole; never written to again. A link is not
followed, and a file of another user than oneself, the database's owner and root is not read. Where a file
that is mapped cannot be replaced (Windows) the second of two names is taken. Nothing is synced to the disk:
what a power cut leaves of it is damage, and seen.
"""

from __future__ import annotations

import mmap
import os
import secrets
import stat
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ...port import Similarity
from .matrix import VectorMatrix
from .parts import Parts


class Stamp(NamedTuple):
    """What a sidecar reflects: a policy's vectors up to ``seq``, in a history that has ``token`` in it."""

    policy_id: str
    token: bytes
    seq: int


class Sidecar:
    """A sidecar that is there: its header, read and found whole. `load` gives the matrix."""

    def __init__(self, path: str, header: _Header, file: int) -> None:
        self.path = path
        self.stamp = header.stamp
        self._header = header
        self._file = file

    def load(self) -> VectorMatrix | None:
        """The matrix; None where anything but its vectors is damaged. Once only."""
        header = self._header
        try:
            if os.fstat(self._file).st_size != header.size:
                return None
            mapped = mmap.mmap(self._file, header.size, access=mmap.ACCESS_COPY)
        finally:
            self.close()
        arrays: list[npt.NDArray[Any]] = []
        for place, part in enumerate(header.parts()):
            array = np.ndarray(part.shape, part.dtype, mapped, part.offset)
            if part.checked and _check_of(array, header.rows) != header.checks[place]:
                return None
            arrays.append(array)
        return VectorMatrix.opened(header.dims, header.similarity, Parts(*arrays), header.rows)

    def fits(self, policy_id: str, dims: int, similarity: Similarity) -> bool:
        """Whether it is that policy's."""
        header = self._header
        return (self.stamp.policy_id, header.dims, header.similarity) == (policy_id, dims, similarity)

    def close(self) -> None:
        """Let go of the file; `load` does."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def paths_of(database: str, policy: int) -> tuple[str, str]:
    """Where the sidecar of a policy may lie."""
    return f"{database}-vectors-{policy}", f"{database}-vectors-{policy}b"


def find_sidecars(
    database: str, policy: int, policy_id: str, dims: int, similarity: Similarity
) -> Iterator[Sidecar]:
    """Those of a policy whose headers are whole. The caller closes or loads each."""
    for path in paths_of(database, policy):
        found = _open(path, database)
        if found is None:
            continue
        if found.fits(policy_id, dims, similarity):
            yield found
        else:
            found.close()


def write_sidecar(database: str, policy: int, matrix: VectorMatrix, stamp: Stamp) -> None:
    """Write a policy's sidecar, in place of what is there.

    Raises:
        OSError: There is no room or no permission; then what was there is as it was.
        DamagedVectors: As `VectorMatrix.parts`.
    """
    count = len(matrix)
    header = _Header(stamp, matrix.dims, matrix.similarity, count, count + count // _SPARE + _SPARE_ROWS, ())
    arrays: tuple[npt.NDArray[Any], ...] = matrix.parts()
    parts = header.parts()
    checks = tuple(
        _check_of(array, count) if part.checked else 0 for array, part in zip(arrays, parts, strict=True)
    )
    temporary = f"{paths_of(database, policy)[0]}.{secrets.token_hex(6)}.tmp"
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | NO_LINKS
    with open(os.open(temporary, flags, 0o600), "wb", buffering=0) as file:
        try:
            for array, part in zip(arrays, parts, strict=True):
                file.seek(part.offset)
                write_all(file.fileno(), np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            file.truncate(header.size)
            file.seek(0)
            write_all(file.fileno(), memoryview(header._replace(checks=checks).packed()))
        except BaseException:
            file.close()
            os.unlink(temporary)
            raise
    put_in_place(temporary, paths_of(database, policy))


def remove_sidecars(database: str, policy: int) -> None:
    """Remove the sidecar of a policy that is gone, as far as that is possible now."""
    for path in paths_of(database, policy):
        with suppress(OSError):
            os.unlink(path)


def remove_leftovers(database: str) -> None:
    """Remove what processes that were killed have left half written."""
    name, folder = os.path.basename(database), os.path.dirname(database)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((f"{name}-vectors-", f"{name}-graph-")) and entry.name.endswith(".tmp"):
                with suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _LEFT_OVER:
                        os.unlink(entry.path)


def sidecar_files(database: str) -> list[str]:
    """The sidecars and graphs of a database, whole or not, of whatever policy."""
    starts = (Path(database).name + "-vectors-", Path(database).name + "-graph-")
    return sorted(str(path) for path in Path(database).parent.iterdir() if path.name.startswith(starts))


class _Part(NamedTuple):
    shape: tuple[int, ...]
    dtype: str
    offset: int
    checked: bool


class _Header(NamedTuple):
    stamp: Stamp
    dims: int
    similarity: Similarity
    rows: int
    capacity: int
    checks: tuple[int, ...]

    def parts(self) -> list[_Part]:
        """Where each of `Parts` lies."""
        offset, found = _PAGE, list[_Part]()
        for name, dtype in _DTYPES.items():
            shape = (self.capacity, self.dims) if name in ("codes", "vectors") else (self.capacity,)
            found.append(_Part(shape, dtype, offset, name != "vectors"))
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            offset += -(-size // _PAGE) * _PAGE
        return found

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        last = self.parts()[-1]
        size = int(np.prod(last.shape)) * np.dtype(last.dtype).itemsize
        return last.offset + -(-size // _PAGE) * _PAGE

    def packed(self) -> bytes:
        """The first bytes of the file."""
        fields = _FIELDS.pack(
            _MAGIC,
            self.stamp.policy_id.encode().ljust(_ID),
            self.stamp.token,
            self.stamp.seq,
            self.dims,
            self.similarity == "cosine",
            self.rows,
            self.capacity,
            *self.checks,
        )
        return fields + zlib.crc32(fields).to_bytes(4, "little")


def _unpacked(page: bytes) -> _Header | None:
    """A header; None where it is damaged, or of another version."""
    fields, check = page[: _FIELDS.size], page[_FIELDS.size : _FIELDS.size + 4]
    if not fields.startswith(_MAGIC) or zlib.crc32(fields).to_bytes(4, "little") != check:
        return None
    _, policy_id, token, seq, dims, cosine, count, capacity, *checks = _FIELDS.unpack(fields)
    similarity: Similarity = "cosine" if cosine else "euclidean"
    stamp = Stamp(policy_id.decode().rstrip(), token, seq)
    return _Header(stamp, dims, similarity, count, capacity, tuple(checks))


def _open(path: str, database: str) -> Sidecar | None:
    if sys.byteorder != "little":
        return None
    try:
        file = os.open(path, os.O_RDONLY | NO_LINKS)
    except OSError:
        return None  # none there, a link, or somebody else's: it is written anew
    try:
        status = os.fstat(file)
        if stat.S_ISREG(status.st_mode) and is_trusted(status, database):
            header = _unpacked(os.read(file, _PAGE))
            if header is not None:
                found = Sidecar(path, header, file)
                file = -1
                return found
    except OSError:
        return None
    finally:
        if file >= 0:
            os.close(file)
    return None


def is_trusted(status: os.stat_result, database: str) -> bool:
    """Whether who wrote it could as well have written into the database."""
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid in (os.geteuid(), 0, os.stat(database).st_uid)


def put_in_place(temporary: str, paths: tuple[str, ...]) -> None:
    """Rename a file that is whole to the first of the paths that can be replaced; `PermissionError`."""
    for path in paths:
        try:
            os.replace(temporary, path)
        except PermissionError:
            continue  # Windows, of a file that a process has mapped
        for other in paths:
            if other != path:
                with suppress(OSError):
                    os.unlink(other)
        return
    os.unlink(temporary)
    raise PermissionError(f"{paths[0]} cannot be replaced")


def write_all(file: int, data: memoryview) -> None:
    """Write all of it to an open file."""
    while data:
        data = data[os.write(file, data[:_WRITTEN]) :]


def _check_of(array: npt.NDArray[Any], count: int) -> int:
    """The CRC-32 of the sums of the pages that ``count`` rows take; what is beyond them counts as zero."""
    data = np.ascontiguousarray(array[:count]).reshape(-1).view(np.uint8)
    whole = len(data) // _PAGE * _PAGE
    sums = data[:whole].view(np.uint64).reshape(-1, _PAGE // 8).sum(axis=1)
    rest = np.zeros(_PAGE, dtype=np.uint8)
    rest[: len(data) - whole] = data[whole:]
    return zlib.crc32(rest.view(np.uint64).sum().tobytes(), zlib.crc32(sums.tobytes()))


_DTYPES: Final = dict(
    zip(Parts._fields, ("<i8", "<f8", "<u8", "<f8", "<f8", "<f8", "|i1", "<f4"), strict=True)
)
_MAGIC: Final = b"RUSHVEC\x01"
_ID: Final = 36
_FIELDS: Final = struct.Struct(f"<8s{_ID}s16sqqqqq{len(_DTYPES)}I")
_PAGE: Final = 4096
_SPARE: Final = 8
_SPARE_ROWS: Final = 1024
_WRITTEN: Final = 2**26
_LEFT_OVER: Final = 3600.0
"""Seconds after which a file that is being written is nobody's: writing one takes less than one."""

NO_LINKS: Final[int] = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
