"""The GPUs of Macs, by system_profiler. Apple silicon's works in main memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from edgellm.hardware.host import Host
from edgellm.hardware.profile import Device

_MIB = 1024**2
DISPLAYS = ("system_profiler", "SPDisplaysDataType", "-json")


def probe(host: Host) -> tuple[Device, ...]:
    """In the order of system_profiler, which is the built-in one first."""
    return tuple(_device(host, gpu) for gpu in _gpus(host))


def _gpus(host: Host) -> Iterator[dict[str, Any]]:
    text = host.run(*DISPLAYS)
    try:
        report = msgspec.json.decode(text or "{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return
    gpus = report.get("SPDisplaysDataType")
    for gpu in gpus if isinstance(gpus, list) else ():
        if isinstance(gpu, dict) and isinstance(gpu.get("sppci_model"), str):
            yield gpu


def _device(host: Host, gpu: dict[str, Any]) -> Device:
    name, cores = gpu["sppci_model"], gpu.get("sppci_cores")
    family = str(gpu.get("spdisplays_mtlgpufamilysupport", ""))
    apis = ("metal",) if family.startswith("spdisplays_metal") else ()
    if not name.startswith("Apple"):  # a Mac with an Intel processor
        vendor = "amd" if "AMD" in name or "Radeon" in name else "intel"
        return Device(kind="gpu", vendor=vendor, name=name, apis=apis)
    limit = _wired_limit(host)
    return Device(
        kind="gpu",
        vendor="apple",
        name=f"{name} ({cores} cores)" if cores else name,
        memory_kind="unified",
        memory_bytes=limit,
        apis=apis,
        architecture=family.removeprefix("spdisplays_") or None,
        note=""
        if limit
        else "macOS lets it take about 2/3 of memory (3/4 above 36 GB); "
        "raise it with: sysctl iogpu.wired_limit_mb=N",
    )


def _wired_limit(host: Host) -> int | None:
    """What the user set; 0 is macOS's own rule, which no file tells."""
    text = host.run("sysctl", "-n", "iogpu.wired_limit_mb") or ""
    return int(text) * _MIB or None if text.isdecimal() else None
