"""Brings what a plan chose to this device, and makes of it a model to serve.

    model_to_serve(settings)    whatever the user called it: found, planned, fetched if need be
    bring(plan, store)          a plan's variant, pulled and verified
    served(plan, file, ...)     a file and its plan, as the router wants it

All of it blocks; it belongs before the server's event loop.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from edgellm.assets import builtin_model
from edgellm.cli.catalogue import user_catalog
from edgellm.cli.output import format_bytes, say
from edgellm.cli.serving import BUILTIN_ID, served_model
from edgellm.cli.store import store_of, wanted_of
from edgellm.errors import (
    ConfigError,
    EdgellmError,
    ModelFileError,
    NotEnoughMemory,
    PullCancelled,
)
from edgellm.serving.resolver import ServedModel
from edgellm.store.model import LocalModel
from edgellm.units import parse_size

if TYPE_CHECKING:
    from edgellm.catalog.card import Catalog
    from edgellm.cli.named import Named
    from edgellm.config import Settings
    from edgellm.planner.goal import NoFit, Plan, Rejection, Situation
    from edgellm.store.progress import Progress
    from edgellm.store.store import Store

_YES = frozenset({"1", "on", "yes", "true"})


def model_to_serve(settings: Settings) -> ServedModel:
    """The model that the settings name, on this device and with the options of its plan.

    The built-in one needs no plan, and starts at once.

    Raises:
        ConfigError: the name means nothing.
        NotEnoughMemory: it does not fit, with the numbers; `force` overrides.
        ModelFileError, StoreError: it is no model, or cannot be fetched.
        PullCancelled: the user does not want to fetch it.
    """
    spec = settings.model
    path = Path(spec).expanduser()
    if not spec or (spec == BUILTIN_ID and not path.is_file()):
        return served_model(spec, settings.alias)
    is_path = path.is_file() or path.is_dir()
    plain = served_model(spec, settings.alias) if is_path else None  # or what is wrong with it
    try:
        return _planned(settings)
    except ModelFileError as error:
        if plain is None:
            raise
        say(f"warning: {error.message} It is served without a plan.")
        return plain


def _planned(settings: Settings) -> ServedModel:
    from edgellm.cli.named import find_named, not_here, plan_named
    from edgellm.cli.options import goal_of
    from edgellm.cli.planning import look
    from edgellm.cli.progress import interruptible, shown_progress
    from edgellm.planner.goal import NoFit

    store, catalog, spec = store_of(settings), user_catalog(), settings.model
    is_offline = settings.offline or is_hub_offline()
    named = find_named(spec, store, catalog, is_offline=is_offline)
    # Where nothing is to be chosen, nobody waits for a speed to be measured.
    here = look(catalog, may_measure=len(named.card.variants) > 1)
    here = within(here, settings.memory_limit)
    found = plan_named(named, goal_of(settings), here, store)
    if isinstance(found, NoFit):
        raise refusal(named, found)
    warn_if_short(found)
    file = named.here.get(found.variant)
    if file is None and not found.variant.asset:
        if is_offline:
            raise not_here(spec)
        _ask(found, is_agreed=settings.yes)
        with interruptible(), shown_progress() as show:
            file = bring(found, store, show)
    cores = here.profile.cpu.num_usable_cores
    model = served(found, file or builtin_model(), catalog, num_cores=cores)
    return replace(model, aliases=_aliases(model, (*settings.alias, named.text)))


def bring(
    plan: Plan,
    store: Store,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> LocalModel:
    """Pull the variant of a plan; what is there is checked only. In any thread.

    Raises:
        StoreError: it cannot be fetched, or `should_stop` said so. What came is kept.
    """
    wanted = wanted_of(plan.card, plan.variant)
    return store.pull(wanted, on_progress, should_stop=should_stop)


def served(
    plan: Plan, file: LocalModel | Path, catalog: Catalog, *, num_cores: int | None
) -> ServedModel:
    """A file of this device, to be loaded as the plan says.

    Args:
        num_cores: that this process may use, for prompts.
    """
    from edgellm.cli.options import planned_options
    from edgellm.cli.stored import served_of

    if isinstance(file, LocalModel):
        model = served_of(file, catalog)
    else:
        model = served_model(BUILTIN_ID if file == builtin_model() else str(file))
    return replace(model, options=planned_options(plan, num_cores))


def refusal(named: Named, found: NoFit) -> EdgellmError:
    """The error for a named model that the plan refuses: what is missing, and what would fit."""
    by_reason = [(each.quant, each.reason) for each in found.rejected]
    least = nearest(named, found)
    would = "; ".join(found.suggestions)
    hint = f"What would do: {would}. " if would else ""
    if least is not None and least.code == "memory":
        quant = "" if least.quant.lower() in named.text.lower() else f" ({least.quant})"
        return NotEnoughMemory(
            f"{named.text}{quant} does not fit on this device: it {least.reason}.",
            f"{hint}--force takes it all the same.",
        )
    reasons = "; ".join(dict.fromkeys(f"{quant} {reason}".strip() for quant, reason in by_reason))
    if any(each.code == "context" for each in found.rejected):
        hint += "--force takes it all the same."
    return ConfigError(f"{named.text} cannot be used as asked: {reasons}.", hint.strip())


def nearest(named: Named, found: NoFit) -> Rejection | None:
    """What came nearest to fitting: of those that lack memory, the smallest."""
    sizes = {each.quant: each.planned_bytes or 0 for each in named.card.variants}
    short = [each for each in found.rejected if each.code == "memory"]
    return min(short or found.rejected, key=lambda each: sizes.get(each.quant, 0), default=None)


def within(here: Situation, memory_limit: str) -> Situation:
    """The device, if models may take so much of its memory together; empty = no limit."""
    from edgellm.planner.room import limited

    if not memory_limit:
        return here
    memory = limited(here.profile.memory, parse_size(memory_limit))
    return replace(here, profile=replace(here.profile, memory=memory))


def warn_if_short(plan: Plan) -> None:
    """Say what a forced plan lacks."""
    from edgellm.planner.room import shortage

    missing = shortage(plan.memory, plan.place, plan.room)
    if missing:
        say(f"warning: {plan.card.name_of(plan.variant)} {missing}. It was forced.")


def is_hub_offline() -> bool:
    """Whether HF_HUB_OFFLINE is set, as huggingface_hub reads it; importing that takes long."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in _YES


