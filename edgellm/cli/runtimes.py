"""Which runtimes are installed here, without importing any of them."""

from __future__ import annotations

import re
from importlib import util

from edgellm.catalog.card import Backend
from edgellm.hardware.native import NativeBuild, NativeFailure
from edgellm.hardware.profile import HardwareProfile
from edgellm.planner.runtime import Runtime

_OTHERS: tuple[tuple[Backend, str, str], ...] = (
    ("mlc", "mlc_llm", "see the install page of MLC LLM"),
    ("ort_genai", "onnxruntime_genai", "pip install onnxruntime-genai"),
    ("hailo", "hailo_platform", "comes with HailoRT from Hailo's developer zone"),
)
_APIS = {"cuda": "cuda", "metal": "metal", "mtl": "metal", "vulkan": "vulkan", "rocm": "rocm"}
_APIS |= {"hip": "rocm", "sycl": "sycl", "opencl": "opencl"}


def llama_cpp_runtime(native: NativeBuild | NativeFailure) -> Runtime:
    """What the build says of itself: each backend begins its part of the line with its name."""
    if isinstance(native, NativeFailure):
        return Runtime("llama_cpp", is_installed=False, hint=native.reason)
    names = re.findall(r"(?:^|\|)\s*(\w+) :", native.system_info)
    found = [_APIS[name.lower()] for name in names if name.lower() in _APIS]
    return Runtime("llama_cpp", apis=("cpu", *dict.fromkeys(found)))


def installed_runtimes(native: NativeBuild | NativeFailure) -> tuple[Runtime, ...]:
    """All that the catalogue has variants for. Only llama.cpp is served today."""
    others = (
        Runtime(backend, is_installed=_has(module), apis=(), is_served=False, hint=hint)
        for backend, module, hint in _OTHERS
    )
    return (llama_cpp_runtime(native), *others)


def replayed_runtimes(profile: HardwareProfile) -> tuple[Runtime, ...]:
    """For a captured device: a base install, which reaches the GPU on a Mac only."""
    apis = ("cpu", "metal") if profile.os == "darwin" else ("cpu",)
    others = (Runtime(name, is_installed=False, hint=hint) for name, _, hint in _OTHERS)
    return (Runtime("llama_cpp", apis=apis), *others)


def _has(module: str) -> bool:
    try:
        return util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
