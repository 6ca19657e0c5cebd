"""What llama.cpp tells while it works: kept for error messages, and for what it says of memory."""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from typing import Any

_WARNING_LEVEL, _ERROR_LEVEL, _CONTINUED = 3, 4, 5  # of ggml_log_level; 5: the line goes on
_BUFFER = re.compile(r"(\S+) +\S+ buffer size = +([\d.]+) MiB")  # of weights, KV cache, computing
_OFFLOADED = re.compile(r"offloaded (\d+)/\d+ layers to GPU")


class NativeLog:
    """Sends llama.cpp's log to stderr, and keeps the newest error lines for our own messages.

    Of a healthy start llama.cpp tells 200 lines. They are dropped unless the log level is debug:
    the last lines on stderr are what the server quotes when the engine dies.
    """

    def __init__(self, lib: Any) -> None:
        self.errors: deque[str] = deque(maxlen=5)
        self.gpu_layers = 0
        self.buffer_bytes = 0  # of main memory, as llama.cpp told of each when it made it
        self._lib = lib
        self._least = 0 if os.environ.get("EDGELLM_LOG_LEVEL") == "debug" else _WARNING_LEVEL
        self._level = 0
        self._callback = lib.llama_log_callback(self._write)  # must outlive the library's use
        lib.llama_log_set(self._callback, None)

    def close(self) -> None:
        """Give the log back to llama.cpp, which would call what is no longer there."""
        self._lib.llama_log_set(self._lib.llama_log_callback(), None)

    def _write(self, level: int, text: bytes, _user_data: object) -> None:
        line = text.decode("utf-8", "replace")
        self._level = level if level != _CONTINUED else self._level
        if self._level >= self._least:
            sys.stderr.write(line)
        self._note_memory(line)
        if level == _ERROR_LEVEL and line.strip():
            self.errors.append(line.strip())

    def _note_memory(self, line: str) -> None:
        if (buffer := _BUFFER.search(line)) and ("CPU" in buffer[1] or "Host" in buffer[1]):
            self.buffer_bytes += int(float(buffer[2]) * 1024 * 1024)
        elif offloaded := _OFFLOADED.search(line):
            self.gpu_layers = int(offloaded[1])

    def reason(self) -> str:
        """The cause of a failure, as llama.cpp told it: its first error of the newest few."""
        return self.errors[0].split(": ", 1)[-1] if self.errors else "llama.cpp gave no reason"
