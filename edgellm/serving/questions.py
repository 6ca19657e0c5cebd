"""What an engine is asked and answers with one frame: tokens, texts, vectors, scores.

The answers depend on the question alone, so a question whose engine dies is asked again; one that
has seen two engines die fails, since it may be the cause. Knows no process and no pipe.
"""

from __future__ import annotations

import asyncio

from edgellm.protocol import Question, Reply

MOST_DEATHS = 2


class Asked:
    """A question, and whoever waits for its answer."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.is_sent = False  # to the engine that lives now
        self.num_deaths = 0


class Questions:
    """All that are not answered yet, in the order in which they came."""

    def __init__(self) -> None:
        self._asked: dict[int, Asked] = {}

    def __len__(self) -> int:
        return len(self._asked)

    def add(self, question: Question) -> asyncio.Future[Reply]:
        """Take a question; `due` says when to send it."""
        asked = self._asked[question.id] = Asked(question)
        return asked.answer

    def take(self, id_: int, answer: Reply | Exception) -> bool:
        """Something came from the engine. False if it answers no question that is open here."""
        asked = self._asked.pop(id_, None)
        if asked is None:
            return False
        if not asked.answer.done():
            if isinstance(answer, Exception):
                asked.answer.set_exception(answer)
            else:
                asked.answer.set_result(answer)
        return True

    def drop(self, id_: int) -> bool:
        """The caller has gone. True if the engine must be told."""
        asked = self._asked.pop(id_, None)
        return asked is not None and asked.is_sent

    def due(self) -> list[Question]:
        """What is to be sent to the engine now."""
        due = [asked for asked in self._asked.values() if not asked.is_sent]
        for asked in due:
            asked.is_sent = True
        return [asked.question for asked in due]

    def died(self, error: Exception) -> None:
        """The engine is dead. What was asked of it is asked again, once."""
        for id_, asked in list(self._asked.items()):
            asked.num_deaths += asked.is_sent
            asked.is_sent = False
            if asked.num_deaths >= MOST_DEATHS:
                self.take(id_, error)

    def fail_all(self, error: Exception) -> None:
        """There will be no engine for them."""
        for id_ in list(self._asked):
            self.take(id_, error)
