"""What is known of a device. None = not known; a probe never guesses. Bytes are bytes."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

# The CPU features that decide which of llama.cpp's kernels run, in our own spelling.
Feature: TypeAlias = Literal[
    "avx",
    "avx2",
    "fma",
    "f16c",
    "bmi2",
    "avx_vnni",
    "avx512",
    "avx512_vbmi",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "neon",
    "fp16",
    "dotprod",
    "i8mm",
    "sve",
    "sme",
]


class Cpu(Struct, frozen=True):
    """The processor. Cores are logical ones, as the scheduler counts them, where not said."""

    model: str | None = None
    num_cores: int | None = None
    num_physical_cores: int | None = None  # those that share a core counted once
    num_allowed_cores: int | None = None  # under this process's affinity mask
    quota_cores: float | None = None  # the cgroup's CPU time, in cores; None = no quota found
    features: tuple[Feature, ...] | None = None

    @property
    def num_usable_cores(self) -> int | None:
        """Cores that are worth a thread: the affinity mask, cut down to the quota."""
        cores = self.num_allowed_cores or self.num_cores
        if cores is None or self.quota_cores is None:
            return cores
        return max(1, min(cores, int(self.quota_cores + 0.5)))


class Memory(Struct, frozen=True):
    """Main memory. `available_bytes` is what a new process may take, below every limit."""

    total_bytes: int | None = None
    available_bytes: int | None = None
    limit_bytes: int | None = None  # the tightest cgroup limit; None = none that binds


class HardwareProfile(Struct, frozen=True):
    """One device, as far as it told."""

    os: str | None = None  # "linux", "darwin"
    arch: str | None = None  # "x86_64", "aarch64" (also for Apple's arm64)
    board: str | None = None  # e.g. "Raspberry Pi 5 Model B Rev 1.0"
    cpu: Cpu = Cpu()
    memory: Memory = Memory()
