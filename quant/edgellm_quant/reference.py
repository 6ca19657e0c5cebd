"""What the unquantised model says of a text, kept on disk: computed once, compared with often.

A folder for each (model, text, settings), and in it a file for each window of the text, written
when the window is done. So a run that was cancelled, or lost its power, goes on with the first
window that is missing, and nothing that is there is half of something.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from edgellm.atomic import UNFINISHED, write_atomically
from edgellm.errors import DiskFull, QuantCancelled, QuantError
from edgellm.paths import find_paths
from edgellm.store.disk import disk_errors
from edgellm.store.lock import lock
from edgellm_quant import child, windows
from edgellm_quant.distributions import TAIL, Distributions, join, keep
from edgellm_quant.hooks import IsCancelled, OnProgress, never, tell_nobody
from edgellm_quant.logits import DEFAULT_CONTEXT, Model, open_model
from edgellm_quant.parts import model_digest
from edgellm_quant.work import MakeReference, Written

VERSION = 1  # of what lies in the folder
_INDEX = "reference.json"
_SPARE_BYTES = 64 << 20  # of the disk, which others need too


class Text(Struct, frozen=True):
    """A text as the reference model reads it: the windows' tokens, start tokens included."""

    context: int
    num_vocab: int
    windows: list[list[int]]


