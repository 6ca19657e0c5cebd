"""A model's facts from its GGUF header.

Which layers keep keys and values, and which a recurrent state, is read off their tensors rather
than off a list of architectures. The rest follows llama.cpp's hyperparameters (`llama-hparams.cpp`
and `load_arch_hparams` of each model). Not known: the caches of sparse attention's indexers
(DeepSeek 3.2, GLM 5), which no edge model has.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from edgellm.errors import ModelFileError
from edgellm.planner.facts import Layer, ModelFacts, Place, Weight
from edgellm.store.gguf_header import GGUFHeader, LongArray, TensorInfo

# Every n-th layer sees the whole context, the others a window, where the file does not say which
# (`load_swa_pattern` in llama.cpp's models). Other architectures have no window there, even if
# their files mention one.
WINDOW_PERIODS = {
    "afmoe": 4,
    "cohere2": 4,
    "exaone-moe": 4,
    "exaone4": 4,
    "gemma-embedding": 6,
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "llama4": 4,
    "mellum": 4,
    "olmo2": 4,
    "plamo3": 8,
    "smallthinker": 4,
}
_FULL_FIRST = frozenset({"smallthinker"})  # the n-th layers are counted from the first one
_BLOCK = re.compile(r"^blk\.(\d+)\.(\w+)")
_RECURRENT = ("ssm_", "shortcon", "time_mix_")
_LOOKED_UP = ("token_embd", "per_layer_token_embd", "position_embd", "token_types")
_NOT_MULTIPLIED = ("conv1d", "shortconv.conv.", "ssm_a", "ssm_d", "_norm", ".bias", "attn_sinks")


def facts_of_header(header: GGUFHeader) -> ModelFacts:
    """The facts of a language model.

    Raises:
        ModelFileError: the header lacks what every language model has.
    """
    keys = _Keys(header)
    num_layers = keys.need("block_count") - keys.number("nextn_predict_layers")
    names = _names_by_layer(header.tensors)
    vocab = _vocab(header, keys)
    layers = tuple(_layer(keys, index, num_layers, names[index]) for index in range(num_layers))
    used = [layer.num_used_experts for layer in layers]
    idle = 1 - max(used, default=0) / max(1, keys.number("expert_count"))
    is_tied = not any(tensor.name == "output.weight" for tensor in header.tensors)
    is_causal = bool(keys.number("attention.causal", default=1))
    weights = tuple(_weight(t, num_layers, idle, is_tied=is_tied) for t in header.tensors)
    return ModelFacts(
        architecture=header.architecture,
        width=keys.need("embedding_length"),
        vocab=vocab,
        context=keys.number("context_length"),
        layers=layers,
        weights=weights,
        window=_window(keys),
        experts=keys.number("expert_count"),
        num_merges=_count(header, "tokenizer.ggml.merges"),
        writes=is_causal and keys.number("pooling_type") <= 0,
        is_causal=is_causal,
    )


class _Keys:
    """The metadata of the header's architecture: numbers, some of them one for each layer."""

    def __init__(self, header: GGUFHeader) -> None:
        self._metadata = header.metadata
        self.architecture = header.architecture

    def need(self, key: str) -> int:
        value = self.number(key)
        if value <= 0:
            raise ModelFileError(
                f"The file does not say {self.architecture or 'general'}.{key}: it is no language "
                "model, or an adapter or a projector of one.",
                "Choose the model's own GGUF file.",
            )
        return value

    def number(self, key: str, default: int = 0, layer: int = 0) -> int:
        value = self._metadata.get(f"{self.architecture}.{key}", default)
        if isinstance(value, tuple):
            value = value[layer] if layer < len(value) else default
        return int(value) if isinstance(value, int | float) else default

    def has(self, key: str) -> bool:
        return f"{self.architecture}.{key}" in self._metadata

    def is_array(self, key: str) -> bool:
        return isinstance(self._metadata.get(f"{self.architecture}.{key}"), tuple)


def _count(header: GGUFHeader, key: str) -> int:
    value = header.metadata.get(key)
    if isinstance(value, LongArray):
        return value.count
    return len(value) if isinstance(value, tuple) else 0


def _vocab(header: GGUFHeader, keys: _Keys) -> int:
    """Rows of the embedding: some files say nothing else of a vocabulary's size."""
    rows = next((t.shape[-1] for t in header.tensors if t.name == "token_embd.weight"), 0)
    return rows or keys.number("vocab_size") or _count(header, "tokenizer.ggml.tokens")


def _names_by_layer(tensors: Iterable[TensorInfo]) -> dict[int, list[str]]:
    names: dict[int, list[str]] = defaultdict(list)
    for tensor in tensors:
        if match := _BLOCK.match(tensor.name):
            names[int(match[1])].append(match[2])
    return names


