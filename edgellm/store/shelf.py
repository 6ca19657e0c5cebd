"""The models that are there: their manifests, and how they appear and go. Knows no network.

Every change is one rename under one lock, so whoever reads without it sees the state before or
after. So does whoever starts after a power cut: the files of a model are synced before they get
their names, then the manifest, then the folders, and only then comes the rename that makes it a
model. A rename that is lost costs nothing, for the next pull finds the same files as unfinished.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from edgellm.atomic import write_atomically
from edgellm.errors import ModelInUse
from edgellm.store.disk import disk_errors
from edgellm.store.files import sync_folder
from edgellm.store.lock import lock
from edgellm.store.model import MANIFEST, LocalModel, Manifest, content_id
from edgellm.store.places import Places

_log = logging.getLogger(__name__)


def models(places: Places) -> list[LocalModel]:
    """All that are there, in the order of their folders."""
    return [model for folder in folders(places) if (model := read(folder)) is not None]


def folders(places: Places) -> list[Path]:
    """Of all models, and of what looks like one."""
    if not places.root.is_dir():
        return []
    found = places.root.iterdir()
    return sorted(path for path in found if path.is_dir() and not path.name.startswith("."))


def read(folder: Path) -> LocalModel | None:
    """The model of a folder; None where its manifest is not there or cannot be read."""
    try:
        data = (folder / MANIFEST).read_bytes()
        return LocalModel(folder, msgspec.json.decode(data, type=Manifest))
    except (OSError, msgspec.DecodeError):
        return None


def is_unchanged(model: LocalModel) -> bool:
    """Whether all files have the size and the time that they had when they were verified."""
    try:
        stats = [(model.folder / file.path).stat() for file in model.manifest.files]
    except OSError:
        return False
    return all(
        (stat.st_size, stat.st_mtime_ns) == (file.size_bytes, file.mtime_ns)
        for stat, file in zip(stats, model.manifest.files, strict=True)
    )


def install(places: Places, staging: Path, manifest: Manifest) -> LocalModel:
    """Turn a folder of verified files into a model. The files are synced already."""
    folder = places.root / content_id(Path(manifest.files[0].path).stem, manifest.digests)
    with changes(places):
        existing = read(folder)
        if existing is not None and is_unchanged(existing):
            shutil.rmtree(staging)
            return rename(existing, manifest.names[-1])
        if folder.exists():  # a model that lost its manifest or its files
            _throw_away(places, folder)
        write_manifest(staging, manifest)
        for inner in staging.rglob("*"):
            if inner.is_dir():
                sync_folder(inner)
        sync_folder(staging)
        staging.rename(folder)
        sync_folder(places.root)
        sync_folder(places.unfinished)
    return LocalModel(folder, manifest)


def rename(model: LocalModel, name: str) -> LocalModel:
    """The same, known by one more name, which becomes its first. Hold the lock of changes."""
    if model.name == name:
        return model
    names = (*(old for old in model.manifest.names if old != name), name)
    try:
        return update(model, replace(model.manifest, names=names))
    except OSError as error:  # a read-only disk: it keeps the name that it has
        _log.info("%s is not noted as another name of %s: %s", name, model.name, error)
        return model


def update(model: LocalModel, manifest: Manifest) -> LocalModel:
    """Write another manifest. Hold the lock of changes."""
    write_manifest(model.folder, manifest)
    return LocalModel(model.folder, manifest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Beside the files that it describes."""
    write_atomically(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")


def remove(places: Places, model: LocalModel) -> int:
    """Delete a model; returns the bytes that it took.

    Raises:
        ModelInUse: somebody serves it.
        FolderUnusable: nothing can be changed there.
    """
    with disk_errors(model.folder), lock(places.model_lock(model.id)) as is_mine:
        if not is_mine:
            raise ModelInUse(
                f"{model.name} is in use by another process.",
                "Stop the server that serves it, then remove it.",
            )
        with changes(places):
            _throw_away(places, model.folder)
    return model.size_bytes


def quarantine(places: Places, path: Path, name: str, reason: str) -> Path:
    """Move a file aside, with its reason beside it; an older one of that name goes."""
    places.quarantine.mkdir(parents=True, exist_ok=True)
    target = places.quarantine / name
    note = {"file": path.name, "reason": reason, "at": time.time()}
    write_atomically(target.with_name(name + ".reason.json"), msgspec.json.encode(note) + b"\n")
    path.replace(target)
    sync_folder(places.quarantine)
    _log.warning("%s was moved to %s: %s", path.name, target, reason)
    return target


def give_back(places: Places, model: LocalModel) -> None:
    """Turn a model into unfinished files again, for the next pull. Hold the lock of changes."""
    target = places.staging(model.manifest.key or "none")
    if target.exists():  # a pull of the same content is under way already
        _throw_away(places, model.folder)
        return
    places.unfinished.mkdir(parents=True, exist_ok=True)
    model.folder.rename(target)
    (target / MANIFEST).unlink(missing_ok=True)
    sync_folder(places.root)


@contextlib.contextmanager
def changes(places: Places) -> Iterator[None]:
    """Alone, for a moment."""
    with lock(places.change_lock, on_wait=lambda: None):
        yield


def _throw_away(places: Places, folder: Path) -> None:
    """One rename makes it disappear; what a power cut leaves then is found as unfinished."""
    places.unfinished.mkdir(parents=True, exist_ok=True)
    target = places.unfinished / f"removed-{folder.name}-{time.time_ns()}"
    folder.rename(target)
    sync_folder(places.root)
    shutil.rmtree(target, ignore_errors=True)
