"""A hub on real sockets: the part of Hugging Face's API that edgellm uses, and its bad days.

    GET  /api/models/{repo}[/revision/{revision}][?blobs=true]     what it holds
    GET  /api/models/{repo}/tree/{revision}                        its files
    HEAD, GET /{repo}/resolve/{revision}/{path}                    redirects to the CDN
    GET  /cdn/{sha256}                                             on another port: other origin
    HEAD, GET /files/{name}                                        plain files, as any web server

What goes wrong is said in `Faults`. The headers are those that the real hub sends, as far as
`huggingface_hub` reads them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?")
_RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Repo:
    """`files` by path; those that end in .gguf or .bin are "LFS" files with a sha256."""

    files: dict[str, bytes]
    licence: str = "apache-2.0"
    needs_token: str = ""  # private: 401 to everybody without this token
    is_gated: bool = False  # its files are for those with `gate_token`
    gate_token: str = "allowed"

    @property
    def commit(self) -> str:
        text = json.dumps({path: sha256(data) for path, data in self.files.items()})
        return hashlib.sha1(text.encode()).hexdigest()


@dataclass
class Faults:
    """What goes wrong, and how often."""

    cut_after: list[int] = field(default_factory=list)  # bytes, of the next answers with content
    statuses: list[tuple[int, dict[str, str]]] = field(default_factory=list)  # of the next ones
    api_statuses: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    bytes_per_second: float = 0.0
    corrupt: bool = False  # the content is not what its digest says
    no_ranges: bool = False
    no_etag: bool = False
    no_head: bool = False


@dataclass
class Request:
    """What arrived."""

    method: str
    path: str
    headers: dict[str, str]


class FakeHub:
    """Two servers, the hub and its CDN."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.files: dict[str, bytes] = {}
        self.faults = Faults()
        self.requests: list[Request] = []
        self.sent_bytes = 0  # of contents
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)) for _ in range(2)]
        for server in self._servers:
            server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._servers[0].server_address[1]}"

    @property
    def cdn(self) -> str:
        return f"http://127.0.0.1:{self._servers[1].server_address[1]}/cdn"

    def start(self) -> None:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def count(self, part: str, method: str = "GET") -> int:
        """Requests whose path contains that."""
        return sum(part in each.path and each.method == method for each in self.requests)


