"""`edgellm run` and piped `edgellm chat`, against a scripted server."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess

import pytest

from edgellm.cli import session
from edgellm.cli.session import Target, compose, target
from tests.cli.conftest import PROGRAM, Cli
from tests.cli.fake_server import FakeServer


def test_the_answer_is_all_of_stdout(cli: Cli, server: FakeServer) -> None:
    done = cli("run", "hello", "--server", server.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello wörld\n", "")
    (request,) = server.requests
    assert request["messages"] == [{"role": "user", "content": "hello"}]
    assert request["model"] == "default"
    assert "temperature" not in request


def test_flags_reach_the_request(cli: Cli, server: FakeServer) -> None:
    flags = ["--system", "Be short.", "--temperature", "0", "--max-tokens", "5", "--seed", "3"]
    done = cli("run", "hello", *flags, "--model", "m", env={"EDGELLM_SERVER": server.url})
    assert done.returncode == 0
    (request,) = server.requests
    assert request["messages"][0] == {"role": "system", "content": "Be short."}
    assert request["model"] == "m"
    assert (request["temperature"], request["max_tokens"], request["seed"]) == (0, 5, 3)


def test_piped_text_follows_the_prompt(cli: Cli, server: FakeServer) -> None:
    assert cli("run", "hello", "--server", server.url, stdin="a file\n").returncode == 0
    assert server.requests[0]["messages"][0]["content"] == "hello\n\na file"


@pytest.mark.parametrize("command", ["run", "chat"])
def test_piped_text_is_the_prompt(cli: Cli, server: FakeServer, command: str) -> None:
    done = cli(command, "--server", server.url, stdin=b"hello \xff there\n")
    assert (done.returncode, done.stdout) == (0, "Hello wörld\n")
    assert server.requests[0]["messages"][0]["content"] == "hello \ufffd there"


@pytest.mark.parametrize("command", ["run", "chat"])
def test_no_prompt_at_all(cli: Cli, server: FakeServer, command: str) -> None:
    done = cli(command, "--server", server.url, stdin=" \n")
    assert done.returncode == 2
    assert "There is no prompt." in done.stderr


def test_json_is_one_object(cli: Cli, server: FakeServer) -> None:
    done = cli("run", "think", "--server", server.url, "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "text": "Hello wörld",
        "reasoning": "Hm.",
        "finish_reason": "stop",
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 3,
            "cached_tokens": 2,
            "reasoning_tokens": 0,
        },
        "timings": {"queue_seconds": 0.0, "prefill_seconds": 0.5, "decode_seconds": 0.25},
    }


def test_reasoning_is_not_the_answer(cli: Cli, server: FakeServer) -> None:
    assert cli("run", "think", "--server", server.url).stdout == "Hello wörld\n"


def test_a_cut_answer_is_noted_on_stderr(cli: Cli, server: FakeServer) -> None:
    done = cli("run", "long", "--server", server.url)
    assert (done.returncode, done.stdout) == (0, "Hello wörld\n")
    assert done.stderr.startswith("note: the answer stops at the token limit")


@pytest.mark.parametrize(
    ("prompt", "code", "stdout", "said"),
    [
        ("boom", 3, "Hello\n", "error: The engine died."),
        ("vanish", 4, "Hello\n", "error: The server's answer broke off"),
        ("refuse", 2, "", "error: Too long.\nhint: Cut."),
        ("crash", 3, "", "error: The engine died."),
    ],
)
def test_errors(
    cli: Cli, server: FakeServer, prompt: str, code: int, stdout: str, said: str
) -> None:
    done = cli("run", prompt, "--server", server.url)
    assert (done.returncode, done.stdout) == (code, stdout)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "127.0.0.1:1/v1", "http://[", "ftp://x"])
def test_no_server(cli: Cli, url: str) -> None:
    done = cli("run", "hello", "--server", url)
    assert done.returncode == 4
    assert done.stderr.startswith("error: ")
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_is_no_file(cli: Cli) -> None:
    done = cli("run", "hello", "--model", "/no/such.gguf")
    assert done.returncode == 2
    assert "error: There is no file /no/such.gguf." in done.stderr


def test_ctrl_c_stops_the_answer_and_exits_130(
    environment: dict[str, str], server: FakeServer
) -> None:
    process = subprocess.Popen(
        (*PROGRAM, "run", "slow", "--server", server.url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stdout.read(5) == b"more "
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout.endswith(b"\n")  # the shell's prompt begins on its own line
    assert b"Traceback" not in stderr
    assert server.is_client_gone.wait(60)


def test_compose() -> None:
    assert compose("a", None) == "a"
    assert compose(None, None) == ""
    assert compose("a", io.StringIO("b\n")) == "a\n\nb"
    assert compose(None, io.StringIO("b\n")) == "b"


def test_an_open_stdin_without_data_is_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "_STDIN_PATIENCE_SECONDS", 0.0)
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w") as pipe:
        session._say_if_waiting(stdin)
        assert capsys.readouterr().err.startswith("reading more of the prompt from stdin")
        pipe.write("b")
        pipe.close()
        assert compose("a", stdin) == "a\n\nb"
    assert capsys.readouterr().err == ""


def test_the_flag_beats_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGELLM_SERVER", "http://env")
    assert target(None, "m") == Target("http://env", "m")
    assert target("http://flag", None) == Target("http://flag", "")
    monkeypatch.delenv("EDGELLM_SERVER")
    assert target(None, "m.gguf").request_model == ""
