"""How jobs look: tables, lines, a bar. Decides nothing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import msgspec

from edgellm.cli.output import format_bytes, say, table
from edgellm.jobs.events import Entry, Note, Progress, StepBegun, StepDone, Waiting
from edgellm.jobs.status import JobStatus
from edgellm_quant.spec import Made

_HEAD = ("type", "size", "KL divergence", "same top-1", "perplexity", "decode tok/s", "result")
_JOB_HEAD = ("job", "state", "done", "targets", "begun")
_WORDS = {
    "source": "preparing the source",
    "imatrix": "computing the importance matrix",
    "prune": "measuring the influence of each block",
    "reference": "running the unquantised model",
    "mix": "looking for the best mix",
    "report": "writing the report",
}


def describe(step: str) -> str:
    """A step in words: `quantise:Q4_K_M` -> `quantise Q4_K_M`."""
    return _WORDS.get(step, step.replace(":", " "))


def made_of(status: JobStatus) -> list[Made]:
    """The files of a job."""
    return [msgspec.convert(each, Made) for each in status.made]


def results(made: Sequence[Made]) -> str:
    """The table of a job's files; what is not known is a dash."""
    return table([_HEAD, *map(_row, made)]) if made else ""


def jobs(statuses: Sequence[JobStatus]) -> str:
    """The table of all jobs."""
    return table([_JOB_HEAD, *map(_job_row, statuses)]) if statuses else ""


def one_job(status: JobStatus) -> str:
    """Its lines."""
    lines = [f"job      {status.id}", f"source   {status.request.source}"]
    lines.append(f"state    {status.state}{f' ({status.percent}%)' if not status.is_over else ''}")
    lines += [f"step     {describe(status.step)}"] if status.step else []
    lines += [f"waits    {status.reason}"] if status.reason else []
    lines += [f"note     {note}" for note in status.notes]
    lines += [f"error    {status.error}"] if status.error else []
    lines += [f"hint     {status.hint}"] if status.hint else []
    return "".join(line + "\n" for line in lines)


def _row(made: Made) -> tuple[str, ...]:
    figures = ("-", "-", "-", "-")
    if made.evaluation is not None:
        loss, cost = made.evaluation.loss, made.evaluation.cost
        figures = (
            f"{loss.kld_mean:.4g}",
            f"{loss.top1:.2%}",
            f"{loss.perplexity:.4g}",
            f"{cost.decode_tokens_per_second:.3g}",
        )
    result = "refused" if made.refusal else made.path
    return (made.recipe.label, format_bytes(made.size_bytes), *figures, result)


def _job_row(status: JobStatus) -> tuple[str, ...]:
    request = status.request
    mix = request.budget or ("for this device" if request.for_device else "")
    targets = ", ".join((*request.to, *((f"mix {mix}",) if mix else ())))
    when = datetime.fromtimestamp(status.created).astimezone().strftime("%Y-%m-%d %H:%M")
    return (status.id, status.state, f"{status.percent}%", targets, when)


class Lines:
    """Without a terminal: a line when something begins, and every tenth of a step."""

    def __init__(self, put_line: Callable[[str], None]) -> None:
        self._put_line = put_line
        self._tenth = 0

    def show(self, entry: Entry) -> None:
        """Perhaps a line."""
        match entry.event:
            case StepBegun(step):
                self._tenth = 0
                self._put_line(describe(step))
            case Progress(step, done, total) if total and 10 * done // total > self._tenth:
                self._tenth = 10 * done // total
                self._put_line(f"{describe(step)}: {10 * self._tenth}%")
            case event:
                tell(event, self._put_line)


def tell(event: object, put_line: Callable[[str], None]) -> None:
    """What is said once, with and without a terminal."""
    match event:
        case Waiting(reason):
            put_line(f"waiting: {reason}")
        case Note(text):
            put_line(f"warning: {text}")
        case StepDone(step, is_kept=True) if step != "source":
            put_line(f"{describe(step)}: done already")
        case _:
            pass


@contextlib.contextmanager
def shown() -> Iterator[Callable[[Entry], None]]:
    """Something to give to `run_job`. Always on stderr."""
    if not sys.stderr.isatty():
        yield Lines(say).show
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("beginning", total=None)

        def show(entry: Entry) -> None:
            match entry.event:
                case StepBegun(step):
                    bar.reset(task, description=describe(step), total=None)
                case Progress(_, done, total):
                    bar.update(task, completed=done, total=total or None)
                case event:
                    tell(event, bar.console.print)

        yield show
