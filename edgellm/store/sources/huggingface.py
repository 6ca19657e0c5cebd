"""A hub that speaks Hugging Face's API: what a repository holds, its digests, the user's token.

`huggingface_hub` answers these questions, so HF_ENDPOINT, HF_TOKEN, a stored login, HF_HUB_OFFLINE
and HF_HOME mean here what they mean everywhere. The bytes we fetch ourselves: since version 2 the
library throws an unfinished file away, and has neither a bandwidth cap nor a way to stop it (its
Xet transport has none of the three either). What other programs left in its cache is used.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct

from edgellm.errors import ConfigError, DownloadFailed, RemoteNotFound, TooManyRequests
from edgellm.store.model import RemoteFile, Wanted, checked_path
from edgellm.store.progress import Meter
from edgellm.store.remote import Remote, Resolved
from edgellm.store.sources import http
from edgellm.store.sources.refusals import Asked, is_temporary, refusal

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

_log = logging.getLogger(__name__)

PREFIX = "hf:"
MAX_WAIT_SECONDS = 60.0  # that we wait by ourselves when the hub says "later"
_NUM_TRIES = 4
_TIMEOUT_SECONDS = 30.0
_REPO = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)


class Repository(Struct, frozen=True):
    """What a model repository holds, at one commit."""

    repo: str
    commit: str
    files: tuple[Remote, ...]
    licence: str = ""


class Hub:
    """Asks a hub. Nothing is imported and nobody is asked before a method is called.

    Args:
        endpoint: instead of HF_ENDPOINT and the public hub.
        token: instead of HF_TOKEN and the stored login.
    """

    def __init__(self, endpoint: str | None = None, token: str | None = None) -> None:
        self._endpoint = endpoint
        self._token = token
        # The library would tell in its user agent what it runs beside, and fetch names for
        # that. It reads this variable when it is imported.
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

    @property
    def endpoint(self) -> str:
        """The hub's address."""
        from huggingface_hub import constants

        return (self._endpoint or constants.ENDPOINT).rstrip("/")

    @property
    def token(self) -> str:
        """The user's; empty if there is none."""
        from huggingface_hub import constants, get_token

        implicit = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
        return self._token or implicit or ""

    def describe(self, repo: str, revision: str, meter: Meter | None = None) -> Repository:
        """The files of a repository, with sizes and digests; one request.

        Raises:
            StoreError: offline, refused, not there.
        """
        from huggingface_hub import HfApi

        api = HfApi(endpoint=self.endpoint, token=self.token or False, library_name="edgellm")
        asked = self._asked(repo, revision)
        with _translated(asked):
            info = _patiently(
                meter or Meter(),
                asked,
                lambda: api.model_info(
                    repo, revision=revision, files_metadata=True, timeout=_TIMEOUT_SECONDS
                ),
            )
        commit = info.sha or revision
        files = tuple(self._remote(repo, commit, info))
        return Repository(repo, commit, files, _licence(info))

    def resolve(self, wanted: Wanted, meter: Meter | None = None) -> Resolved:
        """Locate the files of a source `hf:owner/repo`, at the commit that its revision is now.

        Raises:
            StoreError: offline and not in the library's cache, refused, not there.
        """
        repo = checked_repo(wanted.source)
        try:
            found = self.describe(repo, wanted.revision, meter)
        except DownloadFailed:
            cached = self._cached(repo, wanted)
            if cached is None:
                raise
            return cached
        by_path = {file.path: file for file in found.files}
        files = tuple(
            _pinned(_only(by_path, file.path, self._asked(repo, wanted.revision)), file)
            for file in wanted.files
        )
        return Resolved(files, found.commit, found.licence, self.token)

    def cached_file(self, repo: str, path: str, revision: str) -> Path | None:
        """A file that another program fetched through the library."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(repo, path, revision=revision)
        return Path(found) if isinstance(found, str) else None

    def url(self, repo: str, revision: str, path: str) -> str:
        """Where a file's content is; it redirects to a CDN."""
        return f"{self.endpoint}/{repo}/resolve/{quote(revision, safe='')}/{quote(path)}"

    def read_range(
        self, repo: str, path: str, start: int, length: int, revision: str = "main"
    ) -> bytes:
        """Some bytes of a file, e.g. the header of a GGUF.

        Raises:
            StoreError: offline, refused, not there.
        """
        from huggingface_hub import constants

        if constants.is_offline_mode():
            raise _offline()
        return http.read_range(self.url(repo, revision, path), start, length, token=self.token)

    def _asked(self, repo: str, revision: str) -> Asked:
        page = f"{self.endpoint}/{repo}"
        return Asked(f"the repository {repo}", repo, page, revision, bool(self.token))

    def _remote(self, repo: str, commit: str, info: ModelInfo) -> Iterator[Remote]:
        for sibling in info.siblings or []:
            is_lfs = sibling.lfs is not None
            yield Remote(
                sibling.rfilename,
                self.url(repo, commit, sibling.rfilename),
                size_bytes=sibling.size,
                sha256=sibling.lfs.sha256 if sibling.lfs is not None else "",
                git_sha1="" if is_lfs else sibling.blob_id or "",
                what=f"{sibling.rfilename} of {repo}",
            )

    def _cached(self, repo: str, wanted: Wanted) -> Resolved | None:
        """From the library's cache alone: there, a file's name is its digest."""
        files, commit = [], wanted.revision
        for file in wanted.files:
            path = self.cached_file(repo, file.path, wanted.revision)
            if path is None:
                return None
            digest = path.resolve().name
            remote = Remote(
                checked_path(file.path),
                local=path,
                size_bytes=path.stat().st_size,
                sha256=digest if len(digest) == 64 else "",
                git_sha1=digest if len(digest) == 40 else "",
                what=f"{file.path} of {repo} in the cache of huggingface_hub",
            )
            files.append(_pinned(remote, file))
            commit = _snapshot(path) or commit
        return Resolved(tuple(files), commit)


