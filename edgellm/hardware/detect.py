"""All probes of one host, put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from msgspec.structs import replace

from edgellm.hardware import known_devices
from edgellm.hardware.host import BYTES_PER_SECOND, Host
from edgellm.hardware.probes import (
    amd,
    apple,
    board,
    cpu,
    hailo,
    intel,
    jetson,
    mali,
    memory,
    nvidia,
    power,
    qualcomm,
    rockchip,
    thermal,
    vulkan,
)
from edgellm.hardware.profile import Bandwidth, Device, HardwareProfile
from edgellm.hardware.recording import RecordingHost

_ARCH = {"arm64": "aarch64", "amd64": "x86_64"}

_DeviceProbe: TypeAlias = Callable[[Host], tuple[Device, ...]]
# Of a laptop with two GPUs the faster one comes first.
_DEVICE_PROBES: tuple[_DeviceProbe, ...] = (
    jetson.probe,
    nvidia.probe,
    apple.probe,
    amd.probe,
    intel.probe,
    mali.probe,
    qualcomm.probe,
    vulkan.probe,
    hailo.probe,
    rockchip.probe,
)


def detect(host: Host, models: Path = Path("/")) -> HardwareProfile:
    """What this device is, as far as it tells. Nothing is measured here.

    Args:
        models: the folder where models are kept, for the free disk space; need not exist.
    """
    seen = host if isinstance(host, RecordingHost) else RecordingHost(host)
    system, _, machine = (seen.run("uname", "-sm") or "").partition(" ")
    profile = HardwareProfile(
        os=system.lower() or None,
        arch=_ARCH.get(machine, machine) or None,
        board=board.probe(seen),
        compatible=board.compatible(seen),
        cpu=cpu.probe(seen),
        memory=memory.probe(seen),
        devices=tuple(device for probe in _DEVICE_PROBES for device in probe(seen)),
        disk_free_bytes=seen.free_bytes(models),
        power_mode=power.probe_mode(seen),
        thermal=thermal.probe(seen),
        battery=power.probe_battery(seen),
    )
    return replace(profile, bandwidth=_bandwidth(seen, profile))


def _bandwidth(host: Host, profile: HardwareProfile) -> Bandwidth | None:
    """What was measured when the device was captured, else what is known of such devices."""
    measured = host.measured(BYTES_PER_SECOND)
    if measured:
        return Bandwidth(measured, "measured")
    for known in known_devices.find_all(profile):
        if known.is_main_memory:
            return Bandwidth(known.bandwidth_bytes_per_second, "table")
    return None
