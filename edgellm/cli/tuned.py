"""What `edgellm tune` remembered, for the commands that serve."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.cli.settings import user_paths
from edgellm.config import Settings

if TYPE_CHECKING:
    from edgellm.tuning.record import Key, RecordStore

logger = logging.getLogger(__name__)


def records() -> RecordStore:
    """The records of this user."""
    from edgellm.tuning.record import RecordStore

    return RecordStore(_folder())


def record_key(model: Path) -> Key:
    """The key of a model file on this device."""
    from edgellm.hardware.host import Host
    from edgellm.hardware.probes import cpu
    from edgellm.tuning.record import key_of

    return key_of(model, cpu.probe(Host()))


def with_tuning(settings: Settings, model: Path) -> Settings:
    """The settings, with what was tuned for the model where they leave the choice; says so."""
    if not _folder().is_dir():
        return settings
    from edgellm.tuning.record import apply

    try:
        record = records().load(record_key(model))
    except OSError:  # the loading will say why
        return settings
    if record is None:
        return settings
    tuned = apply(settings, record)
    changed = [name for name in settings.__struct_fields__ if _differs(name, settings, tuned)]
    if changed:
        told = ", ".join(f"{name.replace('_', '-')} {getattr(tuned, name)}" for name in changed)
        logger.info("tuned on %s: %s", record.date[:10], told)
    return tuned


def _differs(name: str, one: Settings, other: Settings) -> bool:
    return bool(getattr(one, name) != getattr(other, name))


def _folder() -> Path:
    return user_paths().cache / "tuning"
