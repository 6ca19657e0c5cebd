"""Chooses engine parameters by measuring: one after the other, each with what was chosen before.

A pure function of what the measurer and the clock say. A candidate replaces the default only if it
is better by a clear margin; one that fails is left out; when time runs out, the defaults stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Protocol, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from edgellm.errors import ConfigError, EngineError
from edgellm.tuning.plan import (
    FIRST_LOOK,
    MAX_ROUNDS,
    MIN_ROUNDS,
    SEQUENCES,
    Chosen,
    Parameter,
    Part,
    Speed,
    make_plan,
    together,
)
from edgellm.tuning.workload import CELLS, Loaded, Sample, TooSlow, Workload
from edgellm.types import EngineOptions

MARGIN = 0.05  # of the default's time, that a candidate must save

Say: TypeAlias = Callable[[str], None]
Clock: TypeAlias = Callable[[], float]


class Measurer(Protocol):
    """Loads a model and times workloads on it. Both raise EngineError for what does not work."""

    def load(self, options: EngineOptions) -> Loaded: ...

    def measure(self, workload: Workload) -> Sample: ...


class Candidate(Struct):
    """What was measured of a choice. `seconds`: of the part that counts, for each round."""

    label: str
    seconds: list[float] = []
    prefill_tokens_per_second: float | None = None  # medians; None = not measured
    decode_tokens_per_second: float | None = None
    kv_token_bytes: int | None = None
    private_bytes: int | None = None
    failure: str = ""

    @property
    def is_measured(self) -> bool:
        return not self.failure and len(self.seconds) >= MIN_ROUNDS


class Trial(Struct, frozen=True):
    """A parameter's candidates, the default first, and the chosen one's label."""

    parameter: str
    chosen: str
    candidates: tuple[Candidate, ...]
    workload: Workload
    part: Part
    is_advice: bool = False
    note: str = ""

    def ratio(self, label: str) -> float | None:
        """The candidate's time over that of the first; None = one of them was not measured."""
        first = self.candidates[0]
        other = next(candidate for candidate in self.candidates if candidate.label == label)
        if not (first.is_measured and other.is_measured):
            return None
        return median(other.seconds) / median(first.seconds)


class Tuning(Struct, frozen=True):
    """The outcome. `default` is what the engine takes by itself."""

    default: Chosen
    chosen: Chosen
    trials: tuple[Trial, ...]


def tune(
    measurer: Measurer,
    options: EngineOptions,
    cores: Sequence[int],
    seconds: float,
    say: Say,
    clock: Clock = time.monotonic,
) -> Tuning:
    """Measure for so many seconds, and choose.

    Args:
        options: how the model is to be loaded otherwise: `kv_type` matters.
        cores: numbers of threads that are worth a try.
        say: told what is being done, in lines for people.

    Raises:
        EngineError: the model cannot be loaded and run at all.
        ConfigError: the time is too short to compare anything.
    """
    began = clock()
    options = replace(options, context=CELLS, cells=CELLS, parallel=SEQUENCES)
    say("loading the model for a first look…")
    try:
        loaded = measurer.load(options)
        load_seconds = clock() - began
        sample = measurer.measure(FIRST_LOOK)
    except TooSlow as error:
        raise _too_short(seconds, 4 * seconds) from error
    default = Chosen(loaded.threads, loaded.threads_batch, loaded.batch_tokens, "auto")
    search = _Search(measurer, say, clock, began + seconds)
    left = seconds - (clock() - began)
    plan = make_plan(default, options, cores, Speed.of(loaded, sample, load_seconds), left)
    chosen = search.run(plan, replace(options, **default.changes()))
    if not any(trial.candidates[0].is_measured for trial in search.trials):
        raise _too_short(seconds, 4 * (clock() - began))
    names = Chosen.__struct_fields__
    tuned = Chosen(**{name: getattr(chosen, name) for name in names})
    return Tuning(default, tuned, tuple(search.trials))


def _too_short(seconds: float, enough: float) -> ConfigError:
    return ConfigError(
        f"{seconds:.0f} s are too few to compare anything with this model.",
        f"Give it more, for instance --seconds {max(10, round(enough, -1)):.0f}.",
    )


