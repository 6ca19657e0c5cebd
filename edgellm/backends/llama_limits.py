"""How large a llama.cpp context is made, from the options: for the backend that makes it, and for
the planner, which must know before there is one. Pure, and without the native library."""

from __future__ import annotations

from edgellm.backends.base import EmbedLimits, Limits
from edgellm.types import Capability, EngineOptions, Pooling

BATCH_TOKENS = 512  # that a step takes, where nobody says
KEPT_SLOTS = 32  # finished sequences that can be kept for their prefixes, where `can_cut`
GUESSED_TOKENS = 32  # that one step can check, of all answers together
DEFAULT_CONTEXT = 4096  # per sequence, where nobody says: long enough for a chat on a small board
LOGITS_BYTES = 64 * 1024 * 1024  # for a step of embeddings, which keeps every token's
LEAST_EMBEDDED, MOST_EMBEDDED = 64, 512  # tokens of such a step
EMBED_SLOTS = 64  # texts in it
EMBED_STATES = 4  # the same where each has a recurrent state of megabytes
EMBED_CONTEXT = 2048  # tokens of a text, where nobody says; passages are short
ENCODER_BYTES = 512 * 1024 * 1024  # that an encoder's unused logits may take of itself
LEAST_ENCODED = 512  # tokens of a text, whatever they take
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


def capabilities(pooling: int, *, is_causal: bool) -> tuple[Capability, ...]:
    """What a model is for, by its header: a chat model can embed as well, if not as well as those
    that are made for it.

    Args:
        pooling: llama.cpp's number (`LLAMA_POOLING_TYPE_*`); 0 or less = none.
    """
    if pooling == 4:
        return ("rerank",)
    if pooling > 0 or not is_causal:
        return ("embedding",)
    return ("completion", "embedding")


def usual_embed_context(trained_context: int, vocab: int, *, is_causal: bool) -> int:
    """Tokens of the longest text, where nobody asks for more. An encoder takes a text in one step,
    for which llama.cpp keeps, and clears, room for logits that it has not: vocabulary x tokens."""
    usual = min(trained_context, EMBED_CONTEXT)
    if is_causal:
        return usual
    by_memory = ENCODER_BYTES // (4 * max(1, vocab)) // 256 * 256
    return min(usual, max(LEAST_ENCODED, by_memory))


def choose_embed_limits(
    options: EngineOptions,
    trained_context: int,
    vocab: int,
    pooling: Pooling,
    *,
    is_causal: bool,
    is_chat: bool,
    is_recurrent: bool = False,
) -> EmbedLimits:
    """How texts are embedded, so that memory stays small.

    Args:
        is_chat: the model chats as well: `options` are for that.
    """
    usual = usual_embed_context(trained_context, vocab, is_causal=is_causal)
    asked = options.context or usual
    context = min(asked, trained_context, usual if is_chat else asked)
    by_memory = LOGITS_BYTES // (4 * max(1, vocab))
    batch = max(LEAST_EMBEDDED, min(MOST_EMBEDDED, by_memory))
    return EmbedLimits(
        context=context,
        num_slots=EMBED_STATES if is_recurrent else EMBED_SLOTS,
        num_cells=max(context, batch),
        batch_tokens=batch,
        is_causal=is_causal,
        pooling=pooling,
    )
