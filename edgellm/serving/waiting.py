"""The models that requests want and that are not loaded, in the order in which they were wanted."""

from __future__ import annotations

import asyncio

from edgellm.errors import EngineError
from edgellm.serving.entry import Entry


class Ticket:
    """A model's place.

    `is_wanted`: it is to be loaded though no request waits for it. `may_evict`: others may leave
    for it; not for one that was only thought to be useful later.
    """

    def __init__(self, entry: Entry, since: float) -> None:
        self.entry = entry
        self.since = since
        self.turns: list[asyncio.Future[None]] = []
        self.is_wanted = False
        self.may_evict = False

    def take(self) -> asyncio.Future[None]:
        """One more request waits; the result comes when it may go to the engine."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.turns.append(turn)
        self.may_evict = True
        self.entry.num_waiting += 1
        return turn

    def admit(self) -> None:
        """Let all in. They count as users at once, so that the model cannot leave before they
        have noticed."""
        for turn in self._end():
            self.entry.begin()
            turn.set_result(None)

    def refuse(self, error: EngineError) -> None:
        for turn in self._end():
            turn.set_exception(error)

    def _end(self) -> list[asyncio.Future[None]]:
        turns, self.turns = self.turns, []
        self.entry.num_waiting -= len(turns)
        return turns


class WaitingLine:
    """One ticket for each model; the first is served first."""

    def __init__(self) -> None:
        self._tickets: list[Ticket] = []

    def __bool__(self) -> bool:
        return bool(self._tickets)

    @property
    def head(self) -> Ticket | None:
        return self._tickets[0] if self._tickets else None

    def join(self, entry: Entry, now: float) -> Ticket:
        """The model's ticket, at the end where it had none."""
        for ticket in self._tickets:
            if ticket.entry is entry:
                return ticket
        self._tickets.append(ticket := Ticket(entry, now))
        return ticket

    def pop(self) -> None:
        """The head has been served."""
        del self._tickets[0]

    def withdraw(self, ticket: Ticket, turn: asyncio.Future[None]) -> None:
        """A request does not wait any longer."""
        ticket.turns.remove(turn)
        ticket.entry.num_waiting -= 1
        self._drop_if_unwanted(ticket)

    def forget(self, entry: Entry) -> None:
        """Nobody but requests wants to have the model loaded."""
        for ticket in self._tickets.copy():
            if ticket.entry is entry:
                ticket.is_wanted = False
                self._drop_if_unwanted(ticket)

    def refuse_all(self, error: EngineError) -> None:
        for ticket in self._tickets:
            ticket.refuse(error)
        self._tickets.clear()

    def _drop_if_unwanted(self, ticket: Ticket) -> None:
        if not ticket.turns and not ticket.is_wanted and ticket in self._tickets:
            self._tickets.remove(ticket)
