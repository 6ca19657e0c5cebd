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
            **always_a,
        )
        raw = client.completions.create(model="", prompt="<think>\n", max_tokens=4, **always_a)
    message = completion.choices[0].message
    assert message.content is None or message.content == ""
    assert (message.model_extra or {})["reasoning_content"] == "a" * 8
    assert raw.choices[0].text == "aaaa"
