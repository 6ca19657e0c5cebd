"""What a Hugging Face folder says of the model in it: enough to know who can convert it, and what
that takes. Reads its config and the sizes of its files, not the weights."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from edgellm.errors import ModelFileError

_WIDTHS = {"float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1}


class Checkpoint(Struct, frozen=True):
    """A folder with config.json and safetensors. Zero = not said."""

    folder: Path
    architecture: str  # as transformers calls it, e.g. "Qwen3ForCausalLM"
    model_type: str  # e.g. "qwen3"
    weight_bytes: int
    params: int  # by the bytes and their type
    layers: int = 0
    hidden: int = 0
    vocab: int = 0


def read_checkpoint(folder: Path) -> Checkpoint:
    """What the folder says.

    Raises:
        ModelFileError: it is no Hugging Face folder.
    """
    path = folder / "config.json"
    try:
        config = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelFileError(
            f"{folder} has no config.json, so it is no checkpoint of the Hugging Face kind.",
            "ONNX and MLC files are made of the original folder, not of a GGUF file.",
        ) from error
    except (OSError, msgspec.DecodeError) as error:
        raise ModelFileError(f"{path} cannot be read: {error}.") from error
    if not isinstance(config, dict):
        raise ModelFileError(f"{path} does not describe a model.")
    weight_bytes = sum(each.stat().st_size for each in folder.glob("*.safetensors"))
    if not weight_bytes:
        raise ModelFileError(
            f"{folder} has no *.safetensors.", "Fetch all of it: the weights are missing."
        )
    return _of_config(folder, config, weight_bytes)


def chat_template(folder: Path) -> str:
    """The Jinja text; empty where there is none."""
    with contextlib.suppress(OSError):
        return (folder / "chat_template.jinja").read_text("utf-8", "replace")
    with contextlib.suppress(OSError, msgspec.DecodeError, AttributeError):
        text = msgspec.json.decode((folder / "tokenizer_config.json").read_bytes())
        return str(text.get("chat_template") or "")
    return ""


def _of_config(folder: Path, config: dict[str, Any], weight_bytes: int) -> Checkpoint:
    """What sees or hears has its language model's numbers in `text_config`."""
    inner = config.get("text_config")
    text = {**config, **inner} if isinstance(inner, dict) else config
    names = config.get("architectures") or [""]
    dtype = str(text.get("dtype") or text.get("torch_dtype") or "bfloat16")
    return Checkpoint(
        folder,
        architecture=str(names[0]),
        model_type=str(config.get("model_type", "")),
        weight_bytes=weight_bytes,
        params=weight_bytes // _WIDTHS.get(dtype, 2),
        layers=_number(text, "num_hidden_layers"),
        hidden=_number(text, "hidden_size"),
        vocab=_number(text, "vocab_size"),
    )


def _number(config: dict[str, Any], key: str) -> int:
    value = config.get(key, 0)
    return value if isinstance(value, int) else 0
