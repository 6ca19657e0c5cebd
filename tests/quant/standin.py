"""Stand-ins for the parts of the tool that take long: their results are made of the file's size.

`quantise` is the real one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgellm_quant.device import Device
from edgellm_quant.gguf import quantise
from edgellm_quant.spec import Cost, Evaluation, Golden, Limits, Loss, Made, Override, Recipe
from edgellm_quant.tools import Ears, Tools
from msgspec import Struct

from edgellm.atomic import write_atomically
from edgellm.errors import QuantCancelled
from edgellm.jobs.request import JobRequest

IDLE = Device(usable_bytes=lambda: 8 << 30, num_running=lambda: 0, num_cpus=2)


class Calls(list[str]):
    """What was done, in order."""


def tools(calls: Calls | None = None, imatrix: Path | None = None) -> Tools:
    """All tools; those that do something tell of it."""
    done = calls if calls is not None else Calls()

    def make(source: Path, target: Path, recipe: Recipe, matrix: Path | None, ears: Ears) -> Path:
        done.append(f"quantise {recipe.label} {matrix.name if matrix else 'plain'}")
        return quantise(
            source,
            target,
            recipe,
            imatrix=matrix,
            threads=ears.threads,
            on_progress=ears.on_progress,
            is_cancelled=ears.is_cancelled,
            on_note=ears.on_note,
        )

    def make_imatrix(_model: Path, target: Path, text: str, ears: Ears) -> Path:
        done.append(f"imatrix {text}")
        ears.on_progress(1, 1)
        assert imatrix is not None
        write_atomically(target, imatrix.read_bytes())
        return target

    def make_reference(model: Path, folder: Path, text: str, ears: Ears) -> Any:
        done.append(f"reference {text}")
        folder.mkdir(exist_ok=True)
        ears.on_progress(3, 3)
        return hashlib.sha256(model.read_bytes()).hexdigest()

    def evaluate(model: Path, reference: Any, golden: str, ears: Ears) -> Evaluation:
        assert len(reference) == 64
        done.append(f"evaluate {model.name}")
        if ears.is_cancelled():
            raise QuantCancelled("cancelled")
        size = model.stat().st_size
        kld = 1e5 / size
        loss = Loss(100, 9 + kld, 9, kld, 2 * kld, 3 * kld, 4 * kld, 1 - kld)
        cost = Cost(size, 0.1, 2 * size, 100, 50)
        return Evaluation(loss, cost, Golden(3, 4) if golden != "no" else Golden(0, 0))

    def least_blocks(
        _source: Path, count: int, text: str, _folder: Path, _ears: Ears
    ) -> tuple[int, ...]:
        done.append(f"prune {count} {text}")
        return tuple(range(2, 2 + count))

    def best_mix(
        _source: Path,
        budget: int,
        reference: Any,
        _imatrix: Path | None,
        blocks: tuple[int, ...],
        _ears: Ears,
    ) -> Recipe:
        done.append(f"mix {budget}")
        assert reference
        return Recipe("Q4_K_M", overrides=(Override("ffn_down", "Q6_K"),), pruned_blocks=blocks)

    def adopt(made: Made, _source: str, _ears: Ears) -> str:
        done.append(f"adopt {Path(made.path).name}")
        return "name"

    return Tools(
        open_source=open_source,
        quantise=make,
        make_imatrix=make_imatrix,
        make_reference=make_reference,
        evaluate=evaluate,
        refusal=refusal,
        best_mix=best_mix,
        least_blocks=least_blocks,
        adopt=adopt,
        write_report=write_report,
        read_text=lambda word, use: f"{use} {word}",
    )


class Source(Struct, frozen=True):
    """What `open_source` gives."""

    name: str
    path: Path
    kind: str


def open_source(text: str, _can_requantise: bool, _ears: Ears) -> Source:
    path = Path(text)
    return Source(path.stem, path, "safetensors" if path.is_dir() else "gguf")


def refusal(evaluation: Evaluation, limits: Limits) -> str:
    if limits.max_kld is not None and evaluation.loss.kld_mean > limits.max_kld:
        return f"Its KL divergence is above {limits.max_kld}."
    return ""


def write_report(folder: Path, source: str, made: Sequence[Made], _request: JobRequest) -> None:
    lines = [f"# {source}", *(f"{each.recipe.label} {each.size_bytes}" for each in made)]
    write_atomically(folder / "REPORT.md", "\n".join(lines).encode())
