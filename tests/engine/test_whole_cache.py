"""Whole sequences only, the longest that fits, the oldest out first."""

from __future__ import annotations

from edgellm.engine.prefix_cache import Match
from edgellm.engine.whole_cache import WholeCache
from tests.engine.test_prefix_cache import evict


def test_the_longest_sequence_that_a_prompt_begins_with() -> None:
    cache = WholeCache()
    for slot, tokens in enumerate(([1, 2], [1, 2, 3], [1, 2, 3, 4, 5], [9])):
        cache.insert(slot, tokens)
        assert cache.release(slot)
    assert cache.match([1, 2, 3, 4]) == Match(1, 3)
    assert cache.match([1, 9]) is None
    assert cache.num_cells == 11


def test_running_sequences_are_neither_shared_nor_evicted() -> None:
    cache = WholeCache()
    cache.insert(0, [1, 2])
    assert cache.match([1, 2, 3]) is None
    assert cache.victim() is None


def test_the_one_used_longest_ago_goes_first() -> None:
    cache = WholeCache()
    for slot in range(3):
        cache.insert(slot, [slot])
        cache.release(slot)
    cache.match([0, 7])
    assert [evict(cache) for _ in range(4)] == [1, 2, 0, None]
    assert cache.num_cells == 0
