"""The program's edge: help, usage errors, exit codes, broken pipes, colours."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgellm import __version__
from edgellm.cli import main
from edgellm.cli.errors import exit_code
from edgellm.errors import (
    ConfigError,
    ContextLengthExceeded,
    EdgellmError,
    EngineCrashed,
    EngineLoadError,
    ModelFileError,
    PortInUse,
    ServerUnreachable,
)
from tests.cli.conftest import PROGRAM, Cli
from tests.cli.fake_server import FakeServer

COMMANDS = ("serve", "run", "chat", "detect", "doctor", "tune")


def test_help_lists_the_commands(cli: Cli) -> None:
    done = cli("--help")
    assert done.returncode == 0
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        (
            "serve",
            "--host --port --context --parallel --threads --alias --cors-origin --log-level "
            "--config --yes --offline --force MODEL",
        ),
        ("run", "--model --server --system --temperature --max-tokens --seed --format"),
        ("chat", "--model --server --system --temperature --max-tokens --seed"),
        ("detect", "--capture"),
        ("doctor", "--format"),
        ("tune", "MODEL.gguf --seconds --kv-type --dry-run --forget --format --config"),
    ],
)
def test_every_commands_help_names_its_flags(cli: Cli, command: str, flags: str) -> None:
    done = cli(command, "-h")
    assert done.returncode == 0
    assert [flag for flag in flags.split() if flag not in done.stdout] == []


def test_version(cli: Cli) -> None:
    done = cli("--version")
    assert (done.returncode, done.stdout) == (0, f"edgellm {__version__}\n")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['edgellm', '--help']\n"
        "from edgellm.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'fastapi', 'uvicorn', 'httpx', 'pydantic', 'rich', 'jinja2', 'llama_cpp'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stderr.decode().strip() == "[]"


@pytest.mark.parametrize("args", [("foo",), ("serve", "--prot", "1"), ("run", "a", "b"), ()])
def test_usage_errors_exit_2(cli: Cli, args: tuple[str, ...]) -> None:
    done = cli(*args)
    assert done.returncode == 2
    assert "Usage: edgellm" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("m"), 2),
        (ModelFileError("m"), 2),
        (ContextLengthExceeded(2, 1), 2),
        (EngineLoadError("m"), 3),
        (EngineCrashed("m"), 3),
        (ServerUnreachable("m"), 4),
        (PortInUse("h", 1), 5),
        (EdgellmError("m"), 1),
    ],
)
def test_exit_codes(error: EdgellmError, code: int) -> None:
    assert exit_code(error) == code


def _main(monkeypatch: pytest.MonkeyPatch, error: BaseException, *argv: str) -> object:
    def app(**_: object) -> None:
        raise error

    monkeypatch.setattr(main, "app", app)
    monkeypatch.setattr(sys, "argv", ["edgellm", *argv])
    with pytest.raises(SystemExit) as caught:
        main.main()
    return caught.value.code


def test_an_error_shows_message_and_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(monkeypatch, EngineLoadError("It broke.", "Mend it.")) == 3
    assert capsys.readouterr() == ("", "error: It broke.\nhint: Mend it.\n")


def test_an_unexpected_error_is_short_and_asks_for_verbose(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(monkeypatch, ZeroDivisionError("x / 0")) == 1
    stderr = capsys.readouterr().err
    assert "error: unexpected ZeroDivisionError: x / 0\n" in stderr
    assert "--verbose" in stderr
    assert "Traceback" not in stderr
    assert _main(monkeypatch, ZeroDivisionError("x / 0"), "--verbose") == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_message(
    environment: dict[str, str], server: FakeServer
) -> None:
    process = subprocess.Popen(
        (*PROGRAM, "run", "--server", server.url, "slow"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stderr:
        assert process.stdout.read(5) == b"more "
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) != 0
    assert server.is_client_gone.wait(60)


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"FORCE_COLOR": "1", "TERM": "xterm-256color"}])
def test_no_colour_codes_anywhere(cli: Cli, env: dict[str, str]) -> None:
    for args in (("--help",), ("serve", "--port", "70000"), ("foo",)):
        done = cli(*args, env=env)
        assert "\x1b" not in done.stdout + done.stderr
