"""Facts from headers: architectures whose caches differ, in the words that their files use.

The expected sizes are those of `models.yaml`'s sources and of llama.cpp's own log.
"""

from __future__ import annotations

import pytest

from edgellm.assets import builtin_model
from edgellm.errors import ModelFileError
from edgellm.planner.facts import ModelFacts
from edgellm.planner.header_facts import facts_of_header
from edgellm.planner.memory import kv_bytes
from edgellm.store.gguf_header import GGUFHeader, LongArray, TensorInfo, Value, read_header

ATTENTION = ("attn_q", "attn_k", "attn_v", "attn_output")


def header(architecture: str, layers: dict[int, tuple[str, ...]], **metadata: Value) -> GGUFHeader:
    """A file with these tensors in its layers; keys of the architecture, with __ for dots."""
    named = {key.replace("__", "."): value for key, value in metadata.items()}
    tensors = [TensorInfo("token_embd.weight", "F16", (64, 100), 12_800, 0)]
    for layer, names in layers.items():
        tensors += [
            TensorInfo(f"blk.{layer}.{name}.weight", "F16", (64, 64), 8192, 0) for name in names
        ]
    return GGUFHeader(
        version=3,
        metadata={
            "general.architecture": architecture,
            f"{architecture}.block_count": len(layers),
            f"{architecture}.embedding_length": 1024,
            **{f"{architecture}.{key}": value for key, value in named.items()},
            "tokenizer.ggml.merges": LongArray(90, 900),
        },
        tensors=tuple(tensors),
        data_offset=0,
    )


def plain(count: int) -> dict[int, tuple[str, ...]]:
    return dict.fromkeys(range(count), ATTENTION)


def kv_per_token(facts: ModelFacts) -> list[int]:
    return [kv_bytes(layer, 1, "f16") for layer in facts.layers]


def test_the_built_in_model() -> None:
    facts = facts_of_header(read_header(builtin_model()))
    assert (facts.width, facts.vocab, len(facts.layers), facts.context) == (256, 4096, 7, 2048)
    assert sum(kv_per_token(facts)) == 3584
    assert facts.weight_bytes == read_header(builtin_model()).tensor_bytes
    assert facts.is_tied
    assert not facts.is_recurrent
    assert not facts.has_window


def test_heads_share_keys_and_have_their_own_length() -> None:
    keys = {"attention__head_count": 16, "attention__head_count_kv": 8}
    lengths = {"attention__key_length": 128, "attention__value_length": 128}
    facts = facts_of_header(header("qwen3", plain(28), **keys, **lengths))
    assert sum(kv_per_token(facts)) == 114_688  # Qwen3 0.6B
    without = facts_of_header(header("llama", plain(2), **keys))
    assert kv_per_token(without) == [2 * 2 * 8 * 64] * 2  # the width by the heads
    assert without.num_merges == 90
    assert without.vocab == 100


def test_each_layer_may_have_its_own_heads() -> None:
    keys: dict[str, Value] = {
        "attention__head_count": (8, 16),
        "attention__head_count_kv": (2, 4),
        "feed_forward_length": (100, 200),
        "attention__key_length": 64,
        "attention__value_length": 64,
    }
    facts = facts_of_header(header("openelm", plain(2), **keys))
    assert [layer.kv_heads for layer in facts.layers] == [2, 4]
    assert [layer.ffn for layer in facts.layers] == [100, 200]
    assert kv_per_token(facts) == [512, 1024]


WINDOW: dict[str, Value] = {"attention__sliding_window": 512, "attention__head_count": 4}


@pytest.mark.parametrize(
    ("architecture", "pattern", "whole"),
    [
        ("gemma3", None, [5, 11]),
        ("gemma2", None, [1, 3, 5, 7, 9, 11]),
        ("smallthinker", None, [0, 4, 8]),
        ("gemma3", 4, [3, 7, 11]),
        ("gemma4", (True, True, False) * 4, [2, 5, 8, 11]),
        ("phi3", None, list(range(12))),  # its files mention a window that llama.cpp ignores
    ],
)
def test_which_layers_have_a_window(
    architecture: str, pattern: Value | None, whole: list[int]
) -> None:
    more = {} if pattern is None else {"attention__sliding_window_pattern": pattern}
    facts = facts_of_header(header(architecture, plain(12), **WINDOW, **more))
    assert [n for n, layer in enumerate(facts.layers) if not layer.has_window] == whole
    assert facts.has_window == (len(whole) < 12)


def test_layers_with_a_window_may_have_shorter_heads() -> None:
    keys: dict[str, Value] = {
        "attention__key_length": 512,
        "attention__value_length": 512,
        "attention__key_length_swa": 256,
        "attention__value_length_swa": 256,
        "attention__sliding_window_pattern": (True, False),
    }
    facts = facts_of_header(header("gemma4", plain(2), **WINDOW, **keys))
    assert [layer.key_length for layer in facts.layers] == [256, 512]


