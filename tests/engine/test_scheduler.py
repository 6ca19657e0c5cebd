"""What is computed next, who follows whom, and who steps back when the KV cache is full."""

from __future__ import annotations

from edgellm.backends.base import Limits, Sampled, Work
from edgellm.engine.kv_cache import KVCache
from edgellm.engine.prefix_cache import NoCache, PrefixCache, RadixCache
from edgellm.engine.scheduler import Scheduler
from edgellm.engine.sequence import Sequence
from edgellm.types import Sampling


class Cells:
    """A KV cache that checks: what is shared must be there, and what is forgotten is gone."""

    def __init__(self) -> None:
        self.held: dict[int, list[int]] = {}
        self.log: list[tuple[int, int, int, int]] = []

    def share(self, source: int, target: int, begin: int, end: int) -> None:
        assert len(self.held.setdefault(target, [])) == begin
        assert len(self.held[source]) >= end
        self.held[target] += self.held[source][begin:end]
        self.log.append((source, target, begin, end))

    def forget(self, slot: int) -> None:
        self.held.pop(slot, None)

    def compute(self, item: Work) -> None:
        held = self.held.setdefault(item.slot, [])
        assert len(held) == item.start
        held += item.tokens


class Bench:
    """A scheduler with its KV cache, and a model that says 1000, 1001, ..."""

    def __init__(
        self,
        *,
        parallel: int = 2,
        cells: int = 1000,
        batch_tokens: int = 4,
        prefixes: PrefixCache | None = None,
    ) -> None:
        limits = Limits(parallel, parallel + 4, cells, 1000, True, 64, batch_tokens)
        self.batch_tokens = batch_tokens
        self.cells = Cells()
        self.cache = KVCache(self.cells, limits, prefixes or RadixCache())
        self.scheduler = Scheduler(limits, self.cache)
        self.num_computed = 0
        self.seconds_per_token = 1000.0

    def add(
        self, id_: int, tokens: list[int], max_tokens: int | None = None, client: str = ""
    ) -> Sequence:
        sequence = Sequence(id_, tokens, Sampling(max_tokens=max_tokens), 1000, client)
        self.scheduler.add(sequence)
        return sequence

    def budget(self, *, is_anyone_decoding: bool) -> int:
        return self.batch_tokens

    def seconds(self, num_tokens: int) -> float:
        return num_tokens * self.seconds_per_token

    def step(self) -> list[Work]:
        work = self.scheduler.schedule(self)
        for item in work:
            self.cells.compute(item)
            self.num_computed += len(item.tokens)
        sampled = [
            [Sampled(999 + item.start + len(item.tokens), None)] if item.sampler is not None else []
            for item in work
        ]
        for sequence, _ in self.scheduler.commit(work, sampled):
            if sequence.is_full():
                self.scheduler.remove(sequence)
        return work

    def run(self, limit: int = 300) -> None:
        while self.scheduler.running or self.scheduler.waiting:
            self.step()
            limit -= 1
            assert limit, "the scheduler does not come to an end"


def test_a_long_prompt_is_computed_in_chunks_and_sampled_once() -> None:
    bench = Bench()
    bench.add(1, list(range(10)))
    steps = [bench.step()[0] for _ in range(4)]
    assert [(step.start, len(step.tokens), step.sampler) for step in steps] == [
        (0, 4, None),
        (4, 4, None),
        (8, 2, 1),
        (10, 1, 1),
    ]


def test_decoding_goes_before_prefill_within_the_batch() -> None:
    bench = Bench()
    bench.add(1, [1, 2])
    bench.step()
    bench.add(2, [5] * 9)
    bench.batch_tokens = 100
    assert [len(item.tokens) for item in bench.step()] == [1, 3]
    bench.batch_tokens = 2
    assert [len(item.tokens) for item in bench.step()] == [1, 2]


def test_every_answer_goes_on_however_small_the_budget_for_prompts() -> None:
    bench = Bench(parallel=4, batch_tokens=4)
    for id_ in range(3):
        bench.add(id_, [id_])
    bench.step()
    bench.add(3, [7] * 9)
    bench.batch_tokens = 1
    assert [len(item.tokens) for item in bench.step()] == [1, 1, 1, 1]


def test_more_sequences_than_may_run_wait_in_order() -> None:
    bench = Bench(parallel=2)
    first, second, third = (bench.add(i, [i]) for i in range(3))
    bench.step()
    assert list(bench.scheduler.waiting) == [third]
    bench.scheduler.remove(first)
    bench.step()
    assert set(bench.scheduler.running.values()) == {second, third}


def test_a_waiting_sequence_can_be_removed() -> None:
    bench = Bench(parallel=1)
    bench.add(1, [1])
    second = bench.add(2, [2])
    bench.step()
    bench.scheduler.remove(second)
    assert not bench.scheduler.waiting


def test_an_idle_scheduler_has_no_work() -> None:
    assert Bench().step() == []


def test_a_later_prompt_shares_what_a_finished_one_computed() -> None:
    bench = Bench(batch_tokens=100)
    bench.add(1, list(range(20)), max_tokens=3)
    bench.run()
    computed = bench.num_computed
    later = bench.add(2, [*range(20), 1019, 1020, 7, 8], max_tokens=1)
    bench.run()
    assert later.num_cached == 22  # the prompt and the two tokens of the answer that were fed
    assert bench.num_computed - computed == 2


