"""The endpoints one by one: what they answer, what they refuse, and what they make of a request."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushmodel.errors import (
    CapabilityError,
    ForeignFile,
    PropertyError,
    QueryError,
    RushModelError,
    StoreBusy,
    StoreClosed,
    StoreError,
    StoreTimeout,
    VectorError,
)
from rushmodel.operations.raw_values import as_texts
from rushmodel.port import Signature
from rushmodel.serve.answers import failed
from rushmodel.wire import routes
from rushmodel.wire.documents import signature_document
from rushmodel.wire.routes import PREFIX

from .server import ROUTES, Server

COSINE = {"label": "A", "propertyName": "body", "external": True, "dimensions": 3}


@pytest.fixture
def server() -> Iterator[Server]:
    opened = Server()
    yield opened
    opened.close()


def vector(*numbers: float, **rest: Any) -> list[dict[str, Any]]:
    return [{"propertyName": "body", "vector": list(numbers), **rest}]


# -- policies


def test_policies(server: Server) -> None:
    made = server.ask(routes.CREATE_POLICY, {**COSINE, "unknown": 1})
    assert made["vectorPropertyName"] == "_emb_external_cosine_3"
    assert made["status"] == "awaiting_vectors"
    assert server.ask(routes.LIST_POLICIES) == [made]
    assert server.refused(routes.CREATE_POLICY, COSINE)[0] == 409
    record = server.ask(routes.CREATE_RECORD, {"label": "A", "data": {"body": "x"}})
    items = {"items": [{"recordId": record["__id"], "vector": [1, 0, 0], "unknown": 1}], "unknown": 1}
    assert server.ask(routes.UPSERT_VECTORS, items, made["id"]) == {"updated": 1, "requested": 1}
    stats = {"totalRecords": 1, "indexedRecords": 1}
    assert server.ask(routes.POLICY_STATS, None, made["id"]) == stats
    assert server.ask(routes.DELETE_POLICY, None, made["id"]) == {"deleted": True, "queued": True}
    assert server.refused(routes.DELETE_POLICY, None, made["id"])[0] == 404
    assert server.refused(routes.POLICY_STATS, None, made["id"])[0] == 404


@pytest.mark.parametrize("key", ["label", "propertyName", "sourceType", "external", "dimensions"])
def test_a_policy_is_not_made_of_nulls(server: Server, key: str) -> None:
    status, message = server.refused(routes.CREATE_POLICY, {**COSINE, key: None})
    assert status == 400
    assert key in message


def test_a_managed_policy_waits_for_an_embedder(server: Server) -> None:
    made = server.ask(routes.CREATE_POLICY, {"label": "A", "propertyName": "body"})
    assert (made["status"], made["dimensions"]) == ("pending", None)
    search = {"labels": ["A"], "propertyName": "body", "query": "words"}
    status, message = server.refused(routes.SEARCH_VECTORS, search)
    assert status == 422
    assert "embedder" in message


# -- records


def test_types_are_told_apart_unless_the_options_say_no(server: Server) -> None:
    data = {"n": 5, "f": 1.5, "b": True, "d": "2024-01-01", "l": [1, 2.5], "s": "x"}
    kinds = {"n": "number", "f": "number", "b": "boolean", "d": "datetime", "l": "number", "s": "string"}
    texts = {"n": "5", "f": "1.5", "b": "true", "d": "2024-01-01", "l": ["1", "2.5"], "s": "x"}
    for options in (None, {}, {"suggestTypes": True}, {"returnResult": False}):
        body = {"label": "A", "data": data, "options": options}
        assert server.ask(routes.CREATE_RECORD, body)["__proptypes"] == kinds
    record = server.ask(
        routes.CREATE_RECORD, {"label": "A", "data": data, "options": {"suggestTypes": False}}
    )
    assert set(record["__proptypes"].values()) == {"string"}
    assert {name: record[name] for name in texts} == texts
    assert server.ask(routes.GET_RECORD, None, record["__id"]) == record
    patched = server.ask(
        routes.PATCH_RECORD, {"data": {"n": 1e-7}, "options": {"suggestTypes": False}}, record["__id"]
    )
    assert patched["n"] == "1e-7"
    # An import with options that do not ask for types stores texts, one without options does not (R14).
    (row,) = server.ask(routes.IMPORT_JSON, {"label": "B", "data": data, "options": {"returnResult": True}})
    assert {name: row[name] for name in texts} == texts
    assert row["__proptypes"]["d"] == "string"
    assert server.ask(routes.IMPORT_JSON, {"label": "C", "data": data}) is True
    (row,) = server.ask(routes.FIND_RECORDS, {"labels": ["C"]})
    assert row["__proptypes"] == kinds


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (5.0, "5"),
        (-3, "-3"),
        (1.5, "1.5"),
        (0.0, "0"),
        (-0.0, "0"),
        (100.0, "100"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (-1.25e-9, "-1.25e-9"),
        (123456.789, "123456.789"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (123456789012345680000.0, "123456789012345680000"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
    ],
)
def test_numbers_as_javascript_prints_them(number: float, text: str) -> None:
    assert as_texts({"n": number, "l": [number]}) == {"n": text, "l": [text]}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_as_text_is_the_same_number(number: float) -> None:
    text = as_texts({"n": number})["n"]
    assert isinstance(text, str)
    assert float(text) == number
    assert len(text) <= 25


def test_both_forms_of_a_change(server: Server) -> None:
    record = server.ask(routes.CREATE_RECORD, {"label": "A", "data": {"a": 1, "b": 2}})["__id"]
    assert server.ask(routes.PATCH_RECORD, {"data": {"a": 3, "b": None}}, record)["a"] == 3
    flat = server.ask(routes.PATCH_RECORD, {"b": 4, "label": "A", "options": {"foo": 1}}, record)
    assert (flat["a"], flat["b"]) == (3, 4)
    assert "label" not in flat
    assert "options" not in flat
    put = server.ask(routes.PUT_RECORD, {"c": 5}, record)
    assert put["__proptypes"] == {"c": "number"}
    assert server.ask(routes.PUT_RECORD, {"data": {}}, record)["__proptypes"] == {}
    moved = server.ask(routes.PATCH_RECORD, {"label": "B", "data": {"c": 6}}, record)
    assert moved["__label"] == "B"


def test_a_list_of_properties_is_a_record(server: Server) -> None:
    properties = [
        {"name": "s", "type": "string", "value": "2024-01-01"},
        {"name": "d", "type": "datetime", "value": "2024-01-01"},
        {"name": "n", "type": "number", "value": [1, 2.5]},
        {"name": "m", "type": "number", "value": "1;2.5", "valueSeparator": ";"},
        {"name": "b", "type": "boolean", "value": "true,false", "valueSeparator": ","},
        {"name": "x", "type": "string", "value": None},
    ]
    made = server.ask(routes.CREATE_RECORD, {"label": "A", "properties": properties})
    assert made["__proptypes"] == {
        "s": "string",
        "d": "datetime",
        "n": "number",
        "m": "number",
        "b": "boolean",
    }
    assert (made["m"], made["b"]) == ([1, 2.5], [True, False])
    for wrong in (
        {"name": "a", "type": "int", "value": 5},
        {"name": "a", "type": "number", "value": "abc"},
        {"name": "a", "type": "number", "value": True},
        {"name": "a", "type": "number", "value": "1,x", "valueSeparator": ","},
        {"name": "a", "type": "string", "value": ["a"], "valueSeparator": ","},
        {"name": "a", "type": "datetime", "value": "yesterday"},
        {"name": 5, "type": "string", "value": "x"},
        {"name": "$a", "type": "string", "value": "x"},
        "a",
    ):
        assert server.refused(routes.CREATE_RECORD, {"label": "A", "properties": [wrong]})[0] == 400
    assert server.refused(routes.CREATE_RECORD, {"label": "A"})[0] == 400


def test_deletions_are_never_of_everything(server: Server) -> None:
    server.ask(routes.IMPORT_JSON, {"label": "A", "data": [{"n": 1}, {"n": 2}, {"n": 3}]})
    unbounded: tuple[dict[str, Any], ...] = ({}, {"where": {}}, {"labels": [], "where": None}, {"foo": 1})
    for body in unbounded:
        assert server.refused(routes.DELETE_RECORDS, body)[0] == 400
    assert server.refused(routes.DELETE_RECORDS, {"labels": ["A"], "limit": 1})[0] == 400
    server.ask(routes.DELETE_RECORDS, {"where": {"n": 1}, "unknown": 1})
    server.ask(routes.DELETE_RECORD, None, "no such id")
    assert len(server.ask(routes.FIND_RECORDS, {})) == 2
    server.ask(routes.DELETE_RECORDS, {"labels": ["A"]})
    assert server.ask(routes.FIND_RECORDS, {}) == []


def test_a_page_tells_how_many_there_are(server: Server) -> None:
    server.ask(routes.IMPORT_JSON, {"label": "A", "data": [{"n": number} for number in range(12)]})
    body = {"labels": ["A"], "limit": 3, "skip": 2, "orderBy": {"n": "asc"}, "foo": 1}
    response = server.send("POST", "/api/v1/records/search", body)
    assert response.json()["total"] == 12
    assert [each["n"] for each in response.json()["data"]] == [2, 3, 4]
    assert server.refused(routes.FIND_RECORDS, {"limit": 1001})[0] == 400
    assert server.refused(routes.FIND_RECORDS, {"where": {"n": {"$foo": 1}}})[0] == 400
    assert server.refused(routes.FIND_RECORDS, {"groupBy": ["n"]})[0] == 400
    assert server.refused(routes.FIND_RECORDS, {"where": {"B": {"$relation": 5}}})[0] == 400


# -- imports of JSON


def test_imports(server: Server) -> None:
    wanted = {"returnResult": True, "suggestTypes": True, "unknown": 1}
    several = server.ask(
        routes.IMPORT_JSON, {"data": {"Car": [{"m": "a"}, {"m": "b"}], "Bike": {"m": "c"}}, "options": wanted}
    )
    assert [(each["__label"], each["m"]) for each in several] == [("Car", "a"), ("Car", "b"), ("Bike", "c")]
    texts = {'[{"a":1}]': [1], '{"a":1}\n\n{"a":2}\n': [1, 2], '{"a":3}': [3]}
    for text, numbers in texts.items():
        rows = server.ask(routes.IMPORT_JSON, {"label": "N", "data": text, "options": wanted})
        assert [row["a"] for row in rows] == numbers
    body = {"label": "N", "data": '{"a":1}', "format": "jsonl", "options": wanted}
    assert len(server.ask(routes.IMPORT_JSON, body)) == 1
    nothing: tuple[Any, ...] = ([], {})
    for data in nothing:
        assert server.ask(routes.IMPORT_JSON, {"label": "N", "data": data}) is True
    many: dict[str, Any] = {
        "label": "M",
        "data": [{"a": number} for number in range(1001)],
        "options": wanted,
    }
    assert server.ask(routes.IMPORT_JSON, many)["count"] == 1001
    many["data"] = many["data"][:1000]
    assert len(server.ask(routes.IMPORT_JSON, many)) == 1000


@pytest.mark.parametrize(
    "body",
    [
        {"label": "N"},
        {"label": "N", "data": 5},
        {"label": "N", "data": [1, 2]},
        {"label": "N", "data": [None]},
        {"label": "N", "data": "nope"},
        {"label": "N", "data": '{"a":', "format": "json"},
        {"label": "", "data": [{"a": 1}]},
        {"data": [{"a": 1}]},
        {"data": {"a": 1}},
        {"data": {}},
        {"label": "N", "data": [{"a": 1}], "options": 5},
        {"label": "N", "data": [{"a": 1}], "options": {"returnResult": "yes"}},
        {"label": "N", "data": [{"a": 1}], "vectors": [[]]},
    ],
    ids=str,
)
def test_what_no_import_is_made_of(server: Server, body: dict[str, Any]) -> None:
    assert server.refused(routes.IMPORT_JSON, body)[0] == 400
    assert server.ask(routes.FIND_RECORDS, {}) == []


# -- vectors and search


def test_a_search(server: Server) -> None:
    server.ask(routes.CREATE_POLICY, COSINE)
    server.ask(
        routes.IMPORT_JSON,
        {"label": "A", "data": [{"body": f"b{n}", "$vectors": vector(1, n, 0, unknown=1)} for n in range(5)]},
    )
    body = {"labels": "A", "propertyName": "body", "queryVector": [1, 0, 0], "limit": 2, "unknown": 1}
    hits = server.ask(routes.SEARCH_VECTORS, body)
    assert [hit["body"] for hit in hits] == ["b0", "b1"]
    assert hits[1]["__score"] == pytest.approx((1 + 1 / math.sqrt(2)) / 2, abs=1e-6)
    assert [hit["body"] for hit in server.ask(routes.SEARCH_VECTORS, {**body, "limit": 2.9})] == ["b0", "b1"]
    assert [hit["body"] for hit in server.ask(routes.SEARCH_VECTORS, {**body, "skip": "3"})] == ["b3", "b4"]
    for changed, status in (
        ({"queryVector": [1, 0]}, 404),
        ({"queryVector": []}, 404),
        ({"dimensions": 4}, 404),
        ({"queryVector": [1, 0], "dimensions": 3}, 422),
        ({"propertyName": "zzz"}, 404),
        ({"labels": ["Zzz"]}, 404),
        ({"similarityFunction": "dot"}, 404),
        ({"sourceType": "managed"}, 404),
        ({"query": "words"}, 422),
        ({"queryVector": None}, 422),
        ({"queryVector": [0, 0, 0]}, 422),
        ({"limit": -1}, 400),
        ({"limit": 10_001}, 400),
        ({"limit": 1e300}, 400),
        ({"skip": 1.5, "limit": "x"}, 400),
        ({"where": [1]}, 400),
        ({"labels": []}, 400),
        ({"labels": None}, 400),
        ({"propertyName": None}, 400),
    ):
        assert server.refused(routes.SEARCH_VECTORS, {**body, **changed})[0] == status, changed
    where = {"body": {"$in": ["b3", "b4"]}}
    assert [hit["body"] for hit in server.ask(routes.SEARCH_VECTORS, {**body, "where": where})] == [
        "b3",
        "b4",
    ]


def test_vectors_come_back(server: Server) -> None:
    policy = server.ask(routes.CREATE_POLICY, COSINE)
    written: tuple[list[float], ...] = ([0.1, -2.5, 1e-3], [], [1, 2, 3])
    made = [
        server.ask(
            routes.CREATE_RECORD,
            {"label": "A", "data": {"body": "x"}, "vectors": vector(*numbers) if numbers else None},
        )["__id"]
        for numbers in written
    ]
    signature = {key: policy[key] for key in signature_document(Signature("", "", "external", "cosine", 1))}
    body = {"ids": [made[2], "unknown", made[1], made[0], made[2]], "policies": [signature]}
    found = server.ask(routes.GET_VECTORS, body)
    assert [each["__id"] for each in found] == [made[2], made[1], made[0]]
    assert found[1]["vectors"] == []
    (held,) = found[2]["vectors"]
    assert (
        np.array(held.pop("vector"), np.float32).tolist() == np.array([0.1, -2.5, 1e-3], np.float32).tolist()
    )
    assert held == signature
    for wrong in (
        {},
        {"ids": made},
        {"ids": "x", "policies": [signature]},
        {"ids": made, "policies": [{**signature, "similarityFunction": None}]},
        {"ids": made, "policies": [{**signature, "dimensions": "3"}]},
        {"ids": made, "policies": [5]},
        {"ids": made, "policies": [signature], "unknown": 1},
    ):
        assert server.refused(routes.GET_VECTORS, wrong)[0] == 400


def test_an_answer_does_not_grow_without_bounds() -> None:
    server = Server(vectors=4, hits=5)
    signature = signature_document(Signature("A", "body", "external", "cosine", 3))
    ids = ["a", "b", "c"]
    assert server.ask(routes.GET_VECTORS, {"ids": ids, "policies": [signature]}) == []
    assert server.refused(routes.GET_VECTORS, {"ids": ids, "policies": [signature] * 2})[0] == 413
    body = {"labels": "A", "propertyName": "body", "queryVector": [1, 0, 0], "limit": 6}
    assert server.refused(routes.SEARCH_VECTORS, body)[0] == 400
    server.close()


def test_what_clients_of_the_extensions_can_do(server: Server) -> None:
    server.ask(routes.CREATE_POLICY, COSINE)
    body = {"label": "A", "data": {"body": "x"}, "vectors": vector(1, 0, 0)}
    plain = server.ask(routes.CREATE_RECORD, body)
    assert "__version" not in plain
    record = plain["__id"]
    seen = server.ask(routes.GET_RECORD, None, record, x_rushmodel="1")
    assert seen["__version"] == 1
    changed = server.ask(routes.PATCH_RECORD, {"data": {"n": 1}}, record, if_match="1", x_rushmodel="1")
    assert changed["__version"] == 2
    for route in (routes.PATCH_RECORD, routes.PUT_RECORD):
        assert server.refused(route, {"data": {"n": 2}}, record, if_match="1")[0] == 409
        assert server.refused(route, {"data": {"n": 2}}, record, if_match="x")[0] == 400
    assert server.ask(routes.PATCH_RECORD, {"data": {"n": 3}}, record, if_match='"2"')["n"] == 3
    search = {"labels": ["A"], "propertyName": "body", "queryVector": [1, 0, 0]}
    for hits in (
        server.ask(routes.SEARCH_VECTORS, search, x_rushmodel="1"),
        server.ask(routes.FIND_RECORDS, {}, x_rushmodel="1"),
    ):
        assert [hit["__version"] for hit in hits] == [3]
    options = {"returnResult": True}
    made = server.ask(
        routes.IMPORT_JSON, {"label": "B", "data": {"n": 1}, "options": options}, x_rushmodel="1"
    )
    assert made[0]["__version"] == 1
    away = {"label": "A", "data": {}, "vectors": [{"propertyName": "body", "vector": None, "dimensions": 3}]}
    assert server.refused(routes.PATCH_RECORD, away, record)[0] == 422
    assert len(server.ask(routes.SEARCH_VECTORS, search)) == 1
    server.ask(routes.PATCH_RECORD, away, record, x_rushmodel="1")
    assert server.ask(routes.SEARCH_VECTORS, search) == []


def test_one_vector_too_bad_and_nothing_is_written(server: Server) -> None:
    server.ask(routes.CREATE_POLICY, COSINE)
    for wrong, status in (
        (vector(1, 0), 404),
        (vector(), 404),
        (vector(1, 0, 0, similarityFunction="dot"), 404),
        (vector(1, 0, 0, similarityFunction="euclidean"), 404),
        ([{"vector": [1, 0, 0]}], 404),
        ([{"propertyName": "body"}], 422),
        (vector(0, 0, 0), 422),
        (vector(1, 1e300, 0), 422),
        ([{"propertyName": "body", "vector": [1, "0", 0]}], 422),
        ({"propertyName": "body", "vector": [1, 0, 0]}, 422),
    ):
        body = {"label": "A", "data": {"body": "x"}, "vectors": wrong}
        assert server.refused(routes.CREATE_RECORD, body)[0] == status, wrong
        rows = [{"body": "y"}, {"body": "x", "$vectors": wrong}]
        assert server.refused(routes.IMPORT_JSON, {"label": "A", "data": rows})[0] == status, wrong
    assert server.ask(routes.FIND_RECORDS, {}) == []


# -- what stands around


def test_settings(server: Server) -> None:
    assert server.ask(routes.SETTINGS)["selfHosted"] is True
    assert server.ask(routes.SETTINGS).keys() - server.ask(routes.DASHBOARD_SETTINGS) == {"customDb"}


def test_every_route_of_the_table_is_there_and_asks_for_the_token(server: Server) -> None:
    for route in ROUTES:
        path = PREFIX + route.path.replace("{id}", "x")
        response = server.send(route.method, path, {}, authorization="Bearer wrong")
        assert response.status_code == 403, route
        assert "x-rushmodel" not in response.headers
        document = server.send(route.method, path, {}).json()
        assert not str(document.get("message")).startswith("Cannot"), route


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/nope"),
        ("PUT", "/api/v1/records"),
        ("GET", "/api/v1/records"),
        ("GET", "/api/v1/ai/search"),
        ("POST", "/api/v1/records/"),
        ("POST", "/records"),
        ("GET", "/"),
        ("GET", "/api/v1/records/a/b"),
        ("GET", "/api/v1/labels/search"),
    ],
)
def test_what_is_not_there(server: Server, method: str, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}):
        response = server.send(method, path, **headers)
        assert response.status_code == 404
        assert response.json() == {
            "message": f"Cannot {method} {path}",
            "error": "Not Found",
            "statusCode": 404,
        }


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (StoreTimeout("this took longer than 30 s"), 408, "30 s"),
        (StoreBusy("/secret/a.db is locked"), 503, "busy"),
        (StoreClosed("/secret/a.db was closed"), 503, "closed"),
        (ForeignFile("/secret/a.db belongs to another"), 503, "log"),
        (StoreError("/secret/a.db is damaged"), 503, "log"),
        (CapabilityError("no such thing here"), 422, "no such"),
        (PropertyError("bad property"), 400, "bad property"),
        (PropertyError("no property", status=404), 404, "no property"),
        (VectorError("bad vector"), 422, "bad vector"),
        (QueryError("bad query"), 400, "bad query"),
    ],
)
def test_errors_and_their_answers(error: RushModelError, status: int, said: str) -> None:
    response = failed(error)
    document = json.loads(bytes(response.body))
    assert response.status_code == document["statusCode"] == status
    assert said in document["message"]
    assert "secret" not in document["message"]
    assert ("retry-after" in response.headers) == isinstance(error, StoreBusy)


def test_a_closed_store_is_out_of_order(server: Server) -> None:
    server.store.close()
    assert server.refused(routes.FIND_RECORDS, {}) == (503, "the store is closed")
