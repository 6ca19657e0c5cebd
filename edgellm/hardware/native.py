"""What the installed llama.cpp says of itself, asked in a child process.

A native library that was built for another CPU kills its process (SIGILL) as soon as it is loaded,
so nobody who wants to report that may load it himself.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from edgellm.hardware.profile import Feature

_PROBE = (sys.executable, "-m", "edgellm.backends.llama_cpp")
_TIMEOUT_SECONDS = 60.0  # a cold import from a memory card is slow
REINSTALL = (
    "pip install --force-reinstall --no-cache-dir --no-binary llama-cpp-python llama-cpp-python"
)

# llama.cpp's words in `llama_print_system_info` (ggml/src/ggml-cpu/ggml-cpu.cpp) -> ours.
_BUILT_WITH: dict[str, Feature] = {
    "AVX": "avx",
    "AVX2": "avx2",
    "FMA": "fma",
    "F16C": "f16c",
    "BMI2": "bmi2",
    "AVX_VNNI": "avx_vnni",
    "AVX512": "avx512",
    "AVX512_VBMI": "avx512_vbmi",
    "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16",
    "AMX_INT8": "amx_int8",
    "NEON": "neon",
    "FP16_VA": "fp16",
    "DOTPROD": "dotprod",
    "MATMUL_INT8": "i8mm",
    "SVE": "sve",
    "SME": "sme",
}


class NativeBuild(Struct, frozen=True):
    """The binding's answer. `features` are those that its CPU kernels were compiled for."""

    version: str  # of llama.cpp
    system_info: str
    binding_version: str = "not known"  # of llama-cpp-python
    supports_gpu_offload: bool = False

    @property
    def features(self) -> tuple[Feature, ...]:
        parts = self.system_info.replace("CPU :", "|").split("|")
        pairs = (part.partition("=") for part in parts)
        on = {name.strip() for name, _, value in pairs if value.strip() == "1"}
        return tuple(ours for word, ours in _BUILT_WITH.items() if word in on)


class NativeFailure(Struct, frozen=True):
    """Why there was no answer, and what to do."""

    reason: str
    advice: str


def probe_native(command: Sequence[str] = _PROBE) -> NativeBuild | NativeFailure:
    """Run the binding's own report in a child process. Never raises."""
    try:
        done = subprocess.run(  # noqa: S603  (our own interpreter)
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return NativeFailure(f"it did not load within {_TIMEOUT_SECONDS:.0f} s", REINSTALL)
    except OSError as error:
        return NativeFailure(f"it could not be started: {error.strerror}", REINSTALL)
    if done.returncode == 0:
        return _parse(done.stdout)
    return _failure(done.returncode, done.stderr.decode("utf-8", "replace"))


def _parse(stdout: bytes) -> NativeBuild | NativeFailure:
    """The report is the last line: native libraries may print before it."""
    lines = stdout.splitlines() or [b""]
    try:
        return msgspec.json.decode(lines[-1], type=NativeBuild)
    except msgspec.DecodeError as error:
        return NativeFailure(f"its report cannot be read: {error}", REINSTALL)


def _failure(code: int, stderr: str) -> NativeFailure:
    last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "no message")
    if code == -signal.SIGILL:
        return NativeFailure(
            "it was built for another CPU (illegal instruction)",
            f"Build it on this device: {REINSTALL}",
        )
    if code < 0:
        name = signal.Signals(-code).name if -code in list(signal.Signals) else str(-code)
        return NativeFailure(f"it was killed by {name} while loading", REINSTALL)
    if "No module named 'llama_cpp'" in stderr:
        return NativeFailure("llama-cpp-python is not installed", "pip install llama-cpp-python")
    return NativeFailure(last.strip(), REINSTALL)
