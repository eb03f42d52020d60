"""Recorded traffic, sent again to another server, and what differs in its answers."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np

TRACES = Path(__file__).parent / "traces"
UNTOLD = ("message", "error", "projectId", "createdAt", "updatedAt", "dateTime", "dashboardUrl")
"""Fields whose values are each server's own (R1)."""

_TIMES = ("createdAt", "updatedAt")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

Send = Callable[[str, str, dict[str, str], bytes], httpx.Response]
"""Method, path, headers and body, to whatever answers: an application or a process."""


class Exchange(NamedTuple):
    """A recorded request with its answer; ``key`` is file and name, from the second of a name on numbered."""

    key: tuple[str, str]
    method: str
    path: str
    headers: dict[str, str] | None
    body: Any
    status: int | None
    answer: Any


class Outcome(NamedTuple):
    """What another server answered, and where that is not what was recorded."""

    exchange: Exchange
    status: int
    answer: Any
    differences: list[str]


def exchanges(file: str) -> Iterator[Exchange]:
    seen: Counter[str] = Counter()
    for line in (TRACES / f"{file}.jsonl").read_text(encoding="utf-8").split("\n")[:-1]:
        entry = json.loads(line)
        request, response, name = entry["request"], entry["response"], entry["name"]
        seen[name] += 1
        key = (file, name if seen[name] == 1 else f"{name} #{seen[name]}")
        yield Exchange(
            key,
            request["method"],
            request["path"],
            request.get("headers"),
            request.get("body"),
            response["status"],
            response["body"],
        )


