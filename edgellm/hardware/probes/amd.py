"""AMD GPUs by the amdgpu driver's files, and the XDNA NPUs of Ryzen AI processors."""

from __future__ import annotations

import re
from typing import Literal

from edgellm.hardware.host import Host
from edgellm.hardware.pci import PciDevice, pci_devices, pci_name
from edgellm.hardware.probes import vulkan
from edgellm.hardware.profile import Device

_GPU_VENDOR = "1002"
_CPU_VENDOR = "1022"
# GPUs that are part of a processor: the PCI database names the chip, the table the product.
_INTEGRATED = {
    "1586": "AMD Radeon 8050S/8060S (Strix Halo)",
    "150e": "AMD Radeon 880M/890M (Strix Point)",
    "1114": "AMD Radeon 840M/860M (Krackan Point)",
    "15bf": "AMD Radeon 760M/780M (Phoenix)",
    "15c8": "AMD Radeon 740M (Phoenix 2)",
    "1900": "AMD Radeon 760M/780M (Hawk Point)",
}
_NPUS = {"1502": "AMD XDNA NPU (Phoenix)", "17f0": "AMD XDNA 2 NPU (Strix)"}


def probe(host: Host) -> tuple[Device, ...]:
    """The GPUs, then the NPUs."""
    gpus = [_gpu(host, device) for device in pci_devices(host, _GPU_VENDOR) if device.is_display]
    npus = [_npu(device) for device in pci_devices(host, _CPU_VENDOR) if device.device in _NPUS]
    return (*gpus, *npus)


def _gpu(host: Host, device: PciDevice) -> Device:
    found = vulkan.find(host, "amd", device.device)
    kind = _memory_kind(device, found)
    total, available = _memory(host, device, kind)
    has_driver = device.driver == "amdgpu"
    apis = []
    if host.glob("/dev/kfd") and has_driver:
        apis.append("rocm")
    if found is not None or (has_driver and vulkan.is_reachable(host, "amd")):
        apis.append("vulkan")
    return Device(
        kind="gpu",
        vendor="amd",
        name=_name(host, device, found),
        memory_kind=kind,
        memory_bytes=total,
        available_bytes=available,
        apis=tuple(apis),
        driver=found.driver if found else None,
        architecture=_architecture(host, device),
        pci_id=device.id,
        note="" if apis else "no driver that runtimes could use: install Mesa's Vulkan driver",
    )


def _name(host: Host, device: PciDevice, found: vulkan.VulkanDevice | None) -> str:
    name = _INTEGRATED.get(device.device) or (found.name if found else None)
    if name:
        return name
    listed = pci_name(host, device)
    return f"AMD {listed}" if listed else f"AMD GPU {device.id}"


def _memory_kind(
    device: PciDevice, found: vulkan.VulkanDevice | None
) -> Literal["dedicated", "shared"] | None:
    """amdgpu's files look alike for both kinds, so Vulkan or the table has to know."""
    if device.device in _INTEGRATED:
        return "shared"
    return found.memory_kind if found else None


def _memory(
    host: Host, device: PciDevice, kind: Literal["dedicated", "shared"] | None
) -> tuple[int | None, int | None]:
    """(total, free). An integrated GPU has what firmware set aside (VRAM) and may take GTT."""
    total, used = _amount(host, device, "vram_total"), _amount(host, device, "vram_used")
    if kind == "shared":
        gtt_total, gtt_used = _amount(host, device, "gtt_total"), _amount(host, device, "gtt_used")
        total = total + gtt_total if total is not None and gtt_total is not None else None
        used = used + gtt_used if used is not None and gtt_used is not None else None
    free = max(0, total - used) if total is not None and used is not None else None
    return total, free


def _amount(host: Host, device: PciDevice, name: str) -> int | None:
    text = host.read(f"{device.folder}/mem_info_{name}") or ""
    return int(text) if text.isdecimal() else None


def _architecture(host: Host, device: PciDevice) -> str | None:
    """gfx_target_version of the compute driver: 110501 is gfx1151, 90010 is gfx90a."""
    for path in host.glob("/sys/class/kfd/kfd/topology/nodes/*/properties"):
        fields = dict(re.findall(r"^(\w+) (\d+)$", host.read(path) or "", re.M))
        number = int(fields.get("gfx_target_version", 0))
        if number and int(fields.get("device_id", 0)) == int(device.device, 16):
            return f"gfx{number // 10000}{number // 100 % 100:x}{number % 100:x}"
    return None


def _npu(device: PciDevice) -> Device:
    has_driver = device.driver == "amdxdna"
    return Device(
        kind="npu",
        vendor="amd",
        name=_NPUS[device.device],
        memory_kind="shared",
        apis=("xdna",) if has_driver else (),
        pci_id=device.id,
        note="ONNX Runtime GenAI with AMD's Ryzen AI software could use it; edgellm does not"
        + ("" if has_driver else "; its driver amdxdna is not loaded"),
    )
