"""`edgellm keys`: who may use this user's server."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from edgellm.cli.output import Format, put, put_json, say, table

if TYPE_CHECKING:
    from edgellm.security.keys import Key

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="API keys of this server.")
_HEAD = ("name", "role", "created", "begins with")


class RoleName(StrEnum):
    """As `security.keys.Role`."""

    user = "user"
    admin = "admin"


class Row(Struct, frozen=True):
    """What `--format json` prints of a key. `created`: Unix seconds."""

    name: str
    role: str
    created: int
    start: str


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose, or for what it is.")],
    role: Annotated[
        RoleName, typer.Option(help="user: answers; admin: may load and unload models, too.")
    ] = RoleName.user,
) -> None:
    """Make a key and print it, for the only time. A running server takes it at once."""
    from edgellm.cli.access import key_file

    file = key_file()
    is_first = not file.read()
    token = file.add(name, role.value, time.time())
    put(token + "\n")
    say("This is the only time that the key is shown: only its SHA-256 is kept.")
    if is_first:
        say("From now on, every request to this user's server needs a key.")


@app.command("list")
def list_keys(
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
) -> None:
    """Show the keys: never the keys themselves, which nobody has kept."""
    from edgellm.cli.access import key_file

    keys = key_file().read()
    if output is Format.json:
        put_json([Row(key.name, key.role, key.created, key.start) for key in keys])
        return
    put(render(keys) if keys else "")
    if not keys:
        say("there are no keys: clients on this device need none (edgellm keys add NAME makes one)")


@app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name of `edgellm keys list`.")],
) -> None:
    """Remove a key. A running server refuses it from the next request on."""
    from edgellm.cli.access import key_file

    file = key_file()
    file.revoke(name)
    say(f"{name} is revoked")
    if not file.read():
        say(
            "That was the last key. A running server goes on needing one; started again, it serves "
            "clients on this device without."
        )


def render(keys: tuple[Key, ...]) -> str:
    """A table; times are local."""
    return table(
        [
            _HEAD,
            *(
                (
                    key.name,
                    key.role,
                    time.strftime("%Y-%m-%d %H:%M", time.localtime(key.created)),
                    key.start + "…",
                )
                for key in keys
            ),
        ]
    )
