"""Three models in memory for two, with real engines: right answers, and no limit passed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
import pytest

from tests.support.server import Server, serve

NAMES = ("alpha", "beta", "gamma")
FLAGS = ("--context", "512", "--parallel", "4", "--cache-ram", "16", "--threads", "1")
QUESTIONS = ("What is edgellm?", "What is a KV cache?", "What is quantisation?")
MIB = 2**20


class Watch:
    """Looks at the engines of a server all the time: how many, and how much they hold."""

    def __init__(self, server: Server) -> None:
        self.most_bytes = 0
        self.most_engines = 0
        self._parent = psutil.Process(server.process.pid)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(0.02):
            sizes = []
            for child in self._parent.children():
                with contextlib.suppress(psutil.Error):
                    if "edgellm.engine" in child.cmdline():
                        sizes.append(child.memory_info().rss)
            self.most_bytes = max(self.most_bytes, sum(sizes))
            self.most_engines = max(self.most_engines, len(sizes))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pocket: Path) -> Path:
    made = tmp_path_factory.mktemp("models")
    for name in NAMES:
        shutil.copy(pocket, made / f"{name}.gguf")
    return made


@pytest.fixture(scope="module")
def limit(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Two and a half times what one of them needs."""
    with serve(tmp_path_factory.mktemp("one"), str(folder / "alpha.gguf"), *FLAGS) as server:
        needed: int = admin(server)["alpha"]["needed_bytes"]
    return needed * 5 // 2


@pytest.fixture
def server(folder: Path, limit: int, tmp_path: Path) -> Iterator[Server]:
    size = f"{limit // MIB}MiB"
    flags = ("--models-folder", str(folder), "--memory-limit", size, *FLAGS)
    with serve(tmp_path, str(folder / "alpha.gguf"), *flags) as running:
        yield running


def admin(server: Server) -> dict[str, dict[str, Any]]:
    models = httpx.get(f"{server.url}/admin/models").json()["models"]
    return {model["id"]: model for model in models}


def loaded(server: Server) -> set[str]:
    return {name for name, model in admin(server).items() if model["state"] == "ready"}


def engine_of(server: Server, model: str) -> psutil.Process:
    """The child that has the model's file in its memory."""
    for child in psutil.Process(server.process.pid).children():
        if any(each.path.endswith(f"{model}.gguf") for each in child.memory_maps()):
            return child
    raise AssertionError(f"no engine has loaded {model}")


def body_of(model: str, question: str, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}]
    return {"model": model, "messages": messages, "temperature": 0, "max_tokens": 24, **fields}


