"""What `/openapi.json` says of routes whose bodies are read and validated by us, not by FastAPI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_REF = "#/components/schemas/{model}"


def documented(kind: type[BaseModel]) -> dict[str, Any]:
    """Arguments for a route's decorator: its body is a `kind`."""
    content = {"application/json": {"schema": {"$ref": _REF.format(model=kind.__name__)}}}
    return {"openapi_extra": {"requestBody": {"required": True, "content": content}}}


def body_schemas(kinds: Iterable[type[BaseModel]]) -> dict[str, Any]:
    """The schemas that `documented` refers to, for the document's components."""
    _, schemas = models_json_schema([(kind, "validation") for kind in kinds], ref_template=_REF)
    found: dict[str, Any] = schemas["$defs"]
    return found
