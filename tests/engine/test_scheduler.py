"""What is computed next, and in which order."""

from __future__ import annotations

from edgellm.backends.base import Limits, Sampled, Work
from edgellm.engine.scheduler import Scheduler
from edgellm.engine.sequence import Sequence
from edgellm.types import Sampling


def make(num_slots: int = 2, batch_tokens: int = 4) -> Scheduler:
    return Scheduler(Limits(num_slots, 100, batch_tokens))


def sequence(id_: int, length: int) -> Sequence:
    return Sequence(id_, list(range(length)), Sampling(), 100)


def run_step(scheduler: Scheduler) -> list[Work]:
    scheduler.admit()
    work = scheduler.schedule()
    sampled = [Sampled(7, None) if item.is_sampled else None for item in work]
    list(scheduler.commit(work, sampled))
    return work


def test_a_long_prompt_is_computed_in_chunks_and_sampled_once() -> None:
    scheduler = make()
    scheduler.add(sequence(1, 10))
    steps = [run_step(scheduler)[0] for _ in range(4)]
    assert [(step.start, len(step.tokens), step.is_sampled) for step in steps] == [
        (0, 4, False),
        (4, 4, False),
        (8, 2, True),
        (10, 1, True),
    ]


def test_decoding_goes_before_prefill_within_the_batch() -> None:
    scheduler = make()
    scheduler.add(sequence(1, 2))
    run_step(scheduler)
    scheduler.add(sequence(2, 9))
    work = run_step(scheduler)
    assert [len(item.tokens) for item in work] == [1, 3]
    assert sum(len(item.tokens) for item in work) == 4


def test_more_sequences_than_slots_wait_in_order() -> None:
    scheduler = make(num_slots=2)
    first, second, third = (sequence(i, 1) for i in range(3))
    for each in (first, second, third):
        scheduler.add(each)
    assert scheduler.admit() == [first, second]
    assert list(scheduler.waiting) == [third]
    scheduler.remove(first)
    assert scheduler.admit() == [third]
    assert set(scheduler.running.values()) == {second, third}


def test_a_waiting_sequence_can_be_removed() -> None:
    scheduler = make(num_slots=1)
    first, second = sequence(1, 1), sequence(2, 1)
    scheduler.add(first)
    scheduler.admit()
    scheduler.add(second)
    scheduler.remove(second)
    assert not scheduler.waiting
    assert scheduler.youngest() is first


def test_an_idle_scheduler_has_no_work() -> None:
    assert make().schedule() == []
