"""What is asked again when an engine dies, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from edgellm.errors import EngineCrashed
from edgellm.protocol import Detokenize, Question, Tokens
from edgellm.serving.questions import Questions

DEATH = EngineCrashed("It died.")


def in_loop(test: Callable[[], None]) -> None:
    async def run() -> None:
        test()

    asyncio.run(run())


def question(id_: int) -> Question:
    return Detokenize(id_, (id_,))


def test_each_is_sent_once_and_answered_once() -> None:
    def test() -> None:
        questions = Questions()
        answers = [questions.add(question(id_)) for id_ in (1, 2)]
        assert [each.id for each in questions.due()] == [1, 2]
        assert questions.due() == []
        assert questions.take(2, Tokens(2, (7,)))
        assert not questions.take(2, Tokens(2, (8,)))
        assert answers[1].result() == Tokens(2, (7,))
        assert not answers[0].done()
        assert len(questions) == 1

    in_loop(test)


def test_a_second_death_is_the_last() -> None:
    def test() -> None:
        questions = Questions()
        asked = questions.add(question(1))
        questions.due()
        questions.died(DEATH)
        questions.died(DEATH)  # it was not sent to this one
        late = questions.add(question(2))
        assert [each.id for each in questions.due()] == [1, 2]
        questions.died(DEATH)
        with pytest.raises(EngineCrashed):
            asked.result()
        assert not late.done()
        assert [each.id for each in questions.due()] == [2]

    in_loop(test)


def test_what_nobody_waits_for_is_told_only_if_the_engine_knows_it() -> None:
    def test() -> None:
        questions = Questions()
        questions.add(question(1))
        assert not questions.drop(1)
        questions.add(question(2))
        questions.due()
        assert questions.drop(2)
        assert not questions.drop(2)

    in_loop(test)
