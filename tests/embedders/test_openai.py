"""`OpenAIEmbedder` against a server on a real socket."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, union-attr"

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushmodel import (
    ConfigurationError,
    EmbedderError,
    Field,
    Model,
    OpenAIEmbedder,
    Vector,
    VectorField,
    connect,
    field,
)
from rushmodel.embedders.retrying import pause_asked
from tests.rest.scripted import Scripted, drips, sends

from .server import EmbeddingServer, vector

KEY = "sk-a-key-that-nobody-may-see"


@pytest.fixture
def server():
    made = EmbeddingServer()
    yield made
    made.close()


def embedder(server, **options):
    return OpenAIEmbedder("tiny", base_url=server.url, dims=4, **options)


def both(made, texts, kind="document"):
    """The vectors, asked for in both colours."""
    found = made.embed(texts, kind=kind)
    assert found.dtype == np.float32
    assert np.array_equal(found, asyncio.run(made.aembed(texts, kind=kind)))
    return found


@pytest.mark.parametrize("plain", [False, True])
def test_vectors_come_as_text_or_numbers(server, plain):
    server.plain = plain
    found = both(embedder(server), ["tea", "coffee"])
    assert np.array_equal(found, [vector("tea", 4), vector("coffee", 4)])
    path, body = server.requests[0]
    assert path == "/v1/embeddings"
    assert body == {"model": "tiny", "input": ["tea", "coffee"], "encoding_format": "base64"}


def test_lengths_and_prompts(server):
    made = OpenAIEmbedder(
        "tiny",
        base_url=server.url,
        dims=3,
        shortens=True,
        query_prefix="query: ",
        document_prefix="passage: ",
    )
    assert made.embed(["tea"], kind="query").shape == (1, 3)
    made.embed(["tea"], kind="document")
    assert [(body["input"], body["dimensions"]) for _, body in server.requests] == [
        (["query: tea"], 3),
        (["passage: tea"], 3),
    ]


def test_batches_by_count_and_by_letters(server):
    server.slow = 0.02
    texts = [f"text {'a' * (place % 7)}" for place in range(40)]
    made = embedder(server, batch_texts=6, batch_letters=40)
    found = both(made, texts)
    assert np.array_equal(found, [vector(text, 4) for text in texts])
    for _, body in server.requests:
        assert len(body["input"]) <= 6
        assert sum(map(len, body["input"])) <= 40
    assert 2 <= server.most_under_way <= 4
    server.requests.clear()
    made.embed(["x" * 1000, "y"], kind="document")
    assert sorted(len(body["input"]) for _, body in server.requests) == [1, 1]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 408])
def test_what_fails_for_a_moment_is_sent_again(server, status):
    server.faults = [(status, {"retry-after-ms": "10"})] * 2
    assert np.array_equal(embedder(server).embed(["tea"], kind="document"), [vector("tea", 4)])
    assert len(server.requests) == 3
    server.faults = [(status, {"retry-after-ms": "10"})] * 2
    asyncio.run(embedder(server).aembed(["tea"], kind="document"))
    assert len(server.requests) == 6


def test_pauses_that_are_asked_for(server):
    server.faults = [(429, {"retry-after": "1"})]
    begin = time.monotonic()
    embedder(server).embed(["tea"], kind="document")
    assert time.monotonic() - begin >= 1
    server.faults = [(429, {"retry-after": "3600"})]
    with pytest.raises(EmbedderError, match="429"):
        embedder(server).embed(["tea"], kind="document")
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_will_not_help_is_not_sent_again(server, status):
    server.faults = [status]
    with pytest.raises(
        EmbedderError, match=f"tiny of {server.url}: the server answered {status}: no"
    ) as caught:
        embedder(server).embed(["tea"], kind="document")
    assert (caught.value.answered, caught.value.retryable, caught.value.status) == (status, False, 502)
    assert len(server.requests) == 1


def test_attempts_come_to_an_end(server):
    server.faults = [(503, {"retry-after-ms": "1"})] * 9
    for ask in (
        lambda made: made.embed(["a"], kind="query"),
        lambda made: asyncio.run(made.aembed(["a"], kind="query")),
    ):
        server.requests.clear()
        with pytest.raises(EmbedderError, match="503"):
            ask(embedder(server, attempts=3))
        assert len(server.requests) == 3


def test_nobody_answers():
    made = OpenAIEmbedder("tiny", base_url="http://127.0.0.1:9/v1", dims=4, attempts=1)
    with pytest.raises(EmbedderError, match="no connection: Connection refused"):
        made.embed(["tea"], kind="document")
    with pytest.raises(EmbedderError, match="no connection: Connection refused"):
        asyncio.run(made.aembed(["tea"], kind="document"))


def test_an_answer_that_takes_too_long(server):
    server.slow = 1
    with pytest.raises(EmbedderError, match=r"no answer within 0.05 seconds"):
        embedder(server, timeout=0.05, attempts=1).embed(["tea"], kind="document")


def shuffled(data):
    return {"data": data[::-1]}


def test_the_order_is_that_of_the_index(server):
    server.faults = [shuffled]
    found = embedder(server).embed(["tea", "coffee"], kind="document")
    assert np.array_equal(found, [vector("tea", 4), vector("coffee", 4)])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda data: {"data": data[:1]}, "1 vectors for 2 texts"),
        (lambda data: {"data": [*data, data[0]]}, "3 vectors for 2 texts"),
        (lambda data: {"data": [data[0], data[0]]}, "'index' values that are not 0 to 1, each once"),
        (lambda data: {"data": [data[0], {**data[1], "embedding": [1.0]}]}, "neither base64 nor"),
        (lambda data: {"data": [{**each, "embedding": [1.0, 2.0]} for each in data]}, "of 2 numbers; dims=4"),
        (lambda data: {"data": [data[0], {**data[1], "embedding": "%%%"}]}, "base64"),
        (lambda data: {"data": [data[0], {**data[1], "embedding": None}]}, "neither base64"),
        (lambda data: {"data": [data[0], {**data[1], "embedding": ""}]}, "different lengths"),
        (lambda data: {"data": [data[0], {**data[1], "index": 7}]}, "index"),
        (lambda data: {"data": [data[0], {**data[1], "index": None}]}, "index"),
        (lambda data: {"data": [{**each, "embedding": [[1.0] * 4]} for each in data]}, "not all numbers"),
        (lambda data: {"data": [{**each, "embedding": ["1"] * 4} for each in data]}, "not all numbers"),
        (
            lambda data: {"data": [{**each, "embedding": [1e300] * 4} for each in data]},
            "infinity in vector 0",
        ),
        (lambda data: {"data": [{**each, "embedding": "AAAAAAA="} for each in data]}, "of 5 bytes"),
        (lambda data: {"data": [{**each, "embedding": "AADAfw=="} for each in data]}, "1 numbers; dims=4"),
        (lambda data: {"embeddings": []}, "no object with a list 'data'"),
        (lambda data: b"<html>", "no JSON: <html>"),
        (lambda data: b"[]", "no object with a list 'data'"),
    ],
)
def test_answers_that_make_no_sense(server, wrong, says):
    server.faults = [wrong]
    with pytest.raises(EmbedderError, match=says):
        embedder(server).embed(["tea", "coffee"], kind="document")


def test_an_empty_text_is_named(server):
    with pytest.raises(EmbedderError, match="text 1 is empty"):
        embedder(server).embed(["tea", "  "], kind="document")
    assert server.requests == []


def test_redirects_are_not_followed(server):
    server.faults = [(307, {"location": "http://127.0.0.1:9/"})]
    with pytest.raises(EmbedderError, match=r"307 and sends on to http://127.0.0.1; redirects"):
        embedder(server).embed(["tea"], kind="document")


def test_the_order_is_that_of_the_texts(server):
    """The first batches are the slowest."""
    server.slow = lambda body: 0.1 / int(body["input"][0])
    texts = [str(number) for number in range(1, 9)]
    found = both(embedder(server, batch_texts=1, concurrency=8), texts)
    assert np.array_equal(found, [vector(text, 4) for text in texts])
    assert server.most_under_way > 2


def test_one_batch_that_fails_ends_the_others(server):
    texts = [f"text {number}" for number in range(60)]
    for ask in (
        lambda made: made.embed(texts, kind="document"),
        lambda made: asyncio.run(made.aembed(texts, kind="document")),
    ):
        server.requests.clear()
        server.faults = [400]
        server.slow = 0.01
        with pytest.raises(EmbedderError, match="400"):
            ask(embedder(server, batch_texts=1, concurrency=2))
        assert len(server.requests) < 20


def test_a_server_that_knows_no_base64_is_asked_once(server):
    def refused(body):
        return (400, {}, b'{"error": {"message": "encoding_format: base64 is not supported"}}')

    server.plain = True
    server.faults = [refused(None)]
    made = embedder(server)
    assert np.array_equal(made.embed(["tea"], kind="document"), [vector("tea", 4)])
    made.embed(["tea"], kind="document")
    assert [body["encoding_format"] for _, body in server.requests] == ["base64", "float", "float"]
    server.faults = [refused(None)]
    asyncio.run(embedder(server).aembed(["tea"], kind="document"))


def test_spent_credit_is_not_asked_for_again(server):
    server.faults = [(429, {}, b'{"error": {"message": "You exceeded", "code": "insufficient_quota"}}')]
    with pytest.raises(EmbedderError, match="429: You exceeded") as caught:
        embedder(server).embed(["tea"], kind="document")
    assert not caught.value.retryable
    assert len(server.requests) == 1


def test_the_deadline_is_for_all_tries(server):
    server.faults = [(503, {"retry-after": "0.4"})] * 9
    begin = time.monotonic()
    with pytest.raises(EmbedderError, match="503") as caught:
        embedder(server, deadline=0.8).embed(["tea"], kind="document")
    assert time.monotonic() - begin < 2
    assert caught.value.retryable
    assert caught.value.retry_after == 0.4
    assert len(server.requests) == 2


def test_an_answer_that_drips(server):
    """Each piece is in time, and all of them are not."""
    dripping = Scripted(drips(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", every=0.05))
    made = OpenAIEmbedder("tiny", base_url=dripping.url, timeout=0.3, attempts=1)
    begin = time.monotonic()
    for ask in (made.embed, lambda *args, **kwargs: asyncio.run(made.aembed(*args, **kwargs))):
        with pytest.raises(EmbedderError, match=r"no answer within 0.3 seconds"):
            ask(["tea"], kind="document")
    assert time.monotonic() - begin < 2
    dripping.close()


def test_a_connection_that_is_cut(server):
    cut = Scripted(sends(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", then_cut=True))
    with pytest.raises(EmbedderError, match="was cut") as caught:
        OpenAIEmbedder("tiny", base_url=cut.url, attempts=2).embed(["tea"], kind="document")
    assert caught.value.retryable
    assert len(cut.seen) == 2
    assert cut.seen[0].target == "/embeddings"
    cut.close()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "Tue, 24 Nov 2026 05:00:30 GMT", "date": "Tue, 24 Nov 2026 05:00:00 GMT"}, 30),
        ({"retry-after": "Tue, 24 Nov 2026 04:00:30 GMT", "date": "Tue, 24 Nov 2026 05:00:00 GMT"}, 0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": "1h"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "a while"}, None),
    ],
)
def test_how_long_to_wait(headers, seconds):
    assert pause_asked({name.encode(): value.encode() for name, value in headers.items()}) == seconds


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 6), st.integers(1, 90))
def test_batches_hold_all_the_texts_once(lengths, most, letters):
    made = OpenAIEmbedder(
        "tiny", base_url="http://localhost/v1", batch_texts=most, batch_letters=letters, query_prefix="q:"
    )
    texts = [chr(97 + place % 26) * length for place, length in enumerate(lengths)]
    batches = [json.loads(letter.body)["input"] for letter in made._letters(texts, "query")]
    assert [text for batch in batches for text in batch] == ["q:" + text for text in texts]
    for batch in batches:
        assert 1 <= len(batch) <= most
        assert len(batch) == 1 or sum(map(len, batch)) <= letters


def test_no_texts(server):
    assert both(embedder(server), []).shape == (0, 4)
    assert server.requests == []


def test_a_child_process_has_connections_of_its_own(server):
    made = embedder(server)
    made.embed(["tea"], kind="document")
    if hasattr(os, "fork"):
        child = os.fork()
        if not child:
            good = np.array_equal(made.embed(["milk"], kind="document"), [vector("milk", 4)])
            os._exit(0 if good else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert np.array_equal(made.embed(["tea"], kind="document"), [vector("tea", 4)])


# -- keys -----------------------------------------------------------------------------


def test_nobody_sees_the_key(server, caplog):
    caplog.set_level(logging.DEBUG)
    made = embedder(server, api_key=KEY, attempts=2)
    made.embed(["tea"], kind="document")
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    server.faults = [(500, {"retry-after-ms": "1"}), 401]
    with pytest.raises(EmbedderError) as caught:
        made.embed(["tea"], kind="document")
    assert "***" in str(caught.value)
    shown = f"{made!r} {caught.value!r} {vars(made)!r} {caplog.text}"
    assert KEY not in shown
    secret = embedder(server, headers={"authorization-of-mine": KEY, "x-title": "tests"})
    server.faults = [(400, {}, json.dumps({"message": f"bad {KEY}"}).encode())]
    with pytest.raises(EmbedderError, match=r"400: bad \*\*\*") as caught:
        secret.embed(["tea"], kind="document")
    assert KEY not in f"{secret!r} {vars(secret)!r} {caught.value.server_message}"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(made)


def test_where_the_environment_s_key_goes(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    embedder(server).embed(["tea"], kind="document")
    assert "authorization" not in server.headers[0]
    assert repr(OpenAIEmbedder("m")) == "<OpenAIEmbedder m@1 of https://api.openai.com/v1>"
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):  # not before: classes name embedders
        OpenAIEmbedder("m").embed(["tea"], kind="document")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"base_url": "http://example.com/v1", "api_key": KEY}, "plain http"),
        ({"base_url": "ftp://example.com"}, "http"),
        ({"base_url": "https://user:pass@example.com/v1"}, "no user"),
        ({"base_url": "http://localhost/v1", "batch_texts": 0}, "batch_texts"),
        ({"base_url": "http://localhost/v1", "shortens": True}, "dims="),
        ({"base_url": "http://localhost/v1", "name": "two words"}, "without spaces"),
        ({"base_url": "http://localhost/v1", "dims": 0}, "dims"),
        ({"base_url": "http://localhost/v1", "api_key": ""}, "empty"),
        ({"base_url": "http://example.com/v1", "headers": {"api-key": KEY}}, "plain http"),
        ({"base_url": "http://localhost/v1", "headers": {"Host": "x"}}, "Host"),
        ({"base_url": "http://localhost/v1", "headers": {"x": f"{KEY}\n"}}, "the value of x"),
        ({"base_url": "http://localhost/v1", "timeout": 0}, "timeout"),
        ({"base_url": "http://localhost/v1", "concurrency": 99}, "concurrency"),
        ({"base_url": "http://localhost/v1", "query_prefix": None}, "query_prefix"),
        ({"base_url": "https://api.openai.com/v1?api_key=x"}, "https://api.openai.com/v1"),
    ],
)
def test_settings_that_make_no_sense(options, says):
    with pytest.raises(ConfigurationError, match=says) as caught:
        OpenAIEmbedder("tiny", **options)
    assert KEY not in str(caught.value)


def test_in_a_field(server):
    tiny = OpenAIEmbedder("tiny", base_url=server.url, dims=4)

    class Page(Model, label="EmbeddedPage"):
        text: Field[str] = field(key=True)
        meaning: Vector = VectorField(factory=tiny, property="text")

    async def main():
        await asyncio.gather(*(Page(text=f"page {place}").asave() for place in range(8)))
        return await Page.asearch("page 3", limit=1)

    with connect("memory://", default=False) as db:
        Page.save_many([Page(text="tea"), Page(text="coffee")])
        assert Page.search("tea", limit=1)[0].record.text == "tea"
        assert asyncio.run(main())[0].score == pytest.approx(1.0)
        db.close()
