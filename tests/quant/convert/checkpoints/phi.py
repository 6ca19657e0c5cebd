"""Phi-3, Phi-3.5 and Phi-4 mini."""

from __future__ import annotations

from pathlib import Path

from tests.quant.convert import tiny_tokenizers as tok
from tests.quant.convert.checkpoints.parts import (
    FFN,
    HEADS,
    KV_HEADS,
    LAYERS,
    SIZES,
    TEMPLATE,
    WIDTH,
    save,
    write_json,
)
from tests.quant.convert.tensors import Tensors


def _phi_blocks(tensors: Tensors, vocab: int, *, is_tied: bool) -> None:
    head = WIDTH // HEADS
    tensors.add("model.embed_tokens.weight", vocab, WIDTH)
    for layer in range(LAYERS):
        block = f"model.layers.{layer}."
        tensors.add(block + "self_attn.qkv_proj.weight", (HEADS + 2 * KV_HEADS) * head, WIDTH)
        tensors.add(block + "self_attn.o_proj.weight", WIDTH, WIDTH)
        tensors.add(block + "mlp.gate_up_proj.weight", 2 * FFN, WIDTH)
        tensors.add(block + "mlp.down_proj.weight", WIDTH, FFN)
        tensors.norm(block + "input_layernorm.weight", WIDTH)
        tensors.norm(block + "post_attention_layernorm.weight", WIDTH)
    tensors.norm("model.norm.weight", WIDTH)
    if not is_tied:
        tensors.add("lm_head.weight", vocab, WIDTH)


_PHI3 = {
    "architectures": ["Phi3ForCausalLM"],
    "model_type": "phi3",
    **SIZES,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "embd_pdrop": 0.0,
    "hidden_act": "silu",
    "original_max_position_embeddings": 4096,
    "resid_pdrop": 0.0,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "torch_dtype": "bfloat16",
}


_PHI3_TOKENIZER = {
    "add_bos_token": False,
    "add_eos_token": False,
    "bos_token": "<s>",
    "eos_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
    "unk_token": "<unk>",
    "chat_template": TEMPLATE,
    "tokenizer_class": "LlamaTokenizer",
}


def phi3(folder: Path) -> None:
    """Phi-3 mini 4k: fused projections, a sliding window, tokens in three files."""
    pieces = tok.llama_pieces()
    size = len(pieces)
    added = ("<|endoftext|>", "<|assistant|>", "<|end|>")
    config = {
        **_PHI3,
        "bos_token_id": 1,
        "eos_token_id": size,
        "pad_token_id": size,
        "max_position_embeddings": 4096,
        "rope_scaling": None,
        "sliding_window": 2047,
        "tie_word_embeddings": False,
        "vocab_size": size + 8,
    }
    tensors = Tensors("BF16")
    _phi_blocks(tensors, size + 8, is_tied=False)
    write_json(folder / "added_tokens.json", {text: size + i for i, text in enumerate(added)})
    save(
        folder,
        config,
        tensors,
        tokenizer=tok.fast_twin(pieces, "<s>", added),
        pieces=pieces,
        tokenizer_config=_PHI3_TOKENIZER
        | {"added_tokens_decoder": {"2": {"content": "</s>", "special": False}}},
        num_shards=2,
    )


def phi35(folder: Path) -> None:
    """Phi-3.5 mini: long rope."""
    pieces = tok.llama_pieces()
    size = len(pieces)
    config = {
        **_PHI3,
        "bos_token_id": 1,
        "eos_token_id": size,
        "pad_token_id": size,
        "max_position_embeddings": 131072,
        "rope_scaling": {
            "long_factor": [1.0 + 0.75 * i for i in range(8)],
            "short_factor": [1.0 + 0.05 * i for i in range(8)],
            "type": "longrope",
        },
        "sliding_window": 262144,
        "tie_word_embeddings": False,
        "vocab_size": size + 8,
    }
    tensors = Tensors("BF16")
    _phi_blocks(tensors, size + 8, is_tied=False)
    save(
        folder,
        config,
        tensors,
        tokenizer=tok.fast_twin(pieces, "<s>", ("<|endoftext|>", "<|end|>")),
        pieces=pieces,
        tokenizer_config=_PHI3_TOKENIZER,
    )


def phi4_mini(folder: Path) -> None:
    """Phi-4 mini: GPT-4o's way to split, part of each head turned, tied embeddings."""
    added = ("<|endoftext|>", "<|assistant|>", "<|end|>")
    tokenizer = tok.bpe(tok.split_on(tok.GPT4O), added, plain=("<|tool|>",), are_merges_pairs=True)
    first = tokenizer["added_tokens"][0]["id"]
    vocab = first + len(added) + 1
    config = {
        **_PHI3,
        "bos_token_id": first,
        "eos_token_id": first,
        "pad_token_id": first,
        "full_attn_mod": 1,
        "interpolate_factor": 1,
        "lm_head_bias": False,
        "max_position_embeddings": 131072,
        "mlp_bias": False,
        "partial_rotary_factor": 0.75,
        "rope_scaling": {
            "long_factor": [1.0 + 0.5 * i for i in range(6)],
            "short_factor": [1.0] * 6,
            "type": "longrope",
        },
        "sliding_window": None,
        "tie_word_embeddings": True,
        "vocab_size": vocab,
    }
    tensors = Tensors("BF16")
    _phi_blocks(tensors, vocab, is_tied=True)
    save(
        folder,
        config,
        tensors,
        tokenizer=tokenizer,
        tokenizer_config={
            "add_bos_token": False,
            "add_prefix_space": False,
            "bos_token": added[0],
            "eos_token": added[0],
            "pad_token": added[0],
            "unk_token": added[0],
            "chat_template": TEMPLATE,
            "tokenizer_class": "GPT2Tokenizer",
        },
    )
