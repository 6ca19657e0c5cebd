"""ONNX folders for ONNX Runtime GenAI, through its own model builder (the extra `quant-onnx`).

The builder runs in a child process, offline, with its telemetry off, and may not run code that lies
in the checkpoint. What it can do is asked of the installed one; how good its result is, nobody here
knows: evaluation is llama.cpp's, so far.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from edgellm.errors import QuantError
from edgellm.hardware.host import Host
from edgellm.hardware.probes import memory
from edgellm_quant.checkpoint import Checkpoint, read_checkpoint
from edgellm_quant.folder import appearing, check_disk, check_memory
from edgellm_quant.tool_process import run_tool

Precision: TypeAlias = Literal["int4", "int8", "fp16"]

# The provider that the graph is made for; the CPU's has no fp16.
_PROVIDERS: dict[Precision, str] = {"int4": "cpu", "int8": "cpu", "fp16": "cuda"}
_ENVIRONMENT = {
    "ORT_DISABLE_TELEMETRY": "1",  # must be set before the library is loaded
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYTHONUNBUFFERED": "1",  # progress comes as it happens
}
_OPTIONS = ("hf_remote=false", "hf_token=false")  # no code, and no token, of anybody's
_NEEDED = ("onnxruntime_genai", "onnx", "onnx_ir", "torch", "transformers")
_FIRST, _GRAPH = "genai_config.json", "model.onnx"
# Bytes for each parameter, and in all: peaks of onnxruntime-genai 0.18.0's builder with a Llama of
# 317 million parameters in bfloat16 (2.71, 2.90 and 1.22 GB), and a tiny one (0.40 GB).
_MEMORY = {"int4": 8.0, "int8": 8.5, "fp16": 3.0}
_MEMORY_BYTES = 450_000_000
_DISK = {"int4": 0.65, "int8": 1.2, "fp16": 2.1}
_READS = re.compile(r"Reading (?:layer \d+|embedding|final norm|LM head)")
_QUANTISES = re.compile(r"start to quantize /(?:model/layers\.(\d+)|lm_head)")

# Asks the interpreter that shall run the builder. Of the builder only its text is looked at.
_PROBE = f"""
import json, re
from importlib import metadata, util
missing = [name for name in {_NEEDED!r} if util.find_spec(name) is None]
found, version = [], ""
if not missing:
    version = metadata.version("onnxruntime-genai")
    root = util.find_spec("onnxruntime_genai").submodule_search_locations[0]
    text = open(root + "/models/builder.py", encoding="utf-8").read()
    found = sorted(set(re.findall(r'architectures\\[0\\] == "(\\w+)"', text)))
print(json.dumps({{"missing": missing, "architectures": found, "version": version}}))
"""


class Builder(Struct, frozen=True):
    """The model builder of an interpreter. No architectures = it does not tell."""

    missing: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    version: str = ""


def make_onnx(
    checkpoint: Path,
    target: Path,
    precision: Precision,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    python: str = sys.executable,
) -> Path:
    """Make the folder `target` of a Hugging Face folder; returns it.

    Args:
        on_progress: steps done, and in all.
        python: the interpreter that has the extra.

    Raises:
        ModelFileError: the source is no such folder.
        QuantError: the extra is missing, the architecture is none of the builder's, there is too
            little memory, or the builder failed; nothing is left behind.
        DiskFull, QuantCancelled: likewise.
    """
    source = read_checkpoint(checkpoint)
    check_builder(ask_builder(python), source)
    check_disk(target, disk_bytes(source, precision))
    available = memory.probe(Host()).available_bytes
    check_memory(f"ONNX {precision}", memory_bytes(source, precision), available)
    steps = _Steps(source.layers, precision, on_progress)
    with appearing(target) as partial:
        cache = partial.with_name(f"{partial.name}-cache")
        command = (python, *builder_arguments(checkpoint, partial, precision, cache))
        try:
            _run(command, steps, is_cancelled)
        finally:
            shutil.rmtree(cache, ignore_errors=True)
        _check_whole(partial)
    steps.finish()
    return target


def builder_arguments(
    checkpoint: Path, target: Path, precision: Precision, cache: Path
) -> tuple[str, ...]:
    """Of the interpreter."""
    return (
        *("-m", "onnxruntime_genai.models.builder"),
        *("-i", str(checkpoint), "-o", str(target), "-p", precision),
        *("-e", _PROVIDERS[precision], "-c", str(cache)),
        *("--extra_options", *_OPTIONS),
    )


def ask_builder(python: str = sys.executable) -> Builder:
    """What the interpreter has.

    Raises:
        QuantError: it does not run.
    """
    lines = run_tool(
        (python, "-c", _PROBE), "Asking for the model builder", environment=_ENVIRONMENT
    )
    try:
        return msgspec.json.decode(lines[-1], type=Builder)
    except (IndexError, msgspec.DecodeError) as error:
        raise QuantError(f"{python} did not say which packages it has.") from error


def check_builder(builder: Builder, source: Checkpoint) -> None:
    """Raises QuantError for what the builder could not do."""
    if builder.missing:
        raise QuantError(
            f"ONNX files need {', '.join(builder.missing)}, which "
            f"{'is' if len(builder.missing) == 1 else 'are'} not installed.",
            "pip install 'edgellm[quant-onnx]' (some 1.3 GB with PyTorch for CPUs); serving the "
            "result needs onnxruntime-genai alone.",
        )
    if builder.architectures and source.architecture not in builder.architectures:
        able = ", ".join(name.partition("For")[0] for name in builder.architectures)
        raise QuantError(
            f"The model builder of onnxruntime-genai {builder.version} cannot convert "
            f"{source.architecture or 'a model without architecture'}.",
            f"It can convert {able}. A GGUF file may do: --to Q4_K_M.",
        )


def memory_bytes(source: Checkpoint, precision: Precision) -> int:
    """That the builder takes at its peak."""
    wide = max(0, source.weight_bytes - 2 * source.params)  # float32 is loaded as it is
    return int(_MEMORY_BYTES + _MEMORY[precision] * source.params + wide)


def disk_bytes(source: Checkpoint, precision: Precision) -> int:
    """That the result takes at most: embeddings stay in float32 on the CPU."""
    embedding = 4 * source.vocab * source.hidden
    return int(embedding + _DISK[precision] * source.params) + 64 * 1024 * 1024


class _Steps:
    """Counts what the builder says that it begins."""

    def __init__(
        self, layers: int, precision: Precision, on_progress: Callable[[int, int], None]
    ) -> None:
        self._on_progress = on_progress
        self._seen: set[str] = set()
        reads, quantises = layers + 3, 0 if precision == "fp16" else layers + 1
        self._total = reads + quantises + 1  # and then it saves

    def __call__(self, line: str) -> None:
        match = _READS.search(line) or _QUANTISES.search(line)
        if match is not None and match[0] not in self._seen:
            self._seen.add(match[0])
            self._on_progress(min(len(self._seen), self._total), self._total)

    def finish(self) -> None:
        self._on_progress(self._total, self._total)


def _run(command: tuple[str, ...], steps: _Steps, is_cancelled: Callable[[], bool]) -> None:
    run_tool(
        command,
        "The model builder",
        environment=_ENVIRONMENT,
        on_line=steps,
        is_cancelled=is_cancelled,
    )


def _check_whole(folder: Path) -> None:
    """Raises QuantError. A builder that was content may still have left something out."""
    missing = [name for name in (_FIRST, _GRAPH) if not (folder / name).is_file()]
    if missing:
        raise QuantError(f"The model builder ended well, and made no {' and no '.join(missing)}.")
