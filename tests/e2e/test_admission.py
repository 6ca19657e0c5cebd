"""A real server at its limits: the queue, deadlines, and what it tells of them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.conftest import wait_until
from tests.support.server import Server, serve

BODY: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Tell me of memory."}],
    "max_tokens": 1500,
    "ignore_eos": True,
    "temperature": 0,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    options = ("--parallel", "1", "--queue-limit", "2", "--no-warm-boot")
    with serve(folder, *options) as running:
        yield running


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


def ask(http: httpx.Client, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    return http.post("/v1/chat/completions", json={**BODY, **fields}, headers=headers or {})


def queue(http: httpx.Client) -> tuple[int, int]:
    """Running and waiting."""
    found = http.get("/v1/stats").json()["models"][0]["queue"]
    return found["running"], found["waiting"]


def engine_is_idle(server: Server) -> bool:
    stats = server.health()["models"][0]["stats"]
    return (stats["running"], stats["waiting"]) == (0, 0)


def metric(http: httpx.Client, name: str, **labels: str) -> float:
    """The sum of all samples with that name and these labels."""
    families = text_string_to_metric_families(http.get("/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


@contextlib.contextmanager
def held_streams(server: Server, users: list[str]) -> Iterator[None]:
    """An answer for each user, none of which gets on while the block runs; then the clients leave,
    each as soon as it has seen that its answer began."""

    def read(user: str) -> None:
        body = {**BODY, "stream": True, "user": user, "max_tokens": 1900}
        url = f"{server.url}/v1/chat/completions"
        with httpx.stream("POST", url, json=body, timeout=60) as reply:
            assert next(reply.iter_raw())

    threads = [threading.Thread(target=read, args=(user,)) for user in users]
    server.engine.suspend()
    try:
        with httpx.Client(base_url=server.url) as http:
            for thread in threads:
                thread.start()
            wait_until(lambda: sum(queue(http)) == len(users))
            yield
    finally:
        server.engine.resume()
        for thread in threads:
            thread.join(60)


def test_a_full_queue_is_a_429_whose_wait_is_computed(server: Server, http: httpx.Client) -> None:
    ask(http, max_tokens=100)  # something to know the speed by
    with held_streams(server, ["a", "b", "c"]):
        assert queue(http) == (1, 2)
        refused = ask(http, user="d")
        sdk = openai.OpenAI(base_url=f"{server.url}/v1", api_key="x", max_retries=0)
        with sdk, pytest.raises(openai.RateLimitError, match="queue is full"):
            sdk.chat.completions.create(model="pocket", messages=BODY["messages"])
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "queue_full"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    wait_until(lambda: queue(http) == (0, 0))
    assert ask(http, max_tokens=5).status_code == 200
    assert metric(http, "edgellm_rejected_requests_total", reason="queue_full") == 2


def test_answers_whose_clients_left_are_cancelled_and_counted(
    server: Server, http: httpx.Client
) -> None:
    before = metric(http, "edgellm_client_disconnects_total")
    with held_streams(server, ["a", "b"]):
        pass
    wait_until(lambda: engine_is_idle(server))
    wait_until(lambda: metric(http, "edgellm_client_disconnects_total") == before + 2)


def test_a_whole_answer_ends_at_its_deadline_and_so_does_its_work(
    server: Server, http: httpx.Client
) -> None:
    late = ask(http, {"X-Request-Timeout": "0.3"}, max_tokens=None)
    assert late.status_code == 504
    assert late.json()["error"]["code"] == "deadline_exceeded"
    wait_until(lambda: engine_is_idle(server))
    assert metric(http, "edgellm_answers_total", outcome="deadline") >= 1


def test_a_stream_ends_at_its_deadline_with_an_error(server: Server, http: httpx.Client) -> None:
    late = ask(http, {"X-Request-Timeout": "0.3"}, max_tokens=None, stream=True)
    assert late.status_code == 200
    assert late.text.count('"content":"') > 5
    assert late.text.rstrip().splitlines()[-1].count("deadline_exceeded") == 1
    assert "[DONE]" not in late.text
    wait_until(lambda: engine_is_idle(server))


def test_a_deadline_that_cannot_be_met_is_refused_at_once(
    server: Server, http: httpx.Client
) -> None:
    ask(http, max_tokens=100)
    computed = server.health()["models"][0]["stats"]["prompt_tokens"]
    refused = ask(http, {"X-Request-Timeout": "0.01"})
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "deadline_exceeded"
    assert "cannot be met" in refused.json()["error"]["message"]
    assert server.health()["models"][0]["stats"]["prompt_tokens"] == computed


def test_an_sdk_does_not_ask_again_for_what_came_too_late(
    server: Server, http: httpx.Client
) -> None:
    before = metric(http, "edgellm_answers_total", outcome="deadline")
    sdk = openai.OpenAI(base_url=f"{server.url}/v1", api_key="x", max_retries=2)
    with sdk, pytest.raises(openai.InternalServerError, match=r"deadline of 0\.3 s has passed"):
        sdk.chat.completions.create(
            model="pocket",
            messages=BODY["messages"],
            extra_headers={"X-Request-Timeout": "0.3"},
            extra_body={"ignore_eos": True},
        )
    assert metric(http, "edgellm_answers_total", outcome="deadline") == before + 1


def test_the_metrics_agree_with_the_answers(server: Server, http: httpx.Client) -> None:
    def generated() -> float:
        return metric(http, "edgellm_generated_tokens_total")

    before = generated()
    answers = [ask(http, max_tokens=20), ask(http, max_tokens=30)]
    told = sum(answer.json()["usage"]["completion_tokens"] for answer in answers)
    assert generated() - before == told == 50
    assert metric(http, "edgellm_model_loaded", model="pocket") == 1
    assert metric(http, "edgellm_engine_resident_bytes") > 1e6
    assert metric(http, "edgellm_server_resident_bytes") > 1e6
    assert metric(http, "edgellm_kv_used_cells") <= metric(http, "edgellm_kv_cells")


def test_the_settings_say_how_many_may_wait(tmp_path: Path) -> None:
    with serve(tmp_path, wait=False, environ={"EDGELLM_QUEUE_LIMIT": "many"}) as broken:
        assert broken.process.wait(30) == 2
    assert "queue-limit cannot be 'many'" in broken.log
