"""Intel GPUs (integrated and Arc cards), and the NPUs of Core Ultra processors."""

from __future__ import annotations

import re

from edgellm.hardware.host import Host
from edgellm.hardware.pci import PciDevice, pci_devices, pci_name
from edgellm.hardware.probes import vulkan
from edgellm.hardware.profile import Device

_VENDOR = "8086"
_INTEGRATED_SLOT = "0000:00:02.0"  # where every integrated one is
_NPUS = {
    "7d1d": "Intel NPU (Meteor Lake)",
    "ad1d": "Intel NPU (Arrow Lake)",
    "643e": "Intel NPU 4 (Lunar Lake)",
}
# The drivers' total of a card's own memory: i915, xe.
_LOCAL_MEMORY = ("lmem_total_bytes", "drm/card*/lmem_total_bytes", "tile0/physical_vram_size_bytes")
_LEVEL_ZERO = ("/usr/lib/*/libze_intel_gpu.so*", "/usr/lib64/libze_intel_gpu.so*")


def probe(host: Host) -> tuple[Device, ...]:
    """The GPUs, then the NPUs."""
    devices = pci_devices(host, _VENDOR)
    gpus = [_gpu(host, device) for device in devices if device.is_display]
    npus = [_npu(device) for device in devices if device.device in _NPUS]
    return (*gpus, *npus)


def _gpu(host: Host, device: PciDevice) -> Device:
    found = vulkan.find(host, "intel", device.device)
    own = _local_memory(host, device)
    is_integrated = device.slot == _INTEGRATED_SLOT
    has_driver = device.driver in ("i915", "xe")
    apis = []
    if found is not None or (has_driver and vulkan.is_reachable(host, "intel")):
        apis.append("vulkan")
    if has_driver and any(host.glob(pattern) for pattern in _LEVEL_ZERO):
        apis += ["sycl", "openvino"]
    if has_driver and host.glob("/etc/OpenCL/vendors/intel*.icd"):
        apis.append("opencl")
    name = pci_name(host, device) or (found.name if found else None)
    return Device(
        kind="gpu",
        vendor="intel",
        name=_with_maker(name) if name else f"Intel GPU {device.id}",
        memory_kind="shared" if is_integrated else "dedicated" if own else None,
        memory_bytes=own,
        apis=tuple(apis),
        driver=found.driver if found else None,
        pci_id=device.id,
        note="" if apis else "no driver that runtimes could use: install Mesa's Vulkan driver",
    )


def _with_maker(name: str) -> str:
    return name if name.startswith("Intel") else f"Intel {name}"


def _local_memory(host: Host, device: PciDevice) -> int | None:
    paths = (path for name in _LOCAL_MEMORY for path in host.glob(f"{device.folder}/{name}"))
    texts = (host.read(path) or "" for path in paths)
    return next(
        (int(text, 0) for text in texts if re.fullmatch(r"0x[0-9a-f]+|[1-9]\d*", text)), None
    )


def _npu(device: PciDevice) -> Device:
    has_driver = device.driver == "intel_vpu"
    return Device(
        kind="npu",
        vendor="intel",
        name=_NPUS[device.device],
        memory_kind="shared",
        apis=("openvino",) if has_driver else (),
        pci_id=device.id,
        note="OpenVINO GenAI could use it; edgellm does not"
        + ("" if has_driver else "; its driver intel_vpu is not loaded"),
    )
