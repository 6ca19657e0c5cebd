"""The GPU of NVIDIA Jetson boards, which works in main memory.

nvidia-smi exists there, but its memory is "Not Supported", so it is never asked: what the GPU may
take is what /proc/meminfo calls available.
"""

from __future__ import annotations

import re

from edgellm.hardware.host import Host
from edgellm.hardware.probes import vulkan
from edgellm.hardware.probes.board import compatible
from edgellm.hardware.profile import Device

# Chip -> (its name, the GPU's CUDA architecture); jetson_stats' table.
_CHIPS = {
    "tegra210": ("Tegra X1", "sm_53"),
    "tegra186": ("Tegra X2", "sm_62"),
    "tegra194": ("Xavier", "sm_72"),
    "tegra234": ("Orin", "sm_87"),
    "tegra264": ("Thor", "sm_110"),
}
# Module -> product; jetson_stats' table.
MODULES = {
    "p3767-0000": "Jetson Orin NX 16 GB",
    "p3767-0001": "Jetson Orin NX 8 GB",
    "p3767-0003": "Jetson Orin Nano 8 GB",
    "p3767-0004": "Jetson Orin Nano 4 GB",
    "p3767-0005": "Jetson Orin Nano 8 GB (developer kit)",
    "p3701-0000": "Jetson AGX Orin",
    "p3701-0004": "Jetson AGX Orin 32 GB",
    "p3701-0005": "Jetson AGX Orin 64 GB",
    "p3834-0008": "Jetson AGX Thor (developer kit)",
}
# Linux for Tegra -> JetPack, for people.
_JETPACKS = {
    "36.4.3": "6.2",
    "36.4.7": "6.2.1",
    "36.5.0": "6.2.2",
    "38.4.0": "7.1",
    "39.2.0": "7.2",
}
_GPU_NODES = ("/sys/class/devfreq/*.gpu", "/sys/class/devfreq/gpu-gpc-0", "/dev/nvhost-gpu")


def probe(host: Host) -> tuple[Device, ...]:
    """The board's one GPU."""
    words = compatible(host)
    chip = next((word.removeprefix("nvidia,") for word in words if "nvidia,tegra" in word), None)
    if chip is None:
        return ()
    chip_name, architecture = _CHIPS.get(chip, (chip, None))
    product = MODULES.get(module(host) or "")
    release = _release(host)
    has_driver = release is not None or any(host.glob(node) for node in _GPU_NODES)
    apis = ["cuda"] if has_driver else []
    if vulkan.is_reachable(host, "nvidia"):
        apis.append("vulkan")
    return (
        Device(
            kind="gpu",
            vendor="nvidia",
            name=f"{product}, integrated GPU" if product else f"{chip_name} integrated GPU",
            memory_kind="unified",
            apis=tuple(apis),
            driver=release,
            architecture=architecture,
            note=""
            if has_driver
            else "its driver was not found: is this NVIDIA's Linux for Tegra?",
        ),
    )


def module(host: Host) -> str | None:
    """The module's part number, e.g. "p3767-0005"; the carrier board's stands beside it."""
    tree = "/proc/device-tree/"
    names = ("compatible", "nvidia,dtsfilename", "nvidia,boardids")
    text = " ".join(host.read(tree + name) or "" for name in names)
    return next((number for number in re.findall(r"p\d{4}-\d{4}", text) if number in MODULES), None)


def _release(host: Host) -> str | None:
    """E.g. "L4T 36.4.3 (JetPack 6.2)"."""
    text = host.read("/etc/nv_tegra_release") or ""
    match = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", text)
    if match is None:
        return None
    number = f"{match[1]}.{match[2]}"
    jetpack = _JETPACKS.get(number) or ("7.0" if number.startswith("38.2.") else None)
    return f"L4T {number} (JetPack {jetpack})" if jetpack else f"L4T {number}"
