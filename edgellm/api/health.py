"""`GET /health` for people, scripts and load balancers, and `GET /` for whoever opens the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm import __version__
from edgellm.api.auth import is_stranger
from edgellm.api.replies import json_response
from edgellm.serving.router import Router
from edgellm.types import ModelStatus, UpgradeStatus


def health_routes(
    router: Router, upgrade: Callable[[], UpgradeStatus | None] = lambda: None
) -> APIRouter:
    routes = APIRouter(tags=["edgellm"])

    @routes.get("/health")
    async def health(request: Request) -> Response:
        """200 when the default model is ready or would be loaded by the next request, 503 with the
        reason when it is not. Where keys are needed, the reason and the models are told to those
        only who have one."""
        status, body = to_health(router.statuses())
        if is_stranger(request):
            return json_response({"status": body["status"]}, status)
        found = upgrade()
        if found is not None:
            body["upgrade"] = msgspec.to_builtins(found) | {"percent": found.percent}
        return json_response(body, status)

    @routes.head("/", include_in_schema=False)
    async def is_there() -> Response:
        """Clients of Ollama ask so before anything else."""
        return Response()

    @routes.get("/")
    async def about() -> dict[str, str]:
        return {
            "name": "edgellm",
            "version": __version__,
            "models": "/v1/models",
            "health": "/health",
            "openapi": "/openapi.json",
        }

    return routes


def to_health(models: tuple[ModelStatus, ...]) -> tuple[int, dict[str, Any]]:
    """The HTTP status and the body. The first model is the default one, and speaks for all."""
    if not models:
        return 503, {"status": "failed", "error": "No model is served.", "models": []}
    default = models[0]
    body: dict[str, Any] = {"status": health_word(default), "model": default.id}
    if default.state == "starting":
        body["progress"] = default.progress
    if default.error is not None:
        body |= {"error": default.error, "hint": default.hint}
    warnings = [f"{model.id}: {warning}" for model in models for warning in model.warnings]
    if warnings:
        body["warnings"] = warnings
    body["models"] = [_to_detail(model) for model in models]
    return (200 if body["status"] in ("ok", "idle") else 503), body


def health_word(model: ModelStatus) -> str:
    """ok | idle (not loaded: the next request does that) | loading | waiting (for memory) |
    draining | crashed | failed (a load that went wrong)."""
    match model.state:
        case "ready":
            return "ok"
        case "starting":
            return "loading"
        case "stopped":
            return "idle" if model.error is None else "failed"
        case state:
            return state


def _to_detail(model: ModelStatus) -> dict[str, Any]:
    stats = model.stats
    return {
        "id": model.id,
        "state": model.state,
        "progress": model.progress,
        "context": model.context,
        "parallel": model.parallel,
        "restarts": model.num_restarts,
        "error": model.error,
        "last_crash": model.last_crash,
        "warnings": model.warnings,
        "memory_bytes": model.memory_bytes,
        "pinned": model.is_pinned,
        "requests": model.num_requests,
        "waiting": model.num_waiting,
        "stats": {
            "running": stats.num_running,
            "waiting": stats.num_waiting,
            "prompt_tokens": stats.num_prompt_tokens,
            "generated_tokens": stats.num_generated_tokens,
            "guessed_tokens": stats.num_guessed_tokens,
            "kept_tokens": stats.num_kept_tokens,
            "steps": stats.num_steps,
        },
    }
