"""Which family converts an architecture."""

from __future__ import annotations

from edgellm.errors import QuantError
from edgellm_quant.convert.checkpoint import Json
from edgellm_quant.convert.families.gemma import Gemma2, Gemma3
from edgellm_quant.convert.families.granite import Granite, Granite4
from edgellm_quant.convert.families.llama import Llama, Ministral3, SmolLM3
from edgellm_quant.convert.families.phi import Phi
from edgellm_quant.convert.families.qwen import Qwen, QwenExperts
from edgellm_quant.convert.family import Family

_FAMILIES: tuple[type[Family], ...] = (
    Llama,
    SmolLM3,
    Ministral3,
    Qwen,
    QwenExperts,
    Gemma2,
    Gemma3,
    Phi,
    Granite,
    Granite4,
)


def supported() -> tuple[str, ...]:
    """The architectures that are converted, as config.json names them."""
    return tuple(sorted(name for family in _FAMILIES for name in family.names))


def open_family(architecture: str, values: Json) -> Family:
    """The family of an architecture, for one config.

    Raises:
        QuantError: nobody here knows it; the hint says who is known, and what else can be done.
    """
    for family in _FAMILIES:
        if architecture in family.names:
            return family(architecture, values)
    raise QuantError(
        f"The architecture {architecture} is not converted here.",
        f"Known are {', '.join(supported())}. Convert it with llama.cpp's convert_hf_to_gguf.py, "
        "or fetch a GGUF of it (repositories that end in -GGUF), and name that as the source.",
    )
