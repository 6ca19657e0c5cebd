"""The power mode that somebody chose, and the battery."""

from __future__ import annotations

import re

from edgellm.hardware.host import Host
from edgellm.hardware.profile import Battery

_SUPPLIES = "/sys/class/power_supply/*"


def probe_mode(host: Host) -> str | None:
    """nvpmodel's on a Jetson, ACPI's platform profile on a PC, macOS's low power mode."""
    return _nvpmodel(host) or host.read("/sys/firmware/acpi/platform_profile") or _macos_mode(host)


def _nvpmodel(host: Host) -> str | None:
    """`NV Power Mode: MAXN_SUPER` and its number; without the right to ask, the file it keeps."""
    match = re.search(r"NV Power Mode: (\S+)", host.run("nvpmodel", "-q") or "")
    if match:
        return match[1]
    mode = re.search(r"pmode:0*(\d+)", host.read("/var/lib/nvpmodel/status") or "")
    if mode is None:
        return None
    conf = host.read("/etc/nvpmodel.conf") or ""
    name = re.search(rf"^< POWER_MODEL ID={mode[1]} NAME=(\S+) >", conf, re.M)
    return name[1] if name else None


def _macos_mode(host: Host) -> str | None:
    match = re.search(r"^\s*lowpowermode\s+(\d)", host.run("pmset", "-g") or "", re.M)
    return {"0": "normal", "1": "low power"}.get(match[1]) if match else None


def probe_battery(host: Host) -> Battery | None:
    """The first that feeds the device itself, not a mouse."""
    for folder in host.glob(_SUPPLIES):
        if host.read(f"{folder}/type") != "Battery" or host.read(f"{folder}/scope") == "Device":
            continue
        percent = host.read(f"{folder}/capacity") or ""
        status = host.read(f"{folder}/status") or "Unknown"
        return Battery(
            percent=int(percent) if percent.isdecimal() else None,
            is_discharging=None if status == "Unknown" else status == "Discharging",
        )
    return _macos_battery(host)


def _macos_battery(host: Host) -> Battery | None:
    """` -InternalBattery-0 (id=…)	85%; discharging; 4:05 remaining present: true`"""
    match = re.search(
        r"InternalBattery.*\t(\d+)%; ([\w ]+);", host.run("pmset", "-g", "batt") or ""
    )
    return Battery(int(match[1]), match[2] == "discharging") if match else None
