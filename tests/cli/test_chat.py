"""`edgellm chat`: the conversation it keeps, its commands, Ctrl-C and errors."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Callable, Iterable

import pytest

from edgellm.cli.chat import Conversation, converse
from edgellm.cli.session import SamplingFlags, Target
from edgellm.errors import ServerUnreachable
from edgellm.types import Message
from tests.cli.conftest import PROGRAM
from tests.cli.fake_server import FakeServer

Lines = Iterable[str | type[BaseException]]


def _reader(lines: Lines) -> Callable[[str], str]:
    """Stands for `input`: gives these lines, raises these exceptions, then the end of input."""
    rest = iter(lines)

    def read(_prompt: str) -> str:
        match next(rest, EOFError):
            case str(line):
                return line
            case error:
                raise error

    return read


def _converse(server: FakeServer, lines: Lines, system: str = "") -> None:
    converse(Target(server.url), system, SamplingFlags(), _reader(lines))


def _contents(server: FakeServer) -> list[list[str]]:
    return [[m["content"] for m in request["messages"]] for request in server.requests]


def test_it_remembers_the_conversation(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    _converse(server, ["hello", "", "long"], "sys")
    assert _contents(server) == [
        ["sys", "hello"],
        ["sys", "hello", "Hello wörld", "long"],
    ]
    captured = capsys.readouterr()
    assert captured.out == "Hello wörld\nHello wörld\n\n"
    assert "note: the answer stops at the token limit" in captured.err


def test_commands(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    script = ["hello a", "/system be", "hello b", "/reset", "/system", "hello c", "/help", "/nope"]
    _converse(server, [*script, "/exit", "hello never"])
    assert _contents(server) == [
        ["hello a"],
        ["be", "hello a", "Hello wörld", "hello b"],
        ["hello c"],
    ]
    stderr = capsys.readouterr().err
    assert "/system TEXT" in stderr
    assert "error: unknown command /nope" in stderr


def test_a_backslash_goes_on_in_the_next_line(server: FakeServer) -> None:
    _converse(server, ["hello\\", "two\\", "three"])
    assert _contents(server) == [["hello\ntwo\nthree"]]


def test_ctrl_c_at_the_prompt_drops_the_line_only(server: FakeServer) -> None:
    _converse(server, ["hello\\", KeyboardInterrupt, "hello again"])
    assert _contents(server) == [["hello again"]]


@pytest.mark.parametrize(
    ("word", "said", "kept"),
    [
        ("refuse", "error: Too long.\nhint: Cut.\nhint: /reset starts a new conversation.", []),
        ("crash", "error: The engine died.", []),
        ("boom", "error: The engine died.", ["boom", "Hello"]),
        ("vanish", "error: The server's answer broke off", ["vanish", "Hello"]),
    ],
)
def test_an_error_does_not_end_the_chat(
    server: FakeServer, capsys: pytest.CaptureFixture[str], word: str, said: str, kept: list[str]
) -> None:
    _converse(server, [word, "hello"])
    assert _contents(server) == [[word], [*kept, "hello"]]
    assert said in capsys.readouterr().err


def test_no_server_ends_it_at_once() -> None:
    with pytest.raises(ServerUnreachable):
        converse(Target("http://127.0.0.1:1"), "", SamplingFlags(), _reader(["hello"]))


def test_a_stopped_answer_is_remembered_as_far_as_it_went() -> None:
    conversation = Conversation("s")
    conversation.answered("q", "half an ans")
    assert conversation.ask("go on") == (
        Message("system", "s"),
        Message("user", "q"),
        Message("assistant", "half an ans"),
        Message("user", "go on"),
    )


class _Terminal:
    """The chat on a terminal of its own."""

    def __init__(self, environment: dict[str, str], *args: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            (*PROGRAM, "chat", *args),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, "TERM": "dumb"},
            start_new_session=True,
        )
        os.close(slave)
        self._seen = b""

    def until(self, text: bytes) -> None:
        """Read on until this was printed. pytest's timeout ends a wait in vain."""
        while text not in self._seen:
            self._seen += os.read(self._master, 4096)
        self._seen = self._seen.partition(text)[2]

    def type(self, text: bytes) -> None:
        os.write(self._master, text)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)
        os.close(self._master)


def test_ctrl_c_on_a_terminal_stops_the_answer_not_the_chat(
    environment: dict[str, str], server: FakeServer
) -> None:
    terminal = _Terminal(environment, "--server", server.url)
    try:
        terminal.until(b"> ")
        terminal.type(b"slow\n")
        terminal.until(b"more more ")
        terminal.process.send_signal(signal.SIGINT)
        terminal.until(b"(stopped)")
        assert server.is_client_gone.wait(60)
        terminal.until(b"> ")
        terminal.type(b"hello\n")
        terminal.until("Hello wörld".encode())
        terminal.until(b"> ")
        terminal.type(b"\x04")
        assert terminal.process.wait(60) == 0
    finally:
        terminal.close()
    first, second = _contents(server)
    assert first == ["slow"]
    assert second[0] == "slow"
    assert second[1].startswith("more more ")
    assert second[2] == "hello"
