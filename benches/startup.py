"""From `edgellm serve` to the first token, and the memory of the server and its engine.

    python benches/startup.py [--model MODEL.gguf] [--repeat 5]

Each run starts a new server on a free port, asks one question as soon as the port answers, and
reads the resident memory after the answer. Prints a table of medians, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import socket
import statistics
import subprocess
import sys
import time
from importlib.metadata import version

import httpx
import psutil

QUESTION = {"role": "user", "content": "How much memory does a 7B model at Q4_K_M need?"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def first_token_seconds(url: str, began: float) -> float:
    """Ask until the server listens; seconds from `began` to the first text."""
    body = {"messages": [QUESTION], "stream": True, "temperature": 0}
    while time.monotonic() - began < 60:
        try:
            with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=60) as reply:
                lines = reply.iter_lines()
                if any('"content":"' in x and '"content":""' not in x for x in lines):
                    seconds = time.monotonic() - began
                    for _ in lines:  # to its end: the memory is read after the answer
                        pass
                    return seconds
        except httpx.ConnectError:
            time.sleep(0.01)
    raise TimeoutError("no token within a minute")


def measure(model: str | None) -> dict[str, float]:
    port = free_port()
    command = [sys.executable, "-m", "edgellm", "serve", "--port", str(port)]
    began = time.monotonic()
    server = subprocess.Popen([*command, *([model] if model else [])], stderr=subprocess.DEVNULL)
    try:
        seconds = first_token_seconds(f"http://127.0.0.1:{port}", began)
        process = psutil.Process(server.pid)
        (engine,) = process.children()
        return {
            "first_token_seconds": seconds,
            "server_rss_mb": process.memory_info().rss / 1e6,
            "engine_rss_mb": engine.memory_info().rss / 1e6,
        }
    finally:
        server.terminate()
        server.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    runs = [measure(options.model) for _ in range(options.repeat)]
    medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    for key, value in medians.items():
        values = ", ".join(f"{run[key]:.2f}" for run in runs)
        print(f"{key:22} median {value:8.2f}   ({values})")
    print(
        json.dumps(
            {
                "bench": "startup",
                "version": version("edgellm"),
                "model": options.model or "pocket",
                "machine": f"{platform.machine()}, {psutil.cpu_count()} CPUs",
                **{key: round(value, 3) for key, value in medians.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
