"""Time and peak memory of quantising, against llama-quantize on the same file and threads.

    python -m benches.quantise LLAMA_QUANTIZE [--model qwen3-0.6b] [--to Q4_K_M,Q8_0] [--repeat 5]

The two take turns, and the medians are compared. Memory is that of all processes of a side
together, resident, mapped pages of the files included; it is looked at every 10 ms.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from benches._report import number, print_json, print_table
from benches._stats import medians, ratio
from benches.synthetic import synthetic_model

LOOK_SECONDS = 0.01
OURS = """
import sys
from pathlib import Path
from edgellm_quant.gguf import quantise
from edgellm_quant.spec import Recipe
source, target, kind, threads = sys.argv[1:]
quantise(Path(source), Path(target), Recipe(kind), threads=int(threads))
"""


def run(command: Sequence[str]) -> dict[str, float]:
    """Start it and watch it."""
    start = time.perf_counter()
    child = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while child.poll() is None:
        peak = max(peak, resident_bytes(child))
        time.sleep(LOOK_SECONDS)
    seconds = time.perf_counter() - start
    if child.returncode:
        raise SystemExit(f"error: {command[0]} failed with {child.returncode}")
    return {"seconds": seconds, "peak_mib": peak / 2**20}


def resident_bytes(process: psutil.Process) -> int:
    """Of a process and all that it started; 0 of what has just ended."""
    total = 0
    try:
        for each in (process, *process.children(recursive=True)):
            total += each.memory_info().rss
    except psutil.Error:
        pass
    return total


def compare(
    program: str, source: Path, kind: str, threads: int, repeat: int
) -> dict[str, dict[str, float]]:
    """Medians of both sides, one after the other in turn; a first run of each is not counted."""
    runs: dict[str, list[dict[str, float]]] = {"edgellm": [], "llama-quantize": []}
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        target = str(Path(folder) / "made.gguf")
        commands = {
            "edgellm": (sys.executable, "-c", OURS, str(source), target, kind, str(threads)),
            "llama-quantize": (program, str(source), target, kind, str(threads)),
        }
        for number_of_run in range(repeat + 1):
            for side, command in commands.items():
                found = run(command)
                if number_of_run:
                    runs[side].append(found)
    return {side: medians(found) for side, found in runs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("program", metavar="LLAMA_QUANTIZE")
    parser.add_argument("--model", default="qwen3-0.6b", help="a shape, or a GGUF file")
    parser.add_argument("--to", default="Q4_K_M,Q8_0")
    parser.add_argument("--threads", type=int, default=psutil.cpu_count() or 1)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    given = Path(options.model)
    source = given if given.is_file() else synthetic_model(options.model, "F16")
    results = {}
    rows = []
    for kind in options.to.split(","):
        found = compare(options.program, source, kind, options.threads, options.repeat)
        ours, theirs = found["edgellm"], found["llama-quantize"]
        ratios = {name: ratio(ours[name], theirs[name]) for name in ours}
        results[kind] = {**found, "ratio": ratios}
        for name in ours:
            cells = (ours[name], theirs[name], ratios[name])
            rows.append((f"{kind} {name}", *map(number, cells)))
    print_table(("", "edgellm", "llama-quantize", "ratio"), rows)
    plan = {"model": source.name, "bytes": source.stat().st_size, "threads": options.threads}
    print_json("quantise", plan | {"repeat": options.repeat}, results)


if __name__ == "__main__":
    main()
