"""Predicted against measured: peak resident memory, and decode speed, of real server processes.

    python -m benches.plan_accuracy [--part memory|speed] [--only gemma] [--folder benches/models]

Each case of memory starts `edgellm serve` on a random-weight model of a real shape, fills every
cell of its KV cache with the prompts of all sequences at once, and reads the peak that the kernel
noted of server and engine (VmHWM). Each case of speed times single answers, and between them how
fast this machine reads its memory. What was predicted comes from the file's header alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil

from benches._bandwidth import read_bandwidth
from benches._load import Client
from benches._prompts import Writer
from benches._report import number, print_json, print_table
from benches._server import Running, serve
from benches.synthetic import MODELS, synthetic_model
from edgellm.hardware.host import Host
from edgellm.hardware.native import NativeBuild, probe_native
from edgellm.hardware.resident import probe
from edgellm.planner.facts import ModelFacts
from edgellm.planner.header_facts import facts_of_header
from edgellm.planner.memory import Breakdown, Environment, estimate
from edgellm.planner.traffic import decode_tokens_per_second
from edgellm.store.gguf_header import read_header
from edgellm.types import EngineOptions, KVType

COMMAND = (
    f"{sys.executable} -m edgellm serve {{model}} --port {{port}} --context {{context}}"
    " --parallel {parallel} --kv-type {kv_type} --cache-ram {cache_ram} --no-warm-boot"
    " --log-level warning"
)
SHAPES = ("qwen3-0.6b", "gemma-3-1b", "granite-3.1-1b-a400m")
QUANTS = ("Q4_K_M", "Q8_0", "Q4_0")
CACHE_RAM = 1  # MiB: what it would hold depends on the requests, not on the model
ANSWER_TOKENS = 16  # of each sequence that fills the cache
FIRST_TOKEN = 1000  # of those that mean text
SPEED_PROMPT, SPEED_TOKENS, SPEED_ROUNDS = 32, 32, 7
MIB = 1024 * 1024


class Case(NamedTuple):
    shape: str
    quant: str
    context: int = 512
    parallel: int = 1
    kv_type: KVType = "f16"


class Result(NamedTuple):
    """`predicted` and `measured` in bytes, or in tokens per second."""

    case: Case
    predicted: float
    measured: float
    facts: ModelFacts
    parts: Breakdown = Breakdown()
    bandwidth: float = 0.0  # bytes per second, of a case of speed

    @property
    def error(self) -> float:
        """Positive: predicted too much."""
        return self.predicted / self.measured - 1


def memory_cases() -> Iterator[Case]:
    """llama.cpp aborts on this mixture of experts with a quantised KV cache: its graph is full."""
    for shape in SHAPES:
        quantised: KVType = "f16" if "granite" in shape else "q8_0"
        yield Case(shape, "Q4_K_M", 512, 1, "f16")
        yield Case(shape, "Q4_K_M", 2048, 1, quantised)
        yield Case(shape, "Q8_0", 512, 8, "f16")
        yield Case(shape, "Q4_0", 512, 8, quantised)
        yield Case(shape, "Q4_0", 2048, 1, "f16")


def speed_cases() -> Iterator[Case]:
    return (Case(shape, quant) for shape in SHAPES for quant in QUANTS)


def environment() -> Environment:
    build = probe_native()
    if not isinstance(build, NativeBuild):
        raise SystemExit(f"llama.cpp cannot be used: {build.reason}")
    return Environment(features=build.features)


def measure_memory(case: Case, path: Path, facts: ModelFacts, device: Environment) -> Result:
    options = EngineOptions(
        context=case.context, parallel=case.parallel, kv_type=case.kv_type, cache_ram=CACHE_RAM
    )
    predicted = estimate(facts, options, device)
    with serving(case, path) as server:
        asyncio.run(fill(server, case))
        (engine,) = psutil.Process(server.pid).children()
        peak = _peak_bytes(server.pid) + _peak_bytes(engine.pid)
    return Result(case, predicted.total, peak, facts, predicted)


def measure_speed(case: Case, path: Path, facts: ModelFacts, _device: Environment) -> Result:
    """The medians of several rounds; `predicted` with the bandwidth between them."""
    with serving(case, path) as server:
        asyncio.run(answer_speed(server, SPEED_ROUNDS))  # warms up
        rounds = [
            (read_bandwidth(), asyncio.run(answer_speed(server, seed)))
            for seed in range(SPEED_ROUNDS)
        ]
    bandwidth, speed = (statistics.median(values) for values in zip(*rounds, strict=True))
    return Result(case, _predicted_speed(facts, bandwidth), speed, facts, bandwidth=bandwidth)


def with_one_bandwidth(results: Sequence[Result]) -> list[Result]:
    """As a device has one, which a plan knows: the median of all cases'."""
    bandwidth = statistics.median(result.bandwidth for result in results)
    return [
        result._replace(predicted=_predicted_speed(result.facts, bandwidth)) for result in results
    ]


