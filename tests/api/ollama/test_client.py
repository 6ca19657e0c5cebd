"""The official `ollama` package understands every answer and every error."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import msgspec
import ollama
import pytest

from edgellm.errors import ContextLengthExceeded, DownloadFailed, EngineCrashed, ModelBusy
from edgellm.types import Finished, ReasoningDelta, Started, TextDelta, TokenLogprob, ToolCallDelta
from tests.api.conftest import FINISHED, READY, USAGE, ScriptedRouter
from tests.api.ollama.conftest import STEPS, ScriptedLibrary

HI = [{"role": "user", "content": "Hi"}]


def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: where
    """
    return city


def test_chat(sdk: ollama.Client, router: ScriptedRouter) -> None:
    answer = sdk.chat("pocket:latest", HI, options=ollama.Options(seed=1, num_ctx=8192))
    assert answer.message.content == "Hello"
    assert (answer.model, answer.done, answer.done_reason) == ("pocket:latest", True, "stop")
    assert (answer.prompt_eval_count, answer.eval_count) == (10, 2)
    assert answer.eval_duration == 100_000_000
    assert answer.created_at is not None
    assert datetime.fromisoformat(answer.created_at).tzinfo == UTC
    assert router.requests[0].model == "pocket"
    assert router.requests[0].sampling.seed == 1


def test_chat_stream(sdk: ollama.Client) -> None:
    chunks = list(sdk.chat("pocket", HI, stream=True))
    assert [chunk.message.content for chunk in chunks] == ["Hel", "lo", ""]
    assert [chunk.done for chunk in chunks] == [False, False, True]


def test_generate_and_its_stream(sdk: ollama.Client, router: ScriptedRouter) -> None:
    assert sdk.generate("pocket", "Hi", system="Be brief.").response == "Hello"
    assert [message.role for message in router.requests[0].messages] == ["system", "user"]
    chunks = sdk.generate("pocket", "Hi", raw=True, stream=True)
    assert "".join(chunk.response or "" for chunk in chunks) == "Hello"
    assert router.requests[1].prompt == "Hi"


