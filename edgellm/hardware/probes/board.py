"""The board: the device tree's or the firmware's name of it, and the words for its chip."""

from __future__ import annotations

from edgellm.hardware.host import Host

_TREE = "/proc/device-tree"
# What firmware says when nobody filled it in.
_FILLERS = ("to be filled by o.e.m.", "default string", "system product name", "none", "")


def probe(host: Host) -> str | None:
    """E.g. "Raspberry Pi 5 Model B Rev 1.0", "Framework Laptop 13", "Mac16,8"."""
    return (
        host.read(f"{_TREE}/model") or _firmware_name(host) or host.run("sysctl", "-n", "hw.model")
    )


def compatible(host: Host) -> tuple[str, ...]:
    """The root's `compatible` in the device tree, the board first and the chip last."""
    return tuple((host.read(f"{_TREE}/compatible") or "").split())


def _firmware_name(host: Host) -> str | None:
    vendor, product = (
        host.read(f"/sys/class/dmi/id/{name}") or "" for name in ("sys_vendor", "product_name")
    )
    if product.lower() in _FILLERS:
        return None
    if vendor.lower() in _FILLERS or product.lower().startswith(vendor.lower()):
        return product
    return f"{vendor} {product}"
