"""Embeddings over HTTP: OpenAI's shape and llama-server's, and what is refused."""

from __future__ import annotations

import base64
import struct
from typing import Any

import openai
import pytest
from langchain_openai import OpenAIEmbeddings

from edgellm.api.vectors import to_base64, to_inputs
from edgellm.errors import InvalidRequest
from tests.api.conftest import InMemory, ScriptedRouter

URL = "/v1/embeddings"


def test_one_text(client: InMemory, router: ScriptedRouter) -> None:
    answer = client.post(URL, {"input": "hello", "model": "tiny"}).json()
    assert answer == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.6, 0.8]}],
        "model": "pocket",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    (asked,) = router.embed_requests
    assert (asked.model, asked.inputs) == ("pocket", ("hello",))
    assert asked.pooling is None
    assert asked.is_normalized


@pytest.mark.parametrize(
    ("sent", "inputs"),
    [
        ("a", ("a",)),
        (["a", "b"], ("a", "b")),
        ([1, 2, 3], ((1, 2, 3),)),
        ([[1], [2, 3]], ((1,), (2, 3))),
        (["a", [1]], ("a", (1,))),
    ],
)
def test_every_shape_of_input(
    client: InMemory, router: ScriptedRouter, sent: object, inputs: object
) -> None:
    assert len(client.post(URL, {"input": sent}).json()["data"]) == len(inputs)  # type: ignore[arg-type]  # tuples
    assert router.embed_requests[0].inputs == inputs


def test_base64_is_little_endian_float32(client: InMemory) -> None:
    answer = client.post(URL, {"input": "a", "encoding_format": "base64"}).json()
    packed = base64.b64decode(answer["data"][0]["embedding"])
    assert struct.unpack("<2f", packed) == pytest.approx((0.6, 0.8))
    assert to_base64((1.0,)) == base64.b64encode(struct.pack("<f", 1)).decode()


def test_the_extensions_reach_the_router(client: InMemory, router: ScriptedRouter) -> None:
    fields = {
        "dimensions": 8,
        "pooling": "cls",
        "normalize": False,
        "truncate": True,
        "keep_alive": "5m",
        "user": "me",
    }
    assert client.post(URL, {"input": "a", **fields}).status_code == 200
    (asked,) = router.embed_requests
    assert (asked.dimensions, asked.pooling, asked.is_normalized) == (8, "cls", False)
    assert (asked.must_truncate, asked.keep_alive_seconds) == (True, 300)
    assert asked.client.endswith(" me")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [[]]}, "input[0]"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a", 1]}, "input[1]"),
        ({"input": [1, "a"]}, "input[1]"),
        ({"input": [1, True]}, "input[1]"),
        ({"input": [1, -1]}, "input[1]"),
        ({"input": [[2**40]]}, "input[0][0]"),
        ({"input": {"a": 1}}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "a", "pooling": "none"}, "pooling"),
        ({"input": "a", "keep_alive": "often"}, "keep_alive"),
    ],
)
def test_a_bad_field_is_a_400_that_names_it(
    client: InMemory, body: dict[str, Any], param: str
) -> None:
    answer = client.post(URL, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_an_unknown_model_is_a_404(client: InMemory) -> None:
    assert client.post(URL, {"input": "a", "model": "none"}).status_code == 404


@pytest.mark.parametrize("path", ["/embedding", "/embeddings"])
def test_llama_servers_shape(client: InMemory, router: ScriptedRouter, path: str) -> None:
    assert client.post(path, {"content": ["a", "b"]}).json() == [
        {"index": 0, "embedding": [[0.6, 0.8]]},
        {"index": 1, "embedding": [[0.6, 0.8]]},
    ]
    assert router.embed_requests[0].param == "content"
    assert client.post(path, {"input": "a"}).json()[0]["index"] == 0
    assert client.post(path, {}).json()["error"]["param"] == "content"


def test_the_official_sdk(url: str) -> None:
    sdk = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    found = sdk.embeddings.create(model="pocket", input=["a", "b"])  # asks for base64
    assert [item.embedding for item in found.data] == [pytest.approx([0.6, 0.8])] * 2
    assert found.usage.prompt_tokens == 6
    floats = sdk.embeddings.create(model="pocket", input="a", encoding_format="float")
    assert floats.data[0].embedding == pytest.approx([0.6, 0.8])
    sdk.close()


def test_langchain(url: str) -> None:
    embeddings = OpenAIEmbeddings(
        model="pocket",
        base_url=f"{url}/v1",
        api_key="none",  # type: ignore[arg-type]  # pydantic makes it a secret
        check_embedding_ctx_length=False,  # or it cuts texts by the tokenizer of OpenAI's models
    )
    assert embeddings.embed_query("a") == pytest.approx([0.6, 0.8])
    assert len(embeddings.embed_documents(["a", "b", "c"])) == 3


def test_inputs_name_the_place_of_a_mistake() -> None:
    with pytest.raises(InvalidRequest) as caught:
        to_inputs([[1], [2, "x"]], "content")
    assert caught.value.param == "content[1][1]"
