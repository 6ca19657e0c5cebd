"""What must be there before anything is quantised: the model as GGUF, the matrix, the reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from edgellm.errors import QuantError
from edgellm.jobs.request import NO
from edgellm.store.gguf_header import num_parts, part_names, read_header
from edgellm.units import parse_size
from edgellm_quant.device import QUANTISE_BYTES, RUNTIME_BYTES
from edgellm_quant.digest import Sealed, is_intact, seal
from edgellm_quant.recipes import model_stem, wants_mix
from edgellm_quant.spec import Recipe
from edgellm_quant.steps import MIX
from edgellm_quant.tools import Ears, Tools

if TYPE_CHECKING:
    from edgellm_quant.job import Steps

_DEVICE_SHARE = 0.6  # of the memory that can be used here; the rest is for context and computing


class Prepared(Struct, frozen=True):
    """`path`: the unquantised GGUF file. `reference`: what `evaluate` compares with."""

    path: Path
    name: str
    size_bytes: int
    imatrix: Path | None
    reference: Any
    pruned_blocks: tuple[int, ...]
    mix: Recipe | None


def prepare(steps: Steps, tools: Tools, work: Path) -> Prepared:
    """The first steps of a job."""
    request = steps.request
    path = _source(steps, tools, work)
    size = _size_bytes(path)
    name = model_stem(path)
    imatrix = _imatrix(steps, tools, work, path, size) if request.calibrate else None
    blocks = _pruned(steps, tools, path, size) if request.prune_blocks else ()
    reference = _reference(steps, tools, work, path, size) if request.evaluate != NO else None
    mix = None
    if wants_mix(request):
        mix = replace(_mix(steps, tools, path, reference, imatrix, size), pruned_blocks=blocks)
    return Prepared(path, name, size, imatrix, reference, blocks, mix)


def source_state(source: str) -> str:
    """Changes when the source does; empty for what lies on a hub. Of a model that is split, or a
    folder, all files count.

    Raises:
        QuantError: it is not there.
    """
    path = Path(source)
    if not path.exists():
        if source.startswith(("/", ".", "~")) or source.endswith(".gguf"):
            raise QuantError(f"There is no {source}.", "Name a GGUF file, a folder, or org/name.")
        return ""
    files = sorted(path.glob("*")) if path.is_dir() else _parts(path)
    stats = ((file.name, file.stat()) for file in files if file.is_file())
    return " ".join(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in stats)


def _parts(path: Path) -> list[Path]:
    return [path.with_name(name) for name in part_names(path.name, num_parts(read_header(path)))]


def _size_bytes(path: Path) -> int:
    return sum(part.stat().st_size for part in _parts(path))


def _source(steps: Steps, tools: Tools, work: Path) -> Path:
    """A GGUF file is taken as it is; the job's id is made of its state."""
    path = Path(steps.request.source)
    if path.is_file():
        steps.run("source", lambda _ears: None)
        return path
    if _is_kept(steps, "source"):
        return Path(steps.results["source"]["path"])

    def make(ears: Ears) -> Sealed:
        found = path if path.is_dir() else tools.fetch(steps.request.source, ears)
        if found.is_file():
            return Sealed(str(found), found.stat().st_size, "")  # the store vouches for it
        name = steps.request.source.rstrip("/").rpartition("/")[2]
        return seal(tools.convert(found, work / f"{name}.gguf", ears))

    return Path(steps.run("source", make, QUANTISE_BYTES).path)


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
    text = tools.read_text(steps.request.calibrate)
    steps.run(
        "imatrix",
        lambda ears: seal(tools.make_imatrix(path, target, text, ears)),
        size + RUNTIME_BYTES,
    )
    return target


def _pruned(steps: Steps, tools: Tools, path: Path, size: int) -> tuple[int, ...]:
    if "prune" in steps.results:
        steps.keep("prune")
        return tuple(steps.results["prune"])
    text = tools.read_text(steps.request.calibrate or "builtin")
    count = steps.request.prune_blocks
    found: tuple[int, ...] = steps.run(
        "prune", lambda ears: tools.least_blocks(path, count, text, ears), size + RUNTIME_BYTES
    )
    return found


def _reference(steps: Steps, tools: Tools, work: Path, path: Path, size: int) -> Any:
    """It keeps what it has computed in its folder, and knows by itself what is missing."""
    text = tools.read_text(steps.request.evaluate)
    made: list[Any] = []

    def make(ears: Ears) -> None:
        made.append(tools.make_reference(path, work / "reference", text, ears))

    steps.run("reference", make, size + RUNTIME_BYTES)
    return made[0]


def _mix(
    steps: Steps, tools: Tools, path: Path, reference: Any, imatrix: Path | None, size: int
) -> Recipe:
    if MIX in steps.results:
        steps.keep(MIX)
        return msgspec.convert(steps.results[MIX], Recipe)
    request = steps.request
    budget = parse_size(request.budget) if request.budget else _device_bytes(steps)
    label = f"mix-{request.budget or f'{budget / 2**30:.2f}GiB'}".replace(" ", "")

    def find(ears: Ears) -> Recipe:
        recipe = tools.best_mix(path, budget, reference, imatrix, ears)
        return replace(recipe, name=label, can_requantise=request.requantise)

    found: Recipe = steps.run(MIX, find, size + RUNTIME_BYTES)
    return found


def _device_bytes(steps: Steps) -> int:
    """Of a model file that this device can serve.

    Raises:
        QuantError: the device does not tell how much memory it has.
    """
    usable = steps.device.usable_bytes()
    if usable is None:
        raise QuantError(
            "This device does not tell how much memory it has.", "Say it: --budget 3.0GiB"
        )
    return int(usable * _DEVICE_SHARE)
