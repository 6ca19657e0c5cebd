"""Whatever arrives, Ollama's routes answer it, and never with a 5xx."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import InMemory

PATHS = ("chat", "generate", "embed", "embeddings", "show", "pull")
NAMES = (
    *("model", "name", "messages", "prompt", "input", "format", "options", "think"),
    *("keep_alive", "stream", "tools", "raw", "system", "suffix", "template", "context"),
    *("images", "truncate", "dimensions", "logprobs", "top_logprobs"),
)
OPTIONS = "num_ctx num_predict seed top_k top_p min_p stop temperature mirostat repeat_last_n x"
WORDS = ("pocket", "", "json", "low", "-1", "5m", "user", "tool", "x:latest", "hf.co/a/b")

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(width=32) | st.text(max_size=9)
    | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "system"])},
        optional={
            "content": st.text(max_size=9),
            "tool_name": st.text(max_size=3),
            "tool_calls": st.just([{"function": {"name": "f", "arguments": {"a": 1}}}]),
        },
    ),
    max_size=4,
)
options = st.dictionaries(st.sampled_from(OPTIONS.split()), values, max_size=3)
bodies = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(NAMES, values),
        "model": st.sampled_from(WORDS),
        "messages": messages | values,
        "options": options | values,
        "stream": st.booleans(),
    },
)


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@pytest.mark.parametrize("path", PATHS)
@given(body=bodies | values)
def test_no_body_is_the_server_s_fault(client: InMemory, path: str, body: Any) -> None:
    import json

    content = json.dumps(body).encode()
    response = client.request("POST", f"/api/{path}", content=content)
    assert response.status_code < 500, response.text
    if response.status_code != 200:
        assert isinstance(response.json()["error"], str)
