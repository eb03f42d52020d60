"""Operations and the two drivers that run them.

An operation is a generator: it yields commands, is sent the replies and
returns its result. It does no I/O, so it is written once, runs sync and async,
and a test of it is a conversation.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

from .errors import RushModelError
from .port import AsyncBackend, Backend, Command, ThreadedBackend

R = TypeVar("R")

Operation: TypeAlias = Generator[Command[Any], Any, R]


def ask(command: Command[R]) -> Operation[R]:
    """``reply = yield from ask(command)``: a yield whose reply is typed."""
    reply: R = yield command
    return reply


def run(backend: Backend, operation: Operation[R]) -> R:
    """Carry an operation out, in the calling thread."""
    execute = backend.verb()
    try:
        command = next(operation)
        while True:
            try:
                reply = execute(command)
            except RushModelError as error:
                command = operation.throw(error)
            else:
                command = operation.send(reply)
    except StopIteration as done:
        result: R = done.value
        return result
    finally:
        operation.close()


async def arun(backend: AsyncBackend, operation: Operation[R]) -> R:
    """Carry an operation out, from an event loop."""
    if isinstance(backend, ThreadedBackend):
        return await backend.carry_out(operation, run)
    execute = backend.verb()
    try:
        command = next(operation)
        while True:
            try:
                reply = await execute(command)
            except RushModelError as error:
                command = operation.throw(error)
            else:
                command = operation.send(reply)
    except StopIteration as done:
        result: R = done.value
        return result
    finally:
        operation.close()
