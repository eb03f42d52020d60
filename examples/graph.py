"""WordNet as a graph: synsets lead to broader ones; walk them, search among them, count along them.

    python examples/graph.py

Needs nothing but rushmodel; the store is in memory.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rushmodel import (
    Field,
    Model,
    Relation,
    Row,
    Vector,
    VectorField,
    collect,
    connect,
    count,
    field,
    relation,
)

DATA = Path(__file__).parent / "data"
ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in DATA.joinpath("synsets.jsonl").read_text("utf-8").splitlines()
]
VECTORS: npt.NDArray[np.float16] = np.load(DATA / "vectors.f16.npy")  # row i belongs to line i
PHRASES: list[str] = json.loads(DATA.joinpath("queries.json").read_text("utf-8"))
QUERIES: npt.NDArray[np.float32] = np.load(DATA / "queries.npy")  # the phrases, embedded by the same model


class Synset(Model):
    """One meaning. Both sides of the relationship are declared, so that it can be walked either way."""

    synset: Field[str] = field(key=True)
    word: Field[str]
    domain: Field[str]
    definition: Field[str]
    embedding: Vector = VectorField(dims=384, property="definition")
    broader: Relation[list[Synset]] = relation("HYPERNYM")
    narrower: Relation[list[Synset]] = relation("HYPERNYM", direction="in")


class Word(Row):
    word: str


class Kind(Row):
    """What is computed of a synset: rows are typed, nested ones too."""

    word: str
    kinds: list[Word]


class Domain(Row):
    domain: str
    links: int


def save() -> None:
    made = {
        row["synset"]: Synset(
            synset=row["synset"],
            word=row["words"][0],
            domain=row["domain"],
            definition=row["definition"],
            embedding=vector,
        )
        for row, vector in zip(ROWS, VECTORS.astype(np.float32), strict=True)
    }
    for row in ROWS:
        known = [made[each] for each in row["hypernyms"] if each in made]  # some lie outside of this file
        made[row["synset"]].broader.attach(*known)
    Synset.save_many(made.values())  # records, vectors and relationships, a transaction a batch


def main() -> None:
    with connect("memory://"):
        save()
        under_food = Synset.broader.any(Synset.word == "food", hops=(1, 20))
        print(f"{Synset.find(under_food).count()} synsets lie under food")

        phrase = PHRASES.index("hard cheese")
        print(f"nearest to {PHRASES[phrase]!r} among them:")
        for hit in Synset.search(QUERIES[phrase], where=under_food, limit=3, with_=[Synset.broader]):
            above = ", ".join(each.word for each in hit.record.broader)
            print(f"  {hit.score:.2f} {hit.record.word} ({above})")

        kinds = collect(Synset.narrower, Word, word=Synset.word, order_by=Synset.word.asc(), limit=3)
        instruments = Synset.find(Synset.word.in_(["musical instrument", "kitchen utensil"]))
        for kind in instruments.aggregate(Kind, word=Synset.word, kinds=kinds).order_by(Synset.word.asc()):
            print(f"{kind.word}: {', '.join(each.word for each in kind.kinds)}")

        links = Synset.aggregate(Domain, links=count(Synset.broader[Synset.synset])).group_by(Synset.domain)
        for domain in links.order_by(links="desc"):
            print(f"{domain.domain}: {domain.links} synsets with narrower ones")


if __name__ == "__main__":
    main()
