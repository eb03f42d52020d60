"""Fusion: one ranking out of a vector search's and a keyword search's. Nothing here asks a store."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

Fusion: TypeAlias = Literal["rrf", "dbsf"]

FUSIONS: Final = ("rrf", "dbsf")

RRF_K: Final = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009)."""

_DEVIATIONS: Final = 3.0
"""Distribution-based score fusion takes what lies so many standard deviations from the mean for 0 and 1
(Mazzeschi, "Distribution-Based Score Fusion", 2023)."""


def fused(
    vector: Sequence[tuple[str, float]], text: Sequence[tuple[str, float]], fusion: Fusion, weight: float
) -> list[tuple[str, float]]:
    """Ids with their fused scores, best first, out of two such lists; ``weight`` is the vectors' share.

    What one list lacks adds nothing for it. Equal scores are in the order of the ids.
    """
    scored = _reciprocal if fusion == "rrf" else _normalised
    scores: dict[str, float] = {}
    for found, share in ((vector, weight), (text, 1.0 - weight)):
        for name, score in scored(found).items():
            scores[name] = scores.get(name, 0.0) + share * score
    return sorted(scores.items(), key=lambda each: (-each[1], each[0]))


def _reciprocal(found: Sequence[tuple[str, float]]) -> Mapping[str, float]:
    return {name: 1.0 / (RRF_K + rank) for rank, (name, _) in enumerate(found, 1)}


def _normalised(found: Sequence[tuple[str, float]]) -> Mapping[str, float]:
    if not found:
        return {}
    scores = [score for _, score in found]
    mean = math.fsum(scores) / len(scores)
    deviation = math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / len(scores))
    if deviation == 0.0:
        return dict.fromkeys((name for name, _ in found), 0.5)  # all are average
    low, span = mean - _DEVIATIONS * deviation, 2 * _DEVIATIONS * deviation
    return {name: min(1.0, max(0.0, (score - low) / span)) for name, score in found}
