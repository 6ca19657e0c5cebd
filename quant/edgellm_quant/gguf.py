"""Quantises a GGUF file through llama.cpp: all of it, or nothing.

llama.cpp works in a child process (`quantiser.py`) and writes to `<target>.partial`; the file gets
its name once it is whole, checked and on the disk. A full disk ends llama.cpp without an error
where only the last bytes are missing, so its word alone is not believed.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from edgellm.errors import DiskFull, ModelFileError, QuantError
from edgellm.store.files import sync_folder
from edgellm.store.gguf_header import GGUFHeader, num_parts, part_names, read_header
from edgellm_quant.device import num_cpus
from edgellm_quant.forecast import Forecast, cannot, forecast
from edgellm_quant.llama_log import NoWeights, Saying, TensorBegun
from edgellm_quant.quantise_child import Order
from edgellm_quant.quantiser import Quantiser
from edgellm_quant.spec import Recipe

PARTIAL = ".partial"
RESERVE_BYTES = 16 * 1024 * 1024  # that the disk keeps


def quantise(
    source: Path,
    target: Path,
    recipe: Recipe,
    *,
    imatrix: Path | None = None,
    threads: int = 0,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    on_note: Callable[[str], None] = lambda _text: None,
) -> Path:
    """Make `target` of `source`; returns its path (of the first part, where it is split).

    Args:
        threads: 0 = one for each CPU that this process may use.
        on_progress: the source's bytes that are done, and all of them.
        on_note: is told what the recipe does not say: fallback types, a second quantisation.

    Raises:
        ModelFileError: the source is no GGUF model.
        QuantError: the recipe cannot be followed; nothing is left behind.
        DiskFull: the target does not fit; nothing is left behind.
        QuantCancelled: somebody asked to stop; nothing is left behind.
    """
    sources = all_parts(source)
    recipe = replace(recipe, keep_split=recipe.keep_split and len(sources) > 1)
    if target.resolve() in [each.resolve() for each in sources]:
        raise QuantError("The target is the source itself.", "Choose another folder with --out.")
    before = identity(sources)
    with Quantiser() as quantiser:
        expected = forecast(
            source, recipe, imatrix=imatrix, is_cancelled=is_cancelled, quantiser=quantiser
        )
        check(expected, recipe, source, has_imatrix=imatrix is not None)
        check_disk(target.parent, expected.size_bytes)
        for note in notes(expected):
            on_note(note)
        paths = target_paths(target, len(sources) if recipe.keep_split else 1)
        with _unfinished(paths) as partials:
            order = Order(
                str(source),
                _order_target(partials[0], recipe),
                recipe,
                str(imatrix or ""),
                threads or num_cpus(),
            )
            try:
                _run(quantiser, order, expected, paths[0], on_progress, is_cancelled, on_note)
            finally:
                quantiser.close()  # before what it writes to is taken away
            _check_whole(partials, expected)
            if identity(sources) != before:
                raise QuantError(f"{source} changed while it was quantised.", "Run it again.")
            _release(partials, paths)
    return paths[0]


def all_parts(source: Path) -> tuple[Path, ...]:
    """The files of a model. Raises ModelFileError."""
    header = read_header(source)
    return tuple(source.with_name(name) for name in part_names(source.name, num_parts(header)))


def identity(paths: tuple[Path, ...]) -> tuple[tuple[int, int, int], ...]:
    """Changes when somebody writes to one of the files, or replaces it."""
    stats = (path.stat() for path in paths)
    return tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats)


def target_paths(target: Path, count: int) -> tuple[Path, ...]:
    """Where the parts lie; a single file lies at `target` itself."""
    if count == 1:
        return (target,)
    stem = target.name.removesuffix(".gguf")
    names = part_names(f"{stem}-00001-of-{count:05}.gguf", count)
    return tuple(target.with_name(name) for name in names)


def check(expected: Forecast, recipe: Recipe, source: Path, *, has_imatrix: bool) -> None:
    """Raises QuantError for what would go wrong, or would be worthless."""
    if expected.needs_imatrix and not has_imatrix:
        raise QuantError(
            f"{recipe.type} is of no use without an importance matrix.",
            "Make one: --calibrate builtin, or --calibrate with a text of what the model is for.",
        )
    if expected.requantised and not recipe.can_requantise:
        raise QuantError(
            f"{source.name} is quantised already ({', '.join(expected.requantised)}).",
            "Use the F16 or BF16 file that it was made of, or --requantise, which loses more.",
        )


def notes(expected: Forecast) -> Iterator[str]:
    """What the user did not ask for, and gets."""
    if expected.requantised:
        types = ", ".join(expected.requantised)
        yield f"the source is quantised already ({types}): the result is worse than one of F16"
    kinds: dict[tuple[str, str, int], list[str]] = {}
    for each in expected.fallbacks:
        key = (each.wanted, each.used, each.block_values)
        kinds.setdefault(key, []).append(each.name)
    for (wanted, used, block), names in kinds.items():
        which = names[0] if len(names) == 1 else f"{len(names)} tensors ({names[0]}, …)"
        yield f"{which}: {used} instead of {wanted}, for rows are no multiple of {block}"


def check_disk(folder: Path, needed_bytes: int) -> None:
    """Raises DiskFull."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + RESERVE_BYTES:
        raise DiskFull(
            f"The target needs {needed_bytes:,} bytes, and {folder} has {free:,}.",
            "Make room, or choose another disk with --out.",
        )