class _Search:
    """Runs trials until the deadline."""

    def __init__(self, measurer: Measurer, say: Say, clock: Clock, deadline: float) -> None:
        self.trials: list[Trial] = []
        self._measurer = measurer
        self._say = say
        self._clock = clock
        self._deadline = deadline

    def run(self, plan: Sequence[Parameter], options: EngineOptions) -> EngineOptions:
        """Try all parameters, each with an equal share of the time that is left then."""
        default = options
        deciding = [parameter for parameter in plan if not parameter.is_advice]
        advice = [parameter for parameter in plan if parameter.is_advice]
        for index, parameter in enumerate(deciding):
            options = self._try(parameter, options, len(plan) + 1 - index)
        if options != default:
            request = next(p.workload for p in plan if p.part == "request" and p.is_advice)
            options = self._try(together(options, default, request), options, len(advice) + 1)
        for index, parameter in enumerate(advice):
            self._try(parameter, options, len(advice) - index)
        return options

    def _try(self, parameter: Parameter, options: EngineOptions, num_left: int) -> EngineOptions:
        """The options with what was chosen. `num_left`: trials that the time is for."""
        candidates = tuple(Candidate(choice.label) for choice in parameter.choices)
        if len(candidates) > 1:
            labels = ", ".join(candidate.label for candidate in candidates)
            self._say(f"measuring {parameter.name}: {labels}…")
            share = self._clock() + (self._deadline - self._clock()) / num_left
            self._measure(parameter, candidates, options, share)
        chosen = 0 if parameter.is_advice else best(candidates)
        self.trials.append(
            Trial(
                parameter.name,
                candidates[chosen].label,
                candidates,
                parameter.workload,
                parameter.part,
                parameter.is_advice,
                _note(candidates),
            )
        )
        return replace(options, **parameter.choices[chosen].changes)

    def _measure(
        self,
        parameter: Parameter,
        candidates: Sequence[Candidate],
        options: EngineOptions,
        share: float,
    ) -> None:
        """Rounds over all candidates, back and forth, so that a slow moment hits them alike."""
        pairs = list(zip(parameter.choices, candidates, strict=True))
        runs: dict[str, list[Sample]] = {candidate.label: [] for candidate in candidates}
        cost = 0.0
        for number in range(MAX_ROUNDS):
            end = self._deadline if number < MIN_ROUNDS else share
            for choice, candidate in pairs if number % 2 == 0 else reversed(pairs):
                if self._clock() + cost > end:
                    return
                if candidate.failure:
                    continue
                began = self._clock()
                changed = replace(options, **choice.changes)
                try:
                    self._measure_once(parameter, candidate, changed, runs[candidate.label])
                except TooSlow:  # the child is ended at the deadline
                    return
                cost = max(cost, self._clock() - began)

    def _measure_once(
        self,
        parameter: Parameter,
        candidate: Candidate,
        options: EngineOptions,
        samples: list[Sample],
    ) -> None:
        try:
            loaded = self._measurer.load(options)
            samples.append(self._measurer.measure(parameter.workload))
        except TooSlow:
            raise
        except EngineError as error:
            candidate.failure = error.message
            return
        candidate.kv_token_bytes = loaded.kv_token_bytes
        candidate.private_bytes = loaded.private_bytes
        _summarise(candidate, parameter, samples)


def _summarise(candidate: Candidate, parameter: Parameter, samples: Sequence[Sample]) -> None:
    """The figures of the part that counts."""
    work, part = parameter.workload, parameter.part
    prefills = [sample.prefill_seconds for sample in samples]
    decodes = [sample.decode_seconds for sample in samples]
    if part in ("prefill", "request"):
        candidate.prefill_tokens_per_second = work.prompt / median(prefills)
    if part in ("decode", "request"):
        candidate.decode_tokens_per_second = work.answer * work.sequences / median(decodes)
    match part:
        case "prefill":
            candidate.seconds = prefills
        case "decode":
            candidate.seconds = decodes
        case "request":
            candidate.seconds = [sum(both) for both in zip(prefills, decodes, strict=True)]


def best(candidates: Sequence[Candidate]) -> int:
    """The index of the fastest; of the default, the first, unless it clearly loses.

    That is by the margin, and half of the other's measurements must beat the default's best one:
    on a busy device medians alone are off by more than the margin.
    """
    measured = [index for index, c in enumerate(candidates) if c.is_measured]
    if not measured or not (candidates[0].is_measured or candidates[0].failure):
        return 0
    fastest = min(measured, key=lambda index: median(candidates[index].seconds))
    if candidates[0].failure:
        return fastest
    default = candidates[0].seconds
    limit = min(median(default) * (1 - MARGIN), min(default))
    return fastest if median(candidates[fastest].seconds) < limit else 0


def _note(candidates: Sequence[Candidate]) -> str:
    if len(candidates) == 1:
        return "nothing else is worth a try here"
    if all(candidate.is_measured or candidate.failure for candidate in candidates):
        return ""
    return "out of time"
