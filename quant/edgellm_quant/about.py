"""Under what conditions a report's figures were taken. Everything is optional: what a job does not
say is left out of the report, and nothing is guessed."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from msgspec import Struct

from edgellm import __version__
from edgellm.hardware.profile import HardwareProfile

_LIBRARIES = ("llama-cpp-python", "numpy", "onnxruntime-genai", "mlc-llm")


class About(Struct, frozen=True):
    """What a reader needs to take the same figures again."""

    source_sha256: str = ""
    source_bytes: int | None = None
    text: str = ""  # what was evaluated on: its name, and its size or digest
    calibration: str = ""  # the text behind the importance matrix; empty = there was none
    settings: dict[str, str] = {}  # context, threads, limits, as people read them
    machine: str = ""
    device: str = ""  # its `HardwareProfile.label`, for catalogues
    versions: dict[str, str] = {}
    command: str = ""


def machine_of(profile: HardwareProfile) -> str:
    """One line about a device. Names no person and no network."""
    total = profile.memory.total_bytes
    memory = f"{total / 1024**3:.1f} GiB of memory" if total else ""
    system = " ".join(filter(None, (profile.os, profile.arch)))
    return ", ".join(filter(None, (profile.label, memory, system)))


def versions_here() -> dict[str, str]:
    """Of what made and measured the files, as far as it is installed."""
    found = {"edgellm": __version__, "Python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
