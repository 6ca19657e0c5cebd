"""Which authorities the commands believe when they talk to a server over https."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

CaFlag: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--ca",
        metavar="FILE",
        help="The certificate of the authority that the https server's is from (its /ca.crt). "
        "[default: this device's own, and the public ones]",
    ),
]


def trusted(ca: str | None) -> tuple[Path, ...]:
    """Besides the public ones: the flag's file, and this device's own authority if it has one."""
    from edgellm.cli.access import ca_folder
    from edgellm.security.local_ca import CA_FILE

    own = ca_folder() / CA_FILE
    return (*((Path(ca).expanduser(),) if ca else ()), *((own,) if own.is_file() else ()))
