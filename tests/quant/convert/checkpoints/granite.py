"""Granite 3, and a dense Granite 4."""

from __future__ import annotations

from pathlib import Path

from tests.quant.convert import tiny_tokenizers as tok
from tests.quant.convert.checkpoints.parts import (
    FFN,
    LAYERS,
    SIZES,
    TEMPLATE,
    WIDTH,
    add_blocks,
    save,
)
from tests.quant.convert.tensors import Tensors

_GRANITE = {
    **SIZES,
    "attention_bias": False,
    "attention_dropout": 0.1,
    "attention_multiplier": 0.015625,
    "embedding_multiplier": 12.0,
    "hidden_act": "silu",
    "logits_scaling": 8.0,
    "residual_multiplier": 0.22,
    "rms_norm_eps": 1e-05,
    "rope_scaling": None,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}


def granite3(folder: Path) -> None:
    """Granite 3: multipliers."""
    added = ("<|end_of_text|>", "<fim_prefix>", "<|start_of_role|>", "<|end_of_role|>")
    tokenizer = tok.bpe(tok.split_digits(), added)
    first = tokenizer["added_tokens"][0]["id"]
    vocab = first + len(added)
    config = {
        "architectures": ["GraniteForCausalLM"],
        "model_type": "granite",
        **_GRANITE,
        "bos_token_id": first,
        "eos_token_id": first,
        "pad_token_id": first,
        "max_position_embeddings": 131072,
        "mlp_bias": False,
        "rope_theta": 10000000.0,
        "vocab_size": vocab,
    }
    tensors = Tensors("BF16")
    add_blocks(tensors, vocab, is_tied=True)
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


def granite4(folder: Path) -> None:
    """Granite 4, dense: the hybrid's config and names, but every layer is attention."""
    added = ("<|end_of_text|>", "<|pad|>", "<|start_of_role|>", "<|end_of_role|>", "<|unk|>")
    tokenizer = tok.bpe(tok.split_on(tok.LLAMA3), added)
    first = tokenizer["added_tokens"][0]["id"]
    vocab = first + len(added)
    config = {
        "architectures": ["GraniteMoeHybridForCausalLM"],
        "model_type": "granitemoehybrid",
        **_GRANITE,
        "bos_token_id": first,
        "eos_token_id": first,
        "pad_token_id": first + 1,
        "layer_types": ["attention"] * LAYERS,
        "mamba_chunk_size": 256,
        "mamba_conv_bias": True,
        "mamba_d_conv": 4,
        "mamba_d_head": 16,
        "mamba_d_state": 128,
        "mamba_expand": 2,
        "mamba_n_groups": 1,
        "mamba_n_heads": 8,
        "mamba_proj_bias": False,
        "max_position_embeddings": 32768,
        "normalization_function": "rmsnorm",
        "num_experts_per_tok": 0,
        "num_local_experts": 0,
        "output_router_logits": False,
        "position_embedding_type": "rope",
        "rope_theta": 10000000,
        "router_aux_loss_coef": 0.01,
        "shared_intermediate_size": FFN,
        "vocab_size": vocab,
    }
    tensors = Tensors("BF16")
    add_blocks(tensors, vocab, is_tied=True, ffn=_shared_mlp)
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
            "pad_token": added[1],
            "unk_token": added[4],
            "tokenizer_class": "GPT2Tokenizer",
        },
        template=TEMPLATE,
    )


def _shared_mlp(tensors: Tensors, block: str) -> None:
    tensors.add(block + "shared_mlp.input_linear.weight", 2 * FFN, WIDTH)
    tensors.add(block + "shared_mlp.output_linear.weight", WIDTH, FFN)
