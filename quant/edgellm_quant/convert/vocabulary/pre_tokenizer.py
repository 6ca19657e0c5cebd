"""How a tokenizer cuts text into words before it joins bytes: llama.cpp's name for it.

llama.cpp has these cuts as code, each under a name. Its converter finds the name by a digest of
a tokenised text, which needs `transformers` and a known vocabulary; here it is recognised by what
`tokenizer.json` itself says, so that a model with a vocabulary of its own can be converted too.
What is not recognised is refused: a wrong cut makes a model worse without any error.
"""

from __future__ import annotations

from edgellm.errors import QuantError
from edgellm_quant.convert.checkpoint import Json

_SHORT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_END = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
_SIGNS_SLASH = r" ?[^\s\p{L}\p{N}]+[\r\n/]*"
_WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+"
_CAPITALS = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"

_LLAMA3 = "|".join((_SHORT, _WORD, r"\p{N}{1,3}", _SIGNS, _END))
_BY_REGEX = {
    "|".join((_SHORT, _WORD, r"\p{N}", _SIGNS, _END)): "qwen2",
    "|".join((_CASED, _CAPITALS, r"\p{N}", _SIGNS_SLASH, _END)): "tekken",
    "|".join(
        (_CASED + _SHORT + "?", _CAPITALS + _SHORT + "?", r"\p{N}{1,3}", _SIGNS_SLASH, _END)
    ): "gpt-4o",
}
_NORMALIZERS = {None, "NFC"}  # llama.cpp does neither; NFC changes almost no text


def pre_tokenizer_name(tokenizer: Json, *, llama3_split: str, digits_split: str) -> str:
    """llama.cpp's name.

    Args:
        llama3_split, digits_split: the family's names for a cut that several names have.

    Raises:
        QuantError: the cut is not known; the message shows it.
    """
    _check_normalizer(tokenizer)
    steps = _steps(tokenizer.get("pre_tokenizer"))
    match steps:
        case [("Split", regex), ("ByteLevel", "plain")] if regex in _BY_REGEX:
            return _BY_REGEX[regex]
        case [("Split", regex), ("ByteLevel", "plain")] if regex == _LLAMA3:
            ignores = tokenizer.get("model", {}).get("ignore_merges") is True
            return "llama-bpe" if ignores else llama3_split
        case [("Digits", "individual"), ("ByteLevel", "regex")]:
            return digits_split
        case [("ByteLevel", "regex")]:
            return "gpt-2"
        case _:
            raise _unknown(steps)


def _steps(pre_tokenizer: Json | None) -> list[tuple[str, str]]:
    """Each step's kind, and what matters of its settings."""
    if not isinstance(pre_tokenizer, dict):
        return []
    if pre_tokenizer.get("type") == "Sequence":
        return [step for each in pre_tokenizer.get("pretokenizers", []) for step in _steps(each)]
    return [(str(pre_tokenizer.get("type")), _setting(pre_tokenizer))]


def _setting(step: Json) -> str:
    match step:
        case {"type": "ByteLevel", "add_prefix_space": False}:
            return "regex" if step.get("use_regex", True) else "plain"
        case {"type": "Digits", "individual_digits": True}:
            return "individual"
        case {"type": "Split", "pattern": {"Regex": str(regex)}}:
            way = (step.get("behavior"), bool(step.get("invert")))
            # What the regex finds are the words, and it leaves nothing over: both are the same.
            is_usual = way in {("Isolated", False), ("Removed", True)}
            return regex if is_usual else f"{regex} ({way[0]})"
    return str({key: value for key, value in step.items() if key != "type"})


def _check_normalizer(tokenizer: Json) -> None:
    normalizer = tokenizer.get("normalizer") or {}
    steps = normalizer.get("normalizers", [normalizer])
    kinds = {step.get("type") for step in steps}
    if kinds - _NORMALIZERS:
        changes = ", ".join(sorted(str(kind) for kind in kinds - _NORMALIZERS))
        raise QuantError(
            f"The tokenizer changes text first ({changes}), which llama.cpp does not do for it.",
            _HINT,
        )


_HINT = (
    "Look for a GGUF of this model (repositories that end in -GGUF), or convert it with "
    "llama.cpp's convert_hf_to_gguf.py if that knows it."
)


def _unknown(steps: list[tuple[str, str]]) -> QuantError:
    shown = " then ".join(f"{kind} {setting}" for kind, setting in steps) or "nothing"
    return QuantError(
        f"How the tokenizer cuts text into words is not known to llama.cpp by name: {shown}", _HINT
    )
