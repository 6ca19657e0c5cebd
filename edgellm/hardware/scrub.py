"""Takes out of a capture what tells whose device it is. Pure: texts in, texts out.

Two nets: of files and commands that say much, only the lines stay that probes read; and from
everything, paths too, go serial numbers, UUIDs, MAC addresses, container ids, and the names of
the host and its users. What a path and a text share is replaced alike in both, so that the capture
still replays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

_KEPT_LINES = {
    "/proc/self/mountinfo": re.compile(r" - cgroup2? "),
    "/proc/self/status": re.compile(r"^Cpus_allowed_list:"),
    "/proc/cpuinfo": re.compile(r"^(?!Serial|Hardware)"),
    "/proc/swaps": re.compile(r"^(Filename|/dev/zram)"),
    "/.commands/hailortcli fw-control identify": re.compile(r"^(Firmware|Board Name|Device Arch)"),
    "/.commands/vulkaninfo --summary": re.compile(
        r"^GPU\d+:|^\s+(vendorID|deviceID|deviceType|deviceName|driverInfo)\b"
    ),
    "/.commands/pmset -g": re.compile(r"^\s*lowpowermode\b"),
    "/.commands/pmset -g batt": re.compile(r"InternalBattery"),
    "/.commands/sysctl hw machdep.cpu": re.compile(r"^(hw|machdep\.cpu)\."),
}
_KEPT_DISPLAY_KEYS = ("sppci_model", "sppci_cores", "spdisplays_mtlgpufamilysupport")
# Unbounded to the left: kubelet writes pod<UUID>, and d is a hex digit.
_PATTERNS = (
    re.compile(r"[0-9a-f]{8}([-_])[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}", re.I),
    re.compile(r"(?<![0-9a-f:])[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}(?![0-9a-f:])", re.I),  # MAC
    re.compile(r"[0-9a-f]{32,}", re.I),  # container id
    re.compile(r"(?<=\(id=)\d+(?=\))"),  # of a Mac's battery
)
_SERIAL_LINE = re.compile(
    r"^(\s*\S*(?:serial|unique_id|uuid|part.?number)[^:=\n]*?[ \t]*[:= ])[ \t]*\S.*$", re.I | re.M
)
# Names that half the world's devices carry tell nothing, and stand in many a probe's text.
_COMMON_NAMES = {"root", "pi", "user", "ubuntu", "debian", "admin", "linux", "localhost", "vm"}
_COMMON_NAMES |= {"raspberrypi", "jetson", "nvidia", "orin", "rock", "orangepi", "radxa"}
_COMMON_NAMES |= {"runner", "docker", "intel", "amd", "arm", "apple"}


def scrub(files: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The files without secrets.

    Args:
        files: text by path.
        names: the host's and its users' names; common ones are left alone.
    """
    replace = _Replacer(names)
    kept = ((path, _keep(path, text)) for path, text in files.items())
    return {replace(path): replace(_SERIAL_LINE.sub(r"\1 removed", text)) for path, text in kept}


class _Replacer:
    """Gives each secret a word of its own, the same wherever it stands."""

    def __init__(self, names: Iterable[str]) -> None:
        private = sorted({name for name in names if len(name) > 1} - _COMMON_NAMES)
        words = "|".join(map(re.escape, private))
        self._names = re.compile(rf"(?<![0-9A-Za-z])(?:{words})(?![0-9A-Za-z])") if words else None
        self._words: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        for pattern in (*_PATTERNS, self._names):
            if pattern is not None:
                text = pattern.sub(self._word, text)
        return text

    def _word(self, match: re.Match[str]) -> str:
        return self._words.setdefault(match[0], f"removed-{len(self._words) + 1}")


def _keep(path: str, text: str) -> str:
    if path.startswith("/.commands/system_profiler "):
        return _displays(text)
    wanted = _KEPT_LINES.get(path)
    if wanted is None:
        return text
    # Empty lines part the blocks of /proc/cpuinfo.
    lines = [line for line in text.splitlines() if not line or wanted.search(line)]
    return "\n".join(lines)


def _displays(text: str) -> str:
    """system_profiler tells the monitors' names and serial numbers too."""
    try:
        report = msgspec.json.decode(text, type=dict[str, list[dict[str, object]]])
    except msgspec.DecodeError:
        return ""
    is_kept: Callable[[str], bool] = _KEPT_DISPLAY_KEYS.__contains__
    kept = {
        kind: [{key: value for key, value in gpu.items() if is_kept(key)} for gpu in gpus]
        for kind, gpus in report.items()
    }
    return msgspec.json.encode(kept).decode()
