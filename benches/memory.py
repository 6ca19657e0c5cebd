"""Where the resident memory of a server goes: weights, repacked weights, KV cache, compute, Python.

    python -m benches.memory benches/models/qwen3-0.6b-v1-seed0-Q4_K_M.gguf --parallel 8

Starts `edgellm serve`, fills a part of the KV cache with one prompt, and reads llama.cpp's own log
for the size of its buffers and the kernel for what is resident.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import psutil

from benches._load import Client
from benches._prompts import Writer
from benches._report import number, print_json, print_table
from benches._server import serve
from edgellm.assets import builtin_model

COMMAND = (
    f"{sys.executable} -m edgellm serve {{model}} --port {{port}} --context {{context}}"
    " --parallel {parallel} --log-level debug --no-warm-boot"
)
MIB = 1024 * 1024
MAPPED = "weights, mapped from the file"
RESERVED = "KV cache, reserved"
# llama.cpp's words -> ours
BUFFERS = {
    "CPU_Mapped model buffer": MAPPED,
    "CPU_REPACK model buffer": "weights, repacked",
    "CPU KV buffer": RESERVED,
    "CPU RS buffer": "recurrent state",
    "CPU compute buffer": "compute",
    "CPU  output buffer": "logits",
    "CPU output buffer": "logits",
}
_SIZE = re.compile(r"(CPU[\w ]*buffer) size\s*=\s*([\d.]+) MiB")


def buffers(log: str) -> dict[str, float]:
    """Bytes by part, the last size of each that llama.cpp told."""
    found: dict[str, float] = {}
    for name, size in _SIZE.findall(log):
        part = BUFFERS.get(re.sub(r" +", " ", name)) or BUFFERS.get(name)
        if part is not None:
            found[part] = float(size) * MIB
    return found


def resident(process: psutil.Process) -> dict[str, float]:
    """Bytes of a process: its own, and pages of files."""
    info = process.memory_info()
    return {"anonymous": info.rss - info.shared, "of files": info.shared}


async def fill(url: str, model: str, num_tokens: int) -> None:
    async with Client(url, model) as client:
        await client.chat([{"role": "user", "content": Writer(seed=1).text(num_tokens)}], 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path, nargs="?", default=builtin_model())
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--parallel", type=int, default=8)
    options = parser.parse_args()
    values = {"model": options.model, "context": options.context, "parallel": options.parallel}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with serve(COMMAND, values, log, {"EDGELLM_HOME": f"{folder}/home"}) as server:
            asyncio.run(fill(server.url, server.model, options.context // 4))
            process = psutil.Process(server.pid)
            (engine,) = process.children()
            parts = {f"server, {name}": size for name, size in resident(process).items()}
            parts |= {f"engine, {name}": size for name, size in resident(engine).items()}
        native = buffers(log.read_text(errors="replace"))
    others = sum(size for name, size in native.items() if name not in (MAPPED, RESERVED))
    native["KV cells in use, Python and the rest"] = parts["engine, anonymous"] - others
    print_table(("resident", "MB"), _rows(parts.items()))
    print_table(("of the engine", "MB"), _rows(native.items()))
    print_json("memory", {**values, "model": options.model.name}, {**parts, **native})


def _rows(parts: Iterable[tuple[str, float]]) -> list[tuple[str, str]]:
    return [(name, number(size / 1e6)) for name, size in parts]


if __name__ == "__main__":
    main()
