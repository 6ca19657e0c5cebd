"""Minutes at twice the capacity: does the memory stay flat, and does every request end?

    python -m benches.endurance --minutes 10

Twice as many clients as the server computes sequences at a time, who together want more than twice
its KV cache, ask without a pause. Some share a beginning, some go away in the middle. Prints the
resident memory of the server and its engine by minute, and the last minutes' median against that of
the minutes after the warm-up.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benches._load import Client, Message
from benches._memory import tree_memory
from benches._prompts import Writer
from benches._report import number, print_json, print_table
from benches._server import Running, serve
from benches._stats import median
from edgellm.assets import builtin_model

COMMAND = (
    f"{sys.executable} -m edgellm serve {{model}} --port {{port}} --context {{context}}"
    " --parallel {parallel} --kv-tokens {cells} --threads {threads} --speculate"
)
SAMPLE_SECONDS = 1.0
SHARE_THAT_LEAVES = 0.1
SHARE_WITH_SYSTEM = 0.5


class Sample(NamedTuple):
    """Resident bytes of the whole tree at a time."""

    seconds: float
    rss: int


class Load:
    """Clients that ask without a pause until the time is over."""

    def __init__(self, server: Running, context: int, seconds: float) -> None:
        self.num_answers = 0
        self.num_left = 0  # answers whose client went away in the middle
        self.num_tokens = 0
        self._server = server
        self._context = context
        self._end = time.monotonic() + seconds

    async def run(self, num_clients: int) -> None:
        system = Writer(seed=0).text(self._context // 8)
        await asyncio.gather(*(self._client(number, system) for number in range(num_clients)))

    async def _client(self, seed: int, system: str) -> None:
        chance = random.Random(seed)
        writer = Writer(seed=seed + 1)
        async with Client(self._server.url, self._server.model) as client:
            while time.monotonic() < self._end:
                messages: list[Message] = []
                if chance.random() < SHARE_WITH_SYSTEM:
                    messages.append({"role": "system", "content": system})
                length = chance.randint(4, self._context // 8)
                messages.append({"role": "user", "content": writer.text(length)})
                await self._ask(client, messages, chance)

    async def _ask(self, client: Client, messages: list[Message], chance: random.Random) -> None:
        num_tokens = chance.randint(8, self._context // 3)
        answer = asyncio.create_task(client.chat(messages, num_tokens))
        if chance.random() < SHARE_THAT_LEAVES:
            await asyncio.wait({answer}, timeout=chance.uniform(0.0, 1.0))
            if answer.cancel():
                await asyncio.wait({answer})
                self.num_left += 1
                return
        self.num_tokens += (await answer).num_tokens
        self.num_answers += 1


async def watch(pid: int, samples: list[Sample]) -> None:
    """Note the memory until cancelled."""
    began = time.monotonic()
    while True:
        samples.append(Sample(time.monotonic() - began, tree_memory(pid).rss))
        await asyncio.sleep(SAMPLE_SECONDS)


async def endure(server: Running, options: argparse.Namespace) -> tuple[Load, list[Sample]]:
    samples: list[Sample] = []
    watching = asyncio.create_task(watch(server.pid, samples))
    load = Load(server, options.context, options.minutes * 60)
    await load.run(2 * options.parallel)
    watching.cancel()
    return load, samples


def by_minute(samples: list[Sample]) -> list[float]:
    """Median bytes of each minute."""
    minutes: dict[int, list[int]] = {}
    for sample in samples:
        minutes.setdefault(int(sample.seconds // 60), []).append(sample.rss)
    return [median(values) for _, values in sorted(minutes.items())]


def growth(minutes: list[float]) -> float:
    """The last third's median against that of the second third; the first third is warm-up."""
    third = max(1, len(minutes) // 3)
    return median(minutes[-third:]) / median(minutes[third : 2 * third] or minutes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, default=builtin_model())
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    values = {
        "model": options.model,
        "parallel": options.parallel,
        "context": options.context,
        "cells": options.parallel * options.context // 4,
        "threads": options.threads,
    }
    with tempfile.TemporaryDirectory() as folder:
        home = {"EDGELLM_HOME": f"{folder}/home"}
        with serve(COMMAND, values, Path(folder) / "log", home) as server:
            load, samples = asyncio.run(endure(server, options))
    minutes = by_minute(samples)
    print_table(
        ("minute", "resident MB"),
        [(str(minute + 1), number(rss / 1e6)) for minute, rss in enumerate(minutes)],
    )
    results = {
        "rss_mb_by_minute": [round(rss / 1e6, 1) for rss in minutes],
        "growth": growth(minutes),
        "num_answers": load.num_answers,
        "num_left": load.num_left,
        "num_tokens": load.num_tokens,
    }
    print(f"growth {results['growth']:.4f}, {load.num_answers} answers, {load.num_left} left early")
    plan = {key: str(value) for key, value in values.items()} | {"minutes": options.minutes}
    plan["model"] = options.model.name
    print_json("endurance", plan, results)


if __name__ == "__main__":
    main()
