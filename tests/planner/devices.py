"""Devices that plans are made for, as their owners meet them: headless where that is usual.

Memory: what is left on a fresh system. Rates: `facts` of the project, published by others; where
each comes from is said beside it.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from edgellm.hardware.profile import Bandwidth, Cpu, Device, HardwareProfile, Memory
from edgellm.planner.runtime import Runtime

GIB = 1024**3


class Known(Struct, frozen=True):
    """An entry of the table of known devices."""

    bandwidth_bytes_per_second: float
    seconds_per_token: float
    backend: str
    processor: Literal["cpu", "gpu", "npu"]
    source: str
    decode_threads: int | None = None


class Case(Struct, frozen=True):
    """A device, what was published of it, and what a base install brings there."""

    profile: HardwareProfile
    known: tuple[Known, ...]
    base_apis: tuple[str, ...] = ("cpu",)

    @property
    def base(self) -> tuple[Runtime, ...]:
        """What `pip install edgellm` brings."""
        missing = ("mlc", "hailo", "ort_genai")
        return (
            Runtime("llama_cpp", apis=self.base_apis),
            *(Runtime(name, is_installed=False, hint=f"install {name}") for name in missing),
        )


ALL_RUNTIMES = (
    Runtime("llama_cpp", apis=("cpu", "cuda", "metal", "vulkan")),
    Runtime("mlc", apis=("cuda", "metal", "vulkan")),
    Runtime("hailo", apis=("hailo",)),
    Runtime("ort_genai", apis=("cpu",)),
)

# geerlingguy/ai-benchmarks: llama3.2:3b, llama3.1:8b, deepseek-r1:14b; 3 threads: geistlib
PI_5 = Known(10.5e9, 0.017, "llama_cpp", "cpu", "Raspberry Pi 5 with ollama", 3)
HAILO_10H = Device(
    "npu", "hailo", "Hailo-10H", "dedicated", 8 * GIB, apis=("hailo",), architecture="HAILO10H"
)


def pi_5(size: int, *devices: Device) -> Case:
    memory = Memory(int(0.985 * size * GIB), int((0.985 * size - 0.4) * GIB))
    cpu = Cpu("Cortex-A76", 4, 4, 4, features=("neon", "fp16", "dotprod"))
    profile = HardwareProfile("linux", "aarch64", "Raspberry Pi 5 Model B Rev 1.0", cpu, memory)
    return Case(HardwareProfile("linux", "aarch64", profile.board, cpu, memory, devices), (PI_5,))


def board(name: str, total: float, free: float, cores: int, *devices: Device) -> HardwareProfile:
    memory = Memory(int(total * GIB), int(free * GIB))
    cpu = Cpu(num_cores=cores, num_physical_cores=cores, num_allowed_cores=cores)
    return HardwareProfile("linux", "aarch64", name, cpu, memory, devices)


def jetson(name: str, total: float, free: float, architecture: str, known: Known) -> Case:
    gpu = Device(
        "gpu", "nvidia", f"{name} GPU", "unified", None, None, ("cuda",), None, architecture
    )
    return Case(board(name, total, free, 6, gpu), (known,))


INTEL_UHD = Device("gpu", "intel", "Intel UHD Graphics", "shared", 8 * GIB, apis=("vulkan",))
M4_PRO_GPU = Device("gpu", "apple", "Apple M4 Pro", "unified", apis=("metal",))
RTX_4060 = Device(
    "gpu",
    "nvidia",
    "NVIDIA GeForce RTX 4060 Laptop GPU",
    "dedicated",
    8188 * 1024**2,
    7900 * 1024**2,
    ("cuda", "vulkan"),
    architecture="sm_89",
)
RK_NPU = Device(
    "npu", "rockchip", "RK3588 NPU", "shared", apis=("rknn",), can_run_llms=False, note="RKLLM only"
)

CASES = {
    "pi-5-4gb": pi_5(4),
    "pi-5-8gb": pi_5(8),
    "pi-5-16gb": pi_5(16),
    "pi-5-8gb-hailo-10h": pi_5(8, HAILO_10H),
    "orin-nano-super": jetson(  # Jetson AI Lab: Llama-3.2-3B, Qwen2.5-7B, Llama-3.1-8B
        "Jetson Orin Nano 8GB", 7.4, 5.9, "sm_87", Known(89e9, 0.0028, "mlc", "gpu", "MLC int4")
    ),
    "agx-orin-64gb": jetson(  # Jetson AI Lab: 1B and 3B
        "Jetson AGX Orin", 61.3, 58, "sm_87", Known(175e9, 0.0021, "mlc", "gpu", "MLC int4")
    ),
    "agx-thor": jetson(  # Jetson AI Lab: Llama-3.1-8B with vLLM
        "Jetson AGX Thor", 122, 116, "sm_110", Known(220e9, 0.0, "vllm", "gpu", "vLLM W4A16")
    ),
    "apple-m4-pro-24gb": Case(  # llmfit's community table, ten models from 1B to 14B
        HardwareProfile(
            "darwin",
            "aarch64",
            "Mac16,8",
            Cpu("Apple M4 Pro", 12, 12, 12),
            Memory(24 * GIB, 17 * GIB),
            (M4_PRO_GPU,),
        ),
        (Known(229e9, 0.0016, "llama_cpp", "gpu", "llama.cpp Metal"),),
        ("cpu", "metal"),
    ),
    "n100-16gb": Case(  # normiebench: Llama-3.1-8B Q4_K_M
        HardwareProfile(
            "linux",
            "x86_64",
            None,
            Cpu("Intel(R) N100", 4, 4, 4, features=("avx", "avx2", "fma", "f16c", "avx_vnni")),
            Memory(int(15.4 * GIB), int(13.5 * GIB)),
            (INTEL_UHD,),
        ),
        (Known(13.9e9, 0.0, "llama_cpp", "cpu", "llama.cpp on a CPU"),),
    ),
    "rk3588-8gb": Case(  # the same cores as the Raspberry Pi 5's, and memory at least as fast
        board("Radxa ROCK 5B", 7.7, 7.1, 8, RK_NPU),
        (Known(10.5e9, 0.017, "llama_cpp", "cpu", "a Raspberry Pi 5, whose cores it has"),),
    ),
    "laptop-rtx-4060-8gb": Case(  # substrate.lol: Qwen3 8B, Llama 3.1 8B, Mistral 7B at Q4_0
        HardwareProfile(
            "linux",
            "x86_64",
            None,
            Cpu("Intel(R) Core(TM) i7-13620H", 16, 10, 16, features=("avx2", "avx_vnni")),
            Memory(int(15.3 * GIB), int(11.5 * GIB)),
            (RTX_4060,),
            # DDR5-4800 in two channels: 0.6 of its peak, as CPUs reach (facts: hardware, section 1)
            Bandwidth(0.6 * 76.8e9, "measured"),
        ),
        (Known(182e9, 0.0015, "llama_cpp", "gpu", "ollama with CUDA"),),
    ),
}
