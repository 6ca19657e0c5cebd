"""Reranking over HTTP. The scripted router's score is a document's length."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.api.conftest import READY, InMemory, ScriptedRouter

DOCUMENTS = ["a", "ccc", "bb", "xxx"]


def test_the_best_come_first_and_equals_stay_in_order(
    client: InMemory, router: ScriptedRouter
) -> None:
    answer = client.post("/v1/rerank", {"query": "q", "documents": DOCUMENTS}).json()
    assert [result["index"] for result in answer["results"]] == [1, 3, 2, 0]
    assert [result["relevance_score"] for result in answer["results"]] == [3, 3, 2, 1]
    assert answer["usage"] == {"prompt_tokens": 12, "total_tokens": 12}
    assert answer["model"] == "pocket"
    assert "document" not in answer["results"][0]
    (asked,) = router.rerank_requests
    assert (asked.query, asked.documents) == ("q", tuple(DOCUMENTS))


@pytest.mark.parametrize("path", ["/rerank", "/v1/reranking", "/reranking"])
def test_llama_servers_names_for_it(client: InMemory, path: str) -> None:
    assert client.post(path, {"query": "q", "documents": ["a"]}).status_code == 200


def test_the_first_few_with_their_documents(client: InMemory) -> None:
    body = {
        "query": "q",
        "documents": [{"text": "a"}, "long"],
        "top_n": 1,
        "return_documents": True,
    }
    assert client.post("/v1/rerank", body).json()["results"] == [
        {"index": 1, "relevance_score": 4, "document": {"text": "long"}}
    ]
    assert len(client.post("/v1/rerank", body | {"top_n": 9}).json()["results"]) == 2


@pytest.mark.parametrize(
    ("capability", "scoring"), [("rerank", "reranker"), ("embedding", "cosine")]
)
def test_it_says_how_the_scores_came_about(
    client: InMemory, router: ScriptedRouter, capability: Any, scoring: str
) -> None:
    router.models = (replace(READY, capabilities=(capability,)),)
    answer = client.post("/v1/rerank", {"query": "q", "documents": ["a"]}).json()
    assert answer["meta"] == {"scoring": scoring}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"documents": ["a"]}, "query"),
        ({"query": "", "documents": ["a"]}, "query"),
        ({"query": "q"}, "documents"),
        ({"query": "q", "documents": []}, "documents"),
        ({"query": "q", "documents": ["a"] * 2049}, "documents"),
        ({"query": "q", "documents": ["a", 1]}, "documents[1]"),
        ({"query": "q", "documents": [{"title": "a"}]}, "documents[0]"),
        ({"query": "q", "documents": ["a"], "top_n": 0}, "top_n"),
    ],
)
def test_a_bad_field_is_a_400_that_names_it(
    client: InMemory, body: dict[str, Any], param: str
) -> None:
    answer = client.post("/v1/rerank", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