class Replay:
    """Sends the exchanges of one file to an empty store, and maps the recorded ids to those it gives."""

    def __init__(self, send: Send, token: str) -> None:
        self._send = send
        self._token = token
        self._ids: dict[str, str] = {}
        self._paired: set[str] = set()
        self._found: list[str] = []
        """Ids out of the pages whose recorded answers were left out."""

    def outcome(self, exchange: Exchange, without: tuple[str, ...] = ()) -> Outcome:
        """Send one; ``without`` names properties to leave out of what is sent and out of the comparison."""
        body = _without(self._body(exchange), without)
        headers = self._headers(exchange)
        content = (
            b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        )
        response = self._send(exchange.method, self._mapped(exchange.path), headers, content)
        answer = json.loads(response.content) if _is_json(response) else None
        differences: list[str] = []
        if response.status_code < 300:
            self._learn(exchange.answer, answer)
        if response.status_code != exchange.status:
            differences.append(f"status {response.status_code}, recorded {exchange.status}")
        elif response.status_code < 300:
            recorded = _without(exchange.answer, without)
            if recorded == "<echo of 1 MB>":
                assert answer is not None
                recorded = {"data": {**answer["data"], **body["data"]}, "success": True}
            self._compare(recorded, answer, "", differences, searched="/ai/search" in exchange.path)
        return Outcome(exchange, response.status_code, answer, differences)

    def delete(self, exchange: Exchange) -> None:
        """Delete the record that the exchange made."""
        path = self._mapped(f"/api/v1/records/{exchange.answer['data']['__id']}")
        response = self._send("DELETE", path, {"authorization": f"Bearer {self._token}"}, b"")
        assert response.status_code == 200

    def vectors(self, ids: list[str], policy: dict[str, Any]) -> dict[str, Any]:
        """The stored vectors, by id, to work scores out with."""
        body = json.dumps({"ids": ids, "policies": [policy]}).encode()
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        documents = self._send("POST", "/api/v1/records/vectors", headers, body).json()["data"]
        return {each["__id"]: np.array(each["vectors"][0]["vector"], np.float64) for each in documents}

    def _headers(self, exchange: Exchange) -> dict[str, str]:
        given = exchange.headers
        if given is None:
            given = {"content-type": "application/json", "authorization": "Bearer <key>"}
        # The recording hides every token, a wrong one as well.
        token = "wrong-" + self._token if exchange.key[1] == "bad token create" else self._token
        return {name: self._mapped(value.replace("<key>", token)) for name, value in given.items()}

    def _body(self, exchange: Exchange) -> Any:
        rebuild = REBUILT.get(exchange.key)
        return self._mapped(exchange.body if rebuild is None else rebuild(self._found))

    def _mapped(self, value: Any) -> Any:
        """The same with our ids for recorded ones, wherever they stand."""
        if isinstance(value, str):
            return _ID.sub(lambda found: self._ids.get(found[0], found[0]), value)
        if isinstance(value, list):
            return [self._mapped(item) for item in value] if len(value) < 3000 else value
        if isinstance(value, dict):
            return {name: self._mapped(item) for name, item in value.items()}
        return value

    def _pair(self, recorded: str, ours: str) -> None:
        """One of ours stands for one recorded id, so that a wrong record is not taken for the right one."""
        if recorded not in self._ids and ours not in self._paired:
            self._ids[recorded] = ours
            self._paired.add(ours)

    def _learn(self, recorded: Any, ours: Any) -> None:
        """Pair ids where both answers have one in the same place; of lists, records that look the same."""
        if isinstance(recorded, dict) and isinstance(ours, dict):
            for name in ("id", "__id"):
                if name in recorded and isinstance(ours.get(name), str):
                    self._pair(recorded[name], ours[name])
            if "data" in recorded:
                self._learn(recorded["data"], ours.get("data"))
        elif isinstance(recorded, list) and isinstance(ours, list) and _are_documents(ours):
            rest = [each for each in ours if each.get("__id", each.get("id")) not in self._paired]
            for each in recorded:
                named = each.get("__id", each.get("id")) if isinstance(each, dict) else None
                if named in self._ids:
                    known = [other for other in ours if other.get("__id") == self._ids[named]]
                    for name in each.keys() & (known[0].keys() if known else ()):
                        if isinstance(each[name], list) and _are_documents(each[name]):
                            self._learn(each[name], known[0][name])
                if named is None or named in self._ids:
                    continue
                twin = next((other for other in rest if _looks(other) == _looks(each)), None)
                if twin is not None:
                    rest.remove(twin)
                    self._learn(each, twin)
        elif isinstance(recorded, str) and isinstance(ours, list) and re.match(r"<\d+ records>", recorded):
            self._found += [each["__id"] for each in ours]

    def _compare(
        self, recorded: Any, ours: Any, at: str, differences: list[str], *, searched: bool = False
    ) -> None:
        if isinstance(recorded, str) and recorded.startswith("<"):
            self._compare_length(recorded, ours, at, differences)
        elif isinstance(recorded, dict) and isinstance(ours, dict):
            if recorded.keys() != ours.keys() and not _stand_in(recorded):
                odd = sorted(recorded.keys() ^ ours.keys())
                differences.append(f"{at or 'body'}: {odd} on one side only")
            for name in recorded.keys() & ours.keys():
                if name in _TIMES and not _TIME.fullmatch(ours[name]):
                    differences.append(f"{at}.{name}: {ours[name]} is no time in UTC")
                elif name not in UNTOLD:
                    self._compare(recorded[name], ours[name], f"{at}.{name}", differences, searched=searched)
        elif isinstance(recorded, list) and isinstance(ours, list) and _are_relationships(recorded + ours):
            # A server has no order of them (trace 14).
            if sorted(map(_sorted, self._mapped(recorded))) != sorted(map(_sorted, ours)):
                differences.append(f"{at}: {str(ours)[:80]}, recorded {str(recorded)[:80]}")
        elif isinstance(recorded, list) and isinstance(ours, list) and _are_documents(recorded):
            self._compare_documents(recorded, ours, at, differences, searched)
        elif self._mapped(recorded) != ours and not _same_number(recorded, ours):
            differences.append(f"{at}: {str(ours)[:80]}, recorded {str(recorded)[:80]}")
        elif isinstance(recorded, bool) != isinstance(ours, bool):
            differences.append(f"{at}: {ours!r}, recorded {recorded!r}")

    def _compare_documents(
        self, recorded: list[Any], ours: list[Any], at: str, differences: list[str], searched: bool
    ) -> None:
        """Records in order; hits by id, equal scores have no order; policies by id, too."""
        named = [self._mapped(each.get("__id", each.get("id"))) for each in recorded]
        others = [each.get("__id", each.get("id")) for each in ours]
        in_order = "__id" in recorded[0] and not searched
        if (named if in_order else sorted(named)) != (others if in_order else sorted(others)):
            differences.append(f"{at}: other records or another order: {len(ours)}, recorded {len(recorded)}")
            return
        if searched:
            scores = [each["__score"] for each in ours]
            if scores != sorted(scores, reverse=True):
                differences.append(f"{at}: hits that are not best first")
        by_id = dict(zip(others, ours, strict=True))
        for index, (name, each) in enumerate(zip(named, recorded, strict=True)):
            self._compare(each, by_id[name], f"{at}[{index}]", differences)

    def _compare_length(self, recorded: str, ours: Any, at: str, differences: list[str]) -> None:
        found = re.fullmatch(r"<(?:list of )?(\d+)(?: records)?>", recorded)
        if found is None or not isinstance(ours, list) or len(ours) != int(found[1]):
            differences.append(f"{at}: {str(ours)[:80]}, recorded {recorded}")


