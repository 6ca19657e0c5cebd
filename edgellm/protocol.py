"""The only thing that the server and an engine process share: the frames, and how they travel.

A frame is a 4-byte little-endian length and that many bytes of MessagePack, which hold one tagged
message. The server writes `ToEngine` to the child's stdin, the child writes `FromEngine` to the
descriptor that was its stdout. Ids are the server's; an id ends in exactly one `Done`, `Reply` or
`Failed`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from edgellm.errors import EngineCrashed
from edgellm.types import (
    Capability,
    Constraint,
    EngineOptions,
    EngineStats,
    FinishReason,
    Pooling,
    Sampling,
    Timings,
    TokenLogprob,
    Usage,
)

MAX_FRAME_BYTES = 256 * 1024 * 1024
_LENGTH = struct.Struct("<I")

FailureKind: TypeAlias = Literal["load", "context_length", "invalid_request", "internal"]


class Load(Struct, frozen=True, tag="load"):
    """The first frame: which model, and how."""

    backend: str
    path: str
    options: EngineOptions = EngineOptions()
    prefix_folder: str = ""  # where computed prefixes are kept over restarts; empty = nowhere


class Generate(Struct, frozen=True, tag="generate"):
    """Complete `prompt`: pieces of text and token ids, in order.

    Each text is tokenised by itself, control tokens included. The model's own beginning-of-text
    token is put in front of a text that comes first, where the model wants one and it has none.
    With `generated`, the answer goes on behind these tokens, which another engine has made; their
    text is not told again. Control tokens have no text in an answer, but for those in `shown`. With
    `constraint`, no token is drawn that does not fit it.
    """

    id: int
    prompt: tuple[str | int, ...]
    sampling: Sampling = Sampling()
    echo: bool = False
    client: str = ""  # the same for requests that should queue behind each other
    generated: tuple[int, ...] = ()
    shown: tuple[str, ...] = ()  # texts of control tokens; what is none in this model is ignored
    constraint: Constraint | None = None


class Tokenize(Struct, frozen=True, tag="tokenize"):
    """Answered by `Tokens`, or `Failed`. The pieces are read as `Generate.prompt` is, with these
    differences: without `add_special`, no beginning-of-text token (nor whatever else the model
    wants around a text) is added; without `parse_special`, control tokens' texts are plain text.
    """

    id: int
    pieces: tuple[str | int, ...]
    add_special: bool = True
    parse_special: bool = True


class Detokenize(Struct, frozen=True, tag="detokenize"):
    """Answered by `Texts`, or `Failed` for an id that is no token's."""

    id: int
    tokens: tuple[int, ...]


class Embed(Struct, frozen=True, tag="embed"):
    """Answered by `Vectors`, or `Failed`. Texts get what the model wants around them; token ids are
    taken as they are."""

    id: int
    inputs: tuple[str | tuple[int, ...], ...]
    must_truncate: bool = False
    pooling: Pooling | None = None  # None = the model's own
    is_normalized: bool = True
    dimensions: int | None = None
    param: str = "input"  # the request's field, for errors
    names: tuple[str, ...] = ()  # of each input, where one field did not hold them all


class Rank(Struct, frozen=True, tag="rank"):
    """Answered by `Ranks`, or `Failed`."""

    id: int
    query: str
    documents: tuple[str, ...]


class Cancel(Struct, frozen=True, tag="cancel"):
    """Nobody waits for this id any more. No answer follows, and an unknown id is no error. What
    is answered by one frame may be answered all the same."""

    id: int


class Shutdown(Struct, frozen=True, tag="shutdown"):
    """Stop at once; running ids get no answer. End of file on stdin means the same."""


class Progress(Struct, frozen=True, tag="progress"):
    """How much of the model is loaded, 0..1."""

    fraction: float


class ModelInfo(Struct, frozen=True):
    """What the server must know of a loaded model."""

    description: str
    architecture: str
    num_params: int
    size_bytes: int
    num_layers: int
    context: int  # tokens that one sequence may hold
    trained_context: int
    parallel: int
    vocab_size: int
    chat_template: str | None
    bos_token: str
    eos_token: str
    control_tokens: tuple[str, ...]  # texts that the tokenizer turns into control tokens
    name: str = ""
    sampling: Sampling = Sampling()  # the model's own defaults
    engine: str = ""  # runtime and version
    gpu_layers: int = 0  # that an accelerator computes
    capabilities: tuple[Capability, ...] = ("completion",)
    embedding_width: int = 0  # values of a vector
    buffer_bytes: int = 0  # of main memory for weights, KV cache and computing; 0 = not known
    fim_prefix: int | None = None  # the tokens before the texts around a gap; None = there is none
    fim_suffix: int | None = None
    fim_middle: int | None = None  # before the text that fills the gap