def checked_repo(source: str) -> str:
    """`owner/repo` of `hf:owner/repo`.

    Raises:
        ConfigError: it is none.
    """
    repo = source.removeprefix(PREFIX)
    if not source.startswith(PREFIX) or not _REPO.fullmatch(repo):
        raise ConfigError(f"'{source}' names no repository of the hub.", "Write hf:OWNER/REPO.")
    return repo


def _only(by_path: dict[str, Remote], path: str, asked: Asked) -> Remote:
    if path in by_path:
        checked_path(path)
        return by_path[path]
    raise RemoteNotFound(
        f"{asked.repo} has no file {path} at revision {asked.revision}.", f"See {asked.page}."
    )


def _pinned(remote: Remote, pin: RemoteFile) -> Remote:
    """The pin of the catalogue is above what the hub says."""
    from msgspec.structs import replace

    if pin.sha256 and remote.sha256 and pin.sha256 != remote.sha256:
        raise RemoteNotFound(
            f"{remote.what} has changed: its sha256 is {remote.sha256} now, and the catalogue "
            f"knows it as {pin.sha256}.",
            "Update edgellm, or pull what is there now by its hf: name.",
        )
    return replace(remote, sha256=pin.sha256 or remote.sha256)


def _licence(info: ModelInfo) -> str:
    card = info.card_data
    found = card.get("license") if card is not None else None
    return found if isinstance(found, str) else ""


def _snapshot(path: Path) -> str:
    parts = path.parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts[:-1] else ""


def _patiently(meter: Meter, asked: Asked, ask: Callable[[], ModelInfo]) -> ModelInfo:
    """Ask, and again after a pause where the hub is busy or wants us to wait a little."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    for attempt in range(_NUM_TRIES):
        is_last = attempt == _NUM_TRIES - 1
        try:
            return ask()
        except HfHubHTTPError as error:
            status = error.response.status_code
            told = refusal(status, error.response.headers, asked)
            wait = told.retry_after_seconds if isinstance(told, TooManyRequests) else None
            if is_last or not is_temporary(status) or (wait or 0) > MAX_WAIT_SECONDS:
                raise told from error
            pause = wait if wait is not None else 2.0**attempt
            _log.warning("%s Asking again in %.0f seconds.", told.message, pause)
            meter.sleep(pause)
        except (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError):
            if is_last:
                raise
            meter.sleep(2.0**attempt / 4)
    raise AssertionError("unreachable")


@contextlib.contextmanager
def _translated(asked: Asked) -> Iterator[None]:
    import httpx2
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled as error:
        raise _offline() from error
    except HFValidationError as error:
        raise ConfigError(f"{asked.what} is no name that a hub has: {error}") from error
    except (httpx2.TransportError, httpx2.TooManyRedirects, httpx2.InvalidURL) as error:
        raise http.unreachable(asked.what, error) from error
    except ValueError as error:  # an answer that is no JSON: a captive portal, a wrong HF_ENDPOINT
        raise DownloadFailed(
            f"What answers at {asked.page} is no hub.",
            "Check HF_ENDPOINT, and whether this network wants a login in a browser first.",
        ) from error


def _offline() -> DownloadFailed:
    return DownloadFailed(
        "HF_HUB_OFFLINE is set, so the hub is not asked.",
        "Unset it, or bring the file on a stick and `edgellm pull ./FILE`.",
    )
