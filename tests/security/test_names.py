"""What a device is called: only names and addresses that mean it on its own network."""

from __future__ import annotations

from ipaddress import ip_address

import psutil
import pytest

from edgellm.security.names import device_names, names_of, own_addresses


def test_a_board_on_a_home_network() -> None:
    addresses = ("127.0.0.1", "192.168.1.7", "::1", "fd00::2", "fe80::1", "2001:db8::5", "8.8.8.8")
    names = names_of("raspberrypi", map(ip_address, addresses))
    assert names.dns == ("localhost", "raspberrypi", "raspberrypi.local")
    assert [str(each) for each in names.addresses] == ["127.0.0.1", "192.168.1.7", "::1", "fd00::2"]


@pytest.mark.parametrize(
    ("hostname", "dns"),
    [
        ("Pi.Example.COM.", ("localhost", "pi.example.com", "pi.local")),
        ("pi.local", ("localhost", "pi.local")),
        ("localhost", ("localhost", "localhost.local")),
        ("", ("localhost",)),
        ("böard", ("localhost",)),
        ("a b", ("localhost",)),
        ("x" * 64, ("localhost",)),
    ],
)
def test_host_names(hostname: str, dns: tuple[str, ...]) -> None:
    names = names_of(hostname, ())
    assert names.dns == dns
    assert [str(each) for each in names.addresses] == ["127.0.0.1", "::1"]


def test_a_system_that_does_not_tell_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(psutil, "net_if_addrs", refuse)
    assert own_addresses() == ()


def test_this_device() -> None:
    names = device_names()
    assert "localhost" in names.dns
    assert ip_address("127.0.0.1") in names.addresses
    assert names == device_names()
