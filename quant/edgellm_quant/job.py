"""Does a job: runs its steps one after the other, and writes down what came of each.

Everything half-made lies in one folder beside the results, `<out>/.quant-<id>`. A step's result is
in the journal before the next begins, with the digest of its file; so after a kill at any moment
the next run finds out what is done, and goes on behind it. What a step does is `tools.py`'s.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from edgellm.errors import EdgellmError, QuantCancelled, QuantError, QuantRefused
from edgellm.jobs.events import (
    Begun,
    End,
    Ended,
    Entry,
    JobEvent,
    Note,
    Progress,
    StepBegun,
    StepDone,
    Waiting,
)
from edgellm.jobs.journal import Journal, read_entries
from edgellm.jobs.request import NO
from edgellm.jobs.status import results_of
from edgellm.jobs.store import Job, JobStore
from edgellm.store.lock import lock
from edgellm_quant.device import Device, threads_for, wait_for_memory
from edgellm_quant.others import make_others
from edgellm_quant.prepare import prepare
from edgellm_quant.recipes import others_of, recipes_of
from edgellm_quant.results import Results
from edgellm_quant.spec import Made
from edgellm_quant.steps import MIX, steps_of
from edgellm_quant.tools import Ears, Tools

_SHARE, _SECONDS = 0.01, 0.25  # between two entries of progress


def run_job(
    store: JobStore,
    job: Job,
    device: Device,
    *,
    tools: Tools = Tools(),  # noqa: B008  (frozen)
    on_entry: Callable[[Entry], None] = lambda _entry: None,
) -> tuple[Made, ...]:
    """Do what is left of the job; the files that it made, refused ones too.

    Args:
        on_entry: is told what the journal is told.

    Raises:
        JobRunning: another process does it.
        QuantRefused: all is made, and some of it falls short of its limits.
        QuantCancelled, QuantError, EdgellmError: and the job goes on with the next run.
    """
    with job.held(), _journal(job) as journal:
        steps = Steps(job, journal, device, on_entry)
        try:
            with _alone(store, steps):
                made = _do(steps, tools)
        except KeyboardInterrupt:
            raise steps.ended(QuantCancelled("The job was interrupted.", _again(job))) from None
        except EdgellmError as error:
            raise steps.ended(error) from error
        except OSError as error:
            raise steps.ended(_disk_error(error)) from error
        except ImportError as error:
            raise steps.ended(_missing(error)) from error
        except Exception as error:  # a fault of ours: the job must not look like a killed one
            steps.ended(QuantError(f"Unexpected {type(error).__name__}: {error}."))
            raise
        refused = [each for each in made if each.refusal]
        steps.tell(Ended("refused" if refused else "done", *_refused(refused, len(made))))
    if refused:
        raise QuantRefused(*_refused(refused, len(made)))
    return made


class Steps:
    """Runs steps: tells of them, listens to them, remembers them."""

    def __init__(
        self, job: Job, journal: Journal, device: Device, on_entry: Callable[[Entry], None]
    ) -> None:
        self.job, self.request = job, job.request
        self.device = device
        self.results = results_of(read_entries(job.journal_path))
        self._journal, self._on_entry = journal, on_entry

    def tell(self, event: JobEvent) -> None:
        """Write it down, and pass it on."""
        self._on_entry(self._journal.write(event))

    def ended(self, error: EdgellmError) -> EdgellmError:
        """The error, written down as the job's end where the disk lets us."""
        state: End = "cancelled" if isinstance(error, QuantCancelled) else "failed"
        with contextlib.suppress(OSError):
            self.tell(Ended(state, error.message, error.hint))
        return error

    def check_cancelled(self) -> None:
        """Raises QuantCancelled."""
        if self.job.is_cancelled:
            raise QuantCancelled("The job was cancelled.", _again(self.job))

    def wait(self, reason: str) -> None:
        self.check_cancelled()
        self.tell(Waiting(reason))

    def keep(self, step: str) -> None:
        """Done in an earlier run, and still there."""
        self.tell(StepDone(step, self.results[step], is_kept=True))

    def run(self, step: str, do: Callable[[Ears], Any], needed_bytes: int = 0) -> Any:
        """Do a step; `do` returns its result, which must be JSON for msgspec.

        Args:
            needed_bytes: of memory, without which it does not begin.
        """
        self.check_cancelled()
        wait_for_memory(needed_bytes, self.device, self.wait, lambda: self.job.is_cancelled)
        self.tell(StepBegun(step))
        result = do(self.ears(step))
        self.results[step] = msgspec.to_builtins(result)
        self.tell(StepDone(step, self.results[step]))
        return result

    def ears(self, step: str) -> Ears:
        """For one step."""
        return Ears(
            _Throttle(step, self.tell).show,
            lambda: self.job.is_cancelled,
            lambda text: self.tell(Note(text)),
            threads_for(self.request.threads, self.device),
        )


