"""Who may join the queue, and what the others are told."""

from __future__ import annotations

import pytest

from edgellm.errors import DeadlineExceeded, QueueFull
from edgellm.serving.admission import Admission, Seat, guess_prompt_tokens
from edgellm.serving.forecast import UNKNOWN_RETRY_SECONDS
from edgellm.types import Finished, GenerateRequest, Message, Sampling, Timings, Usage

SLOTS = 2


def request(
    client: str = "a",
    *,
    prompt: tuple[int, ...] = (1,) * 100,
    max_tokens: int | None = 10,
    deadline: float | None = None,
) -> GenerateRequest:
    sampling = Sampling(max_tokens=max_tokens, ignore_eos=True)
    return GenerateRequest(
        "m", prompt=prompt, sampling=sampling, client=client, deadline_seconds=deadline
    )


def admit(admission: Admission, client: str = "a", n: int = 1) -> tuple[Seat, ...]:
    return admission.admit([request(client)] * n, SLOTS)


def fill(admission: Admission, client: str) -> int:
    """How many get in before one is refused."""
    for count in range(1000):
        try:
            admit(admission, client)
        except QueueFull:
            return count
    raise AssertionError("nobody was refused")


def with_pace(queue_limit: int) -> Admission:
    """100 prompt tokens take 1 s, an answer's token 0.1 s."""
    admission = Admission(queue_limit)
    admission.pace.learn(Finished("stop", Usage(100, 101), Timings(0.0, 1.0, 10.0)))
    return admission


def test_slots_are_no_queue() -> None:
    admission = Admission(0)
    assert fill(admission, "a") == SLOTS
    assert admission.num_seats == SLOTS


def test_a_place_that_was_left_is_free_again() -> None:
    admission = Admission(0)
    first, _ = admit(admission), admit(admission)
    admission.leave(first[0])
    admission.leave(first[0])  # twice is once
    assert admission.num_seats == 1
    admit(admission)
    with pytest.raises(QueueFull):
        admit(admission)


def test_the_queue_has_an_end_for_many_clients() -> None:
    admission = Admission(8)
    got_in = sum(fill(admission, f"client {number}") for number in range(20))
    assert got_in == SLOTS + 8
    with pytest.raises(QueueFull, match="8 requests may wait") as caught:
        admit(admission, "late")
    assert not caught.value.is_share


def test_several_answers_get_in_together_or_not_at_all() -> None:
    admission = Admission(3)
    admit(admission, "a", 3)
    with pytest.raises(QueueFull):
        admit(admission, "b", 3)
    assert admission.num_seats == 3
    admit(admission, "b", 2)


def test_more_answers_than_the_queue_holds_may_come_when_nobody_waits() -> None:
    admission = Admission(3)
    admit(admission, "b")
    seats = admit(admission, "a", 16)
    with pytest.raises(QueueFull):
        admit(admission, "a")
    for seat in seats[:-1]:
        admission.leave(seat)
    admit(admission, "a", 16)


def test_one_client_leaves_room_for_the_next() -> None:
    admission = Admission(64)
    assert fill(admission, "greedy") == SLOTS + 48  # three quarters wait
    with pytest.raises(QueueFull, match="your share") as caught:
        admit(admission, "greedy")
    assert caught.value.is_share
    assert fill(admission, "second") > 8
    admit(admission, "third")


def test_two_greedy_clients_do_not_keep_out_a_third() -> None:
    admission = Admission(64)
    got_in = {"a": 0, "b": 0}
    for turn in range(200):
        client = "ab"[turn % 2]
        try:
            admit(admission, client)
        except QueueFull:
            continue
        got_in[client] += 1
    assert abs(got_in["a"] - got_in["b"]) <= 1
    assert admission.num_seats < SLOTS + 64
    admit(admission, "c")


def test_a_share_grows_again_when_others_leave() -> None:
    admission = Admission(8)
    others = [admit(admission, f"other {number}")[0] for number in range(8)]
    before = fill(admission, "a")
    for seat in others:
        admission.leave(seat)
    assert fill(admission, "a") > before


