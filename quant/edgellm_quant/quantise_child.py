"""The process that quantises. Its parent's side is `quantiser.py`.

    stdin   an Order per line; its end means that the parent is gone, or has done: so does this
    stdout  a Saying per line (`llama_log.py`), and an Outcome at the end of each order
    stderr  all that llama.cpp says

It writes the file that it is told to write and nothing else, so it may be killed at any moment.
"""

from __future__ import annotations

import ctypes
import os
import queue
import sys
import threading
from typing import Any, BinaryIO, TypeAlias

import msgspec
from msgspec import Struct

from edgellm_quant.llama_log import (
    Failure,
    FellBack,
    Lines,
    NeedsMatrix,
    NoWeights,
    TensorBegun,
    understand,
)
from edgellm_quant.spec import Recipe

MAX_BUFFER_BYTES = 256 * 1024 * 1024  # of a tensor's rows at a time; llama-quantize takes 8 GiB
_NICE = 10  # whoever chats comes first
_KEY_PREFIX = "quantize.imatrix."


class Order(Struct, frozen=True):
    """What to do. `is_dry`: only say what would become of each tensor."""

    source: str
    target: str
    recipe: Recipe
    imatrix: str = ""
    threads: int = 0
    is_dry: bool = False


class Outcome(Struct, frozen=True, tag="outcome"):
    """How it ended. `status` is llama.cpp's: 0 is good."""

    status: int


class Refusal(Struct, frozen=True, tag="refusal"):
    """The order cannot be followed."""

    message: str
    hint: str


Told: TypeAlias = TensorBegun | FellBack | NeedsMatrix | NoWeights | Failure | Outcome | Refusal


def main() -> None:
    """Follow the orders on stdin, one by one. Ends the process."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # native code prints to it
    os.nice(_NICE)
    orders = queue.SimpleQueue[Order]()
    threading.Thread(target=_read_orders, args=(orders,), daemon=True).start()
    from edgellm.errors import QuantError

    while True:
        order = orders.get()
        try:
            _tell(answers, Outcome(_quantise(order, answers)))
        except QuantError as error:
            _tell(answers, Refusal(error.message, error.hint))


def _read_orders(orders: queue.SimpleQueue[Order]) -> None:
    """Until nobody waits for results any more; llama.cpp cannot be asked to stop, nor is there
    anything to tear down."""
    for line in sys.stdin.buffer:
        orders.put(msgspec.json.decode(line, type=Order))
    sys.stderr.flush()
    os._exit(0)


def _tell(answers: BinaryIO, told: Told) -> None:
    answers.write(msgspec.json.encode(told) + b"\n")
    answers.flush()


def _quantise(order: Order, answers: BinaryIO) -> int:
    import llama_cpp.llama_cpp as library

    log = library.llama_log_callback(_listener(answers))
    library.llama_log_set(log, ctypes.c_void_p())
    parameters, kept = _parameters(library, order)
    library.llama_backend_init()
    status: int = library.llama_model_quantize(
        os.fsencode(order.source), os.fsencode(order.target), ctypes.byref(parameters)
    )
    del kept
    return status


def _listener(answers: BinaryIO) -> Any:
    lines = Lines()
    told: set[str] = set()

    def tell(line: str) -> None:
        saying = understand(line)
        # A tensor is told of when it begins; its line's end adds what a dry run knows.
        if saying is None or (isinstance(saying, TensorBegun) and saying.name in told):
            return
        if isinstance(saying, TensorBegun):
            told.add(saying.name)
        _tell(answers, saying)

    def listen(_level: int, text: bytes, _data: object) -> None:
        words = text.decode("utf-8", "replace")
        sys.stderr.write(words)
        for line in lines.take(words):
            tell(line)
        if "converting to" in words:
            tell(lines.unfinished)

    return listen


def _parameters(library: Any, order: Order) -> tuple[Any, list[object]]:
    """llama.cpp's parameters, and what must live as long as they are used."""
    from edgellm_quant.file_types import file_types, tensor_types

    recipe, kept = order.recipe, []
    parameters = library.llama_model_quantize_default_params()
    parameters.nthread = order.threads
    parameters.ftype = file_types()[recipe.type]
    if recipe.output_type:
        parameters.output_tensor_type = tensor_types()[recipe.output_type]
    if recipe.embedding_type:
        parameters.token_embedding_type = tensor_types()[recipe.embedding_type]
    parameters.allow_requantize = recipe.can_requantise
    parameters.quantize_output_tensor = not recipe.keep_output
    parameters.pure, parameters.keep_split = recipe.is_pure, recipe.keep_split
    parameters.dry_run = order.is_dry
    parameters.max_buf_size = MAX_BUFFER_BYTES
    if recipe.overrides:
        kept.append(overrides := _overrides(library, recipe))
        parameters.tt_overrides = overrides
    if recipe.pruned_blocks:
        blocks = (*sorted(set(recipe.pruned_blocks)), -1)  # llama.cpp counts on the order
        kept.append(pruned := (ctypes.c_int32 * len(blocks))(*blocks))
        parameters.prune_layers = pruned
    if order.imatrix:
        kept += _add_matrix(library, parameters, order.imatrix)
    return parameters, kept


def _overrides(library: Any, recipe: Recipe) -> Any:
    from edgellm_quant.file_types import tensor_types

    array = (library.llama_model_tensor_override * (len(recipe.overrides) + 1))()
    for entry, override in zip(array, recipe.overrides, strict=False):
        entry.pattern = override.pattern.encode()
        entry.type = tensor_types()[override.type]
    return array


def _add_matrix(library: Any, parameters: Any, path: str) -> list[object]:
    """The matrix, and in the file's metadata where it came from, as llama-quantize does; without
    the folder, which is nobody's business."""
    from pathlib import Path

    from edgellm_quant.importance import read_imatrix

    matrix = read_imatrix(Path(path))
    array = (library.llama_model_imatrix_data * (len(matrix.means) + 1))()
    buffers: list[object] = [matrix.means, array]
    for entry, (name, means) in zip(array, matrix.means.items(), strict=False):
        values = (ctypes.c_float * len(means)).from_buffer(means)
        buffers.append(values)
        entry.name, entry.size = name.encode(), len(means)
        entry.data = ctypes.cast(values, ctypes.POINTER(ctypes.c_float))
    entries: dict[str, str | int] = {"file": Path(path).name}
    if matrix.datasets:
        entries["dataset"] = Path(matrix.datasets[0]).name
    entries["entries_count"] = len(matrix.means)
    if matrix.num_chunks:
        entries["chunks_count"] = matrix.num_chunks
    notes = _notes(library, entries)
    parameters.imatrix, parameters.kv_overrides = array, notes
    return [*buffers, notes]


def _notes(library: Any, entries: dict[str, str | int]) -> Any:
    notes = (library.llama_model_kv_override * (len(entries) + 1))()
    for note, (key, value) in zip(notes, entries.items(), strict=False):
        note.key = (_KEY_PREFIX + key).encode()
        if isinstance(value, int):
            note.tag, note.value.val_i64 = library.LLAMA_KV_OVERRIDE_TYPE_INT, value
        else:
            note.tag = library.LLAMA_KV_OVERRIDE_TYPE_STR
            note.value.val_str = value.encode()[:127]
    return notes


if __name__ == "__main__":
    main()
