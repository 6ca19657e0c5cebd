"""Mistral 7B, Mistral Nemo, Ministral 3."""

from __future__ import annotations

from pathlib import Path

from tests.quant.convert import tiny_tokenizers as tok
from tests.quant.convert.checkpoints.parts import SIZES, TEMPLATE, WIDTH, add_blocks, save
from tests.quant.convert.tensors import Tensors


def mistral(folder: Path) -> None:
    """Mistral 7B v0.3: SentencePiece with control tokens that the config of the tokenizer adds."""
    pieces = tok.llama_pieces()
    config = {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        **SIZES,
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
    add_blocks(tensors, len(pieces) + 2)
    size = len(pieces)
    save(
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


def nemo(folder: Path) -> None:
    """Mistral Nemo: Tekken's BPE, and heads that are wider than width / heads."""
    added = ("<unk>", "<s>", "</s>", "[INST]", "[/INST]")
    tokenizer = tok.bpe(tok.split_on(tok.TEKKEN), added, bos="<s>", ignore_merges=True)
    first = tokenizer["added_tokens"][0]["id"]
    vocab = first + len(added)
    config = {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        **SIZES,
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
    add_blocks(tensors, vocab, head=32)
    save(
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


def ministral3(folder: Path) -> None:
    """Ministral 3: the text part of a multimodal checkpoint, YaRN, and scaled attention."""
    added = ("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[IMG]")
    tokenizer = tok.bpe(tok.split_on(tok.TEKKEN), added, bos="<s>", ignore_merges=True)
    first = tokenizer["added_tokens"][0]["id"]
    vocab = first + len(added)
    text = {
        "attention_dropout": 0.0,
        **SIZES,
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
    add_blocks(tensors, vocab, prefix="language_model.model.", is_tied=True)
    tensors.add("vision_tower.patch_conv.weight", 32, 3, 14, 14)
    tensors.add("multi_modal_projector.linear_1.weight", WIDTH, 32)
    save(
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
