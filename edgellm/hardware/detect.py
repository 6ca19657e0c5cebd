"""All probes of one host, put together. (The devices follow with the planner's issue.)"""

from __future__ import annotations

from edgellm.hardware.host import Host
from edgellm.hardware.probes import cpu, memory
from edgellm.hardware.profile import HardwareProfile

_ARCH = {"arm64": "aarch64", "amd64": "x86_64"}


def detect(host: Host) -> HardwareProfile:
    """What this device is, as far as it tells."""
    system, _, machine = (host.run("uname", "-sm") or "").partition(" ")
    board = host.read("/proc/device-tree/model")
    return HardwareProfile(
        os=system.lower() or None,
        arch=_ARCH.get(machine, machine) or None,
        board=board.strip() if board else None,
        cpu=cpu.probe(host),
        memory=memory.probe(host),
    )
