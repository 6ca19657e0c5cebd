"""`edgellm doctor`: what this device and installation have, what is missing, and how to get it."""

from __future__ import annotations

import platform
import sys
from importlib import metadata, util
from typing import Annotated

import typer
from msgspec import Struct

from edgellm import __version__
from edgellm.cli import checks
from edgellm.cli.checks import EXTRAS, Check, Extra
from edgellm.cli.output import Format, put, put_json, say, table
from edgellm.hardware.profile import HardwareProfile

_MARKS = {"ok": "ok", "warn": "WARN", "missing": "MISSING"}


class Report(Struct, frozen=True):
    """What `--format json` prints. `is_ok`: nothing that is required is missing."""

    edgellm: str
    is_ok: bool
    checks: tuple[Check, ...]
    hardware: HardwareProfile


def doctor(
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
) -> None:
    """Check this device and this installation."""
    report = examine()
    if output is Format.json:
        put_json(report)
    else:
        put(render(report))
    if not report.is_ok:
        say("error: something that edgellm requires is missing.")
        raise typer.Exit(1)


def examine() -> Report:
    """Look at everything. The native library is only touched by a child process."""
    from edgellm.cli.settings import user_paths
    from edgellm.hardware.detect import detect
    from edgellm.hardware.host import Host
    from edgellm.hardware.native import probe_native

    data = user_paths().data
    profile = detect(Host(), data)
    native = probe_native()
    found = (
        Check("edgellm", "ok", __version__, is_required=True),
        _python(),
        checks.check_device(profile),
        checks.check_cpu(profile.cpu),
        checks.check_memory(profile.memory),
        *map(checks.check_accelerator, profile.devices),
        checks.check_disk(str(data), profile.disk_free_bytes),
        checks.check_llama_cpp(native),
        checks.check_kernels(profile.cpu, native),
        _builtin(),
        _keys(),
        *(checks.check_extra(extra, _version(extra)) for extra in EXTRAS),
    )
    is_ok = not any(check.is_required and check.status == "missing" for check in found)
    return Report(__version__, is_ok, found, profile)


def render(report: Report) -> str:
    """A table, and below it what to do."""
    text = table([(_MARKS[c.status], c.name, c.value) for c in report.checks])
    todo = [check for check in report.checks if check.advice]
    if todo:
        text += "\nWhat to do:\n" + "".join(f"  {c.name}: {c.advice}\n" for c in todo)
    return text


def _python() -> Check:
    name = f"{platform.python_version()} ({sys.executable})"
    if sys.maxsize < 2**32:
        return Check("Python", "missing", f"{name}, 32-bit", "Use a 64-bit Python.", True)
    return Check("Python", "ok", name, is_required=True)


def _builtin() -> Check:
    from edgellm.assets import builtin_model
    from edgellm.errors import EdgellmError

    try:
        path = builtin_model()
        return checks.check_builtin(str(path), path.stat().st_size)
    except (EdgellmError, OSError):
        return checks.check_builtin(None, None)


def _keys() -> Check:
    from edgellm.cli.access import key_file
    from edgellm.errors import ConfigError

    try:
        return checks.check_keys(len(key_file().read()))
    except ConfigError as error:
        return Check("API keys", "warn", error.message, error.hint)


def _version(extra: Extra) -> str | None:
    """Without importing it: torch alone takes seconds, and a broken one would take us along."""
    try:
        if util.find_spec(extra.module) is None:
            return None
    except (ImportError, ValueError):
        return None
    try:
        return metadata.version(extra.name)
    except metadata.PackageNotFoundError:
        return "installed"