def test_an_equal_prompt_still_computes_its_last_token() -> None:
    bench = Bench(batch_tokens=100)
    bench.add(1, list(range(20)), max_tokens=1)
    bench.run()
    equal = bench.add(2, list(range(20)), max_tokens=1)
    (item,) = bench.step()
    assert (item.start, len(item.tokens)) == (19, 1)
    assert equal.num_cached == 19


def test_prompts_that_arrive_together_compute_their_common_beginning_once() -> None:
    bench = Bench(parallel=4, batch_tokens=8)
    common = list(range(30))
    sequences = [bench.add(i, [*common, 100 + i, 200 + i], max_tokens=2) for i in range(4)]
    bench.run()
    assert bench.num_computed == 30 + 4 * (2 + 1)
    assert [sequence.num_cached for sequence in sequences] == [0, 30, 30, 30]


def test_a_follower_goes_on_alone_when_its_leader_is_cancelled() -> None:
    bench = Bench(batch_tokens=8)
    leader = bench.add(1, list(range(40)), max_tokens=1)
    follower = bench.add(2, [*range(30), 99], max_tokens=1)
    bench.step()
    bench.scheduler.remove(leader)
    bench.run()
    assert follower.num_cached == 8
    assert follower.num_generated == 1


def test_finished_sequences_make_room_the_oldest_first() -> None:
    bench = Bench(parallel=1, cells=50, batch_tokens=100)
    bench.add(1, [1] * 20, max_tokens=1)
    bench.run()
    bench.add(2, [2] * 20, max_tokens=1)
    bench.run()
    bench.add(3, [3] * 20, max_tokens=1)
    bench.run()
    assert sorted(held[0] for held in bench.cells.held.values()) == [2, 3]


def test_the_youngest_steps_back_and_comes_again_without_losing_a_token() -> None:
    bench = Bench(parallel=2, cells=40, batch_tokens=100)
    first = bench.add(1, [1] * 10, max_tokens=20)
    second = bench.add(2, [2] * 10, max_tokens=20)
    saw_alone = False
    for _ in range(200):
        if not bench.scheduler.running and not bench.scheduler.waiting:
            break
        bench.step()
        saw_alone |= list(bench.scheduler.running.values()) == [first]
    assert saw_alone
    for sequence in (first, second):
        assert sequence.tokens[10:] == [1000 + position for position in range(9, 29)]
    assert second.num_cached == 0  # what it had to take up again is not the client's gain


def test_clients_take_turns() -> None:
    bench = Bench(parallel=2, batch_tokens=100)
    order: list[int] = []
    for id_ in range(6):
        bench.add(id_, [id_], max_tokens=1, client="many")
    for id_ in (10, 11):
        bench.add(id_, [id_], max_tokens=1, client="few")
    while bench.scheduler.waiting or bench.scheduler.running:
        order += [item.sampler for item in bench.step() if item.sampler is not None]
    assert order == [0, 10, 1, 11, 2, 3, 4, 5]


def test_nothing_is_shared_without_a_cache() -> None:
    bench = Bench(batch_tokens=100, prefixes=NoCache())
    for id_ in range(3):
        assert bench.add(id_, list(range(20)), max_tokens=1).num_cached == 0
    bench.run()
    assert bench.num_computed == 60
    assert bench.cells.log == []
    assert bench.cells.held == {}
    assert bench.cache.num_used == 0


def test_make_room_gives_up_finished_then_running_then_the_last() -> None:
    bench = Bench(parallel=2, batch_tokens=100)
    bench.add(1, [1] * 5, max_tokens=1)
    bench.run()
    first, second = bench.add(2, [2] * 5), bench.add(3, [3] * 5)
    bench.step()
    assert bench.scheduler.make_room() is None
    assert [held[0] for held in bench.cells.held.values()] == [2, 3]
    assert bench.scheduler.make_room() is None
    assert (list(bench.scheduler.running.values()), list(bench.scheduler.waiting)) == (
        [first],
        [second],
    )
    assert bench.scheduler.make_room() is None  # what the second left behind
    assert bench.scheduler.make_room() is first


def test_answers_whose_prompts_came_together_begin_together() -> None:
    bench = Bench(parallel=3)
    bench.seconds_per_token = 0.001
    first, second = bench.add(1, [1, 2, 3, 4]), bench.add(2, [5] * 12)
    bench.step()
    assert first.num_generated == 1
    bench.step()
    bench.add(3, [6] * 100)  # the first one had its token before
    bench.step()
    assert (first.num_generated, second.num_generated) == (1, 0)
    bench.step()
    assert (first.num_generated, second.num_generated) == (1, 1)
    bench.step()
    assert (first.num_generated, second.num_generated) == (2, 2)


def test_nobody_waits_for_a_long_prompt() -> None:
    bench = Bench(parallel=3)
    bench.seconds_per_token = 1.0
    first = bench.add(1, [1, 2, 3, 4])
    bench.add(2, [5] * 16)
    bench.step()
    bench.step()
    assert first.num_generated == 2


def test_a_companion_that_leaves_is_not_waited_for() -> None:
    bench = Bench(parallel=3)
    bench.seconds_per_token = 0.001
    first, second = bench.add(1, [1, 2, 3, 4]), bench.add(2, [5] * 12)
    bench.step()
    bench.step()
    assert first.num_generated == 1
    bench.scheduler.remove(second)
    bench.step()
    assert first.num_generated == 2
