"""The unkind server does what the other tests take for granted."""

from __future__ import annotations

import socket
import time

import httpx
import pytest

from tests.unkind.process import unkind

__all__ = ["unkind"]

POLICY = {"label": "Article", "propertyName": "body", "sourceType": "external", "dimensions": 3}
VECTORS = [{"propertyName": "body", "vector": [1, 2, 3]}]
SEARCH = {
    "labels": ["Article"],
    "propertyName": "body",
    "queryVector": [1, 2, 3],
    "sourceType": "external",
    "where": {"year": {"$exists": True}},
}


def create(client, data=None, vectors=VECTORS, **options):
    body = {
        "label": "Article",
        "data": data or {"slug": "warp", "body": "text", "year": 2026},
        "vectors": vectors,
        "options": {"suggestTypes": True, **options},
    }
    answer = client.post("/records", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]["__id"]


def hits(client, **more):
    answer = client.post("/ai/search", json={**SEARCH, **more})
    assert answer.status_code == 200, answer.text
    return len(answer.json()["data"])


def found(client, where):
    answer = client.post("/records/search", json={"labels": ["Article"], "where": where})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert len(page["data"]) == page["total"]
    return page["total"]


@pytest.fixture
def client(unkind):
    """Of a RushDB server with a policy."""
    unkind.faults(rushdb=True)
    with unkind.client() as client:
        client.post("/ai/indexes", json=POLICY).raise_for_status()
        yield client


def test_it_is_serve_without_faults(unkind):
    with unkind.client() as client:
        client.post("/ai/indexes", json=POLICY).raise_for_status()
        record_id = create(client)
        answer = client.patch(f"/records/{record_id}", json={"label": "Article", "data": {"year": 1}})
        assert "x-rushmodel" in answer.headers
        assert hits(client, where={}) == 1


def test_no_extensions(unkind, client):
    headers = {"x-rushmodel": "1", "if-match": "77"}
    record_id = create(client)
    answer = client.patch(f"/records/{record_id}", json={"data": {"year": 1}}, headers=headers)
    assert answer.status_code == 201
    assert "__version" not in answer.json()["data"]
    assert "x-rushmodel" not in answer.headers
    assert client.post("/records/vectors", json={"ids": [], "policies": []}).status_code == 404
    assert httpx.get(f"{unkind.url}/ai/indexes").status_code == 403


@pytest.mark.parametrize("verb", ["patch", "put"])
def test_it_forgets_vectors(client, verb):
    record_id = create(client)
    data = {"slug": "warp", "body": "text", "year": 1}
    body = {"label": "Article", "data": data, "vectors": VECTORS}
    assert getattr(client, verb)(f"/records/{record_id}", json=body).status_code == 201
    assert hits(client) == 1
    refused = {**body, "vectors": [{"propertyName": "body", "vector": [1]}]}
    assert getattr(client, verb)(f"/records/{record_id}", json=refused).status_code == 404
    assert hits(client) == 1
    assert getattr(client, verb)(f"/records/{record_id}", json={"data": data}).status_code == 201
    assert hits(client) == 0


def test_it_forgets_one_of_several_vectors(client):
    client.post("/ai/indexes", json={**POLICY, "similarityFunction": "euclidean"}).raise_for_status()
    both = [{**VECTORS[0], "similarityFunction": each} for each in ("cosine", "euclidean")]
    record_id = create(client, vectors=both)
    body = {"label": "Article", "data": {"year": 1}, "vectors": both[1:]}
    assert client.patch(f"/records/{record_id}", json=body).status_code == 201
    assert hits(client, similarityFunction="cosine") == 0
    assert hits(client, similarityFunction="euclidean") == 1


def test_upserts_keep_vectors_unless_they_rewrite(client):
    data = {"slug": "warp", "body": "other", "year": 1}
    create(client)
    create(client, data, (), mergeBy=["slug"])
    rows = {"label": "Article", "data": [data], "options": {"suggestTypes": True, "mergeBy": ["slug"]}}
    assert client.post("/records/import/json", json=rows).status_code == 201
    assert hits(client) == 1
    create(client, data, (), mergeBy=["slug"], mergeStrategy="rewrite")
    assert hits(client) == 0


def test_it_ignores_vectors_without_their_text(client):
    create(client, {"slug": "bare", "year": 1})
    rows = {"label": "Article", "data": [{"slug": "bare", "year": 1, "$vectors": VECTORS}]}
    for returned in (True, False):
        options = {"suggestTypes": True, "returnResult": returned}
        answer = client.post("/records/import/json", json={**rows, "options": options})
        assert answer.status_code == 201
    assert found(client, {"slug": "bare"}) == 3
    assert hits(client) == 0


def test_it_searches_as_a_server_does(client):
    create(client)
    assert hits(client) == 1
    assert hits(client, where={}) == 0  # approximate
    unsaid = {key: value for key, value in SEARCH.items() if key != "sourceType"}
    assert client.post("/ai/search", json=unsaid).status_code == 404
    assert client.post("/ai/search", json={**SEARCH, "similarityFunction": "euclidean"}).status_code == 404
    client.post("/ai/indexes", json={**POLICY, "label": "Other"}).raise_for_status()
    assert hits(client, labels=["Other", "Article"]) == 0  # the first label only


