"""Devices that plans are made for: captured folders, replayed, and what is known of such ones."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct

from edgellm.hardware.detect import detect
from edgellm.hardware.host import Host
from edgellm.hardware.known_devices import KnownDevice, find_all
from edgellm.hardware.profile import HardwareProfile
from edgellm.planner.runtime import Runtime

FOLDER = Path(__file__).parents[1] / "fixtures" / "hardware"


class Known(Struct, frozen=True):
    """An entry of a table of known devices."""

    bandwidth_bytes_per_second: float
    seconds_per_token: float
    backend: str
    processor: Literal["cpu", "gpu", "npu"]
    source: str
    decode_threads: int | None = None


class Case(Struct, frozen=True):
    """A device, and what was published of it."""

    profile: HardwareProfile
    known: tuple[KnownDevice, ...]

    @property
    def base(self) -> tuple[Runtime, ...]:
        """What `pip install edgellm` brings: llama.cpp reaches the GPU on a Mac only."""
        apis = ("cpu", "metal") if self.profile.os == "darwin" else ("cpu",)
        missing = ("mlc", "hailo", "ort_genai")
        return (
            Runtime("llama_cpp", apis=apis),
            *(Runtime(name, is_installed=False, hint=f"install {name}") for name in missing),
        )


def replay(name: str) -> Case:
    """A captured device."""
    profile = detect(Host(FOLDER / name))
    return Case(profile, find_all(profile))


ALL_RUNTIMES = (
    Runtime("llama_cpp", apis=("cpu", "cuda", "metal", "vulkan")),
    Runtime("mlc", apis=("cuda", "metal", "vulkan")),
    Runtime("hailo", apis=("hailo",)),
    Runtime("ort_genai", apis=("cpu",)),
)

# geerlingguy/ai-benchmarks: llama3.2:3b, llama3.1:8b, deepseek-r1:14b; 3 threads: geistlib
PI_5 = Known(10.5e9, 0.017, "llama_cpp", "cpu", "Raspberry Pi 5 with ollama", 3)

CASES = {
    name: replay(name)
    for name in (
        "raspberry-pi-4",
        "raspberry-pi-5-4gb",
        "raspberry-pi-5-8gb",
        "raspberry-pi-5-16gb",
        "raspberry-pi-5-hailo-10h",
        "jetson-orin-nano-super",
        "jetson-agx-orin-64",
        "jetson-thor",
        "apple-m4-pro",
        "n100",
        "rk3588-rock-5b",
        "laptop-rtx-4060-8gb",
        "amd-strix-halo",
        "intel-core-ultra",
    )
}