def work_folder(job: Job) -> Path:
    """Where half-made things lie: on the disk of the results, so that they only need renaming."""
    return out_folder(job) / f".quant-{job.id}"


def out_folder(job: Job) -> Path:
    """Where results go."""
    return Path(job.request.out) if job.request.out else job.folder / "out"


def _do(steps: Steps, tools: Tools) -> tuple[Made, ...]:
    """All steps."""
    job, request = steps.job, steps.request
    recipes, others = recipes_of(request), others_of(request)
    steps.tell(Begun(steps_of(request, (recipe.type for recipe in recipes), others)))
    _check_others(tools, others)
    work, out = work_folder(job), out_folder(job)
    work.mkdir(parents=True, exist_ok=True)
    prepared = prepare(steps, tools, work)
    results = Results(steps, tools, prepared, work, out)
    recipes = tuple(replace(recipe, pruned_blocks=prepared.pruned_blocks) for recipe in recipes)
    wanted = [(recipe.type, recipe) for recipe in recipes]
    wanted += [(MIX, prepared.mix)] if prepared.mix is not None else []
    results.check_free(wanted)
    made = [results.make(key, recipe) for key, recipe in wanted]
    made += make_others(steps, tools, prepared, others, work, out)
    if request.evaluate != NO:
        steps.run("report", lambda _ears: tools.write_report(out, prepared.name, made, request))
    # Only now: until the journal says that all is done, a next run would look here.
    shutil.rmtree(work, ignore_errors=True)
    return tuple(made)


def _check_others(tools: Tools, names: tuple[str, ...]) -> None:
    """Raises QuantError for a target that nobody knows."""
    known = tools.other_targets() if names else {}
    for name in names:
        if name not in known:
            raise QuantError(f"There is no target '{name}'.", f"There are: {', '.join(known)}.")


@contextlib.contextmanager
def _alone(store: JobStore, steps: Steps) -> Iterator[None]:
    """No other job works while the block runs."""
    is_told = False

    def on_wait() -> None:
        nonlocal is_told
        steps.check_cancelled()
        if not is_told:
            steps.wait("another job")
            is_told = True

    with lock(store.heavy_lock, on_wait=on_wait):
        yield


@contextlib.contextmanager
def _journal(job: Job) -> Iterator[Journal]:
    try:
        journal = Journal(job.journal_path)
    except OSError as error:
        raise _disk_error(error) from error
    with journal:
        yield journal


def _disk_error(error: OSError) -> EdgellmError:
    where = f" ({error.filename})" if error.filename else ""
    return QuantError(
        f"The disk refused{where}: {error.strerror or error}.",
        "Make room, or choose another folder with --out; what is done is kept.",
    )


def _missing(error: ImportError) -> EdgellmError:
    """A part of the tool needs a library that not every device has."""
    return QuantError(
        f"The module {error.name} is not installed here.",
        "Install what quantising needs: pip install 'edgellm[quant]'",
    )


def _again(job: Job) -> str:
    return f"What is done is kept; go on with: edgellm quant resume {job.id}"


def _refused(refused: list[Made], count: int) -> tuple[str, str]:
    """Message and hint; empty where nothing was refused."""
    if not refused:
        return "", ""
    files = "1 file" if count == 1 else f"{count} files"
    words = "; ".join(f"{each.recipe.label}: {each.refusal}" for each in refused)
    return (
        f"{len(refused)} of {files} was not released. {words}"
        if len(refused) == 1
        else f"{len(refused)} of {files} were not released. {words}",
        "What was made lies under its name with .refused; take a larger type, or --calibrate.",
    )


class _Throttle:
    """Progress for people: an entry for each percent, and no more than four a second."""

    def __init__(
        self,
        step: str,
        tell: Callable[[JobEvent], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._step, self._tell, self._clock = step, tell, clock
        self._shown, self._told = -1.0, 0.0

    def show(self, done: int, total: int) -> None:
        """Perhaps an entry."""
        share, now = done / max(1, total), self._clock()
        if share - self._shown < _SHARE and share < 1:
            return
        if now - self._told < _SECONDS and share < 1:
            return
        if share == self._shown:
            return
        self._shown, self._told = share, now
        self._tell(Progress(self._step, done, total))
