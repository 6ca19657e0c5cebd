"""`edgellm detect`, as users start it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgellm.cli import detect
from edgellm.hardware.profile import Bandwidth, Battery, Cpu, HardwareProfile, Memory, Thermal
from tests.cli.conftest import Cli
from tests.hardware.golden import DEVICES

GIB = 1024**3


def test_this_machine_is_measured_captured_and_replayed(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "this.tar.gz"
    done = cli("detect", "--format", "json", "--capture", str(file))
    assert done.returncode == 0
    assert done.stderr == f"wrote {file}; look through it before you pass it on\n"
    profile = json.loads(done.stdout)
    assert profile["cpu"]["num_cores"] > 0
    assert profile["disk_free_bytes"] > 0
    again = cli("detect", "--format", "json", "--root", str(file))
    assert (again.returncode, again.stderr) == (0, "")
    assert json.loads(again.stdout) == profile


def test_no_measure_measures_nothing(cli: Cli, tmp_path: Path) -> None:
    done = cli("detect", "--no-measure", "--format", "json")
    found = json.loads(done.stdout)["bandwidth"]
    assert found is None or found["source"] == "table"
    assert not (tmp_path / "home" / "cache").exists()


def test_a_captured_device_for_people(cli: Cli) -> None:
    done = cli("detect", "--root", str(DEVICES / "raspberry-pi-5-hailo-10h"))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split(maxsplit=1) == [
        "device",
        "Raspberry Pi 5 Model B Rev 1.0, linux, aarch64",
    ]
    text = " ".join(done.stdout.split())
    assert "bandwidth 10.5 GB/s, reading weights, on known devices like it" in text
    assert "NPU Hailo-10H, 8.0 GiB dedicated memory, HAILO10H, driver 5.1.1" in text
    assert "Notes: Hailo-10H: runs HEF files" in text


@pytest.mark.parametrize("name", ["none", "file"])
def test_a_capture_that_is_none_is_an_error_with_a_hint(
    cli: Cli, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").write_text("hello")
    done = cli("detect", "--root", str(tmp_path / name))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "\nhint: Give a folder, or a .tar.gz" in done.stderr


def test_everything_that_can_be_said() -> None:
    profile = HardwareProfile(
        os="linux",
        arch="aarch64",
        cpu=Cpu("Fast", 8, 4, 8, 2.0, ("neon",)),
        memory=Memory(8 * GIB, GIB, 2 * GIB, 4 * GIB, 3 * GIB, 2 * GIB),
        bandwidth=Bandwidth(12.34e9, "measured"),
        thermal=Thermal(84.4, True, True, True),
        battery=Battery(None, True),
    )
    assert detect.render(profile).splitlines() == [
        "device       linux, aarch64",
        "CPU          Fast, 2 of 8 usable cores, 4 physical, neon",
        "memory       8.0 GiB in all, limited to 2.0 GiB by a cgroup, 1.0 GiB available",
        "swap         4.0 GiB, 3.0 GiB free, 2.0 GiB of it zram (compressed memory)",
        "bandwidth    12.3 GB/s, measured",
        "temperature  84 °C, throttled now: give it a cooler or a stronger power supply, "
        "under-voltage since the start: the power supply is too weak",
        "battery      charge not known, discharging",
    ]


def test_nothing_is_known() -> None:
    assert detect.render(HardwareProfile()) == "Nothing is known of this device.\n"
