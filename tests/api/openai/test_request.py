"""What a valid OpenAI request means, as canonical requests."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edgellm.api.openai.request import chat_to_requests, completion_to_requests, to_seed
from edgellm.api.openai.schema import ChatCompletionBody, CompletionBody
from edgellm.api.validation import parse_body
from edgellm.types import GenerateRequest, Message, Sampling, Tool, ToolCall

USER = {"role": "user", "content": "Hi"}


def chat(**fields: Any) -> list[GenerateRequest]:
    raw = msgspec.json.encode({"messages": [USER], **fields})
    return chat_to_requests(parse_body(ChatCompletionBody, raw), "pocket")


def complete(**fields: Any) -> list[GenerateRequest]:
    raw = msgspec.json.encode({"prompt": "Once", **fields})
    return completion_to_requests(parse_body(CompletionBody, raw), "pocket")


def test_the_least_chat_leaves_everything_to_the_model() -> None:
    assert chat() == [GenerateRequest("pocket", messages=(Message("user", "Hi"),))]


def test_the_least_completion_leaves_everything_to_the_model() -> None:
    assert complete() == [GenerateRequest("pocket", prompt="Once")]


def test_every_sampling_field() -> None:
    sampling = Sampling(
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        min_p=0.05,
        typical_p=0.8,
        repeat_penalty=1.1,
        repeat_last_n=-1,
        presence_penalty=-2.0,
        frequency_penalty=2.0,
        seed=7,
        logit_bias={5: -100.0, 0: 1.5},
        max_tokens=9,
        min_tokens=3,
        ignore_eos=True,
        stop=("a", "b"),
        top_logprobs=4,
    )
    fields = msgspec.to_builtins(sampling, str_keys=True)
    del fields["top_logprobs"]
    assert chat(**fields, logprobs=True, top_logprobs=4)[0].sampling == sampling
    assert complete(**fields, logprobs=4)[0].sampling == sampling


def test_nulls_are_the_same_as_absent_fields() -> None:
    names = {
        *ChatCompletionBody.model_fields.keys(),
        *CompletionBody.model_fields.keys(),
    }
    nulls = dict.fromkeys(names - {"messages", "prompt"})
    assert chat(**nulls) == chat()
    assert complete(**nulls) == complete()


def test_hints_and_unknown_fields_are_ignored() -> None:
    hints = {
        "audio": {"voice": "x"},
        "metadata": ["not", "an", "object"],
        "verbosity": "low",
        "prediction": {"type": "content"},
        "prompt_cache_key": 5,
        "safety_identifier": "x",
        "service_tier": "flex",
        "store": True,
        "user": "me",
        "surprise": [1, {"a": None}],
    }
    assert chat(**hints) == chat()
    assert complete(**hints) == complete()


def test_max_completion_tokens_wins() -> None:
    assert chat(max_tokens=5, max_completion_tokens=6)[0].sampling.max_tokens == 6
    assert chat(max_tokens=5)[0].sampling.max_tokens == 5


def test_repetition_penalty_is_another_name() -> None:
    assert chat(repetition_penalty=1.2)[0].sampling.repeat_penalty == 1.2
    both = chat(repetition_penalty=1.2, repeat_penalty=1.3)
    assert both[0].sampling.repeat_penalty == 1.3


def test_zero_is_not_absent() -> None:
    sampling = chat(temperature=0, top_k=0, min_p=0, seed=0, logprobs=True)[0].sampling
    assert (sampling.temperature, sampling.top_k, sampling.min_p) == (0, 0, 0)
    assert (sampling.seed, sampling.top_logprobs) == (0, 0)
    assert complete(logprobs=0)[0].sampling.top_logprobs == 0
    assert chat(logprobs=False)[0].sampling.top_logprobs is None


@pytest.mark.parametrize("seed", [0, -1, 2**32 - 1, 2**32, 2**63, -(2**70), 10**30])
def test_any_integer_is_a_seed_and_never_the_random_one(seed: int) -> None:
    mapped = to_seed(seed, 0)
    assert mapped is not None
    assert 0 <= mapped < 2**32 - 1
    assert chat(seed=seed)[0].sampling.seed == mapped


def test_each_choice_has_its_own_seed() -> None:
    assert [r.sampling.seed for r in chat(n=3, seed=5)] == [5, 6, 7]
    assert [r.sampling.seed for r in chat(n=2)] == [None, None]


@pytest.mark.parametrize(("stop", "expected"), [("a", ("a",)), (["a", "b"], ("a", "b")), ([], ())])
def test_stop(stop: object, expected: tuple[str, ...]) -> None:
    assert chat(stop=stop)[0].sampling.stop == expected


def test_a_conversation_with_every_role() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Very."},
        {"role": "user", "content": "Hi", "name": "Ada"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "42", "tool_call_id": "c1"},
        {"role": "assistant", "content": "It is 42.", "tool_calls": None},
        {"role": "assistant", "content": None, "refusal": "No."},
    ]
    assert chat(messages=messages)[0].messages == (
        Message("system", "Be brief."),
        Message("system", "Very."),
        Message("user", "Hi", name="Ada"),
        Message("assistant", "", tool_calls=(ToolCall("c1", "f", '{"a": 1}'),)),
        Message("tool", "42", tool_call_id="c1"),
        Message("assistant", "It is 42."),
        Message("assistant", "No."),
    )


def reasoning_of(**fields: Any) -> tuple[bool | None, str | None, dict[str, Any]]:
    (request,) = chat(**fields)
    return request.is_thinking, request.effort, request.template_variables


@pytest.mark.parametrize(
    ("effort", "expected"),
    [
        (None, (None, None)),
        ("none", (False, None)),
        ("minimal", (None, "low")),
        ("low", (True, "low")),
        ("medium", (True, "medium")),
        ("high", (True, "high")),
        ("xhigh", (True, "high")),
    ],
)
def test_effort(effort: str | None, expected: tuple[bool | None, str | None]) -> None:
    assert reasoning_of(reasoning_effort=effort) == (*expected, {})
    assert reasoning_of(reasoning={"effort": effort, "summary": "auto"}) == (*expected, {})


def test_the_most_specific_wish_counts() -> None:
    fields = {"reasoning_effort": "high", "reasoning": {"effort": "none"}}
    assert reasoning_of(**fields)[:2] == (True, "high")
    fields |= {"enable_thinking": False, "reasoning_format": "auto"}
    assert reasoning_of(**fields)[:2] == (False, "high")
    fields |= {"chat_template_kwargs": {"enable_thinking": True, "style": ["x", {"y": 1}]}}
    assert reasoning_of(**fields) == (True, "high", {"style": ["x", {"y": 1}]})
    assert reasoning_of(chat_template_kwargs={"thinking": False}) == (False, None, {})


def test_reasoning_of_earlier_turns() -> None:
    messages = [
        {"role": "user", "content": "a", "reasoning_content": "ignored"},
        {"role": "assistant", "content": "b", "reasoning_content": "one"},
        {"role": "assistant", "content": "c", "reasoning": "two"},
        {"role": "assistant", "content": "d", "reasoning_content": {"odd": 1}},
        {"role": "assistant", "reasoning_content": "three"},
    ]
    turns = chat(messages=messages)[0].messages
    assert [turn.reasoning for turn in turns] == ["", "one", "two", "", "three"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"continue_final_message": True}, True),
        ({"continue_final_message": True, "add_generation_prompt": False}, True),
        ({"add_generation_prompt": False}, True),
        ({"add_generation_prompt": True}, False),
        ({"continue_final_message": False}, False),
        ({"continue_final_message": False, "add_generation_prompt": True}, False),
    ],
)
def test_the_last_message_is_continued(fields: dict[str, bool], expected: bool) -> None:
    messages = [USER, {"role": "assistant", "content": "Once"}]
    assert chat(messages=messages, **fields)[0].continues_last == expected
    assert not chat(messages=[USER])[0].continues_last


def test_calls_are_not_continued() -> None:
    call = {"id": "c1", "function": {"name": "f", "arguments": "{}"}}
    messages = [USER, {"role": "assistant", "content": "x", "tool_calls": [call]}]
    assert not chat(messages=messages)[0].continues_last


FUNCTIONS = [{"name": "now"}, {"name": "weather", "parameters": {"type": "object"}}]


def test_functions_are_tools() -> None:
    tools = (Tool("now"), Tool("weather", "", {"type": "object"}))
    (request,) = chat(functions=FUNCTIONS)
    assert (request.tools, request.must_call) == (tools, ())
    assert not request.parallel_tool_calls  # the old shape has room for one
    assert chat(functions=FUNCTIONS, function_call="auto") == chat(functions=FUNCTIONS)
    assert chat(functions=FUNCTIONS, function_call="none")[0].tools == ()
    named = chat(functions=FUNCTIONS, function_call={"name": "now"})[0]
    assert (named.tools, named.must_call) == (tools, ("now",))


def test_a_conversation_with_functions() -> None:
    def turns(number: int) -> list[dict[str, Any]]:
        call = {"name": "f", "arguments": str(number)}
        result = {"role": "function", "name": "f", "content": "r"}
        return [{"role": "assistant", "content": None, "function_call": call}, result]

    messages = chat(messages=[USER, *turns(1), *turns(2)])[0].messages
    assert messages[1].tool_calls == (ToolCall("call_1", "f", "1"),)
    assert messages[2] == Message("tool", "r", tool_call_id="call_1", name="f")
    assert messages[3].tool_calls == (ToolCall("call_3", "f", "2"),)
    assert messages[4].tool_call_id == "call_3"


def allowed(mode: str, *names: str) -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


def test_allowed_tools() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in "abc"]
    (request,) = chat(tools=tools, tool_choice=allowed("auto", "a", "c"))
    assert (request.tools, request.must_call) == ((Tool("a"), Tool("c")), ())
    (request,) = chat(tools=tools, tool_choice=allowed("required", "a", "c"))
    assert [tool.name for tool in request.tools] == ["a", "b", "c"]
    assert request.must_call == ("a", "c")


def test_content_parts_are_joined() -> None:
    content = [
        {"type": "text", "text": "one"},
        {"type": "refusal", "refusal": "two"},
        {"type": "text", "text": ""},
    ]
    message = chat(messages=[{"role": "assistant", "content": content}])[0].messages[0]
    assert message.content == "one\ntwo\n"


def test_empty_content_is_content() -> None:
    assert chat(messages=[{"role": "user", "content": ""}])[0].messages == (Message("user", ""),)


def test_tools() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    function = {"name": "weather", "description": "Tells it.", "parameters": schema, "strict": True}
    tools = [{"type": "function", "function": function}, {"function": {"name": "now"}}]
    expected = (Tool("weather", "Tells it.", schema, is_strict=True), Tool("now"))
    assert chat(tools=tools)[0].tools == expected
    assert chat(tools=tools, tool_choice="auto")[0].tools == expected
    assert chat(tools=tools, tool_choice="none")[0].tools == ()


def test_text_is_the_response_format_and_the_modality() -> None:
    assert chat(response_format={"type": "text"}, modalities=["text"]) == chat()


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a", ["a"]),
        ("", [""]),
        (["a", "b"], ["a", "b"]),
        ([1, 2], [(1, 2)]),
        ([[1], [2, 3]], [(1,), (2, 3)]),
        (["a", [1]], ["a", (1,)]),
    ],
)
def test_prompts(prompt: object, expected: list[object]) -> None:
    assert [request.prompt for request in complete(prompt=prompt)] == expected


def test_prompts_times_choices() -> None:
    requests = complete(prompt=["a", "b"], n=2, seed=1, best_of=2, suffix="", echo=True)
    assert [(r.prompt, r.sampling.seed, r.echo) for r in requests] == [
        ("a", 1, True),
        ("a", 2, True),
        ("b", 1, True),
        ("b", 2, True),
    ]


def test_a_gap_to_fill() -> None:
    assert [r.suffix for r in complete(prompt=["a", [1]], suffix=" end")] == [" end", " end"]
