"""Files that the tests of the quantisation tool share."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from edgellm.store.gguf_header import read_header
from tests.support import tiny_model
from tests.support.tiny_model import WIDTH, Tensors

TEXT = (Path(__file__).parents[2] / "README.md").read_text()


def matrix_of(model: Path, target: Path, seed: int = 0) -> Path:
    """An importance matrix with values made up, for all tensors of blocks."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(target, "imatrix")
    writer.add_array("imatrix.datasets", ["/home/somebody/made-up.txt"])
    writer.add_uint32("imatrix.chunk_count", 3)
    for tensor in read_header(model).tensors:
        if tensor.name.startswith("blk.") and len(tensor.shape) > 1:
            sums = random.lognormal(0, 1, (1, tensor.shape[0])).astype(np.float32)
            writer.add_tensor(f"{tensor.name}.in_sum2", sums)
            writer.add_tensor(f"{tensor.name}.counts", np.ones((1, 1), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def write_deep_model(path: Path, num_blocks: int, idle: tuple[int, ...] = ()) -> Path:
    """A tiny random Llama of so many blocks, some of which add next to nothing to the stream."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("deep")
    writer.add_context_length(tiny_model.CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    tiny_model.add_tokenizer(writer, None)
    random = np.random.default_rng(5)
    tensors = Tensors(writer, random)
    tensors.add("token_embd.weight", tiny_model.NUM_TOKENS, WIDTH)
    tiny_model.add_transformer(writer, layers=num_blocks)
    tensors.add("output_norm.weight", WIDTH)
    for number in range(num_blocks):
        block = f"blk.{number}."
        tensors.add(block + "attn_norm.weight", WIDTH)
        _add_block(writer, random, block, 0.001 if number in idle else 0.1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_block(
    writer: gguf.GGUFWriter, random: np.random.Generator, block: str, weight: float
) -> None:
    shapes = {
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (tiny_model.HEAD, WIDTH),
        "attn_v": (tiny_model.HEAD, WIDTH),
        "attn_output": (WIDTH, WIDTH),
        "ffn_gate": (WIDTH * 2, WIDTH),
        "ffn_up": (WIDTH * 2, WIDTH),
        "ffn_down": (WIDTH, WIDTH * 2),
    }
    writer.add_tensor(block + "ffn_norm.weight", np.ones(WIDTH, np.float32))
    for name, shape in shapes.items():
        scale = weight if name in ("attn_output", "ffn_down") else 0.2
        writer.add_tensor(
            f"{block}{name}.weight", random.normal(0, scale, shape).astype(np.float32)
        )
