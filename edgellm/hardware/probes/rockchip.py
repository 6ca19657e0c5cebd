"""The NPUs of Rockchip chips, by the device tree and the drivers' nodes."""

from __future__ import annotations

import re

from edgellm.hardware.host import Host
from edgellm.hardware.probes.board import compatible
from edgellm.hardware.profile import Device

_CHIPS = ("rk3588", "rk3588s", "rk3576", "rk3568", "rk3566", "rk3562")
_WITH_RKLLM = ("rk3588", "rk3588s", "rk3576", "rk3562")
_VENDOR_KERNEL = ("/sys/class/devfreq/*.npu", "/sys/module/rknpu/version")


def probe(host: Host) -> tuple[Device, ...]:
    """The chip's one NPU."""
    words = [word.removeprefix("rockchip,") for word in compatible(host)]
    chip = next((word for word in words if word in _CHIPS), None)
    if chip is None:
        return ()
    version = _version(host)
    has_driver = version is not None or any(host.glob(node) for node in _VENDOR_KERNEL)
    return (
        Device(
            kind="npu",
            vendor="rockchip",
            name=f"Rockchip {chip.upper()} NPU",
            memory_kind="shared",
            apis=("rknn",) if has_driver else (),
            driver=version,
            architecture=chip,
            can_run_llms=chip in _WITH_RKLLM,
            note=_note(chip, has_driver),
        ),
    )


def _version(host: Host) -> str | None:
    """Only root may read it."""
    text = host.read("/sys/kernel/debug/rknpu/version") or host.read("/sys/module/rknpu/version")
    match = re.search(r"\d+(\.\d+)+", text or "")
    return match[0] if match else None


def _note(chip: str, has_driver: bool) -> str:
    if chip not in _WITH_RKLLM:
        return "Rockchip's RKLLM does not support this chip's NPU"
    note = "RKLLM could use it, with .rkllm files made for this chip; edgellm does not"
    return note if has_driver else note + "; the vendor kernel's driver rknpu is not loaded"
