"""The models of this device: what is there, bringing more, checking and removing them.

Everything blocks; a server calls `find` directly (it reads a few small files) and the others by
`asyncio.to_thread`. Any number of processes may use one folder at a time.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from edgellm.errors import ConfigError, DownloadFailed, ModelFileError, ModelInUse
from edgellm.store import shelf
from edgellm.store.lock import lock
from edgellm.store.model import LocalModel, Wanted
from edgellm.store.places import Places
from edgellm.store.progress import Meter, Progress
from edgellm.store.pull import Pull
from edgellm.store.remote import Resolved
from edgellm.store.sources import http, local
from edgellm.store.sources.huggingface import PREFIX, Hub
from edgellm.store.verify import Problem, Verdict, verify

_log = logging.getLogger(__name__)


class DiskUsage(Struct, frozen=True):
    """Bytes on the disk; a file that several models share by hard links counts once."""

    models: dict[str, int]
    unfinished_bytes: int
    quarantine_bytes: int
    free_bytes: int | None

    @property
    def total_bytes(self) -> int:
        """Of all that the store holds."""
        return sum(self.models.values()) + self.unfinished_bytes + self.quarantine_bytes


class Store:
    """A folder of models. Nothing is created before something is pulled.

    Args:
        hub: who is asked for `hf:` sources; None = the one of the environment.
    """

    def __init__(self, folder: Path, hub: Hub | None = None) -> None:
        self.places = Places(folder)
        self.hub = hub or Hub()

    def list(self) -> tuple[LocalModel, ...]:
        """All models that are there, by name."""
        return tuple(sorted(shelf.models(self.places), key=lambda model: model.name.lower()))

    def find(self, what: Wanted | str) -> LocalModel | None:
        """A model that may be loaded. Asks no network.

        A model whose files changed since they were verified is verified again first, which reads
        all of it; what is wrong is moved aside, and is not found.

        Args:
            what: a variant's files, or a name or a folder's name that `list` shows.
        """
        for model in sorted(shelf.models(self.places), key=_age, reverse=True):
            is_meant = _is_called(model, what) if isinstance(what, str) else _is_what(model, what)
            if not is_meant:
                continue
            if shelf.is_unchanged(model) or self.verify(model).is_ok:
                return shelf.read(model.folder)
        return None

    def pull(
        self,
        wanted: Wanted,
        on_progress: Callable[[Progress], None] | None = None,
        *,
        limit_rate: float | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> LocalModel:
        """Make a model be there, and up to date where the remote can be asked.

        Args:
            on_progress: called some ten times a second, in this thread.
            limit_rate: bytes per second; None = no limit.
            should_stop: asked at every piece; the pull then ends with PullCancelled.

        Raises:
            StoreError: see `edgellm.errors`. What came is kept, and the next pull goes on.
        """
        meter = Meter(on_progress, limit_rate=limit_rate, should_stop=should_stop)
        found = self.find(wanted)
        if found is not None and wanted.is_pinned:
            with shelf.changes(self.places):
                return shelf.rename(found, wanted.name)
        try:
            resolved = self.resolve(wanted, meter)
        except DownloadFailed as error:
            if found is None:
                raise
            _log.warning("using what is there of %s: %s", wanted.name, error.message)
            return found
        if found is not None and _is_same_version(found, resolved):
            return found
        return self._supersede(Pull(self.places, self.hub, wanted, resolved, meter).run())

    def take_in(
        self, path: Path, on_progress: Callable[[Progress], None] | None = None
    ) -> LocalModel:
        """Import a model of this device: by hard links, or by copies to another disk.

        Raises:
            ModelFileError: it is no model.
            StoreError: no room.
        """
        wanted, resolved = local.resolve(path)
        return Pull(self.places, self.hub, wanted, resolved, Meter(on_progress)).run()

    def resolve(self, wanted: Wanted, meter: Meter | None = None) -> Resolved:
        """Ask the remote for sizes and digests; nothing is fetched.

        Raises:
            StoreError: offline, refused, not there.
        """
        if wanted.source.startswith(PREFIX):
            return self.hub.resolve(wanted, meter)
        if wanted.source.startswith(("http://", "https://")):
            return http.resolve(wanted)
        if wanted.source.startswith(local.PREFIX):
            return local.resolve_wanted(wanted)
        raise ConfigError(
            f"'{wanted.source}' is no source of models.", "Write hf:OWNER/REPO or an https address."
        )

    def verify(
        self,
        model: LocalModel,
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Verdict:
        """Read and compare all of a model; bad files are moved aside, with the reason."""
        return verify(self.places, model, Meter(on_progress, should_stop=should_stop))

    def broken(self) -> tuple[Verdict, ...]:
        """Folders that look like models and have no manifest that can be read."""
        return tuple(
            Verdict(folder.name, folder.name, 0, (Problem(".", "it has no readable manifest"),))
            for folder in shelf.folders(self.places)
            if shelf.read(folder) is None
        )

    @contextlib.contextmanager
    def hold(self, model: LocalModel) -> Iterator[LocalModel]:
        """Keep other processes from removing a model while it is served.

        Raises:
            ModelFileError: it went between `find` and now.
        """
        with lock(self.places.model_lock(model.id), is_shared=True, on_wait=lambda: None):
            if not model.path.exists():
                raise ModelFileError(f"{model.name} was removed just now.", "Pull it again.")
            yield model

    def remove(self, model: LocalModel) -> int:
        """Delete a model; returns the bytes that it took.

        Raises:
            ModelInUse: somebody holds it.
        """
        return shelf.remove(self.places, model)

    def clean(self, *, unfinished: bool = False, quarantine: bool = False) -> int:
        """Delete what pulls left unfinished, what was moved aside; returns the bytes freed."""
        freed = 0
        if unfinished and self.places.unfinished.is_dir():
            for folder in sorted(self.places.unfinished.iterdir()):
                with lock(self.places.pull_lock(folder.name)) as is_mine:
                    if is_mine:
                        freed += _num_bytes(folder)
                        shutil.rmtree(folder, ignore_errors=True)
        if quarantine:
            freed += _num_bytes(self.places.quarantine)
            shutil.rmtree(self.places.quarantine, ignore_errors=True)
        return freed

    def disk_usage(self) -> DiskUsage:
        """What the models take, and what is left."""
        seen: set[tuple[int, int]] = set()
        models = {model.id: _num_bytes(model.folder, seen) for model in self.list()}
        unfinished = _num_bytes(self.places.unfinished, seen)
        quarantined = _num_bytes(self.places.quarantine, seen)
        return DiskUsage(models, unfinished, quarantined, free_bytes(self.places.root))

    def _supersede(self, model: LocalModel) -> LocalModel:
        """Remove older versions of what has just been pulled, unless somebody serves them."""
        new = model.manifest
        for other in shelf.models(self.places):
            old = other.manifest
            is_older = (
                other.id != model.id
                and (old.source, old.revision) == (new.source, new.revision)
                and old.digests.keys() == new.digests.keys()
            )
            if is_older:
                _log.info("%s has changed at its source; the older one goes", other.id)
                with contextlib.suppress(ModelInUse):
                    self.remove(other)
        return model


def free_bytes(folder: Path) -> int | None:
    """Of the disk under a folder that need not exist yet."""
    for candidate in (folder, *folder.parents):
        if candidate.is_dir():
            with contextlib.suppress(OSError):
                return shutil.disk_usage(candidate).free
            return None
    return None


def _age(model: LocalModel) -> float:
    return model.manifest.pulled_at


def _is_called(model: LocalModel, name: str) -> bool:
    """By a name of its own, without regard to case."""
    names = {model.id, *model.manifest.names}
    return name.lower() in {known.lower() for known in names}


def _is_what(model: LocalModel, wanted: Wanted) -> bool:
    """Whether these are the files, as far as their digests or their source tell."""
    there = model.manifest
    pins = {file.path: file.sha256 for file in wanted.files if file.sha256}
    if wanted.is_pinned and (there.digests == pins or _is_same_file(there.digests, pins)):
        return True
    return (
        there.source == wanted.source
        and wanted.revision in {there.revision, there.commit}
        and there.digests.keys() == {file.path for file in wanted.files}
        and all(there.digests[path] == digest for path, digest in pins.items())
    )


def _is_same_file(there: dict[str, str], pins: dict[str, str]) -> bool:
    """One file of the same content and name, in whatever folder its repository keeps it."""
    if len(there) != 1 or len(pins) != 1:
        return False
    (ours,), (theirs,) = there, pins
    return there[ours] == pins[theirs] and Path(ours).name == Path(theirs).name


def _is_same_version(model: LocalModel, resolved: Resolved) -> bool:
    """Whether the remote still has what is there. Without digests, validators tell."""
    there = {file.path: file for file in model.manifest.files}
    for remote in resolved.files:
        ours = there[remote.path]
        is_same = ours.sha256 == remote.sha256 if remote.sha256 else ours.etag == remote.etag
        if remote.git_sha1 and not remote.sha256:
            is_same = model.manifest.commit == resolved.commit
        if not is_same or ours.size_bytes != (remote.size_bytes or ours.size_bytes):
            return False
    return True


def _num_bytes(folder: Path, seen: set[tuple[int, int]] | None = None) -> int:
    """Of all files below, each inode once."""
    seen = set() if seen is None else seen
    total = 0
    for path in [folder] if folder.is_file() else folder.rglob("*"):
        with contextlib.suppress(OSError):
            stat = path.lstat()
            if path.is_file() and (stat.st_dev, stat.st_ino) not in seen:
                seen.add((stat.st_dev, stat.st_ino))
                total += stat.st_size
    return total
