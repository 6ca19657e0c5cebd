"""Brings a model into the store: locate, wait for others, make sure of room, gather, install.

Files gather in a folder that is named by their content, so whoever pulls the same, under whatever
name, goes on where the last one stopped; only whole and verified folders become models.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from edgellm.atomic import UNFINISHED
from edgellm.errors import DigestMismatch, DiskFull, ModelFileError
from edgellm.store import shelf
from edgellm.store.disk import disk_errors
from edgellm.store.download import Download, forget_part
from edgellm.store.files import link_or_copy, read_through, sync_folder
from edgellm.store.lock import lock
from edgellm.store.model import LocalFile, LocalModel, Manifest, Wanted
from edgellm.store.places import Places
from edgellm.store.progress import Meter
from edgellm.store.remote import ContentHash, Remote, Resolved
from edgellm.store.sources import http
from edgellm.store.sources.huggingface import PREFIX, Hub, checked_repo
from edgellm.store.sources.refusals import Asked

if TYPE_CHECKING:
    import httpx

MARGIN_BYTES = 256 << 20  # that a pull leaves free: a device without any room for logs is lost

_log = logging.getLogger(__name__)


class _Source(Struct, frozen=True):
    """Where a file can be had, and how many bytes of the disk it takes from there."""

    remote: Remote
    near: Path | None  # a copy on this device, to be verified like any other
    needed_bytes: int


class Pull:
    """One model on its way into the store."""

    def __init__(
        self, places: Places, hub: Hub, wanted: Wanted, resolved: Resolved, meter: Meter
    ) -> None:
        self._places, self._hub, self._wanted = places, hub, wanted
        self._resolved, self._meter = resolved, meter
        self._staging = places.staging(resolved.key)

    def run(self) -> LocalModel:
        """Fetch what is missing; when another process is at it, wait for that.

        Raises:
            StoreError: see `edgellm.errors`; what came is kept.
        """
        sizes = [file.size_bytes for file in self._resolved.files]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        self._meter.set(phase="asking", total_bytes=total, done_bytes=0)
        with (
            disk_errors(self._staging),
            lock(self._places.pull_lock(self._resolved.key), on_wait=self._wait),
        ):
            there = self._there()
            if there is not None:
                return there
            self._staging.mkdir(parents=True, exist_ok=True)
            sources = [self._source(remote) for remote in self._resolved.files]
            self._make_sure_of_room(sources)
            files = tuple(self._gather(sources))
            return self._install(files)

    def _wait(self) -> None:
        self._meter.set(phase="waiting")
        self._meter.check_stop()

    def _there(self) -> LocalModel | None:
        """The same content, pulled under any name: perhaps just now, while we waited."""
        digests = self._resolved.digests
        for model in shelf.models(self._places):
            is_same = model.manifest.key == self._resolved.key
            is_same = is_same or (digests is not None and model.manifest.digests == digests)
            if is_same and shelf.is_unchanged(model):
                with shelf.changes(self._places):
                    return shelf.rename(model, self._wanted.name)
        return None

    def _source(self, remote: Remote) -> _Source:
        staged = self._staging / remote.path
        if staged.is_file():
            return _Source(remote, staged, 0)
        near = remote.local or self._same_content(remote) or self._in_hub_cache(remote)
        size = remote.size_bytes or 0
        if near is not None:
            is_same_disk = near.stat().st_dev == self._staging.stat().st_dev
            return _Source(remote, near, 0 if is_same_disk else size)
        part = _part(staged)
        return _Source(remote, None, size - (part.stat().st_size if part.exists() else 0))

    def _same_content(self, remote: Remote) -> Path | None:
        """A file of another model, which shares it."""
        for model in shelf.models(self._places) if remote.sha256 else ():
            for file in model.manifest.files:
                path = model.folder / file.path
                if file.sha256 == remote.sha256 and path.is_file():
                    return path
        return None

    def _in_hub_cache(self, remote: Remote) -> Path | None:
        if not self._wanted.source.startswith(PREFIX) or not self._resolved.commit:
            return None
        repo = checked_repo(self._wanted.source)
        return self._hub.cached_file(repo, remote.path, self._resolved.commit)

    def _make_sure_of_room(self, sources: list[_Source]) -> None:
        needed = sum(max(0, source.needed_bytes) for source in sources)
        free = shutil.disk_usage(self._staging).free
        if needed and needed + MARGIN_BYTES > free:
            raise DiskFull(
                f"{self._wanted.name} needs {needed:,} more bytes and {self._places.root} has "
                f"{free:,} free, of which {MARGIN_BYTES:,} stay free.",
                f"Make {needed + MARGIN_BYTES - free:,} bytes of room (`edgellm du`, `edgellm rm`),"
                " set models_folder to another disk, or choose a smaller model.",
            )

    def _gather(self, sources: list[_Source]) -> list[LocalFile]:
        with http.new_client() as client:
            return [self._obtain(source, client) for source in sources]

    def _obtain(self, source: _Source, client: httpx.Client) -> LocalFile:
        remote, target = source.remote, self._staging / source.remote.path
        self._meter.set(phase="checking" if source.near else "fetching", file=remote.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        content = self._take_near(source.near, target, remote) if source.near else None
        if content is None:
            content = self._fetch(remote, target, client)
        stat = target.stat()
        etag = "" if remote.local else remote.etag
        return LocalFile(remote.path, stat.st_size, content.sha256, stat.st_mtime_ns, etag)

    def _take_near(self, near: Path, target: Path, remote: Remote) -> ContentHash | None:
        """From this device, if it is what it has to be."""
        if near != target:
            link_or_copy(near, target)
        content, before = ContentHash(remote), self._meter.state.done_bytes

        def take(piece: bytes) -> None:
            content.update(piece)
            self._meter.add(len(piece))

        with target.open("rb") as file:
            read_through(file, take)
            os.fsync(file.fileno())  # another program may have written it a second ago
        if not content.problem:
            return content
        if remote.local is not None and not remote.url:
            target.unlink()
            raise ModelFileError(f"{near} is not usable: {content.problem}.")
        _log.warning("%s is not used: %s", near, content.problem)
        target.unlink()
        self._meter.set(phase="fetching", done_bytes=before)
        return None

    def _fetch(self, remote: Remote, target: Path, client: httpx.Client) -> ContentHash:
        """Over the network; what was there from an earlier time gets one chance to be wrong."""
        part = _part(target)
        before = self._meter.state.done_bytes
        for is_last_chance in (False, True):
            download = Download(
                remote, part, self._meter, self._asked(remote), self._resolved.token
            )
            content = download.run(client)
            if not content.problem:
                part.replace(target)
                forget_part(part)
                sync_folder(target.parent)
                return content
            if not download.was_resumed or is_last_chance:
                break
            _log.warning("%s is fetched anew: %s", remote.path, content.problem)
            forget_part(part)
            self._meter.set(done_bytes=before)
        raise self._mismatch(remote, part, content.problem)

    def _mismatch(self, remote: Remote, part: Path, problem: str) -> DigestMismatch:
        name = f"{self._resolved.key}--{Path(remote.path).name}"
        moved = shelf.quarantine(self._places, part, name, problem)
        forget_part(part)
        return DigestMismatch(
            f"{remote.what} is not what it has to be: {problem}.",
            f"It was moved to {moved} and is not used. Pull again; if it happens again, the "
            "server, or a proxy in between, gives out something else.",
        )

    def _asked(self, remote: Remote) -> Asked:
        token = bool(self._resolved.token)
        if not self._wanted.source.startswith(PREFIX):
            return Asked(remote.what, has_token=token)
        repo = checked_repo(self._wanted.source)
        page = f"{self._hub.endpoint}/{repo}"
        return Asked(remote.what, repo, page, self._wanted.revision, token)

    def _install(self, files: tuple[LocalFile, ...]) -> LocalModel:
        now, wanted = time.time(), self._wanted
        manifest = Manifest(
            names=(wanted.name,),
            source=wanted.source,
            revision=wanted.revision,
            commit=self._resolved.commit,
            files=files,
            pulled_at=now,
            verified_at=now,
            key=self._resolved.key,
            projector=wanted.projector,
            backend=wanted.backend,
            quant=wanted.quant,
            licence=self._resolved.licence,
        )
        model = shelf.install(self._places, self._staging, manifest)
        self._meter.set(phase="done", file="")
        return model


def _part(target: Path) -> Path:
    return target.with_name(target.name + UNFINISHED)
