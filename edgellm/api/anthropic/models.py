"""`GET /v1/models` as Anthropic's clients expect it.

The address is OpenAI's too. Anthropic's clients send the header `anthropic-version` with every
request, so a route that only they can see stands before OpenAI's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope

from edgellm.api.anthropic.errors import to_error
from edgellm.api.anthropic.events import Json
from edgellm.api.errors import ERROR_SHAPE
from edgellm.types import ModelStatus

VERSION_HEADER = "anthropic-version"

_LAST_SECOND = 253_402_300_799  # of the year 9999, the last that a date has; a file may be "later"


class AnthropicsOwn(APIRoute):
    """A route that only requests with Anthropic's header find; its errors have their shape."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if VERSION_HEADER not in Headers(scope=scope):
            return Match.NONE, {}
        match, child_scope = super().matches(scope)
        return match, {**child_scope, ERROR_SHAPE: to_error}


def to_models(statuses: Sequence[ModelStatus]) -> Json:
    """One page has all of them, whatever `limit` was."""
    return {
        "data": [to_model(status) for status in statuses],
        "has_more": False,
        "first_id": statuses[0].id if statuses else None,
        "last_id": statuses[-1].id if statuses else None,
    }


def to_model(status: ModelStatus) -> Json:
    """The context holds the prompt and the answer, so it is the limit of either."""
    created = min(max(status.created, 0), _LAST_SECOND)
    return {
        "type": "model",
        "id": status.id,
        "display_name": status.id,
        "created_at": datetime.fromtimestamp(created, UTC).isoformat(),
        "lifecycle": "active",
        "max_input_tokens": status.context,
        "max_tokens": status.context,
    }
