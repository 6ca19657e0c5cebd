"""Which runtimes there are, which devices each reaches, and where a variant could run."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from edgellm.catalog.card import Backend, Variant
from edgellm.hardware.profile import Device, HardwareProfile

# By what a runtime's builds can reach a device at all. ORT-GenAI's catalogue variants are for CPUs.
_GPU_APIS: dict[Backend, tuple[str, ...]] = {
    "llama_cpp": ("cuda", "metal", "rocm", "vulkan", "sycl", "opencl"),
    "mlc": ("cuda", "metal", "rocm", "vulkan", "opencl"),
    "hailo": ("hailo",),
    "ort_genai": (),
}
_ON_CPU: frozenset[Backend] = frozenset({"llama_cpp", "ort_genai"})


class Runtime(Struct, frozen=True):
    """A runtime on this system."""

    backend: Backend
    is_installed: bool = True
    apis: tuple[str, ...] = ("cpu",)  # that this build was made for
    is_served: bool = True  # edgellm can serve with it
    hint: str = ""  # how to get it, or what is missing


class Place(Struct, frozen=True):
    """Where a variant runs. `device` None = the CPU."""

    api: str  # "cpu", "cuda", "metal", "vulkan", "hailo", ...
    device: Device | None = None

    @property
    def name(self) -> str:
        return self.device.name if self.device else "CPU"

    @property
    def has_own_memory(self) -> bool:
        """Unlike a GPU that takes its memory out of the main one."""
        device = self.device
        return device is not None and (device.memory_kind == "dedicated" or device.kind == "npu")


Obstacle: TypeAlias = str


def why_unused(device: Device, runtimes: tuple[Runtime, ...]) -> str:
    """Why no runtime computes on this device, for people; empty if one could."""
    if not device.can_run_llms:
        return device.note or "it cannot run language models"
    able = [r for r in runtimes if set(_GPU_APIS[r.backend]) & set(device.apis)]
    if not able:
        return device.note or "no runtime reaches it"
    if any(r.is_installed and r.is_served and set(r.apis) & set(device.apis) for r in able):
        return ""
    installed = [r for r in able if r.is_installed and r.is_served]
    if installed:
        return f"{installed[0].backend} was built without {' or '.join(device.apis)}"
    missing = "served by edgellm yet" if able[0].is_installed else "installed"
    return f"{able[0].backend} is not {missing}"


def find_places(
    variant: Variant, profile: HardwareProfile, runtimes: tuple[Runtime, ...]
) -> tuple[Place, ...] | Obstacle:
    """Where it could run here, accelerators first; or why nowhere, for people."""
    runtime = next((r for r in runtimes if r.backend == variant.backend), None)
    if runtime is None or not runtime.is_installed:
        hint = f" ({runtime.hint})" if runtime and runtime.hint else ""
        return f"the runtime {variant.backend} is not installed{hint}"
    if not runtime.is_served:
        return f"edgellm does not serve with {variant.backend} yet"
    places = [place for d in profile.devices if (place := _on_device(variant, d, runtime))]
    wanted = variant.requires.device
    if variant.backend in _ON_CPU and "cpu" in runtime.apis and wanted in ("", "cpu"):
        places.append(Place("cpu"))
    return tuple(places) or _obstacle(variant, profile, runtime)


def _on_device(variant: Variant, device: Device, runtime: Runtime) -> Place | None:
    common = [
        api
        for api in _GPU_APIS[variant.backend]
        if api in device.apis and api in runtime.apis and device.can_run_llms
    ]
    if not common or not _is_wanted(variant, device, common[0]):
        return None
    return Place(common[0], device)


def _is_wanted(variant: Variant, device: Device, api: str) -> bool:
    wanted = variant.requires.device
    if variant.backend == "hailo":
        is_right = (device.architecture or "").lower() in ("", wanted)
        return is_right and _fits_driver(variant.requires.runtime, device.driver)
    return wanted in ("", api)


def _fits_driver(required: str, driver: str | None) -> bool:
    """A compiled model must match the line of the installed HailoRT, e.g. "HailoRT 5.1"."""
    line = required.rpartition(" ")[2]
    return not line or driver is None or f"{driver}.".startswith(f"{line}.")


def _obstacle(variant: Variant, profile: HardwareProfile, runtime: Runtime) -> Obstacle:
    wanted = variant.requires.device or " or ".join(_GPU_APIS[variant.backend])
    reached = [d for d in profile.devices if set(d.apis) & set(_GPU_APIS[variant.backend])]
    if variant.backend == "hailo" and reached:
        return f"needs {variant.requires.runtime}; here is {reached[0].driver}"
    if reached and not set(reached[0].apis) & set(runtime.apis):
        return f"this build of {variant.backend} does not reach the {reached[0].name}"
    return f"needs a device with {wanted}"
