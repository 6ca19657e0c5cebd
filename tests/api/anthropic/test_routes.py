"""The routes over HTTP: shapes, headers, streams, models, and every error's status and type."""

from __future__ import annotations

import re
from typing import Any

import httpx
import msgspec
import pytest

from edgellm.api.anthropic.errors import error_type, to_error
from edgellm.api.app import create_app
from edgellm.api.errors import ErrorAnswer
from edgellm.errors import (
    ConfigError,
    ContextLengthExceeded,
    EngineBusy,
    EngineCrashed,
    EngineLoadError,
    InvalidRequest,
    ModelLoading,
    TemplateError,
)
from edgellm.types import Started, TextDelta
from tests.api.conftest import READY, Hang, InMemory, ScriptedRouter, serve, wait_until

ASK = {"model": "tiny", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi you"}]}
VERSION = {"anthropic-version": "2023-06-01"}


def test_a_message(client: InMemory, router: ScriptedRouter) -> None:
    response = client.post("/v1/messages?beta=true", ASK | {"metadata": {"user_id": "me"}})
    answer = response.json()
    assert re.fullmatch(r"msg_[0-9a-f]{24}", answer["id"])
    assert re.fullmatch(r"req_[0-9a-f]{24}", response.headers["request-id"])
    assert answer["content"] == [{"type": "text", "text": "Hello"}]
    assert answer["model"] == "pocket"  # the alias's model
    assert router.requests[0].model == "pocket"
    assert router.requests[0].client.endswith(" me")
    assert router.closed == [0]


@pytest.mark.parametrize("headers", [{}, VERSION, {**VERSION, "anthropic-beta": "a-2025,b-2026"}])
def test_any_version_will_do(client: InMemory, headers: dict[str, str]) -> None:
    assert client.post("/v1/messages", ASK, headers=headers).status_code == 200


def test_the_default_model_needs_no_name(client: InMemory, router: ScriptedRouter) -> None:
    body = {key: value for key, value in ASK.items() if key != "model"}
    assert client.post("/v1/messages", body).status_code == 200
    assert router.requests[0].model == "pocket"


def test_count_tokens(client: InMemory, router: ScriptedRouter) -> None:
    body = {key: value for key, value in ASK.items() if key != "max_tokens"}
    response = client.post("/v1/messages/count_tokens", body)
    assert response.json() == {"input_tokens": 3}  # the stand-in counts words, "user:" is one
    assert router.requests == []


def test_a_request_that_would_not_wait() -> None:
    router = ScriptedRouter([ModelLoading("pocket", 7)])
    client = InMemory(create_app(router))
    response = client.post("/v1/messages", ASK, headers={"X-EdgeLLM-Wait": "no"})
    assert not router.requests[0].may_wait
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")
    assert response.json()["error"]["type"] == "overloaded_error"


ERRORS: list[tuple[Exception, int, str]] = [
    (InvalidRequest("Bad.", "Mend it.", param="x"), 400, "invalid_request_error"),
    (ContextLengthExceeded(9, 8), 400, "invalid_request_error"),
    (TemplateError("It raised.", "Look."), 400, "invalid_request_error"),
    (EngineLoadError("Broken file.", "Fetch it again."), 503, "api_error"),
    (EngineBusy("Full."), 503, "overloaded_error"),
    (EngineCrashed("It died."), 503, "api_error"),
    (ConfigError("A setting.", "Change it."), 500, "api_error"),
    (RuntimeError("secret"), 500, "api_error"),
]


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(("error", "status", "kind"), ERRORS)
def test_errors(error: Exception, status: int, kind: str, is_stream: bool) -> None:
    client = InMemory(create_app(ScriptedRouter([error])))
    response = client.post("/v1/messages", ASK | {"stream": is_stream})
    body = response.json()
    assert (response.status_code, body["type"]) == (status, "error")
    assert body["error"]["type"] == kind
    assert body["request_id"] == response.headers["request-id"]
    assert "secret" not in response.text
    if isinstance(error, InvalidRequest):
        assert body["error"]["message"] == "Bad. Mend it."


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (409, "conflict_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (504, "timeout_error"),
        (507, "api_error"),
    ],
)
def test_types_of_errors(status: int, kind: str) -> None:
    assert error_type(ErrorAnswer(status, "whatever", None, "Message.")) == kind