def figures(plan: Plan) -> str:
    """A plan in a few words."""
    needed = plan.memory.needed + plan.memory.dedicated
    return (
        f"{format_bytes(needed)} of memory, about {plan.decode_tokens_per_second:.1f} tokens/s, "
        f"context {plan.context:,}"
    )


def _ask(plan: Plan, *, is_agreed: bool) -> None:
    """Once, on a terminal; elsewhere nobody could answer, and who names a model wants it.

    Raises:
        PullCancelled: no.
    """
    import typer

    name = plan.card.name_of(plan.variant)
    size = plan.variant.planned_bytes
    much = format_bytes(size) if size else "a file of unknown size"
    say(f"{name}: {figures(plan)}")
    if is_agreed or not (sys.stdin.isatty() and sys.stderr.isatty()):
        say(f"{name} is not here yet: fetching {much}")
    elif not typer.confirm(f"{name} is not here yet. Fetch {much}?", default=True, err=True):
        raise PullCancelled("Nothing was fetched.", "`edgellm list` shows what is here.")


def _aliases(model: ServedModel, more: tuple[str, ...]) -> tuple[str, ...]:
    """Not what is a path: that is no name."""
    names = dict.fromkeys((*model.aliases, *more))
    return tuple(n for n in names if n != model.id and not Path(n).expanduser().is_file())
