"""`/health` in every state of the default model, and the root."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edgellm.types import EngineStats, ModelStatus
from tests.api.conftest import READY, InMemory, ScriptedRouter


def health(client: InMemory, router: ScriptedRouter, *models: ModelStatus) -> tuple[int, Any]:
    router.models = models
    response = client.get("/health")
    return response.status_code, response.json()


def status(**changes: Any) -> ModelStatus:
    return msgspec.structs.replace(READY, **changes)


def test_ready(client: InMemory, router: ScriptedRouter) -> None:
    stats = EngineStats(1, 2, 30, 40, 0, 7, 6, 50)
    model = status(
        stats=stats,
        num_restarts=1,
        last_crash="killed by signal 9",
        memory_bytes=100,
        num_requests=1,
    )
    assert health(client, router, model) == (
        200,
        {
            "status": "ok",
            "model": "pocket",
            "models": [
                {
                    "id": "pocket",
                    "state": "ready",
                    "progress": 0.0,
                    "context": 2048,
                    "parallel": 4,
                    "restarts": 1,
                    "error": None,
                    "last_crash": "killed by signal 9",
                    "warnings": [],
                    "memory_bytes": 100,
                    "pinned": False,
                    "requests": 1,
                    "waiting": 0,
                    "stats": {
                        "running": 1,
                        "waiting": 2,
                        "prompt_tokens": 30,
                        "generated_tokens": 40,
                        "guessed_tokens": 7,
                        "kept_tokens": 6,
                        "steps": 50,
                    },
                }
            ],
        },
    )


def test_loading(client: InMemory, router: ScriptedRouter) -> None:
    code, body = health(client, router, status(state="starting", progress=0.42))
    assert (code, body["status"], body["progress"]) == (503, "loading", 0.42)


@pytest.mark.parametrize(
    ("state", "word"), [("crashed", "crashed"), ("stopped", "failed"), ("starting", "loading")]
)
def test_broken(client: InMemory, router: ScriptedRouter, state: str, word: str) -> None:
    model = status(state=state, error="Not a GGUF file.", hint="Fetch it again.")
    code, body = health(client, router, model)
    assert (code, body["status"]) == (503, word)
    assert (body["error"], body["hint"]) == ("Not a GGUF file.", "Fetch it again.")


def test_not_loaded_but_loadable(client: InMemory, router: ScriptedRouter) -> None:
    code, body = health(client, router, status(state="stopped"))
    assert (code, body["status"]) == (200, "idle")
    assert "error" not in body


def test_an_accelerator_that_is_not_used(client: InMemory, router: ScriptedRouter) -> None:
    code, body = health(client, router, status(warnings=("none of the 28 layers",)), READY)
    assert (code, body["status"]) == (200, "ok")
    assert body["warnings"] == ["pocket: none of the 28 layers"]
    assert body["models"][0]["warnings"] == ["none of the 28 layers"]


@pytest.mark.parametrize("state", ["waiting", "draining"])
def test_not_serving(client: InMemory, router: ScriptedRouter, state: str) -> None:
    code, body = health(client, router, status(state=state))
    assert (code, body["status"]) == (503, state)
    assert "error" not in body


def test_the_default_model_speaks_for_all(client: InMemory, router: ScriptedRouter) -> None:
    other = status(id="other", state="crashed", error="It died.")
    code, body = health(client, router, READY, other)
    assert (code, body["status"]) == (200, "ok")
    assert [model["error"] for model in body["models"]] == [None, "It died."]


def test_no_model(client: InMemory, router: ScriptedRouter) -> None:
    code, body = health(client, router)
    assert (code, body["status"]) == (503, "failed")


def test_root_points_the_way(client: InMemory) -> None:
    body = client.get("/").json()
    assert body["name"] == "edgellm"
    for key in ("models", "health", "openapi"):
        assert client.get(body[key]).status_code == 200
