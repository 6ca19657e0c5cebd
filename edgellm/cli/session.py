"""What `run` and `chat` share: a server to talk to, the prompt's parts, and one answer streamed."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Annotated, TextIO, TypeAlias

import typer
from msgspec import Struct
from msgspec.structs import replace

from edgellm.cli.output import say
from edgellm.types import Message, Timings, Usage

if TYPE_CHECKING:
    from edgellm.client import EdgellmClient
    from edgellm.config import Settings
    from edgellm.serving.resolver import ServedModel

ModelFlag: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="A GGUF file or any model's name (qwen3-0.6b, hf:OWNER/REPO); with --server, a "
        "served one's. [default: the built-in]"
    ),
]
YesFlag: TypeAlias = Annotated[
    bool | None, typer.Option("--yes", "-y", help="Fetch the model without asking.")
]
OfflineFlag: TypeAlias = Annotated[bool | None, typer.Option("--offline", help="Fetch nothing.")]
ForceFlag: TypeAlias = Annotated[
    bool | None, typer.Option("--force", help="Take the model even if it does not fit.")
]
_STDIN_PATIENCE_SECONDS = 1.0


class FetchFlags(Struct, frozen=True):
    """What the flags say of a model that is not here; None leaves it to the settings."""

    yes: bool | None = None
    offline: bool | None = None
    force: bool | None = None


class Target(Struct, frozen=True):
    """Where answers come from: a server's URL, or "" for a private one in this process.

    `model` is any model's name for a private server, and a served one's otherwise.
    """

    server: str = ""
    model: str = ""
    fetch: FetchFlags = FetchFlags()
    ca: str | None = None  # a file: the authority that the server's certificate is from
    settings: Settings | None = None  # of the private server, once it is prepared
    served: ServedModel | None = None  # that it will load

    @property
    def request_model(self) -> str:
        """The name that requests carry; a private server has one model only."""
        return self.model if self.server else ""


class SamplingFlags(Struct, frozen=True):
    """What the flags say of the answer; None leaves the model's own default."""

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None

    def fields(self) -> dict[str, float | int | None]:
        """As fields of the request."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Answer(Struct):
    """An answer as it comes in. What an interruption leaves of it is still an answer."""

    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    timings: Timings | None = None


def target(
    server: str | None,
    model: str | None,
    fetch: FetchFlags | None = None,
    ca: str | None = None,
) -> Target:
    """The flags, else EDGELLM_SERVER."""
    url = server or os.environ.get("EDGELLM_SERVER", "")
    return Target(url, model or "", fetch or FetchFlags(), ca)


def prepare(where: Target) -> Target:
    """Have the private server's model on this device. Outside of any event loop, which would keep
    Ctrl-C from a long download."""
    from edgellm.cli.settings import set_up_logging, user_settings

    if where.server or where.served is not None:
        return where
    from edgellm.cli.fetch import model_to_serve

    flags = {name: getattr(where.fetch, name) for name in where.fetch.__struct_fields__}
    settings = user_settings({"model": where.model or None, **flags})
    set_up_logging("debug" if settings.log_level == "debug" else "warning")
    return replace(where, settings=settings, served=model_to_serve(settings))


@contextlib.asynccontextmanager
async def connect(where: Target) -> AsyncIterator[EdgellmClient]:
    """A client of the server; a private one is started, and ended with the block."""
    from edgellm.cli.trust import trusted
    from edgellm.client import EdgellmClient

    if where.server:
        key, trust = os.environ.get("EDGELLM_API_KEY"), trusted(where.ca)
        async with EdgellmClient(where.server, key, trust=trust) as client:
            if not where.model and sys.stderr.isatty():
                await _tell_of_upgrade(client)
            yield client
        return
    from edgellm.cli.serving import local_server

    where = prepare(where)
    assert where.settings is not None
    assert where.served is not None
    async with (
        local_server(where.settings, where.served) as server,
        EdgellmClient(server.url) as client,
    ):
        yield client


async def _tell_of_upgrade(client: EdgellmClient) -> None:
    """That another model is on its way; what keeps the server from telling, the question tells."""
    from edgellm.cli.notes import upgrade_note
    from edgellm.errors import EdgellmError

    with contextlib.suppress(EdgellmError):
        status = (await client.health()).upgrade
        if status is not None and status.state in ("fetching", "loading"):
            say(f"note: {upgrade_note(status)}")


async def stream_answer(
    client: EdgellmClient,
    where: Target,
    messages: tuple[Message, ...],
    sampling: SamplingFlags,
    answer: Answer,
    show: Callable[[str], None],
) -> None:
    """Ask, and fill `answer` piece by piece; `show` gets each piece of its text."""
    stream = client.stream_chat(messages, model=where.request_model, **sampling.fields())
    async with contextlib.aclosing(stream):
        async for delta in stream:
            if delta.reasoning and not answer.reasoning and sys.stderr.isatty():
                say("thinking…")
            answer.reasoning += delta.reasoning
            answer.text += delta.text
            answer.finish_reason = delta.finish_reason or answer.finish_reason
            answer.usage = delta.usage or answer.usage
            answer.timings = delta.timings or answer.timings
            if delta.text:
                show(delta.text)


def compose(prompt: str | None, stdin: TextIO | None) -> str:
    """The prompt; what is piped in comes after it, or is the prompt."""
    piped = ""
    if stdin is not None and not stdin.isatty():
        _say_if_waiting(stdin)
        buffer = getattr(stdin, "buffer", None)  # a binary file is no reason for a traceback
        piped = buffer.read().decode("utf-8", "replace") if buffer else stdin.read()
    return "\n\n".join(part for part in ((prompt or "").strip(), piped.strip()) if part)


def _say_if_waiting(stdin: TextIO) -> None:
    """`ssh device edgellm run "…"` has an open stdin that nobody writes to: say why it waits."""
    try:
        is_ready = bool(select.select([stdin], [], [], _STDIN_PATIENCE_SECONDS)[0])
    except (OSError, ValueError):  # not a file of the system, or on one that has no select
        return
    if not is_ready:
        say("reading more of the prompt from stdin (Ctrl-D ends it, `< /dev/null` avoids it)…")


def with_system(system: str, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The system message, if there is one, in front."""
    return (Message("system", system), *messages) if system else messages
