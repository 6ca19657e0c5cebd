"""Slots, cells and main memory together, against a memory that knows each cell by name."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest

from edgellm.backends.base import Limits, State
from edgellm.engine import kv_cache
from edgellm.engine.checkpoints import CheckpointCache
from edgellm.engine.host_cache import HostCache
from edgellm.engine.kv_cache import KVCache
from edgellm.engine.prefix_cache import Part, RadixCache

LIMITS = Limits(
    parallel=4,
    num_slots=9,
    num_cells=60,
    context=40,
    can_cut=True,
    outputs=8,
    batch_tokens=32,
)


class NamedCells:
    """Slots as position -> (cell, token)."""

    def __init__(self) -> None:
        self.slots: dict[int, dict[int, tuple[int, int]]] = {n: {} for n in range(LIMITS.num_slots)}
        self.num_copied = 0  # tokens that came back from main memory
        self.num_states = 0  # copies that took memory
        self._names = itertools.count()

    @property
    def num_cells(self) -> int:
        return len({cell for slot in self.slots.values() for cell, _ in slot.values()})

    def tokens(self, slot: int) -> list[int]:
        assert sorted(self.slots[slot]) == list(range(len(self.slots[slot])))
        return [token for _, (_, token) in sorted(self.slots[slot].items())]

    def compute(self, slot: int, start: int, tokens: list[int]) -> None:
        assert len(self.slots[slot]) == start
        for position, token in enumerate(tokens, start):
            self.slots[slot][position] = (next(self._names), token)
        assert self.num_cells <= LIMITS.num_cells

    def share(self, source: int, target: int, begin: int, end: int) -> None:
        for position in range(begin, end):
            self.slots[target][position] = self.slots[source][position]

    def truncate(self, slot: int, length: int) -> None:
        self.slots[slot] = {p: entry for p, entry in self.slots[slot].items() if p < length}

    def forget(self, slot: int) -> None:
        self.slots[slot] = {}

    def state_bytes(self, slot: int) -> int:
        return len(self._state(slot))

    def get_state(self, slot: int) -> State:
        self.num_states += 1
        return memoryview(self._state(slot))

    def _state(self, slot: int) -> bytes:
        held = {position: token for position, (_, token) in self.slots[slot].items()}
        return msgspec.msgpack.encode(held)

    def set_state(self, slot: int, state: State) -> bool:
        assert not self.slots[slot]
        held = msgspec.msgpack.decode(state, type=dict[int, int])
        self.slots[slot] = {p: (next(self._names), token) for p, token in held.items()}
        self.num_copied += len(held)
        assert self.num_cells <= LIMITS.num_cells
        return True


def run_one(cache: KVCache, memory: NamedCells, tokens: list[int]) -> int:
    """Acquire, compute, release; how many tokens were there already."""
    acquired = cache.acquire(tokens, 1, {})
    assert acquired is not None
    assert memory.tokens(acquired.slot) == tokens[: acquired.num_shared]
    memory.compute(acquired.slot, acquired.num_shared, tokens[acquired.num_shared :])
    cache.release(acquired.slot, tokens)
    return acquired.num_shared


@pytest.mark.parametrize("kept_cells", [0, 20, 512])
@pytest.mark.parametrize("host_bytes", [0, 40, 300, 100_000])
def test_what_a_slot_is_said_to_hold_it_holds(
    host_bytes: int, kept_cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random conversations that share beginnings, cut answers and leave at any time."""
    monkeypatch.setattr(kv_cache, "KEPT_CELLS_AT_START", kept_cells)
    rng, memory = random.Random(3), NamedCells()
    host = HostCache(host_bytes) if host_bytes else None
    cache = KVCache(memory, LIMITS, RadixCache(), host)
    running: dict[int, tuple[list[int], int]] = {}  # by slot: tokens, and how many are computed
    histories: list[list[int]] = [[1, 2, 3, 4]]
    num_shared = 0
    for _ in range(3000):
        if len(running) < LIMITS.parallel and rng.random() < 0.5:
            history = rng.choice(histories)
            tokens = history[: rng.randrange(1, len(history) + 1)]
            tokens = (tokens + [rng.randrange(4) for _ in range(rng.randrange(1, 9))])[:30]
            computed = {slot: count for slot, (_, count) in running.items()}
            acquired = cache.acquire(tokens, len(running) + 1, computed)
            if acquired is None:
                continue
            count = acquired.num_shared
            if acquired.leader is not None:
                others, start = running[acquired.leader]
                memory.compute(acquired.leader, start, others[start:count])
                running[acquired.leader] = (others, count)
                memory.share(acquired.leader, acquired.slot, 0, count)
            assert memory.tokens(acquired.slot) == tokens[:count]
            num_shared += count
            running[acquired.slot] = (tokens, count)
        elif running:
            slot = rng.choice(list(running))
            tokens, count = running[slot]
            if count < len(tokens):
                end = rng.randrange(count, len(tokens)) + 1
                memory.compute(slot, count, tokens[count:end])
                running[slot] = (tokens, end)
            else:
                cache.release(slot, tokens)
                del running[slot]
                cache.tidy(kept_cells // 2)
                histories = [*histories[-15:], tokens]
        assert memory.num_cells <= LIMITS.num_cells
        assert host is None or host.num_bytes <= host_bytes
    assert num_shared > 1000
    assert bool(memory.num_copied) == (host_bytes > 0)


def test_what_has_left_comes_back_and_what_was_shared_is_kept_once() -> None:
    memory = NamedCells()
    host = HostCache(10_000)
    cache = KVCache(memory, LIMITS, RadixCache(), host)
    system = list(range(100, 116))
    first, second = [*system, 1, 2, 3, 4], [*system, 5, 6, 7, 8]
    assert run_one(cache, memory, first) == 0
    assert run_one(cache, memory, second) == 16
    while cache.evict():
        pass
    assert memory.num_cells == 0
    assert {(piece.begin, len(piece.tokens)) for piece in host._pieces.values()} == {
        (0, 16),
        (16, 20),
    }
    assert len(host) == 3
    assert run_one(cache, memory, [*second, 9]) == 20
    assert run_one(cache, memory, [*first, 9]) == 20
    assert run_one(cache, memory, [*system, 9]) == 16


def test_an_exported_prefix_is_adopted_by_the_next_one() -> None:
    memory = NamedCells()
    cache = KVCache(memory, LIMITS, RadixCache(), HostCache(10_000))
    system = list(range(100, 120))
    for last in range(3):
        run_one(cache, memory, [*system, last])
    (while_in_cells,) = cache.export()
    while cache.evict():
        pass
    (while_outside,) = cache.export()
    assert while_outside[0] == while_in_cells[0] == tuple(system)
    other_memory = NamedCells()
    other = KVCache(other_memory, LIMITS, RadixCache(), HostCache(10_000))
    assert other.adopt(*while_outside)
    assert [tokens for tokens, _ in other.export()] == [tuple(system)]  # also if nobody asks
    assert run_one(other, other_memory, [*system, 7]) == 20


def state(size: int) -> State:
    return memoryview(bytes(size))


def test_the_one_used_longest_ago_makes_room() -> None:
    host = HostCache(100)
    for token in range(3):
        host.add(Part((token, 1), 0, 0), state(40))
    assert [host.has(Part((token, 1), 0, 0)) for token in range(3)] == [False, True, True]
    assert host.cover([1, 1, 9], 0)  # now the other one is older
    host.add(Part((8, 8), 0, 0), state(40))
    assert [host.has(Part((token, 1), 0, 0)) for token in range(3)] == [False, True, False]
    host.add(Part((9, 9), 0, 0), state(101))
    assert host.num_bytes == 80


def test_a_longer_piece_takes_the_place_of_those_inside_it() -> None:
    host = HostCache(1000)
    host.add(Part((1, 2), 0, 5), state(10))
    host.add(Part((1, 2, 3), 2, 0), state(10))
    host.add(Part((1, 2, 3, 4, 5), 2, 0), state(10))
    assert len(host) == 2
    assert [reach for _, reach in host.cover((1, 2, 3, 4, 9), 0)] == [2, 4]
    assert [reach for _, reach in host.cover((1, 2, 3, 4, 9), 3)] == [4]
    assert host.cover((1, 2, 3), 3) == []
    assert [piece.tokens for piece in host.hot()] == [(1, 2)]


@pytest.mark.parametrize(("host_bytes", "copies"), [(10, False), (10_000, True)])
def test_what_is_too_large_to_be_kept_is_not_copied_first(host_bytes: int, copies: bool) -> None:
    memory = NamedCells()
    cache = KVCache(memory, LIMITS, RadixCache(), HostCache(host_bytes))
    run_one(cache, memory, list(range(8)))
    assert cache.evict()
    assert memory.num_cells == 0
    assert (memory.num_states > 0) == copies


def test_room_is_made_before_a_state_takes_memory() -> None:
    host = HostCache(100)
    host.add(Part((1, 2), 0, 0), memoryview(bytes(60)))
    assert host.make_room(Part((3,), 0, 0), 50)
    assert (len(host), host.num_bytes) == (0, 0)
    assert not host.make_room(Part((3,), 0, 0), 101)


@pytest.mark.parametrize(("most_bytes", "copies"), [(10, 0), (10_000, 2)])
def test_a_checkpoint_that_is_too_large_to_be_kept_is_not_copied_first(
    most_bytes: int, copies: int
) -> None:
    memory = NamedCells()
    cache = KVCache(memory, LIMITS, CheckpointCache(most_bytes))
    for tokens in (range(20), range(100, 120)):
        run_one(cache, memory, list(tokens))
    assert memory.num_states == copies
