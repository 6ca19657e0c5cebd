"""How a pull is shown: a bar on a terminal, a line now and then elsewhere. Always on stderr.

And how it is stopped: what came is kept.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from edgellm.cli.output import format_bytes, say
from edgellm.errors import PullCancelled

if TYPE_CHECKING:
    from edgellm.store.progress import Progress

_LINE_SECONDS = 10.0
_WORDS = {
    "asking": "asking",
    "waiting": "waiting for another process that pulls the same",
    "checking": "checking what is there",
    "fetching": "fetching",
    "done": "done",
}


@contextlib.contextmanager
def shown_progress() -> Iterator[Callable[[Progress], None]]:
    """Something to give to `Store.pull`."""
    if not sys.stderr.isatty():
        yield Lines(say).show
        return
    with _bar() as show:
        yield show


class Lines:
    """A line when something else begins, and every few seconds."""

    def __init__(
        self, put_line: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._put_line, self._clock = put_line, clock
        self._last: tuple[str, str, int] | None = None
        self._told = clock()

    def show(self, progress: Progress) -> None:
        """Perhaps a line."""
        now = self._clock()
        current = (progress.phase, progress.file, progress.num_retries)
        if progress.phase in {"asking", "done"}:
            return
        if current != self._last or now - self._told >= _LINE_SECONDS:
            self._last, self._told = current, now
            self._put_line(describe(progress))


def describe(progress: Progress) -> str:
    """One line: `fetching x.gguf: 40% of 380 MiB, 5.0 MiB/s, 45 s left`."""
    head = f"{_WORDS[progress.phase]} {progress.file}".rstrip()
    if progress.phase == "waiting":
        return head
    done, total = progress.done_bytes, progress.total_bytes
    parts = [format_bytes(done)]
    if total:
        parts = [f"{done / total:.0%} of {format_bytes(total)}"]
    rate = progress.bytes_per_second
    if rate and progress.phase == "fetching":
        parts.append(f"{format_bytes(int(rate))}/s")
        parts += [f"{(total - done) / rate:.0f} s left"] if total else []
    if progress.num_retries:
        parts.append(f"connection lost {progress.num_retries} times")
    return f"{head}: {', '.join(parts)}"


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.DownloadColumn(binary_units=True),
        bars.TextColumn("{task.fields[rate]}"),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("asking", total=None, rate="")

        def show(progress: Progress) -> None:
            rate = progress.bytes_per_second
            bar.update(
                task,
                description=f"{_WORDS[progress.phase]} {progress.file}".rstrip(),
                completed=progress.done_bytes,
                total=progress.total_bytes,
                rate=f"{format_bytes(int(rate))}/s" if rate else "",
            )

        yield show


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end a pull where it is, with words instead of a traceback."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise PullCancelled(
            "The pull was interrupted.", "What came is kept: the same command goes on from there."
        ) from None
    finally:
        signal.signal(signal.SIGTERM, old)
