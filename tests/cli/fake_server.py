"""A scripted server that speaks chat completions: what it answers depends on the last message."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 2},
}
TIMINGS = {"queue_ms": 0.0, "prompt_ms": 500.0, "predicted_ms": 250.0}
SHUTDOWN_WAIT_SECONDS = 60


class FakeServer(ThreadingHTTPServer):
    """`requests` holds the bodies that came; `is_client_gone` is set when a slow answer's reader
    went away."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[dict[str, Any]] = []
        self.is_client_gone = threading.Event()
        self.is_closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    """`hello` text, `think` reasoning first, `long` finish "length", `boom` an error event,
    `vanish` the connection cut, `refuse` a 400, `crash` a 503, `slow` an answer without end."""

    server: FakeServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
        pass

    def do_GET(self) -> None:
        self._json(200, {"status": "ok", "models": []})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        word = body["messages"][-1]["content"].split()[0]
        match word:
            case "refuse":
                error = {"type": "invalid_request_error", "code": "context_length_exceeded"}
                self._json(400, {"error": {**error, "message": "Too long. Cut.", "hint": "Cut."}})
            case "crash":
                error = {"type": "server_error", "code": "engine_crashed"}
                self._json(503, {"error": {**error, "message": "The engine died."}})
            case _:
                self._stream(word)

    def _json(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, word: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        if word == "slow":
            self._stream_for_ever()
            return
        if word == "think":
            self._send(_chunk({"reasoning_content": "Hm."}))
        self._send(_chunk({"role": "assistant", "content": "Hello"}))
        if word == "vanish":
            return
        if word == "boom":
            self._send({"error": {"message": "The engine died.", "type": "server_error"}})
            return
        self._send(_chunk({"content": " wörld"}))
        self._send(_chunk({}, "length" if word == "long" else "stop"))
        self._send({"choices": [], "usage": USAGE, "timings": TIMINGS})
        self.wfile.write(b"data: [DONE]\r\n\r\n")

    def _stream_for_ever(self) -> None:
        try:
            while not self.server.is_closing.wait(0.02):
                self._send(_chunk({"content": "more "}))
        except OSError:
            self.server.is_client_gone.set()

    def _send(self, body: object) -> None:
        self.wfile.write(b": ping\r\n\r\ndata: " + json.dumps(body).encode() + b"\r\n\r\n")


def _chunk(delta: dict[str, str], reason: str | None = None) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


@contextmanager
def fake_server() -> Iterator[FakeServer]:
    """Runs while the block does."""
    with FakeServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.is_closing.set()
            server.shutdown()
            thread.join(SHUTDOWN_WAIT_SECONDS)