@contextlib.contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """A running hub without any repository."""
    hub = FakeHub()
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_sha1(data: bytes) -> str:
    """What git calls a file of that content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_lfs(path: str) -> bool:
    return path.endswith((".gguf", ".bin"))


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:  # noqa: C901  (a class in it)
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: object) -> None:
            """Nothing."""

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            hub.requests.append(Request(self.command, self.path, dict(self.headers)))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._route()

        def _route(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if self.command == "HEAD" and hub.faults.no_head:
                self._refuse(405)
            elif path.startswith("/cdn/"):
                self._content(self._by_digest(path.removeprefix("/cdn/")))
            elif path.startswith("/files/"):
                data = hub.files.get(path.removeprefix("/files/"))
                self._content(data) if data is not None else self._refuse(404)
            elif match := _API.fullmatch(path):
                self._api(match)
            elif match := _RESOLVE.fullmatch(path):
                self._resolve(*match.groups())
            else:
                self._refuse(404)

        def _by_digest(self, digest: str) -> bytes:
            contents = [data for repo in hub.repos.values() for data in repo.files.values()]
            return next(data for data in contents if sha256(data) == digest)

        # the API

        def _api(self, match: re.Match[str]) -> None:
            if hub.faults.api_statuses:
                status, headers = hub.faults.api_statuses.pop(0)
                return self._refuse(status, headers)
            repo = self._repo(match[1])
            if repo is None:
                return None
            if match[3] not in {None, "main", repo.commit}:
                return self._refuse(404, {"X-Error-Code": "RevisionNotFound"})
            if match[2] == "tree":
                return self._json([_tree_entry(*item) for item in repo.files.items()])
            return self._json(
                {
                    "id": match[1],
                    "sha": repo.commit,
                    "private": bool(repo.needs_token),
                    "gated": "manual" if repo.is_gated else False,
                    "tags": [],
                    "cardData": {"license": repo.licence},
                    "siblings": [_sibling(*item) for item in repo.files.items()],
                }
            )

        def _repo(self, name: str) -> Repo | None:
            """The repository, if it may be seen; else it was refused."""
            repo, token = hub.repos.get(name), self._token()
            if token == "wrong":
                message = "Invalid credentials in Authorization header"
                self._refuse(401, {"X-Error-Message": message})
                return None
            if repo is None or (repo.needs_token and token != repo.needs_token):
                code = {"X-Error-Code": "RepoNotFound"} if token else {}
                self._refuse(404 if token else 401, code)
                return None
            return repo

        def _token(self) -> str:
            return self.headers.get("Authorization", "").removeprefix("Bearer ")

        def _resolve(self, name: str, revision: str, path: str) -> None:
            repo = self._repo(name)
            if repo is None:
                return None
            if repo.is_gated and self._token() != repo.gate_token:
                return self._refuse(403 if self._token() else 401, {"X-Error-Code": "GatedRepo"})
            if revision not in {"main", repo.commit}:
                return self._refuse(404, {"X-Error-Code": "RevisionNotFound"})
            if path not in repo.files:
                return self._refuse(404, {"X-Error-Code": "EntryNotFound"})
            data = repo.files[path]
            headers = {"X-Repo-Commit": repo.commit}
            if not is_lfs(path):
                return self._content(data, {**headers, "ETag": f'"{git_sha1(data)}"'})
            headers["X-Linked-Size"] = str(len(data))
            headers["X-Linked-Etag"] = f'"{sha256(data)}"'
            headers["Location"] = f"{hub.cdn}/{sha256(data)}?signature=secret"
            return self._refuse(302, headers)

        # answers

        def _json(self, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _refuse(self, status: int, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _content(self, data: bytes, headers: dict[str, str] | None = None) -> None:
            if hub.faults.statuses:
                return self._refuse(*hub.faults.statuses.pop(0))
            etag = f'"{sha256(data)[:20]}"'
            shown = bytes(byte ^ 1 for byte in data) if hub.faults.corrupt else data
            start, end = self._span(len(data), etag)
            if start >= len(data) > 0:
                return self._refuse(416, {"Content-Range": f"bytes */{len(data)}"})
            is_part = (start, end) != (0, len(data))
            self.send_response(206 if is_part else 200)
            if is_part:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
            if not hub.faults.no_etag:
                self.send_header("ETag", (headers or {}).pop("ETag", etag))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(end - start))
            self.end_headers()
            return None if self.command == "HEAD" else self._send(shown[start:end])

        def _span(self, size: int, etag: str) -> tuple[int, int]:
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            wants_this = self.headers.get("If-Range", etag) == etag
            if match is None or hub.faults.no_ranges or not wants_this:
                return 0, size
            return int(match[1]), min(size, int(match[2]) + 1) if match[2] else size

        def _send(self, data: bytes) -> None:
            cut = hub.faults.cut_after.pop(0) if hub.faults.cut_after else len(data)
            for start in range(0, min(cut, len(data)), 16384):
                piece = data[start : min(start + 16384, cut)]
                hub.sent_bytes += len(piece)
                self.wfile.write(piece)
                if hub.faults.bytes_per_second:
                    time.sleep(len(piece) / hub.faults.bytes_per_second)
            if cut < len(data):
                self.close_connection = True

    return Handler


def _sibling(path: str, data: bytes) -> dict[str, object]:
    entry: dict[str, object] = {
        "rfilename": path,
        "size": len(data),
        "blobId": git_sha1(data),
    }
    if is_lfs(path):
        entry["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 135}
    return entry


def _tree_entry(path: str, data: bytes) -> dict[str, object]:
    entry: dict[str, object] = {
        "type": "file",
        "path": path,
        "size": len(data),
        "oid": git_sha1(data),
    }
    if is_lfs(path):
        entry["lfs"] = {"oid": sha256(data), "size": len(data), "pointerSize": 135}
    return entry
