"""`edgellm detect`: what this device is, for people, for programs, and for a bug report."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from edgellm.cli.output import Format, format_bytes, put, put_json, say, table
from edgellm.hardware.profile import Cpu, Device, HardwareProfile, Memory, Thermal


def detect(
    root: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Replay a captured device: a folder or a .tar.gz."),
    ] = None,
    capture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write what was read to a .tar.gz, without serial numbers and names.",
        ),
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Measure the memory's bandwidth.")
    ] = True,
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
) -> None:
    """Show this device: processor, memory, accelerators, power, and what they can do."""
    profile = examine(root, capture, measure)
    if output is Format.json:
        put_json(profile)
    else:
        put(render(profile))


def examine(root: Path | None, capture: Path | None, can_measure: bool) -> HardwareProfile:
    """Look at this device or a captured one, and write a capture where one is wanted."""
    from edgellm.cli.settings import user_paths
    from edgellm.hardware.bandwidth import with_bandwidth
    from edgellm.hardware.capture import private_names, replay, write_capture
    from edgellm.hardware.detect import detect
    from edgellm.hardware.host import Host
    from edgellm.hardware.recording import RecordingHost
    from edgellm.hardware.scrub import scrub

    paths = user_paths()
    with nullcontext(Host()) if root is None else replay(root) as host:
        recording = RecordingHost(host)
        profile = detect(recording, paths.data)
        if can_measure:
            profile = with_bandwidth(profile, host, paths.cache)
        if profile.bandwidth is not None and profile.bandwidth.source == "measured":
            recording.add_bandwidth(profile.bandwidth.bytes_per_second)
    if capture is not None:
        write_capture(capture, scrub(recording.files(), private_names(os.environ)))
        say(f"wrote {capture}; look through it before you pass it on")
    return profile


def render(profile: HardwareProfile) -> str:
    """A line for each thing, what is not known left out; below it, notes on the devices."""
    rows = [
        ("device", ", ".join(filter(None, (profile.board, profile.os, profile.arch)))),
        ("CPU", _cpu(profile.cpu)),
        ("memory", _memory(profile.memory)),
        ("swap", _swap(profile.memory)),
        ("bandwidth", _bandwidth(profile)),
        ("disk", "" if profile.disk_free_bytes is None else _free(profile.disk_free_bytes)),
        *((device.kind.upper(), describe_device(device)) for device in profile.devices),
        ("power mode", profile.power_mode or ""),
        ("temperature", _thermal(profile.thermal)),
        ("battery", _battery(profile)),
    ]
    known = [row for row in rows if row[1]]
    if not known:
        return "Nothing is known of this device.\n"
    notes = [f"  {device.name}: {device.note}.\n" for device in profile.devices if device.note]
    return table(known) + ("\nNotes:\n" + "".join(notes) if notes else "")


def describe_device(device: Device) -> str:
    """E.g. `Hailo-10H, 8.0 GiB dedicated memory, HAILO10H, driver 5.1.1, reached by hailo`."""
    parts = [device.name]
    if device.memory_bytes is not None:
        parts.append(f"{format_bytes(device.memory_bytes)} {device.memory_kind or ''} memory")
    elif device.memory_kind is not None:
        parts.append(f"{device.memory_kind} memory")
    if device.available_bytes is not None:
        parts.append(f"{format_bytes(device.available_bytes)} free")
    parts += [device.architecture] if device.architecture else []
    parts += [f"driver {device.driver}"] if device.driver else []
    if not device.can_run_llms:
        parts.append("cannot run language models")
    else:
        parts.append("reached by " + ", ".join(device.apis) if device.apis else "no driver found")
    return ", ".join(parts)


def _cpu(cpu: Cpu) -> str:
    parts = [cpu.model] if cpu.model else []
    usable = cpu.num_usable_cores
    if usable is not None:
        of = f" of {cpu.num_cores}" if cpu.num_cores is not None and usable < cpu.num_cores else ""
        parts.append(f"{usable}{of} usable core{'s' if usable != 1 else ''}")
    if cpu.num_physical_cores is not None and cpu.num_physical_cores != cpu.num_cores:
        parts.append(f"{cpu.num_physical_cores} physical")
    parts += [" ".join(cpu.features)] if cpu.features else []
    return ", ".join(parts)


def _memory(memory: Memory) -> str:
    parts = [f"{format_bytes(memory.total_bytes)} in all"] if memory.total_bytes else []
    if memory.limit_bytes is not None:
        parts.append(f"limited to {format_bytes(memory.limit_bytes)} by a cgroup")
    if memory.available_bytes is not None:
        parts.append(f"{format_bytes(memory.available_bytes)} available")
    return ", ".join(parts)


def _swap(memory: Memory) -> str:
    if not memory.swap_total_bytes:
        return ""
    text = f"{format_bytes(memory.swap_total_bytes)}"
    if memory.swap_free_bytes is not None:
        text += f", {format_bytes(memory.swap_free_bytes)} free"
    if memory.zram_bytes:
        text += f", {format_bytes(memory.zram_bytes)} of it zram (compressed memory)"
    return text


def _bandwidth(profile: HardwareProfile) -> str:
    found = profile.bandwidth
    if found is None:
        return ""
    what = "measured" if found.source == "measured" else "reading weights, on known devices like it"
    return f"{found.bytes_per_second / 1e9:.1f} GB/s, {what}"


def _free(count: int) -> str:
    return f"{format_bytes(count)} free for models"


def _thermal(thermal: Thermal) -> str:
    parts = []
    if thermal.temperature_celsius is not None:
        parts.append(f"{thermal.temperature_celsius:.0f} °C")
    if thermal.is_throttled:
        parts.append("throttled now: give it a cooler or a stronger power supply")
    elif thermal.was_throttled:
        parts.append("was throttled since the start")
    if thermal.is_under_voltage:
        parts.append("under-voltage since the start: the power supply is too weak")
    return ", ".join(parts)


def _battery(profile: HardwareProfile) -> str:
    battery = profile.battery
    if battery is None:
        return ""
    percent = "charge not known" if battery.percent is None else f"{battery.percent} %"
    return percent + (", discharging" if battery.is_discharging else "")
