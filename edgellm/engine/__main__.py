"""The engine process: sets up its pipes, loads the model, runs the loop until it is told to stop.

Exits by itself at end of file on stdin, also in the middle of a computation: no orphans.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from edgellm.engine.clerk import Clerk, Order
from edgellm.protocol import (
    Failed,
    FromEngine,
    Generate,
    Load,
    Progress,
    Ready,
    ToEngine,
    encode_frames,
    read_frame,
)

if TYPE_CHECKING:
    from edgellm.backends.base import TokenBackend
    from edgellm.engine.guesser import Guesser
    from edgellm.engine.prefix_store import PrefixStore
    from edgellm.protocol import ModelInfo

MIB = 1024 * 1024
PREFIX_BYTES = 256 * MIB  # that saved prefixes may take on disk

Send: TypeAlias = Callable[[list[FromEngine]], None]


def main() -> int:
    """Run the engine process."""
    frames_in, frames_out = _take_over_pipes()

    sending = threading.Lock()  # the clerk's thread answers as well

    def send(messages: list[FromEngine]) -> None:
        if messages:
            with sending:
                frames_out.write(encode_frames(messages))
                frames_out.flush()

    load = read_frame(frames_in.read)
    if load is None:
        return 0
    if not isinstance(load, Load):
        raise RuntimeError(f"expected a Load frame, got {type(load).__name__}")
    inbox: queue.SimpleQueue[Order] = queue.SimpleQueue()
    constraints = Constraints()
    clerk = Clerk(send, inbox)
    args = (frames_in, inbox, constraints, clerk)
    threading.Thread(target=_read_inbox, args=args, daemon=True).start()
    threading.Thread(target=clerk.run, daemon=True).start()
    return _serve(load, inbox, send, constraints, clerk)


def _take_over_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdout for frames and point descriptor 1 at stderr: native libraries print to it."""
    frames_in = os.fdopen(os.dup(0), "rb")
    frames_out = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return frames_in, frames_out


class Constraints:
    """Compiles what requests bring in the thread that reads them, so that running answers do not
    wait for it. Before the model is loaded there is nothing to compile for."""

    def __init__(self) -> None:
        self.backend: TokenBackend | None = None

    def prepare(self, message: ToEngine) -> None:
        if self.backend is None or not isinstance(message, Generate) or not message.constraint:
            return
        try:
            self.backend.prepare(message.constraint)
        except Exception:  # noqa: BLE001 - this thread must go on; the loop meets it again
            traceback.print_exc()


def _read_inbox(
    frames_in: BinaryIO,
    inbox: queue.SimpleQueue[Order],
    constraints: Constraints,
    clerk: Clerk,
) -> None:
    """Queue what comes; at end of file the server is gone, and so are we, whatever is running."""
    while (message := read_frame(frames_in.read)) is not None:
        if not clerk.take(message):
            constraints.prepare(message)
            inbox.put(message)
    os._exit(0)


def _serve(
    load: Load,
    inbox: queue.SimpleQueue[Order],
    send: Send,
    constraints: Constraints,
    clerk: Clerk,
) -> int:
    from edgellm.backends import load_backend
    from edgellm.backends.threads import bind_threads, unbind_thread
    from edgellm.backends.zero_pages import release_zero_pages
    from edgellm.engine.loop import Engine, run
    from edgellm.errors import EdgellmError

    began = time.monotonic()
    bind_threads(load.options)
    # What computed prompts may take is looked into only where nobody said it.
    before = None if load.options.cache_ram else (_available_bytes(), _resident_bytes())
    try:
        backend = load_backend(load.backend, load.path, load.options, _progress_reporter(send))
        guesser = _guesser(load, backend)
    except EdgellmError as error:
        send([Failed(None, "load", error.message, error.hint)])
        return 1
    if backend.threads == (1, 1):
        unbind_thread()
    release_zero_pages()
    constraints.backend = clerk.backend = backend
    host_bytes = load.options.cache_ram * MIB
    if before is not None:
        host_bytes = _spare_bytes(backend.model, *before)
    engine = Engine(backend, guesser=guesser, host_bytes=host_bytes)
    store = _prefix_store(load, backend)
    if store is not None:
        engine.restore(store)
    send([Ready(backend.model, time.monotonic() - began)])
    try:
        run(engine, inbox, send, store)
    except BrokenPipeError:
        return 0
    except Exception as error:  # noqa: BLE001 - the process's edge: tell the server, then die
        traceback.print_exc()
        send([Failed(None, "internal", f"{type(error).__name__}: {error}")])
        return 1
    return 0


def _spare_bytes(model: ModelInfo, available: int | None, held: int) -> int:
    """For computed prompts. `available` and `held`: what could be had and what this process held
    before the load."""
    from edgellm.hardware.spare import spare_bytes

    grown = _resident_bytes() - held
    return spare_bytes(model.size_bytes, available, model.buffer_bytes, grown)


def _available_bytes() -> int | None:
    from edgellm.hardware.host import Host
    from edgellm.hardware.probes import memory

    return memory.probe(Host()).available_bytes


def _resident_bytes() -> int:
    """0 where the system does not tell."""
    from edgellm.hardware.host import Host
    from edgellm.hardware.resident import probe

    found = probe(Host(), os.getpid())
    return found.now_bytes if found is not None else 0


def _guesser(load: Load, backend: TokenBackend) -> Guesser | None:
    """Raises EngineLoadError if the draft model does not fit."""
    from edgellm.engine.draft import load_draft_model
    from edgellm.engine.guesser import Guesser
    from edgellm.engine.speculation import StepCost

    options = load.options
    if not options.speculate and not options.draft_path:
        return None
    draft = load_draft_model(load.backend, options, backend) if options.draft_path else None
    return Guesser(StepCost(), use_lookup=options.speculate, draft=draft)


def _prefix_store(load: Load, backend: TokenBackend) -> PrefixStore | None:
    from edgellm.engine.prefix_store import PrefixStore
    from edgellm.store.files import file_digest

    if not load.prefix_folder:
        return None
    key = f"{file_digest(Path(load.path))} {backend.state_key()}"
    return PrefixStore(Path(load.prefix_folder), key, PREFIX_BYTES)


def _progress_reporter(send: Send) -> Callable[[float], None]:
    """Reports each whole per cent once."""
    told = -1

    def report(fraction: float) -> None:
        nonlocal told
        if int(fraction * 100) > told:
            told = int(fraction * 100)
            send([Progress(fraction)])

    return report


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # no interpreter teardown under native threads