class Reference(Struct, frozen=True):
    """A finished reference run."""

    folder: Path
    text: Text

    @classmethod
    def make(
        cls,
        path: Path,
        text: str,
        folder: Path | None = None,
        *,
        context: int = DEFAULT_CONTEXT,
        most_windows: int = 0,
        threads: int = 0,
        on_progress: OnProgress = tell_nobody,
        is_cancelled: IsCancelled = never,
    ) -> Reference:
        """Compute, in a child process, what is not in `folder` yet.

        Args:
            folder: where references are kept; this one gets a folder of its own in it. None = in
                the user's cache.
            most_windows: of the text; 0 = all.
            on_progress: is told windows, done and in all.

        Raises:
            QuantError: the text is too short, or llama.cpp fails.
            QuantCancelled, EngineLoadError
            DiskFull, FolderUnusable: what was computed so far stays there.
        """
        folder = folder or find_paths(os.environ, sys.platform, Path.home()).cache / "references"
        work = MakeReference(str(path), text, str(folder), context, most_windows, threads)
        made = child.do(work, on_progress=on_progress, is_cancelled=is_cancelled)
        if not isinstance(made, Written):
            raise TypeError(f"expected Written, got {made}")
        return cls.open(Path(made.path))

    @classmethod
    def compute(
        cls,
        path: Path,
        text: str,
        folder: Path,
        *,
        context: int = DEFAULT_CONTEXT,
        most_windows: int = 0,
        threads: int = 0,
        on_progress: OnProgress = tell_nobody,
        is_cancelled: IsCancelled = never,
    ) -> Reference:
        """What `make` does, in this process. The model is not even loaded if all of it is there.

        Another process that computes the same is waited for.
        """
        own = folder / _key(path, text, context, most_windows)
        with disk_errors(own):
            own.mkdir(parents=True, exist_ok=True)
        with lock(own / "lock", on_wait=lambda: _stop_if(is_cancelled)):
            found = _read_finished(own)
            if found is not None:
                on_progress(len(found.windows), len(found.windows))
                return cls(own, found)
            with disk_errors(own):
                for leftover in own.glob(f"*{UNFINISHED}"):  # of a run that was killed
                    leftover.unlink(missing_ok=True)
            with open_model(path, context, threads) as model:
                cuts = windows.cut(
                    model.tokenize(text), context, start_token=model.start_token, most=most_windows
                )
                reference = cls(own, Text(context, model.num_vocab, cuts))
                reference._compute(model, on_progress, is_cancelled)
            return reference

    @classmethod
    def open(cls, folder: Path) -> Reference:
        """A finished one, by its own folder.

        Raises:
            QuantError: there is none, or it is not finished.
        """
        found = _read_finished(folder)
        if found is None:
            raise QuantError(
                f"{folder} holds no finished reference run.", "Make it again: it goes on by itself."
            )
        return cls(folder, found)

    @property
    def num_tokens(self) -> int:
        """Tokens that are foretold and counted."""
        return len(self.text.windows) * windows.num_counted(self.text.context)

    @property
    def size_bytes(self) -> int:
        """What it takes on disk."""
        return sum(file.stat().st_size for file in self.folder.iterdir())

    def perplexity(self) -> float:
        """As llama-perplexity has it; not as its --kl-divergence has it of the base model, which
        takes no token for less likely than e^-16 of the likeliest."""
        means = [self.window(at).nll.mean(dtype=np.float64) for at in self._all]
        return perplexity(float(np.mean(means)))

    def window(self, at: int) -> Distributions:
        """The distributions of the counted positions of a window.

        Raises:
            QuantError: the file is damaged. It is removed: the next `make` computes it again.
        """
        file = _window_file(self.folder, at)
        try:
            found = Distributions.from_bytes(file.read_bytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            file.unlink(missing_ok=True)
            raise QuantError(
                f"{file} is damaged: {error}.", "Run it again: that window is computed anew."
            ) from error
        return found

    @property
    def _all(self) -> range:
        return _range(self.text)

    def _compute(
        self,
        model: Model,
        on_progress: OnProgress,
        is_cancelled: IsCancelled,
    ) -> None:
        with disk_errors(self.folder):
            write_atomically(self.folder / _INDEX, msgspec.json.encode(self.text))
        for at in self._all:
            on_progress(at, len(self._all))
            _stop_if(is_cancelled)
            if not _window_file(self.folder, at).is_file():
                self._save(at, _foretell(model, self.text.windows[at]))
        on_progress(len(self._all), len(self._all))

    def _save(self, at: int, found: Distributions) -> None:
        data = found.to_bytes()
        left = sum(not _window_file(self.folder, other).is_file() for other in self._all)
        with disk_errors(self.folder):
            check_room(shutil.disk_usage(self.folder).free, len(data), left, self.folder)
            write_atomically(_window_file(self.folder, at), data)


def perplexity(mean_nll: float) -> float:
    """Of a mean negative log-likelihood; a finite number even for a model that is broken."""
    return math.exp(min(mean_nll, 700.0))


def check_room(free_bytes: int, window_bytes: int, num_windows: int, folder: Path) -> None:
    """Whether so many windows of that size will fit.

    Raises:
        DiskFull: they will not, so it is not even tried.
    """
    wanted = window_bytes * num_windows + _SPARE_BYTES
    if free_bytes < wanted:
        raise DiskFull(
            f"The reference would take {wanted >> 20} MiB in {folder.parent}, and "
            f"{free_bytes >> 20} MiB are free.",
            "Make room, or evaluate on a shorter text; what was computed so far is kept.",
        )


def foretold(
    model: Model, window: list[int]
) -> Iterator[tuple[np.ndarray[tuple[int, int], np.dtype[np.float32]], np.ndarray]]:
    """The logits of the counted positions of a window, in parts, each with the tokens that came."""
    first, last = windows.first_counted(len(window)), len(window) - 1
    came = np.array(window, np.int64)
    for begin, logits in model.stream(window, first):
        counted = logits[: last - begin]  # nothing came behind the last token
        if len(counted):
            yield counted, came[begin + 1 : begin + 1 + len(counted)]


def _foretell(model: Model, window: list[int]) -> Distributions:
    return join([keep(logits, came) for logits, came in foretold(model, window)])


def _key(path: Path, text: str, context: int, most_windows: int) -> str:
    """What the run depends on."""
    settings = f"{VERSION} {model_digest(path)} {context} {most_windows} {TAIL}\n"
    return hashlib.sha256(settings.encode() + text.encode("utf-8", "replace")).hexdigest()[:32]


def _read_finished(folder: Path) -> Text | None:
    """The index, where all that it names is there."""
    try:
        found = msgspec.json.decode((folder / _INDEX).read_bytes(), type=Text)
    except (OSError, msgspec.DecodeError):
        return None
    is_finished = all(_window_file(folder, at).is_file() for at in _range(found))
    return found if is_finished else None


def _stop_if(is_cancelled: IsCancelled) -> None:
    if is_cancelled():
        raise QuantCancelled("The reference run was cancelled.", "Run it again to go on.")


def _window_file(folder: Path, at: int) -> Path:
    return folder / f"window-{at:06d}.npz"


def _range(text: Text) -> range:
    return range(len(text.windows))
