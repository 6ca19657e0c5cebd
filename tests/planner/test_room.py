"""What memory there is for a model, and what a model takes."""

from __future__ import annotations

from msgspec.structs import replace

from edgellm.catalog.card import ModelCard, ModelFile, Shape, Variant
from edgellm.hardware.profile import Device, Memory
from edgellm.planner.footprint import MIB, Footprint, card_footprint
from edgellm.planner.room import room_at, shortage
from edgellm.planner.runtime import Place
from edgellm.types import EngineOptions

GIB = 1024 * MIB
CPU = Place("cpu")
GPU = Device("gpu", "nvidia", "G", "dedicated", 8 * GIB, 7 * GIB, ("cuda",))
SHAPE = Shape(layers=9, hidden=64, heads=1, kv_heads=1, head_dim=64, vocab=100, ffn=128)
CARD = ModelCard(
    "m", 1_000_000_000, 8192, "MIT", replace(SHAPE, kv_bytes_per_token=1000), variants=()
)
VARIANT = Variant("llama_cpp", "Q4_0", source="hf:o/r", files=(ModelFile("f", 500_000_000),))
OPTIONS = EngineOptions(context=1000, parallel=4, cells=2000)


def test_the_reserve() -> None:
    small = room_at(CPU, Memory(2 * GIB, GIB))
    assert (small.reserve_bytes, small.main_bytes) == (256 * MIB, GIB - 256 * MIB)
    large = room_at(CPU, Memory(100 * GIB, 50 * GIB))
    assert large.main_bytes == 45 * GIB
    limited = room_at(CPU, Memory(100 * GIB, 7 * GIB, limit_bytes=8 * GIB))
    assert limited.reserve_bytes == int(0.05 * 8 * GIB)
    assert room_at(CPU, Memory(GIB, 100 * MIB)).main_bytes == 0


def test_memory_of_devices() -> None:
    memory = Memory(24 * GIB, 20 * GIB)
    assert room_at(Place("cuda", GPU), memory).device_bytes == 7 * GIB - 512 * MIB
    metal = Device("gpu", "apple", "M4", "unified", apis=("metal",))
    assert room_at(Place("metal", metal), memory).device_bytes == 16 * GIB
    limit = replace(metal, memory_bytes=20 * GIB)
    assert room_at(Place("metal", limit), memory).device_bytes == 20 * GIB
    jetson = replace(metal, apis=("cuda",))
    assert room_at(Place("cuda", jetson), memory).device_bytes is None


def test_what_is_missing() -> None:
    memory = Memory(8 * GIB, 4 * GIB)
    room = room_at(CPU, memory)
    assert shortage(Footprint(3 * GIB), CPU, room) == ""
    assert shortage(Footprint(4 * GIB), CPU, room) == (
        "needs 4.0 GiB of memory; 3.6 GiB can be used"
    )
    assert room.main_bytes is not None
    assert shortage(Footprint(room.main_bytes + 20 * MIB), CPU, room) == (
        "needs 3.62 GiB of memory; 3.60 GiB can be used"
    )
    place = Place("cuda", GPU)
    on_gpu = Footprint(GIB, dedicated=7 * GIB)
    assert shortage(on_gpu, place, room_at(place, memory)) == (
        "needs 7.0 GiB on the G, which has 6.5 GiB"
    )
    unknown = Place("cuda", replace(GPU, memory_bytes=None, available_bytes=None))
    assert "is not known" in shortage(on_gpu, unknown, room_at(unknown, memory))
    shared = Place("vulkan", replace(GPU, memory_kind="shared"))
    assert "needs 8.0 GiB of memory" in shortage(
        replace(on_gpu, dedicated=7 * GIB), shared, room_at(shared, memory)
    )


def test_a_card_takes_weights_cache_and_an_allowance() -> None:
    found = card_footprint(CARD, VARIANT, OPTIONS, 0)
    assert found.parts["weights"] == 500_000_000
    assert found.parts["cache"] == 2000 * 1000
    assert found.needed == found.total == sum(found.parts.values())
    quantised = card_footprint(CARD, VARIANT, replace(OPTIONS, kv_type="q8_0"), 0)
    assert quantised.parts["cache"] == int(2000 * 1000 * 8.5 / 16)


def test_layers_on_a_device_leave_main_memory() -> None:
    here = card_footprint(CARD, VARIANT, OPTIONS, 0)
    half = card_footprint(CARD, VARIANT, OPTIONS, 5)
    full = card_footprint(CARD, VARIANT, OPTIONS, 10)
    assert half.parts["weights"] == 250_000_000
    assert full.parts["weights"] == 0
    assert here.dedicated == 0 < half.dedicated < full.dedicated


def test_windows_and_states() -> None:
    shape = replace(CARD.shape, window=100, window_bytes=50_000, state_bytes=7)
    card = replace(CARD, shape=shape)
    every = card_footprint(card, VARIANT, OPTIONS, 0).parts["cache"]
    assert every == 2000 * (1000 + 500) + 4 * 7
    window = replace(OPTIONS, swa_cache="window")
    only = card_footprint(card, VARIANT, window, 0).parts["cache"]
    assert only == 2000 * 1000 + 4 * 50_000 + 4 * 7


def test_published_figures() -> None:
    mlc = Variant("mlc", "q4f16_1", source="hf:o/r", memory_bytes=GIB)
    assert card_footprint(CARD, mlc, OPTIONS, 10).dedicated == GIB
    more = card_footprint(CARD, mlc, replace(OPTIONS, cells=5096), 10)
    assert more.dedicated == GIB + 1000 * 1000
    hailo = Variant("hailo", "a8w4", source="https://h", expected_bytes=GIB)
    module = card_footprint(CARD, hailo, OPTIONS, 10)
    assert (module.dedicated, module.needed) == (GIB, 110 * MIB)
