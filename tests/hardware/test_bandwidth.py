"""The measured memory bandwidth: how much is read, how it is remembered, and when not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from edgellm.hardware import bandwidth
from edgellm.hardware.bandwidth import buffer_bytes, measure, with_bandwidth
from edgellm.hardware.host import Host
from edgellm.hardware.profile import Bandwidth, Cpu, HardwareProfile, Memory

MIB = 1024**2
GIB = 1024**3
SMALL = HardwareProfile(
    cpu=Cpu(num_cores=2, last_level_cache_bytes=MIB), memory=Memory(GIB, 512 * MIB)
)


class LiveHost(Host):
    """This machine, with a boot id that a test can change."""

    boot: str | None = "one"

    def read(self, path: str) -> str | None:
        return self.boot if path.endswith("/boot_id") else None

    def run(self, *command: str) -> str | None:
        return None


@pytest.fixture
def measurements(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Each measurement takes the next of these."""
    values = [1e9, 2e9, 3e9]
    monkeypatch.setattr(bandwidth, "measure", lambda profile: values.pop(0))
    return values


def test_it_reads_every_chunk_once_in_each_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks: list[int] = []
    bandwidth._one_pass(chunks.append, 100, 3)
    assert sorted(chunks) == list(range(100))


def test_a_real_measurement_is_plausible() -> None:
    rate = measure(SMALL)
    assert rate is not None
    assert 1e8 < rate < 5e12


def test_it_really_reads_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The byte that is looked for is nowhere, so every search goes to the end."""
    search = bandwidth._memchr()
    assert search is not None
    found: list[object] = []
    monkeypatch.setattr(
        bandwidth, "_memchr", lambda: lambda *args: found.append(search(*args)) or None
    )
    assert measure(SMALL)
    assert len(found) % (64 * MIB // bandwidth._CHUNK_BYTES) == 0
    assert set(found) == {None}


@pytest.mark.parametrize(
    ("cache", "available", "expected"),
    [
        (2 * MIB, 4 * GIB, 64 * MIB),
        (32 * MIB, 4 * GIB, 128 * MIB),
        (None, 4 * GIB, 128 * MIB),
        (1024 * MIB, 64 * GIB, 1024 * MIB),
        (32 * MIB, None, 128 * MIB),
        (2 * MIB, 128 * MIB, 32 * MIB),
        (2 * MIB, 100 * MIB, None),  # too little to spare
        (32 * MIB, 200 * MIB, None),  # it would fit into the cache
    ],
)
def test_the_buffer_is_larger_than_the_cache_and_small_beside_what_is_free(
    cache: int | None, available: int | None, expected: int | None
) -> None:
    profile = HardwareProfile(
        cpu=Cpu(last_level_cache_bytes=cache), memory=Memory(available_bytes=available)
    )
    assert buffer_bytes(profile) == expected


def test_too_little_memory_leaves_the_table_s_word(tmp_path: Path) -> None:
    table = Bandwidth(10.5e9, "table")
    full = replace(SMALL, memory=Memory(GIB, MIB), bandwidth=table)
    assert with_bandwidth(full, LiveHost(), tmp_path).bandwidth == table
    assert list(tmp_path.iterdir()) == []


def test_a_captured_device_is_not_measured(tmp_path: Path) -> None:
    profile = with_bandwidth(SMALL, Host(tmp_path), tmp_path)
    assert profile == SMALL


def test_it_is_measured_once_in_each_boot(tmp_path: Path, measurements: list[float]) -> None:
    host, cache = LiveHost(), tmp_path / "cache"
    for _ in range(3):
        assert with_bandwidth(SMALL, host, cache).bandwidth == Bandwidth(1e9, "measured")
    host.boot = "two"
    assert with_bandwidth(SMALL, host, cache).bandwidth == Bandwidth(2e9, "measured")
    fewer = replace(SMALL, cpu=Cpu(num_cores=2, num_allowed_cores=1))
    assert with_bandwidth(fewer, host, cache).bandwidth == Bandwidth(3e9, "measured")
    assert [path.name for path in cache.iterdir()] == ["memory-bandwidth.json"]
    assert "two" not in (cache / "memory-bandwidth.json").read_text()


def test_without_a_boot_id_nothing_is_remembered(tmp_path: Path, measurements: list[float]) -> None:
    host = LiveHost()
    host.boot = None
    assert with_bandwidth(SMALL, host, tmp_path).bandwidth == Bandwidth(1e9, "measured")
    assert with_bandwidth(SMALL, host, tmp_path).bandwidth == Bandwidth(2e9, "measured")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", '{"key": "x"}', '{"key": 1, "bytes_per_second": "a"}'])
def test_a_broken_file_is_replaced(tmp_path: Path, measurements: list[float], text: str) -> None:
    (tmp_path / "memory-bandwidth.json").write_text(text)
    with_bandwidth(SMALL, LiveHost(), tmp_path)
    assert with_bandwidth(SMALL, LiveHost(), tmp_path).bandwidth == Bandwidth(1e9, "measured")


def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, measurements: list[float]
) -> None:
    (tmp_path / "file").touch()
    found = with_bandwidth(SMALL, LiveHost(), tmp_path / "file")
    assert found.bandwidth == Bandwidth(1e9, "measured")
