"""`Address` and `Token`: where a server is, and what opens it.

A URL may hold a password and a token is one: no message here repeats what was given.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final, NoReturn
from urllib.parse import quote, urlsplit

from typing_extensions import Self

from ...errors import ConfigurationError
from ...value import Value
from ...wire.routes import PREFIX

TOKEN_VARIABLE: Final = "RUSHDB_API_KEY"
CLOUD_HOST: Final = "api.rushdb.com"

_PORTS = {"http": 80, "https": 443}
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?\Z")
_PATH_KEEPS = "/%:@!$&'()*+,;=~-._"


class Address(Value):
    """The base URL of a server's API, in parts.

    ``host`` is lower-case ASCII, an IPv6 address without its brackets; ``port`` None is that of the
    scheme; ``path`` has no slash at its end.
    """

    scheme: str
    host: str
    port: int | None
    path: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read ``http(s)://host[:port][/path]``; without a path it is RushDB's, ``/api/v1``.

        Raises:
            ConfigurationError: It is no such URL, or has a user, a password, a query or a fragment.
        """
        if not isinstance(url, str):
            raise ConfigurationError(f"the URL of a server is a text, got {type(url).__name__}")
        # urlsplit drops line ends and tabs, and programs differ over backslashes.
        if any(letter <= " " or letter in "\\\x7f" for letter in url):
            _refuse("has spaces, control characters or backslashes in it")
        try:
            parts = urlsplit(url)
        except ValueError:
            _refuse("is none")
        scheme = parts.scheme.lower()
        if scheme not in _PORTS:
            _refuse("begins with http:// or https://")
        if "@" in parts.netloc:
            _refuse("names no user and no password: give the token with token=")
        if "?" in url or "#" in url:
            _refuse("has no query and no fragment")
        try:
            host, port = parts.hostname or "", parts.port
        except ValueError:
            _refuse("has a port between 1 and 65535, or none")
        if port == 0:
            _refuse("has a port between 1 and 65535, or none")
        path = quote(parts.path.rstrip("/"), safe=_PATH_KEEPS)
        if any(step in (".", "..") for step in path.split("/")):
            _refuse("has no '.' and '..' in its path")
        return cls(scheme, _ascii_host(host), None if port == _PORTS[scheme] else port, path or PREFIX)

    @property
    def url(self) -> str:
        """The base URL, the same for every way to write it."""
        return f"{self.scheme}://{self.place}{self.path}"

    @property
    def place(self) -> str:
        """Host and port, as the ``host`` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, so that nobody else hears what is said."""
        name = self.host.rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            number = ipaddress.ip_address(name)
        except ValueError:
            return False
        mapped = number.ipv4_mapped if isinstance(number, ipaddress.IPv6Address) else None
        return (mapped or number).is_loopback

    @property
    def insecure(self) -> bool:
        """Whether others may hear what is said: plain http to another machine."""
        return self.scheme == "http" and not self.is_loopback

    @property
    def is_cloud(self) -> bool:
        """Whether it is RushDB's own."""
        return self.scheme == "https" and self.host == CLOUD_HOST and self.port is None

    def __repr__(self) -> str:
        return f"<Address {self.url}>"


class Token:
    """What opens a server. No repr shows it, and it cannot be pickled or copied into a log by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Take a token; `ConfigurationError` where it cannot stand in a header."""
        if not isinstance(text, str):
            raise ConfigurationError(f"a token is a text, got {type(text).__name__}")
        if not text:
            raise ConfigurationError("the token is empty")
        if any(not "!" <= letter <= "~" for letter in text):
            raise ConfigurationError(
                "the token has spaces, line ends or letters outside of ASCII in it; "
                "give it alone, without 'Bearer' and quotes"
            )
        self._text = text

    def header(self) -> bytes:
        """The value of ``authorization``."""
        return b"Bearer " + self._text.encode("ascii")

    def hidden_in(self, text: bytes) -> bytes:
        """``text`` with three stars wherever the token stands in it."""
        return text.replace(self._text.encode("ascii"), b"***")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is not pickled")

    def __repr__(self) -> str:
        return "<Token>"


def token_for(
    address: Address, *, token: str | None, environment: Mapping[str, str], url_from_code: bool
) -> Token:
    """The token for a server: the one that was given with its URL, else ``RUSHDB_API_KEY``.

    Args:
        token: What was given; it goes where its giver says.
        environment: ``os.environ``.
        url_from_code: Whether the address was given as an argument or by the environment. One out
            of a file in the working directory does not get the environment's token, which whoever
            wrote that file may never have seen.

    Raises:
        ConfigurationError: There is none, or none that may be sent there.
    """
    if token is not None:
        return Token(token)
    found = environment.get(TOKEN_VARIABLE)
    if not found:
        raise ConfigurationError(
            f"{address.url} wants a token: give it with token=, or in the environment variable "
            f"{TOKEN_VARIABLE}"
        )
    if not (url_from_code or address.is_cloud):
        raise ConfigurationError(
            f"the token in {TOKEN_VARIABLE} is not sent to {address.url}, which neither an argument nor the "
            "environment names; pass token= explicitly to send it there"
        )
    if address.insecure:
        raise ConfigurationError(
            f"the token in {TOKEN_VARIABLE} is not sent to {address.url}, as others can read what goes over "
            "plain http; use https, or pass token= explicitly to send it all the same"
        )
    return Token(found)


def _ascii_host(host: str) -> str:
    """A host name as DNS has it; `ConfigurationError` where it is none."""
    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
        pass
    if not host.isascii():
        import idna  # comes with httpx; hardly anybody needs it

        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError:
            _refuse("has a host name that cannot be one")
    if len(host) > 253 or not _HOST_NAME.match(host):
        _refuse("has a host name that cannot be one" if host else "names a host")
    return host


def _refuse(problem: str) -> NoReturn:
    """Say what a URL must be, and not what it was; nor does the cause, which may repeat it."""
    raise ConfigurationError(
        f"the URL of a server {problem}; expected something like 'https://api.rushdb.com/api/v1'"
    ) from None
