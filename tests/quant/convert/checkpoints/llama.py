"""Llama 2 and 3.2."""

from __future__ import annotations

from pathlib import Path

from tests.quant.convert import tiny_tokenizers as tok
from tests.quant.convert.checkpoints.parts import LAYERS, README, SIZES, TEMPLATE, add_blocks, save
from tests.quant.convert.tensors import Tensors


def llama2(folder: Path) -> None:
    """SentencePiece, F16, two shards, no `head_dim`, buffers that older checkpoints carry."""
    pieces = tok.llama_pieces()
    config = {
        "_name_or_path": "owner/Tiny-Llama-2-7b-hf",
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **SIZES,
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
    add_blocks(tensors, len(pieces) + 3)
    for layer in range(LAYERS):
        tensors.add(f"model.layers.{layer}.self_attn.rotary_emb.inv_freq", 8)
    save(
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
    **SIZES,
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


def llama3(folder: Path) -> None:
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
    add_blocks(tensors, vocab, is_tied=True)
    (folder / "README.md").write_text(README)
    save(
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
