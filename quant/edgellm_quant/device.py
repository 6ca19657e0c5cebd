"""What this device can give a job now: memory, CPUs, and whether its server answers somebody."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable

from msgspec import Struct

from edgellm.errors import QuantCancelled, QuantError

# Of a quantising process: Python, llama.cpp, and the buffers that `quantise_child` allows it.
QUANTISE_BYTES = 400 * 1024 * 1024
RUNTIME_BYTES = 200 * 1024 * 1024  # of a process that evaluates, beside the model
PATIENCE_SECONDS = 600.0  # that a step waits for memory
_POLL_SECONDS = 2.0
_ASK_SECONDS = 1.0


class Device(Struct, frozen=True):
    """Each may be swapped. `usable_bytes`: None = not known. `num_running`: requests that the
    server of this device answers now; 0 where there is no server."""

    usable_bytes: Callable[[], int | None]
    num_running: Callable[[], int]
    num_cpus: int
    patience_seconds: float = PATIENCE_SECONDS
    sleep: Callable[[float], None] = time.sleep


def this_device(port: int) -> Device:
    """The real one. `port`: of its server."""
    return Device(_usable_bytes, lambda: num_running(port), num_cpus())


def num_cpus() -> int:
    """That this process may use. macOS does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_for(asked: int, device: Device) -> int:
    """A chat gets half of the CPUs, even though a job is nice."""
    most = asked or device.num_cpus
    return max(1, min(most, device.num_cpus // 2)) if device.num_running() else most


def wait_for_memory(
    needed_bytes: int,
    device: Device,
    on_wait: Callable[[str], None],
    is_cancelled: Callable[[], bool],
) -> None:
    """Until so much is free.

    Args:
        on_wait: is told once why.

    Raises:
        QuantError: it did not become free in time.
        QuantCancelled: somebody asked to stop meanwhile.
    """
    waited = 0.0
    while (usable := device.usable_bytes()) is not None and usable < needed_bytes:
        words = (
            f"needs {needed_bytes / 2**20:,.0f} MiB of memory; {usable / 2**20:,.0f} MiB are free"
        )
        if waited == 0:
            on_wait(words)
        if waited >= device.patience_seconds:
            raise QuantError(
                f"The step {words}.",
                "Unload models (edgellm stop), close other programs, or use a smaller source.",
            )
        if is_cancelled():
            raise QuantCancelled("The job was cancelled.", "What is done is kept.")
        device.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS


def num_running(port: int) -> int:
    """Requests that the server on this device's port answers; 0 where none does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", "/health")
        body = json.loads(connection.getresponse().read())
        return sum(int(model["stats"]["running"]) for model in body["models"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return 0  # no server, or not ours
    finally:
        connection.close()


def _usable_bytes() -> int | None:
    from edgellm.hardware.host import Host
    from edgellm.hardware.probes import memory

    return memory.probe(Host()).usable_bytes
