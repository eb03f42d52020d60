"""Packed vectors mean the same numbers as lists, bit for bit, and only to callers that ask for more."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rushmodel.backends.rest.calls import Answer
from rushmodel.backends.rest.saving import save_records
from rushmodel.backends.rest.server import Server as Client
from rushmodel.port import (
    ImportRecords,
    PatchRecord,
    RecordWrite,
    SaveGraph,
    SaveRecords,
    SearchVectors,
    Signature,
    UpsertVectors,
    VectorWrite,
)
from rushmodel.vectors import as_vector
from rushmodel.wire import routes
from rushmodel.wire.bodies import dumps
from rushmodel.wire.documents import read_vectors, signature_document
from rushmodel.wire.packing import pack_vector, unpack_vector
from rushmodel.wire.routes import PREFIX, Route

from .server import Server

SIGNATURE = Signature("A", "body", "external", "cosine", 3)
EXTENDED = {"x_rushmodel": "1"}
GOOD = pack_vector(np.array([1.0, 2.0, 3.0], np.float32))
BITS = st.lists(st.integers(0, 2**32 - 1), max_size=9).map(lambda bits: np.array(bits, np.uint32))
HYPOTHESIS = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2**40), max_value=2**40)
THREE = st.tuples(FINITE, FINITE, FINITE.filter(lambda number: abs(number) > 2**-20)).map(
    lambda numbers: np.array(numbers, np.float32)
)


@pytest.fixture
def server() -> Iterator[Server]:
    opened = Server(vectors=4)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    opened = Server()
    policy = prepare(opened)
    opened.policy = policy  # type: ignore[attr-defined]
    yield opened
    opened.close()


def prepare(server: Server) -> str:
    """The policy of `SIGNATURE`, and its id."""
    body = {"label": "A", "propertyName": "body", "external": True, "dimensions": 3}
    return str(server.ask(routes.CREATE_POLICY, body)["id"])


@given(BITS)
@example(np.array([0x7FC00001, 0xFFFFFFFF, 0x80000000, 1, 0x7F800000], np.uint32))
def test_every_bit_arrives(bits: Any) -> None:
    text = pack_vector(bits.view(np.float32))
    found = unpack_vector(text)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found.view(np.uint32).tolist() == bits.tolist()
    with pytest.raises(ValueError, match="WRITEABLE"):
        found.flags.writeable = True


def test_arrays_in_pieces_and_of_the_other_byte_order() -> None:
    wide = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert unpack_vector(pack_vector(wide[:, 1])).tolist() == [1, 5, 9]
    assert unpack_vector(pack_vector(wide[1, ::-1])).tolist() == [7, 6, 5, 4]
    assert pack_vector(wide[0].astype(">f4")) == pack_vector(wide[0])
    assert base64.b64decode(pack_vector(wide[0])) == wide[0].astype("<f4").tobytes()


@given(st.text(st.sampled_from("AQg/+=\n -_\x00é\ud800"), max_size=12) | st.text(max_size=12))
@example("AAAA" * 4)
@example("AAAAAA==AAAAAAAA")
@example("AAAA=AAA")
@example("AAAAAA=")
def test_only_base64_of_whole_numbers_is_unpacked(text: str) -> None:
    try:
        numbers = base64.b64decode(text.encode("utf-8", "surrogatepass"), validate=True)
    except binascii.Error:
        numbers = b"?"
    if len(text) % 4 or len(numbers) % 4 or not text.isascii():
        with pytest.raises(ValueError, match=r"^expected (base64 of little-endian float32|4 bytes a number)"):
            unpack_vector(text)
    else:
        assert unpack_vector(text).tobytes() == numbers


def test_what_is_unpacked_is_taken_as_it_lies() -> None:
    vector = unpack_vector(GOOD)
    assert as_vector(vector, dims=3) is vector


@given(st.lists(FINITE, min_size=1, max_size=5).map(lambda numbers: np.array(numbers, np.float32)))
def test_bodies_say_the_same_packed_or_not(vector: Any) -> None:
    import orjson

    body = {"a": [{"vector": vector}, {"vector": vector[::-1]}], "n": [1.5, None]}
    packed, plain = orjson.loads(dumps(body, packed=True)), orjson.loads(dumps(body))
    assert packed["n"] == plain["n"]
    for one, other in zip(packed["a"], plain["a"], strict=True):
        numbers = np.array(other["vector"], np.float32)
        assert unpack_vector(one["vector"]).tobytes() == numbers.tobytes()


def inline(vector: Any) -> list[dict[str, Any]]:
    return [{"propertyName": "body", "vector": vector}]


def places(policy: str) -> list[tuple[Route, tuple[str, ...], Any, Any]]:
    """Everywhere a vector can be: the request that holds one, and where its command has it."""
    data = {"body": "b"}
    write = {"label": "A", "data": data}
    return [
        (
            routes.CREATE_RECORD,
            (),
            lambda v: {"label": "A", "data": data, "vectors": inline(v)},
            (ImportRecords, lambda c: c.rows[0].vectors[0].vector),
        ),
        (
            routes.PATCH_RECORD,
            ("nobody",),
            lambda v: {"label": "A", "data": data, "vectors": inline(v)},
            (PatchRecord, lambda c: c.vectors[0].vector),
        ),
        (
            routes.IMPORT_JSON,
            (),
            lambda v: {"label": "A", "data": [{**data, "$vectors": inline(v)}]},
            (ImportRecords, lambda c: c.rows[0].vectors[0].vector),
        ),
        (
            routes.IMPORT_CSV,
            (),
            lambda v: {"label": "A", "data": "body\nb", "vectors": [inline(v)]},
            (ImportRecords, lambda c: c.rows[0].vectors[0].vector),
        ),
        (
            routes.UPSERT_VECTORS,
            (policy,),
            lambda v: {"items": [{"recordId": "nobody", "vector": v}]},
            (UpsertVectors, lambda c: c.vectors[0]),
        ),
        (
            routes.SEARCH_VECTORS,
            (),
            lambda v: {"labels": ["A"], "propertyName": "body", "queryVector": v},
            (SearchVectors, lambda c: c.vector),
        ),
        (
            routes.SAVE_GRAPH,
            (),
            lambda v: {"writes": [{**write, "vectors": [{**signature_document(SIGNATURE), "vector": v}]}]},
            (SaveGraph, lambda c: c.writes[0][1].vectors[0].vector),
        ),
    ]


@HYPOTHESIS
@given(THREE, st.integers(0, 6))
def test_every_request_takes_both(shared: Server, vector: Any, number: int) -> None:
    route, ids, body, (kind, held) = places(shared.policy)[number]  # type: ignore[attr-defined]
    found = []
    for written in (vector.tolist(), pack_vector(vector)):
        shared.store.commands.clear()
        answer = shared.send(route.method, PREFIX + route.at(*ids), body(written), **EXTENDED)
        assert answer.status_code < 500, answer.text
        found.append((answer.status_code, held(shared.heard(kind)).tobytes()))
    assert found[0] == found[1]
    assert found[0][1] == vector.tobytes()


@pytest.mark.parametrize("number", range(7))
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("AAAA", "expected 4 bytes a number, got 3 bytes"),
        (GOOD[:-1], "expected base64"),
        (GOOD + "\n", "expected base64"),
        (GOOD.replace("A", "é"), "expected base64"),
        (pack_vector(np.array([1, np.nan, 2], np.float32)), "expected finite float32 numbers, got nan"),
        (pack_vector(np.array([np.inf, 1, 2], np.float32)), "expected finite float32 numbers, got inf"),
    ],
)
def test_what_is_no_vector_is_refused(server: Server, number: int, text: str, said: str) -> None:
    route, ids, body, (kind, _) = places(prepare(server))[number]
    response = server.send(route.method, PREFIX + route.at(*ids), body(text), **EXTENDED)
    assert response.status_code == 422
    assert said in response.json()["message"]
    assert text not in response.text
    assert kind not in map(type, server.store.commands)


@pytest.mark.parametrize("number", range(6))
def test_others_are_refused_packed_vectors(server: Server, number: int) -> None:
    """Whoever has not asked for extensions speaks RushDB's REST, in which a text is no vector."""
    route, ids, body, (kind, _) = places(prepare(server))[number]
    for text in (GOOD, ""):
        status, message = server.refused(route, body(text), *ids)
        assert status == 422
        assert "expected a row of numbers, got str" in message
    assert kind not in map(type, server.store.commands)


