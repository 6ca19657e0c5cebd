"""A model's vocabulary, as its GGUF file has it. Knows nothing of how text is cut into tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from edgellm.errors import ModelFileError
from edgellm.store.gguf_header import read_header

_PREFIX = "tokenizer.ggml."
_WHOLE = frozenset(_PREFIX + name for name in ("tokens", "token_type", "merges"))
_CONTROL, _USER_DEFINED, _UNKNOWN = 3, 4, 2  # llama.cpp's token types


class Vocabulary(Struct, frozen=True):
    """`kind` and `split` are llama.cpp's names: "gpt2" is byte-level BPE, and "qwen2" one way to
    split text into words. A token's text is in GPT-2's printable stand-ins for bytes."""

    kind: str
    split: str
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...]  # "left right", the first ones first

    def specials(self, *, with_control: bool) -> dict[str, int]:
        """The tokens that are cut out of a text before anything else, with their ids.

        Args:
            with_control: control tokens, too; they are not meant by what a user writes.
        """
        wanted = {_USER_DEFINED, *((_CONTROL, _UNKNOWN) if with_control else ())}
        pairs = zip(self.tokens, self.types, strict=True)
        return {text: id_ for id_, (text, type_) in enumerate(pairs) if type_ in wanted and text}


def read_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary of a model file.

    Raises:
        ModelFileError: it cannot be read, or has none that makes sense.
    """
    metadata = read_header(path, _WHOLE).metadata

    def get(name: str, default: Any) -> Any:
        value = metadata.get(_PREFIX + name, default)
        return value if isinstance(value, type(default)) else default

    tokens: tuple[str, ...] = get("tokens", ())
    types: tuple[int, ...] = get("token_type", ()) or (1,) * len(tokens)
    if not tokens or len(types) != len(tokens):
        raise ModelFileError(f"{path.name} has no vocabulary that can be used.")
    return Vocabulary(get("model", ""), get("pre", "default"), tokens, types, get("merges", ()))
