"""Creating records through a server: rushmodel against the official SDK, on loopback and over a slow link.

    python -m benchmarks.rest [--creates 300] [--rows 1000] [--rounds 5] [--round-trip 0.020]

One `rushmodel serve` process with its default durability, one run; in every round each way takes its turn,
and the next round begins with another one. The link is that of `network`. Every way is given the same
properties and the same vectors of 768 numbers, the SDK and our client as lists of Python's floats, models
as rows of an array. The SDK opens a connection for every request.

Prints milliseconds for one record, and how many times as fast ours is; medians of the rounds, with the least
and the greatest.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import rushdb  # type: ignore[import-untyped]

from benchmarks.network import Link
from rushmodel import Database, Field, Model, RushDB, Vector, VectorField, VectorsWithoutKey, connect
from tests.serve.process import Process

Float32: TypeAlias = npt.NDArray[np.float32]
Ways: TypeAlias = "Mapping[str, Callable[[], object]]"
Times: TypeAlias = "dict[str, list[float]]"

DIMS = 768
IN_FLIGHT = 16

with warnings.catch_warnings():
    # A record with a key is upserted, which is more work; the SDK's are created.
    warnings.simplefilter("ignore", VectorsWithoutKey)

    class Article(Model):
        title: Field[str]
        body: Field[str]
        embedding: Vector = VectorField(dims=DIMS, property="body")


class Clients:
    """One server's clients: the SDK's, ours in its words, and a database for models."""

    def __init__(self, url: str, token: str) -> None:
        self.sdk: Any = rushdb.RushDB(token, url=url)
        self.ours = RushDB(token, base_url=url)
        self.models: Database = connect(url, token=token, default=False)

    def close(self) -> None:
        self.ours.close()
        self.models.close()


class Work:
    """What is written: properties and vectors, as lists and as an array."""

    def __init__(self, count: int) -> None:
        text = "The body of an article, of about the length that a paragraph has. " * 4
        self.data = [{"title": f"Article {at}", "body": f"{at}: {text}"} for at in range(count)]
        self.array: Float32 = np.random.default_rng(7).standard_normal((count, DIMS)).astype(np.float32)
        self.vectors = [[{"propertyName": "body", "vector": row}] for row in self.array.tolist()]

    def articles(self) -> list[Article]:
        pairs = zip(self.data, self.array, strict=True)
        return [Article(title=data["title"], body=data["body"], embedding=row) for data, row in pairs]


def create_each(client: Any, work: Work) -> None:
    """With the SDK, or with our client, which has the same method."""
    for data, vectors in zip(work.data, work.vectors, strict=True):
        client.records.create("Article", data, vectors=vectors)


def save_each(clients: Clients, articles: Sequence[Article]) -> None:
    with clients.models:
        for article in articles:
            article.save()


def save_at_once(clients: Clients, articles: Sequence[Article]) -> None:
    """`IN_FLIGHT` at a time, on an event loop of its own."""
    waiting = iter(articles)

    async def save_some() -> None:
        for article in waiting:
            await article.asave()

    async def save_all() -> None:
        await asyncio.gather(*(save_some() for _ in range(IN_FLIGHT)))

    with clients.models:
        asyncio.run(save_all())


def create_many(client: Any, work: Work) -> None:
    client.records.create_many("Article", work.data, vectors=work.vectors)


def save_many(clients: Clients, articles: Sequence[Article]) -> None:
    with clients.models:
        Article.save_many(articles)


def creates(clients: Clients, work: Work) -> Iterator[Ways]:
    """The ways to create records one by one, anew for each round."""
    while True:
        yield {
            "sdk": partial(create_each, clients.sdk, work),
            "client": partial(create_each, clients.ours, work),
            "models": partial(save_each, clients, work.articles()),
            "async": partial(save_at_once, clients, work.articles()),
        }


def bulks(clients: Clients, work: Work) -> Iterator[Ways]:
    """The ways to create all of them with one call, anew for each round."""
    while True:
        yield {
            "sdk": partial(create_many, clients.sdk, work),
            "client": partial(create_many, clients.ours, work),
            "models": partial(save_many, clients, work.articles()),
        }


def measure(rounds: int, all_ways: Iterator[Ways]) -> Times:
    """Seconds of each way in each round; the round before the first warms up, and does not count."""
    times: Times = {}
    for at in range(rounds + 1):
        ways = next(all_ways)
        names = list(ways)
        for name in names[at % len(names) :] + names[: at % len(names)]:
            begin = time.perf_counter()
            ways[name]()
            if at:
                times.setdefault(name, []).append(time.perf_counter() - begin)
    return times


def report(title: str, slow: Sequence[float], fast: Sequence[float], count: int, goal: float | None) -> None:
    ratios = [one / other for one, other in zip(slow, fast, strict=True)]
    one, other = (
        f"{each[0]:>8.2f} ({each[1]:.2f}-{each[2]:.2f})"
        for each in ([1e3 * number / count for number in spread(times)] for times in (slow, fast))
    )
    middle, least, most = spread(ratios)
    aim = "" if goal is None else f"   goal >= {goal:g}x"
    print(f"{title:<46} {one:<26} {other:<26} {middle:>6.2f}x ({least:.2f}-{most:.2f}){aim}", flush=True)


def spread(numbers: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(numbers), min(numbers), max(numbers)


@contextmanager
def opened(url: str, token: str) -> Iterator[Clients]:
    clients = Clients(url, token)
    try:
        yield clients
    finally:
        clients.close()


def compare(clients: Clients, place: str, given: argparse.Namespace, goals: Mapping[str, float]) -> None:
    """Every way over one link; ``goals`` by the line of the table."""
    work, rows = Work(given.creates), Work(given.rows)
    times = measure(given.rounds, creates(clients, work))
    for name in ("client", "models"):
        title = f"{given.creates} creates, {name}, {place}"
        report(title, times["sdk"], times[name], given.creates, goals.get("creates"))
    title = f"{given.creates} saves, {IN_FLIGHT} in flight : sync, {place}"
    report(title, times["models"], times["async"], given.creates, goals.get("async"))
    times = measure(given.rounds, bulks(clients, rows))
    for name in ("client", "models"):
        title = f"bulk of {given.rows:,}, {name}, {place}"
        report(title, times["sdk"], times[name], given.rows, goals.get("bulk"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Creating records: rushmodel against the official SDK.")
    parser.add_argument("--creates", type=int, default=300)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round-trip", type=float, default=0.020, help="seconds (0.020)")
    given = parser.parse_args()
    print(f"{'ms a record, median (least-most)':<46} {'SDK (or sync)':<26} {'rushmodel':<26} times as fast")
    with tempfile.TemporaryDirectory() as folder, Process(Path(folder) / "articles.db") as server:
        with opened(server.url, server.token) as clients:
            with clients.models:
                clients.models.sync()
            compare(clients, "loopback", given, {"creates": 1.25, "bulk": 3})
        with Link(server.port, given.round_trip) as link:
            url = server.url.replace(f":{server.port}/", f":{link.port}/")
            with opened(url, server.token) as clients:
                place = f"{1e3 * given.round_trip:g} ms"
                compare(clients, place, given, {"creates": 3, "async": 5})


if __name__ == "__main__":
    main()
