"""`GET /metrics`: what Prometheus collects.

Everything is counted elsewhere, without Prometheus (`serving/tally.py`, the engines' own
statistics); this says it in Prometheus's words when somebody asks. Labels are names of models that
are here, versions of their files, and closed sets: nothing that a client can invent.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import Response

from edgellm import __version__
from edgellm.api.requests_seen import RequestsSeen
from edgellm.serving.desk import Desk
from edgellm.serving.measure import Measure
from edgellm.serving.tally import ModelTally
from edgellm.types import DeviceStatus, ModelStatus

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_MODEL = ("model", "version")


def _used_cells(model: ModelStatus) -> int | None:
    return model.stats.num_used_cells if model.stats.num_cells else None


_MEASURES: tuple[tuple[str, str, Callable[[ModelTally], Measure]], ...] = (
    (
        "edgellm_time_to_first_token_seconds",
        "From the request to its first token.",
        lambda t: t.ttft,
    ),
    ("edgellm_inter_token_seconds", "Between two pieces of an answer.", lambda t: t.inter_token),
    ("edgellm_end_to_end_seconds", "From the request to the answer's end.", lambda t: t.end_to_end),
    ("edgellm_queue_seconds", "Waiting for a slot of the engine.", lambda t: t.queue),
    (
        "edgellm_prefill_tokens_per_second",
        "Speed of computing prompts, without what was cached.",
        lambda t: t.prefill_rate,
    ),
    ("edgellm_decode_tokens_per_second", "Speed of an answer.", lambda t: t.decode_rate),
)
_TOKENS: tuple[tuple[str, str, Callable[[ModelTally], int]], ...] = (
    ("edgellm_prompt_tokens", "Tokens of prompts, cached or not.", lambda t: t.num_prompt_tokens),
    (
        "edgellm_cached_prompt_tokens",
        "Of these, not computed again.",
        lambda t: t.num_cached_tokens,
    ),
    ("edgellm_generated_tokens", "Tokens of answers.", lambda t: t.num_generated_tokens),
    (
        "edgellm_client_disconnects",
        "Clients that left before the end.",
        lambda t: t.num_disconnects,
    ),
)
# Of the engine's life: they begin anew with each engine, as Prometheus's counters may.
_ENGINE_COUNTS: tuple[tuple[str, str, Callable[[ModelStatus], int]], ...] = (
    ("edgellm_guessed_tokens", "Tokens that were guessed.", lambda m: m.stats.num_guessed_tokens),
    ("edgellm_kept_tokens", "Of these, found right.", lambda m: m.stats.num_kept_tokens),
    ("edgellm_engine_steps", "Steps that were computed.", lambda m: m.stats.num_steps),
    (
        "edgellm_engine_prompt_tokens",
        "Tokens of prompts that were computed, those of abandoned answers included.",
        lambda m: m.stats.num_prompt_tokens,
    ),
    (
        "edgellm_engine_generated_tokens",
        "Tokens that were generated, those of abandoned answers included.",
        lambda m: m.stats.num_generated_tokens,
    ),
    ("edgellm_engine_restarts", "Engines that died and were replaced.", lambda m: m.num_restarts),
)
_GAUGES: tuple[tuple[str, str, Callable[[ModelStatus], float | None]], ...] = (
    ("edgellm_model_loaded", "1 when its engine is ready.", lambda m: m.state == "ready"),
    ("edgellm_engine_resident_bytes", "Memory that it takes.", lambda m: m.memory_bytes),
    ("edgellm_engine_reserved_bytes", "Memory kept for it.", lambda m: m.needed_bytes),
    ("edgellm_kv_cells", "Tokens that its KV cache holds.", lambda m: m.stats.num_cells or None),
    ("edgellm_kv_used_cells", "Of these, in use.", _used_cells),
)


def metrics_routes(desk: Desk, seen: RequestsSeen, device: Callable[[], DeviceStatus]) -> APIRouter:
    """The route.

    Args:
        device: called in a thread, since it reads sensors.
    """
    routes = APIRouter(tags=["edgellm"])

    @routes.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Counters, gauges and histograms in Prometheus's text format."""
        # Not before somebody collects: it takes a while to import.
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

        found = await asyncio.to_thread(device)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected(collect(desk, seen, found)))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return routes


