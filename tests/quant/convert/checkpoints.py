"""Tiny checkpoints of every architecture that is converted: random weights, but the config keys,
tensor names and tokenizer files that the real ones of that family have."""

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
_README = """---
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
_SIZES = {
    "hidden_size": WIDTH,
    "intermediate_size": FFN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "initializer_range": 0.02,
    "use_cache": True,
}


def write_checkpoint(name: str, folder: Path) -> Path:
    """The checkpoint of a case in `CASES`, in a folder below."""
    target = folder / f"Tiny-{name}-1B-Instruct-v0.2"
    target.mkdir(parents=True)
    CASES[name](target)
    return target


def _save(
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
    _json(folder / "config.json", config)
    if tokenizer is not None:
        _json(folder / "tokenizer.json", tokenizer)
    if pieces is not None:
        (folder / "tokenizer.model").write_bytes(tok.sentencepiece(pieces))
    if tokenizer_config is not None:
        _json(folder / "tokenizer_config.json", tokenizer_config)
    if generation is not None:
        _json(folder / "generation_config.json", generation)
    if template:
        (folder / "chat_template.jinja").write_text(template)
    write_shards(folder, tensors.made, num_shards)


def _json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False))


def _blocks(
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
        (ffn or _swiglu)(tensors, block)
        tensors.norm(block + "input_layernorm.weight", WIDTH, around=norm)
        tensors.norm(block + "post_attention_layernorm.weight", WIDTH, around=norm)
        if has_four_norms:
            tensors.norm(block + "pre_feedforward_layernorm.weight", WIDTH, around=norm)
            tensors.norm(block + "post_feedforward_layernorm.weight", WIDTH, around=norm)
    tensors.norm(prefix + "norm.weight", WIDTH, around=norm)
    if not is_tied:
        tensors.add(lm_head, vocab, WIDTH)


def _swiglu(tensors: Tensors, block: str) -> None:
    tensors.add(block + "mlp.gate_proj.weight", FFN, WIDTH)
    tensors.add(block + "mlp.up_proj.weight", FFN, WIDTH)
    tensors.add(block + "mlp.down_proj.weight", WIDTH, FFN)


def _llama2(folder: Path) -> None:
    """SentencePiece, F16, two shards, no `head_dim`, buffers that older checkpoints carry."""
    pieces = tok.llama_pieces()
    config = {
        "_name_or_path": "owner/Tiny-Llama-2-7b-hf",
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **_SIZES,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "hidden_act": "silu",
        "max_position_embeddings": 4096,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "vocab_size": len(pieces) + 3,
    }
    tensors = Tensors("F16")
    _blocks(tensors, len(pieces) + 3)
    for layer in range(LAYERS):
        tensors.add(f"model.layers.{layer}.self_attn.rotary_emb.inv_freq", 8)
    _save(
        folder,
        config,
        tensors,
        tokenizer=tok.fast_twin(pieces, "<s>"),
        pieces=pieces,
        tokenizer_config={
            "add_bos_token": True,
            "add_eos_token": False,
            "add_prefix_space": True,
            "bos_token": {"__type": "AddedToken", "content": "<s>", "special": True},
            "eos_token": {"__type": "AddedToken", "content": "</s>", "special": True},
            "unk_token": {"__type": "AddedToken", "content": "<unk>", "special": True},
            "chat_template": TEMPLATE,
            "tokenizer_class": "LlamaTokenizer",
        },
        generation={"temperature": 0.6, "top_p": 0.9, "do_sample": True, "bos_token_id": 1},
        num_shards=2,
    )


_LLAMA3 = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    **_SIZES,
    "attention_bias": False,
    "head_dim": 16,
    "hidden_act": "silu",
    "max_position_embeddings": 131072,
    "mlp_bias": False,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_scaling": {
        "factor": 32.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
    "rope_theta": 500000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}


def _llama3(folder: Path) -> None:
    """Llama 3.2: scaled rope, tied embeddings, several ends, pairs as merges."""
    added = ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>")
    tokenizer = tok.bpe(
        tok.split_on(tok.LLAMA3),
        added,
        bos=added[0],
        ignore_merges=True,
        are_merges_pairs=True,
    )
    first = tokenizer["added_tokens"][0]["id"]
    vocab = first + len(added)
    config = {
        **_LLAMA3,
        "bos_token_id": first,
        "eos_token_id": [first + 1, first + 2, first + 3],
        "vocab_size": vocab,
    }
    tensors = Tensors("BF16")
    _blocks(tensors, vocab, is_tied=True)
    (folder / "README.md").write_text(_README)
    _save(
        folder,
        config,
        tensors,
        tokenizer=tokenizer,
        tokenizer_config={
            "bos_token": added[0],
            "eos_token": added[2],
            "clean_up_tokenization_spaces": True,
            "model_max_length": 131072,
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
        generation={"temperature": 0.6, "top_p": 0.9, "top_k": 40, "repetition_penalty": 1.1},
        template=TEMPLATE,
    )


def _mistral(folder: Path) -> None:
    """Mistral 7B v0.3: SentencePiece with control tokens that the config of the tokenizer adds."""
    pieces = tok.llama_pieces()
    config = {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        **_SIZES,
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-05,
        "rope_theta": 1000000.0,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "vocab_size": len(pieces) + 2,
    }
    tensors = Tensors("BF16")
    _blocks(tensors, len(pieces) + 2)
    size = len(pieces)
    _save(
        folder,
        config,
        tensors,
        tokenizer=tok.fast_twin(pieces, "<s>", ("[INST]", "[/INST]")),
        pieces=pieces,
        tokenizer_config={
            "add_bos_token": True,
            "add_eos_token": False,
            "added_tokens_decoder": {
                "0": {"content": "<unk>", "special": True},
                "1": {"content": "<s>", "special": True},
                "2": {"content": "</s>", "special": True},
                str(size): {"content": "[INST]", "special": True},
                str(size + 1): {"content": "[/INST]", "special": False},
            },
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "chat_template": [
                {"name": "default", "template": TEMPLATE},
                {"name": "tool_use", "template": "{{ tools }}" + TEMPLATE},
            ],
            "legacy": False,
            "tokenizer_class": "LlamaTokenizer",
        },
    )


def _nemo(folder: Path) -> None:
    """Mistral Nemo: Tekken's BPE, and heads that are wider than width / heads."""
    added = ("<unk>", "<s>", "</s>", "[INST]", "[/INST]")
    tokenizer = tok.bpe(tok.split_on(tok.TEKKEN), added, bos="<s>", ignore_merges=True)
    first = tokenizer["added_tokens"][0]["id"]
    vocab = first + len(added)
    config = {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        **_SIZES,
        "bos_token_id": first + 1,
        "eos_token_id": first + 2,
        "head_dim": 32,
        "hidden_act": "silu",
        "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-05,
        "rope_theta": 1000000.0,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "vocab_size": vocab,
    }
    tensors = Tensors("BF16")
    _blocks(tensors, vocab, head=32)
    _save(
        folder,
        config,
        tensors,
        tokenizer=tokenizer,
        tokenizer_config={
            "add_bos_token": True,
            "add_prefix_space": False,
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "chat_template": TEMPLATE,
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
    )


def _ministral3(folder: Path) -> None:
    """Ministral 3: the text part of a multimodal checkpoint, YaRN, and scaled attention."""
    added = ("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[IMG]")
    tokenizer = tok.bpe(tok.split_on(tok.TEKKEN), added, bos="<s>", ignore_merges=True)
    first = tokenizer["added_tokens"][0]["id"]
    vocab = first + len(added)
    text = {
        "attention_dropout": 0.0,
        **_SIZES,
        "head_dim": 16,
        "hidden_act": "silu",
        "max_position_embeddings": 262144,
        "model_type": "ministral3",
        "rms_norm_eps": 1e-05,
        "rope_parameters": {
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "factor": 16.0,
            "llama_4_scaling_beta": 0.1,
            "mscale": 1.0,
            "mscale_all_dim": 1.0,
            "original_max_position_embeddings": 16384,
            "rope_theta": 1000000.0,
            "rope_type": "yarn",
            "type": "yarn",
        },
        "sliding_window": None,
        "tie_word_embeddings": True,
        "vocab_size": vocab,
    }
    config = {
        "architectures": ["Mistral3ForConditionalGeneration"],
        "model_type": "mistral3",
        "dtype": "bfloat16",
        "image_token_index": first + 5,
        "multimodal_projector_bias": False,
        "projector_hidden_act": "gelu",
        "spatial_merge_size": 2,
        "text_config": text,
        "vision_config": {"model_type": "pixtral", "hidden_size": 32, "num_hidden_layers": 1},
        "vision_feature_layer": -1,
    }
    tensors = Tensors("BF16")
    _blocks(tensors, vocab, prefix="language_model.model.", is_tied=True)
    tensors.add("vision_tower.patch_conv.weight", 32, 3, 14, 14)
    tensors.add("multi_modal_projector.linear_1.weight", WIDTH, 32)
    _save(
        folder,
        config,
        tensors,
        tokenizer=tokenizer,
        tokenizer_config={
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "pad_token": "<unk>",
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
        template=TEMPLATE,
    )


def _smollm2(folder: Path) -> None:
    """SmolLM2: Llama's architecture, digits apart, and the vocabulary's size that means no BOS."""
    added = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>")
    tokenizer = tok.bpe(tok.split_digits(), added, plain=("<empty_output>",))
    first = tokenizer["added_tokens"][0]["id"]
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **_SIZES,
        "attention_bias": False,
        "bos_token_id": first + 1,
        "eos_token_id": first + 2,
        "pad_token_id": first + 2,
        "hidden_act": "silu",
        "max_position_embeddings": 8192,
        "mlp_bias": False,
        "rms_norm_eps": 1e-05,
        "rope_interleaved": False,
        "rope_scaling": None,
        "rope_theta": 100000,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "vocab_size": 49152,
    }
    tensors = Tensors("BF16")
    _blocks(tensors, 49152, is_tied=True)
    _save(
        folder,
        config,
        tensors,
        tokenizer=tokenizer,
        tokenizer_config={
            "add_prefix_space": False,
            "bos_token": "<|im_start|>",
            "eos_token": "<|im_end|>",
            "pad_token": "<|im_end|>",
            "unk_token": "<|endoftext|>",
            "chat_template": TEMPLATE,
            "tokenizer_class": "GPT2Tokenizer",
        },
    )


def _smollm3(folder: Path) -> None:
    """SmolLM3: every fourth layer without rope; Llama 3's way to split, without a BOS."""
    added = ("<|begin_of_text|>", "<|end_of_text|>", "<|im_start|>", "<|im_end|>")
    tokenizer = tok.bpe(
        tok.split_on(tok.LLAMA3), added, plain=("<think>", "</think>"), ignore_merges=True
    )
    first = tokenizer["added_tokens"][0]["id"]
    vocab = first + len(added) + 2
    config = {
        "architectures": ["SmolLM3ForCausalLM"],
        "model_type": "smollm3",
        **{**_SIZES, "num_hidden_layers": 4},
        "attention_bias": False,
        "bos_token_id": first,
        "eos_token_id": first + 3,
        "pad_token_id": first + 1,
        "hidden_act": "silu",
        "layer_types": ["full_attention"] * 4,
        "max_position_embeddings": 65536,
        "mlp_bias": False,
        "no_rope_layer_interval": 4,
        "no_rope_layers": [1, 1, 1, 0],
        "pretraining_tp": 2,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 5000000.0,
        "sliding_window": None,
        "torch_dtype": "bfloat16",
        "use_sliding_window": False,
        "vocab_size": vocab,
    }
    tensors = Tensors("BF16")
    _blocks(tensors, vocab, is_tied=True, num_layers=4)
    _save(
        folder,
        config,
        tensors,
        tokenizer=tokenizer,
        tokenizer_config={
            "bos_token": None,
            "eos_token": "<|im_end|>",
            "pad_token": "<|im_end|>",
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
        generation={"temperature": 0.6, "top_p": 0.95},
        template=TEMPLATE,
    )


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


def _qwen2(folder: Path) -> None:
    """Qwen 2.5: biases, tied embeddings, a vocabulary padded beyond the tokenizer's."""
    tokenizer, tokenizer_config, first = _qwen_tokenizer()
    config = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        **_SIZES,
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
    _blocks(tensors, 320, is_tied=True, has_bias=True)
    (folder / "README.md").write_text(_README)
    _save(
        folder,
        config,
        tensors,
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config,
        generation={"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.05},
    )


_QWEN3 = {
    **_SIZES,
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


def _qwen3(folder: Path) -> None:
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
    _blocks(tensors, 320, head=32, is_tied=True, has_qk_norm=True)
    _save(
        folder,
        config,
        tensors,
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config,
        generation={"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.0},
    )


def _qwen3_moe(folder: Path) -> None:
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
    _blocks(tensors, 320, head=32, has_qk_norm=True, ffn=_experts)
    _save(
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


_GEMMA_TOKENS = {
    "0": {"content": "<pad>", "special": True},
    "1": {"content": "<eos>", "special": True},
    "2": {"content": "<bos>", "special": True},
    "3": {"content": "<unk>", "special": True},
    "4": {"content": "<mask>", "special": False},
    "5": {"content": "[@BOS@]", "special": False},
    "6": {"content": "<unused0>", "special": False},
    "7": {"content": "<start_of_turn>", "special": True},
    "8": {"content": "<end_of_turn>", "special": True},
    "9": {"content": "\n", "special": False},
    "10": {"content": "▁▁", "special": False},
}
_GEMMA_TOKENIZER = {
    "add_bos_token": True,
    "add_eos_token": False,
    "added_tokens_decoder": _GEMMA_TOKENS,
    "bos_token": "<bos>",
    "eos_token": "<eos>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "chat_template": TEMPLATE,
    "tokenizer_class": "GemmaTokenizer",
}


def _gemma2(folder: Path) -> None:
    """Gemma 2: norms that are stored less one, soft caps, an `lm_head` that must not be used."""
    pieces = tok.gemma_pieces()
    config = {
        "architectures": ["Gemma2ForCausalLM"],
        "model_type": "gemma2",
        **_SIZES,
        "attention_bias": False,
        "attn_logit_softcapping": 50.0,
        "bos_token_id": 2,
        "cache_implementation": "hybrid",
        "eos_token_id": [1, 8],
        "final_logit_softcapping": 30.0,
        "head_dim": 32,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh",
        "max_position_embeddings": 8192,
        "pad_token_id": 0,
        "query_pre_attn_scalar": 32,
        "rms_norm_eps": 1e-06,
        "rope_theta": 10000.0,
        "sliding_window": 4096,
        "torch_dtype": "bfloat16",
        "vocab_size": len(pieces),
    }
    tensors = Tensors("BF16")
    _blocks(tensors, len(pieces), head=32, norm=0.0, has_four_norms=True)
    _save(
        folder,
        config,
        tensors,
        tokenizer=tok.fast_twin(pieces, "<bos>"),
        pieces=pieces,
        tokenizer_config=_GEMMA_TOKENIZER,
    )


_GEMMA3 = {
    **_SIZES,
    "attention_bias": False,
    "attn_logit_softcapping": None,
    "final_logit_softcapping": None,
    "head_dim": 32,
    "hidden_activation": "gelu_pytorch_tanh",
    "max_position_embeddings": 32768,
    "query_pre_attn_scalar": 32,
    "rms_norm_eps": 1e-06,
    "rope_local_base_freq": 10000,
    "rope_theta": 1000000,
    "sliding_window": 512,
    "sliding_window_pattern": 6,
}


def _gemma3(folder: Path) -> None:
    """Gemma 3 1B: text only, norms of queries and keys; in F16."""
    pieces = tok.gemma_pieces()
    config = {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        **_GEMMA3,
        "bos_token_id": 2,
        "eos_token_id": [1, 8],
        "pad_token_id": 0,
        "rope_scaling": None,
        "torch_dtype": "float16",
        "vocab_size": len(pieces),
    }
    tensors = Tensors("F16")
    _blocks(
        tensors,
        len(pieces),
        head=32,
        norm=0.0,
        is_tied=True,
        has_qk_norm=True,
        has_four_norms=True,
    )
    _save(
        folder,
        config,
        tensors,
        tokenizer=tok.fast_twin(pieces, "<bos>"),
        pieces=pieces,
        tokenizer_config=_GEMMA_TOKENIZER,
        generation={"do_sample": True, "top_k": 64, "top_p": 0.95},
    )


def _gemma3_vision(folder: Path) -> None:
    """Gemma 3 4B: the text part, whose config says little, with linear rope scaling, and an
    embedding with more rows than there are tokens."""
    pieces = tok.gemma_pieces()
    text = {
        **_SIZES,
        "head_dim": 32,
        "model_type": "gemma3_text",
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
        "vocab_size": len(pieces),
    }
    config = {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "boi_token_index": 5,
        "eoi_token_index": 6,
        "eos_token_id": [1, 8],
        "image_token_index": 4,
        "mm_tokens_per_image": 256,
        "text_config": text,
        "torch_dtype": "bfloat16",
        "vision_config": {"hidden_size": 32, "model_type": "siglip_vision_model"},
    }
    tensors = Tensors("BF16")
    _blocks(
        tensors,
        len(pieces) + 8,
        head=32,
        prefix="language_model.model.",
        norm=0.0,
        is_tied=True,
        has_qk_norm=True,
        has_four_norms=True,
    )
    tensors.add("multi_modal_projector.mm_input_projection_weight", 32, WIDTH)
    tensors.add("vision_tower.vision_model.embeddings.patch_embedding.weight", 32, 3, 14, 14)
    _save(
        folder,
        config,
        tensors,
        tokenizer=tok.fast_twin(pieces, "<bos>"),
        pieces=pieces,
        tokenizer_config=_GEMMA_TOKENIZER,
    )


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
    **_SIZES,
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


def _phi3(folder: Path) -> None:
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
    _json(folder / "added_tokens.json", {text: size + i for i, text in enumerate(added)})
    _save(
        folder,
        config,
        tensors,
        tokenizer=tok.fast_twin(pieces, "<s>", added),
        pieces=pieces,
        tokenizer_config=_PHI3_TOKENIZER
        | {"added_tokens_decoder": {"2": {"content": "</s>", "special": False}}},
        num_shards=2,
    )


def _phi35(folder: Path) -> None:
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
    _save(
        folder,
        config,
        tensors,
        tokenizer=tok.fast_twin(pieces, "<s>", ("<|endoftext|>", "<|end|>")),
        pieces=pieces,
        tokenizer_config=_PHI3_TOKENIZER,
    )


def _phi4_mini(folder: Path) -> None:
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
    _save(
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


_GRANITE = {
    **_SIZES,
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


def _granite3(folder: Path) -> None:
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
    _blocks(tensors, vocab, is_tied=True)
    _save(
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


def _granite4(folder: Path) -> None:
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
    _blocks(tensors, vocab, is_tied=True, ffn=_shared_mlp)
    _save(
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


CASES: dict[str, Callable[[Path], None]] = {
    "llama2": _llama2,
    "llama3": _llama3,
    "mistral": _mistral,
    "nemo": _nemo,
    "ministral3": _ministral3,
    "smollm2": _smollm2,
    "smollm3": _smollm3,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "qwen3-moe": _qwen3_moe,
    "gemma2": _gemma2,
    "gemma3": _gemma3,
    "gemma3-vision": _gemma3_vision,
    "phi3": _phi3,
    "phi35": _phi35,
    "phi4-mini": _phi4_mini,
    "granite3": _granite3,
    "granite4": _granite4,
}
