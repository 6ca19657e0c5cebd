"""What `edgellm show` says of a model's file by its header, and whether it fits this device."""

from __future__ import annotations

from msgspec import Struct

from edgellm.cli.fetch import figures, nearest
from edgellm.cli.named import Exact, Named, plan_named
from edgellm.cli.output import format_bytes
from edgellm.cli.planning import look
from edgellm.planner.goal import Goal, NoFit
from edgellm.planner.header_card import has_template, num_params, shape_of, type_shares
from edgellm.store.store import Store


class FileFacts(Struct, frozen=True):
    """The header in short. Where layers differ, heads are the widest layer's."""

    file: str
    architecture: str
    params: int
    layers: int
    heads: int
    kv_heads: int
    width: int
    vocab: int
    context: int
    types: dict[str, float]  # of tensors: their part of the bytes, 0..1
    has_template: bool
    size_bytes: int | None = None  # of all parts


class Fit(Struct, frozen=True):
    """The plan's word on this device. Figures are None where nothing fits."""

    fits: bool
    name: str  # what was considered, or chosen
    reason: str = ""
    needed_bytes: int | None = None
    dedicated_bytes: int | None = None
    decode_tokens_per_second: float | None = None
    context: int | None = None
    suggestions: tuple[str, ...] = ()
    summary: str = ""


def file_facts(exact: Exact) -> FileFacts:
    """Of the file whose header was read."""
    shape = shape_of(exact.facts)
    return FileFacts(
        file=exact.variant.files[0].path,
        architecture=exact.facts.architecture,
        params=num_params(exact.facts),
        layers=shape.layers,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        width=shape.hidden,
        vocab=shape.vocab,
        context=exact.facts.context,
        types={name: round(share, 4) for name, share in type_shares(exact.facts).items()},
        has_template=has_template(exact.header),
        size_bytes=exact.variant.size_bytes,
    )


def fit_here(named: Named, store: Store) -> Fit:
    """Whether, and how, it would run on this device."""
    here = look(named.catalog)
    found = plan_named(named, Goal(), here, store)
    if isinstance(found, NoFit):
        least = nearest(named, found)
        reason = least.reason if least is not None else "has nothing that can be served"
        return Fit(False, named.text, reason, suggestions=found.suggestions)
    return Fit(
        True,
        found.card.name_of(found.variant),
        needed_bytes=found.memory.needed,
        dedicated_bytes=found.memory.dedicated,
        decode_tokens_per_second=round(found.decode_tokens_per_second, 2),
        context=found.context,
        summary=figures(found),
    )


def fact_rows(facts: FileFacts) -> list[tuple[str, str]]:
    """For people."""
    shares = ", ".join(f"{name} {share:.0%}" for name, share in facts.types.items())
    return [
        ("file", facts.file),
        ("architecture", facts.architecture),
        ("layers", f"{facts.layers}, {facts.width} wide, vocabulary {facts.vocab:,}"),
        ("heads", f"{facts.heads}, {facts.kv_heads} of keys and values"),
        ("tensors", shares),
        ("template", "yes" if facts.has_template else "none: ChatML is used"),
        ("size", format_bytes(facts.size_bytes) if facts.size_bytes else "not known"),
    ]


def fit_rows(fit: Fit) -> list[tuple[str, str]]:
    """For people."""
    if fit.fits:
        return [("this device", f"fits: {fit.name}, {fit.summary}")]
    rows = [("this device", f"does not fit: {fit.name} {fit.reason}")]
    return rows + [("", f"what would do: {words}") for words in fit.suggestions]
