"""Several models in too little memory, with scripted engines: who loads, who waits, who leaves."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from edgellm.errors import (
    EngineBusy,
    EngineLoadError,
    ModelBusy,
    ModelLoading,
    ModelNotFound,
    NotEnoughMemory,
)
from edgellm.protocol import Load
from edgellm.serving import pool
from edgellm.serving.backoff import Backoff
from edgellm.serving.meter import Meter
from edgellm.serving.pool import Policy
from edgellm.serving.process import EngineProcess
from edgellm.serving.resolver import DEFAULT_NAMES, ServedModel
from edgellm.serving.router import Router
from edgellm.types import EngineOptions, GenerateRequest, TextDelta

SCRIPTED = (sys.executable, str(Path(__file__).parents[1] / "support/scripted_engine.py"))


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


class Models:
    """`sizes` are what the models need; the first is the default."""

    def __init__(self, folder: Path, sizes: dict[str, int]) -> None:
        self.sizes = sizes
        self.found = {name: ServedModel(name, folder / name) for name in sizes}

    def models(self) -> tuple[ServedModel, ...]:
        return tuple(self.found.values())

    def resolve(self, name: str) -> ServedModel:
        if name in DEFAULT_NAMES:
            return next(iter(self.found.values()))
        if name not in self.found:
            raise ModelNotFound(name, tuple(self.found))
        return self.found[name]

    def estimate(self, model: ServedModel, _options: EngineOptions) -> int:
        return self.sizes[model.id]


class Scene:
    """A router over scripted engines, with a budget that the test sets."""

    def __init__(self, folder: Path, sizes: dict[str, int], budget: int, policy: Policy) -> None:
        self.models = Models(folder, sizes)
        self.budget = budget
        self.num_oom_kills = 0
        self.most_held = 0
        self.started: list[str] = []
        self.measured: list[tuple[str, int]] = []
        self.processes: dict[str, EngineProcess] = {}
        self.router = Router(
            self.models,
            policy=policy,
            meter=Meter(
                budget=lambda _held: self.budget,
                num_oom_kills=lambda: self.num_oom_kills,
                estimate=self.models.estimate,
            ),
            start_process=self._process,
        )

    def _process(self, load: Load) -> EngineProcess:
        process = EngineProcess(
            load, SCRIPTED, Backoff(first_seconds=0.01), num_oom_kills=lambda: self.num_oom_kills
        )
        self.processes[Path(load.path).name] = process
        return process

    @property
    def alive(self) -> set[str]:
        """The models that have a process; what they take never passes the budget."""
        alive = {name for name, process in self.processes.items() if process.pid is not None}
        self.most_held = max(self.most_held, sum(self.models.sizes[name] for name in alive))
        return alive

    async def ask(self, model: str, prompt: str = "one two", **fields: Any) -> str:
        request = GenerateRequest(model, prompt=prompt, **fields)
        texts = []
        async with contextlib.aclosing(self.router.generate(request)) as events:
            async for event in events:
                texts += [event.text] if isinstance(event, TextDelta) else []
        assert self.alive
        return " ".join(texts)

    def hang(self, model: str) -> asyncio.Task[str]:
        """A request that runs until its task is cancelled."""
        return asyncio.create_task(self.ask(model, "one hang"))

    def state(self, model: str) -> str:
        return self.router.status(model).state

    async def until_busy(self, model: str, count: int = 1) -> None:
        await until(lambda: self.router.status(model).num_requests == count)
        await until(lambda: self.state(model) == "ready")


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def scene(
    folder: Path, sizes: dict[str, int] | None = None, budget: int = 20, **policy: float
) -> AsyncIterator[Scene]:
    made = Scene(folder, sizes or {"a": 10, "b": 10, "c": 10}, budget, Policy(**policy))
    try:
        yield made
    finally:
        await made.router.aclose()
        assert not made.alive


def test_a_model_is_loaded_when_a_request_names_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as s:
            assert [m.state for m in s.router.statuses()] == ["stopped"] * 3
            assert await s.ask("b") == "one two"
            assert s.alive == {"b"}
            assert await s.ask("auto") == "one two"
            assert s.alive == {"a", "b"}
            with pytest.raises(ModelNotFound):
                await s.ask("nothing")

    run(test())


def test_many_requests_load_a_model_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, {"slow": 10}) as s:
            asking = [asyncio.create_task(s.ask("slow", f"p{i}")) for i in range(10)]
            await until(lambda: s.router.status("slow").progress == 0.5)
            assert s.state("slow") == "starting"
            assert await asyncio.gather(*asking) == [f"p{i}" for i in range(10)]
            assert s.processes["slow"].num_restarts == 0

    run(test())


def test_the_least_recently_used_leaves_for_the_next(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as s:
            for name in ("a", "b", "a"):
                await s.ask(name)
            await s.ask("c")
            assert s.alive == {"a", "c"}
            await s.ask("b")
            assert s.alive == {"b", "c"}

    run(test())


def test_three_models_in_room_for_two_answer_everyone(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, patience_seconds=0.1) as s:
            asking = [s.ask("abc"[i % 3], f"request {i} of many") for i in range(60)]
            answers = await asyncio.gather(*asking)
            assert answers == [f"request {i} of many" for i in range(60)]
            assert s.most_held == 20

    run(test())


def test_a_busy_model_does_not_leave_and_the_next_waits_for_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, budget=10) as s:
            busy = s.hang("a")
            await s.until_busy("a")
            waiting = asyncio.create_task(s.ask("b"))
            await until(lambda: s.state("b") == "waiting")
            await asyncio.sleep(0.1)
            assert s.alive == {"a"}
            assert s.router.status("b").num_waiting == 1
            await end(busy)
            assert await waiting == "one two"
            assert s.alive == {"b"}

    run(test())


def test_a_model_that_waits_is_not_overtaken_for_ever(tmp_path: Path) -> None:
    """Requests for `a` overlap without end; `b` gets its turn all the same, and then `a` again."""

    async def test() -> None:
        async with scene(tmp_path, budget=10, patience_seconds=0.2) as s:
            first = s.hang("a")
            await s.until_busy("a")
            waiting = asyncio.create_task(s.ask("b"))
            await until(lambda: s.state("b") == "waiting")
            second = s.hang("a")  # it is within the patience, so it is let in
            await s.until_busy("a", 2)
            await asyncio.sleep(0.4)
            third = asyncio.create_task(s.ask("a", "after b"))
            await until(lambda: s.router.status("a").num_waiting == 1)
            await end(first, second)
            assert await waiting == "one two"
            assert await third == "after b"

    run(test())


def test_one_that_was_loading_when_patience_ended_yields_later(tmp_path: Path) -> None:
    async def test() -> None:
        sizes = {"slow": 10, "b": 10}
        async with scene(tmp_path, sizes, budget=10, patience_seconds=0.1) as s:
            first = s.hang("slow")
            await until(lambda: s.router.status("slow").progress == 0.5)
            waiting = asyncio.create_task(s.ask("b"))
            await asyncio.sleep(0.2)
            assert s.state("slow") == "starting"
            await s.until_busy("slow")
            late = asyncio.create_task(s.ask("slow", "after b"))
            await until(lambda: s.router.status("slow").num_waiting == 1)
            await end(first)
            assert [await waiting, await late] == ["one two", "after b"]

    run(test())


def test_a_request_that_waits_too_long_is_told(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, budget=10, wait_seconds=0.2) as s:
            busy = s.hang("a")
            await s.until_busy("a")
            with pytest.raises(EngineBusy, match="no room in memory for the model 'b'"):
                await s.ask("b")
            assert s.state("b") == "stopped"
            assert await s.ask("a") == "one two"  # nobody waits any more
            await end(busy)

    run(test())


def test_one_that_stops_waiting_is_forgotten(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, budget=10) as s:
            busy = s.hang("a")
            await s.until_busy("a")
            gone = asyncio.create_task(s.ask("b"))
            await until(lambda: s.state("b") == "waiting")
            staying = asyncio.create_task(s.ask("c"))
            await until(lambda: s.state("c") == "waiting")
            await end(gone)
            assert s.state("b") == "stopped"
            await end(busy)
            assert await staying == "one two"
            assert "b" not in s.alive

    run(test())


def test_what_cannot_fit_is_refused_with_numbers_and_nothing_leaves(tmp_path: Path) -> None:
    async def test() -> None:
        sizes = {"a": 10 * 2**20, "large": 30 * 2**20}
        async with scene(tmp_path, sizes, budget=20 * 2**20) as s:
            await s.ask("a")
            with pytest.raises(NotEnoughMemory, match=r"about 30 MiB .* may take 20 MiB"):
                await s.ask("large")
            assert s.alive == {"a"}
            assert "30 MiB" in (s.router.status("large").error or "")
            s.budget = 50 * 2**20
            assert await s.ask("large") == "one two"
            assert s.router.status("large").error is None

    run(test())


def test_a_pinned_model_stays(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, keep_alive_seconds=0) as s:
            assert (await s.router.load("a", is_pinned=True)).is_pinned
            for name in ("b", "c", "b"):
                await s.ask(name)
            assert "a" in s.alive
            s.models.sizes["large"] = 15
            s.models.found["large"] = ServedModel("large", tmp_path / "large")
            with pytest.raises(NotEnoughMemory, match="pinned models hold"):
                await s.ask("large")
            s.router.pin("a", is_pinned=False)
            assert await s.ask("large") == "one two"

    run(test())


def test_idle_models_leave_after_their_time(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, keep_alive_seconds=0.2) as s:
            await s.ask("a")
            await s.ask("b", keep_alive_seconds=math.inf)
            assert (s.router.status("a").unload_seconds or 9) <= 0.2
            assert s.router.status("b").unload_seconds is None
            await until(lambda: s.state("a") == "stopped")
            assert s.alive == {"b"}
            assert await s.ask("a") == "one two"
            await s.ask("b", keep_alive_seconds=0)
            await until(lambda: "b" not in s.alive)

    run(test())


def test_a_model_that_was_loaded_for_later_does_not_leave_at_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, keep_alive_seconds=0) as s:
            await s.router.start(("b",))
            await until(lambda: s.state("a") == s.state("b") == "ready")
            await asyncio.sleep(0.1)
            assert s.alive == {"a", "b"}

    run(test())


def test_what_is_preloaded_takes_nobody_s_place(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, {"slow": 10, "b": 10, "c": 10}) as s:
            await s.router.start(("b", "c"))
            await until(lambda: s.state("slow") == s.state("b") == "ready")
            await asyncio.sleep(0.1)
            assert s.alive == {"slow", "b"}
            assert s.state("c") == "stopped"
            assert await s.ask("c") == "one two"

    run(test())


def test_who_does_not_wait_is_told_when_to_come_back(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, {"slow": 10, "a": 15}) as s:
            with pytest.raises(ModelLoading) as caught:
                await s.ask("slow", may_wait=False)
            assert caught.value.retry_seconds >= 1
            await until(lambda: s.state("slow") == "starting")
            with pytest.raises(ModelLoading):
                await s.ask("slow", may_wait=False)
            await until(lambda: s.state("slow") == "ready")
            assert await s.ask("slow", may_wait=False) == "one two"

    run(test())


def test_unloading_is_refused_while_it_answers_or_waits(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as s:
            busy = s.hang("a")
            await s.until_busy("a")
            with pytest.raises(ModelBusy, match="is answering a request"):
                await s.router.unload("a")
            stopping = asyncio.create_task(s.router.unload("a", must_wait=True))
            await asyncio.sleep(0.05)
            late = asyncio.create_task(s.ask("a", "it came late"))
            await until(lambda: s.router.status("a").num_waiting == 1)
            first_pid = s.processes["a"].pid
            assert first_pid is not None
            await end(busy)
            await stopping
            assert await late == "it came late"
            assert s.processes["a"].pid not in (first_pid, None)
            assert (await s.router.unload("a")).state == "stopped"
            assert (await s.router.unload("a")).state == "stopped"  # once more is no error

    run(test())


def test_a_request_that_meets_a_model_on_its_way_out_reloads_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as s:
            for round_ in range(5):
                await s.ask("a")
                leaving = asyncio.create_task(s.router.unload("a"))
                await asyncio.sleep(0)
                assert await s.ask("a", f"round {round_}") == f"round {round_}"
                await leaving

    run(test())


def test_a_model_that_cannot_be_loaded_frees_its_room_and_backs_off(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, {"a": 10, "broken": 10, "b": 10}) as s:
            await s.ask("a")
            results = await asyncio.gather(
                *(s.ask("broken") for _ in range(3)), return_exceptions=True
            )
            assert [str(result) for result in results] == ["it is broken"] * 3
            with pytest.raises(EngineLoadError, match="it is broken"):
                await s.ask("broken")  # the second try is free
            with pytest.raises(EngineLoadError) as caught:
                await s.ask("broken")
            assert caught.value.hint == "mend it It will be tried again in 1 s."
            status = s.router.status("broken")
            assert (status.state, status.error, status.hint) == (
                "stopped",
                "it is broken",
                "mend it",
            )
            assert await s.ask("b") == "one two"
            assert s.alive == {"a", "b"}  # the failed ones have taken nobody's place

    run(test())


def test_one_that_dies_as_it_loads_gives_up_and_touches_nobody(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, {"a": 10, "dies-always": 10}) as s:
            await s.ask("a")
            pid = s.processes["a"].pid
            with pytest.raises(Exception, match="status 1"):
                await s.ask("dies-always")
            assert s.alive == {"a"}
            assert s.processes["a"].pid == pid

    run(test())


def test_one_that_is_killed_for_memory_as_it_loads_is_too_large_from_then_on(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        async with scene(tmp_path, {"a": 10, "slow": 5}) as s:
            await s.ask("a")
            asking = asyncio.create_task(s.ask("slow"))
            await until(lambda: s.router.status("slow").progress == 0.5)
            s.num_oom_kills += 1
            os.kill(s.processes["slow"].pid or 0, signal.SIGKILL)
            with pytest.raises(NotEnoughMemory, match="killed the engine for memory"):
                await asking
            assert s.alive == {"a"}
            assert s.router.status("slow").needed_bytes == 11  # 10 were not enough
            await s.ask("slow")  # so `a` leaves for it now
            assert s.alive == {"slow"}

    run(test())


def test_a_kill_that_is_not_for_memory_is_only_a_crash(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, {"slow": 5}) as s:
            asking = asyncio.create_task(s.ask("slow"))
            await until(lambda: s.router.status("slow").progress == 0.5)
            os.kill(s.processes["slow"].pid or 0, signal.SIGKILL)
            assert await asking == "one two"
            assert s.router.status("slow").num_restarts == 1

    run(test())


def test_killing_one_engine_does_not_touch_the_other(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as s:
            await s.ask("a")
            await s.ask("b")
            other = s.processes["b"].pid
            os.kill(s.processes["a"].pid or 0, signal.SIGKILL)
            assert await asyncio.gather(s.ask("a"), s.ask("b")) == ["one two"] * 2
            assert s.processes["b"].pid == other

    run(test())


def test_a_name_that_leads_elsewhere_moves_when_the_old_model_is_idle(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as s:
            busy = s.hang("a")
            await s.until_busy("a")
            old = s.processes["a"]
            s.models.found["a"] = ServedModel("a", tmp_path / "b")
            assert await s.ask("a") == "one two"
            assert old.pid is not None
            assert "b" not in s.processes
            await end(busy)
            assert await s.ask("a") == "one two"
            await until(lambda: old.pid is None)
            assert s.processes["b"].pid is not None

    run(test())


def test_engines_that_grow_past_the_budget_make_idle_ones_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MEASURE_SECONDS", 0.05)

    async def test() -> None:
        async with scene(tmp_path) as s:
            await s.ask("a")
            await s.ask("b")
            s.budget = 15
            await until(lambda: s.alive == {"b"})
            s.budget = 5
            await asyncio.sleep(0.2)
            assert s.alive == {"b"}  # the last one stays: there is nobody to protect

    run(test())


def test_closing_tells_those_who_wait(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, {"slow": 10, "b": 10}, budget=10) as s:
            asking = [asyncio.create_task(s.ask(name)) for name in ("slow", "b")]
            await until(lambda: s.router.status("slow").progress == 0.5)
            await s.router.aclose()
            results = await asyncio.gather(*asking, return_exceptions=True)
            assert [type(result) for result in results] == [EngineBusy, EngineBusy]
            with pytest.raises(EngineBusy, match="shutting down"):
                await s.ask("b")

    run(test())
