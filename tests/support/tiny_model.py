"""Writes tiny GGUF models with random weights: real files for llama.cpp, made in milliseconds."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WIDTH, HEAD, CONTEXT = 64, 32, 512
NUM_TOKENS = 260
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
    architecture: str = "llama",
    template: str | None = CHATML,
    is_causal: bool = True,
    seed: int = 0,
) -> Path:
    """A model of random weights whose tokens are the bytes and three control tokens.

    Args:
        architecture: a key of `ARCHITECTURES`.
    """
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    if not is_causal:
        writer.add_causal_attention(False)
    add_tokenizer(writer, template)
    tensors = Tensors(writer, np.random.default_rng(seed))
    tensors.add("token_embd.weight", NUM_TOKENS, WIDTH)
    ARCHITECTURES[architecture](writer, tensors)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


class Tensors:
    """Adds random tensors; vectors (norms) are ones."""

    def __init__(self, writer: gguf.GGUFWriter, rng: np.random.Generator) -> None:
        self._writer = writer
        self._rng = rng

    def add(self, name: str, *shape: int, value: float | None = None) -> None:
        """`shape` as numpy has it, the slowest dimension first."""
        if value is None and len(shape) > 1:
            values = self._rng.normal(0, 0.4, shape)
        else:
            values = np.full(shape, 1.0 if value is None else value)
        self._writer.add_tensor(name, values.astype(np.float32))

    def add_attention(self, block: str) -> None:
        self.add(block + "attn_q.weight", WIDTH, WIDTH)
        self.add(block + "attn_k.weight", HEAD, WIDTH)
        self.add(block + "attn_v.weight", HEAD, WIDTH)
        self.add(block + "attn_output.weight", WIDTH, WIDTH)

    def add_ffn(self, block: str) -> None:
        self.add(block + "ffn_norm.weight", WIDTH)
        self.add(block + "ffn_gate.weight", WIDTH * 2, WIDTH)
        self.add(block + "ffn_up.weight", WIDTH * 2, WIDTH)
        self.add(block + "ffn_down.weight", WIDTH, WIDTH * 2)


def _llama(writer: gguf.GGUFWriter, tensors: Tensors) -> None:
    add_transformer(writer, layers=2)
    tensors.add("output_norm.weight", WIDTH)
    for layer in range(2):
        block = f"blk.{layer}."
        tensors.add(block + "attn_norm.weight", WIDTH)
        tensors.add_attention(block)
        tensors.add_ffn(block)


def _gemma3(writer: gguf.GGUFWriter, tensors: Tensors) -> None:
    """Five layers that see 32 tokens back, and one that sees all."""
    add_transformer(writer, layers=6)
    writer.add_sliding_window(32)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    tensors.add("output_norm.weight", WIDTH)
    for layer in range(6):
        block = f"blk.{layer}."
        tensors.add(block + "attn_norm.weight", WIDTH)
        tensors.add(block + "attn_q_norm.weight", HEAD)
        tensors.add(block + "attn_k_norm.weight", HEAD)
        tensors.add(block + "post_attention_norm.weight", WIDTH)
        tensors.add(block + "post_ffw_norm.weight", WIDTH)
        tensors.add_attention(block)
        tensors.add_ffn(block)


def _mamba(writer: gguf.GGUFWriter, tensors: Tensors) -> None:
    """Recurrent: one state for a whole sequence, no KV cache."""
    inner, state, kernel, rank = WIDTH * 2, 16, 4, 8
    writer.add_block_count(2)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_ssm_conv_kernel(kernel)
    writer.add_ssm_inner_size(inner)
    writer.add_ssm_state_size(state)
    writer.add_ssm_time_step_rank(rank)
    tensors.add("output_norm.weight", WIDTH)
    for layer in range(2):
        block = f"blk.{layer}."
        tensors.add(block + "attn_norm.weight", WIDTH)
        tensors.add(block + "ssm_in.weight", inner * 2, WIDTH)
        tensors.add(block + "ssm_conv1d.weight", inner, kernel)
        tensors.add(block + "ssm_conv1d.bias", inner, value=0)
        tensors.add(block + "ssm_x.weight", rank + state * 2, inner)
        tensors.add(block + "ssm_dt.weight", inner, rank)
        tensors.add(block + "ssm_dt.bias", inner, value=-2)
        tensors.add(block + "ssm_a", inner, state, value=-1)
        tensors.add(block + "ssm_d", inner)
        tensors.add(block + "ssm_out.weight", WIDTH, inner)


def _lfm2(writer: gguf.GGUFWriter, tensors: Tensors) -> None:
    """Hybrid: two layers of short convolutions, and one of attention."""
    add_transformer(writer, layers=3, heads_kv=[0, 1, 0])
    writer.add_vocab_size(NUM_TOKENS)
    writer.add_shortconv_l_cache(3)
    tensors.add("token_embd_norm.weight", WIDTH)
    for layer in range(3):
        block = f"blk.{layer}."
        tensors.add(block + "attn_norm.weight", WIDTH)
        tensors.add_ffn(block)
        if layer == 1:
            tensors.add(block + "attn_q_norm.weight", HEAD)
            tensors.add(block + "attn_k_norm.weight", HEAD)
            tensors.add_attention(block)
        else:
            tensors.add(block + "shortconv.in_proj.weight", WIDTH * 3, WIDTH)
            tensors.add(block + "shortconv.conv.weight", WIDTH, 3)
            tensors.add(block + "shortconv.out_proj.weight", WIDTH, WIDTH)


ARCHITECTURES = {"llama": _llama, "gemma3": _gemma3, "mamba": _mamba, "lfm2": _lfm2}


def add_transformer(writer: gguf.GGUFWriter, *, layers: int, heads_kv: int | list[int] = 1) -> None:
    writer.add_block_count(layers)
    writer.add_feed_forward_length(WIDTH * 2)
    writer.add_head_count(WIDTH // HEAD)
    writer.add_head_count_kv(heads_kv)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD)


def add_tokenizer(writer: gguf.GGUFWriter, template: str | None) -> None:
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