def test_wrong_lengths_and_none_are_answered_as_of_lists(server: Server) -> None:
    policy = prepare(server)
    for numbers in ([1.0, 2.0], []):
        for route, ids, body, _ in places(policy):
            answers = [
                server.send(route.method, PREFIX + route.at(*ids), body(each), **EXTENDED)
                for each in (numbers, pack_vector(np.array(numbers, np.float32)))
            ]
            assert answers[0].json()["message"] == answers[1].json()["message"]
            assert answers[0].status_code == answers[1].status_code >= 400


def test_packed_vectors_count_as_vectors(server: Server) -> None:
    rows = [{"body": "b", "$vectors": inline(GOOD)}] * 5
    prepare(server)
    response = server.send("POST", PREFIX + "/records/import/json", {"label": "A", "data": rows}, **EXTENDED)
    assert response.status_code == 413
    assert "at most" in response.text or "may bring 4 vectors" in response.text


def test_vectors_are_given_back_packed_where_that_is_asked(server: Server) -> None:
    prepare(server)
    body = {"label": "A", "data": {"body": "b"}, "vectors": inline(GOOD)}
    made = server.ask(routes.CREATE_RECORD, body, **EXTENDED)
    asked = {"ids": [made["__id"]], "policies": [signature_document(SIGNATURE)]}
    (plain,) = server.ask(routes.GET_VECTORS, asked)
    (packed,) = server.ask(routes.GET_VECTORS, {**asked, "packed": True})
    assert plain["vectors"][0]["vector"] == [1.0, 2.0, 3.0]
    assert packed["vectors"][0]["vector"] == GOOD
    (one_id, one), (other_id, other) = read_vectors(plain), read_vectors(packed)
    assert one_id == other_id == made["__id"]
    assert one[SIGNATURE].tobytes() == other[SIGNATURE].tobytes()
    assert not other[SIGNATURE].flags.writeable
    assert server.refused(routes.GET_VECTORS, {**asked, "packed": 1})[0] == 400


def test_a_client_packs_once_it_knows_the_server_and_no_longer_than_that() -> None:
    """A plain RushDB never gets packed vectors; the first request tells nothing yet."""
    import orjson

    vector = np.array([1.0, 2.0, 3.0], np.float32)
    write = RecordWrite({"body": "b"}, vectors=(VectorWrite(SIGNATURE, vector),))
    client, sent = Client(), []
    for extensions in (False, False, True, True, False, False):
        exchange = save_records(client, SaveRecords("A", [write]))
        call = next(exchange)
        assert call.body is not None
        sent.append(orjson.loads(call.body)["vectors"][0]["vector"])
        document = {"data": {"__id": "i", "__label": "A", "body": "b", "__proptypes": {"body": "string"}}}
        with pytest.raises(StopIteration):
            exchange.send(Answer(201, document, extensions))
    numbers = [1.0, 2.0, 3.0]
    assert sent == [numbers, numbers, numbers, GOOD, GOOD, numbers]
