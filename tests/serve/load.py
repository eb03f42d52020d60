"""Clients that keep a server busy, each with records of its own, and remember what was acknowledged.

    python -m tests.serve.load URL TOKEN CLIENTS SECONDS SEED

runs some in this process, a thread each, and prints what they did as JSON (`Report`). Nothing is sent twice:
whatever a server answers otherwise than it must ends the process with a traceback.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeAlias, TypedDict

import httpx
import numpy as np
import orjson

from rushmodel.port import Float32

Data: TypeAlias = "dict[str, Any]"

DIMS = 768
LABEL = "Load"
SHARED = "Shared"
"""A label whose records all clients upsert, by one of `SHARED_KEYS` keys."""
SHARED_KEYS = 5
POLICY = {"label": LABEL, "propertyName": "text", "external": True, "dimensions": DIMS}
SHARE_OF_WRITES = 0.25
WRITES = {"create": 40, "upsert": 25, "update": 20, "delete": 10, "shared upsert": 5}
READS = {"get": 40, "find": 30, "search": 30}


class Report(TypedDict):
    """``live``: id to data of what must be there; ``deleted``: ids; ``times``: kind to seconds of each."""

    live: dict[str, Data]
    deleted: list[str]
    times: dict[str, list[float]]


def vector_of(seed: int) -> Float32:
    """The vector of a record, which its property ``seed`` decides."""
    return np.random.default_rng(seed).standard_normal(DIMS).astype(np.float32)


class Client:
    """One connection to the server, which writes and reads records that no other client touches."""

    def __init__(self, url: str, token: str, seed: int) -> None:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self._http = httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60)
        self._random = random.Random(seed)
        self._seed = seed
        self._count = 0
        self._ids: list[str] = []
        self.live: dict[str, Data] = {}
        self.deleted: list[str] = []
        self.times: dict[str, list[float]] = {}

    def close(self) -> None:
        self._http.close()

    def run(self, until: float) -> None:
        """Write and read until then, by `time.monotonic`."""
        calls: dict[str, Callable[[], None]] = {
            "create": self.create,
            "upsert": self.upsert,
            "update": self.update,
            "delete": self.delete,
            "shared upsert": self.upsert_shared,
            "get": self.get,
            "find": self.find,
            "search": self.search,
        }
        self.create()
        while time.monotonic() < until:
            kinds = WRITES if self._random.random() < SHARE_OF_WRITES else READS
            (kind,) = self._random.choices(list(kinds), list(kinds.values()))
            calls[kind]()

    def create(self) -> None:
        data = self._new_data()
        self._note(self._ask("create", "POST", "/records", self._record(data), 201), data)

    def upsert(self) -> None:
        """By its key: a new record, or one there is, with new values and a new vector."""
        data = self._new_data()
        known = self._random.random() < 0.6
        if known:
            data["key"] = self.live[self._any()]["key"]
        before = next((each for each, old in self.live.items() if known and old["key"] == data["key"]), None)
        body = self._record(data, mergeBy=["key"])
        answer = self._ask("upsert", "POST", "/records", body, 201)
        assert before is None or answer["__id"] == before, (answer, before)
        self._note(answer, data)

    def update(self) -> None:
        """Of one property, without the vector, which must stay."""
        chosen = self._any()
        change = {"number": self._random.randrange(10**6)}
        body = {"label": LABEL, "data": change, "options": {"suggestTypes": True}}
        answer = self._ask("update", "PATCH", f"/records/{chosen}", body, 201)
        self._note(answer, {**self.live[chosen], **change})

    def delete(self) -> None:
        if len(self.live) < 2:
            return
        chosen = self._any()
        self._ask("delete", "DELETE", f"/records/{chosen}", None, 200)
        del self.live[chosen]
        self._ids.remove(chosen)
        self.deleted.append(chosen)

    def upsert_shared(self) -> None:
        data = {"key": f"k{self._random.randrange(SHARED_KEYS)}", "by": self._seed}
        body = {"label": SHARED, "data": data, "options": {"suggestTypes": True, "mergeBy": ["key"]}}
        assert plain(self._ask("shared upsert", "POST", "/records", body, 201)) == data

    def get(self) -> None:
        chosen = self._any()
        answer = self._ask("get", "GET", f"/records/{chosen}", None, 200)
        assert plain(answer) == self.live[chosen]

    def find(self) -> None:
        """A page of this client's own records; all of them, where they are few."""
        body = {"labels": [LABEL], "where": {"owner": self._seed}, "limit": 20}
        found = self._ask("find", "POST", "/records/search", body, 200)
        assert len(found) == min(20, len(self.live))
        assert all(plain(each) == self.live[each["__id"]] for each in found)

    def search(self) -> None:
        """With the very vector of a record, which must come first."""
        chosen = self._any()
        body = {
            "labels": [LABEL],
            "propertyName": "text",
            "sourceType": "external",
            "queryVector": vector_of(self.live[chosen]["seed"]),
            "limit": 5,
        }
        if self._random.random() < 0.5:
            body["where"] = {"owner": self._seed}
        first, *_ = self._ask("search", "POST", "/ai/search", body, 200)
        assert first["__id"] == chosen
        assert first["__score"] > 0.9999
        assert plain(first) == self.live[chosen]

    def _any(self) -> str:
        return self._random.choice(self._ids)

    def _new_data(self) -> Data:
        self._count += 1
        seed = self._seed * 10**6 + self._count
        key = f"{self._seed}-{self._count}"
        return {"key": key, "owner": self._seed, "seed": seed, "number": 0, "text": f"the text {seed}"}

    def _record(self, data: Data, **options: Any) -> Data:
        vectors = [{"propertyName": "text", "vector": vector_of(data["seed"])}]
        return {
            "label": LABEL,
            "data": data,
            "vectors": vectors,
            "options": {"suggestTypes": True, **options},
        }

    def _note(self, answer: Data, data: Data) -> None:
        assert plain(answer) == data, (answer, data)
        if answer["__id"] not in self.live:
            self._ids.append(answer["__id"])
        self.live[answer["__id"]] = data

    def _ask(self, kind: str, method: str, path: str, body: object, status: int) -> Any:
        content = None if body is None else orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
        begin = time.perf_counter()
        answer = self._http.request(method, path, content=content)
        self.times.setdefault(kind, []).append(time.perf_counter() - begin)
        assert answer.status_code == status, (kind, answer.status_code, answer.text)
        return orjson.loads(answer.content)["data"]


def plain(document: Data) -> Data:
    """Only the properties."""
    return {name: value for name, value in document.items() if not name.startswith("__")}


def run(url: str, token: str, count: int, seconds: float, seed: int) -> Report:
    """Some clients at once; the first error of any is raised."""
    with ExitStack() as stack:
        clients = [Client(url, token, seed + number) for number in range(count)]
        for client in clients:
            stack.callback(client.close)
        failures: list[BaseException] = []
        until = time.monotonic() + seconds

        def keep_busy(client: Client) -> None:
            try:
                client.run(until)
            except BaseException as error:  # raised below, in the thread that is waited for
                failures.append(error)

        threads = [threading.Thread(target=keep_busy, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
    report = Report(live={}, deleted=[], times={})
    for client in clients:
        report["live"] |= client.live
        report["deleted"] += client.deleted
        for kind, times in client.times.items():
            report["times"].setdefault(kind, []).extend(times)
    return report


if __name__ == "__main__":
    at, secret, clients, duration, first = sys.argv[1:]
    sys.stdout.buffer.write(orjson.dumps(run(at, secret, int(clients), float(duration), int(first))))
