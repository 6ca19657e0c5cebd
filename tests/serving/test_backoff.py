"""Short lives make the waits longer, a healthy one forgives them."""

from __future__ import annotations

from edgellm.serving.backoff import Backoff


def test_delays_grow_while_lives_are_short_and_start_anew_after_a_long_one() -> None:
    now = 0.0
    backoff = Backoff(first_seconds=1, most_seconds=5, healthy_seconds=10, clock=lambda: now)
    delays = []
    for life in (1, 1, 1, 1, 1, 60, 1):
        backoff.start()
        now += life
        delays.append(backoff.next_delay())
    assert delays == [0, 1, 2, 4, 5, 0, 0]


def test_a_process_that_never_got_ready_counts_as_a_short_life() -> None:
    backoff = Backoff(first_seconds=1)
    assert [backoff.next_delay() for _ in range(3)] == [0, 1, 2]


def test_a_short_life_that_was_of_use_costs_the_first_wait_at_most() -> None:
    backoff = Backoff(clock=lambda: 0.0)
    delays = []
    for _ in range(6):
        backoff.start()
        backoff.prove()
        delays.append(backoff.next_delay())
    assert delays == [0.0, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert [backoff.next_delay() for _ in range(3)] == [1.0, 2.0, 4.0]
