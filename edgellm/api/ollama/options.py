"""Ollama's `options` -> `Sampling`, and what is to be said of those that cannot be followed. Pure.

An option that would change the answer, and that this server has not, is refused by name. One that
only says how a model is loaded or computed is the server's business: every client may send it, and
it changes no answer. `num_ctx` is in between. Many clients always send it, so it is never refused:
the model keeps the context that it was loaded with, the answer says so where that is less, and a
prompt that does not fit is an error, never cut.
"""

from __future__ import annotations

from typing import Any

from edgellm.api.ollama.schema import OllamaOptions
from edgellm.api.validation import unsupported
from edgellm.types import Sampling

_MAX_SHOWN = 5

# How a model is loaded and computed, or (num_keep, mirostat_*) only with what is refused anyway.
_HARMLESS = frozenset(
    (
        *("numa", "num_batch", "num_gpu", "main_gpu", "low_vram", "f16_kv", "logits_all"),
        *("vocab_only", "use_mmap", "use_mlock", "embedding_only", "num_thread", "num_keep"),
        *("num_gqa", "mirostat_tau", "mirostat_eta", "rope_frequency_base"),
        *("rope_frequency_scale", "draft_num_predict"),
    )
)
# Each with the value that means "off".
_REFUSED: tuple[tuple[str, Any], ...] = (
    ("mirostat", 0),
    ("tfs_z", 1),
    ("penalize_newline", True),
)


def to_sampling(options: OllamaOptions | None, top_logprobs: int | None) -> Sampling:
    """Raises InvalidRequest for an option that is not supported."""
    if options is None:
        return Sampling(top_logprobs=top_logprobs)
    for name, neutral in _REFUSED:
        if getattr(options, name) not in (None, neutral):
            raise unsupported(
                f"The option '{name}' is not supported.",
                "Leave it out; temperature, top_p and min_p shape the answer.",
                f"options.{name}",
            )
    return Sampling(
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=None if options.top_k is None else max(0, options.top_k),
        min_p=options.min_p,
        typical_p=options.typical_p,
        repeat_penalty=options.repeat_penalty,
        repeat_last_n=options.repeat_last_n,
        presence_penalty=options.presence_penalty,
        frequency_penalty=options.frequency_penalty,
        seed=to_seed(options.seed),
        max_tokens=_max_tokens(options.num_predict),
        stop=tuple(options.stop or ()),
        top_logprobs=top_logprobs,
    )


def to_seed(seed: int | None) -> int | None:
    """Any integer -> 0..2^32-2; -1 draws one. llama.cpp reads 2^32-1 as "draw one yourself"."""
    return None if seed is None or seed == -1 else seed % 0xFFFFFFFF


def warnings_of(options: OllamaOptions | None, context: int | None) -> list[str]:
    """What the client asked for and did not get, though its answer is right.

    Args:
        context: tokens that the model was loaded with; None = not known.
    """
    if options is None:
        return []
    found = []
    if options.num_ctx is not None and context is not None and options.num_ctx > context:
        found.append(
            f"num_ctx {options.num_ctx}: the model was loaded with a context of {context} tokens. "
            "Start the server with a larger --context."
        )
    unknown = sorted(set(options.model_extra or ()) - _HARMLESS)[:_MAX_SHOWN]
    return found + [f"{name[:80]}: there is no such option." for name in unknown]


def _max_tokens(num_predict: int | None) -> int | None:
    """-1 (no limit), -2 (until the context is full) and 0 are alike here."""
    return num_predict if num_predict is not None and num_predict > 0 else None
