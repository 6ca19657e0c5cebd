"""The machine as probes see it: text files and the output of commands, nothing else.

`Host("/")` is this machine. `Host(folder)` replays a captured one: files lie under the folder at
their own paths, and the output of `uname -sm` lies in the file `.commands/uname -sm`. A missing
file, a missing command and a refused permission are normal outcomes: the answer is None.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

_COMMAND_TIMEOUT_SECONDS = 5.0


class Host:
    """Reads files and runs commands below a root that tests can swap."""

    def __init__(self, root: str | Path = "/") -> None:
        self._root = Path(root)
        self._is_live = self._root == Path("/")

    def read(self, path: str) -> str | None:
        """The text of an absolute path; NULs (as the device tree has) become spaces."""
        try:
            text = (self._root / path.lstrip("/")).read_bytes().decode("utf-8", "replace")
        except OSError:
            return None
        return text.replace("\0", " ").strip()

    def run(self, *command: str) -> str | None:
        """What the command printed, or None when it is absent, fails or takes too long."""
        if not self._is_live:
            return self.read("/.commands/" + " ".join(command).replace("/", "_"))
        try:
            done = subprocess.run(  # noqa: S603  (the probes' own constant commands)
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_COMMAND_TIMEOUT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        if done.returncode != 0:
            return None
        return done.stdout.decode("utf-8", "replace").strip()
