"""What `edgellm doctor` looks at, as pure functions from facts to checks."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from edgellm.cli.detect import describe_device
from edgellm.cli.output import format_bytes
from edgellm.hardware.native import REINSTALL, NativeBuild, NativeFailure
from edgellm.hardware.profile import Cpu, Device, HardwareProfile, Memory

Status: TypeAlias = Literal["ok", "warn", "missing"]

MIN_FREE_BYTES = 2 * 1024**3
MIN_AVAILABLE_BYTES = 512 * 1024**2


class Check(Struct, frozen=True):
    """One finding. `advice` says what to do; a required one that is missing fails the command."""

    name: str
    status: Status
    value: str
    advice: str = ""
    is_required: bool = False


class Extra(Struct, frozen=True):
    """An optional package: what it brings, and how to get it."""

    name: str
    module: str
    purpose: str
    install: str


# Only what this version can use: the other runtimes join the list with their backends.
EXTRAS = (Extra("torch", "torch", "trains the built-in model", "pip install 'edgellm[train]'"),)


def check_llama_cpp(native: NativeBuild | NativeFailure) -> Check:
    """Does the one required native library load?"""
    if isinstance(native, NativeFailure):
        return Check("llama.cpp", "missing", native.reason, native.advice, is_required=True)
    offload = "can use a GPU" if native.supports_gpu_offload else "CPU only"
    value = f"{native.version} (llama-cpp-python {native.binding_version}), {offload}"
    return Check("llama.cpp", "ok", value, is_required=True)


def check_kernels(cpu: Cpu, native: NativeBuild | NativeFailure) -> Check:
    """The CPU's features against those that llama.cpp was compiled for."""
    if isinstance(native, NativeFailure):
        return Check("CPU kernels", "warn", "not known, for llama.cpp does not load")
    built = " ".join(native.features) or "none of the fast kernels"
    if cpu.features is None:
        return Check("CPU kernels", "ok", f"built with {built}; the CPU does not tell")
    alien = [feature for feature in native.features if feature not in cpu.features]
    unused = [feature for feature in cpu.features if feature not in native.features]
    if alien and unused:
        return Check("CPU kernels", "warn", f"built with {built}; the CPU has {_join(cpu)}", _FIX)
    if unused:
        value = f"built with {built}, without {' '.join(unused)} which this CPU has"
        return Check("CPU kernels", "warn", value, _FIX)
    if alien:
        return Check("CPU kernels", "warn", f"built with {' '.join(alien)}, not in this CPU", _FIX)
    return Check("CPU kernels", "ok", f"built with {built}")


_FIX = f"Answers may be slower than they could be. Build it here: {REINSTALL}"


def _join(cpu: Cpu) -> str:
    return " ".join(cpu.features or ()) or "none of them"


def check_cpu(cpu: Cpu) -> Check:
    """The processor, and the cores that this process may use."""
    value = cpu.model or "model not known"
    usable = cpu.num_usable_cores
    if usable is None:
        return Check("CPU", "warn", f"{value}, number of cores not known")
    value += f", {usable} usable core{'s' if usable != 1 else ''}"
    if cpu.num_cores is not None and usable < cpu.num_cores:
        return Check("CPU", "ok", f"{value} of {cpu.num_cores} (affinity or cgroup quota)")
    return Check("CPU", "ok", value)


def check_memory(memory: Memory) -> Check:
    """Total, available, and the control group's limit."""
    if memory.total_bytes is None:
        return Check("memory", "warn", "not known")
    value = f"{format_bytes(memory.total_bytes)} in all"
    if memory.limit_bytes is not None:
        value += f", limited to {format_bytes(memory.limit_bytes)} by a cgroup"
    if memory.available_bytes is None:
        return Check("memory", "ok", value)
    value += f", {format_bytes(memory.available_bytes)} available"
    if memory.available_bytes < MIN_AVAILABLE_BYTES:
        return Check("memory", "warn", value, "Close other programs, or raise the cgroup's limit.")
    return Check("memory", "ok", value)


def check_accelerator(device: Device) -> Check:
    """A GPU or an NPU; one that no runtime reaches is worth a look."""
    name = device.kind.upper()
    if device.apis or not device.can_run_llms:
        return Check(name, "ok", describe_device(device))
    return Check(name, "warn", describe_device(device), f"{device.name}: {device.note}.")


def check_disk(folder: str, free_bytes: int | None) -> Check:
    """Room for models."""
    if free_bytes is None:
        return Check("disk", "warn", f"{folder}: not known")
    value = f"{format_bytes(free_bytes)} free for {folder}"
    if free_bytes < MIN_FREE_BYTES:
        advice = "Models need gigabytes: free some, or set EDGELLM_HOME to a folder elsewhere."
        return Check("disk", "warn", value, advice)
    return Check("disk", "ok", value)


def check_builtin(path: str | None, size_bytes: int | None) -> Check:
    """The model that needs no network."""
    if path is None or size_bytes is None:
        advice = "Install it again: pip install --force-reinstall edgellm."
        return Check("built-in model", "missing", "not in this installation", advice)
    return Check("built-in model", "ok", f"{path}, {format_bytes(size_bytes)}")


def check_keys(num_keys: int) -> Check:
    """Whether clients need a key."""
    if not num_keys:
        return Check("API keys", "ok", "none: `serve` is for this device only")
    return Check("API keys", "ok", f"{num_keys}, and every request needs one")


def check_extra(extra: Extra, version: str | None) -> Check:
    """An optional package."""
    if version is None:
        advice = f"{extra.install} ({extra.purpose})"
        return Check(extra.name, "missing", "not installed (optional)", advice)
    return Check(extra.name, "ok", f"{version} ({extra.purpose})")


def check_device(profile: HardwareProfile) -> Check:
    """Operating system, architecture and board. 32-bit systems cannot run models."""
    known = [part for part in (profile.board, profile.os, profile.arch) if part]
    value = ", ".join(known) or "not known"
    if profile.arch in ("armv7l", "armv6l", "i686", "i386"):
        advice = "32-bit systems are not supported: install a 64-bit system."
        return Check("device", "missing", value, advice, is_required=True)
    return Check("device", "ok" if known else "warn", value)
