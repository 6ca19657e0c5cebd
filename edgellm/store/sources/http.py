"""Files at http(s) addresses: what is told of them, a part of one, a stream from a position on.

Redirects are followed; httpx keeps an `Authorization` header from every origin but the first, so a
token never reaches a CDN. Knows no hub and no disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from edgellm.errors import ConfigError, DownloadFailed
from edgellm.store.model import Wanted, checked_path
from edgellm.store.remote import Remote, Resolved
from edgellm.store.sources.refusals import Asked, refusal

if TYPE_CHECKING:
    import httpx

_CONNECT_SECONDS = 20.0
# A connection that says nothing for so long is given up, and made anew; it is also how long a pull
# may take to notice that it shall stop.
_READ_SECONDS = 10.0
_MAX_SKIPPED_BYTES = 64 << 20  # that a server without ranges may make us throw away


def new_client() -> httpx.Client:
    """A client for files: no compression, since sizes and positions are those of the file."""
    import httpx

    from edgellm import __version__

    headers = {"User-Agent": f"edgellm/{__version__}", "Accept-Encoding": "identity"}
    timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
    return httpx.Client(headers=headers, timeout=timeout, follow_redirects=True)


def resolve(wanted: Wanted) -> Resolved:
    """Locate the files of a source that is an address.

    Raises:
        StoreError: the server refuses, or cannot be reached.
    """
    with new_client() as client:
        return Resolved(
            tuple(
                probe(
                    client,
                    Remote(
                        checked_path(file.path),
                        file_url(wanted.source, file.path),
                        size_bytes=file.size_bytes,
                        sha256=file.sha256 or "",
                        what=public(file_url(wanted.source, file.path)),
                    ),
                )
                for file in wanted.files
            )
        )


def file_url(base: str, path: str) -> str:
    """The address of a file below a base address; a query of the base is kept."""
    parts = urlsplit(base)
    joined = parts.path.rstrip("/") + "/" + quote(path)
    return urlunsplit((parts.scheme, parts.netloc, joined, parts.query, ""))


def public(address: str) -> str:
    """An address as it may be shown: without a query or a password, which may be secret."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def probe(client: httpx.Client, remote: Remote) -> Remote:
    """The same, with what the server tells: its size, and a validator to resume with.

    Raises:
        StoreError: the server refuses, cannot be reached, or has another size than the pin.
    """
    from msgspec.structs import replace

    asked = Asked(remote.what)
    with translated(asked):
        answer = client.head(remote.url)
        if answer.status_code in {400, 403, 405, 501}:  # some serve GET only, e.g. signed addresses
            with client.stream("GET", remote.url, headers={"Range": "bytes=0-0"}) as answer:
                pass
        if answer.status_code not in {200, 206}:
            raise refusal(answer.status_code, answer.headers, asked)
    size = whole_size(answer)
    if None not in (size, remote.size_bytes) and size != remote.size_bytes:
        raise DownloadFailed(
            f"{asked.what} has {size:,} bytes instead of {remote.size_bytes:,}.",
            "It is another file than the catalogue means; the catalogue may be out of date.",
        )
    known = remote.size_bytes if size is None else size
    return replace(remote, size_bytes=known, etag=_validator(answer))


@contextlib.contextmanager
def stream(
    client: httpx.Client, url: str, *, start: int = 0, validator: str = "", token: str = ""
) -> Iterator[httpx.Response]:
    """The answer to a request for a file from `start` on, whatever its status."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    with client.stream("GET", url, headers=headers) as response:
        yield response


def read_range(url: str, start: int, length: int, *, token: str = "") -> bytes:
    """Some bytes of a remote file; fewer where it ends before.

    Raises:
        StoreError: the server refuses, cannot be reached, or knows no ranges and `start` is far.
    """
    headers = {"Range": f"bytes={start}-{start + length - 1}"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    asked = Asked(public(url), has_token=bool(token))
    with (
        translated(asked),
        new_client() as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        if response.status_code == 416:
            return b""
        if response.status_code not in {200, 206}:
            raise refusal(response.status_code, response.headers, asked)
        skipped = 0 if response.status_code == 206 else start
        if skipped > _MAX_SKIPPED_BYTES:
            raise DownloadFailed(
                f"The server of {asked.what} cannot give a part of a file.", "Pull the whole file."
            )
        return _take(response, skipped, length)


@contextlib.contextmanager
def translated(asked: Asked) -> Iterator[None]:
    """Turn what the network does to us into our own errors."""
    import httpx

    try:
        yield
    except httpx.UnsupportedProtocol as error:
        raise ConfigError(f"{asked.what} is no http address.", str(error)) from error
    except (httpx.TransportError, httpx.TooManyRedirects, httpx.InvalidURL) as error:
        raise unreachable(asked.what, error) from error


def unreachable(what: str, error: Exception) -> DownloadFailed:
    """What a network's failure is called."""
    reason = str(error) or type(error).__name__
    return DownloadFailed(
        f"{what} cannot be fetched: {reason}.",
        "Check the network (HTTPS_PROXY is honoured) and pull again; what came so far is kept.",
    )


def _take(response: httpx.Response, skipped: int, length: int) -> bytes:
    data = bytearray()
    for piece in response.iter_raw(1 << 16):
        data += piece
        if len(data) >= skipped + length:
            break
    return bytes(data[skipped : skipped + length])


def whole_size(answer: httpx.Response) -> int | None:
    """Of the file, also where the answer is a part of it."""
    text = answer.headers.get("content-range", "").rpartition("/")[2]
    if not text and answer.status_code == 200:
        text = answer.headers.get("content-length", "")
    return int(text) if text.isdigit() else None


def _validator(answer: httpx.Response) -> str:
    """Weak ETags compare meaning and not bytes, so `If-Range` may not use them (RFC 9110, 13.1.5).

    A date serves as well, as files that are larger than a second's writing seldom change twice.
    """
    etag: str = answer.headers.get("etag", "")
    if etag and not etag.startswith("W/"):
        return etag
    return str(answer.headers.get("last-modified", ""))
