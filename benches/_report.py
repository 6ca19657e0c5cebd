"""What every bench prints: a table for people, then one line of JSON with all that it takes to
know what was measured: command, version, plan and hardware."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as their widest cell; the first one to the left, numbers to the right."""
    table = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for row in table:
        first, *others = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        cells = [cell.strip().rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join([first, *cells]).rstrip())


def number(value: float) -> str:
    """Four digits that count."""
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def print_json(bench: str, plan: Mapping[str, object], results: Mapping[str, object]) -> None:
    """One line; figures that do not exist are null."""
    line = {
        "bench": bench,
        "version": version("edgellm"),
        "command": command(),
        "plan": plan,
        "hardware": hardware(),
        "results": results,
    }
    print(json.dumps(_plain(line)))


def command() -> str:
    """As it was typed, but for the machine's own folders."""
    program = f"python -m benches.{Path(sys.argv[0]).stem}"
    return " ".join(
        [program, *(argument.replace(f"{Path.cwd()}/", "") for argument in sys.argv[1:])]
    )


def hardware() -> dict[str, object]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _cpu_name(),
        "machine": platform.machine(),
        "system": platform.system(),
        "usable_cpus": usable,
        "memory_bytes": psutil.virtual_memory().total,
        "load_average_1m": round(psutil.getloadavg()[0], 2),  # others' work spoils every figure
        "python": platform.python_version(),
        "llama_cpp_python": version("llama-cpp-python"),
    }


def _cpu_name() -> str:
    """The first name that Linux gives; elsewhere what Python knows."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _plain(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.6g}") if math.isfinite(value) else None
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
