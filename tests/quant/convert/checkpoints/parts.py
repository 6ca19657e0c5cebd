"""What the tiny checkpoints share: sizes, the usual tensors, and the files of a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.quant.convert import tiny_tokenizers as tok
from tests.quant.convert.tensors import Tensors, write_shards

WIDTH, HEADS, KV_HEADS, FFN, LAYERS = 64, 4, 2, 96, 2


TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


README = """---
license: apache-2.0
language:
- en
- no
tags:
- text-generation
- chat
base_model: owner/Tiny-1B-Base
---
# Tiny
"""


SIZES = {
    "hidden_size": WIDTH,
    "intermediate_size": FFN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "initializer_range": 0.02,
    "use_cache": True,
}


def save(
    folder: Path,
    config: dict[str, Any],
    tensors: Tensors,
    *,
    tokenizer: dict[str, Any] | None = None,
    pieces: list[tok.Piece] | None = None,
    tokenizer_config: dict[str, Any] | None = None,
    generation: dict[str, Any] | None = None,
    template: str = "",
    num_shards: int = 1,
) -> None:
    write_json(folder / "config.json", config)
    if tokenizer is not None:
        write_json(folder / "tokenizer.json", tokenizer)
    if pieces is not None:
        (folder / "tokenizer.model").write_bytes(tok.sentencepiece(pieces))
    if tokenizer_config is not None:
        write_json(folder / "tokenizer_config.json", tokenizer_config)
    if generation is not None:
        write_json(folder / "generation_config.json", generation)
    if template:
        (folder / "chat_template.jinja").write_text(template)
    write_shards(folder, tensors.made, num_shards)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False))


def add_blocks(
    tensors: Tensors,
    vocab: int,
    *,
    head: int = WIDTH // HEADS,
    prefix: str = "model.",
    norm: float = 1.0,
    is_tied: bool = False,
    has_bias: bool = False,
    has_qk_norm: bool = False,
    has_four_norms: bool = False,
    ffn: Callable[[Tensors, str], None] | None = None,
    num_layers: int = LAYERS,
    lm_head: str = "lm_head.weight",
) -> None:
    """The tensors of a Llama-like model, in the order in which such files have them."""
    tensors.add(prefix + "embed_tokens.weight", vocab, WIDTH)
    for layer in range(num_layers):
        block = f"{prefix}layers.{layer}."
        for part, size in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
            tensors.add(f"{block}self_attn.{part}_proj.weight", size * head, WIDTH)
            if has_bias:
                tensors.add(f"{block}self_attn.{part}_proj.bias", size * head)
        tensors.add(block + "self_attn.o_proj.weight", WIDTH, HEADS * head)
        if has_qk_norm:
            tensors.norm(block + "self_attn.q_norm.weight", head, around=norm)
            tensors.norm(block + "self_attn.k_norm.weight", head, around=norm)
        (ffn or add_swiglu)(tensors, block)
        tensors.norm(block + "input_layernorm.weight", WIDTH, around=norm)
        tensors.norm(block + "post_attention_layernorm.weight", WIDTH, around=norm)
        if has_four_norms:
            tensors.norm(block + "pre_feedforward_layernorm.weight", WIDTH, around=norm)
            tensors.norm(block + "post_feedforward_layernorm.weight", WIDTH, around=norm)
    tensors.norm(prefix + "norm.weight", WIDTH, around=norm)
    if not is_tied:
        tensors.add(lm_head, vocab, WIDTH)


def add_swiglu(tensors: Tensors, block: str) -> None:
    tensors.add(block + "mlp.gate_proj.weight", FFN, WIDTH)
    tensors.add(block + "mlp.up_proj.weight", FFN, WIDTH)
    tensors.add(block + "mlp.down_proj.weight", WIDTH, FFN)
