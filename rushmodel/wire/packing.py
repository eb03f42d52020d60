"""Vectors as texts: an extension of RushDB's JSON, in which a vector is a list of numbers.

A packed vector is the base64 (RFC 4648, with padding) of its little-endian float32 numbers, one after
another. Of 768 numbers it is 4 KiB instead of 9, and it is read without looking at each number.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..port import Float32

_WIDTH = 4
"""Bytes of a number."""


def is_vector(value: object) -> bool:
    """Whether a value is a float32 array of shape ``(n,)``; numpy is not imported to find out."""
    kind = getattr(value, "dtype", None)
    return kind is not None and kind == "float32" and getattr(value, "ndim", 0) == 1


def pack_vector(vector: Float32) -> str:
    """The text of a float32 array of shape ``(n,)``, bit for bit."""
    import numpy as np

    # A view where the numbers lie in one piece, as those of nearly all vectors do.
    numbers: Any = np.ascontiguousarray(vector, dtype="<f4")
    return b2a_base64(numbers, newline=False).decode("ascii")


def unpack_vector(text: str) -> Float32:
    """A read-only float32 array of shape ``(n,)``, n from 0 up; NaN and infinity are not looked for.

    Raises:
        ValueError: What is no base64, or whose bytes are no float32 numbers.
    """
    import numpy as np

    try:
        numbers = a2b_base64(text)
    except (Error, ValueError):  # ValueError: letters beyond ASCII
        raise ValueError(_WRONG) from None
    # Letters that are none of base64's are passed over, and then there are fewer bytes than letters tell.
    padding = len(text) - len(text.rstrip("="))
    if len(text) % 4 or padding > 2 or len(numbers) != len(text) // 4 * 3 - padding:
        raise ValueError(_WRONG)
    if len(numbers) % _WIDTH:
        raise ValueError(f"expected {_WIDTH} bytes a number, got {len(numbers):,} bytes in base64")
    return np.frombuffer(numbers, dtype="<f4").astype(np.float32, copy=False)


_WRONG = "expected base64 of little-endian float32 numbers, with its padding and nothing else"
