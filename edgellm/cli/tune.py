"""`edgellm tune`: measures the engine parameters that matter here, and remembers the best."""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer

from edgellm.cli.output import Format, format_bytes, put, put_json, say, table
from edgellm.errors import ConfigError
from edgellm.types import EngineOptions, KVType

if TYPE_CHECKING:
    from edgellm.hardware.profile import Cpu
    from edgellm.serving.resolver import ServedModel
    from edgellm.tuning.record import Record
    from edgellm.tuning.search import Candidate, Trial

KV_TOKENS = 4096  # for which the memory of the KV cache is told
_HEAD = ("parameter", "candidate", "prefill tok/s", "decode tok/s", "time", "")


def tune(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL.gguf", help="A GGUF file. [default: the built-in model]"),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Time to measure.")] = 90,
    kv_type: Annotated[
        str | None, typer.Option(help="Type of the KV cache to tune for. [default: f16]")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Measure, but remember nothing.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Forget what was tuned for the model.")
    ] = False,
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A settings file in TOML.")
    ] = None,
) -> None:
    """Measure which engine settings suit this device and model; `serve` then uses them."""
    from edgellm.cli.serving import served_model
    from edgellm.cli.settings import set_up_logging, user_settings
    from edgellm.cli.tuned import record_key, records

    settings = user_settings({"model": model, "kv_type": kv_type}, config)
    set_up_logging(settings.log_level)
    served = served_model(settings.model)
    if forget:
        count = records().forget(record_key(served.path))
        say(f"forgot what was tuned for {served.id}" if count else "nothing was remembered")
        return
    record = _measure(served, settings.kv_type, seconds)
    if output is Format.json:
        put_json(record)
    else:
        put(render(record))
    if not dry_run:
        _save(record)


def thread_counts(cpu: Cpu) -> tuple[int, ...]:
    """Numbers of threads that are worth a try: one, half, one for each core, all."""
    usable = cpu.num_usable_cores or os.cpu_count() or 1
    physical = min(cpu.num_physical_cores or usable, usable)
    return tuple(sorted({1, max(1, usable // 2), physical, usable}))


def _measure(model: ServedModel, kv_type: KVType, seconds: float) -> Record:
    from edgellm.cli.tuned import record_key
    from edgellm.hardware.host import Host
    from edgellm.hardware.probes import cpu
    from edgellm.tuning.child import ChildMeasurer
    from edgellm.tuning.record import Record
    from edgellm.tuning.search import tune

    processor = cpu.probe(Host())
    cores = thread_counts(processor)
    _warn_if_busy(max(cores))
    say(f"tuning {model.id} for at most {seconds:.0f} s; leave the device alone meanwhile")
    options = EngineOptions(kv_type=kv_type)
    with ChildMeasurer("llama_cpp", model.path, time.monotonic() + seconds) as measurer:
        tuning = tune(measurer, options, cores, seconds, say)
    return Record(
        model=model.path.name,
        key=record_key(model.path),
        date=datetime.now().astimezone().isoformat(timespec="seconds"),
        kv_type=kv_type,
        default=tuning.default,
        chosen=tuning.chosen,
        trials=tuning.trials,
    )


def _warn_if_busy(num_cores: int) -> None:
    load = os.getloadavg()[0]
    if load > num_cores / 2:
        say(f"warning: other programs use the CPU (load {load:.1f}): expect noise.")


def _save(record: Record) -> None:
    from edgellm.cli.tuned import records

    try:
        path = records().save(record)
    except OSError as error:
        raise ConfigError(
            f"What was tuned cannot be remembered: {error}.",
            "Set EDGELLM_HOME to a folder that can be written.",
        ) from error
    say(f"remembered in {path}; forget it with: edgellm tune --forget")


def render(record: Record) -> str:
    """The table of all measurements, and below it what they mean."""
    rows = [_HEAD, *(row for trial in record.trials for row in _rows(trial))]
    lines = [f"chosen: {record.chosen}", _gain(record)]
    lines += [_advice(trial) for trial in record.trials if trial.is_advice]
    return table(rows) + "\n" + "".join(line + "\n" for line in lines if line)


def _rows(trial: Trial) -> list[tuple[str, ...]]:
    rows = [_row(trial, candidate) for candidate in trial.candidates]
    rows[0] = (trial.parameter, *rows[0][1:])
    return rows


def _row(trial: Trial, candidate: Candidate) -> tuple[str, ...]:
    ratio = trial.ratio(candidate.label)
    words = [
        "chosen" if candidate.label == trial.chosen and not trial.is_advice else "",
        f"failed: {candidate.failure}" if candidate.failure else "",
        trial.note if candidate is trial.candidates[0] else "",
    ]
    return (
        "",
        candidate.label,
        _rate(candidate.prefill_tokens_per_second),
        _rate(candidate.decode_tokens_per_second),
        "-" if ratio is None else f"{ratio:.0%}",
        ", ".join(word for word in words if word),
    )


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _gain(record: Record) -> str:
    """What all of it together brings, as it was measured."""
    from edgellm.tuning.plan import TOGETHER

    trial = next((trial for trial in record.trials if trial.parameter == TOGETHER), None)
    if record.chosen == record.default:
        return "Nothing was clearly better than the defaults."
    if trial is None or trial.ratio("default") is None:
        return "There was no time to measure it against the defaults; --seconds gives more."
    tuned, default = (median(candidate.seconds) for candidate in trial.candidates)
    work = trial.workload
    return (
        f"A request of {work.prompt} + {work.answer} tokens takes {tuned:.2f} s "
        f"instead of {default:.2f} s with the defaults."
    )


def _advice(trial: Trial) -> str:
    """What another choice would cost and save; it is the user's to make."""
    first, other = trial.candidates
    ratio = trial.ratio(other.label)
    if ratio is None:
        return ""
    speed = f"a request takes {ratio:.0%} of the time"
    if trial.parameter == "kv_type" and first.kv_token_bytes and other.kv_token_bytes:
        before, after = first.kv_token_bytes, other.kv_token_bytes
        return (
            f"--kv-type {other.label}: {speed}; {KV_TOKENS:,} tokens of KV cache take "
            f"{format_bytes(after * KV_TOKENS)} instead of {format_bytes(before * KV_TOKENS)}. "
            "Quantised types change answers a little."
        )
    if trial.parameter == "repack" and first.private_bytes and other.private_bytes:
        saved = max(0, first.private_bytes - other.private_bytes)
        return f"--no-repack: {speed}; it takes {format_bytes(saved)} less memory."
    return ""
