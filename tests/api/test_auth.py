"""Keys at the door of every route: who needs one, where it may stand, and what it allows."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from fastapi import FastAPI

from edgellm.api.app import create_app
from edgellm.api.auth import PUBLIC_PATHS
from edgellm.api.guard import Access
from edgellm.security.key_ring import KeyRing
from edgellm.security.keys import KeyFile
from tests.api.conftest import InMemory, ScriptedRouter, serve

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json")


@pytest.fixture
def app(file: KeyFile, router: ScriptedRouter) -> FastAPI:
    return create_app(router, access=Access(KeyRing(file)))


def ways(token: str) -> list[dict[str, str]]:
    """How clients send a key."""
    return [
        {"Authorization": f"Bearer {token}"},
        {"authorization": f"bearer  {token} "},
        {"x-api-key": token},
        {"api-key": token},
        {"Authorization": "Bearer none", "x-api-key": token},
        {"Authorization": "Basic dXNlcjpwYXNz", "api-key": token},
    ]


def test_without_keys_nothing_changes(app: FastAPI, router: ScriptedRouter) -> None:
    client = InMemory(app)
    for headers in ({}, {"Authorization": b"Bearer none"}, {"x-api-key": b"\xff"}):
        assert client.post("/v1/chat/completions", CHAT, headers=headers).status_code == 200
    assert router.requests[0].client == "127.0.0.1"
    assert "models" in client.get("/health").json()


def test_a_key_opens_and_is_who_asks(app: FastAPI, file: KeyFile, router: ScriptedRouter) -> None:
    token = file.add("phone", "user", 0)
    client = InMemory(app)
    for headers in ways(token):
        assert client.post("/v1/chat/completions", CHAT, headers=headers).status_code == 200
    assert {request.client for request in router.requests} == {"key phone"}
    body = {**CHAT, "user": "kim"}
    client.post("/v1/chat/completions", body, headers={"x-api-key": token})
    assert router.requests[-1].client == "key phone"  # not one more turn for each user


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "This server needs an API key."),
        ({"Authorization": "Bearer"}, "This server needs an API key."),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, "This server needs an API key."),
        ({"Authorization": "Bearer none"}, "Incorrect API key provided."),
        ({"x-api-key": "edgellm-wrong"}, "Incorrect API key provided."),
        ({"api-key": "ä"}, "Incorrect API key provided."),
    ],
)
def test_everything_else_is_refused(
    app: FastAPI, file: KeyFile, router: ScriptedRouter, headers: dict[str, str], said: str
) -> None:
    file.add("phone", "user", 0)
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    response = InMemory(app).post("/v1/chat/completions", CHAT, headers=raw)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    error = response.json()["error"]
    assert (error["code"], error["type"]) == ("invalid_api_key", "invalid_request_error")
    assert error["message"].startswith(said)
    assert "edgellm keys add" in error["hint"]
    assert router.requests == []


def test_every_route_wants_one_but_the_public_ones(app: FastAPI, file: KeyFile) -> None:
    file.add("phone", "user", 0)
    client = InMemory(app)
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            status = client.request(method.upper(), path.replace("{model_id}", "x")).status_code
            assert (status == 401) != (path in PUBLIC_PATHS), (method, path, status)
    for path in (
        "/openapi.json",
        "/nowhere",
        "/v1",
        "/health/../v1/models",
    ):
        assert client.get(path).status_code == 401, path
    assert client.post("/health").status_code == 401


def test_strangers_learn_that_it_lives_and_no_more(
    app: FastAPI, file: KeyFile, router: ScriptedRouter
) -> None:
    token = file.add("phone", "user", 0)
    client = InMemory(app)
    for headers in ({}, {"x-api-key": "wrong"}):
        assert client.get("/health", headers=headers).json() == {"status": "ok"}
    assert "models" in client.get("/health", headers={"x-api-key": token}).json()
    assert client.get("/").status_code == 200
    assert client.request("OPTIONS", "/v1/models").status_code == 405  # not 401: a preflight


def test_keys_count_at_once(app: FastAPI, file: KeyFile) -> None:
    client = InMemory(app)
    assert client.get("/v1/models").status_code == 200
    token = file.add("phone", "user", 0)
    assert client.get("/v1/models").status_code == 401
    assert client.get("/v1/models", headers={"x-api-key": token}).status_code == 200
    file.revoke("phone")
    assert client.get("/v1/models", headers={"x-api-key": token}).status_code == 401


def test_a_key_is_never_logged(
    app: FastAPI, file: KeyFile, caplog: pytest.LogCaptureFixture
) -> None:
    token = file.add("phone", "user", 0)
    with caplog.at_level(logging.DEBUG):
        client = InMemory(app)
        client.post("/v1/chat/completions", CHAT, headers={"x-api-key": token})
        client.post("/v1/chat/completions", CHAT, headers={"x-api-key": token + "x"})
    assert token not in caplog.text


@pytest.mark.parametrize("is_open", [False, True])
def test_models_are_managed_with_an_admin_s_key(
    file: KeyFile, router: ScriptedRouter, is_open: bool
) -> None:
    keys = {"user": file.add("phone", "user", 0), "admin": file.add("boss", "admin", 0)}
    app = create_app(router, access=Access(KeyRing(file)), is_admin_open=is_open)
    elsewhere = {"x-forwarded-for": "203.0.113.9"}

    def statuses(headers: dict[str, str]) -> set[int]:
        client, headers = InMemory(app), {**elsewhere, **headers}
        answers: list[httpx.Response] = [client.get("/admin/models", headers=headers)]
        for verb in ("load", "unload", "pin"):
            answers.append(client.post(f"/admin/models/pocket/{verb}", headers=headers))
        return {answer.status_code for answer in answers}

    assert statuses({}) == {401}
    assert statuses({"x-api-key": keys["user"]}) == {403}
    assert router.admin_calls == []
    assert statuses({"x-api-key": keys["admin"]}) == {200}
    refused = InMemory(app).get("/admin/models", headers={"x-api-key": keys["user"]})
    assert "--role admin" in refused.json()["error"]["hint"]


def test_a_page_with_a_key_may_use_the_model(app: FastAPI, file: KeyFile) -> None:
    token = file.add("page", "user", 0)
    headers = {"Origin": "https://page.example", "x-api-key": token}
    assert InMemory(app).post("/v1/chat/completions", CHAT, headers=headers).status_code == 200


def test_a_page_of_the_list_can_read_why_it_is_refused(
    file: KeyFile, router: ScriptedRouter
) -> None:
    file.add("page", "user", 0)
    origin = "https://page.example"
    access = Access(KeyRing(file))
    client = InMemory(create_app(router, access=access, cors_origins=(origin,)))
    refused = client.post("/v1/chat/completions", CHAT, headers={"Origin": origin})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == origin
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    assert client.request("OPTIONS", "/v1/chat/completions", headers=asked).status_code == 200


def test_the_sdks_send_keys_that_are_taken(app: FastAPI, file: KeyFile) -> None:
    token = file.add("phone", "user", 0)
    with serve(app) as url:
        for key, is_right in ((token, True), ("none", False)):
            with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
                _check(client.models.list, openai.AuthenticationError, is_right)
            azure = openai.AzureOpenAI(
                base_url=f"{url}/v1", api_key=key, api_version="1", max_retries=0
            )
            with azure:
                _check(azure.models.list, openai.AuthenticationError, is_right)
            with anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as claude:
                # Whoever is let in meets the route, whether or not the dialect is there.
                _check(lambda c=claude: _reach(c), anthropic.AuthenticationError, is_right)


def _check(call: Any, refusal: type[Exception], is_right: bool) -> None:
    if is_right:
        call()
        return
    with pytest.raises(refusal, match="Incorrect API key"):
        call()


def _reach(claude: anthropic.Anthropic) -> None:
    assert claude.get("/v1/models", cast_to=object)
