"""The newest responses, in memory, so that a conversation can go on from one of them.

Bounded by number and by bytes; the one that was used longest ago goes first. A response that
continues another shares its items with it, and keeps them when the other is forgotten. Nobody sees
what belongs to another owner. Knows no HTTP; a restart forgets everything.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from edgellm.api.responses.items import Item
from edgellm.errors import InvalidRequest, NotStored

# A turn of a chat is 2 to 4 KiB, so this is some thousands of them, or thirty contexts of 128k
# tokens. As Python's objects they take about twice as much, which a board with 2 GB can spare.
MAX_BYTES = 16 * 2**20  # as JSON
MAX_RESPONSES = 2000


class Turn:
    """What one response added to a conversation. `parent` is the turn before it."""

    def __init__(self, items: tuple[Item, ...], parent: Turn | None = None, size: int = 0) -> None:
        self.items = items
        self.parent = parent
        self.size_bytes = size
        self.num_users = 0  # stored responses and turns that need it

    def history(self) -> list[Item]:
        """All items up to here, the oldest first."""
        turns: list[Turn] = []
        turn: Turn | None = self
        while turn is not None:
            turns.append(turn)
            turn = turn.parent
        return [item for turn in reversed(turns) for item in turn.items]


class Stored(Struct, frozen=True):
    """A response: its JSON, its turn, and which of the turn's items were put in."""

    owner: str
    body: bytes
    status: str
    turn: Turn
    num_inputs: int

    def input_items(self) -> list[Item]:
        """What the model was given: the conversation before it, and the new input."""
        before = self.turn.parent.history() if self.turn.parent else []
        return [*before, *self.turn.items[: self.num_inputs]]


class ResponseStore:
    def __init__(self, max_responses: int = MAX_RESPONSES, max_bytes: int = MAX_BYTES) -> None:
        self._max_responses = max_responses
        self._max_bytes = max_bytes
        self._stored: OrderedDict[str, Stored] = OrderedDict()
        self.num_bytes = 0

    def __len__(self) -> int:
        return len(self._stored)

    def get(self, id_: str, owner: str, *, param: str | None = None) -> Stored:
        """Raises NotStored, also for what belongs to another owner."""
        stored = self._stored.get(id_)
        if stored is None or stored.owner != owner:
            code = "previous_response_not_found" if param else "response_not_found"
            raise NotStored(f"The response '{id_[:100]}'", param, code)
        self._stored.move_to_end(id_)
        return stored

    def turn_of(self, id_: str, owner: str) -> Turn:
        """What `previous_response_id` continues. Raises NotStored, InvalidRequest."""
        stored = self.get(id_, owner, param="previous_response_id")
        if stored.status == "failed":
            raise InvalidRequest(
                f"The response '{id_}' failed, so it cannot be continued.",
                "Name the response before it, and send its input again.",
                param="previous_response_id",
            )
        return stored.turn

    def items_of(self, owner: str) -> dict[str, Item]:
        """Every item of the owner's responses, by its id."""
        seen: set[int] = set()
        found: dict[str, Item] = {}
        for stored in self._stored.values():
            turn: Turn | None = stored.turn if stored.owner == owner else None
            while turn is not None and id(turn) not in seen:
                seen.add(id(turn))
                found.update((item.id, item) for item in turn.items)
                turn = turn.parent
        return found

    def put(
        self,
        response: dict[str, object],
        owner: str,
        inputs: tuple[Item, ...],
        outputs: list[Item],
        parent: Turn | None,
    ) -> None:
        """Keep a response, and forget others to make room for it. One that is larger than all the
        room there is is not kept."""
        items = (*inputs, *outputs)
        turn = Turn(items, parent, len(msgspec.json.encode(items)))
        body, status = msgspec.json.encode(response), str(response["status"])
        stored = Stored(owner, body, status, turn, len(inputs))
        if len(body) + sum(each.size_bytes for each in _unbroken(turn)) > self._max_bytes:
            return
        self._stored[str(response["id"])] = stored
        self.num_bytes += len(body)
        self._hold(turn)
        while len(self) > self._max_responses or self.num_bytes > self._max_bytes:
            self._forget(next(iter(self._stored)))

    def delete(self, id_: str, owner: str) -> None:
        """Raises NotStored. What continued it keeps its items."""
        self.get(id_, owner)
        self._forget(id_)

    def _forget(self, id_: str) -> None:
        stored = self._stored.pop(id_)
        self.num_bytes -= len(stored.body)
        self._let_go(stored.turn)

    def _hold(self, turn: Turn) -> None:
        for each in _unbroken(turn):
            each.num_users += 1
            if each.num_users > 1:
                return
            self.num_bytes += each.size_bytes

    def _let_go(self, turn: Turn) -> None:
        for each in _unbroken(turn):
            each.num_users -= 1
            if each.num_users:
                return
            self.num_bytes -= each.size_bytes


def _unbroken(turn: Turn | None) -> Iterator[Turn]:
    """The turn, and those before it, the newest first."""
    while turn is not None:
        yield turn
        turn = turn.parent
