"""Real child processes, and everything that can happen to them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from edgellm.errors import (
    ContextLengthExceeded,
    EngineBusy,
    EngineCrashed,
    EngineError,
    EngineLoadError,
)
from edgellm.protocol import Accepted, Delta, Done, Load
from edgellm.serving.backoff import Backoff
from edgellm.serving.process import EngineProcess
from edgellm.types import EngineOptions, Sampling

SCRIPTED = (sys.executable, str(Path(__file__).parents[1] / "support/scripted_engine.py"))
OPTIONS = EngineOptions(context=256, parallel=4, threads=1)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


@contextlib.asynccontextmanager
async def scripted(path: str = "fine") -> AsyncIterator[EngineProcess]:
    process = EngineProcess(Load("none", path), SCRIPTED, Backoff(first_seconds=0.01))
    try:
        yield process
    finally:
        await process.aclose()


@contextlib.asynccontextmanager
async def real(path: Path, **options: int) -> AsyncIterator[EngineProcess]:
    process = EngineProcess(Load("llama_cpp", str(path), OPTIONS))
    try:
        yield process
    finally:
        await process.aclose()


async def answer(process: EngineProcess, prompt: str) -> list[Accepted | Delta | Done]:
    return [part async for part in process.generate((prompt,), Sampling())]


def text(parts: list[Accepted | Delta | Done]) -> str:
    return " ".join(part.text for part in parts if isinstance(part, Delta))


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_many_callers_start_one_process() -> None:
    async def test() -> None:
        async with scripted("slow") as process:
            calls = [asyncio.create_task(process.ensure_ready()) for _ in range(5)]
            await until(lambda: process.progress == 0.5)
            assert process.state == "starting"
            pid = process.pid
            await asyncio.gather(*calls)
            assert (process.state, process.pid, process.num_restarts) == ("ready", pid, 0)

    run(test())


def test_answers_of_concurrent_requests_are_not_mixed() -> None:
    async def test() -> None:
        async with scripted() as process:
            prompts = [f"{i} a b c {i}" for i in range(20)]
            parts = await asyncio.gather(*(answer(process, prompt) for prompt in prompts))
            assert [text(part) for part in parts] == prompts
            assert all(isinstance(part[-1], Done) for part in parts)

    run(test())


def test_a_load_error_is_told_to_every_caller_and_can_be_retried() -> None:
    async def test() -> None:
        async with scripted("broken") as process:
            results = await asyncio.gather(
                *(process.ensure_ready() for _ in range(3)), return_exceptions=True
            )
            assert [type(result) for result in results] == [EngineLoadError] * 3
            assert isinstance(process.error, EngineLoadError)
            assert (process.error.message, process.error.hint) == ("it is broken", "mend it")
            with pytest.raises(EngineLoadError):
                await process.ensure_ready()

    run(test())


def test_a_process_that_dies_while_loading_is_started_again(tmp_path: Path) -> None:
    async def test() -> None:
        async with scripted(str(tmp_path / "dies-once")) as process:
            await process.ensure_ready()
            assert (process.state, process.num_restarts) == ("ready", 1)

    run(test())


@pytest.mark.parametrize(
    ("word", "reason"),
    [("die", "signal 9"), ("exit", "status 7"), ("garbage", "frame")],
)
def test_a_request_that_kills_twice_fails_and_the_next_one_is_served(
    word: str, reason: str
) -> None:
    async def test() -> None:
        async with scripted() as process:
            await process.ensure_ready()
            first_pid = process.pid
            parts: list[Any] = []
            with pytest.raises(EngineCrashed) as caught:
                async for part in process.generate((f"one two {word}",), Sampling()):
                    parts.append(part)
            assert text(parts) == "one two"
            assert reason in caught.value.message
            assert process.last_crash == caught.value.message
            assert text(await answer(process, "still here")) == "still here"
            assert process.pid != first_pid
            assert process.num_restarts == 3  # it had made progress before the first

    run(test())


def test_answers_go_on_where_they_were_when_the_engine_dies(tmp_path: Path) -> None:
    async def test() -> None:
        async with scripted() as process:
            await process.ensure_ready()
            first_pid = process.pid
            prompts = [f"a b die-once:{tmp_path / name} c d" for name in "xyz"]
            parts = await asyncio.gather(*(answer(process, prompt) for prompt in prompts))
            assert [text(part) for part in parts] == prompts
            for part in parts:
                assert [type(one) for one in part[:2]] == [Accepted, Delta]
                assert sum(isinstance(one, Accepted) for one in part) == 1
            assert process.pid != first_pid
            assert process.num_restarts == 3
            assert process.error is None

    run(test())


def test_the_one_that_kills_is_found_among_others() -> None:
    async def test() -> None:
        async with scripted() as process:
            prompts = ["a b c", "die", "d e f", "g h i"]
            results = await asyncio.gather(
                *(answer(process, prompt) for prompt in prompts), return_exceptions=True
            )
            assert [isinstance(result, EngineCrashed) for result in results] == [
                prompt == "die" for prompt in prompts
            ]
            good = [result for result in results if not isinstance(result, BaseException)]
            assert [text(parts) for parts in good] == ["a b c", "d e f", "g h i"]

    run(test())


def test_an_engine_that_keeps_dying_while_it_loads_keeps_nobody_waiting(tmp_path: Path) -> None:
    async def test() -> None:
        async with scripted(str(tmp_path / "dies-always")) as process:
            with pytest.raises(EngineCrashed, match="status 1"):
                await process.ensure_ready()
            assert process.num_restarts >= 2

    run(test())


def test_the_last_words_on_stderr_are_in_the_hint() -> None:
    async def test() -> None:
        async with scripted() as process:
            with pytest.raises(EngineCrashed) as caught:
                await answer(process, "exit")
            assert "last words of the engine" in caught.value.hint

    run(test())


def test_a_flood_on_stderr_blocks_nothing() -> None:
    async def test() -> None:
        async with scripted("noisy") as process:
            assert text(await answer(process, "hello")) == "hello"

    run(test())


def test_a_failed_request_leaves_the_others_alone() -> None:
    async def test() -> None:
        async with scripted() as process:
            good, bad = await asyncio.gather(
                answer(process, "good"), answer(process, "x fail"), return_exceptions=True
            )
            assert not isinstance(good, BaseException)
            assert text(good) == "good"
            assert isinstance(bad, EngineError)
            assert (bad.message, bad.hint) == ("it failed", "try another")
            assert process.num_restarts == 0

    run(test())


def test_closing_the_generator_cancels_in_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "cancelled"
    monkeypatch.setenv("CANCEL_LOG", str(log))

    async def test() -> None:
        async with scripted() as process:
            parts = process.generate(("one hang",), Sampling())
            assert isinstance(await anext(parts), Accepted)
            await parts.aclose()
            await until(log.exists)

    run(test())
    assert log.read_text() == "1"


def test_closing_ends_the_process_and_refuses_new_work() -> None:
    async def test() -> None:
        async with scripted() as process:
            await process.ensure_ready()
            child = psutil.Process(process.pid)
            waiting = asyncio.create_task(answer(process, "hang"))
            await until(lambda: len(process._in_flight))
            await process.aclose()
            assert not child.is_running()
            assert (process.state, process.pid, process.last_crash) == ("stopped", None, None)
            with pytest.raises(EngineBusy):
                await waiting

    run(test())


def test_a_command_that_does_not_exist_is_a_load_error() -> None:
    async def test() -> None:
        process = EngineProcess(Load("none", "x"), ("/nonexistent/engine",))
        with pytest.raises(EngineLoadError, match="cannot be started"):
            await process.ensure_ready()
        await process.aclose()

    run(test())


# -- the real engine ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0),
        Sampling(temperature=0, stop=("zzz",), top_logprobs=2),
    ],
    ids=["greedy", "logprobs"],
)
def test_a_killed_engine_s_answer_goes_on_as_if_nothing_had_been(
    tiny_model: Path, sampling: Sampling
) -> None:
    sampling = msgspec.structs.replace(sampling, max_tokens=240)

    async def test() -> None:
        async with real(tiny_model) as process:
            whole = [part async for part in process.generate(("hello",), sampling)]
            parts = []
            async for part in process.generate(("hello",), sampling):
                parts.append(part)
                requests = list(process._in_flight._requests.values())
                if process.num_restarts < 3 and requests and requests[0].is_clear:
                    assert process.pid is not None
                    os.kill(process.pid, signal.SIGKILL)
                    restarts = process.num_restarts
                    await until(lambda: process.num_restarts > restarts)  # noqa: B023
            assert process.num_restarts == 3
            assert "signal 9" in (process.last_crash or "")
            deltas, deltas_before = (
                [p for p in ps if isinstance(p, Delta)] for ps in (parts, whole)
            )
            assert "".join(d.text for d in deltas) == "".join(d.text for d in deltas_before)
            assert [e.token for d in deltas for e in d.logprobs] == [
                e.token for d in deltas_before for e in d.logprobs
            ]
            last, last_before = parts[-1], whole[-1]
            assert isinstance(last, Done)
            assert isinstance(last_before, Done)
            assert last.reason == last_before.reason
            assert last.usage.completion_tokens == last_before.usage.completion_tokens

    run(test())


def test_cancel_stops_the_computation(tiny_model: Path) -> None:
    async def test() -> None:
        async with real(tiny_model) as process:
            parts = process.generate(("hello",), Sampling(ignore_eos=True))
            for _ in range(3):
                await anext(parts)
            await parts.aclose()
            await until(lambda: process.stats.num_steps and not process.stats.num_running)
            assert process.stats.num_generated_tokens < 240  # of the 251 that the context holds

    run(test())


def test_a_prompt_that_is_too_long_is_that_error(tiny_model: Path) -> None:
    async def test() -> None:
        async with real(tiny_model) as process:
            with pytest.raises(ContextLengthExceeded) as caught:
                await answer(process, "x" * 400)
            assert caught.value.context == 256
            assert "256" in caught.value.message

    run(test())


def test_the_child_leaves_when_its_parent_dies(tiny_model: Path, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio, os, sys\n"
        "from edgellm.protocol import Load\n"
        "from edgellm.serving.process import EngineProcess\n"
        "from edgellm.types import Sampling\n"
        "async def main():\n"
        f"    process = EngineProcess(Load('llama_cpp', {str(tiny_model)!r}))\n"
        "    async for _ in process.generate(('hello',), Sampling(ignore_eos=True)):\n"
        "        print(process.pid, flush=True)\n"
        "asyncio.run(main())\n"
    )

    async def test() -> None:
        parent = await asyncio.create_subprocess_exec(
            sys.executable, str(script), stdout=asyncio.subprocess.PIPE
        )
        assert parent.stdout is not None
        child = psutil.Process(int(await parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
        await parent.wait()
        await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)

    run(test())


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.95])
def test_a_truncated_file_is_a_load_error(tiny_model: Path, tmp_path: Path, kept: float) -> None:
    broken = tmp_path / "cut.gguf"
    data = tiny_model.read_bytes()
    broken.write_bytes(data[: int(len(data) * kept)])

    async def test() -> None:
        async with real(broken) as process:
            with pytest.raises(EngineLoadError) as caught:
                await process.ensure_ready()
            assert "cut.gguf" in caught.value.message
            assert "sha256" in caught.value.hint

    run(test())


def test_a_draft_model_guesses_in_the_same_process(pocket: Path) -> None:
    prompt = "<|im_start|>user\nWhat is GGUF?<|im_end|>\n<|im_start|>assistant\n"
    options = EngineOptions(context=256, parallel=1, threads=1, draft_path=str(pocket))

    async def test() -> None:
        process = EngineProcess(Load("llama_cpp", str(pocket), options))
        async with contextlib.aclosing(process):
            sampling = Sampling(temperature=0, max_tokens=40, ignore_eos=True)
            parts = [part async for part in process.generate((prompt,), sampling)]
            assert isinstance(parts[-1], Done)
            await until(lambda: process.stats.num_generated_tokens == 40)
            assert process.stats.num_kept_tokens > 0

    run(test())


def test_a_draft_model_that_does_not_fit_is_a_load_error(pocket: Path, tiny_model: Path) -> None:
    options = EngineOptions(context=256, parallel=1, threads=1, draft_path=str(pocket))

    async def test() -> None:
        process = EngineProcess(Load("llama_cpp", str(tiny_model), options))
        async with contextlib.aclosing(process):
            with pytest.raises(EngineLoadError, match="cannot be the draft model"):
                await process.ensure_ready()

    run(test())
