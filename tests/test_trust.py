"""Which certificates our client believes."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgellm.errors import ConfigError
from edgellm.security.certificates import make_ca
from edgellm.trust import tls_context


def subjects(context: ssl.SSLContext) -> str:
    return str([each["subject"] for each in context.get_ca_certs()])


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "ca.crt"
    path.write_bytes(make_ca("here", (), datetime.now(UTC)).certificate_pem)
    return path


def test_the_public_ones_and_the_file_s(ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    public, more = tls_context(()), tls_context((ca,))
    assert len(public.get_ca_certs()) > 50
    assert len(more.get_ca_certs()) == len(public.get_ca_certs()) + 1
    assert "edgellm on here" in subjects(more)
    assert more.check_hostname
    assert more.verify_mode is ssl.CERT_REQUIRED


def test_ssl_cert_file_replaces_the_public_ones(ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    assert len(tls_context(()).get_ca_certs()) == 1


def test_files_without_certificates(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ConfigError, match="is no file of certificates"):
        tls_context((tmp_path / "text",))
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        tls_context((tmp_path / "none",))
    assert "--ca" in caught.value.hint
