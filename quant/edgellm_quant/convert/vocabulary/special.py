"""Which tokens begin, end and fill, whether a text gets them by itself, and the chat template.

The rules are those of llama.cpp's converter (`SpecialVocab` of gguf-py), which reads the same
three files: `tokenizer.json`, `tokenizer_config.json`, `config.json`, in this order.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct, field

from edgellm_quant.convert.checkpoint import Json, read_json

if TYPE_CHECKING:
    from gguf import GGUFWriter

Templates: TypeAlias = str | list[dict[str, str]]
_ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")


class Special(Struct):
    """`ids` by role ("bos"), `adds` whether texts get that token; `template` may be several."""

    ids: dict[str, int] = field(default_factory=dict)
    adds: dict[str, bool] = field(default_factory=dict)
    template: Templates | None = None

    def write(self, writer: GGUFWriter) -> None:
        """As GGUF's keys. There is none for "cls" and "mask" that language models need."""
        for role, index in self.ids.items():
            add_id = getattr(writer, f"add_{role}_token_id", None)
            if add_id is not None:
                add_id(index)
        for role, is_added in self.adds.items():
            add_flag = getattr(writer, f"add_add_{role}_token", None)
            if add_flag is not None:
                add_flag(is_added)
        if self.template:
            writer.add_chat_template(self.template)


def read_special(
    folder: Path, tokenizer: Json, settings: Json, config: Json, size: int | None = None
) -> Special:
    """What the files of a folder say.

    Args:
        tokenizer, settings, config: `tokenizer.json`, `tokenizer_config.json`, `config.json`.
        size: ids from here on are none of the vocabulary's.
    """
    settings = dict(settings)
    found = Special()
    roles = list(_ROLES)
    if tokenizer:
        _read_post_processor(tokenizer, settings, found, roles)
    found.template = _template(folder, settings)
    _read_settings(found, tokenizer, settings, roles, size)
    text = config.get("text_config") or {}
    for role in roles:
        index = config.get(f"{role}_token_id")
        _put(found, role, text.get(f"{role}_token_id") if index is None else index, size)
    return found


def _read_settings(
    found: Special, tokenizer: Json, settings: Json, roles: list[str], size: int | None
) -> None:
    added = tokenizer.get("added_tokens") or []
    ids = {token.get("content"): token.get("id") for token in reversed(added)}
    for role in roles:
        is_added = settings.get(f"add_{role}_token")
        if isinstance(is_added, bool):
            found.adds.setdefault(role, is_added)
        _put(found, role, ids.get(_text(settings.get(f"{role}_token"))), size)


def _put(found: Special, role: str, index: Any, size: int | None) -> None:
    """The first file that says it counts; a list of ends says nothing."""
    is_number = isinstance(index, int) and not isinstance(index, bool)
    if is_number and index >= 0 and (size is None or index < size):
        found.ids.setdefault(role, index)


def _text(token: object) -> str | None:
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else None


def _read_post_processor(tokenizer: Json, settings: Json, found: Special, roles: list[str]) -> None:
    """What is put around a text; changes `settings` where it names tokens that they do not."""
    for missing, other in (("bos", "cls"), ("eos", "sep")):
        if settings and not settings.get(f"{missing}_token") and settings.get(f"{other}_token"):
            settings[f"{missing}_token"] = settings[f"{other}_token"]
    processor = tokenizer.get("post_processor") or {}
    for step in processor.get("processors", [processor]):
        if step.get("type") == "ByteLevel":
            found.adds.setdefault("bos", False)
            found.adds.setdefault("eos", False)
        elif step.get("type") == "TemplateProcessing":
            _read_template(step, settings, found, roles)


def _read_template(step: Json, settings: Json, found: Special, roles: list[str]) -> None:
    single = step.get("single") or []
    first = _special(single[0]) if len(single) > 1 else None
    last = _special(single[-1]) if len(single) > 1 else None
    if first:
        _begin(first, settings, found)
    if last:
        _end(last, settings, found, roles)
    _between(step.get("pair") or [], first, last, settings, found)


def _begin(first: str, settings: Json, found: Special) -> None:
    known = {_text(settings.get("bos_token")), _text(settings.get("cls_token"))}
    if settings and first not in known:
        for role in ("bos", "cls"):
            if not settings.get(f"{role}_token"):
                settings[f"{role}_token"] = first
                known.add(first)
    found.adds["bos"] = not settings or first in known


def _end(last: str, settings: Json, found: Special, roles: list[str]) -> None:
    """A text's end that is not the model's end: then the latter is the end of a turn."""
    eos = _text(settings.get("eos_token"))
    if settings and last != eos:
        role = "eot" if "eot" not in roles else "eom"
        if role not in roles:
            roles.append(role)
            settings[f"{role}_token"] = eos
        settings["eos_token"] = last
    found.adds["eos"] = True


def _between(
    pair: list[Json], first: str | None, last: str | None, settings: Json, found: Special
) -> None:
    """Whether two texts have a separator between them."""
    begin = 1 if first and pair and _special(pair[0]) == first else 0
    end = len(pair) - 1 if last and pair and _special(pair[-1]) == last else len(pair)
    middle = pair[begin:end]
    ends = [part.get("Sequence", {}).get("id") for part in (middle[:1] + middle[-1:])]
    if ends != ["A", "B"] or len(middle) < 3:
        return
    separators = {_text(settings.get("sep_token")), _text(settings.get("eos_token"))} - {None}
    between = [_special(part) for part in middle[1:-1]]
    is_added = between[0] in separators and not last
    is_added = is_added or (len(between) == 2 and between[1] in separators)
    found.adds["sep"] = is_added
    if is_added and settings and not settings.get("sep_token"):
        settings["sep_token"] = settings.get("eos_token")


def _special(part: Json) -> str | None:
    found = part.get("SpecialToken", {}).get("id")
    return found if isinstance(found, str) else None


def _template(folder: Path, settings: Json) -> Templates | None:
    """The tokenizer's own, else that of a file; with names where there are several."""
    found = settings.get("chat_template")
    if isinstance(found, str | list):
        return found
    path = folder / "chat_template.jinja"
    if not path.is_file():
        other = read_json(folder / "chat_template.json").get("chat_template")
        return other if isinstance(other, str | list) else None
    main = path.read_text(encoding="utf-8")
    more = sorted((folder / "additional_chat_templates").glob("*.jinja"))
    if not more:
        return main
    others = [{"name": p.stem, "template": p.read_text(encoding="utf-8")} for p in more]
    return [{"name": "default", "template": main}, *others]
