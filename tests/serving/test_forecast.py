"""The engine's queue played through, against a simulation that takes one second after the other."""

from __future__ import annotations

import random

import pytest

from edgellm.serving.forecast import Job, Span, fair_slots, forecast, seconds_until_left


def simulate(jobs: list[Job], num_slots: int) -> list[Span]:
    """As naive as can be; durations are whole seconds, at least one."""
    left = {index: round(job.seconds) for index, job in enumerate(jobs)}
    start: dict[int, int] = {}
    end: dict[int, int] = {}
    slots = [index for index, job in enumerate(jobs) if job.has_begun]
    start.update(dict.fromkeys(slots, 0))
    now = 0
    while len(end) < len(jobs):
        waiting = [index for index in range(len(jobs)) if index not in start]
        while waiting and len(slots) < num_slots:
            clients = [jobs[index].client for index in slots]
            chosen = min(waiting, key=lambda index: clients.count(jobs[index].client))
            waiting.remove(chosen)
            slots.append(chosen)
            start[chosen] = now
        now += 1
        for index in slots.copy():
            left[index] -= 1
            if not left[index]:
                slots.remove(index)
                end[index] = now
    return [Span(start[index], end[index]) for index in range(len(jobs))]


@pytest.mark.parametrize("seed", range(200))
def test_it_agrees_with_the_simulation(seed: int) -> None:
    dice = random.Random(seed)
    num_slots = dice.randint(1, 5)
    num_begun = dice.randint(0, num_slots)
    jobs = [
        Job(dice.choice("abc"), dice.randint(0, 3), dice.randint(1, 9), index < num_begun)
        for index in range(dice.randint(num_begun, 30))
    ]
    assert list(forecast(jobs, num_slots)) == simulate(jobs, num_slots)


def test_nothing_is_no_time() -> None:
    assert forecast([], 4) == ()
    assert seconds_until_left([], 1) == 0
    assert seconds_until_left([Span(0, 9)], 0) == 0


def test_the_one_who_runs_less_is_next() -> None:
    jobs = [Job("a", 0, 10, has_begun=True), Job("a", 0, 10), Job("b", 0, 5)]
    first, second, other = forecast(jobs, 2)
    assert (first.start, second.start, other.start) == (0, 5, 0)


def test_places_become_free_in_the_order_of_the_ends() -> None:
    spans = [Span(0, 9), Span(0, 2), Span(2, 5)]
    assert [seconds_until_left(spans, num) for num in (1, 2, 3, 4)] == [2, 5, 9, 9]


@pytest.mark.parametrize(
    ("counts", "num_slots", "expected"),
    [
        ({}, 4, {}),
        ({"a": 9}, 4, {"a": 4}),
        ({"a": 9, "b": 1}, 4, {"a": 3, "b": 1}),
        ({"a": 9, "b": 9, "c": 1}, 4, {"a": 2, "b": 1, "c": 1}),
        ({"a": 1, "b": 1}, 4, {"a": 1, "b": 1}),
        ({"a": 1, "b": 1, "c": 1}, 2, {"a": 1, "b": 1, "c": 0}),
        ({"a": 0, "b": 5}, 3, {"a": 0, "b": 3}),
    ],
)
def test_slots_are_shared_fairly(
    counts: dict[str, int], num_slots: int, expected: dict[str, int]
) -> None:
    assert fair_slots(counts, num_slots) == expected
