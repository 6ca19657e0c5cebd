"""What is sent again, when, and who is blamed."""

from __future__ import annotations

from edgellm.errors import EngineCrashed
from edgellm.protocol import Accepted, Delta, Done, Generate
from edgellm.serving.in_flight import InFlight, Request
from edgellm.types import Timings, Usage

DEATH = EngineCrashed("It died.")


def in_flight(count: int) -> tuple[InFlight, list[Request]]:
    """That many requests, all sent."""
    all_ = InFlight()
    requests = [all_.add(Generate(id_, (f"prompt {id_}",))) for id_ in range(count)]
    assert ids(all_.due()) == list(range(count))
    return all_, requests


def ids(generates: list[Generate]) -> list[int]:
    return [generate.id for generate in generates]


def clear(all_: InFlight, *of: int) -> None:
    for id_ in of:
        all_.take(id_, Accepted(id_, 3))
        all_.take(id_, Delta(id_, "x", tokens=(7,)))


def end(all_: InFlight, id_: int) -> None:
    all_.take(id_, Done(id_, "stop", Usage(1, 1), Timings()))


def error_of(request: Request) -> object:
    return request.answers.get_nowait() if request.answers.qsize() else None


def test_what_is_sent_again_goes_on_behind_its_tokens() -> None:
    all_ = InFlight()
    request = all_.add(Generate(5, ("p",), echo=True))
    assert all_.due() == [Generate(5, ("p",), echo=True)]
    assert all_.due() == []
    all_.take(5, Accepted(5, 1))
    all_.take(5, Delta(5, "p"))
    all_.take(5, Delta(5, "", tokens=(1, 2)))
    all_.take(5, Delta(5, "b", tokens=(3,)))
    all_.died(DEATH)
    assert all_.due() == [Generate(5, ("p",), generated=(1, 2, 3))]
    all_.take(5, Accepted(5, 1))
    end(all_, 5)
    assert [type(request.answers.get_nowait()) for _ in range(request.answers.qsize())] == [
        Accepted,
        Delta,
        Delta,
        Delta,
        Done,
    ]
    assert len(all_) == 0


def test_an_echo_that_was_lost_is_asked_for_again() -> None:
    all_ = InFlight()
    all_.add(Generate(5, ("p",), echo=True))
    all_.due()
    all_.take(5, Accepted(5, 1))
    all_.died(DEATH)
    assert all_.due() == [Generate(5, ("p",), echo=True)]


def test_those_that_got_a_token_are_sent_at_once_and_suspects_one_at_a_time() -> None:
    all_, _ = in_flight(5)
    clear(all_, 0, 1)
    all_.died(DEATH)
    all_.add(Generate(9, ("new",)))
    assert ids(all_.due()) == [0, 1]
    clear(all_, 0)
    assert all_.due() == []  # 1 may be the cause of the next death, too
    clear(all_, 1)
    assert ids(all_.due()) == [2]
    assert all_.due() == []
    clear(all_, 2)
    assert ids(all_.due()) == [3]
    end(all_, 3)
    assert ids(all_.due()) == [4]
    clear(all_, 4)
    assert ids(all_.due()) == [9]


def test_only_the_one_that_dies_alone_twice_fails() -> None:
    all_, requests = in_flight(3)
    all_.died(DEATH)
    end(all_, 0)
    assert ids(all_.due()) == [1]
    all_.died(DEATH)
    assert requests[1].strikes == 1
    assert ids(all_.due()) == [1]
    all_.died(DEATH)
    assert error_of(requests[1]) is DEATH
    assert error_of(requests[2]) is None
    assert ids(all_.due()) == [2]


def test_a_token_clears_the_record() -> None:
    all_, requests = in_flight(1)
    for _ in range(5):
        all_.died(DEATH)
        assert requests[0].strikes == 1
        assert ids(all_.due()) == [0]
        clear(all_, 0)
        assert requests[0].strikes == 0
        all_.died(DEATH)
        assert requests[0].strikes == 0
        assert ids(all_.due()) == [0]
    assert len(all_) == 1


def test_one_that_was_not_sent_is_no_suspect() -> None:
    all_ = InFlight()
    request = all_.add(Generate(1, ("p",)))
    all_.died(DEATH)
    all_.died(DEATH)
    assert error_of(request) is None
    assert ids(all_.due()) == [1]


def test_a_caller_that_goes_frees_the_next_suspect() -> None:
    all_, _ = in_flight(2)
    all_.died(DEATH)
    assert ids(all_.due()) == [0]
    assert not all_.drop(1)  # the engine does not know it
    assert all_.drop(0)
    assert not all_.drop(0)
    assert all_.due() == []
    assert len(all_) == 0


def test_what_comes_late_is_nothing() -> None:
    all_, _ = in_flight(1)
    end(all_, 0)
    clear(all_, 0)
    all_.died(DEATH)
    assert all_.due() == []


def test_without_an_engine_all_fail() -> None:
    all_, requests = in_flight(2)
    all_.fail_all(DEATH)
    assert [error_of(request) for request in requests] == [DEATH, DEATH]
    assert len(all_) == 0
