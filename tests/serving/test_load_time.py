"""How long a load takes: what is known of it, and what is left."""

from __future__ import annotations

from edgellm.serving.load_time import LoadTimes, remaining_seconds


def test_the_last_load_of_a_file_predicts_its_next() -> None:
    times = LoadTimes()
    assert times.predict("a", 1000) is None
    times.learn("a", 1000, 4.0)
    times.learn("a", 1000, 2.0)
    assert times.predict("a", 1000) == 2.0


def test_a_new_file_loads_as_fast_as_the_others_did() -> None:
    times = LoadTimes()
    times.learn("a", 1000, 4.0)
    times.learn("b", 3000, 4.0)
    assert times.predict("c", 500) == 1.0


def test_what_is_left() -> None:
    assert remaining_seconds(10.0, 4.0, 0.0) == 6.0
    assert remaining_seconds(10.0, 40.0, 0.0) == 1.0
    assert remaining_seconds(None, 0.0, 0.0) == 5.0
    assert remaining_seconds(10.0, 4.0, 0.5) == 4.0  # progress tells more than the prediction
    assert remaining_seconds(10.0, 4.0, 1.0) == 1.0
