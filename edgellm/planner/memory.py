"""How much memory a model takes when it is served with certain options, before it is loaded.

In bytes, tensor by tensor, as llama.cpp lays them out: weights stay mapped from the file, some of
them are copied into an order that the CPU computes faster, and the KV cache, the compute buffer and
the logits are allocated for the largest step. The total is what server and engine hold when every
cell of the cache is used. Whether that fits is the plan's judgement, not this module's. Not known:
what a GPU's driver takes for itself, and buffers of vision projectors beyond their weights.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct
from msgspec.structs import replace

from edgellm.backends.base import Limits
from edgellm.backends.llama_limits import can_cut, choose_embed_limits, choose_limits
from edgellm.catalog.card import Variant
from edgellm.hardware.profile import Feature
from edgellm.hardware.spare import spare_bytes
from edgellm.planner.compute import compute_bytes, mask_bytes, num_cells
from edgellm.planner.facts import Layer, ModelFacts, Weight
from edgellm.planner.repack import is_repacked
from edgellm.store.gguf_types import BY_NAME
from edgellm.types import EngineOptions

MIB = 1024 * 1024
PAGE_BYTES = 4096
# Measured with `benches.plan_accuracy`: resident without a model, libraries included.
SERVER_BYTES = 64 * MIB
ENGINE_BYTES = 46 * MIB
TOKEN_BYTES = 100  # of the tokenizer's tables, for each token of the vocabulary
MERGE_BYTES = 84  # and for each of its merges
ENCODING_BYTES = 300  # of the server's own encoding (`tokens/`), for each merge
CELL_BYTES = 100  # that the cache remembers of a cell: its position and its sequences


class Environment(Struct, frozen=True):
    """What of the device decides how much memory a model takes."""

    features: tuple[Feature, ...] = ()  # of the CPU, that llama.cpp was built for as well
    available_bytes: int | None = None  # before the load; an automatic host cache depends on it


class Breakdown(Struct, frozen=True):
    """Bytes by what they are for. All lie in main memory but `dedicated`."""

    weights: int = 0  # mapped from the file
    repacked: int = 0  # copies of weights
    kv: int = 0  # keys and values
    state: int = 0  # of recurrent layers
    compute: int = 0
    logits: int = 0
    projector: int = 0
    draft: int = 0  # all of a draft model
    runtime: int = 0  # Python, libraries, the tokenizer: of server and engine
    host_cache: int = 0  # computed prompts outside the KV cache
    dedicated: int = 0  # on the GPU; not in `total`
    reclaimable: int = 0  # of `weights`: copied, so that the kernel may drop it and nobody waits
    learned: int = 0  # what earlier measurements add or take off, see `learned.py`

    @property
    def total(self) -> int:
        """The peak of resident main memory, under full use."""
        return (
            self.weights
            + self.repacked
            + self.kv
            + self.state
            + self.compute
            + self.logits
            + self.projector
            + self.draft
            + self.runtime
            + self.host_cache
            + self.learned
        )

    @property
    def needed(self) -> int:
        """What must be free: `total` but for what the kernel takes back as soon as it wants."""
        return self.total - self.reclaimable


def estimate(
    facts: ModelFacts,
    options: EngineOptions,
    environment: Environment,
    *,
    gpu_layers: int = 0,
    draft: ModelFacts | None = None,
    projector_bytes: int = 0,
) -> Breakdown:
    """What llama.cpp, its engine and the server take.

    Args:
        gpu_layers: as llama.cpp counts them: the last ones first, the output being one more.
        draft: the model that guesses tokens, beside this one.
        projector_bytes: of the file with which the model sees.
    """
    limits = limits_of(facts, options)
    own = _engine(facts, options, limits, environment, gpu_layers)
    guessing = _draft_bytes(draft, options, limits, environment) if draft is not None else 0
    own = replace(own, draft=guessing, projector=projector_bytes)
    return replace(own, host_cache=_host_cache(facts, options, environment, own.needed))


def limits_of(facts: ModelFacts, options: EngineOptions) -> Limits:
    """The slots and cells that the backend will make."""
    if not facts.writes:
        return _embed_limits(facts, options)
    may_cut = can_cut(options, is_recurrent=facts.is_recurrent, has_window=facts.has_window)
    return choose_limits(options, facts.context, can_cut=may_cut)


def _embed_limits(facts: ModelFacts, options: EngineOptions) -> Limits:
    """Of the one context that a model has which is made for embeddings."""
    found = choose_embed_limits(
        options, facts.context, facts.vocab, "mean", is_causal=facts.is_causal, is_chat=False
    )
    return Limits(
        parallel=1,
        num_slots=found.num_slots,
        num_cells=found.num_cells,
        context=found.context,
        can_cut=True,
        outputs=found.most_tokens if facts.is_causal else 0,  # an encoder has no logits
        batch_tokens=found.most_tokens,
    )


def _logits_bytes(facts: ModelFacts, limits: Limits) -> int:
    """Room that llama.cpp keeps for them: of each slot, or, used or not, of each embedded token."""
    rows = limits.num_slots if facts.writes else limits.batch_tokens
    return 4 * rows * facts.vocab


def published(variant: Variant) -> Breakdown | None:
    """What a runtime takes of which only its maker's figures are known; None if there are none."""
    size = variant.memory_bytes or variant.size_bytes
    if not size:
        return None
    if variant.backend == "hailo":  # its memory is its own
        return Breakdown(dedicated=size, runtime=SERVER_BYTES + ENGINE_BYTES)
    return Breakdown(weights=size, runtime=SERVER_BYTES + ENGINE_BYTES)


