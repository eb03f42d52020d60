"""A TCP proxy that behaves as a link with latency: connections are made, and grow, as slowly as on one.

    python benchmarks/network.py PORT [--round-trip 0.020]

listens at a port of 127.0.0.1 that is free, prints its number, and passes all on to ``PORT`` of 127.0.0.1
until stdin ends. `Link` starts it as a process of its own, so that it takes no time from what is measured.

What the model has, for each connection and direction:

- Every byte is under way for half a round trip.
- The handshake: the client's first byte leaves one round trip after it began to connect (RFC 9293, 3.5).
  To the client, the connection is there at once; what it sends meanwhile waits here.
- Slow start: a sender has at most a congestion window in flight, first 10 segments (RFC 6928). An
  acknowledgement comes a round trip after its bytes left and makes the window larger by as many, so
  that it doubles in a round trip (RFC 5681, 3.1), if the window was in the way; one that was not
  used up does not grow (RFC 7661, 4.4.1).
- A sender that was idle for longer than the retransmission timeout begins anew (RFC 5681, 4.1).

It has no loss, no limit of bandwidth or of the receiver's window, and no delayed acknowledgement.
"""

from __future__ import annotations

import argparse
import asyncio
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from types import TracebackType

from typing_extensions import Self

SEGMENT = 1460
"""Bytes of a segment on Ethernet, over IPv4 without options."""
INITIAL_WINDOW = 10 * SEGMENT
"""RFC 6928, section 2."""
TIMEOUT = 1.0
"""Seconds: the shortest retransmission timeout (RFC 6298, 2.4)."""


class Link:
    """The proxy as a process, in front of a port of this machine; ``port`` is where it listens."""

    def __init__(self, port: int, round_trip: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(port), "--round-trip", str(round_trip)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # closes its stdin, and it ends


class Direction:
    """Bytes on their way from one side to the other.

    ``deliver`` gets them when they arrive, ``finish`` is called after the last of them.
    ``begin``: when the sender may first send, on the loop's clock.
    """

    def __init__(
        self,
        round_trip: float,
        begin: float,
        deliver: Callable[[bytes], object],
        finish: Callable[[], object],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._round_trip = round_trip
        self._begin = begin
        self._deliver = deliver
        self._finish = finish
        self._waiting: deque[bytes] = deque()
        self._under_way: deque[bytes | None] = deque()  # in order, which timers of one moment do not keep
        self._ended = False
        self._window = INITIAL_WINDOW
        self._flying = 0
        self._last_sent = begin

    def send(self, data: bytes) -> None:
        """Take what the sender wrote."""
        self._waiting.append(data)
        self._send_or_wait()

    def end(self) -> None:
        """The sender writes no more."""
        self._ended = True
        self._send_or_wait()

    def _send_or_wait(self) -> None:
        if self._loop.time() < self._begin:
            self._loop.call_at(self._begin, self._fly)
        else:
            self._fly()

    def _fly(self) -> None:
        """Send what the window allows."""
        now = self._loop.time()
        if now - self._last_sent > TIMEOUT and not self._flying:
            self._window = min(self._window, INITIAL_WINDOW)
        while self._waiting and self._flying < self._window:
            data = self._waiting.popleft()
            free = self._window - self._flying
            if len(data) > free:
                self._waiting.appendleft(data[free:])
                data = data[:free]
            self._flying += len(data)
            self._last_sent = now
            self._under_way.append(data)
            self._loop.call_at(now + self._round_trip / 2, self._arrive)
            self._loop.call_at(now + self._round_trip, self._acknowledged, len(data))
        if self._ended and not self._waiting:
            self._under_way.append(None)
            self._loop.call_at(now + self._round_trip / 2, self._arrive)

    def _arrive(self) -> None:
        data = self._under_way.popleft()
        if data is None:
            self._finish()
        else:
            self._deliver(data)

    def _acknowledged(self, size: int) -> None:
        if self._waiting:
            self._window += size
        self._flying -= size
        if self._waiting:
            self._fly()


class Side(asyncio.Protocol):
    """One side's connection to the proxy: what comes in goes off in ``away``."""

    def __init__(self) -> None:
        self.away: Direction | None = None
        self.transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.away is None:
            self._early.append(data)
        else:
            self.away.send(data)

    def eof_received(self) -> bool:
        self._end()
        return True  # the other direction goes on

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def open(self, away: Direction) -> None:
        """Say where to send; what came before is sent."""
        self.away = away
        for data in self._early:
            away.send(data)
        if self._over:
            away.end()

    def deliver(self, data: bytes) -> None:
        """Write what arrived from the other side."""
        if self.transport and not self.transport.is_closing():
            self.transport.write(data)

    def finish(self) -> None:
        """The other side writes no more: close, as both ends of an exchange do."""
        if self.transport:
            self.transport.close()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            if self.away is not None:
                self.away.end()


class Client(Side):
    """A client's connection, for which one to the server is made."""

    def __init__(self, port: int, round_trip: float) -> None:
        super().__init__()
        self._port = port
        self._round_trip = round_trip
        self._joining: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        self._joining = loop.create_task(self._join(loop.time() + self._round_trip))

    async def _join(self, begin: float) -> None:
        loop = asyncio.get_running_loop()
        _, server = await loop.create_connection(Side, "127.0.0.1", self._port)
        self.open(Direction(self._round_trip, begin, server.deliver, server.finish))
        server.open(Direction(self._round_trip, loop.time(), self.deliver, self.finish))


async def pass_on(port: int, round_trip: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(port, round_trip), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="A TCP proxy that behaves as a link with latency.")
    parser.add_argument("port", type=int)
    parser.add_argument("--round-trip", type=float, default=0.020)
    given = parser.parse_args()
    # epoll would round every wait up to a whole millisecond; select knows microseconds.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    loop.run_until_complete(pass_on(given.port, given.round_trip))


if __name__ == "__main__":
    main()
