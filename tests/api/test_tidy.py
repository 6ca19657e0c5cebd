"""Addresses: a slash too many, no version, HEAD, the wrong method, none that there is."""

from __future__ import annotations

import pytest

from tests.api.conftest import InMemory, ScriptedRouter

MESSAGES = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions/", "/chat/completions", "/chat/completions/"]
)
def test_a_chat_at_another_address(client: InMemory, path: str) -> None:
    response = client.post(path, MESSAGES)
    assert response.status_code == 200  # no redirect, which would lose the body
    assert response.json()["choices"][0]["message"]["content"] == "Hello"


def test_completions_and_models_without_a_version(client: InMemory) -> None:
    assert client.post("/completions", {"prompt": "x"}).json()["choices"][0]["text"] == "Hello"
    assert client.get("/models").json() == client.get("/v1/models").json()
    assert client.get("/models/tiny").json()["id"] == "pocket"


def test_a_slash_behind_models_is_no_model(client: InMemory) -> None:
    assert client.get("/v1/models/").json() == client.get("/v1/models").json()


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/pocket", "/health"])
def test_head_is_get_without_its_body(client: InMemory, path: str) -> None:
    whole, head = client.get(path), client.request("HEAD", path)
    assert head.status_code == whole.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == whole.headers["content-type"]


@pytest.mark.parametrize("method", ["HEAD", "GET", "PUT", "DELETE", "OPTIONS"])
def test_the_wrong_method(client: InMemory, router: ScriptedRouter, method: str) -> None:
    response = client.request(method, "/v1/chat/completions")
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    if method != "HEAD":
        assert response.json()["error"]["code"] == "method_not_allowed"
    assert router.requests == []


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/", "/v2/chat/completions", "/v1/nothing/", "/nothing"]
)
def test_an_unknown_address(client: InMemory, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "unknown_url"


def test_the_document_names_each_route_once(client: InMemory) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert "/v1/models" in paths
    assert "/models" not in paths


def test_a_real_server_answers_head(url: str) -> None:
    import httpx

    with httpx.Client(base_url=url) as client:
        for _ in range(2):  # the connection is still in order
            assert client.head("/v1/models").status_code == 200
        assert client.get("/v1/models/").json()["object"] == "list"
