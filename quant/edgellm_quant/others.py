"""Results that are no GGUF files: folders for other runtimes, made of safetensors.

How each is made, and whether it can be, is `targets.py`'s. They are not evaluated: only llama.cpp
tells its logits.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgellm.errors import QuantError
from edgellm.jobs.status import RELEASE
from edgellm_quant.device import QUANTISE_BYTES
from edgellm_quant.prepare import Prepared
from edgellm_quant.spec import Made, Recipe
from edgellm_quant.tools import Tools

if TYPE_CHECKING:
    from edgellm_quant.job import Steps


def make_others(
    steps: Steps, tools: Tools, prepared: Prepared, names: tuple[str, ...], work: Path, out: Path
) -> list[Made]:
    """A folder for each name.

    Raises:
        QuantError: the source is no folder of safetensors, or the name can only be refused.
    """
    if names and prepared.checkpoint is None:
        raise QuantError(
            f"{names[0]} is made of safetensors, and {steps.request.source} is a GGUF file.",
            "Name the folder or the repository that the model was published in.",
        )
    return [_make(steps, tools, prepared, name, work, out) for name in names]


def _make(steps: Steps, tools: Tools, prepared: Prepared, name: str, work: Path, out: Path) -> Made:
    result = steps.results.get(RELEASE + name)
    if result is not None:
        made = msgspec.convert(result, Made)
        if folder_digest(Path(made.path)) == (made.size_bytes, made.sha256):
            steps.keep(RELEASE + name)
            return made
    target = out / f"{prepared.name}-{name}"
    if target.exists() and result is None and not steps.request.replace:
        raise QuantError(
            f"{target} is there already, and this job did not make it.",
            "Choose another folder with --out, or --replace it.",
        )
    runtime, label = tools.other_targets()[name]
    assert prepared.checkpoint is not None
    checkpoint = prepared.checkpoint

    def do(ears: object) -> Made:
        staged = tools.make_other(name, checkpoint, steps.request.source, work / name, ears)  # type: ignore[arg-type]
        if target.exists():
            shutil.rmtree(target)
        staged.rename(target)
        size, digest = folder_digest(target)
        return Made(Recipe(label), str(target), size, digest, runtime=runtime or "llama_cpp")

    result_made: Made = steps.run(RELEASE + name, do, QUANTISE_BYTES)
    return result_made


def folder_digest(folder: Path) -> tuple[int, str]:
    """Bytes of all files, and a digest of their names and contents."""
    digest, size = hashlib.sha256(), 0
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.relative_to(folder)} {content}\n".encode())
            size += path.stat().st_size
    return size, digest.hexdigest()
