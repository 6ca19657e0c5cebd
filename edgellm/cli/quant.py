"""`edgellm quant …`: the quantisation sub-tool, which is a program of its own (`edgellm_quant`).

This process becomes that one, so signals, the terminal and the exit code are its own.
"""

from __future__ import annotations

import os
import sys

import typer


def quant(context: typer.Context) -> None:
    """Make smaller model files and measure what that costs (edgellm quant --help)."""
    sys.stdout.flush()
    os.execv(  # noqa: S606  (our own interpreter)
        sys.executable, (sys.executable, "-m", "edgellm_quant", *context.args)
    )
