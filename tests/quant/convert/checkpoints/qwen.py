"""Qwen 2.5, Qwen 3, and its mixture of experts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.quant.convert import tiny_tokenizers as tok
from tests.quant.convert.checkpoints.parts import README, SIZES, TEMPLATE, WIDTH, add_blocks, save
from tests.quant.convert.tensors import Tensors


def _qwen_tokenizer() -> tuple[dict[str, Any], dict[str, Any], int]:
    added = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    plain = ("<tool_call>", "</tool_call>")
    tokenizer = tok.bpe(tok.split_on(tok.QWEN2), added, plain=plain)
    tokenizer["normalizer"] = {"type": "NFC"}
    config = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": {
            str(token["id"]): {k: v for k, v in token.items() if k != "id"}
            for token in tokenizer["added_tokens"]
        },
        "bos_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": None,
        "chat_template": TEMPLATE,
        "tokenizer_class": "Qwen2Tokenizer",
    }
    return tokenizer, config, tokenizer["added_tokens"][0]["id"]


def qwen2(folder: Path) -> None:
    """Qwen 2.5: biases, tied embeddings, a vocabulary padded beyond the tokenizer's."""
    tokenizer, tokenizer_config, first = _qwen_tokenizer()
    config = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        **SIZES,
        "bos_token_id": first,
        "eos_token_id": first + 2,
        "hidden_act": "silu",
        "max_position_embeddings": 32768,
        "max_window_layers": 2,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": 32768,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_sliding_window": False,
        "vocab_size": 320,
    }
    tensors = Tensors("BF16")
    add_blocks(tensors, 320, is_tied=True, has_bias=True)
    (folder / "README.md").write_text(README)
    save(
        folder,
        config,
        tensors,
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config,
        generation={"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.05},
    )


_QWEN3 = {
    **SIZES,
    "attention_bias": False,
    "head_dim": 32,
    "hidden_act": "silu",
    "max_position_embeddings": 40960,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": None,
    "torch_dtype": "bfloat16",
    "use_sliding_window": False,
    "vocab_size": 320,
}


def qwen3(folder: Path) -> None:
    """Qwen 3: norms of queries and keys, in F32."""
    tokenizer, tokenizer_config, first = _qwen_tokenizer()
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        **_QWEN3,
        "bos_token_id": first,
        "eos_token_id": first + 2,
        "tie_word_embeddings": True,
    }
    tensors = Tensors("F32")
    add_blocks(tensors, 320, head=32, is_tied=True, has_qk_norm=True)
    save(
        folder,
        config,
        tensors,
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config,
        generation={"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.0},
    )


def qwen3_ends(folder: Path) -> None:
    """A Qwen 3 whose texts end in another token than its turns; with two chat templates."""
    tokenizer, settings, first = _qwen_tokenizer()
    end = {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}
    a, b = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [a, end],
        "pair": [a, end, b, end],
        "special_tokens": {
            "<|endoftext|>": {"id": "<|endoftext|>", "ids": [first], "tokens": ["<|endoftext|>"]}
        },
    }
    del settings["chat_template"], settings["add_bos_token"]
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        **_QWEN3,
        "bos_token_id": first,
        "eos_token_id": first + 2,
        "rope_scaling": {"factor": 4.0, "rope_type": "yarn"},
        "tie_word_embeddings": True,
    }
    tensors = Tensors("BF16")
    add_blocks(tensors, 320, head=32, is_tied=True, has_qk_norm=True)
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "rag.jinja").write_text("{{ documents }}" + TEMPLATE)
    save(
        folder,
        config,
        tensors,
        tokenizer=tokenizer,
        tokenizer_config=settings,
        template=TEMPLATE,
    )


def qwen3_moe(folder: Path) -> None:
    """Qwen 3 MoE: the experts of a layer become one tensor."""
    tokenizer, tokenizer_config, first = _qwen_tokenizer()
    config = {
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        **_QWEN3,
        "bos_token_id": first,
        "decoder_sparse_step": 1,
        "eos_token_id": first + 2,
        "mlp_only_layers": [],
        "moe_intermediate_size": 32,
        "norm_topk_prob": True,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "output_router_logits": False,
        "router_aux_loss_coef": 0.001,
        "tie_word_embeddings": False,
    }
    tensors = Tensors("BF16")
    add_blocks(tensors, 320, head=32, has_qk_norm=True, ffn=_experts)
    save(
        folder,
        config,
        tensors,
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config,
        num_shards=3,
    )


def _experts(tensors: Tensors, block: str) -> None:
    tensors.add(block + "mlp.gate.weight", 4, WIDTH)
    for expert in range(4):
        name = f"{block}mlp.experts.{expert}."
        tensors.add(name + "gate_proj.weight", 32, WIDTH)
        tensors.add(name + "up_proj.weight", 32, WIDTH)
        tensors.add(name + "down_proj.weight", WIDTH, 32)
