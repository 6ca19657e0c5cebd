"""Makes a GGUF file of a Hugging Face folder with safetensors.

    config.json -> a family -> its tensors, its keys, its tokenizer -> a GGUF file

No torch and no transformers: tensors are read and written a piece at a time, so a model that is
larger than the memory can be converted. Names and order of keys are gguf's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from edgellm.errors import QuantError
from edgellm_quant.convert.checkpoint import malformed, read_tensors
from edgellm_quant.convert.config import architecture_of, read_config
from edgellm_quant.convert.families import open_family, supported
from edgellm_quant.convert.family import Family
from edgellm_quant.convert.outputs import FloatType, Output
from edgellm_quant.convert.stored import Stored

__all__ = ["Dtype", "convert", "natural_dtype", "supported"]

Dtype: TypeAlias = Literal["f32", "f16", "bf16"]
_TYPES: dict[str, FloatType] = {"f32": "F32", "f16": "F16", "bf16": "BF16"}


def _ignore(_done_bytes: int, _total_bytes: int) -> None:
    """Nobody wants to know."""


def _never() -> bool:
    return False


def convert(
    folder: Path,
    target: Path,
    *,
    dtype: Dtype = "f16",
    name: str = "",
    on_progress: Callable[[int, int], None] = _ignore,
    is_cancelled: Callable[[], bool] = _never,
) -> Path:
    """Write `target`; whole, or not at all.

    Args:
        dtype: of the matrices; vectors stay F32.
        name: of the model, e.g. "Qwen3-0.6B"; empty = what its files or the folder's name say.
        on_progress: gets bytes done and bytes in all.

    Raises:
        QuantError: the folder is no model that can be converted; the hint says what to do.
        QuantCancelled: `is_cancelled` said so.
        StoreError: the disk is full, or cannot be written.
    """
    import gguf

    from edgellm_quant.convert.general import write_general
    from edgellm_quant.convert.vocabulary import write_vocabulary
    from edgellm_quant.convert.write import announce, write_file

    family, outputs = _plan(folder)
    wanted = _TYPES[dtype]
    arch = gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH[family.arch]]
    writer = gguf.GGUFWriter(None, arch)
    announce(writer, outputs, wanted)
    with malformed(f"config.json, generation_config.json or README.md of {folder.name}"):
        write_general(writer, folder.resolve(), name)
        family.parameters(writer)
    writer.add_file_type(_file_type(dtype))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    with malformed(f"The tokenizer of {folder.name}"):
        write_vocabulary(writer, folder, family)
    return write_file(writer, outputs, wanted, target, on_progress, is_cancelled)


def natural_dtype(folder: Path) -> Dtype:
    """The type that loses nothing of a checkpoint, and takes no more room than it.

    Raises:
        QuantError: the folder has no tensors that can be read.
    """
    matrices = {stored.dtype for stored in read_tensors(folder).values() if len(stored.shape) > 1}
    if matrices == {"F16"}:
        return "f16"
    return "bf16" if matrices == {"BF16"} else "f32"


def _plan(folder: Path) -> tuple[Family, list[Output]]:
    """What is to be written, before anything is."""
    values = read_config(folder)
    tensors = read_tensors(folder)
    with malformed(f"config.json of {folder.name}"):
        family = open_family(architecture_of(values), values)
        outputs = list(family.outputs(tensors))
        _check(family, outputs, tensors)
    return family, outputs


def _check(family: Family, outputs: list[Output], tensors: dict[str, Stored]) -> None:
    """Refuse what would be no whole model."""
    shapes = {output.name: output.shape for output in outputs}
    size, width = family.config.vocab_size, family.config.number("hidden_size")
    embedding = shapes.get("token_embd.weight")
    if embedding != (size, width):
        raise QuantError(
            f"config.json says {size:,} tokens of {width:,} values, but the embedding is "
            f"{'not there' if embedding is None else list(embedding)}.",
            "Does config.json belong to these files?",
        )
    blocks = {name.split(".")[1] for name in shapes if name.startswith("blk.")}
    lost = [i for i in range(family.config.num_blocks) if str(i) not in blocks]
    if lost or "output_norm.weight" not in shapes:
        what = f"block {lost[0]}" if lost else "the last norm"
        raise QuantError(
            f"The checkpoint has {len(tensors)} tensors, and {what} is not among them.",
            "Fetch all of its files.",
        )


def _file_type(dtype: Dtype) -> int:
    from gguf import LlamaFileType

    names = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16"}
    return int(LlamaFileType[names[dtype]])
