"""Gemma 2, Gemma 3, and Gemma 3 with vision."""

from __future__ import annotations

from pathlib import Path

from tests.quant.convert import tiny_tokenizers as tok
from tests.quant.convert.checkpoints.parts import SIZES, TEMPLATE, WIDTH, add_blocks, save
from tests.quant.convert.tensors import Tensors

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


def gemma2(folder: Path) -> None:
    """Gemma 2: norms that are stored less one, soft caps, an `lm_head` that must not be used."""
    pieces = tok.gemma_pieces()
    config = {
        "architectures": ["Gemma2ForCausalLM"],
        "model_type": "gemma2",
        **SIZES,
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
    add_blocks(tensors, len(pieces), head=32, norm=0.0, has_four_norms=True)
    save(
        folder,
        config,
        tensors,
        tokenizer=tok.fast_twin(pieces, "<bos>"),
        pieces=pieces,
        tokenizer_config=_GEMMA_TOKENIZER,
    )


_GEMMA3 = {
    **SIZES,
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


def gemma3(folder: Path) -> None:
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
    add_blocks(
        tensors,
        len(pieces),
        head=32,
        norm=0.0,
        is_tied=True,
        has_qk_norm=True,
        has_four_norms=True,
    )
    save(
        folder,
        config,
        tensors,
        tokenizer=tok.fast_twin(pieces, "<bos>"),
        pieces=pieces,
        tokenizer_config=_GEMMA_TOKENIZER,
        generation={"do_sample": True, "top_k": 64, "top_p": 0.95},
    )


def gemma3_vision(folder: Path) -> None:
    """Gemma 3 4B: the text part, whose config says little, with linear rope scaling, and an
    embedding with more rows than there are tokens."""
    pieces = tok.gemma_pieces()
    text = {
        **SIZES,
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
    add_blocks(
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
    save(
        folder,
        config,
        tensors,
        tokenizer=tok.fast_twin(pieces, "<bos>"),
        pieces=pieces,
        tokenizer_config=_GEMMA_TOKENIZER,
    )
