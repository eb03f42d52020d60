"""`Endpoint`: where embeddings are asked for, with which key, and how a request is written."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import httpcore

from .. import __version__
from ..backends.rest.calls import Deadline
from ..backends.rest.location import Address, Token
from ..backends.rest.streams import Limit
from ..errors import ConfigurationError

KEY_VARIABLE: Final = "OPENAI_API_KEY"
OWN_HOST: Final = "api.openai.com"
CONNECT_SECONDS: Final = 10.0

_OURS = frozenset(
    "accept accept-encoding authorization connection content-encoding content-length content-type expect "
    "host te trailer transfer-encoding upgrade".split()
)
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")


class Endpoint:
    """``{base_url}/embeddings``. No repr and no message shows the key or the values of headers."""

    def __init__(self, base_url: str, api_key: str | None, headers: Mapping[str, str]) -> None:
        """Check what was given; the key of the environment is looked up when it is needed.

        Raises:
            ConfigurationError: The URL is none, a header or the key cannot be one, or they would go
                over plain http to another machine.
        """
        self.address = _address(base_url)
        self._given = None if api_key is None else Token(api_key)
        self._headers = [_header(name, value) for name, value in headers.items()]
        if self.address.insecure and (self._given is not None or self._headers):
            what = "headers=" if self._given is None else "api_key="
            raise ConfigurationError(
                f"{what} is not sent to {self.address.url}, as others can read what goes over plain http; "
                "use https"
            )

    @property
    def key(self) -> Token | None:
        """What opens it: ``api_key=``, else ``OPENAI_API_KEY``, but only for OpenAI.

        Raises:
            ConfigurationError: There is none, and OpenAI wants one.
        """
        address = self.address
        is_own = address.scheme == "https" and address.host == OWN_HOST and address.port is None
        if self._given is not None or not is_own:
            return self._given
        found = os.environ.get(KEY_VARIABLE)
        if found:
            return Token(found)
        raise ConfigurationError(
            f"{address.url} wants a key: give it with api_key=, or in the environment variable {KEY_VARIABLE}"
        )

    def request(self, body: bytes, key: Token | None, deadline: Deadline) -> httpcore.Request:
        """A request that ends by its deadline."""
        encoding = b"identity" if self.address.is_loopback else b"gzip"
        headers = [
            (b"host", self.address.place.encode("ascii")),
            (b"accept", b"application/json"),
            (b"accept-encoding", encoding),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        if not any(name.lower() == b"user-agent" for name, _ in self._headers):
            headers.append((b"user-agent", f"rushmodel/{__version__}".encode("ascii")))
        if key is not None:
            headers.append((b"authorization", key.header()))
        seconds = deadline.seconds or 0.0
        limits = {
            "connect": Limit(CONNECT_SECONDS, deadline),
            "read": Limit(seconds, deadline),
            "write": Limit(seconds, deadline),
            "pool": deadline.cut(seconds),
        }
        address = self.address
        url = httpcore.URL(
            scheme=address.scheme, host=address.host, port=address.port, target=f"{address.path}/embeddings"
        )
        return httpcore.Request(
            "POST", url, headers=[*headers, *self._headers], content=body, extensions={"timeout": limits}
        )

    def hidden_in(self, said: bytes, key: Token | None) -> bytes:
        """What a server said, with stars for secrets: some repeat the request when they refuse it."""
        if key is not None:
            said = key.hidden_in(said)
        for _, value in self._headers:
            if len(value) > 7:  # shorter ones are no secrets, and stars for "1" would spoil the rest
                said = said.replace(value, b"***").replace(value.partition(b" ")[2] or value, b"***")
        return said

    def __repr__(self) -> str:
        return f"<Endpoint {self.address.url}>"


def _address(base_url: str) -> Address:
    """Read ``base_url=``; unlike RushDB's, it has no path that goes without saying."""
    try:
        found = Address.parse(base_url)
    except ConfigurationError as error:
        problem = str(error).partition(":" if "password" in str(error) else ";")[0]
        raise ConfigurationError(
            f"base_url= of an embedder: {problem}; expected something like 'https://{OWN_HOST}/v1'"
        ) from None
    return found if urlsplit(base_url).path.strip("/") else found.replaced(path="")


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    if not isinstance(name, str) or not _NAME.match(name):
        raise ConfigurationError(f"headers=: {name!r} cannot be the name of a header")
    if name.lower() in _OURS:
        raise ConfigurationError(f"headers=: {name} is written by the embedder itself")
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise ConfigurationError(f"headers=: the value of {name} is no text of printable ASCII letters")
    return name.encode("ascii"), value.encode("ascii")
