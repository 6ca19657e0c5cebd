"""A download's progress -> the lines of `/api/pull`. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from typing import Any

from edgellm.api.errors import describe
from edgellm.api.ndjson import line
from edgellm.api.ollama.output import error_body
from edgellm.store.progress import Progress

Json = dict[str, Any]

SUCCESS: Json = {"status": "success"}


def to_line(name: str, progress: Progress) -> Json:
    """In Ollama's words where it has them; clients show whatever comes."""
    match progress.phase:
        case "asking":
            return {"status": "pulling manifest"}
        case "waiting":
            return {"status": "waiting for another process that pulls the same"}
        case "done":
            return {"status": "writing manifest"}
        case "checking":
            return {"status": "verifying sha256 digest", **_figures(name, progress)}
        case "fetching":
            return {"status": f"pulling {progress.file}", **_figures(name, progress)}


def _figures(name: str, progress: Progress) -> Json:
    """`digest` is what clients know a progress bar by, and cut into pieces. Here one bar is for
    the whole model, whose files' digests only the end proves; hence the name's."""
    figures: Json = {"digest": f"source:{hashlib.sha256(name.encode()).hexdigest()}"}
    if progress.total_bytes is not None:
        figures |= {"total": progress.total_bytes, "completed": progress.done_bytes}
    return figures


async def pull_lines(
    name: str, steps: AsyncGenerator[Progress, None]
) -> AsyncGenerator[bytes, None]:
    """The body of a stream. What goes wrong is its last line."""
    try:
        async for progress in steps:
            yield line(to_line(name, progress))
        yield line(SUCCESS)
    except Exception as error:  # noqa: BLE001 - the status is sent; `describe` logs it
        yield line(error_body(describe(error)))
    finally:
        await steps.aclose()