async def ask(http: httpx.AsyncClient, model: str, question: str, stream: bool) -> str:
    """The answer; fails if there is none."""
    body = body_of(model, question, stream=stream)
    response = await http.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    if not stream:
        answer = response.json()
        assert answer["model"] == model
        return str(answer["choices"][0]["message"]["content"])
    data = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]", data
    choices = [json.loads(item)["choices"][0] for item in data[:-1]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def references(http: httpx.AsyncClient) -> dict[str, str]:
    """All three are the same model, so one of them tells what is right."""
    return {question: await ask(http, "alpha", question, False) for question in QUESTIONS}


@contextlib.asynccontextmanager
async def client_of(server: Server) -> Any:
    async with httpx.AsyncClient(base_url=server.url, timeout=100) as http:
        yield http


def test_three_models_in_rotation_in_room_for_two(server: Server, limit: int) -> None:
    async def test() -> None:
        async with client_of(server) as http:
            right = await references(http)
            for number in range(9):
                question = QUESTIONS[number // 3]
                answer = await ask(http, NAMES[number % 3], question, bool(number % 2))
                assert answer == right[question]

    with Watch(server) as watch:
        asyncio.run(test())
    assert watch.most_engines == 2
    assert 0 < watch.most_bytes <= limit
    assert len(loaded(server)) == 2


def test_all_three_at_once(server: Server, limit: int) -> None:
    async def test() -> None:
        async with client_of(server) as http:
            right = await references(http)
            asked = [(NAMES[i % 3], QUESTIONS[i % 2], bool(i % 5)) for i in range(24)]
            answers = await asyncio.gather(*(ask(http, *each) for each in asked))
            assert answers == [right[question] for _, question, _ in asked]

    with Watch(server) as watch:
        asyncio.run(test())
    assert watch.most_engines == 2
    assert 0 < watch.most_bytes <= limit
    models = admin(server)
    assert [models[name]["num_restarts"] for name in NAMES] == [0, 0, 0]
    assert [models[name]["error"] for name in NAMES] == [None, None, None]


def test_a_model_that_streams_is_not_unloaded(server: Server) -> None:
    body = body_of("beta", "Count.", stream=True, ignore_eos=True, max_tokens=300)
    unload = f"{server.url}/admin/models/beta/unload"
    with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body) as response:
        lines = response.iter_lines()
        next(lines)
        refused = httpx.post(unload)
        assert refused.status_code == 409
        assert refused.json()["error"]["code"] == "model_in_use"
        waiting: list[httpx.Response] = []
        thread = threading.Thread(
            target=lambda: waiting.append(httpx.post(unload, json={"wait": True}, timeout=100))
        )
        thread.start()
        rest = [line for line in lines if line.startswith("data: ")]
    thread.join()
    assert rest[-1] == "data: [DONE]"
    assert json.loads(rest[-2][6:])["timings"]["predicted_n"] == 300
    assert waiting[0].json()["model"]["state"] == "stopped"
    assert "beta" not in loaded(server)


def test_killing_one_engine_does_not_touch_the_other(server: Server) -> None:
    async def test() -> None:
        async with client_of(server) as http:
            right = await references(http)
            await ask(http, "beta", QUESTIONS[0], False)
            victim, other = engine_of(server, "alpha"), engine_of(server, "beta")
            stream = asyncio.create_task(ask(http, "beta", QUESTIONS[1], True))
            os.kill(victim.pid, signal.SIGKILL)
            answers = await asyncio.gather(stream, ask(http, "alpha", QUESTIONS[1], False))
            assert answers == [right[QUESTIONS[1]]] * 2
            assert engine_of(server, "beta").pid == other.pid
            assert engine_of(server, "alpha").pid != victim.pid

    asyncio.run(test())
    models = admin(server)
    assert (models["alpha"]["num_restarts"], models["beta"]["num_restarts"]) == (1, 0)


def test_what_does_not_fit_is_refused_and_nobody_leaves(server: Server, folder: Path) -> None:
    big = folder / "big.gguf"
    try:
        with big.open("wb") as file:
            file.truncate(2**33)  # a hole: it takes no room on disk
        answer = httpx.post(
            f"{server.url}/v1/chat/completions", json=body_of("big", "Hello"), timeout=100
        )
    finally:
        big.unlink()
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "not_enough_memory"
    assert "--memory-limit" in answer.json()["error"]["hint"]
    assert loaded(server) == {"alpha"}


def test_idle_models_leave_and_come_back(folder: Path, tmp_path: Path) -> None:
    alpha = str(folder / "alpha.gguf")
    flags = ("--model", str(folder / "beta.gguf"), "--preload", "beta", "--keep-alive", "300ms")
    with serve(tmp_path, alpha, *flags, *FLAGS) as server:
        while "beta" not in loaded(server):
            time.sleep(0.02)
        for name in ("alpha", "beta"):
            answer = httpx.post(
                f"{server.url}/v1/chat/completions", json=body_of(name, "Hi"), timeout=100
            )
            assert answer.status_code == 200
        while loaded(server):
            time.sleep(0.02)
        health = httpx.get(f"{server.url}/health")
        assert (health.status_code, health.json()["status"]) == (200, "idle")
        hurried = httpx.post(
            f"{server.url}/v1/chat/completions",
            json=body_of("beta", "Hi"),
            headers={"X-EdgeLLM-Wait": "no"},
        )
        assert hurried.status_code == 503
        assert int(hurried.headers["Retry-After"]) >= 1
        while "beta" not in loaded(server):
            time.sleep(0.02)
