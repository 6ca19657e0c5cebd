"""Temperature, and whether heat or a weak power supply slows the device down."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgellm.hardware.host import Host
from edgellm.hardware.profile import Thermal

# Thermal zones and hwmon chips that measure the processor; others sit on disks and radios.
_ZONES = re.compile(r"cpu|gpu|soc|core|pkg|tj|center", re.I)
_CHIPS = ("k10temp", "coretemp", "zenpower")
# Cooling by clocking down; a fan is none.
_CLOCKS = re.compile(r"^(thermal-)?(cpufreq|devfreq|idle)|^Processor$")
_FIRMWARE = "/sys/devices/platform/soc*/soc*:firmware/get_throttled"


def probe(host: Host) -> Thermal:
    """The Raspberry Pi's firmware knows more than the kernel does."""
    celsius = max(_zones(host), default=None)
    if celsius is None:
        celsius = max(_chips(host), default=None)
    bits = _firmware_bits(host)
    if bits is not None:
        return Thermal(
            temperature_celsius=celsius,
            is_throttled=bool(bits & 0xE),  # capped, throttled, soft limit
            was_throttled=bool(bits & 0xE000E),
            is_under_voltage=bool(bits & 0x10001),
        )
    is_throttled = _is_clocked_down(host)
    was_throttled = _was_throttled(host)
    return Thermal(
        temperature_celsius=celsius,
        is_throttled=is_throttled,
        was_throttled=True if is_throttled else was_throttled,
    )


def _zones(host: Host) -> Iterator[float]:
    for folder in host.glob("/sys/class/thermal/thermal_zone*"):
        if _ZONES.search(host.read(f"{folder}/type") or ""):
            yield from _celsius(host.read(f"{folder}/temp"))


def _chips(host: Host) -> Iterator[float]:
    for folder in host.glob("/sys/class/hwmon/hwmon*"):
        if host.read(f"{folder}/name") in _CHIPS:
            yield from _celsius(host.read(f"{folder}/temp1_input"))


def _celsius(text: str | None) -> Iterator[float]:
    """From thousandths. A sensor that is asleep answers with an error, or with nonsense."""
    if text and re.fullmatch(r"\d{4,6}", text) and int(text) < 150_000:
        yield int(text) / 1000


def _firmware_bits(host: Host) -> int | None:
    """`throttled=0x50000`: low bits now, high bits since the start (vcgencmd's documentation)."""
    text = host.run("vcgencmd", "get_throttled")
    if text is None:
        text = next((host.read(path) for path in host.glob(_FIRMWARE)), None)
    match = re.fullmatch(r"(?:throttled=)?(?:0x)?([0-9a-f]+)", text or "")
    return int(match[1], 16) if match else None


def _is_clocked_down(host: Host) -> bool | None:
    states = [
        host.read(f"{folder}/cur_state") or ""
        for folder in host.glob("/sys/class/thermal/cooling_device*")
        if _CLOCKS.search(host.read(f"{folder}/type") or "")
    ]
    known = [int(state) for state in states if state.isdecimal()]
    return any(known) if known else None


def _was_throttled(host: Host) -> bool | None:
    """x86 counts how often the package was too hot."""
    path = "/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count"
    text = host.read(path) or ""
    return int(text) > 0 if text.isdecimal() else None
