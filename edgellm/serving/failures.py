"""The error that a `Failed` frame stands for. Pure."""

from __future__ import annotations

from typing import assert_never

from edgellm.errors import (
    ContextLengthExceeded,
    EngineCrashed,
    EngineError,
    EngineLoadError,
    InvalidRequest,
)
from edgellm.protocol import Failed


def engine_failure(failed: Failed) -> EngineError:
    """Of the engine itself."""
    kind = EngineLoadError if failed.kind == "load" else EngineCrashed
    return kind(failed.message, failed.hint)


def request_failure(failed: Failed) -> Exception:
    """Of one request."""
    match failed.kind:
        case "context_length":
            return ContextLengthExceeded(
                failed.num_prompt_tokens,
                failed.context,
                message=failed.message,
                param=failed.param if failed.param != "prompt" else None,
            )
        case "invalid_request":
            return InvalidRequest(failed.message, failed.hint, param=failed.param)
        case "load" | "internal":
            return EngineError(failed.message, failed.hint)
        case _:
            assert_never(failed.kind)
