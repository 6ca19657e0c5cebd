"""What a user may name as the model to quantise, and where it then lies on this device.

    ./model-F16.gguf  ./Qwen3-0.6B/                 a GGUF file, a folder with safetensors
    hf:owner/repo  hf:owner/repo:BF16               a repository of the hub: its safetensors, or a
    hf:owner/repo/file.gguf                         GGUF file of it; `@revision` may follow it
    qwen3-0.6b:F16                                  a model in the store

What comes from the hub is kept in a store of its own, since no runtime serves safetensors: the
next job finds it there, and an interrupted download goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from edgellm.errors import PullCancelled, QuantCancelled, QuantError
from edgellm.store.gguf_header import read_header
from edgellm.store.gguf_names import all_parts, is_first_part, quant_of
from edgellm.store.model import LocalModel, RemoteFile, Wanted

if TYPE_CHECKING:
    from edgellm.catalog.reference import HubReference
    from edgellm.store.progress import Progress
    from edgellm.store.store import Store

_UNQUANTISED = ("BF16", "F16", "FP16", "F32", "FP32")  # the first is preferred
_EXACT = {"F32", "F16", "BF16", "F64", "I8", "I16", "I32", "I64"}
_BESIDE = (".json", ".jinja", "tokenizer.model", "README.md")  # small files that a model needs


class Source(Struct, frozen=True):
    """A model that is here. `path`: the (first) GGUF file, or the folder with safetensors."""

    name: str  # of the model, without its type: "Qwen3-0.6B"
    path: Path
    kind: Literal["gguf", "safetensors"]
    size_bytes: int
    quants: tuple[str, ...] = ()  # the types of what is quantised already; usually nothing
    licence: str = ""  # where the hub says it

    @property
    def warning(self) -> str:
        """What to tell the user before the work; empty = nothing."""
        if not self.quants:
            return ""
        return (
            f"{self.path.name} is quantised already ({', '.join(self.quants)}): what that lost is "
            "lost, this loses more, and all figures compare with it, not with the original."
        )


def open_source(
    text: str,
    *,
    models: Store,
    sources: Store,
    can_requantise: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Source:
    """Find the model; fetch it, if it is on the hub.

    Args:
        models: where the models of this user are.
        sources: where what is fetched here is kept.
        can_requantise: take what is quantised already.
        on_progress: gets bytes done and bytes in all (0 = nobody knows yet).

    Raises:
        QuantError: it is nothing that can be quantised.
        QuantCancelled: `is_cancelled` said so; what came is kept.
        StoreError: offline, refused, no room.
        ModelFileError: a GGUF file that is damaged.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        found = _of_folder(path)
    elif path.is_file():
        found = _of_file(path)
    elif there := models.find(text):
        found = _of_model(there)
    elif text.startswith("hf:"):
        found = _of_hub(text, sources, on_progress, is_cancelled)
    else:
        raise QuantError(
            f"There is no {text}: neither a file nor a folder, nor in the store.",
            "Name a GGUF file, a folder with safetensors, or hf:OWNER/REPO.",
        )
    if found.quants and not can_requantise:
        raise QuantError(
            f"{found.path.name} is quantised already ({', '.join(found.quants)}).",
            "Name an F16, BF16 or F32 file; or allow it, at a loss (--requantise).",
        )
    return found


