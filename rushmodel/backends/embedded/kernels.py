"""The kernel behind the int8 scan: numkong's, where it is fast on this machine."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Int8: TypeAlias = "npt.NDArray[np.int8]"
Float64: TypeAlias = "npt.NDArray[np.float64]"

Dots: TypeAlias = Callable[[Int8, Int8, Float64], None]
"""Writes the dot products, exact whole numbers, of one row of codes, (dims,), with each of many,
(n, dims), to (n,)."""

Products: TypeAlias = "Callable[[Int8], Callable[[Int8], npt.NDArray[np.int32]]]"
"""Of m rows of codes, (m, dims): the function that gives their dot products with n others, (n, m)."""


@cache
def int8_dots() -> Dots | None:
    """The kernel; None where there is none that is faster than float32.

    Numkong has one for every instruction set, and a plain one that is slower than float32 by far. It
    must not be loaded into a process that has loaded simsimd or an early usearch: they crash. Later ones
    load it themselves, before their own kernels.
    """
    rivals = [name for name in ("usearch", "simsimd") if name in sys.modules]
    if rivals and "numkong" not in sys.modules:
        warnings.warn(
            f"{rivals[0]} was imported before the first search, and numkong crashes beside it: searches scan "
            "float32, which takes some four times as long. Search once before importing it",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    import numkong

    capabilities: dict[str, bool] = numkong.get_capabilities()
    if not any(there for name, there in capabilities.items() if name != "serial"):
        return None
    cdist: Callable[..., Any] = numkong.cdist

    def dots(code: Int8, codes: Int8, out: Float64) -> None:
        if len(codes):
            cdist(code[np.newaxis], codes, metric="dot", out=out[np.newaxis], out_dtype="float64")

    return dots if _is_right(lambda code, codes: _alone(dots, code, codes)) else None


@cache
def int8_products() -> Products | None:
    """The kernel for several rows at once; None where there is none."""
    if int8_dots() is None:
        return None
    import numkong

    pack: Callable[..., Any] = numkong.dots_pack
    packed: Callable[..., Any] = numkong.dots_packed

    def products(codes: Int8) -> Callable[[Int8], npt.NDArray[np.int32]]:
        made = pack(codes, dtype="int8")

        def multiply(rows: Int8) -> npt.NDArray[np.int32]:
            found: npt.NDArray[np.int32] = np.asarray(packed(rows, made))
            return found

        return multiply

    return products if _is_right(lambda code, codes: products(codes)(code[np.newaxis])[0]) else None


def _alone(dots: Dots, code: Int8, codes: Int8) -> Float64:
    found = np.empty(len(codes))
    dots(code, codes, found)
    return found


def _is_right(dots: Callable[[Int8, Int8], npt.NDArray[Any]]) -> bool:
    """Whether a kernel is exact where sums are largest, and for lengths that fill no register."""
    for dims in (_LONGEST, 131, 1):
        codes = np.full((3, dims), 127, dtype=np.int8)
        codes[1] = -127
        codes[2, ::2] = -1
        if not np.array_equal(dots(codes[0], codes), codes.astype(np.float64) @ codes[0].astype(np.float64)):
            return False
    return True


_LONGEST: Final = 4096
