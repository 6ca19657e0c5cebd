"""Which weights llama.cpp copies into another order for this CPU, leaving the file's mapped.

Follows `ggml_repack_get_optimal_repack_type` (ggml-cpu/repack.cpp) and the AMX buffers
(ggml-cpu/amx) of llama.cpp in llama-cpp-python 0.3.36. Not known: RISC-V, IBM Z, and builds with
KleidiAI, which are off unless somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Collection

from edgellm.hardware.profile import Feature
from edgellm.planner.facts import Weight

# Rows that are interleaved: a matrix needs a multiple of that many.
_AVX2 = {"Q4_0": 8, "Q4_K": 8, "IQ4_NL": 8, "MXFP4": 8}
_AVX512 = {"Q2_K": 8}
_DOTPROD = {"Q4_0": 4, "Q4_K": 8, "Q5_K": 8, "Q6_K": 8, "IQ4_NL": 4, "MXFP4": 4, "Q8_0": 4}
_DOTPROD |= {"Q1_0": 4}
_AMX = frozenset({"Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"})
_AMX_ROWS = 32


def is_repacked(weight: Weight, features: Collection[Feature]) -> bool:
    """Whether a CPU with these features, and a llama.cpp built for them, keeps a second copy."""
    if not weight.is_multiplied:
        return False
    rows = weight.shape[1]
    if "amx_int8" in features and len(weight.shape) == 2 and weight.type in _AMX:
        return rows % _AMX_ROWS == 0 or rows % _interleaved(weight.type, features) == 0
    return rows % _interleaved(weight.type, features) == 0


def _interleaved(kind: str, features: Collection[Feature]) -> int:
    """Rows that are stored together; more than any matrix has where there is no such order."""
    tables: list[dict[str, int]] = []
    if "avx2" in features:
        tables.append(_AVX2)
    if "avx512" in features:
        tables.append(_AVX512)
    if "neon" in features and "dotprod" in features:
        tables.append(_DOTPROD)
    return min((table[kind] for table in tables if kind in table), default=2**62)
