"""The catalogue of what was quantised on this device: a file that edgellm writes and people read.

It has the form of `models.yaml`, so that an entry can be copied there, but its cards only *add*
variants (`load.extend`): the packaged catalogue can still learn of new ones, and the user's own
file is left as it was written. Each card is whole, in case no other catalogue has it any more.
Knows no locks: whoever changes the file must be alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import fields, replace

from edgellm.atomic import write_atomically
from edgellm.catalog.card import Catalog, ModelCard, Variant
from edgellm.catalog.load import load_catalog, with_variants

_HEAD = """\
# What was quantised on this device. Written by edgellm; `edgellm rm` takes an entry out again.
# Each entry adds its variants to those of the catalogue, or is a model that no catalogue has.
# To share one, put its files where others reach them, change `source`, and copy the entry.
"""


def add(path: Path, card: ModelCard, variant: Variant) -> None:
    """Add a variant of a card, or put it in the place of the one of the same name.

    Raises:
        ConfigError: there is such a file, and it cannot be read.
        OSError: it cannot be written.
    """
    models = list(_load(path).models)
    at = next((i for i, each in enumerate(models) if each.id.lower() == card.id.lower()), None)
    if at is None:
        models.append(replace(card, variants=(variant,)))
    else:
        kept = replace(card, variants=models[at].variants)
        models[at] = with_variants(kept, (variant,))
    _write(path, models)


def take_out(path: Path, digests: frozenset[str]) -> bool:
    """Forget the variants whose first file has one of these digests; whether there was one.

    Raises:
        ConfigError: there is such a file, and it cannot be read.
        OSError: it cannot be written.
    """
    models = _load(path).models
    left = [
        replace(c, variants=tuple(v for v in c.variants if not _is_of(v, digests))) for c in models
    ]
    if [len(card.variants) for card in left] == [len(card.variants) for card in models]:
        return False
    _write(path, [card for card in left if card.variants])
    return True


def stanza(variant: Variant) -> str:
    """A variant as a line of a `models.yaml`, to go below `variants:`."""
    return f"- {_flow(plain(variant))}"


def entry(card: ModelCard) -> str:
    """A card as an entry of a `models.yaml`, to go below `models:`."""
    pairs = plain(card)
    variants = [f"    {stanza(variant)}" for variant in card.variants]
    lines = [f"{name}: {_flow(value)}" for name, value in pairs.items() if name != "variants"]
    return "\n".join(
        [f"- {lines[0]}", *(f"  {line}" for line in lines[1:]), "  variants:", *variants]
    )


def plain(value: Struct) -> dict[str, Any]:
    """What is not as it is by default, as YAML has it."""
    builtins = msgspec.to_builtins(value)
    return {
        field.name: _plain(getattr(value, field.name), builtins[field.name])
        for field in fields(value)
        if getattr(value, field.name) != field.default
    }


def _plain(value: object, builtins: object) -> object:
    if isinstance(value, Struct):
        return plain(value)
    if isinstance(value, tuple):
        return [plain(each) if isinstance(each, Struct) else each for each in value]
    return builtins


def _flow(value: object) -> str:
    """On one line, as the packaged catalogue has it. `safe_dump` ends a lone scalar with dots."""
    import yaml

    text: str = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=10**9, allow_unicode=True
    )
    return text.removesuffix("...\n").strip()


def _is_of(variant: Variant, digests: frozenset[str]) -> bool:
    return bool(variant.files) and variant.files[0].sha256 in digests


def _load(path: Path) -> Catalog:
    return load_catalog(path) if path.exists() else Catalog(())


def _write(path: Path, models: list[ModelCard]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(map(entry, models))
    body = f"models:\n{text}\n" if models else "models: []\n"
    write_atomically(path, f"{_HEAD}{body}".encode())
