"""Granite 3 and the dense ones of Granite 4: Llama with multipliers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from edgellm.errors import QuantError
from edgellm_quant.convert.checkpoint import Json
from edgellm_quant.convert.families.llama import Llama
from edgellm_quant.convert.outputs import Output, rows, straight
from edgellm_quant.convert.stored import Stored

if TYPE_CHECKING:
    from gguf import GGUFWriter


class Granite(Llama):
    """`head_dim` is not a key of llama.cpp's granite."""

    names: ClassVar[dict[str, str]] = {"GraniteForCausalLM": "GRANITE"}
    defaults: ClassVar[Json] = {
        **Llama.defaults,
        "attention_multiplier": 1.0,
        "embedding_multiplier": 1.0,
        "residual_multiplier": 1.0,
        "logits_scaling": 1.0,
    }
    pre_of_llama3_split = "dbrx"
    pre_of_digits_split = "refact"
    has_head_size_key = False

    def __init__(self, architecture: str, values: Json) -> None:
        super().__init__(architecture, values)
        self.config.values.pop("head_dim", None)

    def parameters(self, writer: GGUFWriter) -> None:
        super().parameters(writer)
        for key, add in (
            ("attention_multiplier", writer.add_attention_scale),
            ("embedding_multiplier", writer.add_embedding_scale),
            ("residual_multiplier", writer.add_residual_scale),
            ("logits_scaling", writer.add_logit_scale),
        ):
            if self.config.get(key):
                add(float(self.config.get(key)))


class Granite4(Granite):
    """Granite 4 whose layers are all attention: the hybrid's config and names, a plain model."""

    names: ClassVar[dict[str, str]] = {"GraniteMoeHybridForCausalLM": "GRANITE"}
    has_llama_quirks = False
    has_kv_heads_by_block = True

    def check(self) -> None:
        kinds = set(self.config.get("layer_types") or ["mamba"])
        has_experts = self.config.get("num_experts_per_tok") or self.config.get("num_local_experts")
        if kinds - {"attention", "full_attention"} or has_experts:
            what = "experts" if has_experts else "state-space layers (Mamba)"
            raise QuantError(
                f"This Granite 4 has {what}; only the dense ones are converted here.",
                "Convert it with llama.cpp's convert_hf_to_gguf.py, or fetch a GGUF "
                "(repositories that end in -GGUF).",
            )

    def convert(self, name: str, stored: Stored) -> Iterator[Output]:
        base = name.removesuffix("shared_mlp.input_linear.weight") + "mlp."
        if name.endswith("shared_mlp.input_linear.weight"):
            half = stored.num_rows // 2
            yield rows(self.gguf_name(base + "gate_proj.weight"), stored, 0, half)
            yield rows(self.gguf_name(base + "up_proj.weight"), stored, half, 2 * half)
        elif name.endswith("shared_mlp.output_linear.weight"):
            plain = name.replace("shared_mlp.output_linear", "mlp.down_proj")
            yield straight(self.gguf_name(plain), stored)
        else:
            yield from super().convert(name, stored)

    def parameters(self, writer: GGUFWriter) -> None:
        """With what llama.cpp's converter leaves of the hybrid; its granite reads none of it but
        the heads and whether positions are turned."""
        super().parameters(writer)
        config = self.config
        writer.add_expert_count(0)
        writer.add_expert_used_count(0)
        writer.add_expert_shared_feed_forward_length(config.number("shared_intermediate_size"))
        writer.add_ssm_conv_kernel(config.number("mamba_d_conv"))
        writer.add_ssm_state_size(config.number("mamba_d_state"))
        writer.add_ssm_group_count(config.number("mamba_n_groups"))
        width = config.number("hidden_size") * config.number("mamba_expand")
        writer.add_ssm_inner_size(width)
        writer.add_ssm_time_step_rank(config.number("mamba_n_heads"))
        writer.add_rope_scaling_finetuned(True)
