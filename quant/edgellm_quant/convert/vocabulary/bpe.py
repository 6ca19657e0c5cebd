"""Reads byte-level BPE from `tokenizer.json`: Llama 3, Qwen, SmolLM, Phi-4, Granite, Tekken."""

from __future__ import annotations

from typing import Any

from edgellm.errors import QuantError
from edgellm_quant.convert.checkpoint import Json
from edgellm_quant.convert.vocabulary.tokens import (
    NORMAL,
    Vocabulary,
    check_room,
    empty,
    kind_of_added,
    without_marks,
)


def read_bpe(tokenizer: Json, added: list[Json], pre: str, size: int) -> Vocabulary:
    """The vocabulary, padded to `size` with unused tokens.

    Args:
        added: tokens that were added after training, as `added_tokens` has them.

    Raises:
        QuantError: it is no BPE, or has more tokens than the model.
    """
    model = tokenizer.get("model", {})
    if model.get("type") != "BPE" or not isinstance(model.get("vocab"), dict):
        raise QuantError(
            f"The tokenizer is of the type {model.get('type')!r}; BPE and SentencePiece are read.",
            "Convert it with llama.cpp's convert_hf_to_gguf.py.",
        )
    found = empty("gpt2", pre, size)
    ids: dict[str, int] = model["vocab"]
    check_room(max([*ids.values(), *(int(token["id"]) for token in added)], default=0), size)
    for text, index in ids.items():
        found.put(index, text, NORMAL, 0.0)
    for token in added:
        kind = kind_of_added(token["content"], is_special=bool(token.get("special")))
        found.put(int(token["id"]), without_marks(token["content"], kind), kind, 0.0)
    found.merges = [merge_text(merge) for merge in model.get("merges", [])]
    return found


def merge_text(merge: Any) -> str:
    """Two parts with a space between, as older files have it; spaces within become visible."""
    if isinstance(merge, str):
        return merge
    return " ".join(str(part).replace(" ", chr(ord(" ") + 256)) for part in merge)
