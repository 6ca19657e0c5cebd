"""Which names lead here, and which web pages may ask."""

from __future__ import annotations

import pytest

from edgellm.api.origins import check_host, check_origin
from edgellm.errors import HostRefused, OriginRefused

ALLOWED = ("llm.example.com", "*.home.example")


@pytest.mark.parametrize(
    "host",
    [
        None,
        "127.0.0.1",
        "127.0.0.1:8000",
        "192.168.1.7:8000",
        "8.8.8.8",
        "[::1]:8000",
        "[fd00::2]",
        "localhost",
        "LOCALHOST:8000",
        "localhost.",
        "raspberrypi:80",
        "pi.local:8000",
        "app.localhost",
        "llm.example.com",
        "LLM.Example.com:443",
        "a.home.example:8000",
    ],
)
def test_names_that_are_ours(host: str | None) -> None:
    check_host(host, ALLOWED)


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        ":8000",
        "rebound.example:8000",
        "example.com",
        "home.example",
        "evil.com#.local",
        "evil.com/.local",
        "evil.com\\.local",
        "user@pi.local",
        "pi.local:8000:9000",
        "pi.local:port",
        "[::1",
        "[not-an-address]:8000",
        "pi.localx",
        "a.b..",
        "x.example" * 1000,
    ],
)
def test_names_that_are_not(host: str) -> None:
    with pytest.raises(HostRefused) as caught:
        check_host(host, ALLOWED)
    assert "--allowed-host" in caught.value.hint
    assert len(caught.value.message) < 200
    check_host(host, ("*",))


HOST = {"host": "127.0.0.1:8000"}
FOREIGN = ("https://page.example", "null", "http://127.0.0.1:3000", "http://localhost:8000", "x")


@pytest.mark.parametrize("origin", FOREIGN)
def test_pages_of_other_sites_compute_nothing(origin: str) -> None:
    headers = {**HOST, "origin": origin}
    for method in ("POST", "DELETE", "PUT", "PATCH", "QUERY"):
        with pytest.raises(OriginRefused) as caught:
            check_origin(method, headers, ())
        assert "--cors-origin" in caught.value.hint
        check_origin(method, headers, (origin,))
        check_origin(method, headers, ("*",))
    for method in ("GET", "HEAD", "OPTIONS"):
        check_origin(method, headers, ())


def test_the_server_s_own_pages_and_programs_do() -> None:
    check_origin("POST", HOST, ())
    check_origin("POST", {**HOST, "origin": "http://127.0.0.1:8000"}, ())
    check_origin("POST", {"host": "PI.local", "origin": "https://pi.local"}, ())
