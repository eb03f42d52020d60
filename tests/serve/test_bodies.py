"""What a body may be: the statuses of trace 18, and the limits."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request

from rushmodel.serve.bodies import read_body, read_object
from rushmodel.serve.limits import Limits
from rushmodel.serve.refusals import Refusal

SMALL = Limits(body_bytes=100, depth=4, values=3, vectors=2)


def request(*chunks: bytes, cut: bool = False, **headers: str) -> Request:
    """A request with these headers (``content_type``) whose body comes in chunks; ``cut``: and then ends."""
    messages: Iterator[dict[str, Any]] = iter(
        [
            *({"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks),
            {"type": "http.disconnect"} if cut else {"type": "http.request", "body": b"", "more_body": False},
        ]
    )
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]

    async def receive() -> dict[str, Any]:
        return next(messages)

    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive)


def read(
    *chunks: bytes, limits: Limits = SMALL, content_type: str = "application/json", **headers: str
) -> Any:
    size = str(sum(map(len, chunks)))
    headers = {"content_length": size, "content_type": content_type, **headers}
    given = request(*chunks, cut=False, **headers)
    return asyncio.run(read_body(given, limits))


def refused(*chunks: bytes, limits: Limits = SMALL, **headers: str) -> int:
    with pytest.raises(Refusal) as caught:
        read(*chunks, limits=limits, **headers)
    assert "Traceback" not in str(caught.value)
    return caught.value.status


def document(body: bytes) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        asyncio.run(read_object(request(body, content_type="application/json", content_length="1"), SMALL))
    shown = caught.value.document
    return shown["statusCode"], shown["message"]


# -- what is JSON


@settings(deadline=None)  # the first body loads what reads it
@given(
    st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists), st.data()
)
def test_a_body_is_what_was_sent_however_it_is_cut(value, data):
    raw = orjson.dumps(value)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)))))
    chunks = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert read(*chunks, limits=Limits()) == value


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON;x=y"]
)
def test_content_types_of_json(content_type):
    assert read(b'{"a":1}', content_type=content_type) == {"a": 1}


def test_the_last_of_equal_keys_counts():
    assert read(b'{"a":1,"a":2}') == {"a": 2}


def test_proto_is_a_key_like_others():
    assert read(b'{"__proto__":1}') == {"__proto__": 1}


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":',
        b"{",
        b"nope",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":"\xff"}',
        b'"\\ud800"',
        b"[1,]",
        b"{}{}",
    ],
)
def test_what_is_no_json_is_400(body):
    assert refused(body) == 400


def test_numbers_that_overflow_are_no_json():
    assert refused(b'{"a":1e999}') == 400


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"5", "number"), (b"1.5", "number"), (b"null", "null"), (b"[]", "array"), (b'"x"', "string")],
)
def test_what_is_no_object_is_400_and_named(body, kind):
    assert document(body) == (
        400,
        f"Request validation of body failed, because: value Expected object, received {kind}",
    )


def test_no_body_is_400():
    assert document(b"") == (400, "Request validation of body failed, because: value Required")
    with pytest.raises(Refusal, match="value Required"):
        asyncio.run(read_object(request(), SMALL))  # no content type either: there is nothing that has one


# -- headers


def test_plain_text_is_400_as_recorded():
    assert refused(b"{}", content_type="text/plain") == 400


@pytest.mark.parametrize("content_type", ["", "application/xml", "application/x-www-form-urlencoded"])
def test_other_content_types_are_415(content_type):
    assert refused(b"{}", content_type=content_type) == 415


def test_a_chunked_body_without_a_content_type_is_415():
    given = request(b"{}", transfer_encoding="chunked")
    with pytest.raises(Refusal) as caught:
        asyncio.run(read_body(given, SMALL))
    assert caught.value.status == 415


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "zstd"])
def test_compressed_bodies_are_415(encoding):
    assert refused(gzip.compress(b"{}"), content_encoding=encoding) == 415


def test_identity_is_no_compression():
    assert read(b"{}", content_encoding="Identity") == {}


# -- sizes


def test_a_body_of_the_limit_passes():
    assert read(b'"' + b"x" * 98 + b'"') == "x" * 98


def test_a_length_beyond_the_limit_is_413_before_anything_is_read():
    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    scope = {"type": "http", "headers": [(b"content-length", b"101"), (b"content-type", b"application/json")]}
    with pytest.raises(Refusal) as caught:
        asyncio.run(read_body(Request(scope, receive), SMALL))
    assert caught.value.status == 413


def test_chunks_beyond_the_limit_are_413_wherever_they_pass_it():
    endless = (b"x" * 60 for _ in range(10**9))

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": next(endless), "more_body": True}

    scope = {
        "type": "http",
        "headers": [(b"transfer-encoding", b"chunked"), (b"content-type", b"application/json")],
    }
    with pytest.raises(Refusal) as caught:
        asyncio.run(read_body(Request(scope, receive), SMALL))
    assert caught.value.status == 413
    assert next(endless)


def test_a_body_that_does_not_arrive_is_408():
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3600)
        raise AssertionError

    scope = {"type": "http", "headers": [(b"content-length", b"9"), (b"content-type", b"application/json")]}
    with pytest.raises(Refusal) as caught:
        asyncio.run(read_body(Request(scope, receive), SMALL.replaced(body_seconds=0.01)))
    assert caught.value.status == 408


def test_a_client_that_goes_away_is_told_nothing():
    given = request(b'{"a"', cut=True, content_type="application/json", content_length="9")
    with pytest.raises(ClientDisconnect):
        asyncio.run(read_body(given, SMALL))


# -- depth and lists


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[1,"x",{"b":', b"}]")])
def test_depth(opening, closing):
    levels = opening.count(b"[1") + 1
    most = 4 // levels
    assert read(opening * most + b"1" + closing * most) is not None
    assert refused(opening * (most + 1) + b"1" + closing * (most + 1)) == 400


def test_depths_that_no_parser_takes_are_400():
    assert refused(b"[" * 100_000, limits=Limits()) == 400
    assert refused(b"[" * 100_000 + b"]" * 100_000, limits=Limits()) == 400
    assert refused(b'{"a":' * 500 + b"1" + b"}" * 500, limits=Limits()) == 400


def depth_of(value: Any) -> int:
    if not isinstance(value, (dict, list)):
        return 0
    return 1 + max(map(depth_of, value.values() if isinstance(value, dict) else value), default=0)


@given(
    st.recursive(
        st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=2),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
        max_leaves=20,
    )
)
def test_depth_is_counted_as_one_would(value):
    limits = Limits(depth=3)
    if depth_of(value) <= 3:
        assert read(orjson.dumps(value), limits=limits) == value
    else:
        assert refused(orjson.dumps(value), limits=limits) == 400


@pytest.mark.parametrize("operator", ["$in", "$nin"])
def test_values_of_an_operator(operator):
    where = {"$or": [{"a": {operator: [1, 2, 3]}}]}
    limits = Limits(values=3)
    assert read(orjson.dumps({"where": where}), limits=limits) == {"where": where}
    where["$or"][0]["a"][operator].append(4)
    assert refused(orjson.dumps({"where": where}), limits=limits) == 400
    assert read(orjson.dumps({"in": [1, 2, 3, 4]}), limits=limits)


@pytest.mark.parametrize(
    "body",
    [
        {"vectors": [{"vector": [1]}] * 3},
        {"items": [{"recordId": "a", "vector": [1]}] * 3},
        {"data": [{"a": 1, "$vectors": [{"vector": [1]}]}] * 3},
        {"data": [{"child": {"$vectors": [{"vector": [1]}] * 3}}]},
        {"data": "a,b", "vectors": [[1, 2]] * 3},
    ],
)
def test_too_many_vectors_are_413(body):
    limits = Limits(vectors=2)
    assert refused(orjson.dumps(body), limits=limits) == 413
    assert read(orjson.dumps(body), limits=limits.replaced(vectors=3)) == body


def test_lists_of_values_are_no_vectors():
    body = {"data": {"vectors": [1, 2, 3, 4], "items": ["a"] * 9}}
    assert read(orjson.dumps(body), limits=Limits(vectors=2)) == body