def test_before_anything_was_measured_it_is_soon() -> None:
    admission = Admission(0)
    fill(admission, "a")
    with pytest.raises(QueueFull) as caught:
        admit(admission)
    assert caught.value.retry_seconds == UNKNOWN_RETRY_SECONDS


def test_the_wait_is_computed_from_what_is_in_the_queue() -> None:
    admission = with_pace(1)
    admission.admit([request("a", max_tokens=10)], SLOTS)  # 1 s + 1 s
    admission.admit([request("b", max_tokens=50)], SLOTS)  # 1 s + 5 s
    admission.admit([request("c", max_tokens=90)], SLOTS)  # from 2 s on: 1 s + 9 s
    with pytest.raises(QueueFull) as caught:
        admit(admission, "d")
    assert caught.value.retry_seconds == pytest.approx(2.0)
    with pytest.raises(QueueFull) as caught:
        admit(admission, "d", 2)  # one more than the queue holds: when nobody waits
    assert caught.value.retry_seconds == pytest.approx(6.0)


def test_what_is_done_already_is_not_waited_for() -> None:
    admission = with_pace(0)
    (first,), (second,) = admit(admission, "a"), admit(admission, "b")
    first.num_tokens, second.num_tokens = 7, 2
    with pytest.raises(QueueFull) as caught:
        admit(admission, "c")
    assert caught.value.retry_seconds == pytest.approx(0.3)


def test_a_client_over_its_share_waits_for_its_own() -> None:
    admission = with_pace(4)
    admission.admit([request("other", max_tokens=10)], 1)
    for max_tokens in (40, 40, 40):
        admission.admit([request("a", max_tokens=max_tokens)], 1)
    with pytest.raises(QueueFull) as caught:
        admission.admit([request("a")], 1)
    assert caught.value.is_share
    assert caught.value.retry_seconds == pytest.approx(2.0 + 5.0)  # after the other's


def test_a_deadline_that_can_be_met_is_no_matter() -> None:
    admission = with_pace(8)
    admission.admit([request(deadline=2.1)], SLOTS)
    assert admission.num_seats == 1


def test_a_deadline_that_is_too_short_even_alone_has_no_time_to_come_again() -> None:
    admission = with_pace(8)
    with pytest.raises(DeadlineExceeded, match=r"about 2\.0 s") as caught:
        admission.admit([request(deadline=1.5)], SLOTS)
    assert caught.value.retry_seconds is None
    assert not caught.value.was_begun
    assert admission.num_seats == 0


def test_without_a_length_the_first_token_is_enough() -> None:
    admission = with_pace(8)
    admission.admit([request(max_tokens=None, deadline=1.5)], SLOTS)
    assert admission.num_seats == 1


def test_a_deadline_counts_the_wait_for_a_slot() -> None:
    admission = with_pace(8)
    for client in ("a", "b"):
        admission.admit([request(client, max_tokens=50)], SLOTS)  # 6 s each
    with pytest.raises(DeadlineExceeded, match=r"about 8\.0 s") as caught:
        admission.admit([request("c", deadline=5.0)], SLOTS)
    assert caught.value.retry_seconds == pytest.approx(3.0)
    admission.admit([request("c", deadline=8.1)], SLOTS)


def test_the_last_of_several_answers_has_to_be_in_time() -> None:
    admission = with_pace(8)
    with pytest.raises(DeadlineExceeded):
        admission.admit([request(deadline=3.0)] * 3, SLOTS)
    admission.admit([request(deadline=4.1)] * 3, SLOTS)


def test_before_anything_was_measured_no_deadline_is_refused() -> None:
    admission = Admission(8)
    admission.admit([request(deadline=0.001)], SLOTS)
    assert admission.num_seats == 1


def test_a_prompt_is_measured_without_a_tokenizer() -> None:
    turns = (Message("user", "x" * 40), Message("assistant", "y" * 40))
    assert guess_prompt_tokens(GenerateRequest("m", messages=turns)) == 21
    assert guess_prompt_tokens(GenerateRequest("m", prompt="x" * 40)) == 11
    assert guess_prompt_tokens(GenerateRequest("m", prompt=(1, 2, 3))) == 3
