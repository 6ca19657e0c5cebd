"""The models that a server started from the command line knows: the one it was started with, more
files that were named, the built-in one, and those of the models' folder. (`Resolver`)"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgellm.cli.stored import StoredModels
from edgellm.errors import ModelNotFound
from edgellm.serving.resolver import DEFAULT_NAMES, ServedModel
from edgellm.types import EngineOptions

if TYPE_CHECKING:
    from edgellm.planner.goal import Plan


class LocalModels:
    """The first of several models of the same name is the one that has it.

    Args:
        named: at least one; the first is the default.
        stored: is looked into again for every question, so a model that appears is there.
        options_of: how the engine of a model is started, given its plan. Asked once for each file.
    """

    def __init__(
        self,
        named: tuple[ServedModel, ...],
        stored: StoredModels | None,
        options_of: Callable[[ServedModel, Plan | None], EngineOptions],
    ) -> None:
        self._named = named
        self._stored = stored
        self._options_of = options_of
        self._known: dict[ServedModel, EngineOptions] = {}
        self._plans: dict[Path, Plan] = {}
        self._holds: dict[ServedModel, ExitStack] = {}

    def models(self) -> tuple[ServedModel, ...]:
        stored = self._stored.models() if self._stored is not None else ()
        found: dict[str, ServedModel] = {}
        for model in (*self._named, *stored):
            found.setdefault(model.id, model)
        return tuple(found.values())

    def resolve(self, name: str) -> ServedModel:
        """Raises ModelNotFound."""
        models = self.models()
        if name in DEFAULT_NAMES:
            return self._with_options(models[0])
        for names_of in (_ids, _other_names):
            for model in models:
                if name in names_of(model):
                    return self._with_options(model)
        hint = self._stored.hint(name) if self._stored is not None else ""
        raise ModelNotFound(name, tuple(model.id for model in models), hint)

    def set_default(self, model: ServedModel) -> None:
        """From now on the default names mean this model; the others keep their names."""
        self._named = (model, *(each for each in self._named if each.id != model.id))

    def plan(self, model: ServedModel, plan: Plan) -> None:
        """Start its engine as it was planned, where the user left the choice."""
        self._plans[model.path] = plan
        self._known.pop(model, None)

    def is_named(self, model: ServedModel) -> bool:
        """Whether it is served because the command line says so, or comes with edgellm."""
        return any(each.path == model.path for each in self._named)

    def release(self, model: ServedModel) -> None:
        """Let it be removed. The next request for it holds it again."""
        for known in [each for each in self._known if each.path == model.path]:
            del self._known[known]
            if known in self._holds:
                self._holds.pop(known).close()

    def close(self) -> None:
        """Let other processes remove what was served."""
        while self._holds:
            self._holds.popitem()[1].close()

    def _with_options(self, model: ServedModel) -> ServedModel:
        if model not in self._known:
            self._hold(model)
            self._known[model] = self._options_of(model, self._plans.get(model.path))
        return msgspec.structs.replace(model, options=self._known[model])

    def _hold(self, model: ServedModel) -> None:
        """Keep other processes from removing it. A new plan for it does not hold it twice."""
        if self._stored is not None and model not in self._holds:
            with ExitStack() as stack:
                stack.enter_context(self._stored.hold(model))
                self._holds[model] = stack.pop_all()


def _ids(model: ServedModel) -> tuple[str, ...]:
    return (model.id,)


def _other_names(model: ServedModel) -> tuple[str, ...]:
    return (*model.aliases, model.path.name)
