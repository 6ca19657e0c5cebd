"""`edgellm doctor`: its checks as functions of facts, and the real thing on this machine."""

from __future__ import annotations

import json
import re

import pytest

from edgellm.cli import checks, doctor
from edgellm.cli.checks import EXTRAS, Check
from edgellm.cli.output import format_bytes, table
from edgellm.hardware.native import NativeBuild, NativeFailure
from edgellm.hardware.profile import Cpu, Device, HardwareProfile, Memory
from tests.cli.conftest import Cli

GIB = 1024**3
SLOW = NativeBuild("b1", "CPU : SSE3 = 1 | AVX = 1 |")
FAST = NativeBuild("b1", "CPU : AVX = 1 | AVX2 = 1 |")
BROKEN = NativeFailure("it was built for another CPU", "Build it.")
MODERN = Cpu(model="X", num_cores=4, features=("avx", "avx2"))


def test_json_parses_and_covers_everything(cli: Cli) -> None:
    done = cli("doctor", "--format", "json")
    report = json.loads(done.stdout)
    found = {check["name"]: check for check in report["checks"]}
    assert report["is_ok"] is True
    assert (done.returncode, done.stderr) == (0, "")
    assert report["hardware"]["memory"]["total_bytes"] > 0
    assert found["llama.cpp"]["status"] == "ok"
    assert "llama-cpp-python 0.3" in found["llama.cpp"]["value"]
    names = {"edgellm", "Python", "device", "CPU", "memory", "disk", "CPU kernels", "API keys"}
    assert names | {"built-in model"} | {extra.name for extra in EXTRAS} == found.keys() - {
        "llama.cpp",
        "GPU",  # where there are some
        "NPU",
    }
    assert {check["status"] for check in report["checks"]} <= {"ok", "warn", "missing"}
    assert all(check["advice"] for check in report["checks"] if check["status"] == "missing")


def test_the_table_has_every_check_and_advice_for_what_is_missing(cli: Cli) -> None:
    done = cli("doctor")
    assert done.returncode == 0
    assert re.search(r"^ok +llama\.cpp ", done.stdout, re.MULTILINE)
    assert re.search(r"^(ok|MISSING) +torch ", done.stdout, re.MULTILINE)
    assert ("What to do:\n" in done.stdout) == ("MISSING" in done.stdout)


def test_a_cpu_with_more_than_llama_cpp_was_built_for() -> None:
    check = checks.check_kernels(MODERN, SLOW)
    assert check.status == "warn"
    assert "without avx2 which this CPU has" in check.value
    assert "--no-binary llama-cpp-python" in check.advice


def test_kernels_that_fit_or_cannot_be_compared() -> None:
    assert checks.check_kernels(MODERN, FAST) == Check("CPU kernels", "ok", "built with avx avx2")
    assert checks.check_kernels(Cpu(), FAST).status == "ok"
    assert checks.check_kernels(MODERN, BROKEN).status == "warn"
    alien = checks.check_kernels(Cpu(features=("avx",)), FAST)
    assert (alien.status, alien.value) == ("warn", "built with avx2, not in this CPU")
    other = checks.check_kernels(Cpu(features=("neon",)), FAST)
    assert (other.status, other.value) == ("warn", "built with avx avx2; the CPU has neon")


def test_a_native_library_that_does_not_load_is_required() -> None:
    check = checks.check_llama_cpp(BROKEN)
    assert (check.status, check.is_required, check.advice) == ("missing", True, "Build it.")
    assert checks.check_llama_cpp(FAST).status == "ok"


@pytest.mark.parametrize(
    ("cpu", "status", "value"),
    [
        (Cpu(), "warn", "model not known, number of cores not known"),
        (Cpu(model="X", num_cores=1), "ok", "X, 1 usable core"),
        (
            Cpu(model="X", num_cores=8, num_allowed_cores=8, quota_cores=2.0),
            "ok",
            "X, 2 usable cores of 8 (affinity or cgroup quota)",
        ),
    ],
)
def test_cpu(cpu: Cpu, status: str, value: str) -> None:
    check = checks.check_cpu(cpu)
    assert (check.status, check.value) == (status, value)


def test_memory() -> None:
    assert checks.check_memory(Memory()).status == "warn"
    limited = checks.check_memory(Memory(8 * GIB, GIB, 2 * GIB))
    assert limited.status == "ok"
    assert limited.value == ("8.0 GiB in all, limited to 2.0 GiB by a cgroup, 1.0 GiB available")
    full = checks.check_memory(Memory(2 * GIB, GIB // 8))
    assert (full.status, bool(full.advice)) == ("warn", True)
    assert checks.check_memory(Memory(2 * GIB)).value == "2.0 GiB in all"


def test_disk_and_built_in_model() -> None:
    assert checks.check_disk("/d", 5 * GIB) == Check("disk", "ok", "5.0 GiB free for /d")
    assert "EDGELLM_HOME" in checks.check_disk("/d", GIB).advice
    assert checks.check_disk("/d", None).status == "warn"
    assert checks.check_builtin("/p", 15 * 1024**2).value == "/p, 15.0 MiB"
    assert checks.check_builtin(None, None).status == "missing"


def test_accelerators() -> None:
    hailo = Device("npu", "hailo", "Hailo-8", can_run_llms=False, note="no memory")
    assert checks.check_accelerator(hailo) == Check(
        "NPU", "ok", "Hailo-8, cannot run language models"
    )
    gpu = Device(
        "gpu", "nvidia", "RTX", "dedicated", 8 * GIB, 7 * GIB, ("cuda",), "580.95", "sm_89"
    )
    assert checks.check_accelerator(gpu) == Check(
        "GPU",
        "ok",
        "RTX, 8.0 GiB dedicated memory, 7.0 GiB free, sm_89, driver 580.95, reached by cuda",
    )
    idle = checks.check_accelerator(Device("gpu", "nvidia", "RTX", note="install its driver"))
    assert (idle.status, idle.value) == ("warn", "RTX, no driver found")
    assert idle.advice == "RTX: install its driver."


def test_a_32_bit_system_is_out() -> None:
    check = checks.check_device(HardwareProfile(os="linux", arch="armv7l"))
    assert (check.status, check.is_required) == ("missing", True)
    assert checks.check_device(HardwareProfile()).status == "warn"


def test_a_missing_requirement_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer

    from edgellm.hardware import native

    monkeypatch.setattr(native, "probe_native", lambda: BROKEN)
    with pytest.raises(typer.Exit) as caught:
        doctor.doctor()
    assert caught.value.exit_code == 1
    captured = capsys.readouterr()
    assert "MISSING  llama.cpp " in captured.out
    assert "  llama.cpp: Build it.\n" in captured.out
    assert captured.err.startswith("error: ")


def test_extras_say_how_to_get_them() -> None:
    for extra in EXTRAS:
        missing = checks.check_extra(extra, None)
        assert missing.value == "not installed (optional)"
        assert not missing.is_required
        assert extra.purpose in missing.advice
        assert "pip install" in missing.advice
    assert checks.check_extra(EXTRAS[0], "1.2").value.startswith("1.2 ")


def test_table_and_bytes() -> None:
    assert table([("a", "bb", "c"), ("aaa", "b", "")]) == "a    bb  c\naaa  b\n"
    assert [format_bytes(n) for n in (0, 1023, 1536, 150 * 1024**2, 7 * GIB, 3 * 1024 * GIB)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "150 MiB",
        "7.0 GiB",
        "3.0 TiB",
    ]
