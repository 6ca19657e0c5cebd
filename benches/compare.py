"""Our server against another one, in turn, on the same model, threads and workloads.

    python -m benches.compare benches/models/qwen3-0.6b-v1-seed0-Q4_K_M.gguf --rounds 3 \\
        --peer-cmd 'llama-server -m {model} --port {port} -c {total} -np {parallel} -t {threads}'

The peer is any OpenAI-compatible server, or another version or setting of ours; {context} is one
sequence's tokens, {total} those of all. Each round starts each server anew, warms it up, measures
all workloads and ends it. Prints the medians over the rounds, their ratios ours/peer beside the
targets, then one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benches._load import Answer, Client
from benches._memory import PeakMemory
from benches._prompts import Writer
from benches._report import number, print_json, print_table
from benches._server import Running, serve
from benches._stats import medians, ratio
from benches._workloads import (
    WORKLOADS,
    Figures,
    Sizes,
    cached,
    questions,
    tokens_per_word,
)
from benches.serving import add_load_options, chosen_sizes, measure

OURS = (
    f"{sys.executable} -m edgellm serve {{model}} --port {{port}} --context {{context}}"
    " --parallel {parallel} --threads {threads}"
)
NAMES = (*WORKLOADS, "restart")
NUM_BEFORE_RESTART = 3  # questions under the system prompt: one makes no prefix worth keeping


class Target(NamedTuple):
    """What ours/peer must reach, and whether more is better."""

    bound: float
    is_rate: bool = False
    note: str = ""

    def is_met(self, value: float) -> bool:
        return value >= self.bound if self.is_rate else value <= self.bound

    def __str__(self) -> str:
        sign = ">=" if self.is_rate else "<="
        return f"{sign} {self.bound}x{' ' + self.note if self.note else ''}"


UNASSISTED = "(peer: ours without speculation)"
TARGETS = {
    "single.ttft_seconds": Target(1.05),
    "single.decode_tokens_per_second": Target(0.97, is_rate=True),
    "unique.tokens_per_second": Target(1.0, is_rate=True),
    "unique.gap_p95_seconds": Target(1.0),
    "shared.ttft_p50_seconds": Target(0.08),
    "rotation.ttft_p50_seconds": Target(1.0),
    "copy.decode_tokens_per_second": Target(1.5, is_rate=True, note=UNASSISTED),
    "other.decode_tokens_per_second": Target(0.97, is_rate=True, note=UNASSISTED),
    "memory.peak_rss_bytes": Target(0.6),
}
RESTART_TARGET = Target(0.15, note="(ours warm / ours cold)")


class Side(NamedTuple):
    """One of the two servers: how it is started, and where it keeps what outlives it."""

    name: str
    command: str
    values: Mapping[str, object]
    folder: Path

    def serve(self) -> contextlib.AbstractContextManager[Running]:
        home = {"EDGELLM_HOME": str(self.folder / "home")}
        return serve(self.command, self.values, self.folder / "server.log", home)


class Plan(NamedTuple):
    workloads: Sequence[str]
    sizes: Sizes
    repeat: int
    seed: int
    extra: Mapping[str, object]


def run_rounds(sides: Sequence[Side], plan: Plan, rounds: int) -> dict[str, list[Figures]]:
    """A B A B ...: what the machine does meanwhile hits both alike."""
    results: dict[str, list[Figures]] = {side.name: [] for side in sides}
    for index in range(rounds):
        for side in sides:
            print(f"round {index + 1} of {rounds}: {side.name}", file=sys.stderr)
            seeded = plan._replace(seed=plan.seed + index)  # a disk cache must not know it
            results[side.name].append(run_once(side, seeded))
    return results


def run_once(side: Side, plan: Plan) -> Figures:
    """A server's life: all workloads, and the memory that they took; then its restart."""
    with side.serve() as server, PeakMemory(server.pid) as memory:
        found = asyncio.run(_workloads(server, plan))
    found["memory"] = memory.figures()
    if "restart" in plan.workloads:
        found["restart"] = restart(side, plan)
    return {f"{name}.{key}": value for name, f in found.items() for key, value in f.items()}