def as_gguf(
    source: Source,
    target: Path,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Path:
    """The source as a GGUF file: itself, or converted to `target`, without any loss.

    Raises:
        QuantError: it cannot be converted; see `edgellm_quant.convert`.
    """
    from edgellm_quant.convert import convert, natural_dtype

    if source.kind == "gguf":
        return source.path
    return convert(
        source.path,
        target,
        dtype=natural_dtype(source.path),
        name=source.name,
        on_progress=on_progress,
        is_cancelled=is_cancelled,
    )


def choose_files(paths: Sequence[str], repo: str, quant: str = "") -> tuple[str, ...]:
    """Which files of a repository to fetch. Pure.

    Args:
        quant: of a GGUF; empty = safetensors if there are any, else an unquantised GGUF.

    Raises:
        QuantError: there is nothing to quantise.
    """
    # Mistral's repositories have the same weights once more, as consolidated*.safetensors.
    tensors = sorted(p for p in paths if p.endswith(".safetensors") and p.startswith("model"))
    if tensors and not quant:
        return (*tensors, *sorted(p for p in paths if "/" not in p and p.endswith(_BESIDE)))
    files = sorted(path for path in paths if is_first_part(path))
    for kind in (quant.upper(),) if quant else _UNQUANTISED:
        fitting = [path for path in files if quant_of(path) == kind]
        if fitting:
            return all_parts(fitting[0])
    there = ", ".join(sorted({quant_of(path) or path for path in files}))
    raise QuantError(
        f"{repo} has no GGUF of {quant}."
        if quant
        else f"{repo} has neither model*.safetensors nor an unquantised GGUF file.",
        f"There are: {there}." if there else "Name the repository that the model came out in.",
    )


def _of_folder(folder: Path, name: str = "", licence: str = "") -> Source:
    if not (folder / "config.json").is_file():
        files = sorted(path.name for path in folder.glob("*.gguf") if is_first_part(path.name))
        if len(files) == 1:
            return _of_file(folder / files[0], name, licence)
        if files:
            raise QuantError(f"{folder} has {len(files)} GGUF files.", f"Name one: {files[0]}.")
    size = sum(path.stat().st_size for path in folder.glob("model*.safetensors"))
    return Source(name or folder.resolve().name, folder, "safetensors", size, licence=licence)


def _of_file(path: Path, name: str = "", licence: str = "") -> Source:
    if path.suffix != ".gguf" and path.suffix in {".safetensors", ".bin", ".json"}:
        raise QuantError(f"{path.name} is one file of a model.", f"Name its folder: {path.parent}.")
    header = read_header(path)
    told = header.metadata.get("general.name")
    types = {tensor.type for tensor in header.tensors} - _EXACT
    size = sum(tensor.size_bytes for tensor in header.tensors)
    named = name or (told if isinstance(told, str) else "") or path.stem
    return Source(named, path, "gguf", size, tuple(sorted(types)), licence)


def _of_model(model: LocalModel) -> Source:
    repo = model.manifest.source.rpartition("/")[2]
    name = repo if model.manifest.source.startswith("hf:") else model.name
    if model.path.suffix == ".gguf":
        return _of_file(model.path, licence=model.manifest.licence)
    return _of_folder(model.folder, name, model.manifest.licence)


def _of_hub(
    text: str,
    sources: Store,
    on_progress: Callable[[int, int], None],
    is_cancelled: Callable[[], bool],
) -> Source:
    from edgellm.catalog.card import Catalog
    from edgellm.catalog.reference import HubReference, parse_reference

    reference = parse_reference(text, Catalog(()))
    assert isinstance(reference, HubReference)
    try:
        wanted = _wanted(text, reference, sources)
        pulled = sources.pull(
            wanted,
            lambda progress: _tell(progress, on_progress),
            should_stop=is_cancelled,
        )
    except PullCancelled as error:
        raise QuantCancelled("The download was cancelled.", error.hint) from error
    return _of_model(pulled)


def _wanted(text: str, reference: HubReference, sources: Store) -> Wanted:
    there = sources.hub.describe(reference.repo, reference.revision)
    paths = [file.path for file in there.files]
    if reference.file:
        files = all_parts(reference.file)
    else:
        files = choose_files(paths, reference.source, reference.quant)
    return Wanted(text, reference.source, tuple(map(RemoteFile, files)), reference.revision)


def _tell(progress: Progress, on_progress: Callable[[int, int], None]) -> None:
    on_progress(progress.done_bytes, progress.total_bytes or 0)
