"""How fast known devices decode, fitted on published measurements: where nothing was measured.

    seconds per token = seconds_per_token + bytes read per token / bandwidth_bytes_per_second

The bytes are the weights that a token touches (no input embedding, no idle experts) and the KV
cache so far. Each entry holds for one runtime on one processor, most for a whole class of boards.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, TypeAlias

from msgspec import Struct

from edgellm.hardware.profile import HardwareProfile

# "vllm", "rkllm": runtimes that edgellm does not serve; their figures bound what the device can.
Runtime: TypeAlias = Literal["llama_cpp", "mlc", "vllm", "rkllm"]
Processor: TypeAlias = Literal["cpu", "gpu", "npu"]

_GB = 1e9
_MS = 1e-3


class KnownDevice(Struct, frozen=True):
    """One device with one runtime. `is_estimate`: derived from a near relative, not fitted."""

    name: str
    backend: Runtime
    processor: Processor
    bandwidth_bytes_per_second: float
    seconds_per_token: float
    source: str
    decode_threads: int | None = None  # the fastest number; None = not known
    is_estimate: bool = False
    is_main_memory: bool = True  # False: the weights are in a graphics card's own


_Match: TypeAlias = Callable[[HardwareProfile], bool]


def find(profile: HardwareProfile, backend: Runtime | None = None) -> KnownDevice | None:
    """The first entry: llama.cpp's where there is one, unless `backend` names a runtime."""
    return next(iter(find_all(profile, backend)), None)


def find_all(profile: HardwareProfile, backend: Runtime | None = None) -> tuple[KnownDevice, ...]:
    """Every entry for this device, llama.cpp's first."""
    matching = (entry for matches, entry in _TABLE if matches(profile))
    return tuple(entry for entry in matching if backend in (None, entry.backend))


def _chip(*words: str) -> _Match:
    """By the device tree: vendors' kernels name boards differently, but chips alike."""
    return lambda profile: any(word in profile.compatible for word in words)


def _board(prefix: str) -> _Match:
    return lambda profile: (profile.board or "").startswith(prefix)


def _any(*matches: _Match) -> _Match:
    return lambda profile: any(match(profile) for match in matches)


def _cpu(pattern: str) -> _Match:
    compiled = re.compile(pattern)
    return lambda profile: compiled.search(profile.cpu.model or "") is not None


def _gpu(pattern: str) -> _Match:
    compiled = re.compile(pattern)
    return lambda profile: any(
        device.kind == "gpu" and compiled.search(device.name) for device in profile.devices
    )


def _pci(identity: str) -> _Match:
    return lambda profile: any(device.pci_id == identity for device in profile.devices)


def _is_super(profile: HardwareProfile) -> bool:
    """Memory at 102 GB/s instead of 68: nvpmodel's modes of the Super firmware."""
    return profile.power_mode in ("MAXN_SUPER", "25W")


def _both(one: _Match, other: _Match) -> _Match:
    return lambda profile: one(profile) and other(profile)


def _not(match: _Match) -> _Match:
    return lambda profile: not match(profile)


_PI_5 = _any(_board("Raspberry Pi 5"), _chip("brcm,bcm2712"))
_PI_4 = _any(_board("Raspberry Pi 4"), _chip("brcm,bcm2711"))
_ORIN_NANO = _gpu(r"^Jetson Orin Nano 8 GB")
_ORIN_NANO_SUPER = _both(_ORIN_NANO, _is_super)
_ORIN_NX = _gpu(r"^Jetson Orin NX")
_AGX_ORIN = _gpu(r"^Jetson AGX Orin")
_THOR = _chip("nvidia,tegra264")
_STRIX_HALO = _any(_pci("1002:1586"), _gpu("8060S|8050S|GFX1151"))
_RK3588 = _chip("rockchip,rk3588", "rockchip,rk3588s")

_GEERLING = "geerlingguy/ai-benchmarks"
_JETSON_LAB = "NVIDIA Jetson AI Lab"
_NANO = "Jetson Orin Nano"
_FIT = "fitted on "

