"""What the catalogue says of a model, and of each of its quantisations for each runtime."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

Backend: TypeAlias = Literal["llama_cpp", "mlc", "hailo", "ort_genai"]
Task: TypeAlias = Literal["chat", "embedding", "rerank"]


class ModelFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a variant. Where size or digest is None, the hub says it at pull time.

    `size_bytes` is what the file must have: an estimate has no place here.
    """

    path: str  # inside its repository, or the last part of its address
    size_bytes: int | None = None
    sha256: str | None = None


class Requires(Struct, frozen=True, forbid_unknown_fields=True):
    """What a variant needs of the device beyond memory. Empty = anything will do."""

    device: str = ""  # "cpu", "cuda", "vulkan", "metal", "opencl", "hailo10h", "qnn", ...
    runtime: str = ""  # the runtime's version that the file was made for, e.g. "HailoRT 5.1"


class Measured(Struct, frozen=True, forbid_unknown_fields=True):
    """What `edgellm quant` measured of the very files. Empty where it was not asked to.

    The loss is against the unquantised model, and holds everywhere; the rest is of one device.
    """

    kld_mean: float | None = None  # Kullback-Leibler divergence, nats per token
    perplexity_ratio: float | None = None  # 1 = as before
    top1: float | None = None  # share of tokens (0..1) at which both like the same best
    device: str = ""  # `HardwareProfile.label` of where the following was measured
    resident_bytes: int | None = None  # once it is loaded
    prefill_tokens_per_second: float | None = None
    decode_tokens_per_second: float | None = None  # after a prompt of 256 tokens


class Variant(Struct, frozen=True, forbid_unknown_fields=True):
    """A model in one quantisation, for one runtime: an `asset`, or a `source` with `files`.

    Without `files`, all of the source's `folder` is meant (all of the repository if that is empty).
    """

    backend: Backend
    quant: str  # e.g. "F16", "Q4_K_M", "q4f16_1", "int4", "a8w4"
    asset: str = ""  # a file that comes with edgellm
    # "hf:owner/repo", the https address that the files' paths follow, or "file:/folder" of a file
    # that was made on this device.
    source: str = ""
    revision: str = "main"  # of a hub's repository
    files: tuple[ModelFile, ...] = ()  # the first is the one that a runtime opens
    folder: str = ""  # of the repository; taken whole
    pins: tuple[ModelFile, ...] = ()  # what is known of some files of the folder
    expected_bytes: int | None = None  # of all files, where no size is pinned; within some 5 %
    projector: ModelFile | None = None  # of a model that sees; from the same source
    context: int | None = None  # tokens, where it is less than the model's own (Hailo: 2,048)
    memory_bytes: int | None = None  # published, where no file tells (MLC: at 4,096 tokens)
    tokens_per_second: float | None = None  # published by the vendor for its one device (Hailo)
    requires: Requires = Requires()
    measured: Measured | None = None

    @property
    def size_bytes(self) -> int | None:
        """Of all files; None if one of them is not known."""
        sizes = [file.size_bytes for file in self.files]
        known = [size for size in sizes if size is not None]
        return sum(known) if known and len(known) == len(sizes) else None

    @property
    def planned_bytes(self) -> int | None:
        """The size to plan with: the pinned one, or about what to expect."""
        return self.size_bytes or self.expected_bytes


class Shape(Struct, frozen=True, forbid_unknown_fields=True):
    """What memory and speed depend on, for a plan before any file is there. Bytes per sequence."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    ffn: int = 0
    tied: bool = True  # the output shares the embedding's weights
    kv_bytes_per_token: int = 0  # at f16, of the layers that keep the whole context
    window_bytes: int = 0  # at f16, of sliding-window layers once their window is full
    window: int = 0  # tokens of it
    state_bytes: int = 0  # of recurrent layers, f32
    decode_params: int = 0  # read for each token: no untied embedding, no idle experts


class ModelCard(Struct, frozen=True, forbid_unknown_fields=True):
    """A model, whatever its quantisation. `parser` names its format of tool calls."""

    id: str
    params: int
    context: int  # tokens that it was trained for
    licence: str  # SPDX where it has one
    shape: Shape
    variants: tuple[Variant, ...]
    name: str = ""
    family: str = ""
    base: str = ""  # where its makers describe it: "hf:owner/repo"
    task: Task = "chat"
    parser: str | None = None
    description: str = ""
    commercial: bool = True  # whether the licence allows commercial use
    quality: float | None = None  # 0..100, one scale for all models; None = no published score
    is_general: bool = True  # for anyone's chat; what is made for code or pictures must be named
    features: tuple[Literal["tools", "thinking", "vision"], ...] = ()
    dimensions: int | None = None  # of embeddings
    pooling: Literal["mean", "cls", "last", "rank"] | None = None  # of embeddings and rerankers
    query_prefix: str = ""
    document_prefix: str = ""
    aliases: tuple[str, ...] = ()

    def name_of(self, variant: Variant) -> str:
        """What a user may write for it; an id that names a file or a quantisation is enough."""
        id_ = self.id.lower()
        is_enough = id_.endswith((".gguf", variant.quant.lower()))
        return self.id if is_enough else f"{self.id}:{variant.quant}"

    @property
    def names(self) -> tuple[str, ...]:
        """Its id and aliases, in lower case."""
        return (self.id.lower(), *(alias.lower() for alias in self.aliases))


class Catalog(Struct, frozen=True, forbid_unknown_fields=True):
    """All cards; ids and aliases are unique."""

    models: tuple[ModelCard, ...]

    def find(self, name: str) -> ModelCard | None:
        """The card of that id or alias, in any case of letters."""
        wanted = name.lower()
        return next((card for card in self.models if wanted in card.names), None)

    @property
    def names(self) -> tuple[str, ...]:
        """Every id and alias, in lower case."""
        return tuple(name for card in self.models for name in card.names)
