"""`edgellm-quant`, and `edgellm quant`: makes smaller files of models and says what that cost.

`run`, `resume`, `list`, `show` and `cancel` are for people. `add` and `work` are for the server,
which starts this program and talks to it in JSON.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from edgellm.cli.output import Format, put, put_json, say
from edgellm.errors import EdgellmError, QuantError
from edgellm.jobs.events import Ended
from edgellm.jobs.journal import Journal, read_entries
from edgellm.jobs.request import JobRequest
from edgellm.jobs.status import num_fruitless_runs, to_json
from edgellm.jobs.store import Job, JobStore

_START_SECONDS = 20.0
MOST_FRUITLESS_RUNS = 3  # then an interrupted job waits for somebody to look at it

app = typer.Typer(
    name="edgellm-quant",
    help="Make smaller model files, and measure what that costs.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Of `edgellm quant list`.")]
FormatOption = Annotated[Format, typer.Option("--format", help="human or json.")]


@app.command()
def run(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A GGUF file, a folder of safetensors, or hf:OWNER/REPO."
        ),
    ],
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="TYPES", help="E.g. Q4_K_M,Q5_K_M,Q8_0 or onnx-int4."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")] = Path(),
    calibrate: Annotated[
        str, typer.Option(metavar="TEXT", help="Weigh by importance: a text file, or builtin.")
    ] = "",
    evaluate: Annotated[
        str, typer.Option(metavar="TEXT", help="Measure the loss: a text file, builtin, or no.")
    ] = "builtin",
    golden: Annotated[
        str, typer.Option(metavar="FILE", help="Prompts to be answered: a file, builtin, or no.")
    ] = "builtin",
    max_kld: Annotated[
        float | None, typer.Option(help="Refuse what has a larger mean KL divergence.")
    ] = None,
    min_top1: Annotated[
        float | None, typer.Option(help="Refuse what agrees on less (0..1) of the tokens.")
    ] = None,
    min_golden: Annotated[
        float | None, typer.Option(help="Refuse what answers less (0..1) of the golden prompts.")
    ] = None,
    budget: Annotated[
        str, typer.Option(metavar="SIZE", help="Find the best mix of types, e.g. for 3.0GiB.")
    ] = "",
    for_device: Annotated[
        bool, typer.Option("--for-device", help="Find the best mix for this device's memory.")
    ] = False,
    prune_blocks: Annotated[
        int, typer.Option(min=0, metavar="N", help="Leave out the N blocks that matter least.")
    ] = 0,
    override: Annotated[
        list[str] | None,
        typer.Option("--override", metavar="PATTERN=TYPE", help="A type for some tensors."),
    ] = None,
    output_type: Annotated[str, typer.Option(metavar="TYPE", help="Of output.weight.")] = "",
    embedding_type: Annotated[str, typer.Option(metavar="TYPE", help="Of token_embd.weight.")] = "",
    keep_output: Annotated[
        bool, typer.Option("--keep-output", help="Leave output.weight as it is.")
    ] = False,
    pure: Annotated[bool, typer.Option("--pure", help="One type for all tensors.")] = False,
    keep_split: Annotated[
        bool, typer.Option("--keep-split", help="As many files as the source has.")
    ] = False,
    requantise: Annotated[
        bool, typer.Option("--requantise", help="Take a source that is quantised already.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace files of the same names.")
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Make what is released a model of this device.")
    ] = False,
    threads: Annotated[int, typer.Option(min=0, help="0 = one for each CPU.")] = 0,
    detach: Annotated[
        bool, typer.Option("--detach", help="Do not wait: print the job's name.")
    ] = False,
    output: FormatOption = Format.human,
) -> None:
    """Make a file of each type, measure it, and release what keeps to the limits."""
    request = _request(
        source=source,
        to=_words(to),
        out=str(out),
        calibrate=calibrate,
        evaluate=evaluate,
        golden=golden,
        max_kld=max_kld,
        min_top1=min_top1,
        min_golden=min_golden,
        budget=budget,
        for_device=for_device,
        prune_blocks=prune_blocks,
        overrides=tuple(override or ()),
        output_type=output_type,
        embedding_type=embedding_type,
        keep_output=keep_output,
        pure=pure,
        keep_split=keep_split,
        requantise=requantise,
        replace=replace,
        adopt=adopt,
        threads=threads,
    )
    store = _store()
    job = add_job(store, request, Path.cwd())
    if detach:
        job.want()
        start(job)
        put_json({"id": job.id}) if output is Format.json else put(job.id + "\n")
        return
    job.want()
    _work(store, job, output)


@app.command()
def resume(job_id: JobId, output: FormatOption = Format.human) -> None:
    """Go on with a job that was interrupted, cancelled, or failed."""
    store = _store()
    job = store.find(job_id)
    job.want()
    _work(store, job, output)


@app.command("list")
def list_jobs(output: FormatOption = Format.human) -> None:
    """Show all jobs, the newest first."""
    from edgellm_quant.show import jobs

    statuses = [job.status() for job in _store().list()]
    if output is Format.json:
        put_json({"jobs": [to_json(status) for status in statuses]})
        return
    put(jobs(statuses))
    if not statuses:
        say("there is no job yet (edgellm quant run --help)")


@app.command()
def show(job_id: JobId, output: FormatOption = Format.human) -> None:
    """Show where a job stands, and what it made."""
    from edgellm_quant.show import made_of, one_job, results

    status = _store().find(job_id).status()
    if output is Format.json:
        put_json(to_json(status))
    else:
        put(one_job(status) + results(made_of(status)))


@app.command()
def cancel(job_id: JobId, output: FormatOption = Format.human) -> None:
    """Stop a job. What is done is kept: `resume` goes on behind it."""
    job = _store().find(job_id)
    status = job.status()
    if not status.is_over:
        job.cancel()
    if output is Format.json:
        put_json(to_json(job.status()))
    elif status.is_over:
        say(f"{job.id} is over already ({status.state})")
    else:
        say(f"{job.id} is asked to stop" if job.is_alive() else f"{job.id} is cancelled")


@app.command()
def types(output: FormatOption = Format.human) -> None:
    """Show the file types that llama.cpp knows, and its types of tensors."""
    from edgellm_quant.file_types import file_types, tensor_types

    if output is Format.json:
        put_json({"file_types": list(file_types()), "tensor_types": list(tensor_types())})
        return
    put(f"files    {', '.join(file_types())}\ntensors  {', '.join(tensor_types())}\n")


@app.command(hidden=True)
def add() -> None:
    """Write down the job whose request is on stdin, and start it. Answers in JSON."""
    try:
        request = msgspec.json.decode(sys.stdin.buffer.read(), type=JobRequest)
        job = add_job(_store(), request, Path.cwd())
        if not job.is_alive():
            job.want()
            start(job)
    except msgspec.DecodeError as error:
        put_json({"error": f"The request cannot be read: {error}.", "hint": ""})
        raise typer.Exit(2) from None
    except EdgellmError as error:
        put_json({"error": error.message, "hint": error.hint})
        raise typer.Exit(2) from None
    put_json({"id": job.id})


@app.command(hidden=True)
def work(job_id: JobId) -> None:
    """Do a job, unless somebody has cancelled it meanwhile."""
    store = _store()
    job = store.find(job_id)
    if not job.is_cancelled:
        _work(store, job, Format.json)


@app.command("pick-up", hidden=True)
def pick_up() -> None:
    """Start what a kill or a power cut interrupted. Answers in JSON."""
    started = []
    for job in _store().list():
        if job.status().state == "interrupted" and not _is_hopeless(job):
            start(job)
            started.append(job.id)
    put_json({"started": started})


def _is_hopeless(job: Job) -> bool:
    """Whether its last runs all died without a step done; then that is written down."""
    entries = read_entries(job.journal_path)
    if num_fruitless_runs(entries) < MOST_FRUITLESS_RUNS:
        return False
    with job.held(), Journal(job.journal_path) as journal:
        journal.write(
            Ended(
                "failed",
                f"Its process died {MOST_FRUITLESS_RUNS} times in the same step.",
                f"See {job.log_path}; go on with: edgellm quant resume {job.id}",
            )
        )
    return True


def add_job(store: JobStore, request: JobRequest, folder: Path) -> Job:
    """Check the request's words, and write it down with absolute paths.

    Raises:
        QuantError, ModelFileError: it cannot be done as it is.
    """
    from edgellm_quant.prepare import source_state
    from edgellm_quant.request import absolute

    request = absolute(request, folder)
    # One spelling, so that the same types are the same job.
    request = msgspec.structs.replace(request, to=_spelled(request))
    return store.add(request, source_state(request.source))


def _spelled(request: JobRequest) -> tuple[str, ...]:
    """The targets as we call them. Raises QuantError."""
    from edgellm_quant.recipes import others_of, recipes_of

    return (*(recipe.type for recipe in recipes_of(request)), *others_of(request))


def start(job: Job) -> None:
    """Have a process of its own session do the job: it outlives whoever asked for it. Returns when
    it holds the job, so that nobody takes the job for a dead one."""
    with job.log_path.open("ab") as log:
        child = subprocess.Popen(  # noqa: S603  (our own interpreter)
            (sys.executable, "-m", "edgellm_quant", "work", job.id),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while child.poll() is None and not job.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    child.returncode = 0  # it is nobody's child once we end; without a word of Popen's on that


def _work(store: JobStore, job: Job, output: Format) -> None:
    """Do the job in this process; the table is shown even where files were refused."""
    from edgellm.cli.settings import user_settings
    from edgellm_quant.device import this_device
    from edgellm_quant.job import run_job
    from edgellm_quant.show import made_of, results, shown

    say(f"job {job.id}")
    try:
        with shown() as show_entry:
            run_job(store, job, this_device(user_settings({}).port), on_entry=show_entry)
    finally:
        status = job.status_alone()
        if output is Format.json:
            put_json(to_json(status))
        else:
            put(results(made_of(status)))


def _request(**fields: object) -> JobRequest:
    """Raises QuantError."""
    try:
        return msgspec.convert(fields, JobRequest)
    except msgspec.ValidationError as error:
        raise QuantError(
            f"The request is wrong: {error}.", "See: edgellm quant run --help"
        ) from None


def _words(lists: list[str] | None) -> tuple[str, ...]:
    """`--to A,B --to C` -> A, B, C."""
    return tuple(word.strip() for text in lists or () for word in text.split(",") if word.strip())


def _store() -> JobStore:
    from edgellm.cli.settings import user_paths

    return JobStore(user_paths().data / "quant" / "jobs")
