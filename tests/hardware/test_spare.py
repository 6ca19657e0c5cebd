"""What an engine allows itself for computed prompts."""

from __future__ import annotations

from edgellm.hardware.spare import LEAST_BYTES, MOST_BYTES, spare_bytes

MIB, GIB = 2**20, 2**30


def test_a_quarter_of_what_will_be_free() -> None:
    assert spare_bytes(1 * GIB, 3 * GIB, 1 * GIB, 1 * GIB) == GIB // 2


def test_what_the_model_has_not_touched_yet_is_not_free() -> None:
    """Weights of 1 GiB are there; a KV cache and buffers of another one are to come."""
    assert spare_bytes(1 * GIB, 3 * GIB, 2 * GIB, 1 * GIB) == GIB // 4


def test_never_more_than_suits_the_model_and_never_nothing() -> None:
    assert spare_bytes(30 * MIB, 64 * GIB, 0, 0) == 120 * MIB
    assert spare_bytes(8 * GIB, 64 * GIB, 0, 0) == MOST_BYTES
    assert spare_bytes(8 * GIB, 100 * MIB, 2 * GIB, 1 * GIB) == LEAST_BYTES
    assert spare_bytes(8 * GIB, None, 0, 0) == LEAST_BYTES


def test_a_process_that_grew_by_more_than_its_buffers_took_that() -> None:
    assert spare_bytes(1 * GIB, 3 * GIB, 1 * GIB, 2 * GIB) == GIB // 4
