"""Every error that a user can meet: a message that says what, and a hint that says what to do.

    EdgellmError
    ├── RequestError            the caller can mend it (HTTP 4xx)
    │   ├── InvalidRequest      a field has a bad value; `param` names it
    │   ├── ContextLengthExceeded
    │   ├── ModelNotFound
    │   ├── ModelBusy           it is answering, so it cannot be unloaded
    │   ├── AdminRefused        this client may not manage models
    │   └── TemplateError       the model's chat template refused the messages
    ├── EngineError             the engine process (HTTP 5xx)
    │   ├── EngineLoadError     the model cannot be loaded; trying again will not help
    │   │   └── NotEnoughMemory
    │   ├── EngineBusy          the queue is full, or the server is shutting down
    │   │   └── ModelLoading    and the client did not want to wait for it
    │   └── EngineCrashed       the process died, or broke the protocol
    ├── ModelFileError          a path that is not a model
    ├── StoreError              fetching or keeping model files
    │   ├── DownloadFailed      the network, or a remote that failed; another try may help
    │   │   └── TooManyRequests
    │   ├── AccessDenied        a login or a licence's acceptance is missing
    │   ├── RemoteNotFound      no such repository, revision or file
    │   ├── DigestMismatch      the content is not what it has to be; it was moved aside
    │   ├── DiskFull            the disk has, or would have, no room
    │   ├── FolderUnusable      the models' folder cannot be read or written
    │   ├── ModelInUse          another process has the model open
    │   └── PullCancelled       somebody asked to stop; what came is kept
    ├── QuantError              a quantisation job cannot be done
    │   ├── QuantRefused        a file was made, but costs more than its limits allow
    │   ├── QuantCancelled      somebody asked to stop; what is done is kept
    │   ├── JobNotFound
    │   └── JobRunning          another process works on that very job
    ├── CaptureError            a captured device that cannot be written or replayed
    ├── ConfigError             a flag, a variable or a line of config.toml
    ├── PortInUse
    └── ServerUnreachable       what our own HTTP client meets

One map turns these into HTTP answers (`api/errors.py`), one into exit codes (`cli/errors.py`).
"""

from __future__ import annotations


class EdgellmError(Exception):
    """The root: `message` says what happened, `hint` (may be empty) what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RequestError(EdgellmError):
    """The request cannot be served as it is; the same request will fail again."""


class InvalidRequest(RequestError):
    """A field has a bad value.

    Args:
        param: the JSON path of the field, e.g. ``messages[2].role``; None for the body as a whole.
        code: a short stable word, as OpenAI's error codes are.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        param: str | None = None,
        code: str | None = "invalid_value",
    ) -> None:
        super().__init__(message, hint)
        self.param = param
        self.code = code


class ContextLengthExceeded(RequestError):
    """The prompt has more tokens than one sequence may hold."""

    def __init__(self, num_prompt_tokens: int, context: int, *, message: str = "") -> None:
        super().__init__(
            message
            or f"This model's maximum context length is {context} tokens, but the prompt has "
            f"{num_prompt_tokens} tokens.",
            "Shorten the prompt, or start the server with a larger --context.",
        )
        self.num_prompt_tokens = num_prompt_tokens
        self.context = context


class ModelNotFound(RequestError):
    """No served model answers to this name."""

    def __init__(self, name: str, known: tuple[str, ...], hint: str = "") -> None:
        """`hint`: how to get it, where that is known."""
        there = f"Served here: {', '.join(known)}." if known else "No model is served."
        super().__init__(
            f"The model '{name}' does not exist on this server.",
            f"{hint}. {there}" if hint else there,
        )
        self.name = name


class ModelBusy(RequestError):
    """The model is answering requests."""

    def __init__(self, name: str, num_requests: int) -> None:
        which = "a request" if num_requests == 1 else f"{num_requests} requests"
        super().__init__(
            f"The model '{name}' is answering {which}.",
            "Try again when it is idle, or ask to wait for that (edgellm stop --wait).",
        )


class AdminRefused(RequestError):
    """Models are managed from this device only, unless the server was told otherwise."""


class TemplateError(RequestError):
    """The model's chat template raised, or cannot be compiled."""


class EngineError(EdgellmError):
    """The engine process could not do its work."""


class EngineLoadError(EngineError):
    """The model cannot be loaded: a broken file, an unknown architecture, too little memory."""


class NotEnoughMemory(EngineLoadError):
    """The model does not fit into the memory that models may take."""


class EngineBusy(EngineError):
    """No more requests are taken just now."""


class ModelLoading(EngineBusy):
    """The model is being loaded; `retry_seconds` is when it should be there."""

    def __init__(self, name: str, retry_seconds: float) -> None:
        super().__init__(
            f"The model '{name}' is being loaded.",
            f"It should be ready in about {max(1, round(retry_seconds))} s.",
        )
        self.retry_seconds = retry_seconds


class EngineCrashed(EngineError):
    """The engine process died, or wrote something that is not a frame."""


class ModelFileError(EdgellmError):
    """A path that does not lead to a readable GGUF file."""


class StoreError(EdgellmError):
    """Model files cannot be fetched or kept."""


class DownloadFailed(StoreError):
    """The network or the remote failed. What came is kept: another try goes on from there."""


class TooManyRequests(DownloadFailed):
    """The remote wants us to wait; `retry_after_seconds` is None where it does not say how long."""

    def __init__(
        self, message: str, hint: str = "", *, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message, hint)
        self.retry_after_seconds = retry_after_seconds


class AccessDenied(StoreError):
    """The remote gives this to those only who log in, or who accepted a licence."""


class RemoteNotFound(StoreError):
    """The repository, the revision or the file does not exist, or is not shown to us."""


class DigestMismatch(StoreError):
    """A file is not what its digest says. It was moved aside and is never loaded."""


class DiskFull(StoreError):
    """The disk has too little room, or the file system cannot hold a file of that size."""


class FolderUnusable(StoreError):
    """The folder of the models cannot be read or written."""


class ModelInUse(StoreError):
    """Another process serves the model, or changes it just now."""


class PullCancelled(StoreError):
    """A pull was asked to stop. What came is kept."""


class QuantError(EdgellmError):
    """A quantisation job cannot be done."""


class QuantRefused(QuantError):
    """What was made falls short of the job's limits, and was not released."""


class QuantCancelled(QuantError):
    """A job was asked to stop. What is done is kept."""


class JobNotFound(QuantError):
    """There is no such job."""


class JobRunning(QuantError):
    """Another process works on the job."""


class CaptureError(EdgellmError):
    """A captured device (`edgellm detect`) that cannot be written or replayed."""


class ConfigError(EdgellmError):
    """A setting has a bad value; the message names the setting and where it came from."""


class PortInUse(EdgellmError):
    """Another process listens on the address."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"{host}:{port} is already in use.",
            "Stop the other server, or choose another port with --port (0 picks a free one).",
        )


class ServerUnreachable(EdgellmError):
    """No edgellm server answered at the address."""
