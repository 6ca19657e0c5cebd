"""A model that was asked for: its engine process, who uses it, and what is known of its memory.

Decides nothing: `pool.py` does.
"""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path

from edgellm.chat.call_grammar import answer_constraint
from edgellm.chat.continuation import told_of
from edgellm.chat.infill import infill_prompt
from edgellm.chat.parsers import choose_parser, parser_name
from edgellm.chat.parsers.base import OutputParser
from edgellm.chat.parsers.plain import PlainParser
from edgellm.chat.template import CHATML, ChatTemplate
from edgellm.chat.thinking import THINK_END, as_asked, is_begun, variables_of
from edgellm.errors import EngineError
from edgellm.protocol import ModelInfo
from edgellm.serving.backoff import Backoff
from edgellm.serving.fingerprint import fingerprint
from edgellm.serving.meter import MIB, RUNTIME_BYTES, Meter
from edgellm.serving.process import EngineProcess
from edgellm.serving.resolver import ServedModel
from edgellm.types import Constraint, EngineOptions, GenerateRequest, ModelState, ModelStatus

UNUSED_SECONDS = 60.0  # that a model stays which was loaded and that nobody has used yet


class Entry:
    """Mutable; all of it changes between awaits only."""

    def __init__(
        self,
        model: ServedModel,
        process: EngineProcess,
        keep_alive_seconds: float = math.inf,
    ) -> None:
        self.model = model
        self.options = model.options
        self.process = process
        self.keep_alive_seconds = keep_alive_seconds
        self.is_resident = False  # memory is reserved: it loads, serves or leaves
        self.is_leaving = False
        self.is_stopping = False  # it leaves as soon as it is idle, and takes no new requests
        self.is_pinned = False
        self.is_used = False  # since it was loaded
        self.num_requests = 0
        self.num_waiting = 0
        self.gone = asyncio.Event()  # set at each moment at which it has left memory
        self.last_used = 0.0
        self.loading_since: float | None = None
        self.failure: EngineError | None = None  # of the newest load
        self.backoff = Backoff()
        self.retry_at = -math.inf  # before it, a load that failed is not tried again
        self.warnings: tuple[str, ...] = ()
        self._template: ChatTemplate | None = None
        self._fingerprint: tuple[ModelInfo, str] | None = None
        self._resident_bytes: int | None = None
        self._estimate: int | None = None
        self._reclaimable_bytes = 0
        self._peak_bytes = 0  # ever measured
        self._told_bytes = 0  # by the runtime
        self._too_small_bytes = 0  # room in which a load was killed for memory

    # -- use ------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self.model.id

    @property
    def is_loading(self) -> bool:
        return self.loading_since is not None

    @property
    def is_idle(self) -> bool:
        return self.is_resident and not (self.num_requests or self.is_leaving or self.is_loading)

    @property
    def is_forgettable(self) -> bool:
        """Whether nothing would be lost if another entry took its place."""
        return not (self.is_resident or self.num_requests or self.num_waiting)

    def begin(self) -> None:
        self.num_requests += 1
        self.is_used = True

    def end(self, now: float) -> None:
        self.num_requests -= 1
        self.last_used = now

    def expires_at(self) -> float:
        """When it leaves by itself, on the pool's clock; infinity for never."""
        if self.is_pinned or not self.is_idle:
            return math.inf
        least = 0.0 if self.is_used else UNUSED_SECONDS
        return self.last_used + max(least, self.keep_alive_seconds)

    # -- memory ---------------------------------------------------------------------------------

    def needed_bytes(self, meter: Meter) -> int | None:
        """Memory to reserve for it: the estimate, or more where more was seen. None = unknown."""
        if self._estimate is None:
            self._estimate = meter.estimate(self.model, self.options)
            self._reclaimable_bytes = meter.reclaimable(self.model, self.options)
        seen = max(self._peak_bytes, self._told_bytes) - self._reclaimable_bytes
        return max(self._estimate or 0, seen, self._too_small_bytes) or None

    def measure(self, meter: Meter) -> None:
        """Look at its process."""
        pid = self.process.pid
        resident = meter.resident(pid) if pid is not None else None
        self._resident_bytes = resident.now_bytes if resident else None
        if resident is not None:
            self._peak_bytes = max(self._peak_bytes, resident.peak_bytes)

    def note_ready(self, info: ModelInfo) -> None:
        """What the runtime says of its buffers, which fill up only while it answers."""
        self.failure, self.backoff = None, Backoff()
        if info.buffer_bytes:
            self._told_bytes = info.buffer_bytes + RUNTIME_BYTES + self.options.cache_ram * MIB
        self.warnings = accelerator_warnings(self.options, info)

    def note_killed(self, room_bytes: int) -> None:
        """It was killed for memory while it loaded, with that much reserved for it."""
        self._too_small_bytes = max(self._too_small_bytes, room_bytes + 1)

    def forgive(self) -> None:
        """Let a load be tried again at once, whatever became of the last one."""
        self.retry_at = -math.inf
        self._too_small_bytes = 0

    @property
    def resident_bytes(self) -> int:
        """Now, without what the kernel takes back as soon as others want it."""
        return max(0, (self._resident_bytes or 0) - self._reclaimable_bytes)

    @property
    def peak_bytes(self) -> int:
        return self._peak_bytes

    @property
    def size_bytes(self) -> int | None:
        """Of the model's file; None where it cannot be read."""
        return size_of(self.model.path)

    # -- what it is asked, and what it tells ----------------------------------------------------

    def prompt(self, request: GenerateRequest, info: ModelInfo) -> tuple[str | int, ...]:
        """What the engine is to complete."""
        if request.suffix:
            return self._infill_prompt(request, info)
        match request.prompt:
            case None:
                return self._chat_prompt(request, info)
            case str(text):
                return (text,)
            case tokens:
                return tokens

    def parser(
        self, request: GenerateRequest, info: ModelInfo, prompt: tuple[str | int, ...]
    ) -> OutputParser:
        """What turns the answer's text into events; the text of a raw prompt is the answer."""
        if request.prompt is not None:
            return PlainParser()
        return choose_parser(
            self.model.parser,
            self.template(info).source,
            tools=request.tools,
            prompt=prompt,
            told=told_of(request),
        )

    def constraint(
        self, request: GenerateRequest, info: ModelInfo, prompt: tuple[str | int, ...]
    ) -> Constraint | None:
        """What the answer must match; behind the reasoning, where the prompt has begun it."""
        format_ = parser_name(self.model.parser, self.template(info).source)
        is_thinking = request.prompt is None and is_begun(prompt, told_of(request))
        return answer_constraint(request, format_, THINK_END if is_thinking else "")

    def _chat_prompt(self, request: GenerateRequest, info: ModelInfo) -> tuple[str, ...]:
        template = self.template(info)
        prompt = template.render(
            request.messages,
            request.tools,
            continues_last=request.continues_last,
            variables=variables_of(request, parser_name(self.model.parser, template.source)),
        )
        return prompt if told_of(request) else as_asked(prompt, request, template.source)

    def _infill_prompt(self, request: GenerateRequest, info: ModelInfo) -> tuple[str | int, ...]:
        """The prompt with a gap behind it, and the text behind the gap."""
        pieces = self.template(info).text_pieces
        prompt = request.prompt or ""
        before = pieces(prompt) if isinstance(prompt, str) else prompt
        return infill_prompt(before, pieces(request.suffix), info)

    def fingerprint(self, info: ModelInfo) -> str:
        """Of the model and the engine that answer; the file is looked at once."""
        if self._fingerprint is None or self._fingerprint[0] != info:
            self._fingerprint = (info, fingerprint(self.model, info))
        return self._fingerprint[1]

    def template(self, info: ModelInfo) -> ChatTemplate:
        """Compiled once; a model that has none gets ChatML, the most common one."""
        source = info.chat_template or CHATML
        if self._template is None or self._template.source != source:
            self._template = ChatTemplate(
                source,
                bos_token=info.bos_token,
                eos_token=info.eos_token,
                control_tokens=info.control_tokens,
            )
        return self._template

    def status(self, meter: Meter, now: float) -> ModelStatus:
        process, info = self.process, self.process.model
        error = process.error or self.failure
        expires_at = self.expires_at()
        return ModelStatus(
            id=self.model.id,
            state=self._state(),
            created=modified_at(self.model.path),
            aliases=self.model.aliases,
            progress=process.progress if self.is_resident else 0.0,
            context=info.context if info else None,
            parallel=info.parallel if info else None,
            capabilities=info.capabilities if info else (),
            description=info.description if info else "",
            size_bytes=info.size_bytes if info else self.size_bytes,
            num_restarts=process.num_restarts,
            error=error.message if error else None,
            hint=error.hint if error else "",
            last_crash=process.last_crash,
            stats=process.stats,
            memory_bytes=self._resident_bytes if self.is_resident else None,
            needed_bytes=self.needed_bytes(meter),
            gpu_share=gpu_share(info) if info else 0.0,
            is_pinned=self.is_pinned,
            num_requests=self.num_requests,
            num_waiting=self.num_waiting,
            idle_seconds=max(0.0, now - self.last_used) if self.is_idle else None,
            unload_seconds=max(0.0, expires_at - now) if math.isfinite(expires_at) else None,
            warnings=self.warnings,
            version=version_of(self.model, info.description if info else ""),
        )

    def _state(self) -> ModelState:
        if not self.is_resident and self.num_waiting:
            return "waiting"
        return self.process.state


