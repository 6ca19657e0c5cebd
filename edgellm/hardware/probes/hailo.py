"""Hailo accelerators: by PCI id first, for the driver's nodes changed their names.

Driver 5.2 has the class hailo_chardev and /dev/hailo0, driver 5.3 the class hailo1x and
/dev/h1x-0 (hailort-drivers).
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from edgellm.hardware.host import Host
from edgellm.hardware.pci import PciDevice, pci_devices
from edgellm.hardware.profile import Device

_VENDOR = "1e60"
_GIB = 1024**3
_NODES = ("/dev/hailo[0-9]*", "/dev/h1x-[0-9]*")
_NO_MEMORY = "it has no memory of its own, so it cannot run language models"


class _Chip(Struct, frozen=True):
    name: str
    architecture: str
    can_run_llms: bool
    memory_kind: Literal["dedicated"] | None
    memory_bytes: int | None
    note: str


_CHIPS = {
    "2864": _Chip("Hailo-8", "HAILO8", False, None, None, _NO_MEMORY),
    "45c4": _Chip(
        "Hailo-10H",
        "HAILO10H",
        True,
        "dedicated",
        # It does not tell: 8 GB as on the AI HAT+ 2; the makers of modules also sell 4 GB.
        8 * _GIB,
        "runs HEF files made for its version of HailoRT: contexts up to 2048 tokens, models up to "
        "3 billion parameters; its memory is taken to be 8 GB (modules with 4 GB exist)",
    ),
    "43a2": _Chip(
        "Hailo-15L", "HAILO15L", False, None, None, "no language models are published for it"
    ),
    "26a2": _Chip("Hailo Mars", "MARS", False, None, None, "nothing is known about its use here"),
}


def probe(host: Host) -> tuple[Device, ...]:
    """One device for each chip."""
    found = [device for device in pci_devices(host, _VENDOR) if device.device in _CHIPS]
    return tuple(_device(host, device, _CHIPS[device.device]) for device in found)


def _device(host: Host, device: PciDevice, chip: _Chip) -> Device:
    has_node = any(host.glob(pattern) for pattern in _NODES)
    told = _identity(host)
    is_8l = told.get("Device Architecture") == "HAILO8L"  # one PCI id for both
    note = chip.note if has_node else f"{chip.note}; its driver is not loaded (no /dev/hailo0)"
    return Device(
        kind="npu",
        vendor="hailo",
        name="Hailo-8L" if is_8l else chip.name,
        memory_kind=chip.memory_kind,
        memory_bytes=chip.memory_bytes,
        apis=("hailo",) if has_node else (),
        driver=_runtime(host) or _module(host),
        architecture="HAILO8L" if is_8l else chip.architecture,
        can_run_llms=chip.can_run_llms,
        note=note,
        pci_id=device.id,
    )


def _identity(host: Host) -> dict[str, str]:
    text = host.run("hailortcli", "fw-control", "identify") or ""
    pairs = (line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _runtime(host: Host) -> str | None:
    """HailoRT's version, which the HEF files must match."""
    match = re.search(r"version (\d+\.\d+\.\d+)", host.run("hailortcli", "--version") or "")
    return match[1] if match else None


def _module(host: Host) -> str | None:
    """The kernel module's; it goes with a HailoRT of the same number."""
    names = ("hailo1x_pci", "hailo_pci")
    return next(filter(None, (host.read(f"/sys/module/{name}/version") for name in names)), None)
