"""`edgellm serve` without a model: the built-in one answers at once, and what the plan picks for
this device is fetched in the background and takes over. (`serving/upgrade.py` has the steps.)"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import msgspec
from msgspec.structs import replace

from edgellm.atomic import write_atomically
from edgellm.catalog.card import Catalog
from edgellm.cli.fetch import bring, is_hub_offline
from edgellm.cli.models import LocalModels
from edgellm.cli.options import goal_of
from edgellm.cli.output import format_bytes, say
from edgellm.cli.planning import look, make_plan
from edgellm.cli.settings import user_paths
from edgellm.cli.store import wanted_of
from edgellm.cli.stored import StoredModels
from edgellm.config import Settings
from edgellm.errors import ModelBusy
from edgellm.planner.goal import NoFit, Plan, Situation
from edgellm.serving.resolver import ServedModel
from edgellm.serving.router import Router
from edgellm.serving.upgrade import Choice, Stays, Steps
from edgellm.store.progress import Progress


class Upgrading:
    """The steps of one server's upgrade.

    Args:
        ask: how consent is had; None = nobody can be asked.
        situation: what is known of this device; it takes a second or two to find out.
    """

    def __init__(
        self,
        settings: Settings,
        stored: StoredModels,
        models: LocalModels,
        router: Router,
        *,
        ask: Callable[[Choice], bool] | None = None,
        situation: Callable[[Catalog], Situation] = look,
    ) -> None:
        self._settings = settings
        self._stored = stored
        self._catalog = stored.catalog
        self._store = stored.store
        self._models = models
        self._router = router
        self._ask = ask
        self._situation = situation
        self._plan: Plan | None = None

    @property
    def steps(self) -> Steps:
        return Steps(self._choose, self._may_fetch, self._fetch, self._adopt)

    def _choose(self) -> Choice | Stays:
        catalog = self._stored_catalog() if self._is_offline else self._catalog
        if not catalog.models:
            return Stays(
                "Offline, and no model was pulled yet: the built-in one answers.",
                "Where there is a network: edgellm plan says what suits this device, and "
                "edgellm pull fetches it.",
            )
        found = make_plan(goal_of(self._settings), self._situation(catalog))
        if isinstance(found, NoFit):
            hint = found.suggestions[0] if found.suggestions else "See edgellm plan."
            return Stays("No other model fits this device as it is now.", hint)
        if found.variant.asset:
            return Stays("The built-in model is what suits this device.", "See edgellm plan.")
        self._plan = found
        name = f"{found.card.id}:{found.variant.quant}"
        is_here = self._store.find(wanted_of(found.card, found.variant)) is not None
        size = 0 if is_here else found.variant.planned_bytes
        return Choice(name, size, found.reasons[0] if found.reasons else "")

    async def _may_fetch(self, choice: Choice) -> Stays | None:
        pull = f"edgellm pull {choice.name}"
        if self._settings.yes:
            return None
        if self._ask is None:
            size = f" ({format_bytes(choice.download_bytes)})" if choice.download_bytes else ""
            return Stays(
                f"{choice.name}{size} would suit this device better than the built-in model.",
                f"Start with --yes to fetch it in the background, or: {pull}",
            )
        is_wanted = await _in_daemon(lambda: self._ask is not None and self._ask(choice))
        return None if is_wanted else Stays(f"{choice.name} was not wanted.", f"Later: {pull}")

    def _fetch(
        self, show: Callable[[Progress], None], should_stop: Callable[[], bool]
    ) -> ServedModel:
        assert self._plan is not None  # there is a choice
        pulled = bring(self._plan, self._store, show, should_stop)
        served = self._stored.models()
        return next(model for model in served if model.path == pulled.path.resolve())

    async def _adopt(self, model: ServedModel) -> None:
        """Load it beside the other, then let it have the default names; the other one leaves when
        it has answered."""
        assert self._plan is not None
        before = self._router.statuses()[0].id
        self._models.plan(model, self._plan)
        await self._router.load(model.id)
        self._models.set_default(model)
        with contextlib.suppress(ModelBusy):
            await self._router.unload(before, must_wait=True)

    @property
    def _is_offline(self) -> bool:
        return self._settings.offline or is_hub_offline()

    def _stored_catalog(self) -> Catalog:
        """The catalogue's part that is in the store."""
        there = {name for model in self._store.list() for name in model.manifest.names}
        cards = [
            replace(card, variants=variants)
            for card in self._catalog.models
            if (variants := tuple(v for v in card.variants if f"{card.id}:{v.quant}" in there))
        ]
        return Catalog(tuple(cards))


def terminal_question(stdin: TextIO) -> Callable[[Choice], bool] | None:
    """Asks on the terminal, once for each model; None where there is none."""
    if not (stdin.isatty() and sys.stderr.isatty()):
        return None
    answers = user_paths().data / "answers.json"

    def ask(choice: Choice) -> bool:
        known = _read_answers(answers)
        if choice.name not in known:
            size = format_bytes(choice.download_bytes) if choice.download_bytes else "size unknown"
            say(f"{choice.name} ({size}) suits this device better. {choice.reason}")
            say("Fetch it in the background? [y/N]")
            known[choice.name] = stdin.readline().strip().lower() in {"y", "yes"}
            with contextlib.suppress(OSError):
                answers.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(answers, msgspec.json.encode(known))
        return known[choice.name]

    return ask


def _read_answers(path: Path) -> dict[str, bool]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, bool])
    except (OSError, msgspec.DecodeError):
        return {}


async def _in_daemon(call: Callable[[], bool]) -> bool:
    """In a thread that nobody waits for at the end: reading a terminal cannot be cancelled."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[bool] = loop.create_future()

    def run() -> None:
        found = call()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, found)

    def settle(found: bool) -> None:
        if not answered.done():
            answered.set_result(found)

    threading.Thread(target=run, daemon=True).start()
    return await answered
