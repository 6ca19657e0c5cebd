"""How large a llama.cpp context is made, from the options: for the backend that makes it, and for
the planner, which must know before there is one. Pure, and without the native library."""

from __future__ import annotations

from edgellm.backends.base import Limits
from edgellm.types import EngineOptions

BATCH_TOKENS = 512  # that a step takes, where nobody says
KEPT_SLOTS = 32  # finished sequences that can be kept for their prefixes, where `can_cut`
GUESSED_TOKENS = 32  # that one step can check, of all answers together
DEFAULT_CONTEXT = 4096  # per sequence, where nobody says: long enough for a chat on a small board
MOST_SLOTS = 256  # sequence ids that llama.cpp has (LLAMA_MAX_SEQ)


def choose_limits(
    options: EngineOptions, trained_context: int, *, can_cut: bool, most_slots: int = MOST_SLOTS
) -> Limits:
    """What a step takes and what the KV cache holds.

    Args:
        trained_context: tokens that the model was trained for.
        can_cut: whether parts of sequences can be dropped, see `can_cut`.
        most_slots: sequence ids that the library has.
    """
    context = options.context or min(trained_context, DEFAULT_CONTEXT)
    kept = KEPT_SLOTS + 1 if can_cut else 0  # else each would take a state of megabytes
    slots = min(options.parallel + kept, most_slots)
    outputs = max(slots, options.parallel + GUESSED_TOKENS)
    return Limits(
        parallel=options.parallel,
        num_slots=slots,
        num_cells=max(options.cells or context * options.parallel, context),
        context=context,
        can_cut=can_cut,
        outputs=outputs,
        batch_tokens=max(options.batch_tokens or BATCH_TOKENS, outputs),
    )


def can_cut(options: EngineOptions, *, is_recurrent: bool, has_window: bool) -> bool:
    """A recurrent state has no way back. Nor has a window cache, though seq_rm says it does:
    the cells that left the window are gone."""
    return not (is_recurrent or (options.swa_cache == "window" and has_window))