_TABLE: tuple[tuple[_Match, KnownDevice], ...] = (
    (
        _PI_5,
        KnownDevice(
            "Raspberry Pi 5",
            "llama_cpp",
            "cpu",
            10.5 * _GB,
            17 * _MS,
            _FIT + f"llama3.2:3b, llama3.1:8b, deepseek-r1:14b of {_GEERLING}; threads: geistlib",
            decode_threads=3,
        ),
    ),
    (
        _PI_4,
        KnownDevice(
            "Raspberry Pi 4",
            "llama_cpp",
            "cpu",
            3.3 * _GB,
            17 * _MS,
            f"one figure of {_GEERLING} (llama3.2:3b), fixed cost as the Raspberry Pi 5",
        ),
    ),
    (
        _ORIN_NANO_SUPER,
        KnownDevice(
            f"{_NANO} Super",
            "llama_cpp",
            "gpu",
            64 * _GB,
            2.8 * _MS,
            "one community figure at 25 W (ollama, llama3.2:3b, 30 tokens/s), fixed cost as MLC",
            is_estimate=True,
        ),
    ),
    (
        _ORIN_NANO_SUPER,
        KnownDevice(
            f"{_NANO} Super",
            "mlc",
            "gpu",
            89 * _GB,
            2.8 * _MS,
            _FIT + f"Llama-3.2-3B, Qwen2.5-7B, Llama-3.1-8B at int4 of {_JETSON_LAB}",
        ),
    ),
    (
        _both(_ORIN_NANO, _not(_is_super)),
        KnownDevice(
            _NANO,
            "llama_cpp",
            "gpu",
            47 * _GB,
            8.8 * _MS,
            "66/89 of the Super's, as with MLC, and its fixed cost",
            is_estimate=True,
        ),
    ),
    (
        _both(_ORIN_NANO, _not(_is_super)),
        KnownDevice(
            _NANO,
            "mlc",
            "gpu",
            66 * _GB,
            8.8 * _MS,
            _FIT + f"Llama-3.2-3B, Qwen2.5-7B, Llama-3.1-8B at int4 of {_JETSON_LAB}, 15 W",
        ),
    ),
    (
        _ORIN_NX,
        KnownDevice(
            "Jetson Orin NX",
            "llama_cpp",
            "gpu",
            64 * _GB,
            2.8 * _MS,
            "as the Jetson Orin Nano Super, whose memory is as fast",
            is_estimate=True,
        ),
    ),
    (
        _ORIN_NX,
        KnownDevice(
            "Jetson Orin NX",
            "mlc",
            "gpu",
            89 * _GB,
            2.8 * _MS,
            "as the Jetson Orin Nano Super, whose memory is as fast",
            is_estimate=True,
        ),
    ),
    (
        _AGX_ORIN,
        KnownDevice(
            "Jetson AGX Orin",
            "llama_cpp",
            "gpu",
            85 * _GB,
            0.0,
            "one figure of nvidia-holoscan/holohub #170 (Llama-2-7B, January 2024)",
        ),
    ),
    (
        _AGX_ORIN,
        KnownDevice(
            "Jetson AGX Orin",
            "mlc",
            "gpu",
            175 * _GB,
            2.1 * _MS,
            _FIT + f"Llama-3.2-1B and 3B at int4 of {_JETSON_LAB}",
        ),
    ),
    (
        _AGX_ORIN,
        KnownDevice(
            "Jetson AGX Orin",
            "vllm",
            "gpu",
            141 * _GB,
            0.0,
            f"one figure of {_JETSON_LAB} (Llama-3.1-8B, W4A16)",
        ),
    ),
    (
        _THOR,
        KnownDevice(
            "Jetson AGX Thor",
            "llama_cpp",
            "gpu",
            139 * _GB,
            0.0,
            f"18/11 of AGX Orin's, as gemma-4-12B Q4_0 of {_JETSON_LAB}",
            is_estimate=True,
        ),
    ),
    (
        _THOR,
        KnownDevice(
            "Jetson AGX Thor",
            "vllm",
            "gpu",
            220 * _GB,
            0.0,
            f"one figure of {_JETSON_LAB} (Llama-3.1-8B, W4A16)",
        ),
    ),
    (
        _gpu(r"^Apple M4 Pro\b"),
        KnownDevice(
            "Apple M4 Pro",
            "llama_cpp",
            "gpu",
            229 * _GB,
            1.6 * _MS,
            _FIT + "ten models from 1B to 14B at Q4_K_M of AlexsJones/llmfit",
        ),
    ),
    (
        _gpu(r"^Apple M4\b(?! Pro| Max| Ultra)"),
        KnownDevice(
            "Apple M4",
            "llama_cpp",
            "gpu",
            110 * _GB,
            5.8 * _MS,
            f"two figures from two engines ({_GEERLING}, normiebench): rough",
        ),
    ),
    (
        _STRIX_HALO,
        KnownDevice(
            "AMD Strix Halo",
            "llama_cpp",
            "gpu",
            203 * _GB,
            1.4 * _MS,
            _FIT + f"llama3.2:3b, Llama-3.1-8B, Llama-2-7B on Vulkan of {_GEERLING} and lhl",
        ),
    ),
    (
        _gpu(r"RTX 4060 Laptop"),
        KnownDevice(
            "NVIDIA GeForce RTX 4060 Laptop GPU",
            "llama_cpp",
            "gpu",
            182 * _GB,
            0.0015,
            # The careful one of two: AlexsJones/llmfit #958 reached 216 GB/s with 7B and 8B models.
            _FIT + "Qwen3 8B, Llama 3.1 8B, Mistral 7B at Q4_0 of substrate.lol; peak is 256",
            is_main_memory=False,
        ),
    ),
    (
        _any(_pci("10de:2e12"), _gpu(r"\bGB10\b")),
        KnownDevice(
            "NVIDIA GB10",
            "llama_cpp",
            "gpu",
            207 * _GB,
            0.4 * _MS,
            _FIT + f"llama3.2:3b, deepseek-r1:14b of {_GEERLING}",
        ),
    ),
    (
        _cpu(r"Ryzen AI 5 340\b"),
        KnownDevice(
            "AMD Ryzen AI 5 340",
            "llama_cpp",
            "cpu",
            50 * _GB,
            1.9 * _MS,
            _FIT + f"llama3.2:3b, deepseek-r1:14b of {_GEERLING}",
        ),
    ),
    (
        _cpu(r"\bN150\b"),
        KnownDevice(
            "Intel N150",
            "llama_cpp",
            "cpu",
            18.2 * _GB,
            0.0,
            _FIT + f"llama3.2:3b, deepseek-r1:14b of {_GEERLING}",
        ),
    ),
    (
        _cpu(r"\bN100\b"),
        KnownDevice(
            "Intel N100",
            "llama_cpp",
            "cpu",
            13.9 * _GB,
            0.0,
            "one figure of normiebench #38 (Llama-3.1-8B Q4_K_M)",
        ),
    ),
    (
        _chip("qcom,x1e80100"),
        KnownDevice(
            "Snapdragon X Elite",
            "llama_cpp",
            "gpu",
            28 * _GB,
            0.0,
            "llama.cpp #19840 on OpenCL (Q4_1, 3B and 4B); the CPU may be faster",
        ),
    ),
    (
        _RK3588,
        KnownDevice(
            "Rockchip RK3588",
            "llama_cpp",
            "cpu",
            12.5 * _GB,
            17 * _MS,
            "like the Raspberry Pi 5 or slightly better (10 to 15 GB/s): its four fast cores",
            decode_threads=4,
            is_estimate=True,
        ),
    ),
    (
        _RK3588,
        KnownDevice(
            "Rockchip RK3588",
            "rkllm",
            "npu",
            31 * _GB,
            10 * _MS,
            _FIT + "0.6B to 3.8B at w8a8 of airockchip/rknn-llm",
        ),
    ),
)
