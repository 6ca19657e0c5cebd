"""`edgellm serve` as a process: what it says, what it refuses, how it stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edgellm import __version__
from edgellm.cli.serving import bind
from tests.cli.conftest import PROGRAM, Cli


@contextmanager
def _serving(environment: dict[str, str], *args: str) -> Iterator[subprocess.Popen[str]]:
    """The server, killed at the end if it is still there."""
    process = subprocess.Popen(
        (*PROGRAM, "serve", *args),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _lines_until(process: subprocess.Popen[str], start: str) -> list[str]:
    """The lines on stderr up to the one that begins with `start`."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line.rstrip())
        if line.startswith(start):
            return lines
    raise AssertionError(f"no line begins with {start!r}: {lines}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_stops_on_a_signal(
    environment: dict[str, str], tiny_model: Path, number: signal.Signals
) -> None:
    with _serving(environment, str(tiny_model), "--port", "0", "--parallel", "2") as process:
        first, *_, ready = _lines_until(process, "ready in ")
        url = first.rpartition("OpenAI base URL: ")[2].removesuffix("/v1)")
        assert first == f"edgellm {__version__} serving tiny on {url} (OpenAI base URL: {url}/v1)"
        assert ": tiny, context 512, 2 parallel" in ready
        assert f"edgellm run --server {url} " in ready
        with urllib.request.urlopen(url + "/health") as answer:
            assert answer.status == 200
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert stdout == ""
    assert stderr.startswith("stopping…")
    assert "Traceback" not in stderr


def test_a_taken_port_is_found_before_anything_else(cli: Cli) -> None:
    with closing(bind("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = cli("serve", "/no/such/model.gguf", "--port", str(port))
    assert done.returncode == 5
    assert f"error: 127.0.0.1:{port} is already in use.\nhint: " in done.stderr


def test_a_port_that_a_plain_server_holds_is_taken_too(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert cli("serve", "--port", str(other.getsockname()[1])).returncode == 5


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "There is no file"), (b"PK\3\4" * 20, "is not a GGUF file"), (b"GGUF", "is cut off")],
)
def test_a_bad_model_file(cli: Cli, tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    done = cli("serve", str(path), "--port", "0")
    assert done.returncode == 2
    assert said in done.stderr
    assert "hint: " in done.stderr
    assert "loading" not in done.stderr


def test_a_directory_is_no_model(cli: Cli, tmp_path: Path) -> None:
    done = cli("serve", str(tmp_path), "--port", "0")
    assert done.returncode == 2
    assert "is a directory" in done.stderr


def test_a_model_that_does_not_load_is_exit_3(cli: Cli, tmp_path: Path, tiny_model: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny_model.read_bytes()[: tiny_model.stat().st_size // 2])
    done = cli("serve", str(cut), "--port", "0")
    assert done.returncode == 3
    assert "error: " in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_setting_names_its_line(cli: Cli, environment: dict[str, str]) -> None:
    config = Path(environment["EDGELLM_HOME"]) / "config.toml"
    config.parent.mkdir()
    config.write_text("port = 8000\nhots = '0.0.0.0'\n")
    done = cli("serve")
    assert done.returncode == 2
    assert f"error: {config}:2: unknown setting 'hots'.\nhint: Did you mean 'host'?" in done.stderr


def test_a_named_settings_file_must_exist(cli: Cli) -> None:
    for args, env in ((("--config", "/no/file"), {}), ((), {"EDGELLM_CONFIG": "/no/file"})):
        done = cli("serve", *args, env=env)
        assert done.returncode == 2
        assert "error: The settings file /no/file does not exist." in done.stderr


def test_an_unknown_variable_is_only_a_warning(cli: Cli) -> None:
    done = cli("serve", "/no/such.gguf", env={"EDGELLM_PROT": "1", "EDGELLM_PORT": "0"})
    assert done.stderr.startswith("warning: EDGELLM_PROT is not a variable of edgellm")
    assert "There is no file" in done.stderr


def test_an_open_address_needs_a_key_or_the_user_s_word(
    cli: Cli, environment: dict[str, str], tiny_model: Path
) -> None:
    args = ("--host", "0.0.0.0", "--port", "0")
    refused = cli("serve", "/no/such/model.gguf", *args)
    assert refused.returncode == 2
    assert "everyone who can reach 0.0.0.0 could use the models" in refused.stderr
    assert "edgellm keys add NAME" in refused.stderr
    with _serving(environment, str(tiny_model), *args, "--insecure-no-key") as process:
        lines = _lines_until(process, "loading")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert lines[0].startswith("warning: listening on 0.0.0.0 without an API key")
    cli("keys", "add", "me")
    with _serving(environment, str(tiny_model), *args) as process:
        lines = _lines_until(process, "loading")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert lines[0] == "requests need an API key (1 there; edgellm keys list)"


def test_nothing_is_left_behind(environment: dict[str, str], tiny_model: Path) -> None:
    with _serving(environment, str(tiny_model), "--port", "0") as process:
        _lines_until(process, "ready in ")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not children.exists():
            pytest.skip("needs Linux's /proc")
        engines = [int(pid) for pid in children.read_text().split()]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert engines
    for pid in engines:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