def accelerator_warnings(options: EngineOptions, info: ModelInfo) -> tuple[str, ...]:
    """An accelerator that was planned and is not used is never silent."""
    planned = min(options.gpu_layers, info.num_layers)
    if info.gpu_layers >= planned:
        return ()
    where = f"{info.gpu_layers} of" if info.gpu_layers else "none of"
    return (
        f"{where} the {planned} layers that were planned for an accelerator are on it; "
        "the CPU computes the rest (see edgellm doctor)",
    )


def gpu_share(info: ModelInfo) -> float:
    """Of the model's layers; runtimes count the output as one more."""
    return min(1.0, info.gpu_layers / info.num_layers) if info.num_layers else 0.0


def unloaded_status(model: ServedModel) -> ModelStatus:
    """Of a model that nobody has asked for yet."""
    return ModelStatus(
        id=model.id,
        state="stopped",
        created=modified_at(model.path),
        aliases=model.aliases,
        size_bytes=size_of(model.path),
        version=version_of(model),
    )


def version_of(model: ServedModel, description: str = "") -> str:
    """A short word that tells one file of a model from another; "" where none is known.

    Args:
        description: llama.cpp's: architecture, size and type, such as "llama 7B Q4_K - Medium".
    """
    if model.digest:
        return model.digest.removeprefix("sha256:")[:12]
    _, _, quant = (*description.split(" ", 2), "", "")[:3]
    return "-".join(quant.split(" - "))


def modified_at(path: Path) -> int:
    """Unix seconds; now, where the file is gone."""
    try:
        return int(path.stat().st_mtime)
    except OSError:
        return int(time.time())


def size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