async def _workloads(server: Running, plan: Plan) -> dict[str, Figures]:
    async with Client(server.url, server.model, plan.extra) as client:
        await WORKLOADS["single"](client, Writer(seed=~plan.seed), plan.sizes)  # the warm-up
        names = [name for name in plan.workloads if name in WORKLOADS]
        return await measure(client, names, plan.sizes, plan.repeat, plan.seed)


def restart(side: Side, plan: Plan) -> Figures:
    """Questions under a new system prompt, and one more after the server was started again."""
    with side.serve() as server:
        cold, *_ = asyncio.run(_questions(server, plan, NUM_BEFORE_RESTART, seed=1))
    with side.serve() as server:
        (warm,) = asyncio.run(_questions(server, plan, 1, seed=2))
    return {
        "ttft_cold_seconds": cold.ttft,
        "ttft_warm_seconds": warm.ttft,
        "warm_to_cold": warm.ttft / cold.ttft,
        **cached([warm]),
    }


async def _questions(server: Running, plan: Plan, count: int, seed: int) -> list[Answer]:
    async with Client(server.url, server.model, plan.extra) as client:
        rate = await tokens_per_word(client)
        writers = Writer(plan.seed, rate), Writer(plan.seed + seed, rate)
        return await questions(client, plan.sizes, *writers, count)


def rows(ours: Figures, peer: Figures) -> Iterator[tuple[str, ...]]:
    """A line of the table for each figure that both have."""
    for name, value in ours.items():
        if name not in peer:
            continue
        against = ratio(value, peer[name])
        target, verdict = TARGETS.get(name), against
        if name == "restart.warm_to_cold":
            target, verdict = RESTART_TARGET, value
        met = "" if target is None else "yes" if target.is_met(verdict) else "no"
        cells = (number(value), number(peer[name]), times(against), _better(name))
        yield (name, *cells, str(target or ""), met)


def times(value: float) -> str:
    return f"{value:.3f}x" if math.isfinite(value) else "-"


def _better(name: str) -> str:
    if name.endswith("per_second"):
        return "higher"
    return "" if "fraction" in name or "cached" in name else "lower"


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path, help="a GGUF file")
    parser.add_argument("--peer-cmd", required=True, help="with {model} {port} {threads} ...")
    parser.add_argument("--ours-cmd", default=OURS, help="default: this checkout's edgellm serve")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--context", type=int, default=2048, help="tokens of one sequence")
    parser.add_argument("--workload", action="append", choices=NAMES, help="repeatable")
    parser.add_argument("--logs", type=Path, help="a folder for the servers' logs; kept")
    add_load_options(parser)
    return parser.parse_args()


def make_sides(options: argparse.Namespace, folder: Path) -> list[Side]:
    names = ("model", "threads", "parallel", "context")
    values = {name: getattr(options, name) for name in names}
    values["total"] = options.context * options.parallel
    sides = []
    for name, command in (("ours", options.ours_cmd), ("peer", options.peer_cmd)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        sides.append(Side(name, command, values, folder / name))
    return sides


def main() -> None:
    options = parse_options()
    seed = random.getrandbits(31) if options.seed is None else options.seed
    extra = json.loads(options.extra)
    sizes = chosen_sizes(options)
    plan = Plan(options.workload or NAMES, sizes, options.repeat, seed, extra)
    with tempfile.TemporaryDirectory() as temporary:
        sides = make_sides(options, options.logs or Path(temporary))
        results = run_rounds(sides, plan, options.rounds)
    ours, peer = (medians(results[side.name]) for side in sides)
    head = ("figure", "ours", "peer", "ours/peer", "better", "target", "met")
    print_table(head, rows(ours, peer))
    described = {"model": options.model.name, "rounds": options.rounds, **sides[0].values}
    described |= {**plan._asdict(), "sizes": sizes._asdict(), "model": options.model.name}
    ratios = {name: ratio(ours[name], peer[name]) for name in ours if name in peer}
    print_json(
        "compare", described, {"ours": ours, "peer": peer, "ratios": ratios, "runs": results}
    )


if __name__ == "__main__":
    main()
