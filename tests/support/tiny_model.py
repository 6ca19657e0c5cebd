"""Writes tiny GGUF models with random weights: real files for llama.cpp, made in milliseconds."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes, in the order of the bytes."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    names = {byte: chr(byte) for byte in visible}
    hidden = (byte for byte in range(256) if byte not in names)
    names |= {byte: chr(256 + index) for index, byte in enumerate(hidden)}
    return [names[byte] for byte in range(256)]


def write_tiny_model(
    path: Path,
    *,
    template: str | None = CHATML,
    layers: int = 2,
    width: int = 64,
    context: int = 512,
    seed: int = 0,
) -> Path:
    """A Llama of random weights whose tokens are the bytes and three control tokens."""
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(width * 2)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // 2)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_tokenizer(writer, template)
    _add_tensors(writer, rng, layers, width)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter, template: str | None) -> None:
    tokens = [*CONTROL, *byte_alphabet(), "Ġt"]
    types = [gguf.TokenType.CONTROL] * len(CONTROL) + [gguf.TokenType.NORMAL] * 257
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(["Ġ t"])  # llama.cpp insists on at least one
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    if template is not None:
        writer.add_chat_template(template)


def _add_tensors(
    writer: gguf.GGUFWriter, rng: np.random.Generator, layers: int, width: int
) -> None:
    def add(name: str, *shape: int) -> None:
        values = rng.normal(0, 0.4, shape) if len(shape) > 1 else np.ones(shape)
        writer.add_tensor(name, values.astype(np.float32))

    add("token_embd.weight", len(CONTROL) + 257, width)
    add("output_norm.weight", width)
    for layer in range(layers):
        block = f"blk.{layer}."
        add(block + "attn_norm.weight", width)
        add(block + "attn_q.weight", width, width)
        add(block + "attn_k.weight", width // 2, width)
        add(block + "attn_v.weight", width // 2, width)
        add(block + "attn_output.weight", width, width)
        add(block + "ffn_norm.weight", width)
        add(block + "ffn_gate.weight", width * 2, width)
        add(block + "ffn_up.weight", width * 2, width)
        add(block + "ffn_down.weight", width, width * 2)
