"""A template that begins the reasoning, from the prompt to the answer's field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai

from tests.support.server import serve
from tests.support.tiny_model import CHATML, CONTROL, write_tiny_model

BEGUN = CHATML.replace("assistant\n", "assistant\n<think>\n")


def test_what_a_model_writes_behind_the_template_s_tag_is_reasoning(tmp_path: Path) -> None:
    token = len(CONTROL) + ord("a")
    always_a: Any = {"temperature": 0, "logit_bias": {str(token): 100}}
    model = write_tiny_model(tmp_path / "thinker.gguf", template=BEGUN)
    with (
        serve(tmp_path, str(model), "--parallel", "1") as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
    ):
        completion = client.chat.completions.create(
            model="",
            messages=[{"role": "user", "content": "Hi"}],
            max_tokens=8,
            logprobs=True,
            **always_a,
        )
        raw = client.completions.create(model="", prompt="<think>\n", max_tokens=4, **always_a)
    message = completion.choices[0].message
    assert message.content is None or message.content == ""
    assert (message.model_extra or {})["reasoning_content"] == "a" * 8
    assert raw.choices[0].text == "aaaa"
    assert num_reasoning(completion) == 8
    logprobs = completion.choices[0].logprobs
    assert logprobs is not None
    assert [entry.token for entry in logprobs.content or []] == ["a"] * 8


def num_reasoning(completion: openai.types.chat.ChatCompletion) -> int | None:
    assert completion.usage is not None
    assert completion.usage.completion_tokens_details is not None
    return completion.usage.completion_tokens_details.reasoning_tokens


def test_tokens_are_counted_where_the_model_begins_and_ends_its_reasoning(tmp_path: Path) -> None:
    knows_tags = CHATML + "{# <think></think> #}"
    model = write_tiny_model(tmp_path / "thinker.gguf", template=knows_tags)
    with (
        serve(tmp_path, str(model), "--parallel", "1") as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
    ):
        script: Any = {"regex": "<think>\nHm</think>\n\nyes"}  # a token for each byte
        wanted: Any = {"model": "", "messages": [{"role": "user", "content": "Hi"}]}
        whole = client.chat.completions.create(extra_body=script, **wanted)
        stream = client.chat.completions.create(
            extra_body=script, stream=True, stream_options={"include_usage": True}, **wanted
        )
        last = list(stream)[-1]
        held = client.chat.completions.create(
            reasoning_effort="high",
            extra_body={"regex": "yes"},
            logit_bias={str(len(CONTROL) + ord("<")): 5},
            max_tokens=300,
            **wanted,
        )
    message = whole.choices[0].message
    assert (message.model_extra or {})["reasoning_content"] == "Hm"
    assert message.content == "yes"
    assert num_reasoning(whole) == len("<think>\nHm</think>")
    assert last.usage is not None
    assert last.usage.completion_tokens_details is not None
    assert last.usage.completion_tokens_details.reasoning_tokens == len("<think>\nHm</think>")
    # The reasoning that was asked for comes first; random weights hardly ever end it.
    assert (held.choices[0].message.model_extra or {})["reasoning_content"]
    assert held.choices[0].message.content in ("", "yes")


def test_reasoning_that_is_not_wanted_and_text_that_goes_on(tmp_path: Path) -> None:
    token = len(CONTROL) + ord("a")
    always_a: Any = {"temperature": 0, "max_tokens": 8, "logit_bias": {str(token): 100}}
    user: Any = {"role": "user", "content": "Hi"}
    model = write_tiny_model(tmp_path / "thinker.gguf", template=BEGUN)
    fingerprints = []
    for _ in range(2):
        with (
            serve(tmp_path, str(model), "--parallel", "1") as server,
            openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
        ):
            create = client.chat.completions.create
            quick = create(model="", messages=[user], reasoning_effort="none", **always_a)
            last: Any = {"role": "assistant", "content": "<|im_end|>Well"}
            plain = create(model="", messages=[user], **always_a)
            more = create(model="", messages=[user, last], stop=["aaaaaaaaa"], **always_a)
            thought: Any = {"role": "assistant", "reasoning_content": "Hm", "content": ""}
            musing = create(model="", messages=[user, thought], **always_a)
            fingerprints.append(quick.system_fingerprint)
    assert quick.choices[0].message.content == more.choices[0].message.content == "a" * 8
    assert num_reasoning(quick) == 0
    assert plain.usage is not None
    assert more.usage is not None
    # The typed control token is ten characters; the tag that was begun is not in the prompt.
    assert more.usage.prompt_tokens == plain.usage.prompt_tokens - len("<think>\n") + 14
    assert (musing.choices[0].message.model_extra or {})["reasoning_content"] == "a" * 8
    assert fingerprints[0] == fingerprints[1]
    assert (fingerprints[0] or "").startswith("fp_")
