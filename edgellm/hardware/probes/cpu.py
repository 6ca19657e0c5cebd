"""The processor: /proc/cpuinfo, the affinity mask and cgroup quotas on Linux, sysctl on macOS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from edgellm.hardware.cgroup import Group, groups
from edgellm.hardware.host import Host
from edgellm.hardware.profile import Cpu, Feature

# The kernel's word (x86 `flags`, ARM `Features`) -> ours.
_LINUX: dict[str, Feature] = {
    "avx": "avx",
    "avx2": "avx2",
    "fma": "fma",
    "f16c": "f16c",
    "bmi2": "bmi2",
    "avx_vnni": "avx_vnni",
    "avx512f": "avx512",
    "avx512vbmi": "avx512_vbmi",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_int8": "amx_int8",
    "asimd": "neon",
    "asimdhp": "fp16",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "sve": "sve",
    "sme": "sme",
}
# `sysctl hw machdep.cpu` on macOS: keys that are 1, and the words of the x86 lists.
_MACOS: dict[str, Feature] = {
    "hw.optional.neon": "neon",
    "hw.optional.AdvSIMD": "neon",
    "hw.optional.arm.AdvSIMD": "neon",
    "hw.optional.arm.FEAT_FP16": "fp16",
    "hw.optional.arm.FEAT_DotProd": "dotprod",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_SME": "sme",
    "AVX1.0": "avx",
    "AVX2": "avx2",
    "FMA": "fma",
    "F16C": "f16c",
    "BMI2": "bmi2",
    "AVX512F": "avx512",
    "AVX512VBMI": "avx512_vbmi",
    "AVX512VNNI": "avx512_vnni",
}
# (implementer, part) of MIDR_EL1, as the kernel prints them: arch/arm64/include/asm/cputype.h.
_ARM_CORES = {
    ("0x41", "0xd03"): "Cortex-A53",
    ("0x41", "0xd05"): "Cortex-A55",
    ("0x41", "0xd08"): "Cortex-A72",
    ("0x41", "0xd0b"): "Cortex-A76",
    ("0x41", "0xd0c"): "Neoverse N1",
    ("0x41", "0xd40"): "Neoverse V1",
    ("0x41", "0xd41"): "Cortex-A78",
    ("0x41", "0xd42"): "Cortex-A78AE",
    ("0x41", "0xd49"): "Neoverse N2",
    ("0x41", "0xd4f"): "Neoverse V2",
    ("0x41", "0xd80"): "Cortex-A520",
    ("0x41", "0xd81"): "Cortex-A720",
    ("0x41", "0xd82"): "Cortex-X4",
    ("0x41", "0xd83"): "Neoverse V3AE",
    ("0x41", "0xd84"): "Neoverse V3",
    ("0x41", "0xd85"): "Cortex-X925",
    ("0x41", "0xd87"): "Cortex-A725",
    ("0x51", "0x001"): "Oryon",
}


def probe(host: Host) -> Cpu:
    """What this machine says; empty where it says nothing."""
    cpuinfo = host.read("/proc/cpuinfo")
    return _macos(host) if cpuinfo is None else _linux(host, cpuinfo)


def _linux(host: Host, cpuinfo: str) -> Cpu:
    blocks = [_fields(block) for block in cpuinfo.split("\n\n")]
    cores = [block for block in blocks if "processor" in block]
    words = next((b.get("flags") or b.get("Features") for b in cores), None)
    return Cpu(
        model=_model(cores),
        num_cores=len(cores) or None,
        num_physical_cores=_physical_cores(cores),
        num_allowed_cores=_allowed_cores(host),
        quota_cores=min(_quotas(host), default=None),
        features=None if words is None else _ordered(_LINUX, words.split()),
        last_level_cache_bytes=_last_level_cache_bytes(host),
    )


def _last_level_cache_bytes(host: Host) -> int | None:
    """Of the highest level that the kernel tells; what several cores share is counted once."""
    sizes: dict[tuple[str, str], int] = {}
    for path in host.glob("/sys/devices/system/cpu/cpu*/cache/index*/size"):
        folder = path.removesuffix("size")
        size = re.fullmatch(r"(\d+)([KM])", host.read(path) or "")
        level = host.read(folder + "level") or ""
        if size is not None:
            shared_by = host.read(folder + "shared_cpu_list") or path
            sizes[level, shared_by] = int(size[1]) * (1 << (10 if size[2] == "K" else 20))
    highest = max((level for level, _ in sizes), default=None)
    return sum(size for (level, _), size in sizes.items() if level == highest) or None


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _model(cores: list[dict[str, str]]) -> str | None:
    """x86 names itself; ARM gives part numbers, often of two kinds of core."""
    named = next((core["model name"] for core in cores if core.get("model name")), None)
    if named:
        return named
    kinds: dict[str, int] = {}
    for core in cores:
        kind = _ARM_CORES.get((core.get("CPU implementer", ""), core.get("CPU part", "")))
        if kind is not None:
            kinds[kind] = kinds.get(kind, 0) + 1
    return " + ".join(f"{count} x {kind}" for kind, count in kinds.items()) or None


def _physical_cores(cores: list[dict[str, str]]) -> int | None:
    """x86 numbers them, within each socket; ARM does not, and has one thread on each."""
    found = {(core.get("physical id"), core["core id"]) for core in cores if "core id" in core}
    return len(found) or None


def _allowed_cores(host: Host) -> int | None:
    status = host.read("/proc/self/status") or ""
    match = re.search(r"^Cpus_allowed_list:\s*(\S+)$", status, re.M)
    return sum(_range_length(part) for part in match[1].split(",")) if match else None


def _range_length(text: str) -> int:
    first, _, last = text.partition("-")
    return int(last or first) - int(first) + 1


def _quotas(host: Host) -> Iterable[float]:
    for group in groups(host, "cpu"):
        quota, period = _quota(host, group)
        if quota.isdecimal() and period.isdecimal() and int(period):
            yield int(quota) / int(period)


def _quota(host: Host, group: Group) -> tuple[str, str]:
    """(microseconds, per microseconds); "max" or "-1" where there is no quota."""
    if group.version == 1:
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        quota, period = (host.read(f"{group.path}/{name}") or "" for name in names)
        return quota, period
    quota, _, period = (host.read(f"{group.path}/cpu.max") or "").partition(" ")
    return quota, period


def _macos(host: Host) -> Cpu:
    text = host.run("sysctl", "hw", "machdep.cpu")
    if text is None:
        return Cpu()
    values = _fields(text)
    lists = ("machdep.cpu.features", "machdep.cpu.leaf7_features")
    words = [word for name in lists for word in values.get(name, "").split()]
    words += [key for key, value in values.items() if value == "1"]
    cores, physical = values.get("hw.logicalcpu", ""), values.get("hw.physicalcpu", "")
    return Cpu(
        model=values.get("machdep.cpu.brand_string"),
        num_cores=int(cores) if cores.isdecimal() else None,
        num_physical_cores=int(physical) if physical.isdecimal() else None,
        features=_ordered(_MACOS, words),
    )


def _ordered(names: Mapping[str, Feature], words: list[str]) -> tuple[Feature, ...]:
    """Our names of the words that matter, in the table's order, each once."""
    given = set(words)
    return tuple(dict.fromkeys(ours for word, ours in names.items() if word in given))
