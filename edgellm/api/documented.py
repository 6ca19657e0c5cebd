"""What `/openapi.json` says of routes whose bodies are read and validated by us, not by FastAPI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

EVENTS, LINES = "text/event-stream", "application/x-ndjson"  # media types of streams
_REF = "#/components/schemas/{model}"
# What any route may answer instead: the middleware in front of them all, the router behind them.
ERRORS = (400, 401, 403, 404, 405, 408, 409, 413, 429, 431, 500, 502, 503, 504, 507)
_ERROR = {"description": "", "content": {"application/json": {"schema": {"type": "object"}}}}


def documented(kind: type[BaseModel], streams: str = "") -> dict[str, Any]:
    """Arguments for a route's decorator: its body is a `kind`.

    Args:
        streams: the media type of an answer that is a stream, where the route has such.
    """
    content = {"application/json": {"schema": {"$ref": _REF.format(model=kind.__name__)}}}
    extra = {"openapi_extra": {"requestBody": {"required": True, "content": content}}}
    answers = {
        "application/json": {},
        **({streams: {"schema": {"type": "string"}}} if streams else {}),
    }
    return {**extra, "responses": {200: {"content": answers}}}


def body_schemas(kinds: Iterable[type[BaseModel]]) -> dict[str, Any]:
    """The schemas that `documented` refers to, for the document's components."""
    _, schemas = models_json_schema([(kind, "validation") for kind in kinds], ref_template=_REF)
    found: dict[str, Any] = schemas["$defs"]
    return found


def document_errors(schema: dict[str, Any]) -> None:
    """Let each route of the document name the errors that it may answer. Ours are never FastAPI's
    422: what cannot be read is a 400."""
    for operation in _operations(schema):
        responses = operation.setdefault("responses", {})
        responses.pop("422", None)
        for status in ERRORS:
            error = {**_ERROR, "description": HTTPStatus(status).phrase}
            responses.setdefault(str(status), error)


def _operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in schema.get("paths", {}).values():
        yield from (operation for operation in path.values() if isinstance(operation, dict))
