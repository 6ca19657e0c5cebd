"""`/metrics` as Prometheus reads it, and `/v1/stats`."""

from __future__ import annotations

import re

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from edgellm.api.app import create_app
from edgellm.api.stats import Stats
from edgellm.errors import EngineError
from edgellm.types import DeviceStatus, EngineStats, Started
from tests.api.conftest import READY, InMemory, ScriptedRouter

Labels = frozenset[tuple[str, str]]
POCKET = {"model": "pocket", "version": "Q4_K"}


class Scrape:
    """All samples of a scrape, by name and labels."""

    def __init__(self, reply: httpx.Response) -> None:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
        self.samples: dict[tuple[str, Labels], float] = {}
        for family in text_string_to_metric_families(reply.text):
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.samples
                self.samples[key] = sample.value

    def get(self, name: str, **labels: str) -> float | None:
        return self.samples.get((f"edgellm_{name}", frozenset(labels.items())))

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.samples}

    @property
    def label_values(self) -> set[str]:
        return {value for _, labels in self.samples for _, value in labels}


@pytest.fixture
def router() -> ScriptedRouter:
    router = ScriptedRouter()
    stats = EngineStats(
        num_guessed_tokens=7, num_kept_tokens=5, num_steps=3, num_cells=100, num_used_cells=40
    )
    router.models = (
        msgspec.structs.replace(
            READY,
            version="Q4_K",
            stats=stats,
            memory_bytes=50,
            needed_bytes=60,
            num_restarts=2,
        ),
        msgspec.structs.replace(READY, id="asleep", aliases=(), state="stopped", parallel=None),
    )
    return router


@pytest.fixture
def client(router: ScriptedRouter) -> InMemory:
    device = DeviceStatus(server_bytes=9, temperature_celsius=61.5, is_throttled=False)
    return InMemory(create_app(router, queue_limit=5, device=lambda: device))


def scrape(client: InMemory) -> Scrape:
    return Scrape(client.get("/metrics"))


def test_every_endpoint_that_answers_is_counted_alike(client: InMemory) -> None:
    assert client.chat().status_code == 200
    assert client.chat(stream=True, n=2).status_code == 200
    assert client.complete().status_code == 200
    found = scrape(client)
    assert found.get("answers_total", outcome="stop", **POCKET) == 4
    assert found.get("prompt_tokens_total", **POCKET) == 40
    assert found.get("cached_prompt_tokens_total", **POCKET) == 16
    assert found.get("generated_tokens_total", **POCKET) == 8
    for name in ("time_to_first_token", "end_to_end", "queue"):
        assert found.get(f"{name}_seconds_count", **POCKET) == 4
        assert found.get(f"{name}_seconds_bucket", le="+Inf", **POCKET) == 4
    assert found.get("queue_seconds_sum", **POCKET) == pytest.approx(0.004)
    assert found.get("prefill_tokens_per_second_sum", **POCKET) == pytest.approx(4 * 6 / 0.02)
    assert found.get("decode_tokens_per_second_sum", **POCKET) == pytest.approx(4 * 1 / 0.1)


def test_requests_are_counted_by_route_and_status(client: InMemory) -> None:
    client.chat()
    client.chat(temperature="hot")
    client.chat(model="a name that nobody has")
    client.get("/v1/models/some-name")
    client.get("/v1/models/tiny")
    client.get("/there/is/nothing")
    client.request("BREW", "/v1/models")
    found = scrape(client)

    def count(method: str, route: str, status: str) -> float | None:
        return found.get("http_requests_total", method=method, route=route, status=status)

    assert count("POST", "/v1/chat/completions", "200") == 1
    assert count("POST", "/v1/chat/completions", "400") == 1
    assert count("POST", "/v1/chat/completions", "404") == 1
    assert count("GET", "/v1/models/{model_id:path}", "404") == 1
    assert count("GET", "/v1/models/{model_id:path}", "200") == 1
    assert count("GET", "none", "404") == 1
    assert any(("method", "other") in labels for _, labels in found.samples)


def test_nothing_that_a_client_invents_becomes_a_label(client: InMemory) -> None:
    word = "invented"
    client.chat(model=word, user=word)
    client.chat(user=word)
    client.get(f"/{word}?{word}={word}")
    client.request(word.upper(), f"/v1/models/{word}")
    assert not [value for value in scrape(client).label_values if word in value.lower()]


