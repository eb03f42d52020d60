"""From what an endpoint answered, or did not, to vectors or a `Refused`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import httpcore
import orjson

from ..backends.rest.answers import is_distrust, reason_of
from ..backends.rest.calls import Deadline, remark_of, shortened
from ..errors import EmbedderError
from .retrying import RETRIED, Refused, pause_asked

if TYPE_CHECKING:
    from ..port import Float32

LONGEST_QUOTE = 100
"""Characters that are shown of a body that is no JSON."""


def vectors_of(subject: str, body: bytes, count: int, dims: int | None) -> Float32:
    """The vectors in an answer, float32 of shape ``(count, dims)``, in the order of the texts.

    Raises:
        EmbedderError: They are not that many, not of one length, not numbers, not finite, or of no order.
    """
    import numpy as np

    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _nonsense(subject, f"no JSON: {_beginning(body)}") from None
    data: Any = cast("dict[str, Any]", document).get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        raise _nonsense(subject, "no object with a list 'data'")
    items = cast("list[Any]", data)
    if not all(isinstance(each, dict) and "embedding" in each for each in items):
        raise _nonsense(subject, "a 'data' whose items are not all objects with an 'embedding'")
    if len(items) != count:
        raise _nonsense(subject, f"{len(items)} vectors for {count} texts")
    array = _array(subject, [each["embedding"] for each in items])
    if dims is not None and array.shape[1] != dims:
        raise _nonsense(
            subject,
            f"vectors of {array.shape[1]} numbers; dims={dims} (shortens=True asks a model for that length)",
        )
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        raise _nonsense(subject, f"NaN or infinity in vector {int(np.argmin(finite))} of {count}")
    return _in_order(subject, array, [each.get("index") for each in items])


def refusal_of(subject: str, status: int, headers: Mapping[bytes, bytes], body: bytes) -> Refused:
    """For an answer of another status than 200; secrets are no longer in ``body``."""
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    error: Any = cast("dict[str, Any]", document).get("error") if isinstance(document, dict) else None
    # OpenAI's {"error": {"message", "code"}}, or one level less
    holder = cast("dict[str, Any]", error if isinstance(error, dict) else document)
    said = remark_of(holder) or _beginning(body)
    code = str(holder.get("code") or "") if isinstance(holder, dict) else ""
    message = f"{subject}: the server answered {status}{f': {said}' if said else ' without a word'}"
    wait, retryable = None, status in RETRIED or status >= 500
    if 300 <= status < 400:
        message = f"{subject}: the server answered {status} and sends on to {_host(headers)}; "
        message += "redirects are not followed: if that is right, give that URL as base_url="
    elif status in (401, 403):
        message += "; is the key the right one for this server? It is given by api_key="
    elif code == "insufficient_quota":  # 429 as well, but no pause gives credit back
        retryable = False
    elif retryable:
        wait = pause_asked(headers)
    details = {"answered": status, "retryable": retryable, "server_message": said, "retry_after": wait}
    return Refused(EmbedderError(message, **details), wait)


def failure_of(subject: str, error: Exception, deadline: Deadline) -> Refused:
    """For a request that was not answered."""
    reason = shortened(reason_of(error), LONGEST_QUOTE)
    if isinstance(error, (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ProxyError)):
        message = f"{subject}: no connection: {reason}"
        return Refused(EmbedderError(message, retryable=not is_distrust(error)))
    if isinstance(error, httpcore.TimeoutException):
        return Refused(late(subject, deadline))
    message = f"{subject}: the connection was cut before the answer was there: {reason}"
    return Refused(EmbedderError(message, retryable=True))


def late(subject: str, deadline: Deadline) -> EmbedderError:
    """For a request whose time is up."""
    message = f"{subject}: no answer within {deadline.seconds:.3g} seconds"
    return EmbedderError(message, retryable=True)


def _array(subject: str, given: list[Any]) -> Float32:
    """Embeddings in base64, or as lists of numbers, as one array."""
    import numpy as np

    if all(isinstance(each, str) for each in given):
        try:
            rows = [base64.b64decode(each, validate=True) for each in given]
        except (binascii.Error, ValueError):
            raise _nonsense(subject, "an 'embedding' that is no base64") from None
        size = len(rows[0])
        if not size or size % 4:
            raise _nonsense(subject, f"an 'embedding' of {size} bytes, which are no float32 numbers")
        if any(len(row) != size for row in rows):
            raise _nonsense(subject, "vectors of different lengths")
        array = np.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), size // 4)
        return array.astype(np.float32, copy=False)
    if not all(isinstance(each, list) for each in given) or [] in given:
        raise _nonsense(subject, "an 'embedding' that is neither base64 nor a list of numbers")
    if any(len(each) != len(given[0]) for each in given):
        raise _nonsense(subject, "vectors of different lengths")
    try:
        numbers = np.array(given)
    except (TypeError, ValueError, OverflowError):
        numbers = np.array(None)
    if numbers.ndim != 2 or numbers.dtype.kind not in "iuf":
        raise _nonsense(subject, "an 'embedding' that is not all numbers")
    with np.errstate(over="ignore"):  # infinity, which is looked for next
        return numbers.astype(np.float32)


def _in_order(subject: str, array: Float32, places: list[Any]) -> Float32:
    """The vectors by their ``index``; in the order they came in where none has one."""
    count = len(places)
    if places == [None] * count or places == [*range(count)]:
        return array
    if not all(type(place) is int for place in places) or sorted(places) != [*range(count)]:
        raise _nonsense(subject, f"'index' values that are not 0 to {count - 1}, each once")
    import numpy as np

    return array[np.argsort(places)]


def _nonsense(subject: str, problem: str) -> EmbedderError:
    return EmbedderError(f"{subject}: the server's answer has {problem}", retryable=False)


def _beginning(body: bytes) -> str:
    return shortened(body[: 8 * LONGEST_QUOTE].decode("utf-8", "replace"), LONGEST_QUOTE)


def _host(headers: Mapping[bytes, bytes]) -> str:
    """Where a redirect leads: only the host, as the rest may hold anything."""
    try:
        parts = urlsplit(headers.get(b"location", b"").decode("ascii"))
        return shortened(
            f"{parts.scheme}://{parts.hostname}" if parts.hostname else "another path", LONGEST_QUOTE
        )
    except ValueError:
        return "another place"
