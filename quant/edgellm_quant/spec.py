"""What a job is to make, and what is known of what it made. No work is done here."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

Runtime: TypeAlias = Literal["llama_cpp", "ort_genai", "mlc"]


class Override(Struct, frozen=True):
    """Tensors whose name matches the regular expression get this type, e.g. "Q8_0"."""

    pattern: str
    type: str


class Recipe(Struct, frozen=True):
    """How one GGUF file is made of another. `type` is llama.cpp's file type, e.g. "Q4_K_M"."""

    type: str
    name: str = ""  # of the result, where it is not the type's: "mix-3.0GiB"
    overrides: tuple[Override, ...] = ()
    output_type: str = ""  # of output.weight; empty = as the file type has it
    embedding_type: str = ""  # of token_embd.weight
    keep_output: bool = False  # leave output.weight as it is
    can_requantise: bool = False  # allow a source that is quantised already, at a loss
    is_pure: bool = False  # one type for all tensors
    keep_split: bool = False  # as many files as the source has
    pruned_blocks: tuple[int, ...] = ()  # that are left out

    @property
    def label(self) -> str:
        """What the result is called."""
        return self.name or self.type


class Loss(Struct, frozen=True):
    """What a quantisation costs in quality, against the unquantised model on the same text.

    Kullback-Leibler divergences are in nats per token, of the reference's distribution against
    the quantised model's; `top1` is the share of tokens (0..1) at which both like the same best.
    """

    num_tokens: int
    perplexity: float
    reference_perplexity: float
    kld_mean: float
    kld_p90: float
    kld_p99: float
    kld_max: float
    top1: float
    kld_error: float = 0.0  # standard error of the mean: smaller differences say nothing
    delta_p_rms: float = 0.0  # root mean square of what the text's own tokens gained or lost


class Cost(Struct, frozen=True):
    """What a file takes: bytes on disk, bytes and seconds once it is loaded, tokens/s."""

    size_bytes: int
    load_seconds: float
    resident_bytes: int
    prefill_tokens_per_second: float
    decode_tokens_per_second: float


class Golden(Struct, frozen=True):
    """How many prompts were answered as they must be."""

    num_passed: int
    num_prompts: int

    @property
    def share(self) -> float:
        return self.num_passed / self.num_prompts if self.num_prompts else 1.0


class Evaluation(Struct, frozen=True):
    """All that was measured of one file."""

    loss: Loss
    cost: Cost
    golden: Golden = Golden(0, 0)


class Limits(Struct, frozen=True):
    """What a file must keep to; otherwise it is not released."""

    max_kld: float | None = None  # of the mean
    min_top1: float | None = None
    min_golden: float | None = None  # share, 0..1


class Made(Struct, frozen=True):
    """A file that a job made. `evaluation` is None where none was asked for; `refusal` says why it
    was not released."""

    recipe: Recipe
    path: str
    size_bytes: int
    sha256: str
    runtime: Runtime = "llama_cpp"
    evaluation: Evaluation | None = None
    refusal: str = ""
