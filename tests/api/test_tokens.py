"""Tokens over HTTP. The scripted router's tokens are bytes, with a 1 in front."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import InMemory


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_both_ways(client: InMemory, prefix: str) -> None:
    answer = client.post(f"{prefix}/tokenize", {"content": "ab", "model": "tiny"}).json()
    assert answer == {"tokens": [97, 98], "count": 2, "max_model_len": 2048}
    back = client.post(f"{prefix}/detokenize", {"tokens": answer["tokens"]}).json()
    assert back == {"content": "ab", "prompt": "ab"}


def test_special_tokens_as_each_server_adds_them(client: InMemory) -> None:
    def tokens(**body: Any) -> list[int]:
        found: list[int] = client.post("/tokenize", body).json()["tokens"]
        return found

    assert tokens(content="a") == [97]
    assert tokens(content="a", add_special=True) == [1, 97]
    assert tokens(prompt="a") == [1, 97]
    assert tokens(prompt="a", add_special_tokens=False) == [97]
    assert tokens(content="") == []


def test_pieces_are_text_or_bytes(client: InMemory) -> None:
    answer = client.post("/tokenize", {"content": "aé", "with_pieces": True}).json()
    assert answer["tokens"] == [
        {"id": 97, "piece": "a"},
        {"id": 195, "piece": [195]},
        {"id": 169, "piece": [169]},
    ]
    assert answer["count"] == 3


def test_a_conversation(client: InMemory) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    assert client.post("/apply-template", body).json() == {"prompt": "user: Hi"}
    assert client.post("/tokenize", body).json()["count"] == len("user: Hi")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {}, "content"),
        ("/tokenize", {"content": 1}, "content"),
        ("/tokenize", {"content": "a", "prompt": "b"}, "prompt"),
        ("/tokenize", {"messages": []}, "messages"),
        ("/detokenize", {}, "tokens"),
        ("/detokenize", {"tokens": ["a"]}, "tokens[0]"),
        ("/detokenize", {"tokens": [-1]}, "tokens[0]"),
        ("/apply-template", {}, "messages"),
        ("/apply-template", {"messages": [{"role": "king"}]}, "messages[0].role"),
    ],
)
def test_a_bad_field_is_a_400_that_names_it(
    client: InMemory, path: str, body: dict[str, Any], param: str
) -> None:
    answer = client.post(path, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
