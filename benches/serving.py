"""Time to first token, speed and smoothness over HTTP, of any OpenAI-compatible server.

    python -m benches.serving --url http://127.0.0.1:8000 [--workload shared ...] [--repeat 3]

Prints the median of each figure over the repeats, then one line of JSON. The server should have a
context of 2,048 tokens and more for each of 8 sequences (`--quick` is content with 256 for 4).
With --pid, also the peak memory of that process and its children.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections.abc import Iterable

from benches._load import Client
from benches._memory import PeakMemory
from benches._prompts import Writer
from benches._report import number, print_json, print_table
from benches._stats import medians
from benches._workloads import QUICK, WORKLOADS, Figures, Sizes, tokens_per_word


async def measure(
    client: Client, names: Iterable[str], sizes: Sizes, repeat: int, seed: int
) -> dict[str, Figures]:
    """The median figures of each workload."""
    writer = Writer(seed, await tokens_per_word(client))
    results = {}
    for name in names:
        runs = [await WORKLOADS[name](client, writer, sizes) for _ in range(repeat)]
        results[name] = medians(runs)
    return results


async def measure_server(options: argparse.Namespace, sizes: Sizes) -> dict[str, Figures]:
    with PeakMemory(options.pid) as memory:
        async with Client(options.url, options.model, json.loads(options.extra)) as client:
            names = options.workload or WORKLOADS
            results = await measure(client, names, sizes, options.repeat, options.seed)
    return {**results, "memory": memory.figures()} if options.pid else results


def add_load_options(parser: argparse.ArgumentParser) -> None:
    """Those that `compare.py` has too."""
    parser.add_argument("--repeat", type=int, default=3, help="runs of each workload")
    parser.add_argument("--seed", type=int, default=None, help="of the prompts; default: a new one")
    parser.add_argument("--quick", action="store_true", help="tiny counts, to see that it works")
    parser.add_argument("--extra", default="{}", help="JSON fields to add to each request")
    for name, default in Sizes()._asdict().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help=f"default: {default}")


def chosen_sizes(options: argparse.Namespace) -> Sizes:
    base = QUICK if options.quick else Sizes()
    given = {name: getattr(options, name) for name in base._fields}
    return base._replace(**{name: value for name, value in given.items() if value is not None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--model", default="", help="the server's name for it")
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="repeatable")
    parser.add_argument("--pid", type=int, help="of the server, for its memory")
    add_load_options(parser)
    options = parser.parse_args()
    if options.seed is None:  # a server that was measured before must not know the prompts
        options.seed = random.getrandbits(32)
    sizes = chosen_sizes(options)
    results = asyncio.run(measure_server(options, sizes))
    rows = [(w, key, number(v)) for w, figures in results.items() for key, v in figures.items()]
    print_table(("workload", "figure", "median"), rows)
    print_json(
        "serving", {**sizes._asdict(), "repeat": options.repeat, "seed": options.seed}, results
    )


if __name__ == "__main__":
    main()
