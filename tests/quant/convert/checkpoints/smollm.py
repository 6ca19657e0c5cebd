"""SmolLM 2 and 3."""

from __future__ import annotations

from pathlib import Path

from tests.quant.convert import tiny_tokenizers as tok
from tests.quant.convert.checkpoints.parts import SIZES, TEMPLATE, add_blocks, save
from tests.quant.convert.tensors import Tensors


def smollm2(folder: Path) -> None:
    """SmolLM2: Llama's architecture, digits apart, and the vocabulary's size that means no BOS."""
    added = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>")
    tokenizer = tok.bpe(tok.split_digits(), added, plain=("<empty_output>",))
    first = tokenizer["added_tokens"][0]["id"]
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **SIZES,
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
    add_blocks(tensors, 49152, is_tied=True)
    save(
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


def smollm3(folder: Path) -> None:
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
        **SIZES,
        "num_hidden_layers": 4,
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
    add_blocks(tensors, vocab, is_tied=True, num_layers=4)
    save(
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
