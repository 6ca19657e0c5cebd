"""Writes a GGUF file, tensor by tensor, so that it is there whole or not at all.

Memory stays at one piece of a tensor (or one whole tensor where it must be turned around),
however large the model is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from edgellm.errors import DiskFull, QuantCancelled, QuantError
from edgellm.store.disk import disk_error
from edgellm.store.files import sync_folder
from edgellm_quant.convert.checkpoint import malformed
from edgellm_quant.convert.outputs import FloatType, Output

if TYPE_CHECKING:
    from gguf import GGUFWriter

PARTIAL = ".partial"
_HEADER_BYTES = 32 << 20  # more than any header has


def announce(writer: GGUFWriter, outputs: Sequence[Output], wanted: FloatType) -> int:
    """Tell the writer of all tensors; returns their bytes.

    Raises:
        QuantError: two have one name.
    """
    import gguf
    import numpy as np

    total = 0
    for output in outputs:
        kind, size_bytes = output.type(wanted), output.size_bytes(wanted)
        try:
            writer.add_tensor_info(
                output.name,
                output.shape,
                np.dtype(np.float32),  # only looked at where the next but one is not given
                size_bytes,
                raw_dtype=gguf.GGMLQuantizationType[kind],
            )
        except ValueError as error:
            raise QuantError(f"The checkpoint has {output.name} twice: {error}.") from error
        total += size_bytes
    return total


def write_file(
    writer: GGUFWriter,
    outputs: Sequence[Output],
    wanted: FloatType,
    target: Path,
    on_progress: Callable[[int, int], None],
    is_cancelled: Callable[[], bool],
) -> Path:
    """Header, keys and tensors to `target`, through `<target>.partial` beside it.

    Raises:
        QuantError: a tensor cannot be read or held.
        QuantCancelled: `is_cancelled` said so.
        StoreError: the disk is full, or cannot be written.
    """
    total = sum(output.size_bytes(wanted) for output in outputs)
    partial = target.with_name(target.name + PARTIAL)
    with _disk(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _check_room(target.parent, total + _HEADER_BYTES)
        try:
            with _opened(writer, partial) as file:
                _write_tensors(file, outputs, wanted, total, on_progress, is_cancelled)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
    return target


@contextlib.contextmanager
def _opened(writer: GGUFWriter, path: Path) -> Iterator[BinaryIO]:
    """The file, with all that comes before the tensors' data."""
    try:
        with malformed("A value of config.json or of the tokenizer's files"):
            writer.write_header_to_file(path)
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
        assert writer.fout is not None
        yield cast("BinaryIO", writer.fout[0])
    finally:
        writer.close()


def _write_tensors(
    file: BinaryIO,
    outputs: Sequence[Output],
    wanted: FloatType,
    total: int,
    on_progress: Callable[[int, int], None],
    is_cancelled: Callable[[], bool],
) -> None:
    done = 0
    _pad(file)
    for output in outputs:
        begin = done
        for values in output.data(wanted):
            if is_cancelled():
                raise QuantCancelled("The conversion was cancelled.", "Nothing was left behind.")
            file.write(values.data.cast("B") if values.flags.c_contiguous else values.tobytes())
            done += values.nbytes
            on_progress(done, total)
        if done - begin != output.size_bytes(wanted):  # else all that follows would lie elsewhere
            raise QuantError(f"{output.name} came out with {done - begin:,} bytes: a bug.")
        _pad(file)


def _pad(file: BinaryIO) -> None:
    file.write(bytes(-file.tell() % 32))  # GGUF's alignment where a file names none


def _check_room(folder: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise DiskFull(
            f"The result takes {needed_bytes / 2**30:.1f} GiB, and {folder} has "
            f"{free / 2**30:.1f} GiB left.",
            "Make room, or write it to another disk.",
        )


@contextlib.contextmanager
def _disk(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raised = disk_error(error, target)
        raised.hint = "Make room, or write it to another disk; nothing was left behind."
        raise raised from error
