"""Ollama's bodies -> requests: what fields mean, and what is refused by name."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from edgellm.api.ollama.options import to_seed, warnings_of
from edgellm.api.ollama.request import (
    chat_to_request,
    embed_to_request,
    embeddings_to_request,
    generate_to_request,
)
from edgellm.api.ollama.schema import (
    OllamaChatBody,
    OllamaEmbedBody,
    OllamaEmbeddingsBody,
    OllamaGenerateBody,
    OllamaOptions,
)
from edgellm.api.validation import parse_body
from edgellm.errors import InvalidRequest
from edgellm.types import EmbedRequest, GenerateRequest, Message, Sampling, ToolCall

HI = [{"role": "user", "content": "Hi"}]


def chat(**fields: Any) -> GenerateRequest:
    raw = msgspec.json.encode({"messages": HI, **fields})
    return chat_to_request(parse_body(OllamaChatBody, raw), "pocket", "me")


def generate(**fields: Any) -> GenerateRequest:
    raw = msgspec.json.encode({"prompt": "Hi", **fields})
    return generate_to_request(parse_body(OllamaGenerateBody, raw), "pocket")


def embed(**fields: Any) -> EmbedRequest:
    return embed_to_request(parse_body(OllamaEmbedBody, msgspec.json.encode(fields)), "pocket")


def test_the_least() -> None:
    assert chat() == GenerateRequest("pocket", (Message("user", "Hi"),), client="me")
    assert generate() == GenerateRequest("pocket", (Message("user", "Hi"),))


def test_options_are_sampling() -> None:
    options = {
        "num_predict": 5.0,
        "temperature": 0,
        "top_k": -1,
        "top_p": 0.5,
        "min_p": 0.1,
        "typical_p": 0.9,
        "seed": 7,
        "stop": ["a", "", "b"],
        "repeat_penalty": 1.2,
        "repeat_last_n": -1,
        "presence_penalty": 1,
        "frequency_penalty": -1,
    }
    assert chat(options=options).sampling == Sampling(
        temperature=0,
        top_k=0,
        top_p=0.5,
        min_p=0.1,
        typical_p=0.9,
        repeat_penalty=1.2,
        repeat_last_n=-1,
        presence_penalty=1,
        frequency_penalty=-1,
        seed=7,
        max_tokens=5,
        stop=("a", "b"),
    )


@pytest.mark.parametrize("num_predict", [-1, -2, 0, None])
def test_no_limit(num_predict: int | None) -> None:
    assert chat(options={"num_predict": num_predict}).sampling.max_tokens is None


def test_seeds() -> None:
    assert [to_seed(seed) for seed in (None, -1, 0, 2**32 - 1, -2)] == [None, None, 0, 0, 2**32 - 3]


def test_load_options_and_neutral_values_are_for_every_client() -> None:
    options = {
        "num_ctx": 8192,
        "num_keep": 4,
        "num_gpu": 99,
        "use_mmap": True,
        "mirostat": 0,
        "mirostat_tau": 5.0,
        "tfs_z": 1.0,
        "penalize_newline": True,
        "low_vram": None,
    }
    assert chat(options=options).sampling == Sampling()
    assert warnings_of(OllamaOptions(**options), 8192) == []


@pytest.mark.parametrize("options", [{"mirostat": 2}, {"tfs_z": 0.5}, {"penalize_newline": False}])
def test_options_that_would_change_the_answer_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        chat(options=options)
    assert caught.value.param == f"options.{next(iter(options))}"


def test_a_larger_context_and_unknown_options_are_told() -> None:
    options = OllamaOptions.model_validate({"num_ctx": 8192, "temprature": 1})
    larger, unknown = warnings_of(options, 2048)
    assert "8192" in larger
    assert "2048" in larger
    assert "--context" in larger
    assert unknown == "temprature: there is no such option."
    assert warnings_of(options, None) == [unknown]
    assert warnings_of(None, 2048) == []


def test_a_tool_s_round_trip_with_and_without_ids() -> None:
    call = {"function": {"name": "weather", "arguments": {"city": "Zürich"}}}
    other = {"id": "own", "function": {"name": "now", "arguments": {}}}
    request = chat(
        messages=[
            *HI,
            {"role": "assistant", "content": None, "thinking": "Hm", "tool_calls": [call, other]},
            {"role": "tool", "tool_name": "now", "content": "12"},
            {"role": "tool", "content": "21"},
        ],
        tools=[{"type": "function", "function": {"name": "weather", "parameters": None}}],
    )
    assert request.messages[1] == Message(
        "assistant",
        tool_calls=(
            ToolCall("call_0", "weather", '{"city": "Zürich"}'),
            ToolCall("own", "now", "{}"),
        ),
        reasoning="Hm",
    )
    assert request.messages[2] == Message("tool", "12", tool_call_id="own", name="now")
    assert request.messages[3] == Message("tool", "21", tool_call_id="call_0", name="weather")
    assert [tool.name for tool in request.tools] == ["weather"]
    assert not request.continues_last


def test_results_find_their_call_by_id_and_may_have_none() -> None:
    calls = [{"id": id_, "function": {"name": "f"}} for id_ in ("a", "b")]
    request = chat(
        messages=[
            *HI,
            {"role": "assistant", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "b", "content": "1"},
            {"role": "tool", "tool_call_id": "zzz", "content": "2"},
            {"role": "tool", "tool_name": "other", "content": "3"},
        ]
    )
    assert [(m.tool_call_id, m.name) for m in request.messages[2:]] == [
        ("b", "f"),
        ("zzz", None),
        (None, "other"),
    ]


def test_a_last_turn_of_the_assistant_goes_on() -> None:
    assert chat(messages=[*HI, {"role": "assistant", "content": "Well,"}]).continues_last


@pytest.mark.parametrize(
    ("think", "expected"),
    [
        (None, (None, None)),
        (True, (True, None)),
        (False, (False, None)),
        ("low", (True, "low")),
        ("high", (True, "high")),
    ],
)
def test_thinking(think: object, expected: tuple[object, object]) -> None:
    request = chat(think=think)
    assert (request.is_thinking, request.effort) == expected


def test_formats() -> None:
    assert chat(format="").constraint is None
    json_ = chat(format="json").constraint
    assert json_ is not None
    assert (json_.kind, json_.text, json_.param) == ("json_schema", '{"type":"object"}', "format")
    schema = generate(format={"type": "object", "properties": {"a": {}}}).constraint
    assert schema is not None
    assert '"a"' in schema.text


def test_logprobs() -> None:
    assert chat(logprobs=True).sampling.top_logprobs == 0
    assert chat(logprobs=True, top_logprobs=3).sampling.top_logprobs == 3
    assert chat(top_logprobs=0).sampling.top_logprobs is None


def test_keep_alive() -> None:
    assert chat(keep_alive="5m").keep_alive_seconds == 300
    assert chat(keep_alive=-1).keep_alive_seconds == math.inf
    assert chat(keep_alive="-1m").keep_alive_seconds == math.inf
    assert generate(keep_alive=0).keep_alive_seconds == 0


def test_generate_s_prompts() -> None:
    assert generate(system="Be brief.").messages == (
        Message("system", "Be brief."),
        Message("user", "Hi"),
    )
    raw = generate(raw=True)
    assert (raw.prompt, raw.messages, raw.suffix) == ("Hi", (), "")
    middle = generate(suffix="}")
    assert (middle.prompt, middle.suffix) == ("Hi", "}")
    assert generate(template="", context=[], images=[]) == generate()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"template": "{{ .Prompt }}"}, "template"),
        ({"context": [1, 2]}, "context"),
        ({"images": ["aGk="]}, "images"),
        ({"width": 512}, "width"),
        ({"raw": True, "system": "x"}, "system"),
        ({"suffix": "}", "system": "x"}, "system"),
        ({"think": "much"}, "think"),
        ({"think": 3}, "think"),
        ({"format": "xml"}, "format"),
        ({"format": 1}, "format"),
        ({"format": {"not": {"type": "null"}}}, "format.not"),
        ({"keep_alive": "soon"}, "keep_alive"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"options": {"temperature": "hot"}}, "options.temperature"),
        ({"options": {"num_predict": 1.5}}, "options.num_predict"),
        ({"options": []}, "options"),
        ({"prompt": 1}, "prompt"),
    ],
)
def test_what_generate_refuses(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        generate(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "user", "images": ["aGk="]}]}, "messages[0].images"),
        ({"messages": [{"role": "robot"}]}, "messages[0].role"),
        ({"tools": [{"type": "code", "function": {"name": "f"}}]}, "tools[0].type"),
        ({"tools": [{"function": {"name": "no spaces"}}]}, "tools[0].function.name"),
    ],
)
def test_what_chat_refuses(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        chat(**fields)
    assert caught.value.param == param


def test_embedding() -> None:
    assert embed(input="a") == EmbedRequest("pocket", ("a",), must_truncate=True)
    assert embed(input=["a", "b"], truncate=False).inputs == ("a", "b")
    assert not embed(input="a", truncate=False).must_truncate
    old = parse_body(OllamaEmbeddingsBody, b'{"prompt": "x"}')
    assert embeddings_to_request(old, "pocket").inputs == ("x",)


@pytest.mark.parametrize("value", [None, 1, [1], ["a"] * 2049])
def test_inputs_that_are_none(value: object) -> None:
    with pytest.raises(InvalidRequest):
        embed(input=value)
