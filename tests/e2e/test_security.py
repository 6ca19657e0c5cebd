"""A server on the network as its users meet it: https, keys that come and go, and our commands."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.server import Server, serve

BODY = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}


def edgellm(folder: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A command of the user whose server it is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EDGELLM_")}
    return subprocess.run(
        [sys.executable, "-m", "edgellm", *args],
        env={**kept, "EDGELLM_HOME": str(folder / "home"), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secure")


@pytest.fixture(scope="module")
def key(folder: Path) -> str:
    return edgellm(folder, "keys", "add", "phone").stdout.strip()


@pytest.fixture(scope="module")
def server(folder: Path, key: str) -> Iterator[Server]:
    with serve(folder, "--host", "0.0.0.0", "--tls", "auto", wait=False) as running:
        running.url = running.url.replace("http:", "https:")
        while "ready in" not in running.log:
            assert running.process.poll() is None, running.log
            time.sleep(0.05)
        yield running


@pytest.fixture(scope="module")
def http(folder: Path, server: Server) -> Iterator[httpx.Client]:
    """A client that trusts the authority, as a phone does that was told to."""
    context = ssl.create_default_context(cafile=folder / "home" / "data" / "tls" / "ca.crt")
    with httpx.Client(base_url=server.url, verify=context, timeout=60) as client:
        yield client


def test_it_says_what_it_needs(server: Server, folder: Path) -> None:
    assert "requests need an API key (1 there" in server.log
    assert str(folder / "home" / "data" / "tls" / "ca.crt") in server.log
    assert "GET /ca.crt" in server.log
    assert "SHA-256 " in server.log
    assert f"on {server.url} " in server.log


def test_only_who_trusts_the_authority_connects(server: Server, http: httpx.Client) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{server.url}/health")
    assert http.get("/health").json() == {"status": "ok"}
    given = http.get("/ca.crt")
    assert given.headers["content-type"] == "application/x-x509-ca-cert"
    assert given.text.startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE" not in given.text
    context = ssl.create_default_context(cadata=given.text)
    assert httpx.get(server.url.replace("127.0.0.1", "localhost"), verify=context).is_success
    with pytest.raises(httpx.HTTPError):
        httpx.get(server.url.replace("https:", "http:"))


def test_a_key_is_needed(http: httpx.Client, key: str) -> None:
    assert http.post("/v1/chat/completions", json=BODY).status_code == 401
    for headers in ({"Authorization": f"Bearer {key}"}, {"x-api-key": key}):
        assert http.post("/v1/chat/completions", json=BODY, headers=headers).status_code == 200


def test_our_own_commands(server: Server, folder: Path, key: str) -> None:
    where = ("--server", server.url)
    done = edgellm(folder, "run", "Hello", *where, EDGELLM_API_KEY=key)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    refused = edgellm(folder, "run", "Hello", *where)
    assert refused.returncode == 2
    assert "error: This server needs an API key.\nhint: " in refused.stderr


def test_keys_come_and_go_while_it_runs(server: Server, folder: Path, key: str) -> None:
    where = ("--server", server.url)
    assert "--role admin" in edgellm(folder, "ps", *where, EDGELLM_API_KEY=key).stderr
    admin = edgellm(folder, "keys", "add", "boss", "--role", "admin").stdout.strip()
    done = edgellm(folder, "ps", *where, EDGELLM_API_KEY=admin)
    assert done.returncode == 0, done.stderr
    assert "pocket" in done.stdout
    edgellm(folder, "keys", "revoke", "boss")
    done = edgellm(folder, "ps", *where, EDGELLM_API_KEY=admin)
    assert "error: Incorrect API key provided." in done.stderr


def test_another_user_names_the_authority(
    server: Server, folder: Path, tmp_path: Path, key: str
) -> None:
    """Whose home has no authority of its own."""
    ca = folder / "home" / "data" / "tls" / "ca.crt"
    words = ("run", "Hello", "--server", server.url)
    refused = edgellm(tmp_path, *words, EDGELLM_API_KEY=key)
    assert refused.returncode == 4
    assert f"The certificate of {server.url} is not trusted" in refused.stderr
    assert "--ca FILE" in refused.stderr
    for args, environ in (
        (("--ca", str(ca)), {}),
        ((), {"SSL_CERT_FILE": str(ca)}),
    ):
        done = edgellm(tmp_path, *words, *args, EDGELLM_API_KEY=key, **environ)
        assert done.returncode == 0, done.stderr
    assert edgellm(tmp_path, *words, "--ca", "/no/such.crt").returncode == 2


def test_a_client_that_mixes_up_the_schemes(server: Server, folder: Path, key: str) -> None:
    plain = server.url.replace("https:", "http:")
    done = edgellm(folder, "run", "Hello", "--server", plain, EDGELLM_API_KEY=key)
    assert done.returncode == 4
    assert "speaks https" in done.stderr
