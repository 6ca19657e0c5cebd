"""`python -m edgellm_quant`, `edgellm-quant`: the one place where errors become exit codes."""

from __future__ import annotations

import contextlib
import sys
import traceback

from edgellm.cli.errors import UNEXPECTED, exit_code
from edgellm.cli.errors import show as show_error
from edgellm.cli.output import say
from edgellm.errors import EdgellmError
from edgellm_quant.cli import app


def main() -> None:
    """Every path ends in an exit code and at most a few lines on stderr."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a replaced or closed stream
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # TextIOWrapper's
    sys.exit(_invoke())


def _invoke() -> int:
    try:
        app(prog_name="edgellm quant")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except EdgellmError as error:
        show_error(error)
        return exit_code(error)
    except Exception as error:  # noqa: BLE001  (the process's edge)
        say(f"error: unexpected {type(error).__name__}: {error}")
        traceback.print_exception(error)
        return UNEXPECTED
    return 0


if __name__ == "__main__":
    main()
