"""Which rate to count with: the measured one, the known device's, or a careful guess.

Knows how engines compare on one device; how fast a model is, `speed.py` computes.
"""

from __future__ import annotations

from typing import Literal, Protocol

from edgellm.catalog.card import Backend
from edgellm.hardware.profile import Device, HardwareProfile
from edgellm.planner.speed import Rate
from edgellm.planner.traffic import LAYER_SECONDS, READ_SHARE, STEP_SECONDS

# Where nothing is measured and nothing known: a Raspberry Pi 5's. A slow guess is the safe one.
_ASSUMED = Rate(10e9, 0.005, "assumed: 10 GB/s", is_least=True)
# An engine that nobody measured on a device, against one that somebody did. On Jetson boards
# llama.cpp reached 0.48 (AGX Orin), 0.57 (Thor) and 0.7 to 0.9 (Orin Nano) of the other engines'.
# An integrated GPU that nobody measured is rarely faster than its CPU, and often slower.
_UNKNOWN_FACTOR = 0.6
# Of a token on a CPU besides its bytes, where only the bandwidth was measured (facts: 0 to 1.9 ms
# on x86; the boards that take longer are in the table).
_CPU_SECONDS = STEP_SECONDS + 30 * LAYER_SECONDS


class Known(Protocol):
    """An entry of the table of devices: what was published of one with one engine."""

    @property
    def backend(self) -> str: ...  # an engine, ours or not
    @property
    def processor(self) -> Literal["cpu", "gpu", "npu"]: ...
    @property
    def bandwidth_bytes_per_second(self) -> float: ...
    @property
    def seconds_per_token(self) -> float: ...
    @property
    def decode_threads(self) -> int | None: ...
    @property
    def source(self) -> str: ...


def rate_of(
    profile: HardwareProfile,
    backend: Backend,
    device: Device | None,
    known: tuple[Known, ...],
) -> Rate:
    """Of a runtime on a device; None = the CPU."""
    if device is None:
        rate = _cpu_rate(profile, known)
        return rate if backend == "llama_cpp" else _slower(rate, "with llama.cpp")
    if device.kind == "npu":  # its variants carry the vendor's own figures
        return Rate(1.0, source="published by the vendor")
    entries = [entry for entry in known if entry.processor == "gpu"]
    if not entries:
        return _unknown_gpu(device, _cpu_rate(profile, known))
    same = [entry for entry in entries if entry.backend == backend]
    return _published(same[0]) if same else _other_engine(entries[0])


def decode_threads(known: tuple[Known, ...]) -> int:
    """With which the CPU decodes fastest; 0 = not known."""
    return next((e.decode_threads or 0 for e in known if e.processor == "cpu"), 0)


def _published(entry: Known) -> Rate:
    return Rate(
        entry.bandwidth_bytes_per_second, entry.seconds_per_token, f"published: {entry.source}"
    )


def _other_engine(entry: Known) -> Rate:
    return _slower(_published(entry), f"with {entry.backend}")


def _slower(rate: Rate, why: str) -> Rate:
    return Rate(
        rate.bytes_per_second * _UNKNOWN_FACTOR,
        rate.seconds_per_token,
        f"{rate.source} {why}; {_UNKNOWN_FACTOR:g} of it assumed",
    )


def _unknown_gpu(device: Device, cpu: Rate) -> Rate:
    if device.memory_kind == "shared":
        return _slower(cpu, "for the CPU")
    source = f"not known: at least the CPU's rate ({cpu.source})"
    return Rate(cpu.bytes_per_second, cpu.seconds_per_token, source, is_least=True)


def _cpu_rate(profile: HardwareProfile, known: tuple[Known, ...]) -> Rate:
    entry = next((entry for entry in known if entry.processor == "cpu"), None)
    measured = profile.bandwidth
    if measured is not None and measured.source == "measured":
        seconds = entry.seconds_per_token if entry else _CPU_SECONDS
        rate = READ_SHARE * measured.bytes_per_second
        return Rate(rate, seconds, "memory bandwidth measured here")
    return _published(entry) if entry else _ASSUMED
