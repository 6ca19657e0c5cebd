"""The one map from errors to exit codes, and how an error is shown.

1  something unexpected           3    the engine or the loading of a model
2  usage, settings, model file    4    no server        5  port in use       130  Ctrl-C
6  fetching or keeping a model    7    quantising   8  made, but short of its limits
"""

from __future__ import annotations

from edgellm.cli.output import say
from edgellm.errors import (
    CaptureError,
    ConfigError,
    EdgellmError,
    EngineError,
    ModelFileError,
    PortInUse,
    PullCancelled,
    QuantCancelled,
    QuantError,
    QuantRefused,
    RequestError,
    ServerUnreachable,
    StoreError,
)

UNEXPECTED = 1
INTERRUPTED = 130

_EXIT_CODES: tuple[tuple[type[EdgellmError], int], ...] = (
    (CaptureError, 2),
    (ConfigError, 2),
    (ModelFileError, 2),
    (RequestError, 2),
    (EngineError, 3),
    (ServerUnreachable, 4),
    (PortInUse, 5),
    (PullCancelled, INTERRUPTED),
    (StoreError, 6),
    (QuantCancelled, INTERRUPTED),
    (QuantRefused, 8),
    (QuantError, 7),
)


def exit_code(error: EdgellmError) -> int:
    """What the shell is told."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), UNEXPECTED)


def show(error: EdgellmError) -> None:
    """`error: …` and `hint: …` on stderr."""
    say(f"error: {error.message}")
    if error.hint:
        say(f"hint: {error.hint}")
