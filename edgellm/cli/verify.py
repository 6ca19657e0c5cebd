"""`edgellm verify`: reads models and compares them with their digests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgellm.cli.output import Format, put, put_json, say, table
from edgellm.cli.store import CONFIG_HELP, open_store
from edgellm.errors import DigestMismatch

if TYPE_CHECKING:
    from edgellm.store.model import LocalModel
    from edgellm.store.store import Store
    from edgellm.store.verify import Verdict


def verify(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL…", help="Which. [default: all]")
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help=CONFIG_HELP)] = None,
) -> None:
    """Check models against their digests; what is corrupt is moved aside."""
    from edgellm.cli.progress import shown_progress

    store = open_store(config)
    with shown_progress() as show:
        verdicts = [store.verify(model, show) for model in _named(store, models or [])]
    if not models:
        verdicts += store.broken()
    if output is Format.json:
        put_json(verdicts)
    elif verdicts:
        put(table([_cells(verdict) for verdict in verdicts]))
    else:
        say("nothing was pulled yet")
    bad = [verdict.name for verdict in verdicts if not verdict.is_ok]
    if bad:
        raise DigestMismatch(
            f"Not what they were: {', '.join(bad)}.",
            "Pull again what you need; only the bad files are fetched. "
            "Files that go bad by themselves hint at a failing disk.",
        )


def _named(store: Store, names: list[str]) -> list[LocalModel]:
    """By `list` and not by `find`, which would move aside what is about to be reported."""
    if not names:
        return list(store.list())
    from edgellm.cli.store import local_or_fail

    by_name = {name.lower(): m for m in store.list() for name in (m.id, *m.manifest.names)}
    return [by_name.get(name.lower()) or local_or_fail(store, name) for name in names]


def _cells(verdict: Verdict) -> tuple[str, str, str]:
    problems = "; ".join(
        f"{problem.path}: {problem.reason}"
        + (f", moved to {problem.moved_to}" if problem.moved_to else "")
        for problem in verdict.problems
    )
    return ("ok" if verdict.is_ok else "CORRUPT", verdict.name, problems)
