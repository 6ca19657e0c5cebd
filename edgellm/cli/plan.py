"""`edgellm plan`: what edgellm would load on this device, what that takes, and why."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from msgspec import Struct

from edgellm.cli.output import Format, put, put_json, say, table
from edgellm.errors import ConfigError
from edgellm.planner.goal import Rejection

if TYPE_CHECKING:
    from edgellm.planner.goal import NoFit, Plan
    from edgellm.types import KVType


class Preference(StrEnum):
    """What counts most where several models fit."""

    quality = "quality"
    speed = "speed"
    memory = "memory"


class PlanReport(Struct, frozen=True):
    """What `--format json` prints where something fits."""

    model: str
    quant: str
    backend: str
    device: str  # "CPU", or the accelerator's name
    api: str
    context: int
    parallel: int
    cells: int
    gpu_layers: int
    kv_type: str
    threads: int
    needed_bytes: int
    dedicated_bytes: int
    download_bytes: int | None
    decode_tokens_per_second: float
    full_tokens_per_second: float
    prefill_tokens_per_second: float | None
    speed_source: str
    score: float | None
    licence: str
    reasons: tuple[str, ...]
    rejected: tuple[Rejection, ...]


def plan(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A model of the catalogue, hf:OWNER/REPO[:QUANT], an https address, a GGUF file, "
            "or a name in the store. [default: any of the catalogue]",
        ),
    ] = None,
    context: Annotated[
        int | None, typer.Option(min=1, help="Tokens of one sequence. [default: up to 8192]")
    ] = None,
    parallel: Annotated[
        int | None, typer.Option(min=1, max=256, help="Sequences that all hold a whole context.")
    ] = None,
    min_tps: Annotated[
        float | None, typer.Option(min=0, help="Tokens per second. [default: 5, if possible]")
    ] = None,
    prefer: Annotated[
        Preference, typer.Option(help="quality, speed or memory.")
    ] = Preference.quality,
    kv_type: Annotated[str, typer.Option(help="Type of the KV cache.")] = "f16",
    force: Annotated[
        bool, typer.Option("--force", help="Plan MODEL even if it does not fit.")
    ] = False,
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="A captured device instead of this one: a folder or a .tar.gz."
        ),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
) -> None:
    """Say which model suits this device, and why."""
    from edgellm.cli.catalogue import user_catalog
    from edgellm.cli.named import find_named, plan_named
    from edgellm.cli.planning import look, make_plan
    from edgellm.cli.store import open_store
    from edgellm.planner.goal import Goal, NoFit

    goal = Goal(
        context=context,
        parallel=parallel,
        min_tokens_per_second=min_tps,
        prefer=prefer.value,
        kv_type=_kv_type(kv_type),
        is_forced=force,
    )
    catalog = user_catalog()
    if model is None:
        found = make_plan(goal, look(catalog, root))
    else:
        store = open_store()
        named = find_named(model, store, catalog, "any")
        found = plan_named(named, goal, look(catalog, root), store)
    if isinstance(found, NoFit):
        _show_no_fit(found, output)
        raise typer.Exit(1)
    _show(found, output)


def _kv_type(word: str) -> KVType:
    import msgspec

    from edgellm.types import KVType

    try:
        kind: KVType = msgspec.convert(word, KVType)
    except msgspec.ValidationError as error:
        known = ", ".join(get_args(KVType))
        raise ConfigError(
            f"--kv-type cannot be '{word}'.", f"It must be one of {known}."
        ) from error
    return kind


def _show_no_fit(found: NoFit, output: Format) -> None:
    from edgellm.planner.explain import explain

    if output is Format.json:
        put_json(found)
        return
    _put_table(found.rejected)
    say(f"error: {explain(found).rstrip()}")


def _show(found: Plan, output: Format) -> None:
    from edgellm.planner.explain import explain

    if output is Format.json:
        put_json(report(found))
        return
    put(explain(found) + "\n")
    _put_table(found.rejected)


def _put_table(rejected: tuple[Rejection, ...]) -> None:
    from edgellm.planner.explain import HEAD, rejection_rows

    if rejected:
        put(table([HEAD, *rejection_rows(rejected)]))


def report(found: Plan) -> PlanReport:
    """The plan without the catalogue's part in it."""
    return PlanReport(
        model=found.card.id,
        quant=found.variant.quant,
        backend=found.variant.backend,
        device=found.place.name,
        api=found.place.api,
        context=found.context,
        parallel=found.parallel,
        cells=found.cells,
        gpu_layers=found.gpu_layers,
        kv_type=found.kv_type,
        threads=found.threads,
        needed_bytes=found.memory.needed,
        dedicated_bytes=found.memory.dedicated,
        download_bytes=found.variant.planned_bytes,
        decode_tokens_per_second=round(found.decode_tokens_per_second, 2),
        full_tokens_per_second=round(found.full_tokens_per_second, 2),
        prefill_tokens_per_second=found.prefill_tokens_per_second,
        speed_source=found.rate.source,
        score=found.score,
        licence=found.card.licence,
        reasons=found.reasons,
        rejected=found.rejected,
    )
