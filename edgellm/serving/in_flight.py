"""The requests that an engine is working on, and what is asked of the next one when it dies.

Each request keeps the tokens that it was given, so a new engine goes on behind them and the caller
sees a pause. Which of them killed the engine cannot be seen, only narrowed down: one that got a
token in that life was computed well, so those without one are suspects. Suspects are sent to the
new engine one at a time, behind the others; one that dies alone twice is the culprit and fails.
Knows no process and no pipe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from edgellm.protocol import Accepted, Delta, Done, Generate

MOST_STRIKES = 2

Answer: TypeAlias = Accepted | Delta | Done


class Request:
    """One answer under way: what was asked, and what came of it so far."""

    def __init__(self, generate: Generate) -> None:
        self.answers: asyncio.Queue[Answer | Exception] = asyncio.Queue()
        self.is_sent = False  # to the engine that lives now
        self.is_clear = False  # that engine gave it a token
        self.is_suspect = False
        self.strikes = 0
        self._generate = generate
        self._tokens: list[int] = []
        self._is_accepted = False
        self._has_delta = False

    @property
    def has_tokens(self) -> bool:
        return bool(self._tokens)

    def take(self, answer: Answer) -> None:
        """Keep what a new engine would have to know, and give the caller what is new to it."""
        match answer:
            case Accepted() if self._is_accepted:
                return
            case Accepted():
                self._is_accepted = True
            case Delta():
                self._has_delta = True
                self._tokens += answer.tokens
                if answer.tokens:
                    self.is_clear, self.is_suspect, self.strikes = True, False, 0
        self.answers.put_nowait(answer)

    def remainder(self) -> Generate:
        """What the engine is to compute now."""
        return msgspec.structs.replace(
            self._generate,
            echo=self._generate.echo and not self._has_delta,
            generated=tuple(self._tokens),
        )


class InFlight:
    """All requests that are not over, in the order in which they came."""

    def __init__(self) -> None:
        self._requests: dict[int, Request] = {}

    def __len__(self) -> int:
        return len(self._requests)

    def add(self, generate: Generate) -> Request:
        """Take a new request; `due` says when to send it."""
        request = self._requests[generate.id] = Request(generate)
        return request

    def take(self, id_: int, answer: Answer | Exception) -> None:
        """Something came from the engine. An unknown id was cancelled meanwhile."""
        request = self._requests.get(id_)
        if request is None:
            return
        if isinstance(answer, Exception):
            request.answers.put_nowait(answer)
        else:
            request.take(answer)
        if isinstance(answer, (Done, Exception)):
            del self._requests[id_]

    def drop(self, id_: int) -> bool:
        """The caller has gone. True if the engine must be told."""
        request = self._requests.pop(id_, None)
        return request is not None and request.is_sent

    @property
    def has_suspects(self) -> bool:
        """Whether one is on trial, or waits for it: nothing else may die with it."""
        return any(request.is_suspect for request in self._requests.values())

    def fail_all(self, error: Exception) -> None:
        """There will be no engine for them."""
        for id_ in list(self._requests):
            self.take(id_, error)

    def due(self) -> list[Generate]:
        """What is to be sent to the engine now."""
        if all(request.is_sent for request in self._requests.values()):
            return []
        due = list(self._due())
        for request in due:
            request.is_sent = True
        return [request.remainder() for request in due]

    def died(self, error: Exception) -> None:
        """The engine is dead. A request that has proved to be the cause fails with `error`."""
        lost = {id_: request for id_, request in self._requests.items() if request.is_sent}
        suspects = [id_ for id_, request in lost.items() if not request.is_clear]
        for request in lost.values():
            request.is_suspect = not request.is_clear
            request.is_sent = request.is_clear = False
        if len(suspects) == 1:
            culprit = self._requests[suspects[0]]
            culprit.strikes += 1
            if culprit.strikes >= MOST_STRIKES:
                self.take(suspects[0], error)

    def _due(self) -> Iterator[Request]:
        """All but the suspects; when none is left that may have been the cause, the next one."""
        sent = [request for request in self._requests.values() if request.is_sent]
        unsent = [request for request in self._requests.values() if not request.is_sent]
        suspects = [request for request in unsent if request.is_suspect]
        if any(request.is_suspect for request in sent):  # on trial, and not clear yet
            return
        # The new ones wait for the suspects, of which none would ever be alone otherwise.
        others = [each for each in unsent if not each.is_suspect]
        others = [each for each in others if each.has_tokens] if suspects else others
        yield from others
        if suspects and not others and all(request.is_clear for request in sent):
            yield suspects[0]
