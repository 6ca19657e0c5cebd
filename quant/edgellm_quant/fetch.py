"""A model of the hub to quantise: its safetensors, or its unquantised GGUF file.

It lies in a store of its own, so that what no runtime serves is not among the models of this user;
what came stays there over kills.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.errors import PullCancelled, QuantCancelled, QuantError
from edgellm.store.gguf_names import all_parts, is_first_part, quant_of
from edgellm.store.model import RemoteFile, Wanted

if TYPE_CHECKING:
    from edgellm.store.progress import Progress
    from edgellm.store.store import Store

_UNQUANTISED = ("BF16", "F16", "F32", "FP16", "FP32")
_SMALL = (".json", ".model", ".txt", ".jinja")  # configuration, tokenizer and template


def fetch(
    name: str,
    store: Store,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Path:
    """A GGUF file, or a folder of safetensors. `name`: `owner/repo` or `hf:owner/repo`.

    Raises:
        ConfigError: the name is none.
        QuantError: nothing in the repository can be quantised.
        StoreError: offline, refused, no room.
        QuantCancelled: somebody asked to stop; what came is kept.
    """
    from edgellm.store.sources.huggingface import checked_repo

    source = f"hf:{name.removeprefix('hf:')}"
    repo = checked_repo(source)
    files = [file.path for file in store.hub.describe(repo, "main").files]
    paths = choose(files, repo)

    def show(progress: Progress) -> None:
        on_progress(progress.done_bytes, progress.total_bytes or 0)

    wanted = Wanted(f"source:{repo}", source, tuple(map(RemoteFile, paths)))
    try:
        model = store.pull(wanted, show, should_stop=is_cancelled)
    except PullCancelled as error:
        raise QuantCancelled("The download was cancelled.", error.hint) from error
    return model.path if model.path.suffix == ".gguf" else model.path.parent


def choose(paths: Sequence[str], repo: str) -> tuple[str, ...]:
    """Which files to fetch: safetensors of the main folder with what describes them, else the GGUF
    of most bits. Raises QuantError. Pure."""
    tensors = sorted(p for p in paths if p.endswith(".safetensors") and "/" not in p)
    if tensors:
        others = sorted(p for p in paths if p.endswith(_SMALL) and "/" not in p)
        return (*tensors, *others)
    models = [path for path in paths if is_first_part(path)]
    for kind in _UNQUANTISED:
        found = sorted(path for path in models if quant_of(path) == kind)
        if found:
            return all_parts(found[0])
    raise QuantError(
        f"{repo} has neither safetensors nor an unquantised GGUF file.",
        "Name the repository that the model was published in, not one of its quantisations.",
    )
