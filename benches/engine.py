"""The engine without HTTP: prefill and decode speed, and what it costs over bare llama_decode.

    python -m benches.engine [MODEL.gguf] [--sequences 1 2 4 8] [--prompt 128] [--decode 64]

`bare` is a loop that only fills a batch, calls llama_decode and samples greedily, on the same
context: the bound of what the engine can reach. `of bare` is the engine's speed over that, `python`
the share of the engine's time that is not spent inside the backend's step.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

from benches._bare import Bare
from benches._report import number, print_json, print_table
from benches._stats import medians, ratio
from edgellm.assets import builtin_model
from edgellm.backends import load_backend
from edgellm.backends.base import TokenBackend
from edgellm.engine.loop import Engine
from edgellm.engine.prefix_cache import NoCache, PrefixCache, RadixCache
from edgellm.protocol import Generate
from edgellm.types import EngineOptions, Sampling

CACHES: dict[str, type[PrefixCache]] = {"NoCache": NoCache, "RadixCache": RadixCache}
Figures = dict[str, float]


class Timed:
    """A backend that adds up the seconds of its steps."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def step(self, *arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return self._backend.step(*arguments)
        finally:
            self.seconds += time.perf_counter() - began


class Phase(NamedTuple):
    tokens: int
    seconds: float
    backend_seconds: float

    @property
    def rate(self) -> float:
        return ratio(self.tokens, self.seconds)


def forget_all(backend: Any) -> None:
    for slot in range(backend.limits.num_slots):
        backend.forget(slot)


def run_engine(backend: Any, cache: str, prompts: list[list[int]], num_decode: int) -> Figures:
    """All prompts at once. A step is decode when it takes one token of each sequence."""
    forget_all(backend)
    timed = Timed(backend)
    engine = Engine(cast("TokenBackend", timed), CACHES[cache]())
    sampling = Sampling(temperature=0, max_tokens=num_decode + 1, ignore_eos=True)
    for index, prompt in enumerate(prompts):
        engine.submit(Generate(index, tuple(prompt), sampling))
    prefill = run_phase(engine, timed, lambda: engine.stats.num_generated_tokens < len(prompts))
    num_full = len(prompts) * (num_decode + 1)
    decode = run_phase(engine, timed, lambda: engine.stats.num_generated_tokens < num_full)
    return {
        "prefill_tokens_per_second": sum(map(len, prompts)) / prefill.seconds,
        "decode_tokens_per_second": decode.rate,
        "python_fraction": 1 - ratio(decode.backend_seconds, decode.seconds),
    }


def run_phase(engine: Engine, timed: Timed, goes_on: Callable[[], bool]) -> Phase:
    tokens, before = engine.stats.num_generated_tokens, timed.seconds
    began = time.perf_counter()
    while goes_on():
        engine.step()
    seconds = time.perf_counter() - began
    done = engine.stats.num_generated_tokens - tokens
    return Phase(done, seconds, timed.seconds - before)


def run_bare(backend: Any, prompts: list[list[int]], num_decode: int) -> Figures:
    forget_all(backend)
    bare = Bare(backend)
    began = time.perf_counter()
    tokens = bare.prefill(prompts)
    middle = time.perf_counter()
    for step in range(num_decode):
        tokens = bare.decode(tokens, len(prompts[0]) + step)
    ended = time.perf_counter()
    bare.close()
    return {
        "prefill_tokens_per_second": sum(map(len, prompts)) / (middle - began),
        "decode_tokens_per_second": len(prompts) * num_decode / (ended - middle),
    }


def measure(backend: Any, num_sequences: int, options: argparse.Namespace) -> dict[str, Figures]:
    """The medians of interleaved runs, by the name of the loop."""
    generator = random.Random(options.seed)
    runs: dict[str, list[Figures]] = {"bare": [], **{name: [] for name in CACHES}}
    run_bare(backend, [[generator.randrange(300) for _ in range(8)]], 2)  # the warm-up
    for _ in range(options.repeat):
        prompts = [
            [generator.randrange(300, backend.model.vocab_size) for _ in range(options.prompt)]
            for _ in range(num_sequences)
        ]
        runs["bare"].append(run_bare(backend, prompts, options.decode))
        for cache in CACHES:
            runs[cache].append(run_engine(backend, cache, prompts, options.decode))
    return {name: medians(found) for name, found in runs.items()}


def rows(results: dict[int, dict[str, Figures]]) -> list[tuple[object, ...]]:
    table: list[tuple[object, ...]] = []
    for count, by_loop in results.items():
        bare = by_loop["bare"]
        for name, figures in by_loop.items():
            prefill, decode = (figures[f"{phase}_tokens_per_second"] for phase in PHASES)
            against = [ratio(figures[key], bare[key]) for key in bare]
            python = figures.get("python_fraction")
            share = "" if python is None else f"{python:.1%}"
            table.append(
                (
                    name,
                    count,
                    number(prefill),
                    f"{against[0]:.3f}",
                    number(decode),
                    f"{against[1]:.3f}",
                    share,
                )
            )
    return table


PHASES = ("prefill", "decode")
HEAD = ("loop", "sequences", "prefill tok/s", "of bare", "decode tok/s", "of bare", "python")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", nargs="?", type=Path, help="default: the built-in model")
    parser.add_argument("--sequences", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--prompt", type=int, default=128, help="tokens of each prompt")
    parser.add_argument("--decode", type=int, default=64, help="tokens of each answer")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    model = options.model or builtin_model()
    context = options.prompt + options.decode + 2
    limits = EngineOptions(context, max(options.sequences), threads=options.threads)
    backend = load_backend("llama_cpp", str(model), limits, lambda _: None)
    results = {count: measure(backend, count, options) for count in options.sequences}
    backend.close()
    sys.stderr.flush()
    print_table(HEAD, rows(results))
    plan = {**vars(options), "model": model.name, "context": context}
    print_json("engine", plan, {str(count): found for count, found in results.items()})


if __name__ == "__main__":
    main()