def _layer(keys: _Keys, index: int, num_layers: int, names: list[str]) -> Layer:
    has_window = _has_window(keys, index)
    is_recurrent = any(name.startswith(_RECURRENT) for name in names)
    has_attention = "attn_output" in names or not is_recurrent
    num_own = num_layers - keys.number("attention.shared_kv_layers")
    keeps = has_attention and index < num_own and keys.number("attention.causal", default=1)
    heads = keys.number("attention.head_count", layer=index) if has_attention else 0
    kv_heads = keys.number("attention.head_count_kv", heads, index) if keeps else 0
    lengths = [_head_length(keys, kind, has_window=has_window) for kind in ("key", "value")]
    if keys.has("attention.key_length_mla"):
        lengths[1] = 0  # values are computed from what is kept as keys
    used = keys.number("expert_used_count", layer=index) if "ffn_gate_inp" in names else 0
    return Layer(
        heads=heads,
        kv_heads=kv_heads,
        key_length=lengths[0],
        value_length=lengths[1],
        ffn=_ffn(keys, index, used),
        num_used_experts=used,
        has_window=has_window,
        state_values=_state_values(keys) if is_recurrent else 0,
    )


def _ffn(keys: _Keys, index: int, num_used_experts: int) -> int:
    dense = keys.number("feed_forward_length", layer=index)
    if not num_used_experts:
        return dense
    expert = keys.number("expert_feed_forward_length", dense, index)
    return num_used_experts * expert + keys.number("expert_shared_feed_forward_length")


def _head_length(keys: _Keys, kind: str, *, has_window: bool) -> int:
    heads = max(1, keys.number("attention.head_count"))
    whole = keys.number(f"attention.{kind}_length", keys.number("embedding_length") // heads)
    return keys.number(f"attention.{kind}_length_swa", whole) if has_window else whole


def _window(keys: _Keys) -> int:
    knows = keys.architecture in WINDOW_PERIODS or keys.is_array("attention.sliding_window_pattern")
    return keys.number("attention.sliding_window") if knows else 0


def _has_window(keys: _Keys, index: int) -> bool:
    if not _window(keys):
        return False
    key = "attention.sliding_window_pattern"
    if keys.is_array(key):
        return bool(keys.number(key, layer=index))
    period = keys.number(key, WINDOW_PERIODS.get(keys.architecture, 0))
    if period <= 0:
        return True
    whole = 0 if keys.architecture in _FULL_FIRST else period - 1
    return index % period != whole


def _state_values(keys: _Keys) -> int:
    """`n_embd_r` and `n_embd_s` of llama.cpp: what a convolution looks back on, and the state."""
    width = keys.number("embedding_length")
    if keys.has("wkv.head_size"):
        return width * (keys.number("token_shift_count", 2) + keys.number("wkv.head_size"))
    if keys.has("shortconv.l_cache"):
        return width * (keys.number("shortconv.l_cache") - 1)
    inner, state = keys.number("ssm.inner_size"), keys.number("ssm.state_size")
    looks_back = max(0, keys.number("ssm.conv_kernel") - 1)
    return looks_back * (inner + 2 * keys.number("ssm.group_count") * state) + inner * state


def _weight(tensor: TensorInfo, num_layers: int, idle: float, *, is_tied: bool) -> Weight:
    """`idle`: the share of the experts that a token does not use."""
    match = _BLOCK.match(tensor.name)
    is_multiplied = _is_multiplied(tensor, is_tied=is_tied)
    layer = int(match[1]) if match else -1
    return Weight(
        name=tensor.name,
        type=tensor.type,
        shape=tensor.shape,
        size_bytes=tensor.size_bytes,
        place=_place(tensor.name, layer, num_layers),
        layer=layer,
        offset=tensor.offset,
        part=tensor.part,
        is_multiplied=is_multiplied,
        read_share=_read_share(tensor, idle, is_multiplied=is_multiplied),
    )


def _read_share(tensor: TensorInfo, idle: float, *, is_multiplied: bool) -> float:
    if tensor.name.startswith(_LOOKED_UP) and not is_multiplied:
        return 1 / max(1, tensor.shape[-1])
    return 1 - idle if "_exps." in tensor.name else 1.0


def _place(name: str, layer: int, num_layers: int) -> Place:
    if layer >= num_layers:
        return "unused"  # layers that predict several tokens at once are not loaded
    if layer >= 0:
        return "layer"
    return "input" if name.startswith(_LOOKED_UP) else "output"


def _is_multiplied(tensor: TensorInfo, *, is_tied: bool) -> bool:
    if tensor.name == "token_embd.weight":
        return is_tied  # it is looked up, and multiplied only as the output
    if tensor.name.startswith(_LOOKED_UP) or any(part in tensor.name for part in _NOT_MULTIPLIED):
        return False
    return len(tensor.shape) in (2, 3) and tensor.shape[1] > 1
