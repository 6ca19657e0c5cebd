"""The devices on the PCI bus, as the kernel lists them. Knows no vendor."""

from __future__ import annotations

import re

from msgspec import Struct

from edgellm.hardware.host import Host

_DISPLAY_CLASS = 0x03


class PciDevice(Struct, frozen=True):
    """One function. Ids are lower-case hex, as in lspci."""

    slot: str  # "0000:00:02.0"
    vendor: str
    device: str
    class_code: int  # 24 bits: class, subclass, interface
    driver: str | None  # the kernel module that is bound

    @property
    def id(self) -> str:
        return f"{self.vendor}:{self.device}"

    @property
    def is_display(self) -> bool:
        """A graphics controller, with or without a display on it."""
        return self.class_code >> 16 == _DISPLAY_CLASS

    @property
    def folder(self) -> str:
        """Its folder in sysfs; /sys/class/drm/card*/device leads there too."""
        return f"/sys/bus/pci/devices/{self.slot}"


def pci_devices(host: Host, vendor: str) -> tuple[PciDevice, ...]:
    """Those of a vendor, by slot."""
    paths = host.glob("/sys/bus/pci/devices/*/uevent")
    found = (_parse(path.split("/")[-2], host.read(path) or "") for path in paths)
    return tuple(device for device in found if device is not None and device.vendor == vendor)


def _parse(slot: str, uevent: str) -> PciDevice | None:
    fields = dict(line.split("=", 1) for line in uevent.splitlines() if "=" in line)
    vendor, _, device = fields.get("PCI_ID", "").lower().partition(":")
    code = fields.get("PCI_CLASS", "")
    if not device or not re.fullmatch("[0-9A-Fa-f]{1,6}", code):
        return None
    return PciDevice(slot, vendor, device, int(code, 16), fields.get("DRIVER"))


def pci_name(host: Host, device: PciDevice) -> str | None:
    """What the PCI database (lspci) calls it, without the vendor."""
    for line in (host.run("lspci", "-mmnn", "-D") or "").splitlines():
        if line.startswith(device.slot + " "):
            words = re.findall(r'"([^"]*)"', line)
            return re.sub(r" \[[0-9a-f]{4}\]$", "", words[2]) if len(words) > 2 else None
    return None
