"""What is known of a device. None = not known; a probe never guesses. Bytes are bytes."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

RESERVE_SHARE = 0.05
MIN_RESERVE_BYTES = 256 * 1024 * 1024
SMALL_PART = 4  # where that would be more than a quarter, a quarter will do

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
    last_level_cache_bytes: int | None = None  # of all sockets and clusters together

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
    swap_total_bytes: int | None = None  # zram included; 0 = there is none
    swap_free_bytes: int | None = None
    zram_bytes: int | None = None  # swap that is compressed main memory, and no room beyond it

    @property
    def reserve_bytes(self) -> int:
        """What models leave free, for whatever else runs here and grows: a part of what this
        process may use at all, the machine's memory or its cgroup's."""
        known = [size for size in (self.total_bytes, self.limit_bytes) if size is not None]
        if not known:
            return MIN_RESERVE_BYTES
        usable = min(known)
        least = min(MIN_RESERVE_BYTES, usable // SMALL_PART)
        return max(least, int(RESERVE_SHARE * usable))

    @property
    def usable_bytes(self) -> int | None:
        """What models may take now; None = not known."""
        if self.available_bytes is None:
            return None
        return max(0, self.available_bytes - self.reserve_bytes)


class Device(Struct, frozen=True):
    """An accelerator. A probe names what is there, whether or not a runtime can use it."""

    kind: Literal["gpu", "npu"]
    vendor: str  # "nvidia", "amd", "intel", "apple", "arm", "qualcomm", "hailo", "rockchip", ...
    name: str  # as its maker calls it, e.g. "NVIDIA GeForce RTX 4060 Laptop GPU", "Hailo-10H"
    memory_kind: Literal["dedicated", "unified", "shared"] | None = None
    # dedicated: its own; unified: all of main memory is its (Jetson, Apple); shared: it may take a
    # part of main memory (integrated GPUs)
    memory_bytes: int | None = None  # dedicated: all of it; shared: the most that it may take, what
    # firmware set aside for it included; unified: a limit that was set, None = all of main memory
    available_bytes: int | None = None  # of it, now
    apis: tuple[str, ...] = ()  # what runtimes reach it by: "cuda", "metal", "vulkan", "opencl",
    # "rocm", "sycl", "openvino", "qnn", "hailo", "rknn", "xdna"; () = no driver was found
    driver: str | None = None  # its version
    architecture: str | None = None  # e.g. "sm_87", "gfx1151", "HAILO10H"
    can_run_llms: bool = True
    note: str = ""  # why not, or what could use it
    pci_id: str | None = None  # vendor and device, e.g. "10de:28e0"


class Bandwidth(Struct, frozen=True):
    """How fast main memory is read, in bytes per second.

    Measured: by all usable cores together. From the table: at the rate at which the best runtime
    of a known device reads weights (`edgellm.hardware.known_devices`).
    """

    bytes_per_second: float
    source: Literal["measured", "table"]


class Thermal(Struct, frozen=True):
    """Heat and what it costs. Throttled = clocked down because of heat or a weak power supply."""

    temperature_celsius: float | None = None  # of the hottest part of the chip
    is_throttled: bool | None = None  # now
    was_throttled: bool | None = None  # now or before, since the start
    is_under_voltage: bool | None = None  # now or before, since the start


class Battery(Struct, frozen=True):
    """A battery that feeds the device itself."""

    percent: int | None = None
    is_discharging: bool | None = None


class HardwareProfile(Struct, frozen=True):
    """One device, as far as it told."""

    os: str | None = None  # "linux", "darwin"
    arch: str | None = None  # "x86_64", "aarch64" (also for Apple's arm64)
    board: str | None = None  # e.g. "Raspberry Pi 5 Model B Rev 1.0"
    cpu: Cpu = Cpu()
    memory: Memory = Memory()
    devices: tuple[Device, ...] = ()
    bandwidth: Bandwidth | None = None
    disk_free_bytes: int | None = None  # where models are kept
    power_mode: str | None = None  # e.g. nvpmodel's "MAXN_SUPER", ACPI's "balanced"
    thermal: Thermal = Thermal()
    battery: Battery | None = None  # None = none was found
    compatible: tuple[str, ...] = ()  # the device tree's words for the board and its chip

    @property
    def label(self) -> str:
        """Its kind, e.g. "Raspberry Pi 5 Model B Rev 1.0, 4 cores": what was measured on one device
        holds for others of the same label. Empty = not known, and like nothing else."""
        name, cores = self.board or self.cpu.model, self.cpu.num_usable_cores
        return f"{name}, {cores} cores" if name and cores else name or ""
