"""Vulkan: which GPUs its loader reaches. Other GPU probes ask here; what has none is named here.

`vulkaninfo --summary` (package vulkan-tools) is the whole truth; where it is not installed, the
loader's manifests of drivers (/usr/share/vulkan/icd.d) tell at least whose GPUs it would reach.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from edgellm.hardware.host import Host
from edgellm.hardware.profile import Device

# Vulkan's vendor ids -> ours. Those above have probes of their own.
_VENDORS = {
    0x10DE: "nvidia",
    0x1002: "amd",
    0x8086: "intel",
    0x106B: "apple",
    0x13B5: "arm",
    0x5143: "qualcomm",
    0x14E4: "broadcom",
    0x1010: "imagination",
    0x1ED5: "moore threads",
}
_PROBED = ("nvidia", "amd", "intel", "apple", "arm", "qualcomm")
# The drivers' names, as their manifests begin.
_MANIFESTS = {
    "nvidia": ("nvidia", "nouveau"),
    "amd": ("radeon", "amd"),
    "intel": ("intel",),
    "arm": ("panfrost", "mali"),
    "qualcomm": ("freedreno", "adreno"),
}
_KINDS: dict[str, Literal["dedicated", "shared"]] = {
    "PHYSICAL_DEVICE_TYPE_DISCRETE_GPU": "dedicated",
    "PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU": "shared",
}


class VulkanDevice(Struct, frozen=True):
    """A GPU in vulkaninfo's summary; renderers on the CPU are left out."""

    vendor: str
    device_id: int
    name: str
    memory_kind: Literal["dedicated", "shared"] | None
    driver: str | None  # e.g. "Mesa 25.0.7"


def probe(host: Host) -> tuple[Device, ...]:
    """The GPUs of vendors without a probe of their own."""
    return tuple(
        Device(
            kind="gpu",
            vendor=gpu.vendor,
            name=gpu.name,
            memory_kind=gpu.memory_kind,
            apis=("vulkan",),
            driver=gpu.driver,
            note="llama.cpp may reach it through Vulkan; whether that is faster is not known",
        )
        for gpu in vulkan_devices(host)
        if gpu.vendor not in _PROBED
    )


def vulkan_devices(host: Host) -> Iterator[VulkanDevice]:
    """All that vulkaninfo lists, in its order."""
    text = host.run("vulkaninfo", "--summary") or ""
    for block in re.split(r"^GPU\d+:\s*$", text, flags=re.M)[1:]:
        fields = dict(re.findall(r"^\s+(\w+)\s*=\s*(.*?)\s*$", block, re.M))
        vendor_id = _number(fields.get("vendorID"))
        if fields.get("deviceType") == "PHYSICAL_DEVICE_TYPE_CPU" or vendor_id is None:
            continue
        yield VulkanDevice(
            vendor=_VENDORS.get(vendor_id, f"{vendor_id:#06x}"),
            device_id=_number(fields.get("deviceID")) or 0,
            name=fields.get("deviceName", "GPU"),
            memory_kind=_KINDS.get(fields.get("deviceType", "")),
            driver=fields.get("driverInfo") or None,
        )


def find(host: Host, vendor: str, device: str = "") -> VulkanDevice | None:
    """The first of that vendor and, where one is given, of that device id in hex."""
    wanted = int(device, 16) if device else None
    for gpu in vulkan_devices(host):
        if gpu.vendor == vendor and wanted in (None, gpu.device_id):
            return gpu
    return None


def is_reachable(host: Host, vendor: str) -> bool:
    """Whether the loader has a driver for the vendor's GPUs."""
    if any(gpu.vendor == vendor for gpu in vulkan_devices(host)):
        return True
    paths = host.glob("/usr/share/vulkan/icd.d/*.json") + host.glob("/etc/vulkan/icd.d/*.json")
    names = [path.rsplit("/", 1)[-1] for path in paths]
    return any(name.startswith(_MANIFESTS.get(vendor, ())) for name in names)


def _number(text: str | None) -> int | None:
    try:
        return int(text or "", 0)
    except ValueError:
        return None
