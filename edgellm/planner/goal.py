"""What is asked of a plan, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from msgspec import Struct

from edgellm.catalog.card import Backend, Catalog, ModelCard, Variant
from edgellm.hardware.profile import HardwareProfile
from edgellm.planner.footprint import Estimator, Footprint
from edgellm.planner.rates import Known
from edgellm.planner.room import Room
from edgellm.planner.runtime import Place, Runtime
from edgellm.planner.speed import Measured, Rate
from edgellm.types import EngineOptions, KVType

Prefer: TypeAlias = Literal["quality", "speed", "memory"]
# Silent reading of English is some 240 words a minute (Brysbaert 2019), 4 a second, and a word is
# 1.3 tokens: a slower model keeps its reader waiting.
READING_TOKENS_PER_SECOND = 5.0
DEFAULT_CONTEXTS = (8192, 4096, 2048)
DEFAULT_PARALLEL = 4  # sequences, which share the cells of the cache
USUAL_TOKENS = 1024  # in the cache where a speed is told: a few turns of a chat

Code: TypeAlias = Literal[
    "task", "purpose", "score", "licence", "runtime", "device", "context", "memory", "speed", "rank"
]


class Goal(Struct, frozen=True):
    """What the user wants. None = the plan chooses."""

    model: str | None = None  # a card's id or alias
    quant: str = ""  # of that model
    context: int | None = None  # tokens of one sequence: never cut
    parallel: int | None = None  # sequences that all hold the whole context at a time
    min_tokens_per_second: float | None = None  # None = reading speed, where that can be had
    prefer: Prefer = "quality"
    kv_type: KVType = "f16"
    is_forced: bool = False  # plan the named model even if it does not fit, or was not trained so
    options: EngineOptions = EngineOptions()  # cells, batch and the like, where somebody set them


class Situation(Struct, frozen=True):
    """What a plan depends on besides the goal."""

    profile: HardwareProfile
    catalog: Catalog
    runtimes: tuple[Runtime, ...]
    estimate: Estimator
    known: tuple[Known, ...] = ()  # what was published of this device
    measured: tuple[Measured, ...] = ()  # what models did here before
    is_here: bool = True  # this device, and not a captured one


class Candidate(Struct, frozen=True):
    """A variant at a place, as it would run there."""

    card: ModelCard
    variant: Variant
    place: Place
    context: int
    options: EngineOptions
    gpu_layers: int
    footprint: Footprint
    room: Room
    rate: Rate
    score: float | None
    tokens_per_second: float = 0.0  # with USUAL_TOKENS in the cache
    shortage: str = ""  # what is missing, where it does not fit


class Rejection(Struct, frozen=True):
    """A variant that was not picked, and why."""

    model: str
    backend: Backend
    quant: str
    code: Code
    reason: str


class Plan(Struct, frozen=True):
    """What to load, where and how; what that takes; and why."""

    card: ModelCard
    variant: Variant
    place: Place
    context: int
    parallel: int
    cells: int
    gpu_layers: int  # of layers + 1, the output being one
    kv_type: KVType
    threads: int  # that decode fastest; 0 = as many as the process may use
    memory: Footprint
    room: Room
    decode_tokens_per_second: float  # with USUAL_TOKENS in the cache
    full_tokens_per_second: float  # with a full context
    prefill_tokens_per_second: float | None
    rate: Rate
    score: float | None
    reasons: tuple[str, ...]
    rejected: tuple[Rejection, ...]

    @property
    def options(self) -> EngineOptions:
        """To load it with; layers on a device are `gpu_layers`."""
        return EngineOptions(
            context=self.context,
            parallel=self.parallel,
            cells=self.cells,
            threads=self.threads,
            kv_type=self.kv_type,
        )


class NoFit(Struct, frozen=True):
    """Nothing meets the goal; `suggestions` are what would, with their flags."""

    rejected: tuple[Rejection, ...]
    suggestions: tuple[str, ...] = ()


Verdict: TypeAlias = Candidate | Rejection
Suggest: TypeAlias = Callable[[Goal], Candidate | None]
