"""Managing models over HTTP: the calls, their bodies, and who may make them."""

from __future__ import annotations

import math

import httpx
import pytest

from edgellm.api.app import create_app
from edgellm.api.auth import check_is_local
from edgellm.errors import AdminRefused, ModelBusy
from tests.api.conftest import InMemory, ScriptedRouter


def test_all_models_and_the_memory(client: InMemory) -> None:
    body = client.get("/admin/models").json()
    assert body["memory"] == {"budget_bytes": 1000}
    (model,) = body["models"]
    assert (model["id"], model["state"], model["is_pinned"]) == ("pocket", "ready", False)


def test_load_unload_and_pin(client: InMemory, router: ScriptedRouter) -> None:
    for path, body in [
        ("pocket/load", None),
        ("pocket/load", {"pin": True, "keep_alive": "5m"}),
        ("tiny/load", {"pin": None, "keep_alive": -1}),
        ("pocket/unload", {}),
        ("pocket/unload", {"wait": True}),
        ("pocket/pin", {}),
        ("pocket/pin", {"pin": False}),
    ]:
        response = client.post(f"/admin/models/{path}", body)
        assert response.status_code == 200, response.text
        assert response.json()["model"]["id"] == "pocket"
    assert router.admin_calls == [
        ("load", "pocket", None, None),
        ("load", "pocket", True, 300),
        ("load", "tiny", None, math.inf),
        ("unload", "pocket", False),
        ("unload", "pocket", True),
        ("pin", "pocket", True),
        ("pin", "pocket", False),
    ]


def test_names_with_slashes(client: InMemory, router: ScriptedRouter) -> None:
    assert client.post("/admin/models/org/name/load").status_code == 404
    assert router.admin_calls == [("load", "org/name", None, None)]


@pytest.mark.parametrize(
    "body", [{"pins": True}, {"pin": "yes"}, {"keep_alive": "soon"}, {"keep_alive": [1]}, []]
)
def test_bad_bodies(client: InMemory, router: ScriptedRouter, body: object) -> None:
    response = client.post("/admin/models/pocket/load", body)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert router.admin_calls == []


def test_a_model_that_is_in_use(client: InMemory, router: ScriptedRouter) -> None:
    router.admin_error = ModelBusy("pocket", 2)
    response = client.post("/admin/models/pocket/unload")
    assert response.status_code == 409
    error = response.json()["error"]
    assert error["code"] == "model_in_use"
    assert "answering 2 requests" in error["message"]


LOCAL = {"host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("127.0.0.1", LOCAL),
        ("127.9.9.9", LOCAL),
        ("::1", {"host": "[::1]:8000"}),
        ("::ffff:127.0.0.1", LOCAL),
        ("127.0.0.1", {"host": "localhost:8000"}),
        ("127.0.0.1", {"host": "pi.local:8000"}),
        ("127.0.0.1", {**LOCAL, "origin": "http://127.0.0.1:8000"}),  # the server's own page
        ("127.0.0.1", {}),  # HTTP/1.0 knows no host; a browser always sends one
    ],
)
def test_who_may(peer: str, headers: dict[str, str]) -> None:
    check_is_local(peer, headers)


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("192.168.1.7", LOCAL),
        ("", LOCAL),
        ("testclient", LOCAL),
        ("127.0.0.1", {**LOCAL, "x-forwarded-for": "203.0.113.9"}),
        ("127.0.0.1", {**LOCAL, "origin": "https://page.example"}),
        ("127.0.0.1", {**LOCAL, "origin": "null"}),
        ("127.0.0.1", {**LOCAL, "origin": "http://127.0.0.1:3000"}),
        ("127.0.0.1", {**LOCAL, "origin": "http://[broken"}),
    ],
)
def test_who_may_not(peer: str, headers: dict[str, str]) -> None:
    with pytest.raises(AdminRefused) as caught:
        check_is_local(peer, headers)
    assert "--admin-from anywhere" in caught.value.hint


@pytest.mark.parametrize(("is_open", "status"), [(False, 403), (True, 200)])
def test_every_admin_route_is_guarded(is_open: bool, status: int) -> None:
    router = ScriptedRouter()
    client = InMemory(create_app(router, is_admin_open=is_open))
    elsewhere = {"x-forwarded-for": "203.0.113.9"}
    answers: list[httpx.Response] = [client.get("/admin/models", headers=elsewhere)]
    for verb in ("load", "unload", "pin"):
        answers.append(client.post(f"/admin/models/pocket/{verb}", headers=elsewhere))
    assert [answer.status_code for answer in answers] == [status] * 4
    assert bool(router.admin_calls) == is_open
