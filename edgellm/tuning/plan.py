"""What is worth measuring on a device, with workloads that fit the time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from edgellm.tuning.workload import CELLS, Loaded, Sample, Workload
from edgellm.types import EngineOptions, FlashAttention

MIN_ROUNDS, MAX_ROUNDS = 2, 9  # measurements of a choice; fewer than two prove nothing
BATCHES = (128, 256, 512, 1024)
STEP_SECONDS = 2.0  # of a prompt that the engine computes in one step at most (engine.pace)
REQUEST = Workload(prompt=256, answer=64)
SEQUENCES = 4  # of the workload with several answers at once
LEAST_PROMPT, LEAST_ANSWER = 32, 8  # below, a measurement is noise
FIRST_LOOK = Workload(prompt=64, answer=8)
TOGETHER = "all together"
_SAFETY = 1.5  # measurements are slower than the first look says: half of the threads, for one

Part: TypeAlias = Literal["prefill", "decode", "request"]


class Choice(Struct, frozen=True):
    """A value of a parameter: how it is called, and what it changes in EngineOptions."""

    label: str
    changes: dict[str, Any]


class Parameter(Struct, frozen=True):
    """What is compared, and by which part of which workload. The first choice is the default."""

    name: str
    choices: tuple[Choice, ...]
    workload: Workload
    part: Part
    needs_load: bool = True
    is_advice: bool = False  # told to the user, and never chosen for him


class Chosen(Struct, frozen=True):
    """The parameters that a server takes over; none is 0."""

    threads: int
    threads_batch: int
    batch_tokens: int
    flash_attention: FlashAttention

    def __str__(self) -> str:
        return ", ".join(f"{name.replace('_', '-')} {v}" for name, v in self.changes().items())

    def changes(self) -> dict[str, Any]:
        """As fields of EngineOptions."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Speed(Struct, frozen=True):
    """What the first look says of the defaults: seconds for each token, and for a load."""

    load_seconds: float
    prefill_seconds: float
    decode_seconds: float
    most_prompt: int  # tokens that the model and the measured engine take

    @classmethod
    def of(cls, loaded: Loaded, sample: Sample, load_seconds: float) -> Speed:
        """From a sample of FIRST_LOOK."""
        return cls(
            load_seconds,
            sample.prefill_seconds / FIRST_LOOK.prompt,
            sample.decode_seconds / FIRST_LOOK.answer,
            min(CELLS, loaded.trained_context),
        )

    def seconds(self, workload: Workload) -> float:
        """What a workload takes; several sequences as long as one."""
        return workload.prompt * self.prefill_seconds + workload.answer * self.decode_seconds


def make_plan(
    default: Chosen, options: EngineOptions, cores: Sequence[int], speed: Speed, seconds: float
) -> list[Parameter]:
    """All that is to be compared, with workloads that fit the time.

    Args:
        cores: numbers of threads that are worth a try.
        seconds: that MIN_ROUNDS of everything may take.
    """
    plan = _parameters(default, options, cores, speed, scale=1.0)
    loads = sum(len(p.choices) * MIN_ROUNDS * speed.load_seconds for p in plan if p.needs_load)
    work = sum(len(p.choices) * MIN_ROUNDS * speed.seconds(p.workload) for p in plan)
    scale = min(1.0, max(0.0, seconds - loads) / (work * _SAFETY))
    return _parameters(default, options, cores, speed, scale)


def _parameters(
    default: Chosen, options: EngineOptions, cores: Sequence[int], speed: Speed, scale: float
) -> list[Parameter]:
    """`scale`: of the workloads' sizes."""
    answer = max(LEAST_ANSWER, int(REQUEST.answer * scale))
    room = max(1, speed.most_prompt - answer)
    prompt = min(room, max(LEAST_PROMPT, int(REQUEST.prompt * scale)))
    request, burst = Workload(prompt, answer), Workload(prompt, answer // 4, SEQUENCES)
    alone = Workload(min(16, prompt), answer // 2)
    batches = _batches(
        default.batch_tokens, min(room, scale * STEP_SECONDS / speed.prefill_seconds)
    )
    kv_types = (options.kv_type, "q8_0" if options.kv_type != "q8_0" else "f16")
    threads = _choices("threads", (default.threads, *cores))
    threads_batch = _choices("threads_batch", (default.threads_batch, *cores))
    # "auto" is "on" wherever the runtime has it for the device, so "on" is no third choice.
    flash = _choices("flash_attention", ("auto", "off"))
    sizes = _choices("batch_tokens", batches)
    kv_type, repack = _choices("kv_type", kv_types), _choices("repack", (True, False))
    return [
        Parameter("threads", threads, alone, "decode", needs_load=False),
        Parameter("threads_batch", threads_batch, burst, "request", needs_load=False),
        Parameter("flash_attention", flash, request, "request"),
        Parameter("batch_tokens", sizes, Workload(min(room, max(batches))), "prefill"),
        Parameter("kv_type", kv_type, request, "request", is_advice=True),
        Parameter("repack", repack, request, "request", is_advice=True),
    ]


def _batches(default: int, most_tokens: float) -> tuple[int, ...]:
    """The default, and others that are filled by what this device computes in a step."""
    return (default, *(size for size in BATCHES if size != default and size <= most_tokens))


def _choices(field: str, values: Sequence[object]) -> tuple[Choice, ...]:
    """Each value once, in order."""
    return tuple(Choice(_label(value), {field: value}) for value in dict.fromkeys(values))


def _label(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def together(tuned: EngineOptions, default: EngineOptions, workload: Workload) -> Parameter:
    """All that was chosen one by one, which stays unless the default clearly beats it."""
    names = Chosen.__struct_fields__
    after, before = ({name: getattr(o, name) for name in names} for o in (tuned, default))
    choices = (Choice("tuned", after), Choice("default", before))
    return Parameter(TOGETHER, choices, workload, "request")
