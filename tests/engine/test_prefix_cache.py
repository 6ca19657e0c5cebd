"""The radix tree against a list of sequences that is searched from end to end."""

from __future__ import annotations

import random

from edgellm.engine.prefix_cache import Match, NoCache, Part, PrefixCache, RadixCache


def evict(cache: PrefixCache) -> int | None:
    slot = cache.victim()
    if slot is not None:
        cache.remove(slot)
    return slot


def common(first: list[int], second: list[int]) -> int:
    length = 0
    for ours, theirs in zip(first, second, strict=False):
        if ours != theirs:
            break
        length += 1
    return length


def test_it_finds_what_a_full_search_finds() -> None:
    rng = random.Random(5)
    tree, known = RadixCache(), dict[int, list[int]]()
    for round_ in range(3000):
        tokens = [rng.randrange(3) for _ in range(rng.randrange(1, 12))]
        best = max((common(tokens, other) for other in known.values()), default=0)
        match = tree.match(tokens)
        assert (match.length if match else 0) == best, round_
        if match is not None:
            assert known[match.slot][:best] == tokens[:best]
        slot = rng.randrange(12)
        if slot in known and rng.random() < 0.5:
            tree.remove(slot)
            del known[slot]
        else:
            tree.insert(slot, tokens)
            known[slot] = tokens
        prefixes = {tuple(t[: n + 1]) for t in known.values() for n in range(len(t))}
        assert tree.num_cells == len(prefixes)


def test_finished_sequences_leave_in_the_order_of_their_last_use() -> None:
    tree = RadixCache()
    for slot, first in enumerate((10, 20, 30)):
        tree.insert(slot, [first, 1, 2])
        assert tree.release(slot)
    assert tree.match([10, 1, 9]) == Match(0, 2)
    assert [evict(tree) for _ in range(4)] == [1, 2, 0, None]
    assert tree.num_cells == 0


def test_running_sequences_are_never_evicted() -> None:
    tree = RadixCache()
    tree.insert(0, [1, 2, 3])
    assert tree.victim() is None


def test_a_sequence_that_another_one_holds_whole_is_not_kept() -> None:
    tree = RadixCache()
    tree.insert(0, [1, 2, 3, 4])
    tree.release(0)
    tree.insert(1, [1, 2, 3])
    assert not tree.release(1)


def test_a_longer_sequence_makes_its_beginning_the_first_to_go() -> None:
    tree = RadixCache()
    tree.insert(0, [9])
    tree.release(0)
    tree.insert(1, [1, 2])
    tree.release(1)
    tree.insert(2, [1, 2, 3])
    assert tree.release(2)
    assert [evict(tree) for _ in range(3)] == [1, 0, 2]


def test_a_sequence_of_nothing_is_not_kept() -> None:
    tree = RadixCache()
    tree.insert(0, [])
    assert not tree.release(0)
    tree.remove(0)
    assert tree.match([1]) is None


def test_what_was_shared_is_hot_then_the_newest_that_nobody_shared() -> None:
    tree = RadixCache()
    system, alone = list(range(100)), list(range(1000, 1020))
    for slot, tokens in enumerate(([*system, 7], [*system, 8], alone, [5] * 15)):
        tree.match(tokens[:-1])
        tree.insert(slot, tokens)
        tree.release(slot)
    for slot in range(4, 9):
        tree.insert(slot, [slot * 100 + i for i in range(20)])
        tree.release(slot)
    assert [(match.length, tokens[0]) for match, tokens in tree.hot()] == [
        (100, 0),
        (20, 800),
        (20, 700),
        (20, 600),
        (20, 500),
    ]


def test_no_cache_counts_and_finds_nothing() -> None:
    cache = NoCache()
    cache.insert(3, [1, 2, 3])
    assert (cache.num_cells, cache.match([1, 2, 3]), cache.release(3)) == (3, None, False)
    assert cache.victim() is None
    cache.remove(3)
    assert cache.num_cells == 0


def test_what_only_one_sequence_holds_is_cut_where_others_have_left_it() -> None:
    tree = RadixCache()
    tree.insert(0, [1, 2, 3, 4])
    tree.insert(1, [1, 2, 7])
    tree.insert(2, [1, 2, 3, 9])
    assert tree.match([1, 2, 3, 4, 5]) == Match(0, 4)
    assert tree.parts(0) == [Part((1, 2, 3, 4), 3, 1)]
    tree.remove(1)
    tree.remove(2)
    assert tree.parts(0) == [
        Part((1, 2), 0, 1),
        Part((1, 2, 3), 2, 1),
        Part((1, 2, 3, 4), 3, 1),
    ]


def test_kept_are_the_cells_of_finished_sequences() -> None:
    tree = RadixCache()
    for slot, tokens in enumerate(([1, 2, 3], [1, 2, 7, 8], [5, 6])):
        tree.insert(slot, tokens)
    assert tree.num_kept == 0
    tree.release(0)
    assert tree.num_kept == 1  # the rest of it belongs to the second, too
    tree.release(2)
    assert tree.num_kept == 3
    tree.release(1)
    assert tree.num_kept == 7