def test_a_request_without_a_name_has_none_in_its_error() -> None:
    assert to_error(ErrorAnswer(400, "x", None, "Message."))["request_id"] is None


def test_an_unknown_model_and_an_unknown_address(client: InMemory) -> None:
    response = client.post("/v1/messages", ASK | {"model": "claude-sonnet-4-5"})
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")
    assert "edgellm serve --alias NAME" in response.json()["error"]["message"]
    response = client.post("/v1/messages/batches", {})
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")
    response = client.get("/v1/messages")
    assert (response.status_code, response.json()["type"]) == (405, "error")


def test_too_large_a_body() -> None:
    client = InMemory(create_app(ScriptedRouter(), max_body_bytes=100))
    response = client.post("/v1/messages", ASK | {"system": "x" * 200})
    assert (response.status_code, response.json()["error"]["type"]) == (413, "request_too_large")


def test_models_have_the_shape_of_whoever_asks(client: InMemory, router: ScriptedRouter) -> None:
    openai = client.get("/v1/models").json()
    assert (openai["object"], openai["data"][0]["object"]) == ("list", "model")
    listed = client.get("/v1/models?limit=1000", headers=VERSION).json()
    assert listed == {
        "data": [
            {
                "type": "model",
                "id": "pocket",
                "display_name": "pocket",
                "created_at": "2023-11-14T22:13:20+00:00",
                "lifecycle": "active",
                "max_input_tokens": 2048,
                "max_tokens": 2048,
            }
        ],
        "has_more": False,
        "first_id": "pocket",
        "last_id": "pocket",
    }
    assert client.get("/v1/models/tiny", headers=VERSION).json() == listed["data"][0]
    assert client.get("/v1/models/tiny").json()["object"] == "model"
    router.models = ()
    assert client.get("/v1/models", headers=VERSION).json()["first_id"] is None


@pytest.mark.parametrize(("created", "year"), [(-(10**12), "1970"), (10**18, "9999")])
def test_a_file_may_claim_any_time(router: ScriptedRouter, created: int, year: str) -> None:
    router.models = (msgspec.structs.replace(READY, created=created),)
    listed = InMemory(create_app(router)).get("/v1/models", headers=VERSION).json()
    assert listed["data"][0]["created_at"].startswith(year)


def test_a_model_that_is_not_there_is_an_error_of_the_same_shape(client: InMemory) -> None:
    response = client.get("/v1/models/a/b", headers=VERSION)
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")
    assert response.json()["request_id"] == response.headers["request-id"]
    assert "type" not in client.get("/v1/models/a/b").json()


def test_the_document_names_the_bodies(client: InMemory) -> None:
    document: dict[str, Any] = client.get("/openapi.json").json()
    for path, name in (("", "MessagesBody"), ("/count_tokens", "CountTokensBody")):
        content = document["paths"][f"/v1/messages{path}"]["post"]["requestBody"]["content"]
        assert content["application/json"]["schema"]["$ref"].endswith(f"/{name}")
        assert name in document["components"]["schemas"]
    assert document["paths"]["/v1/models"]["get"]["tags"] == ["OpenAI"]


def test_the_engine_stops_when_the_client_of_a_stream_is_gone() -> None:
    router = ScriptedRouter([Started(10), TextDelta("Hel"), Hang()])
    with serve(create_app(router)) as url:
        with (
            httpx.Client() as http,
            http.stream("POST", f"{url}/v1/messages", json=ASK | {"stream": True}) as response,
        ):
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = response.iter_lines()
            assert next(lines) == "event: message_start"
            assert any("text_delta" in line for line in lines)
        wait_until(lambda: router.closed == [0])


def test_a_stream_that_fails_half_way_names_the_request() -> None:
    router = ScriptedRouter([Started(10), TextDelta("Hel"), EngineBusy("It stops.")])
    with serve(create_app(router)) as url:
        response = httpx.post(f"{url}/v1/messages", json=ASK | {"stream": True})
    assert response.status_code == 200
    event, data = response.text.rstrip().split("\n")[-2:]
    assert event == "event: error"
    assert '"overloaded_error"' in data
    assert response.headers["request-id"] in data
    assert "message_stop" not in response.text
