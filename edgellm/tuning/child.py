"""The parent's side of the measuring process: one child for each way to load the model.

A candidate may crash its child, be killed for its memory, or hang: that is an `EngineError` here,
and the next `load` starts afresh.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec
from msgspec.structs import replace

from edgellm.errors import EngineCrashed, EngineError, EngineLoadError
from edgellm.serving.process import ENGINE_ENVIRONMENT
from edgellm.tuning.workload import (
    Answer,
    Loaded,
    Open,
    Problem,
    Request,
    Run,
    Sample,
    TooSlow,
    Workload,
    decode_answer,
    encode,
)
from edgellm.types import EngineOptions

COMMAND = (sys.executable, "-m", "edgellm.tuning")


class ChildMeasurer:
    """Measures a model file in child processes (`search.Measurer`). Close it, or use `with`."""

    def __init__(
        self, backend: str, path: Path, deadline: float, command: Sequence[str] = COMMAND
    ) -> None:
        """Nothing is started yet.

        Args:
            deadline: of `time.monotonic`: whoever has not answered by then is ended.
        """
        self._backend = backend
        self._path = path
        self._deadline = deadline
        self._command = tuple(command)
        self._child: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._options = EngineOptions()  # of the child, without its threads
        self._threads = (0, 0)
        self._loaded: Loaded | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def load(self, options: EngineOptions) -> Loaded:
        """Make this what `measure` measures. Other threads need no other child.

        Raises:
            EngineError: it cannot be loaded so, or not in time.
        """
        plain = replace(options, threads=0, threads_batch=0)
        if self._loaded is None or plain != self._options:
            self._start()
            self._options = plain
            answer = self._ask(Open(self._backend, str(self._path), plain))
            if not isinstance(answer, Loaded):
                raise EngineCrashed(f"The measuring process answered {answer}.")
            self._loaded = answer
        self._threads = (
            options.threads or self._loaded.threads,
            options.threads_batch or options.threads or self._loaded.threads_batch,
        )
        return self._loaded

    def measure(self, workload: Workload) -> Sample:
        """Time the workload on what was loaded last.

        Raises:
            EngineError: the child died, or was too slow.
        """
        answer = self._ask(Run(workload, *self._threads))
        if not isinstance(answer, Sample):
            raise EngineCrashed(f"The measuring process answered {answer}.")
        return answer

    def close(self) -> None:
        """End the child."""
        self._loaded = None
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None
        if self._stderr is not None:
            self._stderr.close()
            self._stderr = None

    def _start(self) -> None:
        self.close()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  (until `close`)
        try:
            self._child = subprocess.Popen(  # noqa: S603  (our own interpreter)
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=ENGINE_ENVIRONMENT | os.environ,
            )
        except OSError as error:
            raise EngineLoadError(f"The measuring process cannot be started: {error}.") from error

    def _ask(self, request: Request) -> Answer:
        """The child's answer; without a good one it is ended."""
        try:
            answer = decode_answer(self._exchange(encode(request)))
        except msgspec.DecodeError as error:
            self.close()
            raise EngineCrashed(f"The measuring process wrote nonsense: {error}.") from error
        except EngineError:
            self.close()
            raise
        if isinstance(answer, Problem):
            self.close()
            raise EngineLoadError(answer.message, answer.hint)
        return answer

    def _exchange(self, line: bytes) -> bytes:
        child = self._child
        if child is None:
            raise EngineCrashed("There is no measuring process.")
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(line)
            child.stdin.flush()
        except BrokenPipeError:
            raise self._death(child) from None
        left = max(0.0, self._deadline - time.monotonic())
        if not select.select([child.stdout], [], [], left)[0]:
            raise TooSlow("It did not end in the time that was left.", "Give it more: --seconds.")
        answer = child.stdout.readline()
        if not answer:
            raise self._death(child)
        return answer

    def _death(self, child: subprocess.Popen[bytes]) -> EngineCrashed:
        """Why the child is gone: its signal, or its last words."""
        status = child.wait()
        if status == -9:
            return EngineCrashed(
                "It was killed (signal 9): most likely too little memory.",
                "Close other programs, or choose a smaller model or quantisation; see dmesg.",
            )
        assert self._stderr is not None
        self._stderr.seek(0)
        lines = self._stderr.read().decode("utf-8", "replace").split("\n")
        words = " | ".join([line for line in lines if line.strip()][-3:])
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        return EngineCrashed(f"It died {how}.", f"Its last words: {words}" if words else "")
