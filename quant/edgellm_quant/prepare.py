"""What must be there before anything is quantised: the model as GGUF, the matrix, the reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from edgellm.errors import QuantError
from edgellm.jobs.request import BUILTIN, NO
from edgellm.store.gguf_header import num_parts, part_names, read_header
from edgellm.units import parse_size
from edgellm_quant.device import QUANTISE_BYTES, RUNTIME_BYTES
from edgellm_quant.digest import Sealed, is_intact, seal
from edgellm_quant.recipes import model_stem, wants_mix
from edgellm_quant.spec import Recipe
from edgellm_quant.steps import MIX
from edgellm_quant.tools import Ears, Opened, Tools

if TYPE_CHECKING:
    from edgellm_quant.job import Steps


class Prepared(Struct, frozen=True):
    """`path`: the unquantised GGUF file. `reference`: what `evaluate` compares with. `checkpoint`:
    the folder of safetensors, where the source is one."""

    path: Path
    name: str
    imatrix: Path | None
    reference: Any
    pruned_blocks: tuple[int, ...]
    mix: Recipe | None
    checkpoint: Path | None


def prepare(steps: Steps, tools: Tools, work: Path) -> Prepared:
    """The first steps of a job."""
    request = steps.request
    opened, path = _source(steps, tools, work)
    size = _size_bytes(path)
    # A user's file keeps the name that it has; all else is called as its publisher calls it.
    name = model_stem(path) if Path(request.source).is_file() else opened.name
    imatrix = _imatrix(steps, tools, work, path, size) if request.calibrate else None
    blocks = _pruned(steps, tools, work, path, size) if request.prune_blocks else ()
    reference = _reference(steps, tools, work, path, size) if request.evaluate != NO else None
    mix = _mix(steps, tools, work, path, imatrix, blocks, size) if wants_mix(request) else None
    checkpoint = opened.path if opened.kind == "safetensors" else None
    return Prepared(path, name, imatrix, reference, blocks, mix, checkpoint)


def source_state(source: str) -> str:
    """Changes when the source does; empty for what lies on a hub. Of a model that is split, or a
    folder, all files count.

    Raises:
        QuantError: it is not there.
    """
    path = Path(source)
    if not path.exists():
        if source.startswith(("/", ".", "~")) or source.endswith(".gguf"):
            hint = "Name a GGUF file, a folder with safetensors, or hf:OWNER/REPO."
            raise QuantError(f"There is no {source}.", hint)
        return ""
    files = sorted(path.glob("*")) if path.is_dir() else _parts(path)
    stats = ((file.name, file.stat()) for file in files if file.is_file())
    return " ".join(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in stats)


def _parts(path: Path) -> list[Path]:
    return [path.with_name(name) for name in part_names(path.name, num_parts(read_header(path)))]


def _size_bytes(path: Path) -> int:
    return sum(part.stat().st_size for part in _parts(path))


def _source(steps: Steps, tools: Tools, work: Path) -> tuple[Opened, Path]:
    """What the user named, and the GGUF file that it is, or was converted to."""
    request = steps.request
    found: list[Opened] = []

    def make(ears: Ears) -> Sealed | None:
        found.append(tools.open_source(request.source, request.requantise, ears))
        if found[0].kind != "safetensors" or is_there:
            return kept
        return seal(tools.as_gguf(found[0], work / f"{found[0].name}.gguf", ears))

    result = steps.results.get("source")
    kept = msgspec.convert(result, Sealed) if result else None
    is_there = kept is not None and is_intact(kept)
    sealed = steps.run("source", make, QUANTISE_BYTES)
    return found[0], Path(sealed.path) if sealed else found[0].path


def _is_kept(steps: Steps, step: str) -> bool:
    """Whether the step's file is there from an earlier run; tells of it."""
    result = steps.results.get(step)
    if result is None or not is_intact(msgspec.convert(result, Sealed)):
        return False
    steps.keep(step)
    return True


def _imatrix(steps: Steps, tools: Tools, work: Path, path: Path, size: int) -> Path:
    target = work / "imatrix.gguf"
    if _is_kept(steps, "imatrix"):
        return target
    text = tools.read_text(steps.request.calibrate, "calibration")
    steps.run(
        "imatrix",
        lambda ears: seal(tools.make_imatrix(path, target, text, ears)),
        size + RUNTIME_BYTES,
    )
    return target


def _calibration_text(steps: Steps, tools: Tools) -> str:
    """What choices are made on: never the text that their result is measured with."""
    return tools.read_text(steps.request.calibrate or BUILTIN, "calibration")


def _pruned(steps: Steps, tools: Tools, work: Path, path: Path, size: int) -> tuple[int, ...]:
    if "prune" in steps.results:
        steps.keep("prune")
        return tuple(steps.results["prune"])
    text, count = _calibration_text(steps, tools), steps.request.prune_blocks
    found: tuple[int, ...] = steps.run(
        "prune",
        lambda ears: tools.least_blocks(path, count, text, work, ears),
        size + RUNTIME_BYTES,
    )
    return found


def _reference(steps: Steps, tools: Tools, work: Path, path: Path, size: int) -> Any:
    """It keeps what it has computed in its folder, and knows by itself what is missing."""
    text = tools.read_text(steps.request.evaluate, "evaluation")
    made: list[Any] = []

    def make(ears: Ears) -> None:
        made.append(tools.make_reference(path, work / "reference", text, ears))

    steps.run("reference", make, size + RUNTIME_BYTES)
    return made[0]


def _mix(
    steps: Steps,
    tools: Tools,
    work: Path,
    path: Path,
    imatrix: Path | None,
    blocks: tuple[int, ...],
    size: int,
) -> Recipe:
    if MIX in steps.results:
        steps.keep(MIX)
        return msgspec.convert(steps.results[MIX], Recipe)
    request = steps.request
    budget = parse_size(request.budget) if request.budget else tools.device_budget(path)
    label = f"mix-{request.budget or f'{budget / 2**30:.2f}GiB'}".replace(" ", "")
    text = _calibration_text(steps, tools)

    def find(ears: Ears) -> Recipe:
        reference = tools.make_reference(path, work / "reference", text, ears)
        recipe = tools.best_mix(path, budget, reference, imatrix, blocks, ears)
        return replace(recipe, name=label, pruned_blocks=blocks, can_requantise=request.requantise)

    found: Recipe = steps.run(MIX, find, size + RUNTIME_BYTES)
    return found
