"""The recorded traffic of a real server, sent to `serve`: its answers agree, but for listed differences."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rushmodel.backends.embedded import EmbeddedBackend
from rushmodel.serve.app import create_app

from .differences import DIFFERENCES, NEVER_SENT, Difference
from .replay import TRACES, Exchange, Outcome, Replay, Send, exchanges, formula_score

TOKEN = "a-token-for-the-replay"
FILES = sorted(path.stem for path in TRACES.glob("*.jsonl"))


@pytest.fixture
def send(tmp_path: Path) -> Iterator[Send]:
    """An application over an empty store, in this process; in memory nobody reads beside a transaction."""
    backend = EmbeddedBackend(tmp_path / "store.db", durability="normal")
    transport = httpx.ASGITransport(create_app(backend, token=TOKEN))
    loop = asyncio.new_event_loop()
    client = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    def request(method: str, path: str, headers: dict[str, str], content: bytes) -> httpx.Response:
        return loop.run_until_complete(client.request(method, path, headers=headers, content=content))

    yield request
    loop.run_until_complete(client.aclose())
    loop.close()
    backend.close()


@pytest.mark.parametrize("file", FILES)
def test_recorded_traffic(send: Send, file: str) -> None:
    """Against another server: the same with a ``send`` that speaks to it."""
    replay = Replay(send, TOKEN)
    wrong: list[str] = []
    for exchange in exchanges(file):
        if exchange.key in NEVER_SENT:
            continue
        outcome = replay.outcome(exchange)
        assert outcome.status < 500, exchange.key
        found = judged(replay, outcome, DIFFERENCES.get(exchange.key))
        wrong += [f"{exchange.key[1]}: {each}" for each in found]
    assert wrong == []


def judged(replay: Replay, outcome: Outcome, listed: Difference | None) -> list[str]:
    """What is wrong with an answer: a difference that is not listed, or a listed one that is none."""
    if listed is None:
        return outcome.differences
    if not outcome.differences:
        return [f"agrees, and is listed with {listed.rule}"]
    if outcome.status != listed.status:
        return [f"status {outcome.status}, listed with {listed.status} ({listed.rule})"]
    if listed.approximate:
        return unlike_the_formula(replay, outcome)
    if listed.deleting is not None:
        replay.delete(
            next(each for each in exchanges(outcome.exchange.key[0]) if each.key[1] == listed.deleting)
        )
    if listed.without or listed.deleting:
        return replay.outcome(outcome.exchange, listed.without).differences
    return []


def unlike_the_formula(replay: Replay, outcome: Outcome) -> list[str]:
    """Every other part of the answer agrees, and the scores are those of R10 (in float32)."""
    other = [each for each in outcome.differences if "__score" not in each]
    body = outcome.exchange.body
    similarity = body.get("similarityFunction", "cosine")
    label = body["labels"] if isinstance(body["labels"], str) else body["labels"][0]
    policy: dict[str, Any] = {
        "label": label,
        "propertyName": body["propertyName"],
        "sourceType": "external",
        "similarityFunction": similarity,
        "dimensions": len(body["queryVector"]),
    }
    hits = outcome.answer["data"]
    vectors = replay.vectors([hit["__id"] for hit in hits], policy)
    scores = [formula_score(similarity, body["queryVector"], vectors[hit["__id"]]) for hit in hits]
    return other + [
        f"{hit['__id']}: score {hit['__score']}, by the formula {score}"
        for hit, score in zip(hits, scores, strict=True)
        if abs(hit["__score"] - score) > 1e-6
    ]


def test_every_listed_difference_is_of_a_recorded_exchange() -> None:
    recorded = {exchange.key for file in FILES for exchange in exchanges(file)}
    assert DIFFERENCES.keys() | NEVER_SENT.keys() <= recorded


def test_a_difference_that_is_not_listed_is_found(send: Send) -> None:
    """The comparison can fail: other statuses, values, types, records, orders, scores."""
    replay = Replay(send, TOKEN)
    (made,) = [each for each in exchanges("11_get_update_delete") if each.key[1] == "create a"]
    assert replay.outcome(made).differences == []
    record = made.answer["data"]
    for changed in (
        {**record, "n": 2},
        {**record, "n": True},
        {**record, "tags": ["x", "y"]},
        {**record, "__proptypes": {**record["__proptypes"], "n": "string"}},
        {name: value for name, value in record.items() if name != "n"},
        {**record, "__id": "01a20646-0000-7000-8000-000000000000"},
        [record],
    ):
        answer = {"data": changed, "success": True}
        other = _get(made, record["__id"], answer)
        assert replay.outcome(other).differences, changed
    assert replay.outcome(_get(made, record["__id"], {"data": record, "success": True})).differences == []
    assert replay.outcome(_get(made, record["__id"], {}, status=404)).differences


def _get(made: Exchange, record_id: str, answer: Any, status: int = 200) -> Exchange:
    path = f"/api/v1/records/{record_id}"
    return made._replace(method="GET", path=path, body=None, status=status, answer=answer)
