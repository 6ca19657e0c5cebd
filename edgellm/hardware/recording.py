"""A host that remembers every answer: one consistent picture of the machine, and a capture of it.

Asked twice, it answers the same, so that what probes read of a busy machine fits together, and
slow commands run once.
"""

from __future__ import annotations

from pathlib import Path

from edgellm.hardware.host import BYTES_PER_SECOND, FREE_BYTES, MEASURED, Host, command_path


class RecordingHost(Host):
    """Stands before another host, live or captured."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._texts: dict[str, str | None] = {}
        self._globs: dict[str, tuple[str, ...]] = {}

    @property
    def is_live(self) -> bool:
        return self._host.is_live

    def read(self, path: str) -> str | None:
        if path not in self._texts:
            self._texts[path] = self._host.read(path)
        return self._texts[path]

    def glob(self, pattern: str) -> tuple[str, ...]:
        if pattern not in self._globs:
            self._globs[pattern] = self._host.glob(pattern)
        return self._globs[pattern]

    def run(self, *command: str) -> str | None:
        path = command_path(command)
        if path not in self._texts:
            self._texts[path] = self._host.run(*command)
        return self._texts[path]

    def free_bytes(self, folder: Path) -> int | None:
        count = self._host.free_bytes(folder)
        self._texts[MEASURED + FREE_BYTES] = None if count is None else str(count)
        return count

    def measured(self, name: str) -> float | None:
        value = self._host.measured(name)
        self._texts[MEASURED + name] = None if value is None else str(value)
        return value

    def add_bandwidth(self, bytes_per_second: float) -> None:
        """What was measured meanwhile, for the capture."""
        self._texts[MEASURED + BYTES_PER_SECOND] = str(bytes_per_second)

    def files(self) -> dict[str, str]:
        """Path -> text of everything that was found; what was only listed is an empty file."""
        files = {path: text for path, text in self._texts.items() if text is not None}
        for path in sorted({path for paths in self._globs.values() for path in paths}):
            is_folder = any(other.startswith(path + "/") for other in files)
            if not is_folder and path not in self._texts:
                files[path] = ""
        return files
