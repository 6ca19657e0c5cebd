"""Captures: they replay to the same profile, hold no secrets, and cannot be used to do harm."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest

from edgellm.errors import CaptureError
from edgellm.hardware.capture import private_names, replay, write_capture
from edgellm.hardware.detect import detect
from edgellm.hardware.host import Host
from edgellm.hardware.recording import RecordingHost
from edgellm.hardware.scrub import scrub
from tests.hardware.golden import DEVICES, devices

NAMES = ("zaphod", "heartofgold")
CONTAINER = "3f" * 32
POD = "0b1c2d3e-0000-4000-8000-aabbccddeeff"


def _capture(host: Host, path: Path) -> RecordingHost:
    recording = RecordingHost(host)
    detect(recording)
    write_capture(path, scrub(recording.files(), NAMES))
    return recording


@pytest.mark.parametrize("device", devices())
def test_a_capture_replays_to_the_same_profile(device: str, tmp_path: Path) -> None:
    host = Host(DEVICES / device)
    _capture(host, tmp_path / "device.tar.gz")
    with replay(tmp_path / "device.tar.gz") as again:
        assert detect(again) == detect(host)
    with replay(DEVICES / device) as folder:
        assert detect(folder) == detect(host)


def test_a_capture_of_this_machine_replays_to_the_same_profile(tmp_path: Path) -> None:
    recording = RecordingHost(Host())
    profile = detect(recording, tmp_path)
    names = private_names({"USER": "zaphod"})
    assert "zaphod" in names
    write_capture(tmp_path / "this.tar.gz", scrub(recording.files(), names))
    with replay(tmp_path / "this.tar.gz") as host:
        assert detect(host) == profile


def _secretive(root: Path) -> Host:
    """A device in a container, that tells all it can of whose it is."""
    group = f"kubepods/pod{POD}/{CONTAINER}"
    files = {
        ".commands/uname -sm": "Linux aarch64",
        "proc/cpuinfo": "processor: 0\nmodel name: Fast\n\nSerial\t\t: 10000000abcdef12\n",
        "proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 8388608 kB",
        "proc/self/status": "Name:\tzaphod-app\nUid:\t1000\nCpus_allowed_list:\t0",
        "proc/self/cgroup": f"0::/{group}",
        "proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
        "31 23 0:27 / /home/zaphod/photos rw - nfs heartofgold:/photos rw,addr=192.168.7.9",
        f"sys/fs/cgroup/{group}/memory.max": "2147483648",
        f"sys/fs/cgroup/{group}/memory.current": "1073741824",
        "proc/swaps": "Filename Type Size\n/home/zaphod/swap file 1024 0 -2",
        "proc/device-tree/model": "zaphod's Raspberry Pi 5 Model B Rev 1.0",
        "sys/class/dmi/id/product_name": "x",
        "sys/class/kfd/kfd/topology/nodes/1/properties": "gfx_target_version 110501\n"
        "device_id 5510\nunique_id 10862812345678901234",
        "sys/bus/pci/devices/0000:c5:00.0/uevent": "DRIVER=amdgpu\nPCI_CLASS=30000\n"
        "PCI_ID=1002:1586\nMAC=dc:a6:32:01:02:03",
        "sys/bus/pci/devices/0001:01:00.0/uevent": "PCI_CLASS=120000\nPCI_ID=1E60:2864",
        ".commands/hailortcli fw-control identify": "Executing on device: 0001:01:00.0\n"
        "Device Architecture: HAILO8\nSerial Number: HLDDLBB234500054\nPart Number: HM21LB1C2LAE",
        ".commands/vulkaninfo --summary": "GPU0:\n\tvendorID = 0x1002\n\tdeviceID = 0x1586\n"
        f"\tdeviceName = AMD Radeon\n\tdeviceUUID = {POD}\n\tdriverInfo = Mesa 25\n",
        ".commands/pmset -g batt": " -InternalBattery-0 (id=22806627)\t85%; discharging; 4:05",
        ".commands/system_profiler SPDisplaysDataType -json": """{"SPDisplaysDataType": [{
            "sppci_model": "Apple M4",
            "spdisplays_ndrvs": [{"_name": "zaphod's TV", "serial": "S3CR3T"}]}]}""",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Host(root)


def test_the_secrets_are_gone_and_it_replays_all_the_same(tmp_path: Path) -> None:
    host = _secretive(tmp_path / "device")
    _capture(host, tmp_path / "device.tar.gz")
    with tarfile.open(tmp_path / "device.tar.gz") as archive:
        members = {m.name: archive.extractfile(m).read().decode() for m in archive}  # type: ignore[union-attr]  # files only
        owners = {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in archive}
    everything = "\n".join([*members, *members.values()])
    for secret in (
        *NAMES,
        CONTAINER,
        POD,
        "10000000abcdef12",
        "192.168.7.9",
        "10862812345678901234",
        "dc:a6:32:01:02:03",
        "HLDDLBB234500054",
        "HM21LB1C2LAE",
        "22806627",
        "S3CR3T",
    ):
        assert secret not in everything, secret
    assert owners == {(0, 0, "", "", 0)}
    assert tmp_path.name.encode() not in (tmp_path / "device.tar.gz").read_bytes()
    profile = detect(host)
    assert profile.memory.limit_bytes == 2 * 1024**3
    assert {device.vendor for device in profile.devices} == {"amd", "hailo", "apple"}
    with replay(tmp_path / "device.tar.gz") as again:
        replayed = detect(again)
    assert re.fullmatch(r"removed-\d's Raspberry Pi 5 Model B Rev 1.0", replayed.board or "")
    for field in ("cpu", "memory", "devices", "battery"):
        assert getattr(replayed, field) == getattr(profile, field), field


def test_common_names_stay_and_what_two_texts_share_is_replaced_alike() -> None:
    files = {"/home/pi/zaphod": "Raspberry Pi, pi, zaphods, zaphod", "/x": "zaphod-2 heartofgold"}
    assert scrub(files, ["pi", "heartofgold", "zaphod", "", "a"]) == {
        "/home/pi/removed-1": "Raspberry Pi, pi, zaphods, removed-1",
        "/x": "removed-1-2 removed-2",
    }


def test_a_recording_asks_once_and_answers_the_same(tmp_path: Path) -> None:
    (tmp_path / "load").write_text("1")
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "dev0").touch()
    recording = RecordingHost(Host(tmp_path))
    assert recording.read("/load") == "1"
    (tmp_path / "load").write_text("2")
    assert recording.read("/load") == "1"
    assert recording.read("/none") is None
    assert recording.glob("/node/dev*") == ("/node/dev0",)
    (tmp_path / "node" / "dev1").touch()
    assert recording.glob("/node/dev*") == ("/node/dev0",)
    assert recording.files() == {"/load": "1", "/node/dev0": ""}


def _archive(path: Path, members: list[tuple[str, bytes, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, data in members:
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, len(data)
            member.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            archive.addfile(member, io.BytesIO(data))
    return path


def test_a_hostile_archive_writes_nothing_outside_and_links_nowhere(tmp_path: Path) -> None:
    path = _archive(
        tmp_path / "evil.tar.gz",
        [
            ("../outside", tarfile.REGTYPE, b"x"),
            ("/absolute", tarfile.REGTYPE, b"x"),
            ("proc/cpuinfo", tarfile.SYMTYPE, b""),
            ("proc/meminfo", tarfile.LNKTYPE, b""),
            ("dev/null", tarfile.CHRTYPE, b""),
            (".commands/uname -sm", tarfile.REGTYPE, b"Linux aarch64"),
        ],
    )
    with replay(path) as host:
        assert host.run("uname", "-sm") == "Linux aarch64"
        assert host.glob("/*") == ()
        assert host.read("/proc/cpuinfo") is None
        assert not host.is_live
    assert [found.name for found in tmp_path.iterdir()] == ["evil.tar.gz"]


def test_an_archive_that_would_fill_the_disk(tmp_path: Path) -> None:
    path = _archive(tmp_path / "bomb.tar.gz", [("big", tarfile.REGTYPE, bytes(65 << 20))])
    assert path.stat().st_size < 1 << 20
    with pytest.raises(CaptureError, match="more than"), replay(path):
        pass


@pytest.mark.parametrize("data", [b"", b"hello", b"\x1f\x8b\x08 broken", bytes(1024)])
def test_files_that_are_no_captures(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "capture"
    path.write_bytes(data)
    if data == bytes(1024):  # an empty archive
        with replay(path) as host:
            assert host.run("uname", "-sm") is None
        return
    with pytest.raises(CaptureError, match="not a capture") as caught, replay(path):
        pass
    assert "--capture FILE" in caught.value.hint


def test_a_capture_that_was_cut_off(tmp_path: Path) -> None:
    whole = tmp_path / "whole.tar.gz"
    _capture(Host(DEVICES / "n100"), whole)
    (tmp_path / "half").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(CaptureError, match="not a capture"), replay(tmp_path / "half"):
        pass


def test_nothing_there_and_this_machine(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="There is no capture"), replay(tmp_path / "none"):
        pass
    with pytest.raises(CaptureError, match="this machine"), replay(Path("/")):
        pass


def test_a_capture_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="cannot be written") as caught:
        write_capture(tmp_path / "no" / "folder.tar.gz", {})
    assert caught.value.hint
    (tmp_path / "taken").mkdir()
    with pytest.raises(CaptureError):
        write_capture(tmp_path / "taken", {"/a": "b"})
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
