"""Which weights get a second copy, by type, shape and CPU."""

from __future__ import annotations

import pytest

from edgellm.hardware.profile import Feature
from edgellm.planner.facts import Weight
from edgellm.planner.repack import is_repacked

PI4: tuple[Feature, ...] = ("neon",)
PI5: tuple[Feature, ...] = ("neon", "dotprod")
ORIN: tuple[Feature, ...] = ("neon", "dotprod", "fp16")
N100: tuple[Feature, ...] = ("avx", "avx2", "fma", "f16c")
SERVER: tuple[Feature, ...] = (*N100, "avx512", "avx512_vnni")
AMX: tuple[Feature, ...] = (*SERVER, "amx_int8")


def weight(kind: str, *shape: int, is_multiplied: bool = True) -> Weight:
    return Weight("blk.0.x.weight", kind, shape, 0, "layer", 0, is_multiplied=is_multiplied)


@pytest.mark.parametrize(
    ("kind", "features", "expected"),
    [
        ("Q4_0", PI4, False),
        ("Q4_0", PI5, True),
        ("Q8_0", PI5, True),
        ("Q8_0", N100, False),
        ("Q8_0", AMX, True),
        ("Q4_K", N100, True),
        ("Q4_K", ORIN, True),
        ("Q5_K", N100, False),
        ("Q5_K", ORIN, True),
        ("Q6_K", SERVER, False),
        ("Q6_K", ORIN, True),
        ("Q6_K", AMX, True),
        ("Q2_K", N100, False),
        ("Q2_K", SERVER, True),
        ("IQ4_NL", N100, True),
        ("F16", AMX, False),
        ("Q5_0", SERVER, False),
    ],
)
def test_types(kind: str, features: tuple[Feature, ...], expected: bool) -> None:
    assert is_repacked(weight(kind, 1024, 4096), features) == expected


def test_amx_takes_no_experts() -> None:
    assert is_repacked(weight("Q4_K", 1024, 4096, 32), AMX)  # the other copies do
    assert not is_repacked(weight("Q8_0", 1024, 4096, 32), AMX)


def test_rows_must_fill_whole_groups() -> None:
    assert is_repacked(weight("Q4_0", 1024, 12), PI5)
    assert not is_repacked(weight("Q4_0", 1024, 12), N100)
    assert not is_repacked(weight("Q4_K", 1024, 12), PI5)
    assert not is_repacked(weight("Q8_0", 1024, 48), AMX)


def test_what_is_looked_up_is_not_copied() -> None:
    assert not is_repacked(weight("Q4_0", 1024, 4096, is_multiplied=False), N100)
