"""What the families of architectures have in common: names, the usual tensors, the usual keys.

A family is one file in `families/`. It knows its architectures' names in config.json, what their
configs leave unsaid, and what must be done to a tensor so that llama.cpp reads it as meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from edgellm.errors import QuantError
from edgellm_quant.convert.checkpoint import Json
from edgellm_quant.convert.config import Config
from edgellm_quant.convert.outputs import Output, straight
from edgellm_quant.convert.stored import Stored

if TYPE_CHECKING:
    from gguf import GGUFWriter, TensorNameMap

# Parts of names: what sees and hears, and buffers that older checkpoints carry along.
_LEFT_OUT = (
    "vision_",
    "vision.",
    "visual.",
    "audio_",
    "audio.",
    "projector.",
    "patch_embed",
    "patch_merger.",
    ".rotary_emb.inv_freq",
    ".attention.bias",
    ".masked_bias",
)


class Family:
    """One family's way from a checkpoint to GGUF."""

    names: ClassVar[dict[str, str]] = {}  # in config.json -> gguf.MODEL_ARCH's
    defaults: ClassVar[Json] = {}  # that transformers fills in
    pre_of_llama3_split: ClassVar[str] = "smaug-bpe"  # without a BOS and with all merges
    pre_of_digits_split: ClassVar[str] = "starcoder"
    space_prefix: ClassVar[bool | None] = None  # None = llama.cpp's default
    has_llama_quirks: ClassVar[bool] = False  # in its tokenizer
    are_flags_literal: ClassVar[bool] = False  # control tokens are those that are marked so
    has_kv_heads_by_block: ClassVar[bool] = False

    def __init__(self, architecture: str, values: Json) -> None:
        self.architecture = architecture
        self.config = Config(values, self.defaults)
        self.check()

    def check(self) -> None:
        """Refuse what looks like this family and is not.

        Raises:
            QuantError: a kind of it that llama.cpp would read wrongly.
        """

    @property
    def arch(self) -> str:
        """The name in gguf.MODEL_ARCH."""
        return self.names[self.architecture]

    def outputs(self, tensors: dict[str, Stored]) -> Iterator[Output]:
        """All tensors of the GGUF file.

        Raises:
            QuantError: there is one that is not of this architecture, or that cannot be read.
        """
        yield from self.extra()
        for name, stored in tensors.items():
            plain = self.plain_name(name)
            if plain:
                yield from self.convert(plain, _readable(stored))

    def plain_name(self, name: str) -> str:
        """As it is called in a text model; empty = it does not belong to one."""
        if any(part in name for part in _LEFT_OUT):
            return ""
        return name.replace("language_model.", "")

    def convert(self, name: str, stored: Stored) -> Iterator[Output]:
        """The output or outputs of one stored tensor."""
        yield straight(self.gguf_name(name), stored)

    def extra(self) -> Iterator[Output]:
        """Tensors that come from config.json alone."""
        return iter(())

    def gguf_name(self, name: str) -> str:
        """llama.cpp's name.

        Raises:
            QuantError: this architecture has no such tensor.
        """
        found = self._name_map.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise QuantError(
                f"The tensor {name} has no place in {self.architecture} as llama.cpp knows it "
                f"({self.config.num_blocks} blocks).",
                "Does config.json belong to these files? Then the model is of a newer kind.",
            )
        return found

    @cached_property
    def _name_map(self) -> TensorNameMap:
        import gguf

        return gguf.get_tensor_name_map(gguf.MODEL_ARCH[self.arch], self.config.num_blocks)

    def parameters(self, writer: GGUFWriter) -> None:
        """The keys that say the model's shape."""
        add_sizes(writer, self.config)
        if self.has_kv_heads_by_block:
            writer.add_head_count_kv([self.config.num_kv_heads] * self.config.num_blocks)
        else:
            writer.add_head_count_kv(self.config.num_kv_heads)
        add_rope(writer, self.config)
        add_epsilon(writer, self.config)
        if self.config.get("head_dim"):
            add_head_size(writer, self.config.head_size)


def add_sizes(writer: GGUFWriter, config: Config) -> None:
    """Blocks, context, width, heads of queries."""
    writer.add_block_count(config.num_blocks)
    writer.add_context_length(config.number("max_position_embeddings"))
    writer.add_embedding_length(config.number("hidden_size"))
    writer.add_feed_forward_length(config.number("intermediate_size"))
    writer.add_head_count(config.num_heads)


def add_head_size(writer: GGUFWriter, size: int) -> None:
    writer.add_key_length(size)
    writer.add_value_length(size)


def add_epsilon(writer: GGUFWriter, config: Config) -> None:
    """Of the RMS norms."""
    writer.add_layer_norm_rms_eps(float(config.get("rms_norm_eps", "norm_eps")))


def add_rope(writer: GGUFWriter, config: Config) -> None:
    """How positions are turned, and how that is stretched.

    Raises:
        QuantError: it is stretched in a way that llama.cpp does not know.
    """
    add_rope_scaling(writer, config.rope)
    if "rope_theta" in config.rope:
        writer.add_rope_freq_base(float(config.rope["rope_theta"]))
    if "rope_theta" in config.local_rope:
        writer.add_rope_freq_base_swa(float(config.local_rope["rope_theta"]))


def add_rope_scaling(writer: GGUFWriter, rope: Json) -> None:
    from gguf import RopeScalingType

    kind = str(rope.get("rope_type", "default")).lower()
    match kind:
        case "default" | "llama3":  # llama3: a tensor of factors says it
            return
        case "linear":
            writer.add_rope_scaling_type(RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(_factor(rope))
        case "yarn":
            writer.add_rope_scaling_type(RopeScalingType.YARN)
            writer.add_rope_scaling_factor(_factor(rope))
            _add_yarn(writer, rope)
        case "longrope" | "su":
            writer.add_rope_scaling_type(RopeScalingType.LONGROPE)
        case _:
            raise QuantError(
                f"The rope scaling '{kind}' of config.json is not known.",
                "Without its rope_scaling, the model can be converted for its original context.",
            )


def _factor(rope: Json) -> float:
    factor = rope.get("factor")
    if not isinstance(factor, int | float):
        raise QuantError(f"The rope scaling of config.json has the factor {factor!r}.")
    return float(factor)


def _add_yarn(writer: GGUFWriter, rope: Json) -> None:
    writer.add_rope_scaling_orig_ctx_len(int(rope["original_max_position_embeddings"]))
    for key, add in (
        ("extrapolation_factor", writer.add_rope_scaling_yarn_ext_factor),
        ("attention_factor", writer.add_rope_scaling_yarn_attn_factor),
        ("beta_fast", writer.add_rope_scaling_yarn_beta_fast),
        ("beta_slow", writer.add_rope_scaling_yarn_beta_slow),
    ):
        if rope.get(key) is not None:
            add(float(rope[key]))


def _readable(stored: Stored) -> Stored:
    if not stored.is_float:
        raise QuantError(
            f"The tensor {stored.name} is stored as {stored.dtype}; F32, F16 and BF16 are read.",
            "Take the original repository: this one is quantised already.",
        )
    return stored
