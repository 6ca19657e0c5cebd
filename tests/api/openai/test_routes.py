"""The routes without streaming: shapes, models, every error's status and code."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest

from edgellm.api.app import create_app
from edgellm.errors import (
    ConfigError,
    ContextLengthExceeded,
    EngineBusy,
    EngineCrashed,
    EngineLoadError,
    InvalidRequest,
    ModelLoading,
    NotEnoughMemory,
    TemplateError,
)
from edgellm.types import ModelStatus, Started, TextDelta
from tests.api.conftest import FINISHED, HELLO, InMemory, ScriptedRouter


def test_chat(client: InMemory, router: ScriptedRouter) -> None:
    answer = client.chat(model="tiny").json()
    assert answer["id"].startswith("chatcmpl-")
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "pocket"  # the alias's model
    assert answer["choices"][0]["message"]["content"] == "Hello"
    assert answer["usage"]["total_tokens"] == 12
    assert answer["timings"]["predicted_per_second"] == 20
    assert router.requests[0].model == "pocket"
    assert router.closed == [0]


def test_completion(client: InMemory, router: ScriptedRouter) -> None:
    answer = client.complete(echo=True).json()
    assert answer["id"].startswith("cmpl-")
    assert answer["object"] == "text_completion"
    assert answer["choices"] == [
        {"text": "Hello", "index": 0, "logprobs": None, "finish_reason": "stop"}
    ]
    assert router.requests[0].echo


def test_two_requests_have_two_ids(client: InMemory) -> None:
    assert client.chat().json()["id"] != client.chat().json()["id"]


def test_several_choices() -> None:
    router = ScriptedRouter(lambda _r, i: [Started(10), TextDelta("abc"[i]), FINISHED])
    answer = InMemory(create_app(router)).chat(n=3, seed=1).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    texts = [choice["message"]["content"] for choice in answer["choices"]]
    assert texts == ["a", "b", "c"]
    assert [request.sampling.seed for request in router.requests] == [1, 2, 3]
    assert answer["usage"]["prompt_tokens"] == 10
    assert answer["usage"]["completion_tokens"] == 6
    assert sorted(router.closed) == [0, 1, 2]


def test_several_prompts() -> None:
    router = ScriptedRouter(lambda r, _i: [Started(10), TextDelta(f"<{r.prompt}>"), FINISHED])
    answer = InMemory(create_app(router)).complete(prompt=["a", [1, 2]], n=2).json()
    assert [choice["text"] for choice in answer["choices"]] == [
        "<a>",
        "<a>",
        "<(1, 2)>",
        "<(1, 2)>",
    ]
    assert answer["usage"]["prompt_tokens"] == 20


def test_one_choice_fails_and_the_others_are_closed() -> None:
    def script(_request: object, number: int) -> list[object]:
        return [Started(1), EngineCrashed("It died.")] if number == 1 else list(HELLO)

    router = ScriptedRouter(script)
    response = InMemory(create_app(router)).chat(n=3)
    assert response.status_code == 503
    assert sorted(router.closed) == [0, 1, 2]


def test_ten_megabytes_reach_the_router() -> None:
    router = ScriptedRouter([ContextLengthExceeded(3_000_000, 2048)])
    text = "word " * 2_000_000
    response = InMemory(create_app(router)).chat(messages=[{"role": "user", "content": text}])
    assert router.requests[0].messages[0].content == text
    error = response.json()["error"]
    assert response.status_code == 400
    assert error["code"] == "context_length_exceeded"
    assert "2048" in error["message"]
    assert "3000000" in error["message"]
    assert len(response.content) < 1000


def test_too_large_a_body() -> None:
    router = ScriptedRouter()
    client = InMemory(create_app(router, max_body_bytes=1000))
    assert client.chat(messages=[{"role": "user", "content": "x" * 900}]).status_code == 200
    response = client.chat(messages=[{"role": "user", "content": "x" * 1000}])
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "request_too_large"
    assert "1000 bytes" in response.json()["error"]["message"]
    assert len(router.requests) == 1


ERRORS = [
    (InvalidRequest("Bad.", "Mend it.", param="stop"), 400, "invalid_value", "stop"),
    (ContextLengthExceeded(9, 8), 400, "context_length_exceeded", "INPUT"),
    (TemplateError("It raised.", "Look."), 400, "template_error", "INPUT"),
    (EngineLoadError("Broken file.", "Fetch it again."), 503, "model_load_failed", None),
    (NotEnoughMemory("Too large.", "Choose a smaller one."), 503, "not_enough_memory", None),
    (EngineBusy("Full."), 503, "engine_busy", None),
    (EngineCrashed("It died."), 503, "engine_crashed", None),
    (ConfigError("A setting.", "Change it."), 500, "server_error", None),
    (RuntimeError("secret"), 500, "internal_error", None),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("error", "status", "code", "param"), ERRORS)
def test_errors_before_the_answer(
    error: Exception,
    status: int,
    code: str,
    param: str | None,
    stream: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    router = ScriptedRouter([error])
    client = InMemory(create_app(router))
    for ask, input_param in ((client.chat, "messages"), (client.complete, "prompt")):
        response = ask(stream=stream)
        body = response.json()["error"]
        assert response.status_code == status
        assert body["code"] == code
        assert body["param"] == (input_param if param == "INPUT" else param)
        assert body["type"] == ("invalid_request_error" if status == 400 else "server_error")
        is_temporary = code in ("engine_busy", "engine_crashed")
        assert response.headers.get("Retry-After") == ("1" if is_temporary else None)
        assert "secret" not in response.text
    assert router.closed == [0, 1]
    assert ("Traceback" in caplog.text) == (code == "internal_error")


def test_the_message_holds_the_hint(client: InMemory, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: [TemplateError("It raised.", "Look at it.")]
    error = client.chat().json()["error"]
    assert error["message"] == "It raised. Look at it."
    assert error["hint"] == "Look at it."
    router.script = lambda _r, _i: [TemplateError("It raised.")]
    assert "hint" not in client.chat().json()["error"]


def test_an_answer_without_an_end_is_an_error(
    client: InMemory, router: ScriptedRouter, caplog: pytest.LogCaptureFixture
) -> None:
    router.script = lambda _r, _i: [Started(1), TextDelta("Hel")]
    assert client.chat().status_code == 500
    assert "without Finished" in caplog.text


def test_unknown_model(client: InMemory, router: ScriptedRouter) -> None:
    for response in (client.chat(model="gpt"), client.complete(model="gpt")):
        error = response.json()["error"]
        assert response.status_code == 404
        assert (error["code"], error["param"]) == ("model_not_found", "model")
        assert "'gpt'" in error["message"]
        assert "pocket" in error["hint"]
    assert router.requests == []


@pytest.mark.parametrize("stream", [False, True])
def test_who_does_not_wait_is_told_when_to_come_back(stream: bool) -> None:
    router = ScriptedRouter([ModelLoading("pocket", 6.2)])
    client = InMemory(create_app(router))
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    response = client.post("/v1/chat/completions", body, headers={"X-EdgeLLM-Wait": "no"})
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "7"
    assert response.json()["error"]["code"] == "model_loading"
    assert not router.requests[0].may_wait


def test_the_wait_header(client: InMemory, router: ScriptedRouter) -> None:
    for word, may_wait in (("No", False), ("0", False), ("yes", True), ("true", True)):
        headers = {"X-EdgeLLM-Wait": word}
        assert client.post("/v1/completions", {"prompt": "x"}, headers=headers).status_code == 200
        assert router.requests[-1].may_wait == may_wait
    client.complete()
    assert router.requests[-1].may_wait
    response = client.post("/v1/completions", {"prompt": "x"}, headers={"X-EdgeLLM-Wait": "maybe"})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "X-EdgeLLM-Wait"


@pytest.mark.parametrize(
    ("sent", "seconds"), [("5m", 300), (0, 0), (2.5, 2.5), (-1, math.inf), ("forever", math.inf)]
)
def test_keep_alive(
    client: InMemory, router: ScriptedRouter, sent: str | float, seconds: float
) -> None:
    assert client.chat(keep_alive=sent).status_code == 200
    assert client.complete(keep_alive=sent).status_code == 200
    assert [r.keep_alive_seconds for r in router.requests] == [seconds] * 2


@pytest.mark.parametrize("sent", ["soon", "", True, [5], {}])
def test_a_keep_alive_that_is_none(client: InMemory, sent: object) -> None:
    response = client.chat(keep_alive=sent)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "keep_alive"


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("ready", "loaded"),
        ("starting", "loading"),
        ("waiting", "loading"),
        ("stopped", "available"),
    ],
)
def test_models_that_are_not_loaded_are_listed(state: Any, word: str) -> None:
    router = ScriptedRouter()
    router.models = (*router.models, ModelStatus("other", state, 5, size_bytes=7))
    data = InMemory(create_app(router)).get("/v1/models").json()["data"]
    assert [model["id"] for model in data] == ["pocket", "other"]
    assert data[1]["status"] == {"value": word, "error": None}
    assert data[1]["meta"]["size_bytes"] == 7


def test_models(client: InMemory) -> None:
    answer = client.get("/v1/models").json()
    assert answer["object"] == "list"
    assert answer["data"] == [
        {
            "id": "pocket",
            "object": "model",
            "created": 1_700_000_000,
            "owned_by": "edgellm",
            "status": {"value": "loaded", "error": None},
            "meta": {
                "context": 2048,
                "capabilities": [],
                "description": "",
                "size_bytes": None,
                "state": "ready",
                "aliases": ["tiny"],
            },
        }
    ]
    assert client.get("/v1/models/pocket").json() == answer["data"][0]
    assert client.get("/v1/models/tiny").json() == answer["data"][0]


def test_unknown_model_id_may_hold_a_slash(client: InMemory) -> None:
    response = client.get("/v1/models/org/other")
    assert response.status_code == 404
    assert "'org/other'" in response.json()["error"]["message"]


def test_unknown_url(client: InMemory) -> None:
    response = client.get("/v1/nothing")
    error = response.json()["error"]
    assert response.status_code == 404
    assert (error["code"], error["type"]) == ("unknown_url", "invalid_request_error")
    assert "GET /v1/nothing" in error["message"]


def test_wrong_method(client: InMemory) -> None:
    response = client.get("/v1/chat/completions")
    error = response.json()["error"]
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    assert error["code"] == "method_not_allowed"
    assert "POST" in error["hint"]


def test_unexpected_error_outside_the_engine(
    client: InMemory, router: ScriptedRouter, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> tuple[()]:
        raise KeyError("secret")

    router.statuses = broken
    with caplog.at_level(logging.ERROR):
        response = client.get("/v1/models")
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "secret" not in response.text
    assert "KeyError" in caplog.text


def test_cors_is_off_by_default(client: InMemory) -> None:
    response = client.get("/health", headers={"Origin": "http://localhost:5173"})
    assert "access-control-allow-origin" not in response.headers


def test_cors_for_a_chosen_origin(router: ScriptedRouter) -> None:
    origin = "http://localhost:5173"
    client = InMemory(create_app(router, cors_origins=(origin,)))
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = client.request("OPTIONS", "/v1/chat/completions", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == origin
    router.script = lambda _r, _i: [RuntimeError("boom")]
    broken = client.request(
        "POST", "/v1/completions", json={"prompt": "x"}, headers={"Origin": origin}
    )
    assert broken.status_code == 500
    assert broken.headers["access-control-allow-origin"] == origin
    other = client.get("/health", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_documentation_has_the_bodies(client: InMemory) -> None:
    schema = client.get("/openapi.json").json()
    bodies = schema["components"]["schemas"]
    post = schema["paths"]["/v1/chat/completions"]["post"]
    ref = post["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert "messages" in bodies[ref.rpartition("/")[2]]["properties"]
    assert "prompt" in bodies["CompletionBody"]["properties"]
    assert client.get("/docs").status_code == 404  # it would load scripts from a CDN


@pytest.mark.parametrize(
    ("user", "asking"),
    [({}, "127.0.0.1"), ({"user": "ada"}, "127.0.0.1 ada"), ({"user": 5}, "127.0.0.1")],
)
def test_requests_carry_who_asks(
    client: InMemory, router: ScriptedRouter, user: dict[str, object], asking: str
) -> None:
    assert client.chat(**user).status_code == 200
    assert [request.client for request in router.requests] == [asking]