class _Collected:
    """What a registry wants to have."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = tuple(metrics)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def collect(desk: Desk, seen: RequestsSeen, device: DeviceStatus) -> Iterator[Metric]:
    """All metrics as they are now."""
    models = desk.router.statuses()
    yield _info()
    yield _requests(seen)
    yield from _answers(desk)
    yield from _engines(desk, models)
    yield from _device(desk, device)


def _info() -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    metric = GaugeMetricFamily("edgellm_info", "The server's version.", labels=("version",))
    metric.add_metric((__version__,), 1)
    return metric


def _requests(seen: RequestsSeen) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    labels = ("method", "route", "status")
    metric = CounterMetricFamily("edgellm_http_requests", "HTTP requests.", labels=labels)
    for key, count in sorted(seen.counts.items()):
        metric.add_metric(key, count)
    return metric


def _answers(desk: Desk) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    tallies = desk.tally.models
    for name, text, measure in _MEASURES:
        histogram = HistogramMetricFamily(name, text, labels=_MODEL)
        for key, tally in tallies.items():
            _fill(histogram, key, measure(tally))
        yield histogram
    for name, text, number in _TOKENS:
        counter = CounterMetricFamily(name, text, labels=_MODEL)
        for key, tally in tallies.items():
            counter.add_metric(key, number(tally))
        yield counter
    ended = CounterMetricFamily(
        "edgellm_answers", "Answers by how they ended.", labels=(*_MODEL, "outcome")
    )
    refused = CounterMetricFamily(
        "edgellm_rejected_requests", "Not let in, by reason.", labels=(*_MODEL, "reason")
    )
    for key, tally in tallies.items():
        for outcome, count in tally.outcomes.items():
            ended.add_metric((*key, outcome), count)
        for reason, count in tally.refusals.items():
            refused.add_metric((*key, reason), count)
    yield ended
    yield refused


def _engines(desk: Desk, models: Iterable[ModelStatus]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    for name, text, number in _ENGINE_COUNTS:
        counter = CounterMetricFamily(name, text, labels=_MODEL)
        for model in models:
            counter.add_metric((model.id, model.version), number(model))
        yield counter
    counts: tuple[tuple[str, str, Callable[[ModelStatus], float | None]], ...] = (
        ("edgellm_running", "Answers that have a slot.", lambda m: num_running(desk, m)),
        ("edgellm_waiting", "Answers that wait for one.", lambda m: num_waiting(desk, m)),
    )
    for name, text, value in (*_GAUGES, *counts):
        gauge = GaugeMetricFamily(name, text, labels=_MODEL)
        for model in models:
            if (found := value(model)) is not None:
                gauge.add_metric((model.id, model.version), found)
        yield gauge


def num_running(desk: Desk, model: ModelStatus) -> int:
    """Answers that have a slot: the engine fills them as long as there are any."""
    is_ready = model.state == "ready" and model.parallel is not None
    return min(desk.num_seats(model.id), model.parallel or 0) if is_ready else 0


def num_waiting(desk: Desk, model: ModelStatus) -> int:
    return desk.num_seats(model.id) - num_running(desk, model)


def _device(desk: Desk, device: DeviceStatus) -> Iterator[Metric]:
    """What is not known is left out."""
    from prometheus_client.core import GaugeMetricFamily

    values: tuple[tuple[str, str, float | None], ...] = (
        ("edgellm_queue_limit", "Answers that may wait for a model.", desk.queue_limit),
        (
            "edgellm_memory_budget_bytes",
            "Memory that all engines together may take.",
            desk.router.memory_budget_bytes,
        ),
        ("edgellm_server_resident_bytes", "Memory of the server.", device.server_bytes),
        ("edgellm_temperature_celsius", "Of the hottest processor.", device.temperature_celsius),
        ("edgellm_throttled", "1 when heat or power slow it down.", device.is_throttled),
    )
    for name, text, value in values:
        if value is not None:
            yield GaugeMetricFamily(name, text, value=value)


def _fill(histogram: Metric, labels: tuple[str, ...], measure: Measure) -> None:
    bounds = [*map(str, measure.bounds), "+Inf"]
    counts = itertools.accumulate(measure.counts)
    histogram.add_metric(labels, list(zip(bounds, counts, strict=True)), measure.total)  # type: ignore[attr-defined]
