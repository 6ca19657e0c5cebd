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

from edgellm.api.request_id import request_id
from edgellm.api.validation import from_validation_errors
from edgellm.errors import (
    AccessDenied,
    AdminRefused,
    ContextLengthExceeded,
    DeadlineExceeded,
    DigestMismatch,
    DiskFull,
    DownloadFailed,
    EdgellmError,
    EngineBusy,
    EngineCrashed,
    EngineError,
    EngineLoadError,
    FolderUnusable,
    HostRefused,
    InvalidRequest,
    JobNotFound,
    JobRunning,
    KeyRefused,
    ModelBusy,
    ModelFileError,
    ModelInUse,
    ModelLoading,
    ModelNotFound,
    NotEnoughMemory,
    NotStored,
    OriginRefused,
    PullCancelled,
    QuantError,
    QueueFull,
    RemoteNotFound,
    RequestError,
    ServerUnreachable,
    StoreError,
    TemplateError,
    TooManyRequests,
)

_log = logging.getLogger(__name__)

ERROR_SHAPE = "error_shape"  # in the scope of a route whose path does not tell its dialect
_CLIENT_CLOSED_REQUEST = 499  # nginx's word for it; only the access log ever sees it


class BodyTooLarge(RequestError):
    """The request's body has more bytes than the server reads."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            f"The request body is larger than {max_bytes} bytes, the most that this server reads.",
            "Send a shorter prompt.",
        )


class HeadTooLarge(RequestError):
    """The request's line or headers are more than the server reads."""


# What a request is refused for whatever it asks.
_REFUSALS: Mapping[type[RequestError], tuple[int, str]] = MappingProxyType(
    {
        KeyRefused: (401, "invalid_api_key"),
        AdminRefused: (403, "admin_refused"),
        HostRefused: (403, "host_not_allowed"),
        OriginRefused: (403, "origin_not_allowed"),
        BodyTooLarge: (413, "request_too_large"),
        HeadTooLarge: (431, "request_head_too_large"),
    }
)


class ErrorAnswer(Struct, frozen=True):
    """What the caller is told. `retry_seconds`: when the same request may succeed; None = who
    knows. `is_final`: SDKs, which try again after any 5xx, are told that this is in vain."""

    status: int
    type: str
    code: str | None
    message: str
    hint: str = ""
    param: str | None = None
    retry_seconds: float | None = None
    request_id: str = ""  # for shapes that have a place for it
    is_final: bool = False

    def body(self) -> dict[str, Any]:
        """OpenAI's error object."""
        error = {"message": self.text, "type": self.type, "param": self.param, "code": self.code}
        return {"error": {**error, "hint": self.hint} if self.hint else error}

    @property
    def text(self) -> str:
        """The message with its hint, for shapes that have one text only."""
        return f"{self.message} {self.hint}" if self.hint else self.message

    def headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self.status == 401:
            found["WWW-Authenticate"] = "Bearer"
        if self.is_final:
            found["x-should-retry"] = "false"  # that OpenAI's and Anthropic's SDKs look for
        elif self.retry_seconds is not None:
            found["Retry-After"] = str(max(1, math.ceil(self.retry_seconds)))
        return found


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
            return _describe_other_error(error)
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
            code, param = "context_length_exceeded", error.param or input_param
        case TemplateError():
            code, param = "template_error", input_param
        case ModelNotFound():
            status, code, param = 404, "model_not_found", "model"
        case NotStored():
            status, code, param = 404, error.code, error.param
        case ModelBusy():
            status, code, param = 409, "model_in_use", "model"
        case _ if type(error) in _REFUSALS:
            status, code = _REFUSALS[type(error)]
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
    status, kind, code, retry_seconds = 503, "server_error", "engine_error", None
    is_final = False
    match error:
        case QueueFull():
            status, kind = 429, "rate_limit_error"
            code, retry_seconds = "queue_full", error.retry_seconds
        case DeadlineExceeded():
            status = 504 if error.was_begun else 503  # nothing was computed: it may come again
            code, retry_seconds = "deadline_exceeded", error.retry_seconds
            is_final = retry_seconds is None
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
        status,
        kind,
        code,
        error.message,
        error.hint,
        retry_seconds=retry_seconds,
        is_final=is_final,
    )


# Everything else, the special kinds before the general ones.
_OTHERS: tuple[tuple[type[EdgellmError], int, str], ...] = (
    (TooManyRequests, 503, "remote_busy"),
    (DownloadFailed, 502, "download_failed"),
    (AccessDenied, 403, "access_denied"),
    (RemoteNotFound, 404, "remote_not_found"),
    (DigestMismatch, 502, "digest_mismatch"),
    (DiskFull, 507, "disk_full"),
    (FolderUnusable, 500, "folder_unusable"),
    (ModelInUse, 409, "model_in_use"),
    (PullCancelled, 409, "pull_cancelled"),
    (StoreError, 500, "store_error"),
    (ModelFileError, 503, "model_file_unusable"),
    (ServerUnreachable, 502, "server_unreachable"),
    (EdgellmError, 500, "server_error"),
)


def _describe_other_error(error: EdgellmError) -> ErrorAnswer:
    status, code = next((status, code) for kind, status, code in _OTHERS if isinstance(error, kind))
    return ErrorAnswer(
        status,
        "invalid_request_error" if status < 500 else "server_error",
        code,
        error.message,
        error.hint,
        retry_seconds=error.retry_after_seconds if isinstance(error, TooManyRequests) else None,
    )


def to_response(
    answer: ErrorAnswer, scope: Scope, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer in the shape of the dialect that was spoken to."""
    shapes: Mapping[str, Shape] = scope["app"].state.error_shapes
    path = scope["path"]
    of_path = (shapes[prefix] for prefix in shapes if path.startswith(prefix))
    shape: Shape | None = scope.get(ERROR_SHAPE) or next(of_path, None)
    answer = msgspec.structs.replace(answer, request_id=request_id(scope))
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
            hint = "The API's URLs start with /v1; /openapi.json lists them."
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