def test_the_last_layers_may_use_the_caches_of_others() -> None:
    keys: dict[str, Value] = {"attention__head_count": 8, "attention__shared_kv_layers": 3}
    facts = facts_of_header(header("gemma3n", plain(5), **keys))
    assert [layer.kv_heads > 0 for layer in facts.layers] == [True, True, False, False, False]
    assert all(layer.heads for layer in facts.layers)


def test_an_encoder_keeps_nothing() -> None:
    keys: dict[str, Value] = {"attention__head_count": 12, "attention__causal": False}
    facts = facts_of_header(header("bert", plain(2), **keys))
    assert [layer.heads for layer in facts.layers] == [12, 12]
    assert kv_per_token(facts) == [0, 0]


def test_compressed_attention_keeps_keys_only() -> None:
    keys: dict[str, Value] = {
        "attention__head_count": 16,
        "attention__head_count_kv": 1,
        "attention__key_length": 576,
        "attention__value_length": 512,
        "attention__key_length_mla": 192,
        "attention__value_length_mla": 128,
    }
    facts = facts_of_header(header("deepseek2", plain(27), **keys))
    assert kv_per_token(facts) == [1152] * 27  # DeepSeek V2 Lite


def test_convolutions_keep_a_little_and_attention_the_rest() -> None:
    short = ("shortconv.conv", "shortconv.in_proj", "shortconv.out_proj")
    kinds = [2, 5, 8, 10, 12, 14]  # LFM2 350M's layers of attention
    layers = {n: ATTENTION if n in kinds else short for n in range(16)}
    keys: dict[str, Value] = {
        "attention__head_count": 16,
        "attention__head_count_kv": tuple(8 if n in kinds else 0 for n in range(16)),
        "shortconv__l_cache": 3,
    }
    facts = facts_of_header(header("lfm2", layers, **keys))
    assert sum(kv_per_token(facts)) == 6 * 2 * 2 * 8 * 64
    assert [layer.state_values for layer in facts.layers[:3]] == [2048, 2048, 0]
    assert facts.is_recurrent


def test_gated_delta_layers_keep_a_state() -> None:
    linear = ("attn_qkv", "attn_gate", "ssm_conv1d", "ssm_a", "ssm_out")
    layers = {n: ATTENTION if n % 4 == 3 else linear for n in range(24)}
    keys: dict[str, Value] = {
        "attention__head_count": 8,
        "attention__head_count_kv": 2,
        "attention__key_length": 256,
        "attention__value_length": 256,
        "ssm__conv_kernel": 4,
        "ssm__inner_size": 2048,
        "ssm__state_size": 128,
        "ssm__group_count": 16,
    }
    facts = facts_of_header(header("qwen35", layers, **keys))
    assert sum(kv_per_token(facts)) == 12_288  # Qwen3.5 0.8B
    assert 4 * sum(layer.state_values for layer in facts.layers) == 20_201_472


def test_attention_beside_a_state_in_one_layer() -> None:
    layers = {0: (*ATTENTION, "ssm_in", "ssm_out")}
    keys: dict[str, Value] = {
        "attention__head_count": 8,
        "ssm__conv_kernel": 4,
        "ssm__inner_size": 16,
        "ssm__state_size": 8,
        "ssm__group_count": 1,
    }
    (layer,) = facts_of_header(header("falcon-h1", layers, **keys)).layers
    assert layer.kv_heads == 8
    assert layer.state_values == 3 * (16 + 2 * 8) + 16 * 8


def test_layers_that_predict_further_are_not_counted() -> None:
    keys: dict[str, Value] = {"attention__head_count": 8, "nextn_predict_layers": 1}
    facts = facts_of_header(header("glm4moe", plain(4), **keys))
    assert len(facts.layers) == 3
    assert {w.place for w in facts.weights if w.layer == 3} == {"unused"}


def test_experts_that_one_token_uses() -> None:
    names = (*ATTENTION, "ffn_gate_inp", "ffn_up_exps")
    keys: dict[str, Value] = {
        "attention__head_count": 16,
        "expert_count": 32,
        "expert_used_count": 8,
        "feed_forward_length": 512,
        "expert_shared_feed_forward_length": 256,
    }
    layers = {0: ATTENTION, 1: names}
    facts = facts_of_header(header("granitemoe", layers, **keys))
    assert [layer.ffn for layer in facts.layers] == [512, 8 * 512 + 256]
    assert [layer.num_used_experts for layer in facts.layers] == [0, 8]


@pytest.mark.parametrize("key", ["block_count", "embedding_length"])
def test_what_is_no_language_model_is_refused(key: str) -> None:
    with pytest.raises(ModelFileError, match=f"clip.{key}") as caught:
        facts_of_header(header("clip", plain(1), **{key: 0}))
    assert "own GGUF" in caught.value.hint
