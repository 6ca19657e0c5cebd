"""A device that reboots has not forgotten what it computed."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support.server import Server, serve

SYSTEM = "You are pocket. Be kind, be brief, and answer in whole sentences. " * 5


def cached_tokens(server: Server, question: str) -> int:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    body = {"messages": messages, "temperature": 0, "max_tokens": 4}
    reply = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=60).json()
    tokens: int = reply["usage"]["prompt_tokens_details"]["cached_tokens"]
    return tokens


def test_the_system_prompt_is_kept_over_a_restart(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        assert cached_tokens(server, "What is GGUF?") == 0
        assert cached_tokens(server, "Hello") > 50
    with serve(tmp_path) as server:
        assert cached_tokens(server, "What is edgellm?") > 50


def test_nothing_is_kept_without_warm_boot(tmp_path: Path) -> None:
    for _ in range(2):
        with serve(tmp_path, "--no-warm-boot") as server:
            assert cached_tokens(server, "What is GGUF?") == 0
            assert cached_tokens(server, "Hello") > 50
    assert not (tmp_path / "home" / "cache" / "prefixes").exists()
