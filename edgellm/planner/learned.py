"""Remembers what models really took, and corrects the next estimate for the same model and device.

A JSON file for each model, device and class of options. A measured peak is only a lower bound of
what full use takes: the parts that depend on use may not have been touched yet. So an estimate is
raised as soon as it was too low, and lowered only by what could not have come on top. What cannot
be read counts as absent, and what cannot be written is not learned: serving never fails for it.
"""

from __future__ import annotations

import contextlib
import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from edgellm.atomic import write_atomically
from edgellm.hardware.profile import HardwareProfile
from edgellm.planner.memory import Breakdown
from edgellm.types import EngineOptions

MOST_RECORDS = 8  # the newest ones count
MOST_ERROR = 0.5  # of an estimate: what differs by more was not this model's memory


class Key(Struct, frozen=True):
    """What a measurement holds for."""

    model_digest: str
    options: str
    device: str


class Measured(Struct, frozen=True):
    """One life of an engine: the peak of server and engine together, and what was predicted."""

    peak_bytes: int
    predicted: Breakdown  # without `learned`


class _File(Struct, frozen=True):
    key: Key
    records: tuple[Measured, ...]  # the newest one last


def key_of(
    model_digest: str, options: EngineOptions, profile: HardwareProfile, gpu_layers: int = 0
) -> Key:
    """Options that only scale a part of the estimate share a key: context, sequences, batch."""
    described = (
        f"repack={options.repack} kv={options.kv_type} flash={options.flash_attention} "
        f"swa={options.swa_cache} draft={bool(options.draft_path)} gpu={gpu_layers > 0}"
    )
    cpu = profile.cpu
    device = f"{profile.os} {profile.arch} {profile.board or cpu.model} {_binding()}"
    return Key(model_digest, described, f"{device} {' '.join(sorted(cpu.features or ()))}")


def record(folder: Path, key: Key, predicted: Breakdown, peak_bytes: int) -> bool:
    """Keep a measured peak; False if it could not be kept, or cannot be this model's.

    Args:
        predicted: the estimate of that load, corrected or not.
        peak_bytes: of server and engine together, as `hardware.resident` gives each.
    """
    plain = replace(predicted, learned=0)
    if abs(peak_bytes - plain.total) > MOST_ERROR * plain.total:
        return False
    records = (*_load(folder, key), Measured(peak_bytes, plain))[-MOST_RECORDS:]
    data = msgspec.json.format(msgspec.json.encode(_File(key, records)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(_path(folder, key), data + b"\n")
    except OSError:
        return False
    return True


def correct(folder: Path, key: Key, predicted: Breakdown) -> Breakdown:
    """The estimate, with what was learned in `learned`; unchanged where nothing was."""
    errors = [error(measured) for measured in _load(folder, key)]
    return replace(predicted, learned=max(errors)) if errors else predicted


def error(measured: Measured) -> int:
    """Bytes that the estimate was too low; negative: too high, whatever full use would add."""
    predicted = measured.predicted
    if measured.peak_bytes > predicted.total:
        return measured.peak_bytes - predicted.total
    untouched = predicted.compute + predicted.host_cache + predicted.draft + predicted.projector
    return min(0, measured.peak_bytes + untouched - predicted.total)


def forget(folder: Path, model_digest: str) -> int:
    """Delete what is known of a model, on other devices and with other options too; how many."""
    paths = list(folder.glob(f"{model_digest[:16]}-*.json"))
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def _load(folder: Path, key: Key) -> tuple[Measured, ...]:
    with contextlib.suppress(OSError, msgspec.DecodeError):
        found = msgspec.json.decode(_path(folder, key).read_bytes(), type=_File)
        if found.key == key:
            return found.records
    return ()


def _path(folder: Path, key: Key) -> Path:
    place = hashlib.sha256(f"{key.options}\n{key.device}".encode()).hexdigest()
    return folder / f"{key.model_digest[:16]}-{place[:8]}.json"


def _binding() -> str:
    try:
        return f"llama-cpp-python {version('llama-cpp-python')}"
    except PackageNotFoundError:
        return "no llama-cpp-python"
