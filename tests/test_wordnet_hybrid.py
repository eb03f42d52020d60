"""Hybrid search on real data: 20 phrases, the fused order worked out by hand, and how far the sides agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rushmodel import Hits, connect
from tests.test_wordnet import SMALL, WHOLE, Synset, read

K = 10
DEEP = 50


@pytest.mark.parametrize(
    "folder", [SMALL, pytest.param(WHOLE, marks=pytest.mark.soak)], ids=["2,000 synsets", "all"]
)
def test_the_phrases(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not folder.is_dir():
        pytest.skip(f"the whole data set is not there: {folder}")
    rows, vectors, queries = read(folder)
    phrases = json.loads((folder / "queries.json").read_text("utf-8"))
    agreed: list[tuple[int, int, int]] = []
    with connect("memory://", default=False) as db:
        Synset.save_many(
            Synset(
                synset=row["synset"],
                domain=row["domain"],
                words=row["words"],
                definition=row["definition"],
                embedding=vector,
            )
            for row, vector in zip(rows, vectors, strict=True)
        )
        for phrase, query in zip(phrases, queries, strict=True):
            by_vector = names(Synset.search(query, similarity="cosine", limit=DEEP))
            by_text = names(Synset.search(text=phrase, limit=DEEP))
            for weight in (0.3, 0.5):
                hits = Synset.search(query, text=phrase, similarity="cosine", limit=K, weight=weight)
                assert names(hits) == by_hand(by_vector, by_text, weight)[:K]
            fused = names(Synset.search(query, text=phrase, similarity="cosine", limit=K))
            top = [set(each[:K]) for each in (by_vector, by_text, fused)]
            agreed.append((len(top[0] & top[1]), len(top[0] & top[2]), len(top[1] & top[2])))
        db.close()
    means = np.mean(agreed, axis=0) / K
    with capsys.disabled():
        print(
            f"\n{len(rows):,} synsets, the first {K} of {len(phrases)} phrases: vector and keyword share "
            f"{means[0]:.0%}, hybrid and vector {means[1]:.0%}, hybrid and keyword {means[2]:.0%}"
        )
    assert means[0] < means[1] < 1
    assert means[0] < means[2] < 1


def names(hits: Hits[Any]) -> list[tuple[str, str]]:
    """Key and record id of each hit: ties go by the second."""
    return [(hit.record.synset, str(hit.record.record_id)) for hit in hits]


def by_hand(one: list[tuple[str, str]], other: list[tuple[str, str]], weight: float) -> list[tuple[str, str]]:
    """Reciprocal rank fusion as its paper has it, said another way than the library does."""

    def score(name: tuple[str, str]) -> float:
        parts = ((one, weight), (other, 1 - weight))
        return sum(share * (1 / (60 + found.index(name) + 1)) for found, share in parts if name in found)

    return sorted({*one, *other}, key=lambda name: (-score(name), name[1]))
