"""A Hugging Face folder: which files its tensors are in, and what its small files say.

Only safetensors are opened: a `pytorch_model.bin` is a pickle, and opening one can run any code.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from edgellm.errors import QuantError
from edgellm_quant.convert.stored import Stored, read_stored

INDEX = "model.safetensors.index.json"
Json: TypeAlias = dict[str, Any]
_PICKLES = ("pytorch_model*.bin", "*.pth", "*.pt", "*.ckpt")


def read_json(path: Path) -> Json:
    """A small file that holds one JSON object; empty where it is not there.

    Raises:
        QuantError: it cannot be read, or is something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise QuantError(f"{path} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise QuantError(f"{path} is not what it should be: {error}.", "Fetch it again.") from error


@contextlib.contextmanager
def malformed(what: str) -> Iterator[None]:
    """Files that other programs wrote: a list where a number should be is an error of theirs."""
    try:
        yield
    except (
        *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
        struct.error,  # a number that its key has no room for
    ) as error:
        raise QuantError(
            f"{what} is not as it should be ({type(error).__name__}: {error}).",
            "Fetch it again, or from the original repository.",
        ) from error


def read_tensors(folder: Path) -> dict[str, Stored]:
    """All tensors by name: file by file, in each by name.

    Raises:
        QuantError: there are none, a file is missing or damaged, or files and index disagree.
    """
    weight_map = _weight_map(folder)
    names = sorted(set(weight_map.values())) if weight_map else _lone_files(folder)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise QuantError(
            f"{folder} lacks {len(missing)} of its {len(names)} files: {_some(missing)}.",
            "Fetch them: its index says that they belong to it.",
        )
    tensors: dict[str, Stored] = {}
    for name in names:
        tensors |= read_stored(folder / name)
    lost = sorted(weight_map.keys() - tensors.keys())
    if lost:
        raise QuantError(
            f"{folder} lacks {len(lost)} tensors that its index names: {_some(lost)}.",
            "Fetch its files again: they are not of one upload.",
        )
    return tensors


def _weight_map(folder: Path) -> dict[str, str]:
    found = read_json(folder / INDEX).get("weight_map", {})
    try:
        names = msgspec.convert(found, dict[str, str])
    except msgspec.ValidationError as error:
        raise QuantError(f"{INDEX} is damaged: {error}.", "Fetch it again.") from error
    for name in set(names.values()):
        if Path(name).name != name:
            raise QuantError(f"{INDEX} names the file {name!r}, which is not in its folder.")
    return names


def _lone_files(folder: Path) -> list[str]:
    """Without an index: one file, or parts that are named as parts."""
    names = sorted(path.name for path in folder.glob("model*.safetensors"))
    if names:
        return _all_parts(names, folder)
    if any(folder.glob("adapter_model.safetensors")):
        raise QuantError(
            f"{folder} holds an adapter (LoRA), not a model.",
            "Merge it into its base model first (peft: merge_and_unload), and save that.",
        )
    pickle = next((path for glob in _PICKLES for path in sorted(folder.glob(glob))), None)
    if pickle is not None:
        raise QuantError(
            f"{folder} has no safetensors, only {pickle.name}: a pickle, which can run any code "
            "when it is opened, so it is not.",
            "Look for a safetensors revision of the repository, or save the model as safetensors.",
        )
    raise QuantError(
        f"{folder} has no model*.safetensors.",
        "Name a folder with config.json, the tokenizer's files and model.safetensors.",
    )


def _all_parts(names: list[str], folder: Path) -> list[str]:
    """Parts say in their names how many they are: `model-00001-of-00003.safetensors`."""
    words = names[0].removesuffix(".safetensors").split("-")
    is_part = len(words) >= 4 and words[-2] == "of" and words[-1].isdecimal()
    if not is_part or len(names) == int(words[-1]):
        return names
    raise QuantError(
        f"{folder} has {len(names)} of {int(words[-1])} files model-*.safetensors.",
        f"Fetch the others, and {INDEX}.",
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