def formula_score(similarity: str, query: list[float], vector: Any) -> float:
    """R10, in float64."""
    asked = np.array(query, np.float64)
    if similarity == "euclidean":
        return float(1 / (1 + np.square(asked - vector).sum()))
    return float((1 + asked @ vector / math.sqrt((asked @ asked) * (vector @ vector))) / 2)


def _numbers(count: int, dims: int) -> list[list[float]]:
    numbers: list[list[float]] = np.random.default_rng(4).normal(size=(count, dims)).round(4).tolist()
    return numbers


def _big(count: int) -> Callable[[list[str]], Any]:
    options = {"suggestTypes": True, "returnResult": True}
    body = {"label": f"Big{count}", "data": [{"i": number} for number in range(count)], "options": options}
    return lambda found: body


REBUILT: dict[tuple[str, str], Callable[[list[str]], Any]] = {
    ("04_vectors_upsert", "import 5000 records (result is omitted)"): lambda found: {
        "label": "V5",
        "data": [{"body": f"b{number}"} for number in range(5000)],
        "options": {"returnResult": True},
    },
    ("04_vectors_upsert", "upsert 5000 x 64"): lambda found: {
        "items": [
            {"recordId": record_id, "vector": vector}
            for record_id, vector in zip(found, _numbers(5000, 64), strict=True)
        ]
    },
    ("19_extra", "seed 150"): lambda found: {
        "label": "L",
        "data": [{"s": f"Str{number}", "n": number} for number in range(150)],
        "options": {"suggestTypes": True},
    },
    ("10_create_types", "long string 1 MB"): lambda found: {"label": "T", "data": {"long": "x" * 2**20}},
    **{
        ("15_import_export", f"returnResult with {count} rows"): _big(count)
        for count in (100, 999, 1000, 1001)
    },
    ("19b_neighbour", "1,500 near vectors in another project"): lambda found: {
        "label": "Q",
        "data": [
            {"body": f"b{number}", "$vectors": [{"propertyName": "body", "vector": [1, *rest]}]}
            for number, rest in enumerate(_numbers(1500, 5))
        ],
    },
}
"""What is sent where the recording has a text in angle brackets, from the ids of the pages before."""

_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def _without(value: Any, names: tuple[str, ...]) -> Any:
    if not names or not isinstance(value, (dict, list)):
        return value
    if isinstance(value, list):
        return [_without(item, names) for item in value]
    return {name: _without(item, names) for name, item in value.items() if name not in names}


def _is_json(response: httpx.Response) -> bool:
    return bool(response.content) and "json" in response.headers.get("content-type", "")


def _are_documents(values: list[Any]) -> bool:
    return bool(values) and all(
        isinstance(each, dict) and ("__id" in each or "id" in each) for each in values
    )


def _are_relationships(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(each, dict) and "sourceId" in each for each in values)


def _sorted(document: Any) -> str:
    return json.dumps(document, sort_keys=True)


def _looks(document: dict[str, Any]) -> str:
    """What a record or a policy says but for ids, scores, status and times."""
    passed = (*UNTOLD, "id", "__id", "__score", "status")
    said = {name: value for name, value in document.items() if name not in passed}
    whole = {name: int(each) for name, each in said.items() if isinstance(each, float) and each.is_integer()}
    return json.dumps({**said, **whole}, sort_keys=True)


def _stand_in(recorded: dict[str, Any]) -> bool:
    """A recorded answer that was cut down to what counts: its ``success`` is missing."""
    return "data" in recorded and "success" not in recorded


def _same_number(recorded: Any, ours: Any) -> bool:
    """Scores are worked out in float32."""
    return isinstance(recorded, float) and isinstance(ours, (int, float)) and abs(recorded - ours) < 1e-6
