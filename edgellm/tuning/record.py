"""Remembers what was tuned: a JSON file for each model file, engine version and CPU.

A record that was made under another version or on another CPU has another name, so it is simply
not found. A file that cannot be read counts as absent.
"""

from __future__ import annotations

import contextlib
import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from edgellm import __version__
from edgellm.atomic import write_atomically
from edgellm.config import Settings
from edgellm.hardware.profile import Cpu
from edgellm.store.files import file_digest
from edgellm.tuning.plan import Chosen
from edgellm.tuning.search import Trial
from edgellm.types import KVType


class Key(Struct, frozen=True):
    """What the measurements hold for."""

    model_digest: str
    engine: str
    cpu: str


class Record(Struct, frozen=True):
    """What was chosen, and the measurements behind it. `date` in ISO 8601, local time."""

    model: str  # the file's name, for people
    key: Key
    date: str
    kv_type: KVType  # under which it was measured
    default: Chosen  # what the engine takes by itself
    chosen: Chosen
    trials: tuple[Trial, ...] = ()


def key_of(model: Path, cpu: Cpu) -> Key:
    """The key of a model file on this installation and a CPU.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        binding = version("llama-cpp-python")
    except PackageNotFoundError:
        binding = "not known"
    cores = f"{cpu.num_usable_cores} of {cpu.num_cores} CPUs"
    described = f"{cpu.model or 'not known'}, {cores}, {' '.join(cpu.features or ())}"
    engine = f"edgellm {__version__}, llama-cpp-python {binding}"
    return Key(file_digest(model), engine, described)


class RecordStore:
    """A folder of records."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, key: Key) -> Path:
        """Where the record of that key is, or would be."""
        place = hashlib.sha256(f"{key.engine}\n{key.cpu}".encode()).hexdigest()
        return self._folder / f"{key.model_digest[:16]}-{place[:8]}.json"

    def load(self, key: Key) -> Record | None:
        """The record of that key; None if there is none that can be read."""
        with contextlib.suppress(OSError, msgspec.DecodeError):
            record = msgspec.json.decode(self.path(key).read_bytes(), type=Record)
            if record.key == key:
                return record
        return None

    def save(self, record: Record) -> Path:
        """Write it, over an older one of the same key.

        Raises:
            OSError: the folder cannot be written.
        """
        path = self.path(record.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.format(msgspec.json.encode(record)) + b"\n")
        return path

    def forget(self, key: Key) -> int:
        """Delete what is known of the model, for older versions and other CPUs too; how many."""
        paths = list(self._folder.glob(f"{key.model_digest[:16]}-*.json"))
        for path in paths:
            path.unlink(missing_ok=True)
        return len(paths)


def apply(settings: Settings, record: Record) -> Settings:
    """The settings, with what was tuned wherever they say "choose for me".

    Threads go together: automatic prefill threads follow explicit `threads`. Flash attention was
    measured for one type of the KV cache, and some types cannot do without it.
    """
    chosen, changes = record.chosen, {}
    if not settings.threads:
        changes["threads"] = chosen.threads
        changes["threads_batch"] = settings.threads_batch or chosen.threads_batch
    if not settings.batch_tokens:
        changes["batch_tokens"] = chosen.batch_tokens
    settings = replace(settings, **changes)
    if settings.flash_attention == "auto" and settings.kv_type == record.kv_type:
        settings = replace(settings, flash_attention=chosen.flash_attention)
    return settings