def test_the_engines_and_the_device_are_told(client: InMemory) -> None:
    found = scrape(client)
    assert found.get("model_loaded", **POCKET) == 1
    assert found.get("model_loaded", model="asleep", version="") == 0
    assert found.get("guessed_tokens_total", **POCKET) == 7
    assert found.get("kept_tokens_total", **POCKET) == 5
    assert found.get("engine_restarts_total", **POCKET) == 2
    assert found.get("engine_resident_bytes", **POCKET) == 50
    assert found.get("engine_reserved_bytes", **POCKET) == 60
    assert found.get("kv_cells", **POCKET) == 100
    assert found.get("kv_used_cells", **POCKET) == 40
    assert found.get("running", **POCKET) == found.get("waiting", **POCKET) == 0
    assert found.get("memory_budget_bytes") == 1000
    assert found.get("server_resident_bytes") == 9
    assert found.get("temperature_celsius") == 61.5
    assert found.get("throttled") == 0
    assert found.get("queue_limit") == 5


def test_what_is_not_known_is_left_out(router: ScriptedRouter) -> None:
    router.models = (READY,)
    found = scrape(InMemory(create_app(router)))
    assert not {"edgellm_temperature_celsius", "edgellm_throttled"} & found.names
    assert not {"edgellm_kv_cells", "edgellm_engine_resident_bytes"} & found.names


def test_errors_and_refusals_are_told_apart(router: ScriptedRouter) -> None:
    router.script = lambda _, number: [Started(3), EngineError("it died")] if number else []
    client = InMemory(create_app(router))
    assert client.chat().status_code == 500  # an answer without an end
    assert client.chat().status_code == 503
    found = scrape(client)
    assert found.get("answers_total", outcome="error", **POCKET) == 2
    assert found.get("client_disconnects_total", **POCKET) == 0


def test_two_apps_count_for_themselves() -> None:
    one, other = InMemory(create_app(ScriptedRouter())), InMemory(create_app(ScriptedRouter()))
    one.chat()
    labels = {"model": "pocket", "version": ""}
    assert scrape(one).get("answers_total", outcome="stop", **labels) == 1
    assert scrape(other).get("answers_total", outcome="stop", **labels) is None


def test_a_histogram_s_buckets_only_grow(client: InMemory) -> None:
    client.chat()
    text = client.get("/metrics").text
    line = re.compile(r'^edgellm_end_to_end_seconds_bucket\{le="([^"]+)".*} (\S+)$', re.MULTILINE)
    found = [(float(bound), float(count)) for bound, count in line.findall(text)]
    assert found == sorted(found)
    assert [count for _, count in found] == sorted(count for _, count in found)
    assert (found[0][0], found[-2][0]) == (0.001, 600.0)


# -- /v1/stats ------------------------------------------------------------------------------------


def test_stats_are_ready_to_read(client: InMemory) -> None:
    client.chat()
    stats = msgspec.json.decode(client.get("/v1/stats").content, type=Stats)
    (model,) = stats.models  # one was never loaded
    assert (model.id, model.version, model.state) == ("pocket", "Q4_K", "ready")
    assert model.recent.queue.p50 == pytest.approx(0.001, rel=0.06)
    assert model.recent.prefill_rate.p99 == pytest.approx(300, rel=0.06)
    assert model.recent.time_to_first_token.count == 1
    assert model.total.outcomes == {"stop": 1}
    assert model.total.cache_hit_rate == 0.4
    assert model.engine_restarts == 2
    assert stats.memory_budget_bytes == 1000
    assert stats.device.temperature_celsius == 61.5


def test_before_the_first_request_all_fields_are_there(client: InMemory) -> None:
    before = client.get("/v1/stats").json()
    client.chat()
    after = client.get("/v1/stats").json()
    assert _shape(before) == _shape(after)
    latencies = before["models"][0]["recent"]
    assert latencies["end_to_end"] == {"count": 0, "p50": None, "p95": None, "p99": None}


def _shape(value: object) -> object:
    """The names of the fields, all the way down, but for those that are counted by."""
    if isinstance(value, dict):
        return {
            key: _shape(item) if key not in ("outcomes", "rejected") else None
            for key, item in value.items()
        }
    return [_shape(item) for item in value] if isinstance(value, list) else None
