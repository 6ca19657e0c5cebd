"""The catalogue of this user: the packaged `models.yaml`, the user's own, and what was made here.

An entry of the user's file replaces the packaged one of the same id as a whole. What was quantised
on this device (`made.py`) adds its variants instead: whatever the others say stays. YAML is slow to
read (some 30 ms here, 100 and more on a small board), so what was parsed once is kept as msgpack;
a copy that is damaged or of another version is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import msgspec
from msgspec.structs import replace

from edgellm import __version__
from edgellm.catalog.card import Catalog, ModelCard, Variant
from edgellm.errors import ConfigError

USER_FILE = "models.yaml"  # in the folder of the settings
MADE_FILE = "models.made.yaml"  # in the folder of the data


def load_catalog(
    packaged: Path,
    user: Path | None = None,
    cache: Path | None = None,
    made: Path | None = None,
) -> Catalog:
    """All models, the user's first.

    Args:
        user: the user's own file; it may be absent.
        made: the file of what was quantised on this device; it may be absent.
        cache: a folder for parsed copies; None = parse every time.

    Raises:
        ConfigError: a file that cannot be read, or a mistake in it (with its line).
    """
    catalog = _load_file(packaged, cache)
    if user is not None and user.exists():
        catalog = merge(catalog, _load_file(user, cache), str(user))
    if made is not None and made.exists():
        catalog = extend(catalog, _load_file(made, cache), str(made))
    return catalog


def merge(base: Catalog, own: Catalog, where: str) -> Catalog:
    """`own` before what it leaves of `base`.

    Raises:
        ConfigError: a name in `own` that another model of `base` goes by.
    """
    replaced = {card.id.lower() for card in own.models}
    kept = [card for card in base.models if card.id.lower() not in replaced]
    taken = {name: card.id for card in kept for name in card.names}
    for card in own.models:
        for name in card.names:
            if name in taken:
                raise ConfigError(
                    f"{where}: {card.id} is called {name}, and so is {taken[name]}.",
                    "Choose another name, or use its id to replace that model.",
                )
    return Catalog((*own.models, *kept))


def extend(base: Catalog, made: Catalog, where: str) -> Catalog:
    """`base` with the variants of `made`, which go before others of the same runtime and
    quantisation. A card that `base` does not have is added as it is.

    Raises:
        ConfigError: such a card's name is that of another model.
    """
    added = {card.id.lower(): card for card in made.models}
    known = {card.id.lower() for card in base.models}
    models = tuple(
        with_variants(card, added[card.id.lower()].variants) if card.id.lower() in added else card
        for card in base.models
    )
    new = tuple(card for card in made.models if card.id.lower() not in known)
    return merge(Catalog(models), Catalog(new), where)


def with_variants(card: ModelCard, variants: tuple[Variant, ...]) -> ModelCard:
    """The card with these variants first, in place of others that have the same names."""
    names = {(each.backend, each.quant.lower()) for each in variants}
    kept = (each for each in card.variants if (each.backend, each.quant.lower()) not in names)
    return replace(card, variants=(*variants, *kept))


def _load_file(path: Path, cache: Path | None) -> Catalog:
    data = _read(path)
    if cache is None:
        return _parse(data, path)
    copy = cache / f"{hashlib.sha256(__version__.encode() + data).hexdigest()[:32]}.msgpack"
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.msgpack.decode(copy.read_bytes(), type=Catalog)
    catalog = _parse(data, path)
    with contextlib.suppress(OSError):  # a full or read-only disk: it is parsed again next time
        _keep(copy, msgspec.msgpack.encode(catalog))
    return catalog


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The catalogue {path} cannot be read: {error.strerror}.") from error


def _parse(data: bytes, path: Path) -> Catalog:
    from edgellm.catalog.parse import parse_catalog  # yaml: only where there is no copy

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"The catalogue {path} cannot be read: it is not UTF-8.") from error
    return parse_catalog(text, str(path))


def _keep(copy: Path, data: bytes) -> None:
    """Not synced to disk: a copy that a power cut damages is made again."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    temporary = copy.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(copy)
