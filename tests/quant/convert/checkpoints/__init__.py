"""Tiny checkpoints of every architecture that is converted: random weights, but the config keys,
tensor names and tokenizer files that the real ones of that family have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.quant.convert.checkpoints import gemma, granite, llama, mistral, phi, qwen, smollm

CASES: dict[str, Callable[[Path], None]] = {
    "llama2": llama.llama2,
    "llama3": llama.llama3,
    "mistral": mistral.mistral,
    "nemo": mistral.nemo,
    "ministral3": mistral.ministral3,
    "smollm2": smollm.smollm2,
    "smollm3": smollm.smollm3,
    "qwen2": qwen.qwen2,
    "qwen3": qwen.qwen3,
    "qwen3-ends": qwen.qwen3_ends,
    "qwen3-moe": qwen.qwen3_moe,
    "gemma2": gemma.gemma2,
    "gemma3": gemma.gemma3,
    "gemma3-vision": gemma.gemma3_vision,
    "phi3": phi.phi3,
    "phi35": phi.phi35,
    "phi4-mini": phi.phi4_mini,
    "granite3": granite.granite3,
    "granite4": granite.granite4,
}


def write_checkpoint(name: str, folder: Path) -> Path:
    """The checkpoint of a case in `CASES`, in a folder below."""
    target = folder / f"Tiny-{name}-1B-Instruct-v0.2"
    target.mkdir(parents=True)
    CASES[name](target)
    return target
