"""A server that speaks OpenAI's embeddings API, on a real socket, and does what it is told to get wrong."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np


class EmbeddingServer:
    """``faults`` come first: each a status, (status, headers, ...), or a function of the data."""

    def __init__(self, dims=4):
        self.dims = dims
        self.requests = []
        self.headers = []
        self.faults = []
        self.under_way = self.most_under_way = 0
        self.slow: float | Callable[[dict[str, Any]], float] = 0.0
        self.plain = False
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.answer(self, body)

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def answer(self, handler, body):
        with self._lock:
            self.requests.append((handler.path, body))
            self.headers.append(dict(handler.headers))
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            fault = self.faults.pop(0) if self.faults else None
        time.sleep(self.slow(body) if callable(self.slow) else self.slow)
        data = [
            {"index": place, "embedding": self.shown(vector(text, body.get("dimensions", self.dims)), body)}
            for place, text in enumerate(body["input"])
        ]
        status, headers = 200, {}
        sent: object = {"data": data}
        if isinstance(fault, tuple):
            status, headers, *body_of_it = fault
            sent = body_of_it[0] if body_of_it else sent
        elif isinstance(fault, int):
            status = fault
        elif fault is not None:
            sent = fault(data)
        if status != 200 and not isinstance(sent, bytes):
            sent = {"error": {"message": f"no: {handler.headers.get('authorization')}", "type": "x"}}
        with self._lock:
            self.under_way -= 1
        content = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def shown(self, made, body):
        if body.get("encoding_format") == "base64" and not self.plain:
            return base64.b64encode(made.astype("<f4").tobytes()).decode()
        return made.tolist()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def vector(text, dims):
    return np.array([len(text), *(text.count(letter) for letter in "aeiou"[: dims - 1])], np.float32)
