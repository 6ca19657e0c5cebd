"""An error in Anthropic's shape. Which status it deserves is decided in `api/errors.py`.

{"type": "error", "error": {"type", "message"}, "request_id"}    plus our "code" and "param"
"""

from __future__ import annotations

from typing import Any

from edgellm.api.errors import ErrorAnswer

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
_BUSY = ("engine_busy", "model_loading", "deadline_exceeded")  # the same request may succeed later


def to_error(answer: ErrorAnswer) -> dict[str, Any]:
    """The body, or the last event of a stream. SDKs show `message` alone, so it has the hint."""
    error = {
        "type": error_type(answer),
        "message": answer.text,
        "code": answer.code,
        "param": answer.param,
    }
    return {"type": "error", "error": error, "request_id": answer.request_id or None}


def error_type(answer: ErrorAnswer) -> str:
    if answer.status in _TYPES:
        return _TYPES[answer.status]
    if answer.code in _BUSY:
        return "overloaded_error"
    return "invalid_request_error" if answer.status < 500 else "api_error"
