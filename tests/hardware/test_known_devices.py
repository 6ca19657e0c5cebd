"""The table of known devices: which entry a captured device gets."""

from __future__ import annotations

import pytest

from edgellm.hardware import known_devices
from edgellm.hardware.detect import detect
from edgellm.hardware.host import Host
from edgellm.hardware.profile import Bandwidth, Cpu, Device, HardwareProfile
from tests.hardware.golden import DEVICES


@pytest.mark.parametrize(
    ("device", "backend", "gigabytes", "milliseconds"),
    [
        ("raspberry-pi-5-8gb", None, 10.5, 17),
        ("raspberry-pi-5-hailo-10h", "llama_cpp", 10.5, 17),
        ("raspberry-pi-4", None, 3.3, 17),
        ("jetson-orin-nano-super", "mlc", 89, 2.8),
        ("jetson-orin-nano-super", None, 64, 2.8),
        ("jetson-orin-nano-15w", None, 47, 8.8),
        ("jetson-orin-nano-15w", "mlc", 66, 8.8),
        ("jetson-agx-orin-64", None, 85, 0),
        ("jetson-agx-orin-64", "mlc", 175, 2.1),
        ("jetson-thor", "vllm", 220, 0),
        ("apple-m4-pro", None, 229, 1.6),
        ("amd-strix-halo", None, 203, 1.4),
        ("n100", None, 13.9, 0),
        ("rk3588-rock-5b", None, 12.5, 17),
        ("rk3588s-orange-pi-5-mainline", "rkllm", 31, 10),
        ("laptop-rtx-4060-8gb", None, 182, 1.5),
    ],
)
def test_rates(
    device: str,
    backend: known_devices.Runtime | None,
    gigabytes: float,
    milliseconds: float,
) -> None:
    known = known_devices.find(detect(Host(DEVICES / device)), backend)
    assert known is not None
    assert known.bandwidth_bytes_per_second == pytest.approx(gigabytes * 1e9)
    assert known.seconds_per_token == pytest.approx(milliseconds / 1e3)
    assert known.source


@pytest.mark.parametrize(
    ("device", "bytes_read", "tokens_per_second"),
    [
        # Llama-3.1-8B Q4_K_M reads 4.63 GB for a token: published figures, within a tenth.
        ("raspberry-pi-5-16gb", 4.63e9, 2.17),
        ("apple-m4-pro", 4.63e9, 47.3),
        ("n100", 4.63e9, 3.01),
        ("laptop-rtx-4060-8gb", 4.35e9, 38),
    ],
)
def test_the_formula_gives_what_was_published(
    device: str, bytes_read: float, tokens_per_second: float
) -> None:
    known = known_devices.find(detect(Host(DEVICES / device)))
    assert known is not None
    seconds = known.seconds_per_token + bytes_read / known.bandwidth_bytes_per_second
    assert 1 / seconds == pytest.approx(tokens_per_second, rel=0.1)


def test_a_raspberry_pi_5_decodes_fastest_with_three_threads() -> None:
    known = known_devices.find(detect(Host(DEVICES / "raspberry-pi-5-4gb")))
    assert known is not None
    assert known.decode_threads == 3


def test_relatives_are_marked_as_estimates() -> None:
    entries = known_devices.find_all(detect(Host(DEVICES / "rk3588-rock-5b")))
    assert [(entry.processor, entry.is_estimate) for entry in entries] == [
        ("cpu", True),
        ("npu", False),
    ]


def test_chips_that_are_alike_in_name_only() -> None:
    for name in ("Apple M4 Max", "Apple M40", "NVIDIA GeForce RTX 4060"):
        profile = HardwareProfile(devices=(Device("gpu", "x", name),))
        assert known_devices.find(profile) is None, name
    assert known_devices.find(HardwareProfile(cpu=Cpu(model="Intel(R) N1000"))) is None
    plain = HardwareProfile(devices=(Device("gpu", "apple", "Apple M4 (10 cores)"),))
    found = known_devices.find(plain)
    assert found is not None
    assert found.name == "Apple M4"
    assert known_devices.find(HardwareProfile()) is None


def test_a_captured_measurement_wins_over_the_table(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("pi")
    (folder / "proc" / "device-tree").mkdir(parents=True)
    (folder / "proc" / "device-tree" / "model").write_text("Raspberry Pi 5 Model B Rev 1.0")
    assert detect(Host(folder)).bandwidth == Bandwidth(10.5e9, "table")
    (folder / ".measured").mkdir()
    (folder / ".measured" / "memory_bytes_per_second").write_text("12000000000.0")
    assert detect(Host(folder)).bandwidth == Bandwidth(12e9, "measured")
