"""Addresses and tokens: where a token may go."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushmodel.backends.rest.location import Address, Token, token_for
from rushmodel.errors import ConfigurationError


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://localhost", "http://localhost/api/v1"),
        ("http://localhost:80/", "http://localhost/api/v1"),
        ("HTTPS://API.RushDB.com:443", "https://api.rushdb.com/api/v1"),
        ("http://localhost:4000/api/v1//", "http://localhost:4000/api/v1"),
        ("https://example.com/rushdb/api/v1", "https://example.com/rushdb/api/v1"),
        ("https://example.com:80", "https://example.com:80/api/v1"),
        ("http://[::1]:4000", "http://[::1]:4000/api/v1"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]/api/v1"),
        ("https://müller.example/ä b".replace(" ", "%20"), "https://xn--mller-kva.example/%C3%A4%20b"),
        ("https://example.com./x@y", "https://example.com./x@y"),
    ],
)
def test_urls_are_read(given, url):
    address = Address.parse(given)
    assert address.url == url
    assert Address.parse(address.url) == address
    assert repr(address) == f"<Address {url}>"


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost:4000", "//secret", "ftp://secret", "http://", "http:///secret", "http://:80",
        "http://user:secret@host", "http://secret@host", "http://@host", "http://host/?key=secret",
        "http://host?secret", "http://host/#secret", "http://host#", "http://host?", "http://host:secret",
        "http://host:0", "http://host:99999", "http://[secret", "http://[::secret]", "http://ho st/secret",
        "http://host\n/secret", "http://host\t", " http://host", "http://host\\@secret", "http://secret..x",
        "http://-secret", "http://%73ecret", "http://" + "a" * 64, "http://" + "a." * 130 + "b",
        "http://host/../secret", "http://host/./secret", "http://xn--\udcff", "http://host/\x00",
        "http://secret!x", "https://ß\u200d.secret\u3002",
    ],
)  # fmt: skip
def test_other_urls_are_refused_and_not_repeated(url):
    with pytest.raises(ConfigurationError, match="the URL of a server") as caught:
        Address.parse(url)
    assert "secret" not in f"{caught.value} {caught.value.__dict__}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("url", [None, 5, b"http://host"])
def test_a_url_is_a_text(url):
    with pytest.raises(ConfigurationError, match="is a text, got"):
        Address.parse(url)


@given(
    st.text(max_size=20), st.sampled_from(["http://", "https://", "http://host", "http://host:", "http://["])
)
def test_any_text_is_an_address_or_an_error(text, start):
    try:
        address = Address.parse(start + text)
    except ConfigurationError:
        return
    assert Address.parse(address.url) == address
    assert address.url.isascii()


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("localhost", True), ("LOCALHOST.", True), ("db.localhost", True), ("127.0.0.1", True),
        ("127.8.9.1", True), ("[::1]", True), ("[::ffff:127.0.0.1]", True),
        ("localhost.example.com", False), ("notlocalhost", False), ("127.0.0.1.example.com", False),
        ("0.0.0.0", False), ("[::]", False), ("192.168.0.1", False), ("[::ffff:10.0.0.1]", False),
        ("127.1", False), ("2130706433", False),
    ],
)  # fmt: skip
def test_what_is_near(host, near):
    assert Address.parse(f"http://{host}:4000").is_loopback is near
    assert Address.parse(f"http://{host}").insecure is not near
    assert not Address.parse(f"https://{host}").insecure


@pytest.mark.parametrize(
    "text", ["", " ", "a b", "a\n", "a\r\nx: y", "tök", "\x00", "a\x7f", "Bearer secret"]
)
def test_tokens_that_no_header_can_hold(text):
    with pytest.raises(ConfigurationError, match="token") as caught:
        Token(text)
    assert "secret" not in str(caught.value)
    assert not text.strip() or text not in str(caught.value)


def test_a_token_is_not_shown():
    token = Token("secret")
    assert token.header() == b"Bearer secret"
    assert "secret" not in f"{token} {token!r}"
    assert not hasattr(token, "__dict__")
    for out in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            out(token)
    with pytest.raises(ConfigurationError, match="got bytes"):
        Token(b"secret")  # type: ignore[arg-type]


ENVIRONMENT = {"RUSHDB_API_KEY": "from-env"}
FAR, FAR_PLAIN, NEAR = "https://example.com", "http://example.com", "http://localhost:4000"
CLOUD = "https://api.rushdb.com/api/v1"


@pytest.mark.parametrize("url", [FAR, FAR_PLAIN, NEAR, CLOUD])
@pytest.mark.parametrize("from_code", [True, False])
def test_a_token_that_was_given_goes_where_it_was_given_for(url, from_code):
    found = token_for(Address.parse(url), token="given", environment=ENVIRONMENT, url_from_code=from_code)
    assert found.header() == b"Bearer given"


@pytest.mark.parametrize(
    ("url", "from_code", "goes"),
    [
        (FAR, True, True), (NEAR, True, True), (CLOUD, True, True), (CLOUD, False, True),
        (FAR_PLAIN, True, False), (FAR, False, False), (NEAR, False, False), (FAR_PLAIN, False, False),
        ("http://api.rushdb.com", True, False), ("http://api.rushdb.com", False, False),
        ("https://api.rushdb.com.example.com", False, False), ("https://api.rushdb.com:444", False, False),
    ],
)  # fmt: skip
def test_where_the_environments_token_goes(url, from_code, goes):
    address = Address.parse(url)
    if goes:
        found = token_for(address, token=None, environment=ENVIRONMENT, url_from_code=from_code)
        assert found.header() == b"Bearer from-env"
    else:
        with pytest.raises(ConfigurationError, match="pass token= explicitly") as caught:
            token_for(address, token=None, environment=ENVIRONMENT, url_from_code=from_code)
        assert "from-env" not in str(caught.value)


@pytest.mark.parametrize("environment", [{}, {"RUSHDB_API_KEY": ""}])
def test_no_token_at_all(environment):
    with pytest.raises(ConfigurationError, match=r"token=.*RUSHDB_API_KEY"):
        token_for(Address.parse(NEAR), token=None, environment=environment, url_from_code=True)
    with pytest.raises(ConfigurationError, match="empty"):
        token_for(Address.parse(NEAR), token="", environment=ENVIRONMENT, url_from_code=True)
