"""`edgellm run`: one prompt, one answer, streamed to stdout."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from edgellm.cli.output import Format, put, put_json, say
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
from edgellm.errors import ConfigError
from edgellm.types import Message


def run(
    prompt: Annotated[
        str | None, typer.Argument(help="The question. Text piped in is added after it.")
    ] = None,
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
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
) -> None:
    """Ask one question; the answer streams to stdout."""
    text = compose(prompt, sys.stdin)
    sampling = SamplingFlags(temperature, max_tokens, seed)
    where = target(server, model, FetchFlags(yes, offline, force), ca)
    run_once(text, where, system, sampling, output)


def run_once(
    prompt: str, where: Target, system: str, sampling: SamplingFlags, output: Format
) -> None:
    """Ask and print. Shared with `chat` when its stdin is piped."""
    if not prompt:
        raise ConfigError(
            "There is no prompt.", 'Pass one (edgellm run "What is a GGUF file?") or pipe text in.'
        )
    messages = with_system(system, (Message("user", prompt),))
    asyncio.run(_ask(prepare(where), messages, sampling, output))


async def _ask(
    where: Target, messages: tuple[Message, ...], sampling: SamplingFlags, output: Format
) -> None:
    answer = Answer()
    show = put if output is Format.human else _keep
    async with connect(where) as client:
        try:
            await stream_answer(client, where, messages, sampling, answer, show)
        finally:
            if output is Format.human and answer.text and not answer.text.endswith("\n"):
                put("\n")
        if output is Format.json:
            put_json(answer)
    note_length(answer)


def note_length(answer: Answer) -> None:
    """Say that an answer was cut, and by what."""
    if answer.finish_reason == "length":
        say("note: the answer stops at the token limit (--max-tokens, or the model's context).")


def _keep(_: str) -> None:
    """JSON is printed once, at the end."""
