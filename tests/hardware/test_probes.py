"""The probes, on captured devices."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.hardware.detect import detect
from edgellm.hardware.host import Host
from edgellm.hardware.profile import Cpu, HardwareProfile, Memory

DEVICES = Path(__file__).parent.parent / "fixtures" / "hardware"
MIB = 1024**2
GIB = 1024**3


def _detect(device: str) -> HardwareProfile:
    return detect(Host(DEVICES / device))


def test_a_raspberry_pi_5() -> None:
    profile = _detect("raspberry-pi-5-8gb")
    assert (profile.os, profile.arch) == ("linux", "aarch64")
    assert profile.board == "Raspberry Pi 5 Model B Rev 1.0"
    assert profile.cpu == Cpu(
        model="4 x Cortex-A76",
        num_cores=4,
        num_allowed_cores=4,
        features=("neon", "fp16", "dotprod"),
        last_level_cache_bytes=2 * MIB,
    )
    assert profile.memory == Memory(
        8256560 * 1024,
        7421312 * 1024,
        swap_total_bytes=2097136 * 1024,
        swap_free_bytes=2097136 * 1024,
        zram_bytes=0,
    )


def test_an_x86_laptop_under_an_affinity_mask() -> None:
    profile = _detect("x86-laptop")
    assert profile.arch == "x86_64"
    assert profile.board is None
    assert profile.cpu.model == "12th Gen Intel(R) Core(TM) i5-1235U"
    assert profile.cpu.num_cores == 12
    assert profile.cpu.num_usable_cores == 7
    assert profile.cpu.features == ("avx", "avx2", "fma", "f16c", "bmi2", "avx_vnni")
    assert profile.memory.limit_bytes is None


def test_a_limit_on_the_parent_group_binds() -> None:
    profile = _detect("cgroup-v2-limit")
    # Of the 1.5 GiB in use, 1 GiB is file pages that can be dropped.
    assert profile.memory == Memory(16 * GIB, 3 * GIB // 2, 2 * GIB)
    assert profile.cpu.quota_cores == 1.5
    assert profile.cpu.num_usable_cores == 2
    assert profile.cpu.features == ("avx", "avx2", "avx512", "avx512_vnni")


def test_version_1_groups_inside_a_container() -> None:
    profile = _detect("cgroup-v1-docker")
    assert profile.memory == Memory(4 * GIB, GIB // 2, GIB)
    assert profile.cpu.quota_cores == 0.5
    assert profile.cpu.num_usable_cores == 1


def test_a_mac() -> None:
    profile = _detect("apple-m4-pro")
    assert (profile.os, profile.arch) == ("darwin", "aarch64")
    assert profile.cpu == Cpu(
        model="Apple M4 Pro", num_cores=12, features=("neon", "fp16", "dotprod", "i8mm", "sme")
    )
    assert profile.memory == Memory(
        24 * GIB,
        (65536 + 720896 + 2048) * 16384,
        swap_total_bytes=2 * GIB,
        swap_free_bytes=2 * GIB - 1024 * MIB - MIB // 4,
    )


def test_a_device_that_tells_nothing_is_all_unknown() -> None:
    assert _detect("empty") == HardwareProfile()


@pytest.mark.parametrize(
    "broken",
    [
        {"proc/meminfo": "MemTotal: lots"},
        {"proc/meminfo": "MemTotal: 4 kB", "proc/self/mountinfo": "1 2\n- cgroup2\n", "x": ""},
        {"proc/cpuinfo": "", "proc/self/status": "Cpus_allowed_list:\n"},
        {".commands/vm_stat": "nothing", ".commands/sysctl -n hw.memsize": "?"},
        {".commands/uname -sm": ""},
    ],
)
def test_broken_texts_become_unknown(tmp_path: Path, broken: dict[str, str]) -> None:
    for name, text in broken.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    profile = detect(Host(tmp_path))
    assert profile.cpu == Cpu()
    assert profile.memory.available_bytes is None
    assert profile.os is None


def test_this_machine_tells_something() -> None:
    profile = detect(Host())
    assert profile.os in ("linux", "darwin")
    assert profile.cpu.num_usable_cores
    assert profile.memory.total_bytes


def test_globs_and_free_space(tmp_path: Path) -> None:
    for name in ("card1/size", "card0/size", "card10/other"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    host = Host(tmp_path)
    assert host.glob("/card*/size") == ("/card0/size", "/card1/size")
    assert host.glob("/none*") == ()
    assert host.free_bytes(tmp_path) is None  # a captured device has no disk
    free = Host().free_bytes(tmp_path / "not" / "yet")
    assert free is not None
    assert free > 0


@pytest.mark.parametrize("text", ["", "lots", "-"])
def test_measured_numbers_that_make_no_sense_are_unknown(tmp_path: Path, text: str) -> None:
    (tmp_path / ".measured").mkdir()
    for name in ("disk_free_bytes", "memory_bytes_per_second"):
        (tmp_path / ".measured" / name).write_text(text)
    profile = detect(Host(tmp_path))
    assert (profile.disk_free_bytes, profile.bandwidth) == (None, None)


def test_the_last_level_of_cache_counts_what_is_shared_once(tmp_path: Path) -> None:
    for cpu, shared in enumerate(("0-1", "0-1", "2")):
        for level, size in ((2, "512K"), (3, "8M")):
            folder = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/cache/index{level}"
            folder.mkdir(parents=True)
            (folder / "level").write_text(str(level))
            (folder / "size").write_text(size)
            (folder / "shared_cpu_list").write_text(shared)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text("processor: 0\n")
    assert detect(Host(tmp_path)).cpu.last_level_cache_bytes == 16 * MIB


def test_commands_that_fail_are_none() -> None:
    host = Host()
    assert host.run("echo", "hi") == "hi"
    assert host.run("false") is None
    assert host.run("no-such-command-anywhere") is None
    assert host.read("/no/such/file") is None
    assert host.read("/") is None


@pytest.mark.parametrize(
    ("cpu", "cores"),
    [
        (Cpu(), None),
        (Cpu(num_cores=8), 8),
        (Cpu(num_cores=8, num_allowed_cores=4), 4),
        (Cpu(num_cores=8, num_allowed_cores=4, quota_cores=2.5), 3),
        (Cpu(num_cores=8, quota_cores=0.1), 1),
        (Cpu(num_cores=2, quota_cores=16.0), 2),
    ],
)
def test_usable_cores(cpu: Cpu, cores: int | None) -> None:
    assert cpu.num_usable_cores == cores


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([(0, 0), (0, 0), (0, 1), (0, 1)], 2),  # two threads on each core
        ([(0, 0), (1, 0)], 2),  # two sockets
        ([], None),
    ],
)
def test_physical_cores(tmp_path: Path, ids: list[tuple[int, int]], expected: int | None) -> None:
    cores = [
        f"processor: {number}\nphysical id: {socket}\ncore id: {core}\n"
        for number, (socket, core) in enumerate(ids)
    ]
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text("\n".join(cores))
    assert detect(Host(tmp_path)).cpu.num_physical_cores == expected


def test_physical_cores_of_a_mac(tmp_path: Path) -> None:
    (tmp_path / ".commands").mkdir()
    text = "hw.logicalcpu: 8\nhw.physicalcpu: 4\n"
    (tmp_path / ".commands" / "sysctl hw machdep.cpu").write_text(text)
    cpu = detect(Host(tmp_path)).cpu
    assert (cpu.num_cores, cpu.num_physical_cores) == (8, 4)