def _predicted_speed(facts: ModelFacts, bandwidth: float) -> float:
    return decode_tokens_per_second(facts, bandwidth, SPEED_PROMPT + SPEED_TOKENS // 2)


@contextlib.contextmanager
def serving(case: Case, path: Path) -> Iterator[Running]:
    values = {**case._asdict(), "model": path, "cache_ram": CACHE_RAM}
    with tempfile.TemporaryDirectory() as folder:
        environ = {"EDGELLM_HOME": f"{folder}/home"}
        with serve(COMMAND, values, Path(folder) / "log", environ) as server:
            yield server


async def fill(server: Running, case: Case) -> None:
    """All sequences at once, each as long as its context."""
    length = case.context - ANSWER_TOKENS - 1
    async with httpx.AsyncClient(timeout=None, trust_env=False) as client:
        tasks = [_complete(client, server, index, length) for index in range(case.parallel)]
        await asyncio.gather(*tasks)


async def _complete(client: httpx.AsyncClient, server: Running, index: int, length: int) -> None:
    body = {
        "model": server.model,
        "prompt": [FIRST_TOKEN + 37 * index + token % 997 for token in range(length)],
        "max_tokens": ANSWER_TOKENS,
        "temperature": 0,
        "ignore_eos": True,
    }
    response = await client.post(f"{server.url}/v1/completions", json=body)
    if response.status_code != 200:
        raise SystemExit(f"{response.status_code}: {response.text}")


async def answer_speed(server: Running, seed: int) -> float:
    """Tokens per second of one answer alone, by the median time between two of them."""
    async with Client(server.url, server.model) as client:
        answer = await client.complete(Writer(seed).text(SPEED_PROMPT), SPEED_TOKENS)
    gaps = [later - earlier for earlier, later in itertools.pairwise(answer.arrivals)]
    return 1 / statistics.median(gaps)


def _peak_bytes(pid: int) -> int:
    found = probe(Host(), pid)
    if found is None:
        raise SystemExit("This system does not tell the peak of a process: run it on Linux.")
    return found.peak_bytes


def summary(results: Sequence[Result]) -> dict[str, float]:
    errors = [result.error for result in results]
    return {
        "num_cases": len(errors),
        "median_error": statistics.median(map(abs, errors)),
        "worst_error": max(map(abs, errors)),
        "lowest": min(errors),
    }


def report(part: str, results: Sequence[Result]) -> None:
    unit, scale = ("MiB", MIB) if part == "memory" else ("tokens/s", 1)
    head = ("model", "type", "context", "sequences", "KV")
    print_table((*head, f"predicted {unit}", f"measured {unit}", "error"), _rows(results, scale))
    found = summary(results)
    print(
        f"{part}: {found['num_cases']} cases, median error {found['median_error']:.1%}, worst "
        f"{found['worst_error']:.1%}, lowest {found['lowest']:+.1%}"
    )


def _rows(results: Iterable[Result], scale: float) -> Iterator[tuple[object, ...]]:
    for result in results:
        sizes = (number(value / scale) for value in (result.predicted, result.measured))
        yield (*result.case, *sizes, f"{result.error:+.1%}")


def _plain(result: Result) -> dict[str, object]:
    parts = {name: getattr(result.parts, name) for name in result.parts.__struct_fields__}
    figures = {**result.case._asdict(), "predicted": result.predicted, "measured": result.measured}
    if result.bandwidth:
        return {**figures, "bytes_per_second": result.bandwidth}
    return {**figures, "parts": {name: size for name, size in parts.items() if size}}


PARTS = {"memory": (memory_cases, measure_memory), "speed": (speed_cases, measure_speed)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--part", choices=PARTS, action="append", help="default: both")
    parser.add_argument("--only", default="", help="cases whose model has this in its name")
    parser.add_argument("--folder", type=Path, default=MODELS)
    options = parser.parse_args()
    device, found = environment(), {}
    for part in options.part or PARTS:
        cases, measure = PARTS[part]
        results = []
        for case in cases():
            if options.only in case.shape:
                path = synthetic_model(case.shape, case.quant, folder=options.folder)
                results.append(measure(case, path, facts_of_header(read_header(path)), device))
                print(f"{results[-1].error:+.1%}", *case, file=sys.stderr, flush=True)
        if part == "speed":
            results = with_one_bandwidth(results)
        report(part, results)
        found[part] = {**summary(results), "cases": [_plain(result) for result in results]}
    print_json("plan_accuracy", {"cache_ram": CACHE_RAM, "answer_tokens": ANSWER_TOKENS}, found)


if __name__ == "__main__":
    main()
