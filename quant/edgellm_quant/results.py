"""One file of a job: quantised, measured, and released under its name, or refused.

Until it is released it lies in the job's own folder. What falls short of the limits is kept beside
the others as `<name>.refused`, for it took long to make and somebody may want to look at it; no
program takes that for a model.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from edgellm.errors import QuantError
from edgellm.jobs.request import NO
from edgellm.jobs.status import RELEASE
from edgellm.store.files import sync_folder
from edgellm_quant.device import QUANTISE_BYTES, RUNTIME_BYTES
from edgellm_quant.digest import Sealed, is_intact, move, seal
from edgellm_quant.prepare import Prepared
from edgellm_quant.recipes import file_name, limits_of
from edgellm_quant.spec import Evaluation, Made, Recipe
from edgellm_quant.steps import ADOPT, EVALUATE, QUANTISE
from edgellm_quant.tools import Tools

if TYPE_CHECKING:
    from edgellm_quant.job import Steps

REFUSED = ".refused"


class Results:
    """Makes the files of one job."""

    def __init__(
        self, steps: Steps, tools: Tools, prepared: Prepared, work: Path, out: Path
    ) -> None:
        self._steps, self._tools, self._prepared = steps, tools, prepared
        self._work, self._out = work, out

    def check_free(self, wanted: Iterable[tuple[str, Recipe]]) -> None:
        """Raises QuantError where a file of such a name is there that this job did not make."""
        if self._steps.request.replace:
            return
        for key, recipe in wanted:
            target = self._target(recipe)
            if target.exists() and not self._is_ours(key, target):
                raise QuantError(
                    f"{target} is there already, and this job did not make it.",
                    "Choose another folder with --out, or --replace it.",
                )

    def make(self, key: str, recipe: Recipe) -> Made:
        """All steps of a file, or what is left of them."""
        made = self._make(key, recipe)
        if self._steps.request.adopt and not made.refusal:
            source = self._steps.request.source
            self._steps.run(ADOPT + key, lambda ears: self._tools.adopt(made, source, ears))
        return made

    def _make(self, key: str, recipe: Recipe) -> Made:
        made = self._released(key)
        if made is not None:
            for step in (QUANTISE, EVALUATE, RELEASE):
                if step + key in self._steps.results:
                    self._steps.keep(step + key)
            return made
        sealed = self._quantise(key, recipe)
        evaluation = self._evaluate(key, sealed)
        result: Made = self._steps.run(
            RELEASE + key, lambda _ears: self._release(recipe, sealed, evaluation)
        )
        return result

    def _target(self, recipe: Recipe) -> Path:
        return self._out / file_name(self._prepared.name, recipe)

    def _released(self, key: str) -> Made | None:
        """What an earlier run made, if it is still there."""
        result = self._steps.results.get(RELEASE + key)
        if result is None:
            return None
        made = msgspec.convert(result, Made)
        return made if is_intact(Sealed(made.path, made.size_bytes, made.sha256)) else None

    def _is_ours(self, key: str, target: Path) -> bool:
        result = self._steps.results.get(QUANTISE + key)
        return result is not None and is_intact(
            replace(msgspec.convert(result, Sealed), path=str(target))
        )

    def _quantise(self, key: str, recipe: Recipe) -> Sealed:
        """The file in the job's folder; after a kill between a release and its entry in the
        journal it is found under its name already."""
        result = self._steps.results.get(QUANTISE + key)
        if result is not None:
            sealed = msgspec.convert(result, Sealed)
            for path in (sealed.path, str(self._target(recipe))):
                if is_intact(replace(sealed, path=path)):
                    self._steps.keep(QUANTISE + key)
                    return replace(sealed, path=path)
        self._steps.results.pop(EVALUATE + key, None)
        staged = self._work / self._target(recipe).name
        made: Sealed = self._steps.run(
            QUANTISE + key,
            lambda ears: seal(
                self._tools.quantise(
                    self._prepared.path, staged, recipe, self._prepared.imatrix, ears
                )
            ),
            QUANTISE_BYTES,
        )
        return made

    def _evaluate(self, key: str, sealed: Sealed) -> Evaluation | None:
        request = self._steps.request
        if request.evaluate == NO:
            return None
        if EVALUATE + key in self._steps.results:
            self._steps.keep(EVALUATE + key)
            return msgspec.convert(self._steps.results[EVALUATE + key], Evaluation)
        found: Evaluation = self._steps.run(
            EVALUATE + key,
            lambda ears: self._tools.evaluate(
                Path(sealed.path),
                self._prepared.reference,
                request.golden,
                ears,
            ),
            sealed.size_bytes + RUNTIME_BYTES,
        )
        return found

    def _release(self, recipe: Recipe, sealed: Sealed, evaluation: Evaluation | None) -> Made:
        refusal = ""
        if evaluation is not None:
            refusal = self._tools.refusal(evaluation, limits_of(self._steps.request))
        target = self._target(recipe)
        path = Path(sealed.path)
        if path.parent == self._work:
            path = move(path, target.with_name(target.name + REFUSED) if refusal else target)
            sync_folder(self._out)
        return Made(
            recipe,
            str(path),
            sealed.size_bytes,
            sealed.sha256,
            evaluation=evaluation,
            refusal=refusal,
        )
