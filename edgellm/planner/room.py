"""How much memory a model may take here: what is free now, less a reserve that stays free.

The reserve is for what else runs and grows: 5 % of the memory that this process may use at all
(the machine's, or its cgroup's limit), at least 256 MiB or a quarter of it. On a GPU with memory of
its own, at least 512 MiB: its driver takes some for each program, and says so to nobody beforehand.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from edgellm.hardware.profile import RESERVE_SHARE, Device, Memory
from edgellm.planner.footprint import MIB, Footprint
from edgellm.planner.runtime import Place

MIN_DEVICE_RESERVE_BYTES = 512 * MIB
# Of main memory that Metal lets a program use, where no limit was set (facts: hardware, section 3).
_METAL_SHARE = 2 / 3


class Room(Struct, frozen=True):
    """Bytes for a model, after the reserve. None = not known."""

    main_bytes: int | None
    reserve_bytes: int
    device_bytes: int | None = (
        None  # of the place's device; None = not known, or no limit of its own
    )


def room_at(place: Place, memory: Memory) -> Room:
    """For a model that runs there."""
    device_bytes = _device_bytes(place.device, memory) if place.device else None
    return Room(memory.usable_bytes, memory.reserve_bytes, device_bytes)


def limited(memory: Memory, limit_bytes: int) -> Memory:
    """As if so much could be used at most, beside the reserve."""
    most = limit_bytes + memory.reserve_bytes
    available = most if memory.available_bytes is None else min(memory.available_bytes, most)
    return replace(memory, available_bytes=available)


def shortage(footprint: Footprint, place: Place, room: Room) -> str:
    """What is missing, for people; empty when it fits."""
    if room.main_bytes is None:
        return "how much memory is free is not known"
    here, above = footprint.needed, footprint.dedicated
    if place.device is not None and not place.has_own_memory:
        here += above  # a GPU without memory of its own takes it from the main one
    if place.has_own_memory and above and room.device_bytes is None:
        return f"how much memory the {place.name} has is not known"
    if room.device_bytes is not None and above > room.device_bytes:
        needed, has = _apart(above, room.device_bytes)
        return f"needs {needed} GiB on the {place.name}, which has {has} GiB"
    if here > room.main_bytes:
        needed, has = _apart(here, room.main_bytes)
        return f"needs {needed} GiB of memory; {has} GiB can be used"
    return ""


def _device_bytes(device: Device, memory: Memory) -> int | None:
    size = device.available_bytes if device.available_bytes is not None else device.memory_bytes
    if device.memory_kind == "dedicated" or device.kind == "npu":
        if size is None:
            return None
        return max(0, size - max(MIN_DEVICE_RESERVE_BYTES, int(RESERVE_SHARE * size)))
    if size is None and "metal" in device.apis and memory.total_bytes is not None:
        return int(_METAL_SHARE * memory.total_bytes)
    return size


def _apart(needed: int, has: int) -> tuple[str, str]:
    """Both in GiB, with as many digits as it takes to see that they differ."""
    texts = ("", "")
    for digits in (1, 2, 3):
        texts = (f"{needed / 1024**3:.{digits}f}", f"{has / 1024**3:.{digits}f}")
        if texts[0] != texts[1]:
            break
    return texts
