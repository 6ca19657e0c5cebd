"""NVIDIA GPUs on PCI, by nvidia-smi; Jetson boards have a probe of their own.

nvidia-smi is the driver's own client of NVML. It is asked instead of NVML because its answer is
text: a captured one replays, and no Python package is needed. Where the driver is missing, the
PCI bus still names the GPU.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

from edgellm.hardware.host import Host
from edgellm.hardware.pci import PciDevice, pci_devices, pci_name
from edgellm.hardware.probes import vulkan
from edgellm.hardware.probes.board import compatible
from edgellm.hardware.profile import Device

PCI_VENDOR = "10de"
_FIELDS = "name,pci.device_id,memory.total,memory.free,driver_version,compute_cap"
_MIB = 1024**2


def probe(host: Host) -> tuple[Device, ...]:
    """The GPUs, those that the driver answers for first."""
    if any(word.startswith("nvidia,tegra") for word in compatible(host)):
        return ()
    answered = tuple(_from_driver(host))
    if answered:
        return answered
    found = pci_devices(host, PCI_VENDOR)
    return tuple(_without_driver(host, device) for device in found if device.is_display)


def _from_driver(host: Host) -> Iterator[Device]:
    text = host.run("nvidia-smi", f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits")
    for row in csv.reader((text or "").splitlines(), skipinitialspace=True):
        if len(row) != len(_FIELDS.split(",")):
            continue
        name, pci_id, total, free, driver, capability = row
        # A GPU without memory of its own (GB10) answers "[N/A]" or "[Not Supported]".
        is_unified = not total.isdecimal()
        yield Device(
            kind="gpu",
            vendor="nvidia",
            name=name,
            memory_kind="unified" if is_unified else "dedicated",
            memory_bytes=_mib(total),
            available_bytes=_mib(free),
            apis=("cuda", "vulkan") if vulkan.is_reachable(host, "nvidia") else ("cuda",),
            driver=driver,
            architecture=_architecture(capability),
            pci_id=_pci_id(pci_id),
        )


def _mib(text: str) -> int | None:
    return int(text) * _MIB if text.isdecimal() else None


def _architecture(capability: str) -> str | None:
    major, _, minor = capability.partition(".")
    return f"sm_{major}{minor}" if major.isdecimal() and minor.isdecimal() else None


def _pci_id(text: str) -> str | None:
    """nvidia-smi writes device and vendor in one word: 0x28E010DE."""
    word = text.lower().removeprefix("0x")
    return f"{word[4:]}:{word[:4]}" if len(word) == 8 else None


def _without_driver(host: Host, device: PciDevice) -> Device:
    name = pci_name(host, device)
    reachable = vulkan.find(host, "nvidia", device.device)
    return Device(
        kind="gpu",
        vendor="nvidia",
        name=f"NVIDIA {name}" if name else f"NVIDIA GPU {device.id}",
        apis=("vulkan",) if reachable else (),
        driver=device.driver,
        pci_id=device.id,
        note="nvidia-smi does not answer: install NVIDIA's driver to use it with CUDA",
    )
