"""Search 2,000 WordNet synsets by meaning: plan, sync, save in bulk, search, search with a condition.

    python examples/wordnet.py [FILE]

FILE is the store to write (a temporary one, if not given). Needs `pip install rushmodel[examples]`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Literal

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from rushmodel import Field, Model, Vector, VectorField, connect, field

DATA = Path(__file__).parent / "data"
SYNSETS = DATA.joinpath("synsets.jsonl").read_text("utf-8").splitlines()
VECTORS: npt.NDArray[np.float16] = np.load(DATA / "vectors.f16.npy")  # row i belongs to line i
PHRASES: list[str] = json.loads(DATA.joinpath("queries.json").read_text("utf-8"))
QUERIES: npt.NDArray[np.float32] = np.load(DATA / "queries.npy")  # the phrases, embedded by the same model

# A pipe has no width of its own: give it room for the table.
console = Console(width=None if sys.stdout.isatty() else 120)


class Synset(Model):
    """One meaning, and the words that have it."""

    synset: Field[str] = field(key=True)  # the key: running this again updates the records
    domain: Field[Literal["animal", "food", "artifact"]]
    words: list[str]
    definition: Field[str]
    embedding: Vector = VectorField(dims=384, similarity="cosine", property="definition")


def synsets() -> Iterator[Synset]:
    for line, vector in zip(SYNSETS, VECTORS.astype(np.float32), strict=True):
        row = json.loads(line)
        yield Synset(
            synset=row["synset"],
            domain=row["domain"],
            words=row["words"],
            definition=row["definition"],
            embedding=vector,
        )


def save() -> float:
    """Save them all; the seconds it took."""
    start = perf_counter()
    with Progress(console=console) as bar:
        task = bar.add_task("saving", total=len(SYNSETS))
        Synset.save_many(synsets(), batch=250, progress=lambda done: bar.update(task, completed=done))
    return perf_counter() - start


def search() -> tuple[list[float], list[float]]:
    """Print every phrase's best hit, among all synsets and among the animals; the seconds of each search."""
    table = Table("phrase", "nearest", "score", "nearest animal", "score", title="20 phrases")
    plain: list[float] = []
    filtered: list[float] = []
    for phrase, query in zip(PHRASES, QUERIES, strict=True):
        cells = [phrase]
        for where, seconds in ((None, plain), (Synset.domain == "animal", filtered)):
            start = perf_counter()
            best = Synset.search(query, where=where, limit=1)[0]
            seconds.append(perf_counter() - start)
            cells += best.record.words[0], f"{best.score:.2f}"
        table.add_row(*cells)
    console.print(table)
    return plain, filtered


def main(file: Path) -> None:
    with closing(connect(file, models=[Synset])) as db:
        print(db.plan())  # what the class asks for, what the store has; nothing is changed yet
        db.sync()
        saving = save()
        plain, filtered = search()
        print(db.plan())  # now the policy is there, and every record has its vector
    print(f"Read, checked and saved {len(SYNSETS) / saving:,.0f} records/s; the store is {file}")
    print(
        f"A search took {1000 * median(plain):.2f} ms, among the animals {1000 * median(filtered):.2f} ms, "
        f"and the first one {1000 * plain[0]:.0f} ms: it reads all vectors."
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder) / "wordnet.db")
