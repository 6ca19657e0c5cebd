"""Arm Mali GPUs, by the device tree, and by the vendor driver's own name where it is loaded."""

from __future__ import annotations

from edgellm.hardware.host import Host
from edgellm.hardware.probes import vulkan
from edgellm.hardware.probes.board import compatible
from edgellm.hardware.profile import Device

GPU_NODES = ("/proc/device-tree/gpu*/compatible", "/proc/device-tree/soc*/gpu*/compatible")
# Chip -> its GPU, where the driver does not say: vendors' data sheets.
_CHIPS = {
    "rockchip,rk3588": "Mali-G610 MP4",
    "rockchip,rk3588s": "Mali-G610 MP4",
    "rockchip,rk3576": "Mali-G52 MC3",
    "rockchip,rk3568": "Mali-G52 2EE",
    "rockchip,rk3566": "Mali-G52 2EE",
}


def probe(host: Host) -> tuple[Device, ...]:
    """The chip's one GPU."""
    words = " ".join(host.read(path) or "" for node in GPU_NODES for path in host.glob(node))
    if "mali" not in words:
        return ()
    apis = ["vulkan"] if vulkan.is_reachable(host, "arm") else []
    if host.glob("/etc/OpenCL/vendors/mali*.icd"):
        apis.append("opencl")
    found = vulkan.find(host, "arm")
    return (
        Device(
            kind="gpu",
            vendor="arm",
            name=f"Arm {_name(host)}",
            memory_kind="shared",
            apis=tuple(apis),
            driver=found.driver if found else None,
            note="llama.cpp's OpenCL and Vulkan are rarely faster than the CPU here",
        ),
    )


def _name(host: Host) -> str:
    """The vendor's driver says "Mali-G610 4 cores r0p0 0xA867"."""
    told = (host.read("/sys/class/misc/mali0/device/gpuinfo") or "").split()
    if told:
        return told[0]
    return next((_CHIPS[word] for word in compatible(host) if word in _CHIPS), "Mali GPU")
