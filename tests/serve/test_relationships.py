"""The endpoints of relationships and of saves with them: statuses, bodies, and what is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.serve.process import Process


@pytest.fixture(scope="module")
def process() -> Any:
    with Process("memory://") as process:
        yield process


@pytest.fixture
def client(process: Process) -> Any:
    process.clear()
    headers = {"authorization": f"Bearer {process.token}", "x-rushmodel": "1"}
    with httpx.Client(base_url=process.url, headers=headers, trust_env=False) as client:
        yield client


def made(client: httpx.Client, label: str = "A", **data: Any) -> str:
    answer = client.post("/records", json={"label": label, "data": data}).json()
    return str(answer["data"]["__id"])


def edges(client: httpx.Client) -> list[Any]:
    found: list[Any] = client.post("/relationships/search", json={}).json()["data"]
    return found


GRAPH: dict[str, Any] = {
    "writes": [
        {"label": "Author", "data": {"name": "Ada"}, "key": ["name"]},
        {"label": "Article", "data": {"title": "one"}},
    ],
    "links": [{"source": 0, "target": 1, "type": "WROTE", "data": {"at": 1843}}],
}


def test_a_graph_is_saved_as_a_whole(client: httpx.Client) -> None:
    answer = client.post("/graph", json=GRAPH)
    assert answer.status_code == 200
    ada, one = answer.json()["data"]["written"]
    assert (ada["created"], one["created"], ada["version"]) == (True, True, 1)
    (edge,) = edges(client)
    assert (edge["sourceId"], edge["targetId"], edge["properties"]) == (ada["id"], one["id"], {"at": 1843})
    again = client.post("/graph", json=GRAPH).json()["data"]["written"]
    assert (again[0]["id"], again[0]["created"], again[1]["created"]) == (ada["id"], False, True)
    links = [{"source": ada["id"], "target": ada["id"], "type": "SELF"}]
    unlinks = [{"record": ada["id"], "types": ["WROTE"], "direction": "out", "keep": [one["id"]]}]
    answer = client.post("/graph", json={"links": links, "unlinks": unlinks})
    assert answer.json()["data"] == {"written": [], "linked": 1}
    assert sorted(each["type"] for each in edges(client)) == ["SELF", "WROTE"]


def test_vectors_and_guards_go_with_a_graph(client: httpx.Client) -> None:
    policy = {"label": "Article", "propertyName": "body", "external": True, "dimensions": 2}
    client.post("/ai/indexes", json=policy)
    signature = {
        "label": "Article",
        "propertyName": "body",
        "sourceType": "external",
        "similarityFunction": "cosine",
        "dimensions": 2,
    }
    write = {"label": "Article", "data": {"body": "b"}, "vectors": [{**signature, "vector": [1, 0]}]}
    (written,) = client.post("/graph", json={"writes": [write]}).json()["data"]["written"]
    asked = {"ids": [written["id"]], "policies": [signature]}
    held = client.post("/records/vectors", json=asked).json()["data"][0]["vectors"]
    assert held[0]["vector"] == [1, 0]
    guard = {"field": "v", "property": "body", "text": "other", "signatures": [signature], "action": "raise"}
    change = {"label": "Article", "id": written["id"], "data": {"body": "other"}, "guards": [guard]}
    stale = client.post("/graph", json={"writes": [change]})
    assert (stale.status_code, stale.json()["code"], stale.json()["details"]["index"]) == (
        409,
        "StaleVector",
        0,
    )
    dropped = client.post("/graph", json={"writes": [{**change, "guards": [{**guard, "action": "drop"}]}]})
    assert dropped.json()["data"]["written"][0]["dropped"] == [signature]


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"writes": 5}, 400, "writes: expected a list"),
        ({"writes": [{"label": "A", "data": 5}]}, 400, "writes[0].data"),
        ({"writes": [{"label": "A", "data": {"$n": 1}}]}, 400, "writes[0].data"),
        ({"writes": [{"label": "A", "data": {}, "kind": 1}]}, 400, "unknown key 'kind'"),
        ({"links": [{"source": 0, "target": 9, "type": "T"}]}, 400, "9"),
        ({"links": [{"source": 0, "target": "nobody", "type": "T"}]}, 404, "nobody"),
        ({"links": [{"source": 0, "target": True, "type": "T"}]}, 400, "target"),
        ({"links": [{"source": 0, "target": 1, "type": "A B"}]}, 400, "links[0].type"),
        ({"links": [{"source": 0, "target": 1, "type": "T", "data": {"type": 1}}]}, 400, "reserved"),
        ({"unlinks": [{"record": 0, "direction": "both"}]}, 400, "direction"),
        ({"more": 1}, 400, "unknown key 'more'"),
    ],
)
def test_a_graph_that_is_none_leaves_nothing(
    client: httpx.Client, changes: dict[str, Any], status: int, words: str
) -> None:
    answer = client.post("/graph", json={**GRAPH, **changes})
    assert (answer.status_code, words in answer.json()["message"]) == (status, True), answer.json()
    assert client.post("/records/search", json={}).json()["total"] == 0


def test_related_records(client: httpx.Client) -> None:
    one, other, third = made(client, n=1), made(client, n=2), made(client, "B", n=3)
    client.post(
        f"/relationships/{one}", json={"targetIds": [other, third], "type": "T", "properties": {"w": 1}}
    )
    body = {"ids": [other, one], "label": "A"}
    found = client.post("/graph/related", json=body).json()["data"]
    places = {record["__id"]: place for place, record in enumerate(found["records"])}
    assert found["links"] == [[other, places[one], {"w": 1}], [one, places[other], {"w": 1}]]
    related: dict[str, Any] = {
        "ids": [one],
        "label": "B",
        "type": "T",
        "direction": "out",
        "where": {"n": {"$gt": 3}},
    }
    assert client.post("/graph/related", json=related).json()["data"] == {"records": [], "links": []}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "targetIds"),
        ({"targetIds": 5}, "targetIds"),
        ({"targetIds": [""]}, "targetIds"),
        ({"targetIds": "x", "type": ""}, "type"),
        ({"targetIds": "x", "direction": "both"}, "direction"),
        ({"targetIds": "x", "properties": {"o": {"a": 1}}}, "'o'"),
        ({"targetIds": "x", "properties": [1]}, "properties"),
    ],
)
def test_attaching_what_cannot_be(client: httpx.Client, body: dict[str, Any], words: str) -> None:
    record = made(client, n=1)
    answer = client.post(f"/relationships/{record}", json=body)
    assert answer.status_code == 400
    assert words in answer.json()["message"]
    assert edges(client) == []