def test_it_misreads_conditions(client):
    create(client)
    assert found(client, {"year": 2026}) == 1
    assert found(client, {"$not": {"$or": [{"year": 1}, {"slug": "x"}]}}) == 1
    for where in (
        {"$and": [{"$not": {"year": 1}}]},
        {"$or": [{"year": 2026}, {"$and": [{"$not": {"year": 1}}]}]},
        {"$not": {"$or": [{"$not": {"year": 2026}}]}},
        {"__label": "Article"},
    ):
        assert found(client, where) == 0
        assert hits(client, where=where) == 0
        client.post("/records/delete", json={"labels": ["Article"], "where": where}).raise_for_status()
    failed = client.post("/records/search", json={"where": {"year": {"$not": {"$gt": 1}}}})
    assert failed.status_code == 500
    assert found(client, {"year": 2026}) == 1


def test_a_deletion_without_where_takes_everything(client):
    create(client)
    assert client.post("/records/delete", json={"labels": ["Nothing"]}).status_code == 201
    assert found(client, {}) == 0


def test_statistics_of_nothing(client):
    answer = client.get("/ai/indexes/no-such-index/stats")
    assert answer.json()["data"] == {"totalRecords": 0, "indexedRecords": 0}


def test_faults_strike_what_they_are_meant_to(unkind):
    with unkind.client() as client:
        unkind.faults(status={"code": 502, "count": 2, "skip": 1, "method": "GET", "path": "/ai/*"})
        codes = [client.get("/ai/indexes").status_code for _ in range(4)]
        assert codes == [200, 502, 502, 200]
        assert client.get("/settings").status_code == 200
    assert [each.fault for each in unkind.requests] == [None, "status", "status", None, None]
    unkind.faults(status=[{"code": 429, "retry_after": 7, "count": 1}, {"code": 500}])
    with unkind.client() as client:
        first, second = client.get("/settings"), client.get("/settings")
    assert (first.status_code, first.headers["retry-after"]) == (429, "7")
    assert (second.status_code, second.json()) == (500, {})
    assert unkind.faults(reset=True) == {}
    assert unkind.requests == []
    with pytest.raises(AssertionError, match="there is no fault 'mood'"):
        unkind.faults(mood="bad")
    with pytest.raises(AssertionError, match="status takes"):
        unkind.faults(status={"mood": "bad"})


def raw(unkind, body=b'{"label":"Article","data":{"slug":"raw"}}'):
    """Send a creation by hand; what comes back until the end, and how long that took."""
    begin = time.monotonic()
    head = (
        f"POST /api/v1/records HTTP/1.1\r\nhost: 127.0.0.1:{unkind.port}\r\n"
        f"authorization: Bearer {unkind.token}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", unkind.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        pieces = []
        try:
            while piece := connection.recv(1 << 16):
                pieces.append(piece)
        except ConnectionResetError:
            pieces.append(b"RESET")
    return b"".join(pieces), time.monotonic() - begin


def records(unkind):
    unkind.faults(reset=True)
    with unkind.client() as client:
        return client.post("/records/search", json={}).json()["total"]


@pytest.mark.parametrize("fault", [{"cut": True}, {"cut": {"reset": True}}, {"after": {"how": "cut"}}])
def test_a_cut_connection_is_really_cut(unkind, fault):
    unkind.faults(**fault)
    answer, seconds = raw(unkind)
    assert answer in (b"", b"RESET")
    assert seconds < 3
    if fault.get("cut") == {"reset": True}:
        assert answer == b"RESET"
    assert records(unkind) == ("after" in fault)


def test_an_answer_is_cut_in_the_middle(unkind):
    unkind.faults(after={"how": "middle"})
    answer, seconds = raw(unkind)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    assert head.startswith(b"HTTP/1.1 201")
    assert 0 < len(body) < length
    assert seconds < 3
    assert records(unkind) == 1


def test_slow_bodies_latency_and_silence(unkind):
    with unkind.client() as client:
        for name, options in (("slow", {"seconds": 0.05, "pieces": 6}), ("latency", {"seconds": 0.3})):
            unkind.faults(reset=True, **{name: options})
            begin = time.monotonic()
            assert client.get("/settings").json()["success"]
            assert time.monotonic() - begin >= 0.3
        for fault in ({"silent": True}, {"after": {"how": "silent"}}):
            unkind.faults(reset=True, **fault)
            with pytest.raises(httpx.ReadTimeout):
                client.get("/settings", timeout=0.2)


def test_pages_of_proxies_and_redirects(unkind):
    with unkind.client() as client:
        unkind.faults(html={"code": 200})
        assert client.get("/settings").text.startswith("<html>")
        unkind.faults(html=False, redirect={"to": "http://127.0.0.1:9/x", "code": 308})
        answer = client.get("/settings")
        assert (answer.status_code, answer.headers["location"]) == (308, "http://127.0.0.1:9/x")
        unkind.faults(redirect=False, status={"code": 400, "echo": True})
        assert unkind.token in client.get("/settings").text
        unkind.faults(status=False, after={"how": 504})
        assert client.post("/records", json={"label": "A", "data": {"a": 1}}).status_code == 504
    assert records(unkind) == 1
