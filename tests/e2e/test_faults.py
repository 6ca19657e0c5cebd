"""Bad input and bad luck: a clear error each time, and the server goes on serving."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest

from tests.support.server import Server, serve
from tests.support.tiny_model import write_tiny_model

PROMPTS = [
    "What is edgellm?",
    "What is quantisation?",
    "Which quantisation should I choose?",
    "How much memory does a 7B model at Q4_K_M need?",
    "What is a KV cache?",
    "Can a Raspberry Pi 5 run a language model?",
    "Hello, my name is Ada. " * 20 + "What is my name?",
    "What is the capital of France?",
]


def chat(server: Server, content: str, **options: Any) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": content}], "temperature": 0, **options}
    return {"method": "POST", "url": f"{server.url}/v1/chat/completions", "json": body}


def text(server: Server, question: str, **options: Any) -> str:
    """A streamed answer, whole."""
    with httpx.stream(**chat(server, question, stream=True, **options), timeout=60) as reply:
        return "".join(content(line) for line in reply.iter_lines() if line.startswith("data: {"))


def content(line: str) -> str:
    """What one event adds to the answer."""
    choices = json.loads(line.removeprefix("data: "))["choices"]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def ask_anything(server: Server) -> None:
    """The server goes on serving."""
    reply = httpx.request(**chat(server, "Hello", max_tokens=5), timeout=60)
    assert reply.status_code == 200
    assert reply.json()["choices"][0]["message"]["content"]


def test_eight_streams_at_once_equal_each_alone(server: Server) -> None:
    alone = [text(server, prompt) for prompt in PROMPTS]
    with concurrent.futures.ThreadPoolExecutor(len(PROMPTS)) as pool:
        together = list(pool.map(lambda prompt: text(server, prompt), PROMPTS))
    assert together == alone
    assert all(alone)


def test_a_killed_engine_is_told_and_its_stream_goes_on(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        victim = server.engine.pid
        whole = text(server, "Hello", ignore_eos=True, max_tokens=600)
        body = chat(server, "Hello", stream=True, ignore_eos=True, max_tokens=600)
        with httpx.stream(**body, timeout=60) as reply:
            lines = (line for line in reply.iter_lines() if line.startswith("data: {"))
            parts = [content(next(lines)) for _ in range(20)]
            os.kill(victim, signal.SIGKILL)
            parts += [content(line) for line in lines]
        assert "".join(parts) == whole
        health = server.health()
        assert health["status"] == "ok"
        assert "signal 9" in health["models"][0]["last_crash"]
        assert health["models"][0]["restarts"] == 1
        assert server.engine.pid != victim


def test_a_vanished_client_stops_the_computation(server: Server) -> None:
    body = chat(server, "Hello", stream=True, ignore_eos=True, max_tokens=1900)
    with httpx.stream(**body, timeout=60) as reply:
        lines = reply.iter_lines()
        for _ in range(4):
            next(lines)
        assert server.health()["models"][0]["stats"]["running"] == 1
    while server.health()["models"][0]["stats"]["running"]:
        time.sleep(0.02)
    generated = server.health()["models"][0]["stats"]["generated_tokens"]
    ask_anything(server)
    after = server.health()["models"][0]["stats"]["generated_tokens"]
    assert 0 < after - generated <= 5  # the new answer's, and nothing of the old one's


def test_ten_megabytes_are_a_clear_error(server: Server) -> None:
    reply = httpx.request(**chat(server, "long " * 2_000_000), timeout=60)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert "2048" in error["message"]
    assert len(reply.content) < 1000
    ask_anything(server)


def test_a_prompt_slightly_too_long_names_both_numbers(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.completions.create(model="pocket", prompt=[5] * 2048)
    assert caught.value.code == "context_length_exceeded"
    assert "2048 tokens, but the prompt has 2048" in caught.value.message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ("{not json", None),
        ("[]", None),
        ('{"messages": []}', "messages"),
        ('{"messages": [{"role": "wizard", "content": "x"}]}', "messages[0].role"),
        ('{"messages": "hello"}', "messages"),
        ('{"messages": [{"role": "user", "content": "x"}], "temperature": "hot"}', "temperature"),
        ('{"messages": [{"role": "user", "content": "x"}], "max_tokens": 0}', "max_tokens"),
    ],
)
def test_bad_bodies_are_named(server: Server, body: str, param: str | None) -> None:
    reply = httpx.post(f"{server.url}/v1/chat/completions", content=body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["param"] == param
    assert error["message"]
    ask_anything(server)


def test_a_template_that_raises_is_a_bad_request(tmp_path: Path) -> None:
    model = write_tiny_model(
        tmp_path / "strict.gguf",
        template="{% if messages[0].role != 'user' %}"
        "{{ raise_exception('Conversations must begin with the user') }}{% endif %}"
        "{{ messages[0].content }}",
    )
    with serve(tmp_path, str(model)) as server:
        bad = {
            "messages": [{"role": "assistant", "content": "x"}, {"role": "user", "content": "y"}]
        }
        reply = httpx.post(f"{server.url}/v1/chat/completions", json=bad)
        assert reply.status_code == 400
        assert "Conversations must begin with the user" in reply.json()["error"]["message"]
        ask_anything(server)


def run_serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgellm", "serve", "--port", "0", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_files_that_are_no_models_end_serve_with_a_reason(tmp_path: Path, tiny_model: Path) -> None:
    text_file = tmp_path / "notes.gguf"
    text_file.write_text("This is not a model, but a text of some length.")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny_model.read_bytes()[:200_000])
    cases = [
        (text_file, 2, "is not a GGUF file"),
        (tmp_path, 2, "is a directory"),
        (tmp_path / "none.gguf", 2, "There is no file"),
        (cut, 3, "cannot load cut.gguf"),
    ]
    for path, status, message in cases:
        result = run_serve(str(path))
        assert result.returncode == status, result.stderr
        assert result.stderr.count("error: ") == 1
        assert message in result.stderr
        assert "hint: " in result.stderr
        assert "Traceback" not in result.stderr


def test_a_taken_port_ends_serve_with_a_hint(server: Server) -> None:
    port = server.url.rsplit(":", 1)[1]
    result = run_serve("--port", port)
    assert result.returncode == 5
    assert f"127.0.0.1:{port} is already in use" in result.stderr
    assert "hint: " in result.stderr


def test_the_server_ends_cleanly_and_leaves_no_engine(tmp_path: Path, tiny_model: Path) -> None:
    with serve(tmp_path, str(tiny_model)) as server:
        engine = psutil.Process(server.engine.pid)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 0
        assert not engine.is_running()
        assert "Traceback" not in server.log


def test_the_server_without_its_engine_stays_small(server: Server) -> None:
    """67 MB at its start; the rest is what the largest requests of this suite leave."""
    ask_anything(server)
    assert psutil.Process(server.process.pid).memory_info().rss < 115e6
