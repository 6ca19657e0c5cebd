"""`GET /v1/stats`: how the server does, ready to read.

Percentiles are of the last ten minutes, counts since the start. What is not known is null, never
left out, so that the shape stays the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi import APIRouter
from msgspec import Struct
from starlette.responses import Response

from edgellm import __version__
from edgellm.api.metrics import num_running, num_waiting
from edgellm.api.replies import json_response
from edgellm.serving.desk import Desk
from edgellm.serving.measure import WINDOW_SECONDS, Percentiles
from edgellm.serving.tally import ModelTally
from edgellm.types import DeviceStatus, ModelState, ModelStatus


class Latencies(Struct, frozen=True):
    """Seconds, but for the rates, which are tokens per second."""

    time_to_first_token: Percentiles
    inter_token: Percentiles
    end_to_end: Percentiles
    queue: Percentiles
    prefill_rate: Percentiles
    decode_rate: Percentiles


class Queue(Struct, frozen=True):
    running: int
    waiting: int
    limit: int


class Totals(Struct, frozen=True):
    """Since the start."""

    prompt_tokens: int
    cached_prompt_tokens: int
    generated_tokens: int
    outcomes: dict[str, int]
    rejected: dict[str, int]
    client_disconnects: int
    cache_hit_rate: float | None


class ModelStats(Struct, frozen=True):
    id: str
    version: str
    state: ModelState
    memory_bytes: int | None
    reserved_bytes: int | None
    engine_restarts: int
    queue: Queue
    recent: Latencies
    total: Totals


class Stats(Struct, frozen=True):
    version: str
    window_seconds: float
    memory_budget_bytes: int | None
    device: DeviceStatus
    models: tuple[ModelStats, ...]


def stats_routes(desk: Desk, device: Callable[[], DeviceStatus]) -> APIRouter:
    """The route.

    Args:
        device: called in a thread, since it reads sensors.
    """
    routes = APIRouter(prefix="/v1", tags=["edgellm"])

    @routes.get("/stats")
    async def stats() -> Response:
        """p50, p95 and p99 of the last ten minutes, and what was counted since the start."""
        return json_response(to_stats(desk, await asyncio.to_thread(device)))

    return routes


def to_stats(desk: Desk, device: DeviceStatus) -> Stats:
    """Of the models that are loaded, or were used since the start."""
    used = {id_ for id_, _ in desk.tally.models}
    models = [m for m in desk.router.statuses() if m.state != "stopped" or m.id in used]
    return Stats(
        __version__,
        WINDOW_SECONDS,
        desk.router.memory_budget_bytes,
        device,
        tuple(_model(desk, model) for model in models),
    )


def _model(desk: Desk, model: ModelStatus) -> ModelStats:
    tally = desk.tally_of(model)
    return ModelStats(
        id=model.id,
        version=model.version,
        state=model.state,
        memory_bytes=model.memory_bytes,
        reserved_bytes=model.needed_bytes,
        engine_restarts=model.num_restarts,
        queue=Queue(num_running(desk, model), num_waiting(desk, model), desk.queue_limit),
        recent=_recent(tally, desk.clock()),
        total=_total(tally),
    )


def _recent(tally: ModelTally, now: float) -> Latencies:
    return Latencies(
        tally.ttft.percentiles(now),
        tally.inter_token.percentiles(now),
        tally.end_to_end.percentiles(now),
        tally.queue.percentiles(now),
        tally.prefill_rate.percentiles(now),
        tally.decode_rate.percentiles(now),
    )


def _total(tally: ModelTally) -> Totals:
    return Totals(
        tally.num_prompt_tokens,
        tally.num_cached_tokens,
        tally.num_generated_tokens,
        {str(outcome): num for outcome, num in tally.outcomes.items()},
        {str(reason): num for reason, num in tally.refusals.items()},
        tally.num_disconnects,
        tally.cache_hit_rate,
    )
