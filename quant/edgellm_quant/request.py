"""Requests as people write them, made to last: paths no longer depend on where somebody stood."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from edgellm.jobs.request import BUILTIN, NO, JobRequest


def absolute(request: JobRequest, folder: Path) -> JobRequest:
    """With all paths absolute.

    Args:
        folder: that they are relative to.
    """

    def made(text: str, *kept: str) -> str:
        return text if text in kept else str((folder / Path(text).expanduser()).resolve())

    source = made(request.source)
    is_path = Path(source).exists() or _looks_like_path(request.source)
    return replace(
        request,
        source=source if is_path else request.source,  # else a repository on the hub
        out=made(request.out, ""),
        calibrate=made(request.calibrate, "", BUILTIN),
        evaluate=made(request.evaluate, NO, BUILTIN),
        golden=made(request.golden, NO, BUILTIN),
    )


def _looks_like_path(text: str) -> bool:
    return text.startswith(("/", ".", "~")) or text.endswith(".gguf")
