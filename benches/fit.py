"""Does what is planned inside of a memory limit really run there, with every token it promises?

    python -m benches.fit --limits 1GB 2GB 4GB 8GB [--folder benches/models]

For each limit: makes a memory cgroup, lets `edgellm plan` choose inside of it, writes a
random-weight model of exactly the planned shape and quantisation, serves it inside of a cgroup of
the same limit with the plan's options, fills one sequence to the last token of the planned context
and then all sequences at once to the last cell, and counts what the kernel killed. Needs Linux and
root, and `benches/synthetic.py` must know the shape of the planned model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx
import psutil

from benches._cgroup import MemoryCgroup, NoCgroups
from benches._report import number, print_json, print_table
from benches._server import Running, serve
from benches._shapes import SHAPES
from benches.synthetic import MODELS, synthetic_model
from edgellm.cli.catalogue import user_catalog
from edgellm.hardware.host import Host
from edgellm.hardware.resident import probe
from edgellm.units import parse_size

EDGELLM = [sys.executable, "-m", "edgellm"]
SERVE = (
    "serve {model} --port {port} --context {context} --parallel {parallel} --kv-tokens {cells}"
    " --kv-type {kv_type} --log-level warning"
)
LEFT_TOKENS = 64  # of the context for the answer; it is asked for more than that
FIRST_TOKEN, NUM_TOKENS = 1000, 997  # of those that mean text
SAMPLE_SECONDS = 0.1
MB = 1e6


class Planned(NamedTuple):
    """What `edgellm plan` chose, and the next larger model with why it is out."""

    model: str
    quant: str
    context: int
    parallel: int
    cells: int
    kv_type: str
    needed_bytes: int
    download_bytes: int | None
    refused: str = ""

    @property
    def name(self) -> str:
        return f"{self.model}:{self.quant}"


class Measured(NamedTuple):
    """`peak_bytes` is what the kernel charged, pages of files included; `anonymous_bytes` is what
    it cannot drop; `resident_bytes` adds up the peaks of server and engine."""

    peak_bytes: int
    anonymous_bytes: int
    resident_bytes: int
    num_disk_faults: int  # pages that the engine waited for after it was ready
    num_oom_kills: int
    num_restarts: int
    num_answers: int
    longest_tokens: int  # of one sequence, prompt and answer


class Anonymous:
    """Watches a cgroup while the block runs; `peak_bytes` is the most that was anonymous."""

    def __init__(self, group: MemoryCgroup) -> None:
        self.peak_bytes = 0
        self._group = group
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, self._group.anonymous_bytes)


def plan(limit_bytes: int, model: str | None = None) -> Any:
    """What `edgellm plan` prints inside of a cgroup, as JSON; with what this user's cache knows of
    the device, so that all limits are planned with one bandwidth."""
    with MemoryCgroup(limit_bytes) as group:
        words = [*group.prefix, *EDGELLM, "plan", *([model] if model else []), "--format", "json"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit(f"edgellm plan failed: {done.stderr}")
    return json.loads(done.stdout)


def planned(limit_bytes: int) -> Planned:
    """The choice, and what is refused beside it."""
    found = plan(limit_bytes)
    if "model" not in found:
        raise SystemExit(f"Nothing fits into {limit_bytes:,} bytes.")
    chosen = Planned(**{name: found[name] for name in Planned._fields if name in found})
    sizes = {card.id: card.params for card in user_catalog().models}
    larger = next_larger(chosen.model, found["rejected"], sizes)
    return chosen._replace(refused=refusal(larger, limit_bytes) if larger else "")


def next_larger(
    chosen: str, rejected: list[dict[str, str]], sizes: Mapping[str, int]
) -> str | None:
    """Of the models that memory alone keeps out, the one with the fewest parameters beyond those
    of the chosen one."""
    codes: dict[str, set[str]] = {}
    for entry in rejected:
        if entry["backend"] == "llama_cpp":
            codes.setdefault(entry["model"], set()).add(entry["code"])
    refused = [name for name, found in codes.items() if found == {"memory"}]
    larger = [name for name in refused if sizes[name] > sizes[chosen]]
    return min(larger, key=sizes.__getitem__, default=None)


def refusal(model: str, limit_bytes: int) -> str:
    """What the plan says of the smallest variant of a model that it must refuse."""
    found = plan(limit_bytes, model)
    if "model" in found:
        raise SystemExit(f"{model} was planned, though it did not fit")
    reasons = [e for e in found["rejected"] if e["backend"] == "llama_cpp"]
    smallest = min(reasons, key=lambda e: float(e["reason"].split()[1]))
    return f"{model}:{smallest['quant']} {smallest['reason']}"


def measure(
    limit_bytes: int, chosen: Planned, path: Path, environ: Mapping[str, str], log: Path
) -> Measured:
    forget_pages(path)
    with MemoryCgroup(limit_bytes) as group, Anonymous(group) as anonymous:
        command = shlex.join([*group.prefix, *EDGELLM]) + " " + SERVE
        with serve(command, {**chosen._asdict(), "model": path}, log, environ) as server:
            (engine,) = psutil.Process(server.pid).children()
            before = disk_faults(engine.pid)
            lengths = asyncio.run(fill(server, chosen))
            health = httpx.get(f"{server.url}/health", trust_env=False)
            health.raise_for_status()
            restarts = health.json()["models"][0]["restarts"]
            faults = disk_faults(engine.pid) - before
            peaks = peak_bytes(server.pid) + peak_bytes(engine.pid)
        return Measured(
            peak_bytes=group.peak_bytes,
            anonymous_bytes=anonymous.peak_bytes,
            resident_bytes=peaks,
            num_disk_faults=faults,
            num_oom_kills=group.num_oom_kills,
            num_restarts=restarts,
            num_answers=len(lengths),
            longest_tokens=max(lengths),
        )


def forget_pages(path: Path) -> None:
    """Of a file that was just written: in memory already, they would be charged to nobody."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


