"""The memory that models may take on this device, measured for the router."""

from __future__ import annotations

from collections.abc import Callable

from edgellm.hardware import resident
from edgellm.hardware.host import Host
from edgellm.hardware.probes import memory
from edgellm.hardware.profile import Memory
from edgellm.serving.meter import MIB, Meter
from edgellm.units import parse_size

_RESERVE_SHARE = 0.05  # of main memory, for whatever else runs here
_LEAST_RESERVE_BYTES = 128 * MIB
_MOST_RESERVE_BYTES = 1024 * MIB


def device_meter(memory_limit: str, host: Host) -> Meter:
    """What the router needs to know of this device.

    Args:
        memory_limit: as the setting has it; empty = what is free now, less a reserve.
    """
    return Meter(
        budget=memory_budget(memory_limit, lambda: memory.probe(host)),
        resident=lambda pid: resident.probe(host, pid),
        num_oom_kills=lambda: resident.num_oom_kills(host),
    )


def memory_budget(memory_limit: str, probe: Callable[[], Memory]) -> Callable[[int], int | None]:
    """Bytes that engines may take together, given those that they hold.

    Without a limit of the user's, it is what was available at the start, less the reserve; and
    when other programs have taken some since, so much less.
    """
    if memory_limit:
        limit = parse_size(memory_limit)
        return lambda _held: limit
    at_start = available_bytes(probe())

    def budget(held_bytes: int) -> int | None:
        now = available_bytes(probe())
        if at_start is None or now is None:
            return None
        return max(0, min(at_start, now + held_bytes))

    return budget


def available_bytes(measured: Memory) -> int | None:
    """What new processes may take, less the reserve; None where the device does not tell."""
    if measured.available_bytes is None:
        return None
    share = int((measured.total_bytes or measured.available_bytes) * _RESERVE_SHARE)
    reserve = min(_MOST_RESERVE_BYTES, max(_LEAST_RESERVE_BYTES, share))
    return measured.available_bytes - reserve
