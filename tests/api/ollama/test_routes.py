"""Ollama's routes over HTTP: forms, refusals, streams that are left or cut off."""

from __future__ import annotations

import json
from typing import Any

import httpx
import msgspec
import pytest

from edgellm.api import sse
from edgellm.api.app import create_app
from edgellm.types import ModelState, Started, TextDelta
from tests.api.conftest import READY, Hang, InMemory, ScriptedRouter, serve, wait_until
from tests.api.ollama.conftest import ScriptedLibrary
from tests.api.test_waiting_streams import LoadingRouter

HI = [{"role": "user", "content": "Hi"}]
CHAT = {"model": "pocket", "messages": HI}


def lines(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in response.text.splitlines()]


def test_answers_are_streamed_as_lines_unless_told_otherwise(client: InMemory) -> None:
    streamed = client.post("/api/chat", CHAT)
    assert streamed.headers["content-type"].startswith("application/x-ndjson")
    assert [each["done"] for each in lines(streamed)] == [False, False, True]
    whole = client.post("/api/chat", {**CHAT, "stream": False})
    assert whole.headers["content-type"] == "application/json"
    assert whole.json()["message"] == {"role": "assistant", "content": "Hello"}


def test_the_default_model_answers_without_a_name(client: InMemory) -> None:
    answer = client.post("/api/generate", {"prompt": "Hi", "stream": False}).json()
    assert (answer["model"], answer["response"]) == ("pocket", "Hello")


def test_a_tag_alone_is_no_name(client: InMemory) -> None:
    assert client.post("/api/show", {"model": ":latest"}).status_code == 404


def test_a_larger_context_is_told_in_the_answer(client: InMemory) -> None:
    body = {**CHAT, "stream": False, "options": {"num_ctx": 4096}}
    (warning,) = client.post("/api/chat", body).json()["warnings"]
    assert "2048" in warning
    body["options"] = {"num_ctx": 2048}
    assert "warnings" not in client.post("/api/chat", body).json()


def test_heartbeats_and_the_version(client: InMemory) -> None:
    for path in ("/", "/api/tags", "/api/version"):
        assert client.request("HEAD", path).status_code == 200
    version = client.get("/api/version").json()["version"]
    assert tuple(map(int, version.split("."))) >= (0, 6, 4)  # what editors ask for


@pytest.mark.parametrize("path", ["create", "copy", "push", "blobs/sha256:00"])
def test_what_only_ollama_does_says_what_to_use_instead(client: InMemory, path: str) -> None:
    response = client.post(f"/api/{path}", {"model": "x"})
    assert response.status_code == 400
    assert "is not supported" in response.json()["error"]


def test_errors_have_ollama_s_shape(client: InMemory) -> None:
    unknown = client.post("/api/chat", {**CHAT, "model": "x:1b"})
    assert unknown.status_code == 404
    assert unknown.json() == {"error": "model 'x:1b' not found", "hint": "Served here: pocket."}
    assert isinstance(client.post("/api/chat", {"messages": 1}).json()["error"], str)
    assert isinstance(client.get("/api/nothing").json()["error"], str)
    assert isinstance(client.get("/api/chat").json()["error"], str)
    broken = client.request("POST", "/api/show", content=b"{")
    assert (broken.status_code, "JSON" in broken.json()["error"]) == (400, True)
    assert client.get("/v1/nothing").json()["error"]["code"] == "unknown_url"


def test_a_pull_or_a_deletion_names_a_model(client: InMemory) -> None:
    assert client.post("/api/pull", {}).status_code == 400
    assert client.request("DELETE", "/api/delete", json={}).status_code == 400
    assert client.request("DELETE", "/api/delete", json={"name": "pocket"}).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("POST", "pull"), ("DELETE", "delete")])
def test_models_are_managed_from_this_device_only(
    router: ScriptedRouter, library: ScriptedLibrary, method: str, path: str
) -> None:
    client = InMemory(create_app(router, library=library))
    headers = {"X-Forwarded-For": "192.0.2.1"}
    body = {"model": "pocket"}
    response = client.request(method, f"/api/{path}", json=body, headers=headers)
    assert response.status_code == 403
    assert "this device only" in response.json()["error"]
    assert (library.pulled, library.removed) == ([], [])


def test_a_pinned_model_is_unloaded_by_administrators_only(router: ScriptedRouter) -> None:
    router.models = (msgspec.structs.replace(READY, is_pinned=True),)
    headers = {"X-Forwarded-For": "192.0.2.1"}
    body = {"model": "pocket", "keep_alive": 0}
    closed, open_ = (InMemory(create_app(router, is_admin_open=x)) for x in (False, True))
    assert closed.post("/api/generate", body, headers=headers).status_code == 403
    assert router.admin_calls == []
    assert open_.post("/api/generate", body, headers=headers).status_code == 200


def test_without_a_library_nothing_is_pulled(router: ScriptedRouter) -> None:
    client = InMemory(create_app(router, is_admin_open=True))
    response = client.post("/api/pull", {"model": "qwen3:4b"})
    assert (response.status_code, "no folder" in response.json()["error"]) == (400, True)
    assert client.request("DELETE", "/api/delete", json={"model": "pocket"}).status_code == 400
    assert client.post("/api/show", {"model": "pocket"}).json()["model_info"] == {}


def test_a_file_that_is_gone_or_broken_is_shown_without_facts(
    client: InMemory, library: ScriptedLibrary
) -> None:
    assert library.description is not None
    path = library.description.path
    assert client.post("/api/show", {"model": "pocket"}).json()["model_info"] != {}
    path.write_bytes(b"GGUF, but not really")
    assert client.post("/api/show", {"model": "pocket"}).json()["model_info"] == {}
    path.unlink()
    assert client.get("/api/tags").json()["models"][0]["details"]["family"] == ""


def test_a_client_that_leaves_stops_the_answer(url: str, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: [Started(1), TextDelta("Hel"), Hang()]
    with httpx.stream("POST", f"{url}/api/chat", json=CHAT) as response:
        assert "Hel" in next(response.iter_lines())
    wait_until(lambda: router.closed == [0])


def test_a_stream_waits_for_its_model_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """NDJSON has no comments, and a client would take an empty line for a broken document."""
    monkeypatch.setattr(sse, "STATUS_SECONDS", 0.02)
    router = LoadingRouter()
    states: list[ModelState] = ["starting", "ready"]
    router.become(states[0])
    with serve(create_app(router)) as url, httpx.Client() as http:
        import threading

        def load() -> None:
            wait_until(lambda: router.num_waiting)
            threading.Event().wait(0.1)
            router.become(states[1])

        thread = threading.Thread(target=load)
        thread.start()
        response = http.post(f"{url}/api/chat", json=CHAT)
        thread.join()
    assert [each["done"] for each in lines(response)] == [False, False, True]
