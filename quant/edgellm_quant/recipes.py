"""From a user's words to recipes, and what their results are called. Pure, but for reading names of
types from llama.cpp."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from edgellm.errors import QuantError
from edgellm.jobs.request import NO, JobRequest
from edgellm.store.gguf_names import quant_of, split_of
from edgellm_quant.file_types import file_type, tensor_type
from edgellm_quant.spec import Limits, Override, Recipe

_OTHERS = ("onnx", "mlc", "hailo")


def recipes_of(request: JobRequest) -> tuple[Recipe, ...]:
    """One for each type that was asked for; a mix comes later, when it was found.

    Raises:
        QuantError: a word is wrong, or words contradict each other.
    """
    check_request(request)
    overrides = tuple(map(parse_override, request.overrides))
    return tuple(
        Recipe(
            name,
            overrides=overrides,
            output_type=request.output_type and tensor_type(request.output_type),
            embedding_type=request.embedding_type and tensor_type(request.embedding_type),
            keep_output=request.keep_output,
            can_requantise=request.requantise,
            is_pure=request.pure,
            keep_split=request.keep_split,
        )
        for name in unique(file_type(word) for word in request.to if not is_other(word))
    )


def others_of(request: JobRequest) -> tuple[str, ...]:
    """What is wanted beside GGUF files."""
    return unique(word.strip().lower() for word in request.to if is_other(word))


def is_other(word: str) -> bool:
    """Whether a word of `to` is meant for another runtime than llama.cpp: `onnx-int4`."""
    return word.strip().lower().startswith(_OTHERS)


def check_request(request: JobRequest) -> None:
    """Raises QuantError for words that do not go together."""
    if not request.to and not wants_mix(request):
        raise QuantError(
            "Nothing is to be made.", "Name types with --to, e.g. --to Q4_K_M,Q8_0; or a --budget."
        )
    if request.budget and request.for_device:
        raise QuantError("--budget and --for-device contradict each other.", "Use one of them.")
    if request.keep_output and request.output_type:
        raise QuantError("--keep-output and --output-type contradict each other.")
    if limits_of(request) != Limits() and request.evaluate == NO:
        raise QuantError("Limits need an evaluation.", "Leave --evaluate no out, or the limits.")
    if request.min_golden is not None and request.golden == NO:
        raise QuantError("--min-golden needs prompts.", "Leave --golden no out.")
    if wants_mix(request) and request.evaluate == NO:
        raise QuantError(
            "A mix for a budget is chosen by what each type costs.", "Leave --evaluate no out."
        )


def wants_mix(request: JobRequest) -> bool:
    """Whether types are to be found that fit a size."""
    return bool(request.budget) or request.for_device


def limits_of(request: JobRequest) -> Limits:
    return Limits(request.max_kld, request.min_top1, request.min_golden)


def parse_override(text: str) -> Override:
    """`PATTERN=TYPE`; the last equals sign counts. Raises QuantError."""
    pattern, equals, kind = text.rpartition("=")
    if not equals or not pattern or not kind:
        raise QuantError(f"'{text}' is no override.", "Write PATTERN=TYPE, e.g. 'ffn_down=Q6_K'.")
    return Override(pattern, tensor_type(kind))


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """In the order in which they come."""
    return tuple(dict.fromkeys(names))


def model_stem(source: Path) -> str:
    """What files made of it are called, without what its own name says of its type:
    `Qwen3-0.6B-BF16.gguf` -> `Qwen3-0.6B`."""
    split = split_of(source.name)
    stem = split.stem if split else source.name.removesuffix(".gguf")
    kind = quant_of(stem)
    if kind:
        stem = re.sub(rf"[-._]?{re.escape(kind)}$", "", stem, flags=re.IGNORECASE)
    return stem or "model"


def file_name(stem: str, recipe: Recipe) -> str:
    """Of the result."""
    pruned = f"-pruned{len(recipe.pruned_blocks)}" if recipe.pruned_blocks else ""
    return f"{stem}{pruned}-{recipe.label}.gguf"
