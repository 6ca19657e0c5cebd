"""From the settings to a door: who is let in, by what name, with which certificate."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edgellm.cli import access
from edgellm.cli.access import (
    ca_folder,
    is_loopback,
    keep_certificate,
    key_file,
    open_door,
    private_door,
    tls_of,
)
from edgellm.cli.trust import trusted
from edgellm.config import Settings
from edgellm.errors import ConfigError
from edgellm.security.certificates import make_ca
from edgellm.security.tls import Tls

OPEN = Settings(host="0.0.0.0")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGELLM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EDGELLM_API_KEY", raising=False)
    return tmp_path / "home"


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    path = tmp_path / "server.pem"
    path.write_bytes(make_ca("x", (), datetime.now(UTC)).pem)
    return path


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("pi.local", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


def test_on_loopback_nobody_needs_a_key() -> None:
    door = open_door(Settings())
    assert not door.keys.is_required
    assert door.tls is None
    assert socket.gethostname().lower() in door.allowed_hosts
    assert open_door(Settings(require_key=True)).keys.is_required


def test_the_network_needs_a_key_or_the_user_s_word() -> None:
    for settings in (OPEN, Settings(host="::"), Settings(host="0.0.0.0", require_key=True)):
        with pytest.raises(ConfigError) as caught:
            open_door(settings)
        assert "edgellm keys add NAME" in caught.value.hint
    assert not open_door(Settings(host="0.0.0.0", insecure_no_key=True)).keys.is_required
    key_file().add("phone", "user", 0)
    assert open_door(OPEN).keys.is_required
    # A key that is there counts, whatever was said.
    assert open_door(Settings(host="0.0.0.0", insecure_no_key=True)).keys.is_required


def test_a_private_server_asks_for_no_key() -> None:
    key_file().add("phone", "user", 0)
    assert not private_door().keys.is_required


def test_the_environment_s_key(monkeypatch: pytest.MonkeyPatch) -> None:
    token = "0123456789abcdef"
    monkeypatch.setenv("EDGELLM_API_KEY", f" {token} ")
    ring = open_door(OPEN).keys
    found = ring.find([token.encode()])
    assert found is not None
    assert (found.name, found.role) == ("EDGELLM_API_KEY", "admin")
    monkeypatch.setenv("EDGELLM_API_KEY", "secret")
    with pytest.raises(ConfigError, match="too short") as caught:
        open_door(Settings())
    assert "secret" not in caught.value.message


def test_damaged_keys_stop_the_start() -> None:
    key_file().path.parent.mkdir(parents=True)
    key_file().path.write_text("{")
    with pytest.raises(ConfigError, match="is damaged"):
        open_door(Settings())


def test_names_are_compared_in_lower_case() -> None:
    assert (
        "llm.example.com" in open_door(Settings(allowed_hosts=("LLM.Example.com.",))).allowed_hosts
    )


def test_tls_by_files_or_by_our_own_authority(pem: Path, home: Path) -> None:
    assert tls_of(Settings()) is None
    by_file = tls_of(Settings(tls_cert=str(pem)))
    assert by_file is not None
    assert (by_file.certificate, by_file.key, by_file.ca_pem) == (pem, pem, None)
    own = tls_of(Settings(tls="auto"))
    assert own is not None
    assert own.ca_pem == (ca_folder() / "ca.crt").read_bytes()
    assert own.certificate.is_relative_to(home)
    assert trusted(None) == (ca_folder() / "ca.crt",)
    assert trusted(str(pem)) == (pem, ca_folder() / "ca.crt")


def test_tls_settings_that_contradict(pem: Path) -> None:
    for settings in (Settings(tls="auto", tls_cert=str(pem)), Settings(tls_key=str(pem))):
        with pytest.raises(ConfigError):
            tls_of(settings)
    with pytest.raises(ConfigError, match="cannot be read"):
        open_door(Settings(tls_cert="/no/such.pem"))


def test_without_an_authority_nothing_more_is_trusted() -> None:
    assert trusted(None) == ()


def test_a_running_server_takes_new_files_and_survives_bad_ones(
    pem: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(access, "CERTIFICATE_SECONDS", 0.01)
    tls = Tls(lambda: (pem, pem))

    class Config:
        loaded = True
        ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    async def main() -> None:
        config: Any = Config()
        task = asyncio.create_task(keep_certificate(tls, config))
        good = make_ca("new", (), datetime.now(UTC)).pem
        pem.write_bytes(b"broken")
        while "stays as it is" not in caplog.text:
            await asyncio.sleep(0.01)
        pem.write_bytes(good)
        while "a new certificate is in use" not in caplog.text:
            await asyncio.sleep(0.01)
        assert not task.done()  # a bad file did not end it
        task.cancel()

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert caplog.text.index("stays as it is") < caplog.text.index("a new certificate is in use")
    asyncio.run(keep_certificate(None, Config()))  # type: ignore[arg-type] # ends at once