def test_a_tool_s_round_trip(sdk: ollama.Client, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: [
        Started(10),
        ReasoningDelta("A call."),
        ToolCallDelta(0, "", id="call_a", name="weather"),
        ToolCallDelta(0, '{"city": "Bern"}'),
        Finished("tool_calls", USAGE),
    ]
    answer = sdk.chat("pocket", HI, tools=[weather], think="low")
    assert (answer.message.thinking, answer.done_reason) == ("A call.", "stop")
    (call,) = answer.message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("weather", {"city": "Bern"})
    first = router.requests[0]
    assert first.tools[0].parameters["properties"]["city"]["type"] == "string"
    assert (first.is_thinking, first.effort) == (True, "low")
    result = {"role": "tool", "tool_name": "weather", "content": "21"}
    sdk.chat("pocket", [*HI, answer.message, result], tools=[weather])
    _, made, told = router.requests[1].messages
    assert made.tool_calls[0].id == told.tool_call_id
    assert msgspec.json.decode(made.tool_calls[0].arguments) == {"city": "Bern"}
    chunks = list(sdk.chat("pocket", HI, tools=[weather], stream=True))
    assert [bool(chunk.message.tool_calls) for chunk in chunks] == [False, True, False]


def test_formats_and_logprobs(sdk: ollama.Client, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: [
        Started(1),
        TextDelta("{}", (TokenLogprob(b"{}", -0.5, ((b"{}", -0.5), (b"a", -2.0))),)),
        FINISHED,
    ]
    answer = sdk.chat("pocket", HI, format={"type": "object"}, logprobs=True, top_logprobs=2)
    assert answer.logprobs is not None
    assert (answer.logprobs[0].token, answer.logprobs[0].logprob) == ("{}", -0.5)
    assert [each.token for each in answer.logprobs[0].top_logprobs or []] == ["{}", "a"]
    constraint = router.requests[0].constraint
    assert constraint is not None
    assert constraint.kind == "json_schema"
    assert router.requests[0].sampling.top_logprobs == 2


def test_a_model_is_loaded_and_unloaded(sdk: ollama.Client, router: ScriptedRouter) -> None:
    assert sdk.generate("pocket", keep_alive=-1).done_reason == "load"
    assert sdk.chat("pocket", keep_alive="5m").done_reason == "load"
    assert sdk.generate("pocket", keep_alive=0).done_reason == "unload"
    assert router.admin_calls == [
        ("load", "pocket", None, math.inf),
        ("load", "pocket", None, 300.0),
        ("unload", "pocket", False),
    ]
    assert router.requests == []


def test_what_is_not_loaded_need_not_be_unloaded(
    sdk: ollama.Client, router: ScriptedRouter
) -> None:
    router.models = (msgspec.structs.replace(READY, state="stopped"),)
    assert sdk.chat("pocket", keep_alive=0).done_reason == "unload"
    assert router.admin_calls == []


def test_a_busy_model_is_not_unloaded(sdk: ollama.Client, router: ScriptedRouter) -> None:
    router.admin_error = ModelBusy("pocket", 1)
    with pytest.raises(ollama.ResponseError) as caught:
        sdk.chat("pocket", keep_alive=0)
    assert caught.value.status_code == 409


def test_models_are_listed_and_shown(
    sdk: ollama.Client, router: ScriptedRouter, library: ScriptedLibrary
) -> None:
    router.models = (
        msgspec.structs.replace(READY, size_bytes=1000, memory_bytes=4000, gpu_share=0.5),
        msgspec.structs.replace(READY, id="hf:o/r:Q4_K_M", state="stopped", aliases=()),
    )
    first, second = sdk.list().models
    assert (first.model, first.size, first.digest) == ("pocket:latest", 1000, "ab" * 32)
    assert first.details is not None
    assert (first.details.family, first.details.quantization_level) == ("llama", "F16")
    assert second.model == "hf:o/r:Q4_K_M"
    assert len(second.digest or "") == 64
    (loaded,) = sdk.ps().models
    assert (loaded.size, loaded.size_vram, loaded.context_length) == (4000, 2000, 2048)
    assert loaded.expires_at is not None
    shown = sdk.show("pocket:latest")
    assert shown.capabilities == ["completion", "tools", "thinking"]
    assert shown.modelinfo is not None
    assert shown.modelinfo["llama.context_length"] == 4096
    assert shown.template is not None
    assert "<tool_call>" in shown.template


def test_embedding(sdk: ollama.Client, router: ScriptedRouter) -> None:
    answer = sdk.embed("pocket", ["a", "b"], truncate=False, keep_alive=60)
    assert answer.embeddings == [[0.6, 0.8], [0.6, 0.8]]
    assert answer.prompt_eval_count == 6
    assert router.embed_requests[0].keep_alive_seconds == 60
    assert not router.embed_requests[0].must_truncate
    sdk.embed("pocket", "a", dimensions=1)
    assert router.embed_requests[-1].dimensions == 1
    assert sdk.embed("pocket", []).embeddings == []
    assert sdk.embeddings("pocket", "a").embedding == [0.6, 0.8]


def test_pull_and_delete(sdk: ollama.Client, library: ScriptedLibrary) -> None:
    assert sdk.pull("qwen3:4b").status == "success"
    steps = list(sdk.pull("qwen3:4b", stream=True))
    assert [step.status for step in steps] == [
        "pulling manifest",
        "pulling a.gguf",
        "verifying sha256 digest",
        "writing manifest",
        "success",
    ]
    assert (steps[1].completed, steps[1].total) == (3, 10)
    assert len(steps[1].digest or "") > 19  # clients show a piece of it
    assert sdk.delete("pocket:latest").status == "success"
    assert library.removed == ["pocket"]
    assert library.pulled == ["qwen3:4b"] * 2
    assert library.num_closed == 2


def test_a_pull_that_fails(sdk: ollama.Client, library: ScriptedLibrary) -> None:
    library.steps = (*STEPS[:2], DownloadFailed("The connection was lost.", "Try again."))
    stream = sdk.pull("x", stream=True)
    assert next(stream).status == "pulling manifest"
    with pytest.raises(ollama.ResponseError, match=r"The connection was lost\. Try again\."):
        list(stream)
    with pytest.raises(ollama.ResponseError) as caught:
        sdk.pull("x")
    assert caught.value.status_code == 502
    with pytest.raises(ollama.ResponseError) as caught:
        list(sdk.pull("bad", stream=True))
    assert caught.value.status_code == 400
    assert library.num_closed == 2


@pytest.mark.parametrize("stream", [True, False])
def test_errors_have_a_status_and_one_text(
    sdk: ollama.Client, router: ScriptedRouter, stream: bool
) -> None:
    def ask(model: str = "pocket") -> Any:
        answer = sdk.chat(model, HI, stream=stream)
        return list(answer) if stream else answer

    with pytest.raises(ollama.ResponseError) as caught:
        ask("gpt-9")
    assert (caught.value.error, caught.value.status_code) == ("model 'gpt-9' not found", 404)
    router.script = lambda _r, _i: [ContextLengthExceeded(99, 64)]
    with pytest.raises(ollama.ResponseError, match="99 tokens") as caught:
        ask()
    assert caught.value.status_code == 400


def test_a_failure_half_way_is_raised(sdk: ollama.Client, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: [Started(1), TextDelta("Hel"), EngineCrashed("It died.")]
    stream = sdk.chat("pocket", HI, stream=True)
    assert next(stream).message.content == "Hel"
    with pytest.raises(ollama.ResponseError, match="It died"):
        next(stream)


async def _collect(url: str) -> list[str | None]:
    client = ollama.AsyncClient(url)
    parts = await client.chat("pocket", HI, stream=True)
    found = [part.message.content async for part in parts]
    await client.close()
    return found


def test_the_asynchronous_client(url: str) -> None:
    import asyncio

    assert asyncio.run(_collect(url)) == ["Hel", "lo", ""]
