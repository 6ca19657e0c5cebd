"""Writes a tiny random Llama as Hugging Face has it, with numpy alone: a few hundred KiB."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

HIDDEN, FFN, LAYERS, HEADS, KV_HEADS, CONTEXT = 64, 128, 2, 4, 2, 512
CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


def write_checkpoint(
    folder: Path, architecture: str = "LlamaForCausalLM", model_type: str = "llama"
) -> Path:
    """The folder."""
    folder.mkdir(parents=True, exist_ok=True)
    num_tokens = _write_tokenizer(folder)
    tensors = _tensors(num_tokens)
    _write_safetensors(folder / "model.safetensors", tensors)
    config = {
        "architectures": [architecture],
        "model_type": model_type,
        "vocab_size": num_tokens,
        "hidden_size": HIDDEN,
        "intermediate_size": FFN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _tensors(num_tokens: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    head = HIDDEN // HEADS
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (num_tokens, HIDDEN),
        "model.norm.weight": (HIDDEN,),
        "lm_head.weight": (num_tokens, HIDDEN),
    }
    for layer in range(LAYERS):
        block = f"model.layers.{layer}."
        shapes |= {
            f"{block}input_layernorm.weight": (HIDDEN,),
            f"{block}post_attention_layernorm.weight": (HIDDEN,),
            f"{block}self_attn.q_proj.weight": (HIDDEN, HIDDEN),
            f"{block}self_attn.k_proj.weight": (KV_HEADS * head, HIDDEN),
            f"{block}self_attn.v_proj.weight": (KV_HEADS * head, HIDDEN),
            f"{block}self_attn.o_proj.weight": (HIDDEN, HIDDEN),
            f"{block}mlp.gate_proj.weight": (FFN, HIDDEN),
            f"{block}mlp.up_proj.weight": (FFN, HIDDEN),
            f"{block}mlp.down_proj.weight": (HIDDEN, FFN),
        }
    return {
        name: np.ones(shape, np.float32)
        if len(shape) == 1
        else rng.normal(0, 0.2, shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def _write_safetensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    header, offset = {}, 0
    for name, values in tensors.items():
        end = offset + values.nbytes
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    data = b"".join(values.tobytes() for values in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def _write_tokenizer(folder: Path) -> int:
    """Bytes and a few control tokens."""
    from tests.support.tiny_model import CONTROL, byte_alphabet

    tokens = [*CONTROL, *byte_alphabet()]
    vocab = {token: index for index, token in enumerate(tokens)}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    tokenizer = {
        "version": "1.0",
        "added_tokens": [
            {
                "id": index,
                "content": token,
                "special": True,
                "normalized": False,
                **dict.fromkeys(("single_word", "lstrip", "rstrip"), False),
            }
            for index, token in enumerate(CONTROL)
        ],
        "pre_tokenizer": {**byte_level, "trim_offsets": True},
        "decoder": {**byte_level, "trim_offsets": True},
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": CONTROL[0],
        "eos_token": CONTROL[1],
        "chat_template": CHATML,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return len(tokens)