@contextlib.contextmanager
def _unfinished(paths: tuple[Path, ...]) -> Iterator[tuple[Path, ...]]:
    """The names to write to; what is left of them at the end goes."""
    partials: tuple[Path, ...]
    if len(paths) == 1:
        partials = (paths[0].with_name(paths[0].name + PARTIAL),)
    else:  # llama.cpp itself adds the numbers
        partials = tuple(path.with_name(PARTIAL + "." + path.name) for path in paths)
    try:
        yield partials
    finally:
        for each in partials:
            each.unlink(missing_ok=True)


def _order_target(first: Path, recipe: Recipe) -> str:
    """What llama.cpp is told; to the name of a split file it adds the numbers itself."""
    return str(first).rsplit("-", 3)[0] if recipe.keep_split else str(first)


def _run(
    quantiser: Quantiser,
    order: Order,
    expected: Forecast,
    target: Path,
    on_progress: Callable[[int, int], None],
    is_cancelled: Callable[[], bool],
    on_note: Callable[[str], None],
) -> None:
    heard: list[Saying] = []
    sizes = [each.source_bytes for each in expected.changes]

    def on_saying(saying: Saying) -> None:
        heard.append(saying)
        if isinstance(saying, TensorBegun):
            on_progress(sum(sizes[: saying.number - 1]), sum(sizes))

    if quantiser.follow(order, on_saying, is_cancelled) != 0:
        raise _failure(order, expected, target, heard)
    on_progress(sum(sizes), sum(sizes))
    missing = [each.name for each in heard if isinstance(each, NoWeights)]
    if missing:
        on_note(f"the importance matrix has nothing on {', '.join(missing[:4])}")


def _failure(order: Order, expected: Forecast, target: Path, heard: list[Saying]) -> QuantError:
    """llama.cpp tells of a write that failed, and not why."""
    reason = cannot(order.recipe, Path(order.source), heard)
    if "iostream" in reason.message or "write" in reason.message:
        raise _no_room(expected, target)
    return reason


def _no_room(expected: Forecast, target: Path) -> DiskFull:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit != resource.RLIM_INFINITY and limit < expected.size_bytes:
        return DiskFull(
            f"No file may have more than {limit:,} bytes here.", "`ulimit -f` limits it."
        )
    return DiskFull(
        f"The disk filled up: {target.parent} has no room for {target.name}.",
        "Make room and run the same command again: it goes on with this file.",
    )


def _check_whole(partials: tuple[Path, ...], expected: Forecast) -> None:
    """Raises DiskFull where bytes are missing, QuantError where it is no model."""
    for each in partials:
        try:
            header = _own_header(each)
        except (ModelFileError, OSError) as error:
            raise QuantError(f"What llama.cpp wrote cannot be read: {error}.") from error
        if each.stat().st_size < header.end_offset:
            raise _no_room(expected, each)


def _own_header(path: Path) -> GGUFHeader:
    """Of this file alone: the other parts have not got their names yet."""
    from edgellm.store.gguf_header import parse_header

    with path.open("rb") as file:

        def read(start: int, length: int) -> bytes:
            file.seek(start)
            return file.read(length)

        return parse_header(read, path.name)


def _release(partials: tuple[Path, ...], paths: tuple[Path, ...]) -> None:
    """On the disk first, and named then; the first part last, for by it a model is known."""
    for each in partials:
        with each.open("rb") as file:
            os.fsync(file.fileno())
    for partial, path in reversed(list(zip(partials, paths, strict=True))):
        partial.replace(path)
    sync_folder(paths[0].parent)
