"""What a user asks of a quantisation job. Who does it checks the words (`edgellm_quant`)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from edgellm.units import SIZE

BUILTIN = "builtin"  # the text that comes with the program
NO = "no"

Share = Annotated[float, Meta(ge=0, le=1)]
Word = Annotated[str, Meta(min_length=1, max_length=4096)]


class JobRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Paths are absolute once the job is written down."""

    source: Word  # a GGUF file, a folder of safetensors, a model of the store, or hf:OWNER/REPO
    to: tuple[Word, ...] = ()  # file types, e.g. "Q4_K_M"; or "onnx-int4" and its like
    out: str = ""  # a folder; empty = one of the job's own
    calibrate: str = ""  # "builtin", or the path of a text; empty = no importance matrix
    evaluate: str = BUILTIN  # "builtin", "no", or the path of a text
    golden: str = BUILTIN  # prompts to answer: "builtin", "no", or the path of a file of them
    max_kld: Annotated[float, Meta(ge=0)] | None = None  # mean, in nats per token
    min_top1: Share | None = None
    min_golden: Share | None = None
    budget: Annotated[str, Meta(pattern=f"^$|{SIZE}")] = ""  # of a mix of types, e.g. "3.0GiB"
    for_device: bool = False  # a mix that fits this device
    prune_blocks: Annotated[int, Meta(ge=0)] = 0
    overrides: tuple[Word, ...] = ()  # "PATTERN=TYPE"
    output_type: str = ""
    embedding_type: str = ""
    keep_output: bool = False
    pure: bool = False
    keep_split: bool = False
    requantise: bool = False
    replace: bool = False  # files of these names that others made
    adopt: bool = False  # make what is released a model of this device
    threads: Annotated[int, Meta(ge=0, le=1024)] = 0  # 0 = as many as may be used
