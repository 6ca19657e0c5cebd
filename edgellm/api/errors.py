"""The one map from errors to HTTP answers, in OpenAI's shape.

    {"error": {"message", "type", "param", "code"}}    plus "hint" when there is one

SDKs show `message` alone, so it carries the hint too. The dialects differ in how they dress an
`ErrorAnswer`; which status and code an error deserves is decided here, once. A dialect with a shape
of its own gives it to `install_error_handlers`, by the paths that it answers.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgellm.api.validation import from_validation_errors
from edgellm.errors import (
    AdminRefused,
    ContextLengthExceeded,
    EdgellmError,
    EngineBusy,
    EngineCrashed,
    EngineError,
    EngineLoadError,
    InvalidRequest,
    JobNotFound,
    JobRunning,
    ModelBusy,
    ModelLoading,
    ModelNotFound,
    NotEnoughMemory,
    QuantError,
    RequestError,
    TemplateError,
)

_log = logging.getLogger(__name__)

_CLIENT_CLOSED_REQUEST = 499  # nginx's word for it; only the access log ever sees it


class BodyTooLarge(RequestError):
    """The request's body has more bytes than the server reads."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            f"The request body is larger than {max_bytes} bytes, the most that this server reads.",
            "Send a shorter prompt.",
        )


class ErrorAnswer(Struct, frozen=True):
    """What the caller is told. `retry_seconds`: when the same request may succeed; None = who
    knows."""

    status: int
    type: str
    code: str | None
    message: str
    hint: str = ""
    param: str | None = None
    retry_seconds: float | None = None

    def body(self) -> dict[str, Any]:
        """OpenAI's error object."""
        error = {"message": self.text, "type": self.type, "param": self.param, "code": self.code}
        return {"error": {**error, "hint": self.hint} if self.hint else error}

    @property
    def text(self) -> str:
        """The message with its hint, for shapes that have one text only."""
        return f"{self.message} {self.hint}" if self.hint else self.message

    def headers(self) -> dict[str, str]:
        if self.retry_seconds is None:
            return {}
        return {"Retry-After": str(max(1, math.ceil(self.retry_seconds)))}


Shape: TypeAlias = Callable[[ErrorAnswer], dict[str, Any]]


def describe(error: Exception, input_param: str = "messages") -> ErrorAnswer:
    """The answer to an error, whoever raised it. Logs the traceback of what nobody expected.

    Args:
        input_param: the field that holds the prompt in the request's dialect; errors that only
            the template or the engine can find out name it.
    """
    match error:
        case RequestError():
            return _describe_request_error(error, input_param)
        case EngineError():
            return _describe_engine_error(error)
        case QuantError():
            return _describe_quant_error(error)
        case EdgellmError():
            return ErrorAnswer(500, "server_error", "server_error", error.message, error.hint)
        case _:
            _log.error("unexpected error while serving a request", exc_info=error)
            return ErrorAnswer(
                500,
                "server_error",
                "internal_error",
                "The server had an unexpected error while it processed the request.",
                "The server's log has the details.",
            )


def _describe_request_error(error: RequestError, input_param: str) -> ErrorAnswer:
    status, code, param = 400, "invalid_request", None
    match error:
        case InvalidRequest():
            return ErrorAnswer(
                400, "invalid_request_error", error.code, error.message, error.hint, error.param
            )
        case ContextLengthExceeded():
            code, param = "context_length_exceeded", input_param
        case TemplateError():
            code, param = "template_error", input_param
        case ModelNotFound():
            status, code, param = 404, "model_not_found", "model"
        case ModelBusy():
            status, code, param = 409, "model_in_use", "model"
        case AdminRefused():
            status, code = 403, "admin_refused"
        case BodyTooLarge():
            status, code = 413, "request_too_large"
    return ErrorAnswer(status, "invalid_request_error", code, error.message, error.hint, param)


def _describe_quant_error(error: QuantError) -> ErrorAnswer:
    status, code = 400, "invalid_job"
    match error:
        case JobNotFound():
            status, code = 404, "job_not_found"
        case JobRunning():
            status, code = 409, "job_running"
    return ErrorAnswer(status, "invalid_request_error", code, error.message, error.hint)


def _describe_engine_error(error: EngineError) -> ErrorAnswer:
    code, retry_seconds = "engine_error", None
    match error:
        case NotEnoughMemory():
            code = "not_enough_memory"
        case EngineLoadError():
            code = "model_load_failed"
        case ModelLoading():
            code, retry_seconds = "model_loading", error.retry_seconds
        case EngineBusy():
            code, retry_seconds = "engine_busy", 1.0
        case EngineCrashed():
            code, retry_seconds = "engine_crashed", 1.0
    return ErrorAnswer(
        503, "server_error", code, error.message, error.hint, retry_seconds=retry_seconds
    )


def to_response(
    answer: ErrorAnswer, scope: Scope, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer in the shape of the dialect that was spoken to."""
    shapes: Mapping[str, Shape] = scope["app"].state.error_shapes
    path = scope["path"]
    shape = next((shapes[prefix] for prefix in shapes if path.startswith(prefix)), None)
    return Response(
        msgspec.json.encode(shape(answer) if shape else answer.body()),
        answer.status,
        {**(headers or {}), **answer.headers()},
        "application/json",
    )


def install_error_handlers(
    app: FastAPI, shapes: Mapping[str, Shape] = MappingProxyType({})
) -> None:
    """Every error that leaves `app` has the shape of its dialect.

    Args:
        shapes: the JSON of an error, by the beginning of the path; OpenAI's for all others.
    """
    app.state.error_shapes = shapes
    app.add_exception_handler(EdgellmError, _on_edgellm_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(ClientDisconnect, _on_client_disconnect)
    app.add_middleware(CatchUnexpected)


async def _on_edgellm_error(request: Request, error: Exception) -> Response:
    input_param = getattr(request.state, "input_param", "messages")
    return to_response(describe(error, input_param), request.scope)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return to_response(describe(from_validation_errors(error.errors())), request.scope)


async def _on_client_disconnect(_request: Request, _error: Exception) -> Response:
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Routing's own errors: no such URL, or not with this method."""
    assert isinstance(error, HTTPException)
    url = f"{request.method} {request.url.path}"
    kind = "invalid_request_error"
    match error.status_code:
        case 404:
            hint = "The API's URLs start with /v1; GET /docs lists them."
            answer = ErrorAnswer(404, kind, "unknown_url", f"Unknown request URL: {url}.", hint)
        case 405:
            allowed = (error.headers or {}).get("Allow", "")
            hint = f"Allowed here: {allowed}." if allowed else ""
            message = f"Method not allowed: {url}."
            answer = ErrorAnswer(405, kind, "method_not_allowed", message, hint)
        case status:
            answer = ErrorAnswer(status, kind, None, str(error.detail))
    return to_response(answer, request.scope, error.headers)


class CatchUnexpected:
    """ASGI middleware: turns an exception that nobody handled into a 500 in the dialect's shape.

    Starlette's own handler for `Exception` raises it again after answering, which logs it twice,
    and it sits outside the CORS middleware, so that a web page could not read the answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_started = False

        async def watched_send(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception as error:  # the process's edge; `describe` logs it
            if scope["type"] != "http" or is_started:
                raise  # too late for an answer: the server must break the connection
            await to_response(describe(error), scope)(scope, receive, send)
