"""The memory that models may take on this device, measured for the router."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.assets import builtin_model
from edgellm.cli.settings import user_paths
from edgellm.errors import EdgellmError
from edgellm.hardware import resident
from edgellm.hardware.detect import detect
from edgellm.hardware.host import Host
from edgellm.hardware.probes import memory, thermal
from edgellm.hardware.profile import Memory
from edgellm.serving.meter import MIB, Meter, file_size_estimate
from edgellm.serving.resolver import ServedModel
from edgellm.types import DeviceStatus, EngineOptions
from edgellm.units import parse_size

if TYPE_CHECKING:
    from edgellm.planner import learned
    from edgellm.planner.memory import Breakdown

_HEAD_BYTES = 1 * MIB  # of a file: its header, for the most part


def device_meter(memory_limit: str, host: Host) -> Meter:
    """What the router needs to know of this device.

    Args:
        memory_limit: as the setting has it; empty = what is free now, less a reserve.
    """
    models = ModelMemory(host)
    return Meter(
        budget=memory_budget(memory_limit, lambda: memory.probe(host)),
        resident=lambda pid: resident.probe(host, pid),
        num_oom_kills=lambda: resident.num_oom_kills(host),
        estimate=models.estimate,
        reclaimable=models.reclaimable,
        on_measured=models.learn,
    )


def device_status(host: Host) -> Callable[[], DeviceStatus]:
    """What the server tells of this device; may be called in any thread."""

    def look() -> DeviceStatus:
        server, heat = resident.probe(host, os.getpid()), thermal.probe(host)
        return DeviceStatus(
            server_bytes=server.now_bytes if server is not None else None,
            temperature_celsius=heat.temperature_celsius,
            is_throttled=heat.is_throttled,
        )

    return look


class ModelMemory:
    """What engines will take, by the headers of their files and what was measured here before."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: dict[tuple[Path, EngineOptions], Breakdown | None] = {}

    def estimate(self, model: ServedModel, options: EngineOptions) -> int | None:
        """Bytes of an engine with its whole context in use; None = not known."""
        from edgellm.planner.memory import SERVER_BYTES

        if _is_builtin(model):  # the planner takes longer to import than it to load
            return file_size_estimate(model, options)
        found = self._breakdown(model, options)
        if found is None:
            return file_size_estimate(model, options)
        return found.needed - SERVER_BYTES

    def reclaimable(self, model: ServedModel, options: EngineOptions) -> int:
        """Bytes of weights that were copied, so that nobody needs their pages any more."""
        found = None if _is_builtin(model) else self._breakdown(model, options)
        return found.reclaimable if found is not None else 0

    def learn(self, model: ServedModel, options: EngineOptions, peak_bytes: int) -> None:
        """An engine has ended: remember what it took."""
        from edgellm.planner import learned
        from edgellm.planner.memory import SERVER_BYTES

        found = None if _is_builtin(model) else self._breakdown(model, options)
        if found is not None:
            key = self._key(model, options)
            learned.record(learned_folder(), key, found, peak_bytes + SERVER_BYTES)

    def _breakdown(self, model: ServedModel, options: EngineOptions) -> Breakdown | None:
        key = (model.path, options)
        if key not in self._known:
            self._known[key] = self._look(model, options)
        return self._known[key]

    def _look(self, model: ServedModel, options: EngineOptions) -> Breakdown | None:
        from edgellm.planner import learned
        from edgellm.planner.header_facts import facts_of_header
        from edgellm.planner.memory import Environment, estimate
        from edgellm.store.gguf_header import read_header

        try:
            facts = facts_of_header(read_header(model.path))
            draft = options.draft_path
            guesser = facts_of_header(read_header(Path(draft))) if draft else None
        except (OSError, EdgellmError):  # the load will say why
            return None
        profile = detect(self._host)
        environment = Environment(profile.cpu.features or ())
        layers = max(0, options.gpu_layers)
        found = estimate(facts, options, environment, gpu_layers=layers, draft=guesser)
        return learned.correct(learned_folder(), self._key(model, options), found)

    def _key(self, model: ServedModel, options: EngineOptions) -> learned.Key:
        from edgellm.planner import learned

        digest = model.digest or _digest_of_head(model.path)
        return learned.key_of(digest, options, detect(self._host), max(0, options.gpu_layers))


def learned_folder() -> Path:
    """Where it is kept what models really took."""
    return user_paths().cache / "memory"


def _is_builtin(model: ServedModel) -> bool:
    return model.path == builtin_model()


def _digest_of_head(path: Path) -> str:
    """Of the part that tells one model from another, where the whole was never read."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return hashlib.sha256(b"%d " % path.stat().st_size + head).hexdigest()


def memory_budget(memory_limit: str, probe: Callable[[], Memory]) -> Callable[[int], int | None]:
    """Bytes that engines may take together, given those that they hold.

    Without a limit of the user's, it is what was available at the start, less the reserve; and
    when other programs have taken some since, so much less.
    """
    if memory_limit:
        limit = parse_size(memory_limit)
        return lambda _held: limit
    at_start = probe().usable_bytes

    def budget(held_bytes: int) -> int | None:
        now = probe().usable_bytes
        if at_start is None or now is None:
            return None
        return max(0, min(at_start, now + held_bytes))

    return budget
