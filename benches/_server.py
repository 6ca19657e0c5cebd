"""Starts a server from its command line, waits until it can answer, and ends what it started."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil

START_SECONDS = 300
STOP_SECONDS = 60


class ServerFailed(Exception):
    """A server ended, or was not ready in time."""


class Running(NamedTuple):
    url: str
    pid: int
    model: str  # as the server calls it


@contextlib.contextmanager
def serve(
    template: str, values: Mapping[str, object], log: Path, environ: Mapping[str, str]
) -> Iterator[Running]:
    """Run the command `template`, its {placeholders} filled from `values` and {port}."""
    port = free_port()
    command = fill(template, {**values, "port": port})
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **environ},
            start_new_session=True,  # a Ctrl-C is ours; we end it ourselves
        )
    try:
        url = f"http://127.0.0.1:{port}"
        yield Running(url, process.pid, _wait_until_ready(process, url, log))
    finally:
        stop(process)


def fill(template: str, values: Mapping[str, object]) -> list[str]:
    """The words of a command line; a value is never split, whatever it holds."""
    return [word.format_map(values) for word in shlex.split(template)]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it politely; what is left after a minute, its children included, by force."""
    tree = _descendants(process.pid)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    _, alive = psutil.wait_procs(tree, timeout=5)
    for child in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.send_signal(signal.SIGKILL)
    if process.poll() is None:
        process.kill()
        process.wait()


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> str:
    """The id of the model, once `/health` is good (or absent) and `/v1/models` lists one."""
    began = time.monotonic()
    while time.monotonic() - began < START_SECONDS:
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.TransportError):
            if model := _ready_model(url):
                return model
        time.sleep(0.05)
    tail = log.read_text(errors="replace")[-2000:]
    raise ServerFailed(f"{shlex.join(map(str, process.args))} is not ready:\n{tail}")  # type: ignore[arg-type]


def _ready_model(url: str) -> str | None:
    with httpx.Client(base_url=url, timeout=10, trust_env=False) as http:
        if http.get("/health").status_code not in (200, 404):
            return None
        models = http.get("/v1/models")
        entries = models.json().get("data") if models.status_code == 200 else None
        return str(entries[0]["id"]) if entries else None
