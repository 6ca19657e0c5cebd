"""Linux control groups, version 1 and 2: the folders whose limits bind this process.

A limit may sit on any group between the process's own and the root, so all of them are read. A
container often sees its group as the mount's root; then the path in /proc/self/cgroup begins with
that root and must lose it (https://man7.org/linux/man-pages/man7/cgroups.7.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Literal

from msgspec import Struct

from edgellm.hardware.host import Host


class Group(Struct, frozen=True):
    """A folder of one hierarchy."""

    version: Literal[1, 2]
    path: str


class _Mount(Struct, frozen=True):
    version: Literal[1, 2]
    root: str
    point: str
    controllers: tuple[str, ...]


def groups(host: Host, controller: str) -> Iterator[Group]:
    """The groups of this process that can carry `controller`'s limits, innermost first."""
    paths = _paths(host)
    for mount in _mounts(host):
        if mount.version == 1 and controller not in mount.controllers:
            continue
        path = paths.get("" if mount.version == 2 else controller)
        if path is None:
            continue
        inner = PurePosixPath(mount.point, _below(mount.root, path))
        for folder in (inner, *inner.parents):
            yield Group(mount.version, str(folder))
            if str(folder) == mount.point:
                break


def _paths(host: Host) -> dict[str, str]:
    """Controller -> the process's path; the key of version 2 is ""."""
    found: dict[str, str] = {}
    for line in (host.read("/proc/self/cgroup") or "").splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        found.update(dict.fromkeys(names.split(","), path))
    return found


def _mounts(host: Host) -> Iterator[_Mount]:
    for line in (host.read("/proc/self/mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if len(fields) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        version: Literal[1, 2] = 2 if kind[0] == "cgroup2" else 1
        yield _Mount(version, fields[3], fields[4], tuple(kind[2].split(",")))


def _below(root: str, path: str) -> str:
    """`path` relative to the mount's root; a path outside it is seen from the mount itself."""
    inner, outer = PurePosixPath(path), PurePosixPath(root)
    if inner.is_relative_to(outer):
        return str(inner.relative_to(outer))
    return "" if ".." in inner.parts else str(inner).lstrip("/")
