"""`edgellm chat`: a conversation, line by line."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from edgellm.cli.errors import show
from edgellm.cli.output import Format, put, say
from edgellm.cli.run import note_length, run_once
from edgellm.cli.session import (
    Answer,
    FetchFlags,
    ForceFlag,
    ModelFlag,
    OfflineFlag,
    SamplingFlags,
    Target,
    YesFlag,
    compose,
    connect,
    prepare,
    stream_answer,
    target,
    with_system,
)
from edgellm.cli.trust import CaFlag
from edgellm.errors import EdgellmError, InvalidRequest
from edgellm.types import Message

if TYPE_CHECKING:
    from edgellm.client import EdgellmClient

_HELP = """\
/reset         forget the conversation
/system TEXT   set the system message (without TEXT: remove it)
/help          this list
/exit          leave (Ctrl-D too)
A line that ends with \\ goes on in the next one. Ctrl-C stops an answer."""
_AFTER_INTERRUPT_SECONDS = 0.1


def chat(
    model: ModelFlag = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A running server, e.g. http://127.0.0.1:8000."),
    ] = None,
    ca: CaFlag = None,
    system: Annotated[str, typer.Option(metavar="TEXT", help="The system message.")] = "",
    temperature: Annotated[float | None, typer.Option(help="0 = always the likeliest.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="The longest answer, in tokens.")] = None,
    seed: Annotated[int | None, typer.Option(help="Makes an answer repeatable.")] = None,
    yes: YesFlag = None,
    offline: OfflineFlag = None,
    force: ForceFlag = None,
) -> None:
    """Talk with a model. Text piped in is one question, as with `edgellm run`."""
    where = target(server, model, FetchFlags(yes, offline, force), ca)
    sampling = SamplingFlags(temperature, max_tokens, seed)
    if sys.stdin is None or not sys.stdin.isatty():
        run_once(compose(None, sys.stdin), where, system, sampling, Format.human)
        return
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (input() then has line editing and history)
    converse(where, system, sampling, input)


class Conversation:
    """The turns so far, and what the next line does to them."""

    def __init__(self, system: str = "") -> None:
        self.system = system
        self.turns: tuple[Message, ...] = ()

    def command(self, line: str) -> bool:
        """Obey a line that begins with a slash. False = leave."""
        name, _, argument = line.partition(" ")
        match name:
            case "/exit" | "/quit":
                return False
            case "/reset":
                self.turns = ()
                say("The conversation is forgotten.")
            case "/system":
                self.system = argument.strip()
                say("The system message is set." if self.system else "No system message.")
            case "/help":
                say(_HELP)
            case _:
                say(f"error: unknown command {name}\nhint: /help lists them.")
        return True

    def ask(self, question: str) -> tuple[Message, ...]:
        """The messages to send for this question; the turn counts once it is answered."""
        return with_system(self.system, (*self.turns, Message("user", question)))

    def answered(self, question: str, answer: str) -> None:
        """Remember both, also of an answer that was stopped half-way."""
        self.turns += (Message("user", question), Message("assistant", answer))


def converse(
    where: Target, system: str, sampling: SamplingFlags, read: Callable[[str], str]
) -> None:
    """The loop. One event loop lives through the whole chat but only runs while it answers.

    So Ctrl-C means two things without any signal handling of ours: at the prompt it interrupts
    `read`, during an answer it cancels the task that streams it.
    """
    conversation = Conversation(system)
    where = prepare(where)
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        client = runner.run(_enter(stack, where))
        say("Type a question; /help lists the commands, Ctrl-D leaves.")
        try:
            while True:
                try:
                    line = _read_turn(read)
                except KeyboardInterrupt:
                    say("\n(Ctrl-D leaves)")
                    continue
                if line is None or (line.startswith("/") and not conversation.command(line)):
                    break
                if line and not line.startswith("/"):
                    _answer(runner, client, conversation, line, where, sampling)
        finally:
            runner.run(stack.aclose())


async def _enter(stack: contextlib.AsyncExitStack, where: Target) -> EdgellmClient:
    """Connect, and find out now whether anybody is there."""
    try:
        client = await stack.enter_async_context(connect(where))
        await client.health()
    except BaseException:
        await stack.aclose()
        raise
    return client


def _read_turn(read: Callable[[str], str]) -> str | None:
    """One turn, which backslashes may spread over lines. None = the end of the input."""
    lines: list[str] = []
    while True:
        try:
            line = read("... " if lines else "> ")
        except EOFError:
            put("\n")
            return None
        if not line.endswith("\\"):
            return "\n".join([*lines, line]).strip()
        lines.append(line[:-1])


def _answer(
    runner: asyncio.Runner,
    client: EdgellmClient,
    conversation: Conversation,
    question: str,
    where: Target,
    sampling: SamplingFlags,
) -> None:
    """Stream one answer. Neither Ctrl-C nor an error ends the conversation."""
    answer = Answer()
    messages = conversation.ask(question)
    try:
        runner.run(stream_answer(client, where, messages, sampling, answer, put))
    except KeyboardInterrupt:
        say("\n(stopped)")
        # Let a private server notice that its client is gone, and stop the engine.
        runner.run(asyncio.sleep(_AFTER_INTERRUPT_SECONDS))
    except EdgellmError as error:
        put("\n" if answer.text else "")
        show(error)
        if isinstance(error, InvalidRequest) and error.code == "context_length_exceeded":
            say("hint: /reset starts a new conversation.")
    else:
        put("\n")
        note_length(answer)
    if answer.text:
        conversation.answered(question, answer.text)
