"""The `edgellm` program: its commands, and the one place where errors become exit codes.

Heavy imports (fastapi, uvicorn, httpx) live inside the commands, so that `--help` is instant.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from typing import Annotated

import typer

from edgellm.cli import (
    chat,
    detect,
    doctor,
    du,
    list_models,
    load,
    plan,
    ps,
    pull,
    quant,
    rm,
    run,
    serve,
    show,
    stop,
    tune,
    verify,
)
from edgellm.cli.errors import UNEXPECTED, exit_code
from edgellm.cli.errors import show as show_error
from edgellm.cli.output import put, say
from edgellm.errors import EdgellmError

app = typer.Typer(
    name="edgellm",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from edgellm import __version__

        put(f"edgellm {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show tracebacks of unexpected errors.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Serve and use language models on this device."""


app.command("serve")(serve.serve)
app.command("run")(run.run)
app.command("chat")(chat.chat)
app.command("detect")(detect.detect)
app.command("doctor")(doctor.doctor)
app.command("plan")(plan.plan)
app.command("tune")(tune.tune)
app.command("pull")(pull.pull)
app.command("list")(list_models.list_models)
app.command("show")(show.show)
app.command("rm")(rm.rm)
app.command("verify")(verify.verify)
app.command("du")(du.du)
app.command(
    "quant",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(quant.quant)
app.command("ps")(ps.ps)
app.command("load")(load.load)
app.command("stop")(stop.stop)


def main() -> None:
    """The entry point. Every path ends in an exit code and at most a few lines on stderr."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a replaced or closed stream
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # TextIOWrapper's
    code = _invoke()
    _close_stdout()
    sys.exit(code)


def _invoke() -> int:
    try:
        app(prog_name="edgellm")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except EdgellmError as error:
        show_error(error)
        return exit_code(error)
    except Exception as error:  # noqa: BLE001  (the process's edge)
        _show_unexpected(error)
        return UNEXPECTED
    return 0


def _show_unexpected(error: Exception) -> None:
    """--verbose is looked up by hand: the error may come from the parsing of the flags."""
    say(f"error: unexpected {type(error).__name__}: {error}")
    if "--verbose" in sys.argv:
        traceback.print_exception(error)
    else:
        say("hint: run it again as `edgellm --verbose …` and report what it shows.")


def _close_stdout() -> None:
    """A reader that went away (`edgellm … | head -1`) is no reason for a message at the exit."""
    try:
        sys.stdout.flush()
    except (BrokenPipeError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    main()