class Ready(Struct, frozen=True, tag="ready"):
    """The model is loaded; `Generate` may follow."""

    model: ModelInfo
    load_seconds: float


class Accepted(Struct, frozen=True, tag="accepted"):
    """The prompt is tokenised and fits. Comes before any `Delta` of its id."""

    id: int
    num_prompt_tokens: int


class Delta(Struct, frozen=True, tag="delta"):
    """More text of an answer. Never splits a character; never holds a stop string's beginning.

    `tokens` are all that were made since the last one; the end of their text may be held back. The
    tokens of all Deltas together are what `Generate.generated` needs for the answer to go on.
    """

    id: int
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()
    tokens: tuple[int, ...] = ()


class Done(Struct, frozen=True, tag="done"):
    """The answer is complete. `stop`: the stop string that ended it, if one did."""

    id: int
    reason: FinishReason
    usage: Usage
    timings: Timings
    stop: str | None = None


class Tokens(Struct, frozen=True, tag="tokens"):
    """The tokens of all pieces together."""

    id: int
    tokens: tuple[int, ...]


class Texts(Struct, frozen=True, tag="texts"):
    """The text of each token, control tokens included; it may be a part of a character."""

    id: int
    texts: tuple[bytes, ...]


class Vectors(Struct, frozen=True, tag="vectors"):
    """`data`: little-endian float32, the vectors one behind the other, each `width` long."""

    id: int
    width: int
    data: bytes
    num_prompt_tokens: int


class Ranks(Struct, frozen=True, tag="ranks"):
    """A score for each document, in order."""

    id: int
    scores: tuple[float, ...]
    num_prompt_tokens: int


class Failed(Struct, frozen=True, tag="failed"):
    """This id, or with None the engine itself, cannot go on."""

    id: int | None
    kind: FailureKind
    message: str
    hint: str = ""
    param: str = "prompt"  # with kind "invalid_request", and "context_length" of an embedding
    num_prompt_tokens: int = 0  # with kind "context_length"
    context: int = 0


class Stats(Struct, frozen=True, tag="stats"):
    """Sent when something changed, at most every 100 ms, and always when the engine falls idle."""

    stats: EngineStats


Question: TypeAlias = Tokenize | Detokenize | Embed | Rank  # answered by one frame
Reply: TypeAlias = Tokens | Texts | Vectors | Ranks
ToEngine: TypeAlias = Load | Generate | Question | Cancel | Shutdown
FromEngine: TypeAlias = Progress | Ready | Accepted | Delta | Done | Reply | Failed | Stats

_encoder = msgspec.msgpack.Encoder()
_to_engine: msgspec.msgpack.Decoder[ToEngine] = msgspec.msgpack.Decoder(ToEngine)
_from_engine: msgspec.msgpack.Decoder[FromEngine] = msgspec.msgpack.Decoder(FromEngine)


def encode_frames(messages: Iterable[ToEngine | FromEngine]) -> bytes:
    """One buffer of frames, so that the messages of a step cost one write."""
    parts: list[bytes] = []
    for message in messages:
        payload = _encoder.encode(message)
        parts += (_LENGTH.pack(len(payload)), payload)
    return b"".join(parts)


def _frame_length(header: bytes) -> int:
    length: int = _LENGTH.unpack(header)[0]
    if length > MAX_FRAME_BYTES:
        raise EngineCrashed(
            f"A frame claims {length} bytes; something else was written to the engine's pipe."
        )
    return length


def read_frame(read_exactly: Callable[[int], bytes]) -> ToEngine | None:
    """The next frame for the engine; None at end of file.

    Args:
        read_exactly: gives that many bytes, or fewer only at end of file.
    """
    header = read_exactly(_LENGTH.size)
    if len(header) < _LENGTH.size:
        return None
    payload = read_exactly(_frame_length(header))
    return _to_engine.decode(payload)


class FrameBuffer:
    """Turns the bytes that come from an engine into messages, however they are cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[FromEngine]:
        """The messages that are complete now.

        Raises:
            EngineCrashed: the bytes are not frames; those before them came out first.
        """
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _frame_length(bytes(self._buffer[: _LENGTH.size]))
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield self._decode(payload)

    @staticmethod
    def _decode(payload: bytes) -> FromEngine:
        try:
            return _from_engine.decode(payload)
        except msgspec.DecodeError as error:
            raise EngineCrashed(f"The engine wrote a frame that cannot be read: {error}") from error
