"""The routes over HTTP: keeping and finding responses, paging, and answers that broke off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from edgellm.api.app import create_app
from edgellm.api.guard import Access
from edgellm.errors import ContextLengthExceeded, EngineCrashed
from edgellm.security.key_ring import KeyRing
from edgellm.security.keys import KeyFile
from edgellm.types import Message, Started, TextDelta
from tests.api.conftest import HELLO, Hang, InMemory, ScriptedRouter, wait_until


def respond(client: InMemory, input_: Any = "Hi", **fields: Any) -> dict[str, Any]:
    response = client.post("/v1/responses", {"input": input_, **fields})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def test_a_response_is_found_again(client: InMemory) -> None:
    made = respond(client, metadata={"a": "b"})
    found = client.get(f"/v1/responses/{made['id']}")
    assert found.json() == made
    assert found.headers["content-type"] == "application/json"


def test_a_conversation_goes_on_without_the_old_instructions(
    client: InMemory, router: ScriptedRouter
) -> None:
    first = respond(client, "One", instructions="Be brief.")
    second = respond(client, "Two", previous_response_id=first["id"])
    respond(client, "Three", previous_response_id=second["id"], instructions="Be long.")
    assert router.requests[-1].messages == (
        Message("system", "Be long."),
        Message("user", "One"),
        Message("assistant", "Hello"),
        Message("user", "Two"),
        Message("assistant", "Hello"),
        Message("user", "Three"),
    )


def test_a_reference_to_what_was_said(client: InMemory, router: ScriptedRouter) -> None:
    first = respond(client)
    item = {"type": "item_reference", "id": first["output"][0]["id"]}
    respond(client, [item, {"role": "user", "content": "What?"}])
    assert router.requests[-1].messages[0] == Message("assistant", "Hello")
    missing = client.post("/v1/responses", {"input": [{**item, "id": "msg_0"}]})
    assert missing.status_code == 404
    assert missing.json()["error"]["param"] == "input[0].id"


def test_what_is_not_to_be_stored_is_not(client: InMemory) -> None:
    made = respond(client, store=False)
    assert made["store"] is False
    assert client.get(f"/v1/responses/{made['id']}").status_code == 404


def test_deleting(client: InMemory) -> None:
    made = respond(client)
    url = f"/v1/responses/{made['id']}"
    answer = client.request("DELETE", url).json()
    assert answer == {"id": made["id"], "object": "response", "deleted": True}
    assert client.get(url).status_code == 404
    assert client.request("DELETE", url).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/responses/resp_0"),
        ("DELETE", "/v1/responses/resp_0"),
        ("GET", "/v1/responses/resp_0/input_items"),
        ("POST", "/v1/responses/resp_0/cancel"),
    ],
)
def test_an_unknown_response(client: InMemory, method: str, path: str) -> None:
    answer = client.request(method, path)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "response_not_found")
    assert "'resp_0'" in error["message"]
    assert "newest responses only" in error["hint"]


def test_an_unknown_previous_response(client: InMemory, router: ScriptedRouter) -> None:
    answer = client.post("/v1/responses", {"input": "Hi", "previous_response_id": "resp_0"})
    error = answer.json()["error"]
    assert answer.status_code == 404
    assert (error["code"], error["param"]) == (
        "previous_response_not_found",
        "previous_response_id",
    )
    assert router.requests == []


def test_only_background_responses_are_cancelled(client: InMemory) -> None:
    answer = client.post(f"/v1/responses/{respond(client)['id']}/cancel")
    assert answer.status_code == 400
    assert "background" in answer.json()["error"]["message"]


def test_a_stored_response_is_not_streamed(client: InMemory) -> None:
    answer = client.get(f"/v1/responses/{respond(client)['id']}?stream=true")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "stream")


def test_paging_through_the_input(client: InMemory) -> None:
    first = respond(client, [{"role": "user", "content": str(i), "id": f"i{i}"} for i in range(3)])
    second = respond(client, "Two", previous_response_id=first["id"])
    url = f"/v1/responses/{second['id']}/input_items"

    def page(query: str) -> tuple[list[str], bool]:
        body = client.get(f"{url}?{query}").json()
        ids = [item["id"] for item in body["data"]]
        ends = (ids[0], ids[-1]) if ids else (None, None)
        assert (body["first_id"], body["last_id"]) == ends
        return ids, body["has_more"]

    answer = first["output"][0]["id"]
    everything, has_more = page("order=asc")
    assert everything[:4] == ["i0", "i1", "i2", answer]
    assert (len(everything), has_more) == (5, False)
    assert page("") == (everything[::-1], False)
    assert page("order=asc&limit=2") == (["i0", "i1"], True)
    assert page("order=asc&limit=2&after=i1") == (["i2", answer], True)
    assert page(f"limit=2&after={answer}") == (["i2", "i1"], True)
    assert page(f"after={everything[-1]}&order=asc") == ([], False)
    for query in ("after=nothing", "limit=0", "limit=x", "order=random"):
        assert client.get(f"{url}?{query}").status_code == 400


def test_counting_makes_no_response(client: InMemory, router: ScriptedRouter) -> None:
    first = respond(client, "a b")
    answer = client.post(
        "/v1/responses/input_tokens", {"input": "c d e", "previous_response_id": first["id"]}
    )
    assert answer.json() == {"object": "response.input_tokens", "input_tokens": 3 + 2 + 4}
    assert len(router.requests) == 1


def test_keys_do_not_see_each_other(router: ScriptedRouter, tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    client = InMemory(create_app(router, access=Access(KeyRing(file))))
    ann, bob = ({"x-api-key": file.add(name, "user", 0)} for name in ("ann", "bob"))
    made = client.post("/v1/responses", {"input": "secret"}, headers=ann).json()
    url = f"/v1/responses/{made['id']}"
    assert client.get(url, headers=bob).status_code == 404
    assert client.get(f"{url}/input_items", headers=bob).status_code == 404
    assert client.request("DELETE", url, headers=bob).status_code == 404
    for body in (
        {"input": "x", "previous_response_id": made["id"]},
        {"input": [{"type": "item_reference", "id": made["output"][0]["id"]}]},
    ):
        assert client.post("/v1/responses", body, headers=bob).status_code == 404
    assert client.get(url, headers=ann).json() == made


# -- answers that break off -------------------------------------------------------------------


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


def response_id(text: str) -> str:
    return text.split('"response":{"id":"')[1].split('"')[0]


def test_a_client_that_leaves_leaves_nothing_behind(
    http: httpx.Client, router: ScriptedRouter
) -> None:
    router.script = lambda _r, _n: [Started(1), TextDelta("Hel"), Hang()]
    with http.stream("POST", "/v1/responses", json={"input": "x", "stream": True}) as answer:
        text = ""
        for chunk in answer.iter_text():
            text += chunk
            if "output_text.delta" in text:
                break
    wait_until(lambda: router.closed == [0])
    assert http.get(f"/v1/responses/{response_id(text)}").status_code == 404


def test_an_error_half_way_is_told_and_what_came_is_kept(
    http: httpx.Client, router: ScriptedRouter
) -> None:
    router.script = lambda _r, _n: [Started(1), TextDelta("Hel"), EngineCrashed("It died.", "Hm.")]
    text = http.post("/v1/responses", json={"input": "x", "stream": True}).text
    assert text.count("event: response.failed") == 1
    assert "response.completed" not in text
    found = http.get(f"/v1/responses/{response_id(text)}").json()
    assert found["status"] == "failed"
    assert found["error"] == {"code": "engine_crashed", "message": "It died. Hm."}
    assert found["output"][0]["content"][0]["text"] == "Hel"
    assert found["output"][0]["status"] == "incomplete"
    again = {"input": "x", "previous_response_id": found["id"]}
    assert http.post("/v1/responses", json=again).status_code == 400


@pytest.mark.parametrize("is_streamed", [True, False])
def test_an_error_before_the_answer_has_a_status(
    client: InMemory, router: ScriptedRouter, is_streamed: bool
) -> None:
    router.script = lambda _r, _n: [ContextLengthExceeded(99, 64)]
    answer = client.post("/v1/responses", {"input": "x", "stream": is_streamed})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["code"], error["param"]) == ("context_length_exceeded", "input")


def test_a_stream_s_form(http: httpx.Client, router: ScriptedRouter) -> None:
    router.script = lambda _r, _n: HELLO
    body = {"input": "x", "stream": True, "stream_options": {"include_obfuscation": False}}
    answer = http.post("/v1/responses", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    names = [line[7:] for line in answer.text.splitlines() if line.startswith("event: ")]
    assert names == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert http.get(f"/v1/responses/{response_id(answer.text)}").json()["status"] == "completed"
