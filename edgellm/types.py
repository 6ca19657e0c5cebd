"""The words of one request, shared by every dialect, the router and the parsers.

A dialect in `api/` translates its own JSON into a `GenerateRequest` and the `Event`s back into its
own JSON; nothing else of a dialect leaks inward. Nothing here knows HTTP, processes or tokens'
texts beyond what an answer carries.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls"]
KVType: TypeAlias = Literal["f16", "bf16", "f32", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]
ConstraintKind: TypeAlias = Literal["json_schema", "regex", "grammar"]
FlashAttention: TypeAlias = Literal["auto", "on", "off"]
SwaCache: TypeAlias = Literal["full", "window"]
Pooling: TypeAlias = Literal["mean", "cls", "last"]  # of tokens' vectors to a text's
Capability: TypeAlias = Literal["completion", "embedding", "rerank"]
EngineState: TypeAlias = Literal["stopped", "starting", "ready", "draining", "crashed"]
# "waiting": requests want the model, and there is no room in memory yet.
ModelState: TypeAlias = EngineState | Literal["waiting"]


class ToolCall(Struct, frozen=True):
    """A call that an assistant made. `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


class Message(Struct, frozen=True):
    """One turn. `tool_call_id`, `name`: of a `tool` turn; the others: of an assistant's."""

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    reasoning: str = ""  # before the content and the calls; templates show it where it helps


class Tool(Struct, frozen=True):
    """A function that the model may call; `parameters` is a JSON Schema object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    is_strict: bool = False  # the arguments of a call are held to `parameters`


class Sampling(Struct, frozen=True, omit_defaults=True):
    """How tokens are chosen and when to stop. None = the model's own default.

    The samplers and their order are llama.cpp's (`common/sampling.cpp`): logit bias, penalties,
    top_k, typical_p, top_p, min_p, temperature, then a draw. `temperature` 0 is greedy.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repeat_penalty: float | None = None  # 1.0 = off; sees the prompt's last tokens and the answer
    repeat_last_n: int | None = None  # tokens that repeat_penalty looks back on; -1 = all
    presence_penalty: float | None = None  # sees the answer only
    frequency_penalty: float | None = None  # sees the answer only
    seed: int | None = None  # None = a fresh one for each request
    logit_bias: dict[int, float] = {}  # token id -> added to its logit
    max_tokens: int | None = None  # None = as many as the context holds
    min_tokens: int = 0  # the end-of-text tokens are banned before that many
    ignore_eos: bool = False
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None  # None = no log-probabilities; 0 = the chosen token's only


class Constraint(Struct, frozen=True, omit_defaults=True):
    """What an answer must match, from its first token to its last.

    `text` is a JSON Schema (as JSON), a regular expression, or a grammar in llguidance's dialect of
    Lark or in llama.cpp's GBNF. With `after` the answer is free until it has written that text
    (the end of a reasoning), and cannot end before it.
    """

    kind: ConstraintKind
    text: str
    param: str = "response_format"  # the request's field that it came from, for errors
    after: str = ""


class GenerateRequest(Struct, frozen=True):
    """One answer to make. Exactly one of `messages` (chat) and `prompt` (raw text or token ids)."""

    model: str
    messages: tuple[Message, ...] = ()
    prompt: str | tuple[int, ...] | None = None
    tools: tuple[Tool, ...] = ()
    sampling: Sampling = Sampling()
    must_call: tuple[str, ...] = ()  # the answer is a call of one of these tools, and nothing else
    parallel_tool_calls: bool = True  # False: one call at most
    constraint: Constraint | None = None
    echo: bool = False  # raw prompts only: begin the answer with the prompt's own text
    suffix: str = ""  # raw prompts only: the answer goes between the prompt and this
    continues_last: bool = False  # the answer goes on in the last message, an assistant's
    is_thinking: bool | None = None  # reason before the answer; None = as the model does
    effort: str | None = None  # of the reasoning: "low", "medium" or "high", in models that can
    template_variables: dict[str, Any] = {}  # further names for the chat template
    client: str = ""  # who asks: those who wait take turns, so that nobody takes all slots
    may_wait: bool = True  # for the model to be loaded; otherwise ModelLoading says how long
    keep_alive_seconds: float | None = None  # from now on; None = as it is, infinity = for ever
    deadline_seconds: float | None = None  # from when it came; then it ends with an error


class Usage(Struct, frozen=True):
    """Tokens of one answer. `cached_tokens` of the prompt's were not computed again;
    `reasoning_tokens` of the completion's were not part of the answer."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Timings(Struct, frozen=True):
    """Wall-clock seconds: waiting for a slot, computing the prompt, producing the answer."""

    queue_seconds: float = 0.0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0


class TokenLogprob(Struct, frozen=True):
    """A token, its natural-log probability before any sampler, and the likeliest alternatives."""

    token: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...] = ()


class Started(Struct, frozen=True):
    """The prompt was accepted: it fits, and it is queued. Always the first event of an answer.
    `fingerprint` changes with the model's file, the engine and what else results depend on."""

    prompt_tokens: int
    fingerprint: str = ""


class TextDelta(Struct, frozen=True):
    """More of the answer. Never ends inside a character; `text` may be empty with logprobs."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


class ReasoningDelta(Struct, frozen=True):
    """More of the model's reasoning, which is not part of the answer."""

    text: str


class ToolCallDelta(Struct, frozen=True):
    """A piece of call number `index`: `id` and `name` come with the first piece only."""

    index: int
    arguments: str
    id: str | None = None
    name: str | None = None


class Finished(Struct, frozen=True):
    """The end of an answer; nothing follows. `stop`: the stop text that ended it, if one did."""

    reason: FinishReason
    usage: Usage
    timings: Timings = Timings()
    stop: str | None = None


class EmbedRequest(Struct, frozen=True):
    """Texts (or token ids) to embed, in order.

    `must_truncate`: a text that is too long loses its end; otherwise it is an error. What a model
    wants in front of a text ("query: ") is the client's to write.
    """

    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    must_truncate: bool = False
    pooling: Pooling | None = None  # None = the model's own; a chat model's is the mean
    is_normalized: bool = True  # to unit length
    dimensions: int | None = None  # the first ones only, for models that are trained for it
    param: str = "input"  # the request's field that they came from, for errors
    client: str = ""
    may_wait: bool = True
    keep_alive_seconds: float | None = None


class Embeddings(Struct, frozen=True):
    """One vector for each input, in order, of unit length unless asked otherwise;
    `prompt_tokens` of all together."""

    vectors: tuple[tuple[float, ...], ...]
    prompt_tokens: int


class RerankRequest(Struct, frozen=True):
    """Documents to judge by how well they answer the query."""

    model: str
    query: str
    documents: tuple[str, ...]
    client: str = ""
    may_wait: bool = True


class Scores(Struct, frozen=True):
    """One score for each document, in order; higher is better. A reranker's go from 0 to 1;
    a model that is made for embeddings has the cosine of query and document, -1 to 1."""

    scores: tuple[float, ...]
    prompt_tokens: int


Event: TypeAlias = Started | TextDelta | ReasoningDelta | ToolCallDelta | Finished


class EngineOptions(Struct, frozen=True):
    """How a model is loaded and computed. 0 = let the runtime choose."""

    context: int = 0  # tokens of one sequence; 0 = the model's own
    parallel: int = 4  # sequences at a time
    cells: int = 0  # tokens that the whole KV cache holds; 0 = context * parallel
    threads: int = 0  # of a step of one token; 0 = as many as this process may use
    threads_batch: int = 0  # of larger steps: prompts, several answers; 0 = as `threads`
    batch_tokens: int = 0  # that a step takes at most
    kv_type: KVType = "f16"  # of the KV cache's values; quantised ones need flash attention
    flash_attention: FlashAttention = "auto"
    repack: bool = True  # copy weights into the order that the CPU computes fastest
    swa_cache: SwaCache = "full"  # tokens that sliding-window layers keep: all, or the window's
    speculate: bool = False  # guess repeated text and check it, while that pays
    draft_path: str = ""  # a model that guesses tokens, while that pays; empty = none
    cache_ram: int = 0  # MiB of main memory for computed prompts; 0 = what the device can spare
    gpu_layers: int = -1  # computed by an accelerator; -1 = let the runtime choose, 0 = none


class EngineStats(Struct, frozen=True):
    """What an engine did since it started, and what it is doing now."""

    num_running: int = 0
    num_waiting: int = 0
    num_prompt_tokens: int = 0  # prompt tokens computed
    num_generated_tokens: int = 0
    num_embedded_tokens: int = 0  # of texts for embeddings and scores
    num_guessed_tokens: int = 0  # by speculation
    num_kept_tokens: int = 0  # of the guessed ones: they were what the model chose
    num_steps: int = 0
    num_cells: int = 0  # of the KV cache, one for each token that it can hold
    num_used_cells: int = 0  # of these, by answers and by what is kept for the next ones


UpgradeState: TypeAlias = Literal[
    "planning", "asking", "fetching", "loading", "done", "stays", "failed"
]


class UpgradeStatus(Struct, frozen=True):
    """How far a server is that looks for a better model than the built-in one, for `/health`."""

    state: UpgradeState
    model: str = ""  # that was chosen, e.g. "qwen3-4b:Q4_K_M"
    done_bytes: int = 0
    total_bytes: int | None = None
    bytes_per_second: float | None = None
    message: str = ""  # why this model, why none, or what failed
    hint: str = ""

    @property
    def percent(self) -> int | None:
        """Of the download; None where its size is not known."""
        return 100 * self.done_bytes // self.total_bytes if self.total_bytes else None


class ModelStatus(Struct, frozen=True):
    """A served model, for `/v1/models`, `/admin/models` and `/health`."""

    id: str
    state: ModelState
    created: int  # Unix seconds: the model file's modification time
    aliases: tuple[str, ...] = ()
    progress: float = 0.0  # of the load, 0..1
    context: int | None = None  # tokens of one sequence; None until it was loaded once
    parallel: int | None = None  # sequences at a time
    capabilities: tuple[Capability, ...] = ()  # empty until it was loaded once
    description: str = ""  # e.g. "llama 7B Q4_K - Medium"
    size_bytes: int | None = None
    num_restarts: int = 0
    error: str | None = None  # why the last load failed or the engine died; None once it is ready
    hint: str = ""
    last_crash: str | None = None  # the reason of the newest crash, kept after the recovery
    stats: EngineStats = EngineStats()
    memory_bytes: int | None = None  # that its engine takes now; None = not loaded, or not known
    needed_bytes: int | None = None  # that are reserved for it, or will be when it is loaded
    gpu_share: float = 0.0  # of its layers, 0..1: those that an accelerator computes
    is_pinned: bool = False
    num_requests: int = 0  # that use it now
    num_waiting: int = 0  # that wait for it to be loaded
    idle_seconds: float | None = None  # since the last request; None = in use, or not loaded
    unload_seconds: float | None = None  # until it is unloaded; None = not by itself
    warnings: tuple[str, ...] = ()
    version: str = ""  # of the file: the beginning of its sha256, or its quantisation


class DeviceStatus(Struct, frozen=True):
    """What the server's device is like now. None = not known."""

    server_bytes: int | None = None  # resident in the server's own process
    temperature_celsius: float | None = None
    is_throttled: bool | None = None
