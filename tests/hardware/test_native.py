"""llama.cpp's report from a child process, and every way in which the child can fail."""

from __future__ import annotations

import json
import sys

import pytest

from edgellm.hardware.native import NativeBuild, NativeFailure, probe_native


def _child(code: str) -> NativeBuild | NativeFailure:
    return probe_native((sys.executable, "-c", code))


def _failure(code: str) -> NativeFailure:
    found = _child(code)
    assert isinstance(found, NativeFailure)
    assert found.advice
    return found


def test_a_report_after_native_chatter() -> None:
    info = "CPU : SSE3 = 1 | AVX = 1 | AVX2 = 1 | FMA = 0 | AVX512_VNNI = 1 | REPACK = 1 | "
    report = {"version": "b1", "binding_version": "0.3.36", "system_info": info, "more": 1}
    found = _child(f"print('ggml says hello'); print({json.dumps(report)!r})")
    assert isinstance(found, NativeBuild)
    assert (found.version, found.binding_version) == ("b1", "0.3.36")
    assert found.features == ("avx", "avx2", "avx512_vnni")
    assert not found.supports_gpu_offload


def test_an_arm_build_with_two_devices() -> None:
    info = "Metal : EMBED_LIBRARY = 1 | CPU : NEON = 1 | ARM_FMA = 1 | MATMUL_INT8 = 1 | SVE = 0 |"
    assert NativeBuild("b1", info).features == ("neon", "i8mm")


def test_an_illegal_instruction_is_a_build_for_another_cpu() -> None:
    failure = _failure("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    assert "another CPU" in failure.reason
    assert "--no-binary llama-cpp-python" in failure.advice


def test_another_signal_is_named() -> None:
    failure = _failure("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert "SIGKILL" in failure.reason


def test_a_binding_that_is_not_installed() -> None:
    failure = _failure("raise ModuleNotFoundError(\"No module named 'llama_cpp'\")")
    assert failure.reason == "llama-cpp-python is not installed"
    assert failure.advice == "pip install llama-cpp-python"


def test_an_error_gives_its_last_line() -> None:
    failure = _failure("raise OSError('libgomp.so.1: cannot open shared object file')")
    assert failure.reason == "OSError: libgomp.so.1: cannot open shared object file"


@pytest.mark.parametrize("code", ["pass", "print('hello')", "print('{}')", "print('[1]')"])
def test_a_report_that_makes_no_sense(code: str) -> None:
    assert "cannot be read" in _failure(code).reason


def test_a_command_that_does_not_exist() -> None:
    found = probe_native(("/no/such/python",))
    assert isinstance(found, NativeFailure)
    assert "could not be started" in found.reason


def test_the_real_binding_loads() -> None:
    found = probe_native()
    assert isinstance(found, NativeBuild), found
    assert found.features
