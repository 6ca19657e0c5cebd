"""The wall in front of every route, as clients meet it."""

from __future__ import annotations

import httpx
import pytest

from edgellm.api.app import create_app
from edgellm.api.guard import MAX_HEAD_BYTES, MAX_HEADERS, Access
from tests.api.conftest import InMemory, ScriptedRouter

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


def test_a_rebound_name_reaches_no_route(client: InMemory, router: ScriptedRouter) -> None:
    answers: list[httpx.Response] = []
    headers = {"Host": "rebound.example:8000", "Origin": "http://rebound.example:8000"}
    for path in ("/", "/health", "/v1/models", "/admin/models", "/openapi.json", "/ca.crt", "/x"):
        answers.append(client.get(path, headers=headers))
    answers.append(client.post("/v1/chat/completions", CHAT, headers=headers))
    assert {answer.status_code for answer in answers} == {403}
    error = answers[-1].json()["error"]
    assert error["code"] == "host_not_allowed"
    assert "--allowed-host" in error["hint"]
    assert router.requests == []


def test_an_allowed_name_does(router: ScriptedRouter) -> None:
    client = InMemory(create_app(router, access=Access(allowed_hosts=("llm.example.com",))))
    headers = {"Host": "llm.example.com"}
    assert client.post("/v1/chat/completions", CHAT, headers=headers).status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form"])
def test_a_foreign_page_computes_nothing(
    client: InMemory, router: ScriptedRouter, kind: str
) -> None:
    headers = {"Origin": "https://page.example", "Content-Type": kind}
    response = client.post("/v1/chat/completions", CHAT, headers=headers)
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "origin_not_allowed"
    assert router.requests == []


def test_a_page_of_the_list_does(router: ScriptedRouter) -> None:
    client = InMemory(create_app(router, cors_origins=("https://page.example",)))
    headers = {"Origin": "https://page.example"}
    assert client.post("/v1/chat/completions", CHAT, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Long": "x" * MAX_HEAD_BYTES},
        {f"X-{number}": "" for number in range(MAX_HEADERS + 1)},
    ],
)
def test_too_much_of_a_head(client: InMemory, headers: dict[str, str]) -> None:
    response = client.get("/health", headers=headers)
    assert response.status_code == 431
    assert response.json()["error"]["code"] == "request_head_too_large"


def test_the_authority_s_certificate(router: ScriptedRouter, client: InMemory) -> None:
    assert client.get("/ca.crt").status_code == 404
    response = InMemory(create_app(router, ca_certificate=b"PEM")).get("/ca.crt")
    assert (response.status_code, response.content) == (200, b"PEM")
    assert response.headers["content-type"] == "application/x-x509-ca-cert"
