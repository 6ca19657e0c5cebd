"""`edgellm ps`: the models of a running server, and what they take."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from edgellm.cli.admin import admin_client
from edgellm.cli.notes import upgrade_note
from edgellm.cli.output import Format, format_bytes, put, put_json, say, table
from edgellm.cli.trust import CaFlag
from edgellm.errors import EdgellmError
from edgellm.types import ModelStatus, UpgradeStatus

if TYPE_CHECKING:
    from edgellm.client import ModelSpeed, Recent

_HEAD = ("model", "state", "memory", "context", "parallel", "requests", "idle", "unloads in")
_SPEED_HEAD = ("tokens/s", "TTFT p95")  # of the last ten minutes; the first is the median
_NO_SPEED = ("-", "-")


def ps(
    show_all: Annotated[
        bool, typer.Option("--all", help="Show models that are not loaded, too.")
    ] = False,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A running server. [default: the one on this device]"),
    ] = None,
    ca: CaFlag = None,
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
) -> None:
    """Show the models that a server has loaded."""
    found, speeds, upgrade = asyncio.run(_ask(server, ca))
    models = [model for model in found if show_all or is_active(model)]
    if output is Format.json:
        put_json({"models": models, "speeds": speeds, "upgrade": upgrade})
        return
    put(render(models, speeds) if models else "")
    if not models:
        say("no model is loaded (edgellm ps --all shows what could be)")
    for line in filter(None, (*remarks(models), upgrade_note(upgrade))):
        say(line)


async def _ask(
    server: str | None, ca: str | None
) -> tuple[tuple[ModelStatus, ...], tuple[ModelSpeed, ...], UpgradeStatus | None]:
    async with admin_client(server, ca) as client:
        models = await client.admin_models()
        speeds: tuple[ModelSpeed, ...] = ()
        with contextlib.suppress(EdgellmError):  # an older server tells none
            speeds = await client.speeds()
        return models, speeds, (await client.health()).upgrade


def is_active(model: ModelStatus) -> bool:
    """Whether it takes memory, wants to, or could not."""
    return model.state != "stopped" or model.error is not None


def render(models: list[ModelStatus], speeds: Iterable[ModelSpeed] = ()) -> str:
    """A table; what is not known is a dash. Speeds have columns as soon as any is known."""
    rows = [_HEAD, *(_row(model) for model in models)]
    by_id = {speed.id: _speed_cells(speed.recent) for speed in speeds}
    if any(cells != _NO_SPEED for cells in by_id.values()):
        ends = [_SPEED_HEAD, *(by_id.get(model.id, _NO_SPEED) for model in models)]
        rows = [(*row, *end) for row, end in zip(rows, ends, strict=True)]
    return table(rows)


def remarks(models: list[ModelStatus]) -> list[str]:
    """What does not fit into a table."""
    lines = [f"warning: {m.id}: {warning}" for m in models for warning in m.warnings]
    return lines + [f"error: {m.id}: {m.error} {m.hint}".rstrip() for m in models if m.error]


def format_seconds(seconds: float) -> str:
    """Two units at most: `4 s`, `2 min`, `3 h 10 min`."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _row(model: ModelStatus) -> tuple[str, ...]:
    requests = str(model.num_requests)
    return (
        model.id,
        _state(model),
        "-" if model.memory_bytes is None else format_bytes(model.memory_bytes),
        _or_dash(model.context),
        _or_dash(model.parallel),
        f"{requests} + {model.num_waiting} waiting" if model.num_waiting else requests,
        "-" if model.idle_seconds is None else format_seconds(model.idle_seconds),
        _unloads_in(model),
    )


def _speed_cells(recent: Recent) -> tuple[str, ...]:
    rate, first = recent.decode_rate.p50, recent.time_to_first_token.p95
    return (
        "-" if rate is None else f"{rate:.3g}",
        "-" if first is None else f"{first:.2f} s",
    )


def _state(model: ModelStatus) -> str:
    if model.state == "starting":
        return f"loading {model.progress:.0%}"
    if model.state == "stopped":
        return "failed" if model.error else "not loaded"
    return model.state


def _unloads_in(model: ModelStatus) -> str:
    if model.is_pinned:
        return "never (pinned)"
    return "-" if model.unload_seconds is None else format_seconds(model.unload_seconds)


def _or_dash(number: int | None) -> str:
    return "-" if number is None else str(number)
