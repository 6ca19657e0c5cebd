"""A real `edgellm serve` in a process of its own, for tests that are its users."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import psutil


class Server:
    """A running server; `log` is what it wrote to stderr."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def engine(self) -> psutil.Process:
        (child,) = psutil.Process(self.process.pid).children()
        return child

    def health(self) -> dict[str, Any]:
        body: dict[str, Any] = httpx.get(f"{self.url}/health").json()
        return body

    def wait_until_ready(self) -> None:
        while True:
            with contextlib.suppress(httpx.ConnectError):
                if self.health()["status"] == "ok":
                    return
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}: {self.log}")
            time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def serve(
    folder: Path,
    *arguments: str,
    wait: bool = True,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    """Start a server, and end it politely. Offline, unless `environ` says otherwise: the search for
    a better model would take its time from the test."""
    port = free_port()
    log = folder / "server.log"
    environment = {
        **os.environ,
        "EDGELLM_HOME": str(folder / "home"),
        "EDGELLM_OFFLINE": "1",
        **environ,
    }
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "edgellm", "serve", "--port", str(port), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=environment,
        )
    server = Server(process, port, log)
    try:
        if wait:
            server.wait_until_ready()
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
