"""The estimate against llama.cpp's own sizes, and how its parts follow from the options."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from benches.synthetic import synthetic_model
from edgellm.catalog.card import ModelFile, Variant
from edgellm.hardware.native import NativeBuild, probe_native
from edgellm.hardware.spare import LEAST_BYTES, MOST_BYTES
from edgellm.planner.compute import compute_bytes
from edgellm.planner.facts import Layer, ModelFacts, Weight
from edgellm.planner.header_facts import facts_of_header
from edgellm.planner.memory import (
    ENGINE_BYTES,
    MIB,
    SERVER_BYTES,
    Breakdown,
    Environment,
    estimate,
    kv_bytes,
    limits_of,
    published,
)
from edgellm.store.gguf_header import read_header
from edgellm.types import EngineOptions

GIB = 1024 * MIB
NORM = 2048  # bytes
LOAD = """
import json, sys
from edgellm.backends import load_backend
from edgellm.types import EngineOptions
options = EngineOptions(**json.loads(sys.argv[2]))
load_backend("llama_cpp", sys.argv[1], options, lambda _: None).close()
"""
_BUFFER = re.compile(r"(CPU[\w ]*?)\s+buffer size\s*=\s*([\d.]+) MiB")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def device() -> Environment:
    build = probe_native()
    assert isinstance(build, NativeBuild)
    return Environment(features=build.features)


def buffers(path: Path, options: dict[str, object]) -> dict[str, float]:
    """MiB by llama.cpp's name of the buffer; two of a name are added up."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(path), json.dumps(options)],
        env={**os.environ, "EDGELLM_LOG_LEVEL": "debug"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = {}
    for name, size in _BUFFER.findall(done.stderr):
        found[name] = found.get(name, 0) + float(size)
    return found


CASES = [
    ("tiny", "Q4_0", {"context": 1024, "parallel": 2, "kv_type": "q8_0"}),
    ("tiny", "Q4_K_M", {"context": 700, "parallel": 3, "repack": False}),
    ("tiny-gemma", "Q4_0", {"context": 4096, "parallel": 2, "swa_cache": "window"}),
    ("tiny-gemma", "Q4_K_M", {"context": 2048, "parallel": 1}),
    ("tiny-moe", "Q4_K_M", {"context": 2048, "parallel": 4, "batch_tokens": 256}),
    ("tiny-moe", "Q4_0", {"context": 2048, "parallel": 1, "flash_attention": "off"}),
]


@pytest.mark.parametrize(("shape", "quant", "options"), CASES)
def test_buffers_are_as_large_as_llama_cpp_makes_them(
    shape: str, quant: str, options: dict[str, object], folder: Path, device: Environment
) -> None:
    path = synthetic_model(shape, quant, folder=folder)
    predicted = estimate(facts_of_header(read_header(path)), EngineOptions(**options), device)  # type: ignore[arg-type]
    real = buffers(path, options)
    assert predicted.kv / MIB == pytest.approx(real["CPU KV"], abs=0.02)
    assert predicted.logits / MIB == pytest.approx(real["CPU  output"], abs=0.02)
    assert predicted.repacked / MIB == pytest.approx(real.get("CPU_REPACK model", 0), abs=0.02)
    assert predicted.weights / MIB == pytest.approx(real["CPU_Mapped model"], abs=0.02)
    assert -0.1 < predicted.compute / MIB - real["CPU compute"] < 4  # with the kernels' own space


def dense(num_layers: int = 4, **changes: object) -> ModelFacts:
    layer = Layer(heads=8, kv_heads=2, key_length=64, value_length=64, ffn=2048)
    names = (("token_embd", "input", -1), ("output", "output", -1))
    weights = [
        Weight(f"{name}.weight", "Q6_K", (512, 1024), 430_080, place, layer_, n * 430_080)  # type: ignore[arg-type]
        for n, (name, place, layer_) in enumerate(names)
    ]
    weights += [
        Weight(f"blk.{n}.ffn_up.weight", "Q4_0", (512, 2048), 589_824, "layer", n, MIB * (n + 1))
        for n in range(num_layers)
    ]
    end = MIB * (num_layers + 1)
    weights.append(Weight("output_norm.weight", "F32", (512,), NORM, "output", -1, end, 0, False))
    facts = ModelFacts("llama", 512, 1024, 8192, (layer,) * num_layers, tuple(weights))
    return replace(facts, **changes)


AVX2 = Environment(features=("avx2",), available_bytes=8 * GIB)
PLAIN = EngineOptions(context=1024, parallel=2, cache_ram=16)


def test_the_total_is_the_sum_of_what_lies_in_main_memory() -> None:
    found = estimate(dense(), PLAIN, AVX2, projector_bytes=7 * MIB)
    parts = {
        name: getattr(found, name)
        for name in found.__struct_fields__
        if name not in ("dedicated", "reclaimable")
    }
    assert all(size >= 0 for size in parts.values())
    assert found.total == sum(parts.values())
    assert found.needed == found.total - found.reclaimable
    assert found.projector == 7 * MIB
    assert found.host_cache == 16 * MIB
    assert found.dedicated == 0


def test_keys_and_values_by_type_and_cells() -> None:
    two = EngineOptions(context=1024, parallel=2)
    assert estimate(dense(), two, AVX2).kv == 4 * 2048 * 2 * 128 * 2
    four = replace(two, kv_type="q4_0")
    assert estimate(dense(), four, AVX2).kv == 4 * 2048 * 2 * 128 // 32 * 18
    fewer = replace(two, cells=1025)
    assert estimate(dense(), fewer, AVX2).kv == 4 * 1280 * 2 * 128 * 2  # in steps of 256
    assert kv_bytes(Layer(kv_heads=1, key_length=576), 10, "f16") == 11_520  # keys only


def test_a_window_cache_is_shorter_and_as_long_as_the_batch_asks() -> None:
    layer = replace(dense().layers[0], has_window=True)
    facts = dense(layers=(layer, *dense().layers[1:]), window=64)
    options = EngineOptions(context=4096, parallel=2, swa_cache="window")
    one = 2 * 128 * 2  # bytes of a cell in one layer
    limits = limits_of(facts, options)
    assert (limits.can_cut, limits.num_slots) == (False, 2)
    assert estimate(facts, options, AVX2).kv == one * (3 * 8192 + 768)  # 2 * 64 + 512, padded
    whole = replace(options, swa_cache="full")
    assert limits_of(facts, whole).can_cut
    assert estimate(facts, whole, AVX2).kv == one * 4 * 8192


def test_a_recurrent_state_is_kept_for_each_sequence() -> None:
    layers = (Layer(state_values=1000), *dense().layers[1:])
    found = estimate(dense(layers=layers), PLAIN, AVX2)
    assert found.state == 2 * 4 * 1000
    assert found.kv == 3 * 2048 * 2 * 128 * 2


def test_copies_for_the_cpu_leave_originals_that_can_be_dropped() -> None:
    found = estimate(dense(), PLAIN, AVX2)
    assert found.repacked == found.reclaimable == 4 * 589_824
    assert found.weights == 5 * MIB + 4096  # the norm lies behind them
    for other in (
        estimate(dense(), replace(PLAIN, repack=False), AVX2),
        estimate(dense(), PLAIN, Environment()),
        estimate(dense(), PLAIN, AVX2, gpu_layers=1),
    ):
        assert other.repacked == other.reclaimable == 0


def test_a_tied_embedding_is_copied_but_still_looked_up() -> None:
    arm = Environment(features=("neon", "dotprod"))
    tied = tuple(w for w in dense().weights if w.name != "output.weight")
    found = estimate(dense(weights=tied), PLAIN, arm)
    assert found.repacked == 430_080 + 4 * 589_824
    assert found.reclaimable == 4 * 589_824


def test_layers_on_a_gpu_take_their_caches_along() -> None:
    alone = estimate(dense(), PLAIN, Environment())
    half = estimate(dense(), PLAIN, Environment(), gpu_layers=3)  # two layers and the output
    assert half.kv == alone.kv // 2
    assert half.dedicated == alone.kv // 2 + 2 * 589_824 + 430_080 + NORM + alone.compute
    assert half.weights < alone.weights
    every = estimate(dense(), PLAIN, Environment(), gpu_layers=99)
    assert every.kv == 0
    assert every.weights == 430_080 // 4096 * 4096  # the embedding alone
    assert every.dedicated == alone.kv + 4 * 589_824 + 430_080 + NORM + alone.compute
    assert every.total < half.total < alone.total


def test_a_tied_output_is_a_copy_on_the_gpu() -> None:
    tied = tuple(w for w in dense().weights if w.name != "output.weight")
    alone = estimate(dense(weights=tied), PLAIN, Environment())
    found = estimate(dense(weights=tied), PLAIN, Environment(), gpu_layers=1)
    assert found.dedicated == 430_080 + NORM + alone.compute


def test_what_is_left_of_a_split_file_is_counted_by_file() -> None:
    weights = tuple(replace(w, part=n % 2, offset=0) for n, w in enumerate(dense().weights))
    found = estimate(dense(weights=weights), PLAIN, Environment())
    assert found.weights == 2 * 589_824


def test_a_draft_model_has_all_of_its_own() -> None:
    found = estimate(dense(), PLAIN, AVX2, draft=dense(num_layers=2))
    alone = estimate(dense(num_layers=2), PLAIN, AVX2)
    assert found.draft == alone.total - alone.host_cache - SERVER_BYTES - ENGINE_BYTES
    assert found.total == estimate(dense(), PLAIN, AVX2).total + found.draft


@pytest.mark.parametrize(
    ("available", "expected"),
    [(None, LEAST_BYTES), (0, LEAST_BYTES), (64 * GIB, MOST_BYTES)],
)
def test_the_host_cache_takes_a_part_of_what_is_left(available: int | None, expected: int) -> None:
    options = replace(PLAIN, cache_ram=0)
    large = dense(weights=(replace(dense().weights[0], size_bytes=GIB),))
    assert estimate(large, options, Environment((), available)).host_cache == expected


def test_the_host_cache_suits_the_model() -> None:
    options, plenty = replace(PLAIN, cache_ram=0), Environment((), 64 * GIB)
    weights = (replace(dense().weights[0], size_bytes=100 * MIB),)
    assert estimate(dense(weights=weights), options, plenty).host_cache == 400 * MIB
    assert estimate(dense(), options, plenty).host_cache == LEAST_BYTES


@pytest.mark.parametrize("field", ["context", "parallel", "cells", "batch_tokens", "cache_ram"])
def test_more_of_anything_is_never_less(field: str) -> None:
    least = EngineOptions(context=512, parallel=1, cells=512, batch_tokens=64, cache_ram=1)
    sizes = [
        estimate(dense(), replace(least, **{field: getattr(least, field) * n}), AVX2).total
        for n in (1, 2, 16, 100)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_scores_without_flash_attention_are_kept_for_all_cells() -> None:
    off = replace(PLAIN, context=8192, flash_attention="off")
    limits = limits_of(dense(), off)
    least = 4 * 8 * 16_384 * 512  # a score for each head, cell and token
    assert compute_bytes(dense(), off, limits) > least
    assert compute_bytes(dense(), replace(off, flash_attention="auto"), limits) < least


# llama.cpp's own "compute buffer size" in MiB, of loads without allocation (`no_alloc`), at 512
# tokens in a step: layers, width, heads, KV heads, head length, ffn, experts used, vocabulary,
# then slots, cells, size.
SIZES = [
    ("Qwen3 1.7B", 28, 2048, 16, 8, 128, 6144, 0, 151_936, 34, 4096, 59.51),
    ("Qwen3 8B", 36, 4096, 32, 8, 128, 12_288, 0, 151_936, 41, 131_072, 241.53),
    ("Llama 3.2 1B", 16, 2048, 32, 8, 64, 8192, 0, 128_256, 41, 32_768, 99.95),
    ("SmolLM2 135M", 30, 576, 9, 3, 64, 1536, 0, 49_152, 34, 4096, 18.61),
    ("Granite 1B A400M", 24, 1024, 16, 8, 64, 4096, 8, 49_155, 34, 4096, 38.26),
    ("8 of 16 narrow experts", 4, 2048, 32, 4, 128, 6144, 8, 49_155, 41, 32_768, 124.93),
    ("2 of 16 wide experts", 4, 2048, 16, 4, 128, 4096, 2, 49_155, 41, 32_768, 74.97),
]


@pytest.mark.parametrize("case", SIZES, ids=lambda case: case[0])
def test_compute_buffers_of_real_shapes(case: tuple[object, ...]) -> None:
    _, count, width, heads, kv_heads, length, ffn, used, vocab, slots, cells, real = case
    layer = Layer(heads, kv_heads, length, length, ffn, used)  # type: ignore[arg-type]
    facts = ModelFacts("llama", width, vocab, 8192, (layer,) * count, ())  # type: ignore[arg-type,operator]
    options = EngineOptions(parallel=slots - 33, cells=cells, context=64)  # type: ignore[operator,arg-type]
    found = compute_bytes(facts, options, limits_of(facts, options)) / MIB
    work = 544 * ffn * 292 / 256 / MIB  # type: ignore[operator]
    assert found - work == pytest.approx(real, rel=0.01)  # type: ignore[arg-type]


def test_other_runtimes_have_their_makers_figures() -> None:
    file = ModelFile("model.hef", 2_000_000_000)
    hailo = published(Variant(backend="hailo", quant="a8w4", files=(file,)))
    assert hailo is not None
    assert (hailo.dedicated, hailo.weights) == (2_000_000_000, 0)
    mlc = published(Variant(backend="mlc", quant="q4f16_1", memory_bytes=711_000_000))
    assert mlc is not None
    assert mlc.total > 711_000_000
    assert published(Variant(backend="ort_genai", quant="int4")) is None


def test_nothing_takes_nothing() -> None:
    assert Breakdown().total == Breakdown().needed == 0
