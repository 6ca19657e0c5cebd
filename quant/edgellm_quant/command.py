"""The command that asks for a job, for reports: so that a reader can ask for the same."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgellm.jobs.request import JobRequest

_HERE = ("source", "out", "to", "overrides")  # that are not written as the others
_FLAGS = {"overrides": "--override"}


def command_of(request: JobRequest) -> str:
    """Files have their names only: a report says nothing of its maker's folders."""
    return shlex.join(["edgellm", "quant", "run", *_words(request)])


def _words(request: JobRequest) -> Iterator[str]:
    yield _shown(request.source)
    if request.to:
        yield from ("--to", ",".join(request.to))
    for override in request.overrides:
        yield from (_FLAGS["overrides"], override)
    for field in msgspec.structs.fields(JobRequest):
        value = getattr(request, field.name)
        if field.name in _HERE or value == field.default:
            continue
        yield f"--{field.name.replace('_', '-')}"
        if value is not True:
            yield _shown(str(value))


def _shown(text: str) -> str:
    path = Path(text)
    return path.name if path.is_absolute() else text
