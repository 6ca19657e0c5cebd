"""What structured output costs: decoding with and without a constraint, masks, compiling.

    python -m benches.constraint [MODEL.gguf] [--sequences 1 8] [--decode 96] [--repeat 5]
        [--threads 1 --cpu]

`free` draws any token; `records` writes an array of objects that does not end, whose keys are
forced and whose values are mostly not; `string` writes one endless string, where almost every
token is allowed: the dearest case. After a warm-up, runs are interleaved, each round in another
order; figures are medians, `of free` that of each round's own ratios. With other load on the
machine they say nothing: a ratio well over 1 is a sign of that. `--cpu` counts the CPU's time
instead, which others disturb less, with one thread: threads that wait for each other count, too.
`allowed` is the time to find the tokens that may come next, `draw again` that to sample one of
them; both only where the first draw was refused: `again` says how often that is.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from benches._report import number, print_json, print_table
from benches._stats import median, medians, ratio
from edgellm.assets import builtin_model
from edgellm.backends.grammar import Guide
from edgellm.backends.llama_cpp import LlamaCppBackend
from edgellm.backends.llama_sampler import SamplerChain
from edgellm.engine.loop import Engine
from edgellm.engine.prefix_cache import NoCache
from edgellm.protocol import Generate
from edgellm.types import Constraint, EngineOptions, Sampling

Figures = dict[str, float]

RECORD = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 30},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 3},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
CONSTRAINTS = {
    "free": None,
    "records": Constraint(
        "json_schema", json.dumps({"type": "array", "items": RECORD, "minItems": 10_000})
    ),
    "string": Constraint("json_schema", json.dumps({"type": "string", "minLength": 100_000})),
}
COMPILED = {
    "record": RECORD,
    "500 properties": {
        "type": "object",
        "properties": {f"property_{i}": {"type": "string", "maxLength": 50} for i in range(500)},
        "required": [f"property_{i}" for i in range(500)],
        "additionalProperties": False,
    },
    "2000 values": {"enum": [f"value number {i}" for i in range(2000)]},
}


class Watch:
    """Adds up the time inside of some methods, as long as it is on."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def on(self, owner: Any, method: str) -> None:
        inner: Callable[..., Any] = getattr(owner, method)
        times = self.seconds[method] = []

        def timed(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return inner(*arguments)
            finally:
                times.append(time.perf_counter() - began)

        setattr(owner, method, timed)


def decode_rate(
    backend: LlamaCppBackend,
    prompts: list[list[int]],
    constraint: Constraint | None,
    num_decode: int,
    sampling: Sampling,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Tokens per second of all answers together, once each has its first one."""
    for slot in range(backend.limits.num_slots):
        backend.forget(slot)
    engine = Engine(backend, NoCache())
    for index, prompt in enumerate(prompts):
        engine.submit(Generate(index, tuple(prompt), sampling, constraint=constraint))
    while engine.stats.num_generated_tokens < len(prompts):
        engine.step()
    before, began = engine.stats.num_generated_tokens, clock()
    while not engine.is_idle and engine.stats.num_generated_tokens < len(prompts) * num_decode:
        engine.step()
    done, seconds = engine.stats.num_generated_tokens - before, clock() - began
    for index in range(len(prompts)):
        engine.cancel(index)
    return done / seconds


def measure(backend: LlamaCppBackend, count: int, options: argparse.Namespace) -> Figures:
    generator = random.Random(options.seed)
    clock = time.process_time if options.cpu else time.perf_counter
    sampling = Sampling(max_tokens=options.decode + 1, ignore_eos=True, seed=options.seed)
    names, runs = list(CONSTRAINTS), []
    for constraint in CONSTRAINTS.values():  # the warm-up
        decode_rate(backend, [[300, 301]] * count, constraint, 4, sampling)
    for round_ in range(options.repeat):
        turn = round_ % len(names)
        prompts = [
            [generator.randrange(300, backend.model.vocab_size) for _ in range(16)]
            for _ in range(count)
        ]
        rates = {
            name: decode_rate(backend, prompts, CONSTRAINTS[name], options.decode, sampling, clock)
            for name in names[turn:] + names[:turn]
        }
        shares = {f"{name}_of_free": ratio(rates[name], rates["free"]) for name in names}
        runs.append(rates | shares)
    return medians(runs)


def measure_first_use(backend: LlamaCppBackend) -> Figures:
    """What the first constraint of an engine's life costs."""
    before, began = psutil.Process().memory_info().rss, time.perf_counter()
    backend.prepare(Constraint("regex", "a"))
    return {
        "first_use_seconds": time.perf_counter() - began,
        "first_use_bytes": float(psutil.Process().memory_info().rss - before),
    }


def measure_compiling(backend: LlamaCppBackend, repeat: int) -> Figures:
    found = {}
    for name, schema in COMPILED.items():
        times = []
        for index in range(repeat):
            text = json.dumps({**schema, "title": str(index)})  # never one that is remembered
            began = time.perf_counter()
            backend.prepare(Constraint("json_schema", text))
            times.append(time.perf_counter() - began)
        found[name] = median(times)
    return found


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", nargs="?", type=Path, help="default: the built-in model")
    parser.add_argument("--sequences", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--decode", type=int, default=96, help="tokens of each answer")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cpu", action="store_true", help="rates per second of this process's CPU")
    return parser.parse_args()


def measure_tokens(
    backend: LlamaCppBackend, watch: Watch, name: str, options: argparse.Namespace
) -> Figures:
    for times in watch.seconds.values():
        times.clear()
    sampling = Sampling(max_tokens=options.decode + 1, ignore_eos=True, seed=options.seed)
    decode_rate(backend, [[300, 301]], CONSTRAINTS[name], options.decode, sampling)
    figures = {method: median(times) for method, times in watch.seconds.items()}
    return figures | {"again": len(watch.seconds["_draw_again"]) / len(watch.seconds["sample"])}


def show(results: dict[str, Any]) -> None:
    print_table(
        ("answers", "sequences", "decode tok/s", "of free"),
        [
            (name, count, number(figures[name]), f"{figures[f'{name}_of_free']:.3f}")
            for count, figures in results["decode_tokens_per_second"].items()
            for name in CONSTRAINTS
        ],
    )
    print_table(
        ("answers", "allowed µs", "draw again µs", "sample µs", "again"),
        [
            (
                name,
                *(number(each[key] * 1e6) for key in ("allowed", "_draw_again", "sample")),
                f"{each['again']:.2f}",
            )
            for name, each in results["token_seconds"].items()
        ],
    )
    compiling = results["compile_seconds"].items()
    print_table(("compile", "ms"), [(name, number(each * 1e3)) for name, each in compiling])
    first = (results["first_use_seconds"] * 1e3, results["first_use_bytes"] / 1e6)
    print_table(("first use: ms", "MB"), [tuple(map(number, first))])


def main() -> None:
    options = parse_options()
    model = options.model or builtin_model()
    limits = EngineOptions(options.decode + 32, max(options.sequences), threads=options.threads)
    backend = LlamaCppBackend.load(str(model), limits, lambda _: None)
    results: dict[str, Any] = {
        **measure_first_use(backend),
        "compile_seconds": measure_compiling(backend, options.repeat),
        "decode_tokens_per_second": {
            str(count): measure(backend, count, options) for count in options.sequences
        },
    }
    watch = Watch()  # after the rates, which it would change
    watch.on(Guide, "allowed")
    watch.on(SamplerChain, "_draw_again")
    watch.on(SamplerChain, "sample")
    results["token_seconds"] = {
        name: measure_tokens(backend, watch, name, options) for name in CONSTRAINTS
    }
    num_vocab = backend.model.vocab_size
    backend.close()
    sys.stderr.flush()
    show(results)
    print_json("constraint", {**vars(options), "model": model.name, "vocab": num_vocab}, results)


if __name__ == "__main__":
    main()
