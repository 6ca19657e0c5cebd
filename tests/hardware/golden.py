"""The whole profile of every captured device, as JSON without what is not known.

`python -m tests.hardware.golden` writes the files anew; look at every change before it is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edgellm.hardware.detect import detect
from edgellm.hardware.host import Host

TESTS = Path(__file__).parents[1]
DEVICES = TESTS / "fixtures" / "hardware"
GOLDEN = TESTS / "golden" / "hardware"


def devices() -> list[str]:
    """The names of all captured devices."""
    return sorted(path.name for path in DEVICES.iterdir() if path.is_dir())


def profile_of(device: str) -> Any:
    """What detect says of it, in plain values; None, "", () and {} are left out."""
    return _known(msgspec.to_builtins(detect(Host(DEVICES / device))))


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        pairs = ((key, _known(inner)) for key, inner in value.items())
        return {key: inner for key, inner in pairs if inner not in (None, "", [], {})}
    return [_known(inner) for inner in value] if isinstance(value, list | tuple) else value


def main() -> None:
    """Write them all."""
    GOLDEN.mkdir(exist_ok=True)
    for device in devices():
        text = msgspec.json.format(msgspec.json.encode(profile_of(device)))
        (GOLDEN / f"{device}.json").write_bytes(text + b"\n")


if __name__ == "__main__":
    main()