async def fill(server: Running, chosen: Planned) -> list[int]:
    """One sequence alone up to the whole context, then all of them up to the last cell."""
    share = min(chosen.context, chosen.cells // chosen.parallel)
    async with httpx.AsyncClient(timeout=None, trust_env=False) as client:
        alone = await complete(client, server, 0, chosen.context)
        if alone != chosen.context:
            raise SystemExit(f"The answer ended at {alone} of {chosen.context} tokens.")
        tasks = [complete(client, server, 1 + n, share) for n in range(chosen.parallel)]
        return [alone, *await asyncio.gather(*tasks)]


async def complete(client: httpx.AsyncClient, server: Running, index: int, length: int) -> int:
    """Tokens of prompt and answer together, `length` of them at most."""
    body = {"model": server.model, "temperature": 0, "ignore_eos": True}
    body |= {"prompt": prompt(index, length - LEFT_TOKENS), "max_tokens": LEFT_TOKENS}
    response = await client.post(f"{server.url}/v1/completions", json=body)
    if response.status_code != 200:
        raise SystemExit(f"{response.status_code}: {response.text}")
    return int(response.json()["usage"]["total_tokens"])


def prompt(index: int, length: int) -> list[int]:
    """Token ids; prompts of other numbers share no beginning."""
    return [FIRST_TOKEN + (37 * index + token) % NUM_TOKENS for token in range(length)]


def peak_bytes(pid: int) -> int:
    found = probe(Host(), pid)
    if found is None:
        raise SystemExit("This system does not tell the peak of a process: run it on Linux.")
    return found.peak_bytes


def disk_faults(pid: int) -> int:
    """Pages that a process had to wait for (proc(5): majflt, the twelfth field of stat)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[9])


def rows(results: Mapping[str, tuple[Planned, Measured]]) -> Iterator[tuple[object, ...]]:
    for limit, (chosen, found) in results.items():
        sizes = chosen.needed_bytes, found.anonymous_bytes, found.resident_bytes, found.peak_bytes
        yield (
            limit,
            chosen.name,
            chosen.context,
            chosen.cells,
            chosen.parallel,
            *(number(size / MB) for size in sizes),
            found.num_disk_faults,
            found.num_answers,
            found.num_oom_kills,
            found.num_restarts,
        )


HEAD = (
    *("limit", "plan", "context", "cells", "parallel"),
    *("needed MB", "anonymous", "resident", "cgroup's peak"),
    *("disk faults", "answers", "OOM kills", "restarts"),
)


def report(results: Mapping[str, tuple[Planned, Measured]]) -> None:
    print_table(HEAD, rows(results))
    for limit, (chosen, _) in results.items():
        if chosen.refused:
            print(f"refused in {limit}: {chosen.refused}")


def fit(limit_bytes: int, folder: Path, log: Path, environ: Mapping[str, str]) -> Any:
    chosen = planned(limit_bytes)
    print(f"{limit_bytes:,} bytes: {chosen}", file=sys.stderr, flush=True)
    if chosen.model not in SHAPES:
        raise SystemExit(f"benches/_shapes.py does not know the shape of {chosen.model}: add it.")
    path = synthetic_model(chosen.model, chosen.quant, folder=folder)
    if chosen.download_bytes:
        error = path.stat().st_size / chosen.download_bytes - 1
        print(f"file: {error:+.2%} of the catalogue's", file=sys.stderr, flush=True)
    return chosen, measure(limit_bytes, chosen, path, environ, log)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--limits", nargs="+", default=["1GB", "2GB", "4GB", "8GB"])
    parser.add_argument("--folder", type=Path, default=MODELS)
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        environ = {"EDGELLM_HOME": f"{folder}/home"}
        for limit in options.limits:
            log = Path(folder) / "log"
            try:
                results[limit] = fit(parse_size(limit), options.folder, log, environ)
            except NoCgroups as error:
                raise SystemExit(f"No memory cgroup can be made here: {error}") from error
    report(results)
    plain = {k: {**c._asdict(), **m._asdict()} for k, (c, m) in results.items()}
    print_json("fit", {"limits": options.limits}, plain)
    if any(found.num_oom_kills or found.num_restarts for _, found in results.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
