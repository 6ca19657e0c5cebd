"""The models' folder of a running server, for clients that pull and delete. (`Library`)"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.cli.models import LocalModels
from edgellm.cli.stored import StoredModels
from edgellm.config import Settings
from edgellm.errors import (
    ConfigError,
    DownloadFailed,
    InvalidRequest,
    ModelFileError,
    ModelInUse,
    ModelNotFound,
    NotEnoughMemory,
)
from edgellm.serving.library import Description
from edgellm.serving.pulls import Pulls
from edgellm.serving.resolver import ServedModel
from edgellm.serving.router import Router
from edgellm.store.progress import Progress

if TYPE_CHECKING:
    from edgellm.catalog.card import ModelCard
    from edgellm.catalog.reference import CardReference, HubReference

_PATHS = ("/", ".", "~", "http:", "https:")


class LocalLibrary:
    """Names come from clients here, so none of them is ever a path or an address."""

    def __init__(
        self, models: LocalModels, stored: StoredModels, router: Router, *, is_offline: bool = False
    ) -> None:
        """Make one; `is_offline`: no network is asked."""
        self._models = models
        self._stored = stored
        self._router = router
        self._is_offline = is_offline
        self._pulls = Pulls()

    def describe(self, model_id: str) -> Description | None:
        model = self._find(model_id)
        if model is None:
            return None
        return Description(model.path, model.digest, self._card(model))

    def pull(self, name: str) -> AsyncGenerator[Progress, None]:
        if self._is_always_here(name):
            return _nothing_to_do()
        spelled, reference = self._reference(name)

        def work(show: Callable[[Progress], None], should_stop: Callable[[], bool]) -> None:
            self._fetch(spelled, reference, show, should_stop)

        return self._pulls.follow(spelled.lower(), work)

    async def remove(self, model_id: str) -> None:
        model = self._find(model_id)
        if model is None:
            raise ModelNotFound(model_id, tuple(each.id for each in self._models.models()))
        if self._models.is_named(model):
            raise ModelInUse(
                f"The model '{model_id}' is what this server was started with.",
                "Start it with another model, then delete this one.",
            )
        pulled = self._stored.store.list()
        local = next((each for each in pulled if each.path.resolve() == model.path), None)
        if local is None:
            raise InvalidRequest(
                f"The model '{model_id}' was not pulled but put into the models' folder by hand.",
                "Remove its file there.",
                param="model",
            )
        await self._router.unload(model_id)
        self._models.release(model)
        await asyncio.to_thread(self._stored.store.remove, local)

    async def aclose(self) -> None:
        """Stop what is being pulled; what came is kept."""
        await self._pulls.aclose()

    def _is_always_here(self, name: str) -> bool:
        from edgellm.catalog.ollama_names import best_match

        named = [each for each in self._models.models() if self._models.is_named(each)]
        return best_match(name, [(each.id, each.aliases) for each in named]) is not None

    def _find(self, model_id: str) -> ServedModel | None:
        return next((each for each in self._models.models() if each.id == model_id), None)

    def _card(self, model: ServedModel) -> ModelCard | None:
        """By the name that it was pulled as."""
        catalog = self._stored.catalog
        return catalog.find(model.id.rpartition(":")[0]) or catalog.find(model.id)

    def _reference(self, name: str) -> tuple[str, CardReference | HubReference]:
        """What is meant, and how edgellm spells it. Raises InvalidRequest."""
        from edgellm.catalog.ollama_names import catalogue_name
        from edgellm.catalog.reference import (
            CardReference,
            HubReference,
            parse_reference,
            unknown_model,
        )

        spelled = catalogue_name(name, self._stored.catalog)
        try:
            if spelled.lower().startswith(_PATHS):
                raise ConfigError(
                    "Files and addresses are not pulled over HTTP.",
                    f"On the server's device: edgellm pull {name[:200]}",
                )
            reference = parse_reference(spelled, self._stored.catalog, _is_never, _is_never)
        except ConfigError as error:
            raise _bad_name(error) from None
        if not isinstance(reference, (CardReference, HubReference)):  # it looks like a path
            raise _bad_name(unknown_model(name[:200], self._stored.catalog))
        return spelled, reference

    def _fetch(
        self,
        name: str,
        reference: CardReference | HubReference,
        show: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> None:
        """In a thread."""
        from edgellm.cli.fetch import is_hub_offline
        from edgellm.cli.named import not_here
        from edgellm.cli.pull import chosen
        from edgellm.cli.store import find_local

        show(Progress("asking", 0, None))
        store = self._stored.store
        try:
            if self._is_offline or is_hub_offline():
                raise not_here(name)
            wanted = chosen(store, name, reference, is_forced=False)
        except DownloadFailed:
            if find_local(store, name) is None:
                raise
            return  # nobody can be asked whether there is a newer one
        except (ConfigError, ModelFileError, NotEnoughMemory) as error:
            raise _bad_name(error) from error
        store.pull(wanted, show, should_stop=should_stop)


def local_library(
    settings: Settings, models: LocalModels, stored: StoredModels | None, router: Router
) -> LocalLibrary | None:
    """What a server's clients may pull into and delete from; None for a private server."""
    if stored is None:
        return None
    return LocalLibrary(models, stored, router, is_offline=settings.offline)


async def _nothing_to_do() -> AsyncGenerator[Progress, None]:
    yield Progress("done", 0, 0)


def _is_never(_path: Path) -> bool:
    return False


def _bad_name(error: ConfigError | ModelFileError | NotEnoughMemory) -> InvalidRequest:
    return InvalidRequest(error.message, error.hint, param="model")
