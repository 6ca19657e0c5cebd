"""The bytes of GGUF files that claim to be a Llama of any size: a true header, and noise for data.

For whoever reads headers and moves files. Nothing could load them; `tiny_model` writes real ones.
"""

from __future__ import annotations

import math
import random
import struct

F16 = 1
_STRING, _UINT32 = 8, 4


def gguf_bytes(
    size: int = 0,
    *,
    seed: int = 0,
    layers: int = 1,
    width: int = 64,
    vocab: int = 256,
    context: int = 4096,
    template: str = "{{ messages }}",
) -> bytes:
    """A file of `size` bytes (at least its header), whatever its tensors would take."""
    entries: dict[str, str | int] = {
        "general.architecture": "llama",
        "general.name": "claimed",
        "general.file_type": 1,
        "llama.block_count": layers,
        "llama.embedding_length": width,
        "llama.context_length": context,
        "llama.feed_forward_length": 4 * width,
        "llama.attention.head_count": max(1, width // 32),
        "llama.attention.head_count_kv": 1,
        "tokenizer.chat_template": template,
    }
    shapes = {"token_embd.weight": (width, vocab)} | {
        f"blk.{layer}.{name}.weight": shape
        for layer in range(layers)
        for name, shape in (
            ("attn_q", (width, width)),
            ("attn_output", (width, width)),
            ("ffn_up", (width, 4 * width)),
            ("ffn_down", (4 * width, width)),
        )
    }
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(entries))
    head += b"".join(_text(key) + _value(value) for key, value in entries.items())
    offset = 0
    for name, shape in shapes.items():
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, F16, offset)
        offset += -(-2 * math.prod(shape) // 32) * 32
    return head + random.Random(seed).randbytes(max(0, size - len(head)))


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _value(value: str | int) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _text(value)
    return struct.pack("<II", _UINT32, value)
