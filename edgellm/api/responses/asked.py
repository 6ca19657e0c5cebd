"""An HTTP request -> what is asked for, with all of the stored conversation that it refers to."""

from __future__ import annotations

from fastapi import Request
from msgspec import Struct
from msgspec.structs import replace

from edgellm.api.body import read_body
from edgellm.api.replies import client_of, may_wait
from edgellm.api.responses.head import Json
from edgellm.api.responses.input import InputReader
from edgellm.api.responses.items import Item, new_id
from edgellm.api.responses.request import refuse_unsupported, to_request
from edgellm.api.responses.schema import CreateResponseBody
from edgellm.api.responses.store import ResponseStore, Turn
from edgellm.api.validation import parse_body
from edgellm.serving.router import Router
from edgellm.types import GenerateRequest


class Asked(Struct, frozen=True):
    """`inputs` are new; `parent` is the turn that they continue, None = no turn."""

    body: CreateResponseBody
    request: GenerateRequest
    owner: str
    inputs: tuple[Item, ...]
    parent: Turn | None
    store: ResponseStore

    def keep(self, response: Json, output: list[Item]) -> None:
        """Store the response, unless the client wants that nothing is stored."""
        if self.body.store is not False:
            self.store.put(response, self.owner, self.inputs, output, self.parent)


class ResponseReader:
    """Reads requests; nothing is generated."""

    def __init__(self, router: Router, store: ResponseStore, max_body_bytes: int) -> None:
        self._router = router
        self._store = store
        self._max_body_bytes = max_body_bytes

    async def read(self, request: Request) -> Asked:
        """Raises RequestError."""
        request.state.input_param = "input"
        body = parse_body(CreateResponseBody, await read_body(request, self._max_body_bytes))
        refuse_unsupported(body)
        model, owner = self._router.status(body.model or "").id, owner_of(request)
        parent = self._parent(body.previous_response_id, owner)
        history = parent.history() if parent else []
        reader = InputReader(history, lambda: self._store.items_of(owner), new_id)
        inputs = reader.read(body.input or ())
        wanted = to_request(body, model, (*history, *inputs), client_of(request, body.user))
        wanted = replace(wanted, may_wait=may_wait(request))
        return Asked(body, wanted, owner, inputs, parent, self._store)

    def _parent(self, previous: str | None, owner: str) -> Turn | None:
        return None if previous is None else self._store.turn_of(previous, owner)


def owner_of(request: Request) -> str:
    """The name of the key that was shown; without keys everybody is the same caller."""
    return str(getattr(request.state, "key_name", "") or "")
