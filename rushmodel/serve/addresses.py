"""`Address`: where a server listens."""

from __future__ import annotations

import ipaddress
import os
import socket

from ..errors import ConfigurationError, StoreError
from ..value import Value


class Address(Value):
    """Where to listen: ``family`` and ``address`` as `socket` has them, and ``host`` as it was named."""

    family: socket.AddressFamily
    address: tuple[object, ...]
    host: str

    @classmethod
    def of(cls, host: str, port: int) -> Address:
        """Look a name up: its first IPv4 address, or else its first one.

        Raises:
            ConfigurationError: There is none, or the port is no number of a port.
        """
        if not 0 <= port <= 65535:  # the system would take the remainder
            raise ConfigurationError(f"a port is a number from 0 to 65535, got {port}")
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(f"{host!r}, port {port}: no address to listen at ({error})") from error
        family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        return cls(family, address, host)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it: decided by the address that is bound, not by its name."""
        return ipaddress.ip_address(str(self.address[0]).partition("%")[0]).is_loopback

    def listener(self, backlog: int) -> socket.socket:
        """A socket that listens there: who connects waits until somebody accepts.

        Raises:
            StoreError: It cannot be had; another program may have it.
        """
        # Only sockets that say TCP get TCP_NODELAY from asyncio; without it every answer waits some 40 ms
        # for the client's acknowledgement of its head.
        listener = socket.socket(self.family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if os.name == "posix":
                # Where a server has just stopped, the next one need not wait for its old connections. On
                # Windows the option would let two servers share a port.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self.address)
            listener.listen(backlog)
        except OSError as error:
            listener.close()
            raise StoreError(
                f"cannot listen at {self.host}, port {self.address[1]}: {error.strerror}"
            ) from error
        return listener

    def url(self, port: int) -> str:
        """What clients call it, with the port that was given in the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}"
