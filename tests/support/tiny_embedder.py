"""Writes tiny GGUF models with random weights that embed or judge texts, and cannot write."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from tests.support.tiny_model import (
    CHATML,
    CONTEXT,
    HEAD,
    NUM_TOKENS,
    WIDTH,
    Tensors,
    add_llama,
    add_tokenizer,
)

HEADS, LAYERS = 2, 2
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?-'"
WORDPIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"▁{c}" for c in LETTERS), *LETTERS)
RERANK_TEMPLATE = "<|im_start|>judge\n{query}\n{document}<|im_end|>"


def write_tiny_encoder(
    path: Path,
    *,
    architecture: str = "bert",
    pooling: gguf.PoolingType = gguf.PoolingType.MEAN,
    context: int = CONTEXT,
    bias: float = 0,
    seed: int = 0,
) -> Path:
    """An encoder whose tokens are the letters: "bert" or "nomic-bert". One that pools by RANK has
    a classifier."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny encoder")
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(WIDTH * 2)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(1e-5)
    writer.add_causal_attention(False)
    writer.add_pooling_type(pooling)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_wordpieces(writer)
    tensors = Tensors(writer, np.random.default_rng(seed))
    _add_encoder(tensors, architecture, context, bias)
    if pooling == gguf.PoolingType.RANK:
        tensors.add("cls.weight", WIDTH, WIDTH)
        tensors.add("cls.bias", WIDTH, value=0)
        tensors.add("cls.output.weight", 1, WIDTH)
        tensors.add("cls.output.bias", 1, value=0)
    return _written(writer, path)


def write_tiny_decoder(
    path: Path,
    *,
    pooling: gguf.PoolingType = gguf.PoolingType.LAST,
    rerank_template: str | None = None,
    seed: int = 0,
) -> Path:
    """A Qwen3 that embeds (or judges: yes or no) with its last token."""
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_name("tiny decoder")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_pooling_type(pooling)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    add_tokenizer(writer, CHATML)
    if rerank_template is not None:
        writer.add_string("tokenizer.chat_template.rerank", rerank_template)
    tensors = Tensors(writer, np.random.default_rng(seed))
    tensors.add("token_embd.weight", NUM_TOKENS, WIDTH)
    add_llama(writer, tensors)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    for layer in range(LAYERS):
        tensors.add(f"blk.{layer}.attn_q_norm.weight", HEAD)
        tensors.add(f"blk.{layer}.attn_k_norm.weight", HEAD)
    if pooling == gguf.PoolingType.RANK:
        writer.add_array("qwen3.classifier.output_labels", ["yes", "no"])
        tensors.add("cls.output.weight", 2, WIDTH)
    return _written(writer, path)


def _add_encoder(tensors: Tensors, architecture: str, context: int, bias: float) -> None:
    tensors.add("token_embd.weight", len(WORDPIECES), WIDTH)
    tensors.add("token_types.weight", 2, WIDTH)
    if architecture == "bert":
        tensors.add("position_embd.weight", context, WIDTH)
    _add_norm(tensors, "token_embd_norm", bias)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors.add(f"{block}{name}.weight", WIDTH, WIDTH)
        tensors.add(block + "ffn_up.weight", WIDTH * 2, WIDTH)
        tensors.add(block + "ffn_down.weight", WIDTH, WIDTH * 2)
        if architecture == "nomic-bert":
            tensors.add(block + "ffn_gate.weight", WIDTH * 2, WIDTH)
        _add_norm(tensors, block + "attn_output_norm")
        _add_norm(tensors, block + "layer_output_norm")


def _add_norm(tensors: Tensors, name: str, bias: float = 0) -> None:
    tensors.add(name + ".weight", WIDTH)
    tensors.add(name + ".bias", WIDTH, value=bias)


def _add_wordpieces(writer: gguf.GGUFWriter) -> None:
    types = [gguf.TokenType.CONTROL] * 5 + [gguf.TokenType.NORMAL] * (len(WORDPIECES) - 5)
    writer.add_tokenizer_model("bert")
    writer.add_token_list(list(WORDPIECES))
    writer.add_token_types(types)
    writer.add_token_type_count(2)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    writer.add_unk_token_id(1)
    writer.add_sep_token_id(3)
    writer.add_pad_token_id(0)
    writer.add_mask_token_id(4)


def _written(writer: gguf.GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
