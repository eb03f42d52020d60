"""What a vector is: one row of finite float32 numbers.

`as_vector` is the one place where anything a user may hold becomes that, and
where a bad one is refused (promise 4). Numpy is imported by the
functions: it is two fifths of the time that models take to import, and nothing
needs it before there is a vector.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast, runtime_checkable

from .port import Float32, Similarity

if TYPE_CHECKING:
    import numpy as np


@runtime_checkable
class SupportsToList(Protocol):
    """Any one-dimensional array: numpy, torch, jax; none of them needs to be imported here."""

    def tolist(self) -> Any: ...


VectorLike: TypeAlias = Sequence[float] | SupportsToList
"""What is accepted where a vector is expected: numbers in a sequence, or an array."""


def as_vector(value: object, *, dims: int | None, similarities: Sequence[Similarity] = ()) -> Float32:
    """A read-only, contiguous float32 array of shape ``(dims,)``.

    Copies, unless ``value`` is one already whose data nobody else can change: its own, or that of
    ``bytes``. ``dims`` None accepts any length above 0.

    Raises:
        ValueError: Not one row of numbers; wrong length; NaN, infinity, or a number past
            float32; with "cosine", a norm whose square is zero or not finite in float32.
    """
    import numpy as np

    array = cast("Float32", value)
    kind: type[Any] = type(value)
    if kind is np.ndarray and array.dtype == np.float32 and array.ndim == 1:
        flags = array.flags
        shared = not flags.owndata and not isinstance(cast("object", array.base), bytes)
        if flags.writeable or shared or not flags.c_contiguous:
            array = array.copy()
    else:
        array = _converted(value)
    if dims is not None and array.shape[0] != dims:
        raise ValueError(f"expected {dims} numbers, got {array.shape[0]}")
    if not array.shape[0]:
        raise ValueError("expected at least one number, got none")
    check_numbers(array, similarities)
    array.flags.writeable = False
    return array


def check_numbers(array: Float32, similarities: Sequence[Similarity]) -> None:
    """Refuse numbers that no policy of those similarities can hold (rule R9).

    Raises:
        ValueError: See `as_vector`.
    """
    import numpy as np

    # One pass decides for every good vector: NaN and infinity spread into the sum of squares. dot would
    # warn of them, and keeping it quiet costs more than the sum.
    square = float(np.vdot(array, array))
    if math.isfinite(square) and square > 0.0:
        return
    finite = np.isfinite(array)
    if not finite.all():
        at = int(np.argmin(finite))
        raise ValueError(f"expected finite float32 numbers, got {array[at]} at position {at}")
    if "cosine" in similarities:
        what = "zero" if square == 0.0 else "too large for float32"
        raise ValueError(f"cosine needs a direction, and the norm of this vector is {what}")


def same_vector(one: object, other: object) -> bool:
    """Whether both are arrays, of one shape and with equal numbers."""
    import numpy as np

    return is_array(one) and is_array(other) and np.array_equal(cast("Float32", one), cast("Float32", other))


def is_array(value: object) -> bool:
    """Whether a value is a numpy array, without importing numpy to find out."""
    return type(value).__module__ == "numpy" and hasattr(value, "dtype")


def fingerprint(vector: Float32) -> str:
    """A short text that stands for the vector where a server wants an indexed string (rule R4)."""
    return "f32-" + hashlib.blake2b(vector.tobytes(), digest_size=8).hexdigest()


def _converted(value: object) -> Float32:
    import numpy as np

    if isinstance(value, (str, bytes, bytearray)):
        raise ValueError(f"expected a row of numbers, got {type(value).__name__}")
    wide: np.ndarray[Any, Any]
    if type(value) in (list, tuple):  # what JSON holds; to ask them for what they offer takes as long again
        row = cast("Sequence[Any]", value)
        narrow = _from_floats(row)
        if narrow is not None:
            return narrow
        wide = _from_sequence(row)
    elif hasattr(value, "__array__"):
        mask = getattr(value, "mask", None)
        if mask is not None and np.any(mask):
            raise ValueError("expected numbers, got a masked array in which some are missing")
        wide = np.asarray(value)
    elif isinstance(value, SupportsToList):
        return _converted(value.tolist())
    elif isinstance(value, Sequence):
        wide = _from_sequence(cast("Sequence[Any]", value))
    else:
        raise ValueError(f"expected a row of numbers, got {type(value).__name__}")
    if wide.ndim != 1:
        raise ValueError(f"expected one row of numbers, got shape {wide.shape}")
    if wide.dtype.kind not in "fiu":
        raise ValueError(f"expected a row of numbers, got an array of {wide.dtype}")
    with np.errstate(over="ignore"):
        array = np.array(wide, dtype=np.float32, order="C")
    lost = np.isinf(array) & np.isfinite(wide)
    if lost.any():
        raise ValueError(f"the number at position {int(np.argmax(lost))} does not fit into float32")
    return array


def _from_floats(row: Sequence[Any]) -> Float32 | None:
    """The vector of a row of Python's floats alone; None where something in it has to be looked at."""
    import numpy as np

    # In a third of the time that numpy takes, which asks every number what it is.
    if list(map(type, row)).count(float) != len(row):
        return None
    array: Float32 = np.empty(len(row), dtype=np.float32)
    try:
        struct.pack_into(f"{len(row)}f", array.data, 0, *row)
    except OverflowError:
        return None
    # vdot does not warn of infinity, which the row may have held or which was too large a number.
    return array if math.isfinite(np.vdot(array, array)) else None


def _from_sequence(value: Sequence[Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    # numpy would take "1" and True for numbers and None for NaN.
    for kind in set(map(type, value)):
        if issubclass(kind, (bool, np.bool_)) or not issubclass(kind, (int, float, np.integer, np.floating)):
            at = next(i for i, item in enumerate(value) if type(item) is kind)
            raise ValueError(f"expected numbers, got {kind.__name__} at position {at}")
    try:
        return np.array(value, dtype=np.float64)
    except OverflowError:
        at = next(i for i, item in enumerate(value) if isinstance(item, int) and abs(item) > 2**127)
        raise ValueError(f"the number at position {at} does not fit into float32") from None
