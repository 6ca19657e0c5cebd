"""The load generator and the workloads, against our real server with the built-in model."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benches._load import Answer, Client, RequestFailed
from benches._prompts import Writer
from benches._workloads import QUICK, WORKLOADS, Figures, tokens_per_word
from tests.support.server import Server, serve

ROOT = Path(__file__).parents[2]
RATES = {"decode_tokens_per_second", "tokens_per_second"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with serve(folder, "--parallel", "4", "--context", "512") as running:
        yield running


def ask(server: Server, max_tokens: int, text: str = "Hello") -> Answer:
    async def run() -> Answer:
        async with Client(server.url) as client:
            return await client.chat([{"role": "user", "content": text}], max_tokens)

    return asyncio.run(run())


def run_workload(server: Server, name: str) -> Figures:
    async def run() -> Figures:
        async with Client(server.url) as client:
            writer = Writer(len(name), await tokens_per_word(client))
            return await WORKLOADS[name](client, writer, QUICK)

    return asyncio.run(run())


def test_an_answer_has_its_times_and_counts(server: Server) -> None:
    answer = ask(server, 12)
    assert answer.num_tokens == 12
    assert answer.num_prompt > 0
    assert answer.num_cached is not None
    assert 1 < len(answer.arrivals) <= 12
    assert answer.asked < answer.arrivals[0] <= answer.arrivals[-1] <= answer.ended
    assert answer.ttft > 0
    assert answer.text


def test_a_repeated_prompt_shows_in_the_cached_tokens(server: Server) -> None:
    text = Writer(77).text(40)
    first, second = ask(server, 1, text), ask(server, 1, text)
    assert first.num_cached is not None
    assert second.num_cached is not None
    assert second.num_cached > first.num_cached


def test_a_refusal_is_told_with_its_reason(server: Server) -> None:
    with pytest.raises(RequestFailed, match="context_length_exceeded"):
        ask(server, 1, Writer(1).text(2000))


def test_the_length_of_words_is_measured(server: Server) -> None:
    async def run() -> float:
        async with Client(server.url + "/v1/") as client:
            return await tokens_per_word(client)

    assert 1 <= asyncio.run(run()) < 4


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_gives_figures(server: Server, name: str) -> None:
    figures = run_workload(server, name)
    times = {key: value for key, value in figures.items() if key.endswith("_seconds")}
    assert times or RATES & figures.keys()
    assert all(value >= 0 for value in times.values())
    assert all(figures[key] > 0 for key in RATES & figures.keys())


def test_the_shared_prefix_is_found_in_the_cache(server: Server) -> None:
    assert run_workload(server, "shared")["cached_tokens_p50"] >= QUICK.system * 0.9


def test_the_script_prints_a_table_and_a_line_of_json(server: Server) -> None:
    command = [sys.executable, "-m", "benches.serving", "--url", server.url, "--quick"]
    command += ["--workload", "single", "--repeat", "1", "--pid", str(server.process.pid)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    *table, line = done.stdout.splitlines()
    assert table[0].split() == ["workload", "figure", "median"]
    found = json.loads(line)
    assert found["bench"] == "serving"
    assert found["command"].startswith("python -m benches.serving --url")
    assert found["results"]["single"]["ttft_seconds"] > 0
    assert found["results"]["memory"]["peak_rss_bytes"] > 50e6
    assert {"version", "plan", "hardware"} <= found.keys()
