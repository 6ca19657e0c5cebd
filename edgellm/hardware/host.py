"""The machine as probes see it: text files and the output of commands, nothing else.

`Host("/")` is this machine. `Host(folder)` replays a captured one: files lie under the folder at
their own paths, the output of `uname -sm` lies in the file `.commands/uname -sm`, and what was
measured (free disk space, memory bandwidth) in `.measured/<name>`. A missing file, a missing
command and a refused permission are normal outcomes: the answer is None.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from pathlib import Path

_COMMAND_TIMEOUT_SECONDS = 10.0  # nvidia-smi wakes a sleeping driver, which takes seconds
COMMANDS = "/.commands/"
MEASURED = "/.measured/"
FREE_BYTES = "disk_free_bytes"
BYTES_PER_SECOND = "memory_bytes_per_second"


class Host:
    """Reads files and runs commands below a root that tests can swap."""

    def __init__(self, root: str | Path = "/") -> None:
        self._root = Path(root)
        self._is_live = self._root == Path("/")

    @property
    def is_live(self) -> bool:
        """This machine, and not a captured one."""
        return self._is_live

    def read(self, path: str) -> str | None:
        """The text of an absolute path; NULs (as the device tree has) become spaces."""
        try:
            text = (self._root / path.lstrip("/")).read_bytes().decode("utf-8", "replace")
        except (OSError, ValueError):  # ValueError: a NUL in a path that another file gave
            return None
        return text.replace("\0", " ").strip()

    def glob(self, pattern: str) -> tuple[str, ...]:
        """The absolute paths that match, sorted; `*` stands for any part of one name."""
        found = glob.glob(pattern.lstrip("/"), root_dir=self._root)  # noqa: PTH207  (sorted texts)
        return tuple(sorted("/" + path for path in found))

    def run(self, *command: str) -> str | None:
        """What the command printed, or None when it is absent, fails or takes too long."""
        if not self._is_live:
            return self.read(command_path(command))
        try:
            done = subprocess.run(  # noqa: S603  (the probes' own constant commands)
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_COMMAND_TIMEOUT_SECONDS,
                check=False,
                env={**os.environ, "LC_ALL": "C"},  # the words that the probes look for
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        if done.returncode != 0:
            return None
        return done.stdout.decode("utf-8", "replace").strip()

    def free_bytes(self, folder: Path) -> int | None:
        """Free disk space for files in a folder that need not exist yet."""
        if not self._is_live:
            return int(self.measured(FREE_BYTES) or 0) or None
        for candidate in (folder, *folder.parents):
            if candidate.is_dir():
                try:
                    return shutil.disk_usage(candidate).free
                except OSError:
                    return None
        return None

    def measured(self, name: str) -> float | None:
        """A number that was measured when the device was captured; None on a live one."""
        text = None if self._is_live else self.read(MEASURED + name)
        try:
            return float(text) if text else None
        except ValueError:
            return None


def command_path(command: tuple[str, ...]) -> str:
    """Where a captured folder keeps the command's output."""
    return COMMANDS + " ".join(command).replace("/", "_")