def kv_bytes(layer: Layer, cells: int, kv_type: str) -> int:
    """Of one layer's cache."""
    kind = BY_NAME[kv_type.upper()]
    lengths = (layer.key_length, layer.value_length)
    return cells * sum(kind.num_bytes(layer.kv_heads * length) for length in lengths)


def _engine(
    facts: ModelFacts,
    options: EngineOptions,
    limits: Limits,
    environment: Environment,
    gpu_layers: int,
) -> Breakdown:
    first = max(0, len(facts.layers) + 1 - gpu_layers)  # of the layers on the GPU
    here = [weight for weight in facts.weights if not _is_offloaded(weight, facts, first)]
    copied = _copied(here, options, environment, gpu_layers)
    mapped = _mapped(here, copied, facts)
    caches = [_cache_bytes(facts, options, limits, layer) for layer in facts.layers]
    states = [4 * limits.num_slots * layer.state_values for layer in facts.layers]
    compute = compute_bytes(facts, options, limits)
    above = _offloaded_bytes(facts, first) + sum(caches[first:]) + sum(states[first:])
    return Breakdown(
        weights=sum(_pages(end - begin) for begin, end in mapped.values()),
        repacked=sum(weight.size_bytes for weight in copied),
        kv=sum(caches[:first]),
        state=sum(states[:first]),
        compute=compute if first > 0 else mask_bytes(facts, options, limits),
        logits=_logits_bytes(facts, limits),
        runtime=SERVER_BYTES + ENGINE_BYTES + _bookkeeping(facts, limits),
        dedicated=above + compute if gpu_layers > 0 else 0,
        reclaimable=_reclaimable_bytes(copied, mapped, facts),
    )


def _copied(
    here: Iterable[Weight], options: EngineOptions, environment: Environment, gpu_layers: int
) -> list[Weight]:
    """Where a GPU takes part, llama.cpp prefers its host buffers to repacked ones."""
    if not options.repack or gpu_layers > 0:
        return []
    return [weight for weight in here if is_repacked(weight, environment.features)]


def _is_offloaded(weight: Weight, facts: ModelFacts, first: int) -> bool:
    """Inputs stay; a tied output is a second copy of the embedding, which stays as well."""
    match weight.place:
        case "layer":
            return weight.layer >= first
        case "output":
            return len(facts.layers) >= first
        case _:
            return False


def _offloaded_bytes(facts: ModelFacts, first: int) -> int:
    found = sum(w.size_bytes for w in facts.weights if _is_offloaded(w, facts, first))
    if facts.is_tied and len(facts.layers) >= first:
        found += sum(w.size_bytes for w in facts.weights if w.name == "token_embd.weight")
    return found


def _mapped(
    here: Iterable[Weight], copied: Collection[Weight], facts: ModelFacts
) -> dict[int, tuple[int, int]]:
    """For each file, from the first to the last weight that is used where it lies: what is before
    and behind is unmapped once the model is loaded."""
    found: dict[int, tuple[int, int]] = {}
    names = {weight.name for weight in copied if not _is_looked_up(weight, facts)}
    for weight in here:
        if weight.name not in names:
            end = weight.offset + weight.size_bytes
            first, last = found.get(weight.part, (weight.offset, end))
            found[weight.part] = min(first, weight.offset), max(last, end)
    return found


def _pages(size_bytes: int) -> int:
    return -(-size_bytes // PAGE_BYTES) * PAGE_BYTES


def _reclaimable_bytes(
    copied: Iterable[Weight], mapped: dict[int, tuple[int, int]], facts: ModelFacts
) -> int:
    """Originals that are still mapped, because others lie around them, and never read again."""
    found = 0
    for weight in copied:
        begin, end = mapped.get(weight.part, (0, 0))
        if begin <= weight.offset < end and not _is_looked_up(weight, facts):
            found += weight.size_bytes
    return found


def _is_looked_up(weight: Weight, facts: ModelFacts) -> bool:
    """A tied embedding is copied as the output, but read where it lies as well."""
    return weight.place == "input" and facts.is_tied


def _cache_bytes(facts: ModelFacts, options: EngineOptions, limits: Limits, layer: Layer) -> int:
    cells = num_cells(facts, options, limits, has_window=layer.has_window)
    return kv_bytes(layer, cells, options.kv_type)


def _bookkeeping(facts: ModelFacts, limits: Limits) -> int:
    return (
        facts.vocab * TOKEN_BYTES
        + facts.num_merges * (MERGE_BYTES + ENCODING_BYTES)
        + limits.num_cells * CELL_BYTES
    )


def _draft_bytes(
    draft: ModelFacts, options: EngineOptions, limits: Limits, environment: Environment
) -> int:
    """It gets the served model's context and cells (`engine/draft.py`), in the same process."""
    own = replace(options, context=limits.context, cells=limits.num_cells)
    found = _engine(draft, own, limits_of(draft, own), environment, gpu_layers=0)
    not_its_own = SERVER_BYTES + ENGINE_BYTES + draft.num_merges * ENCODING_BYTES
    return found.total - not_its_own


def _host_cache(
    facts: ModelFacts, options: EngineOptions, environment: Environment, taken: int
) -> int:
    """What the engine will allow itself."""
    if not facts.writes:
        return 0
    if options.cache_ram:
        return options.cache_ram * MIB
    return spare_bytes(facts.weight_bytes, environment.available_bytes, taken)
