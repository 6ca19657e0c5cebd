"""The models of a server as things that come, are looked at and go. The CLI implements it, since
names, the store and plans meet there; the API knows only this."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from edgellm.catalog.card import ModelCard
from edgellm.errors import InvalidRequest
from edgellm.store.progress import Progress


class Description(Struct, frozen=True):
    """What is known of a served model beside its status."""

    path: Path
    digest: str = ""  # sha256 of the file; empty where nobody has computed it
    card: ModelCard | None = None  # of the catalogue


class Library(Protocol):
    """What a server can do with models beyond answering with them."""

    def describe(self, model_id: str) -> Description | None:
        """None for a model that is not there (any more)."""

    def pull(self, name: str) -> AsyncGenerator[Progress, None]:
        """Bring a model here; it ends when the model can be asked for. Whoever leaves early stops
        the download, unless somebody else waits for the same one.

        Raises:
            InvalidRequest: at once, if the name means nothing.
            EdgellmError: on the way, if it does not fit or cannot be fetched.
        """

    async def remove(self, model_id: str) -> None:
        """Delete a model that nobody uses.

        Raises:
            ModelBusy, ModelInUse, InvalidRequest: it is not the server's to delete.
        """


class NoLibrary:
    """Of a server that has no folder of models."""

    def describe(self, model_id: str) -> Description | None:  # noqa: ARG002 - knows none
        return None

    def pull(self, name: str) -> AsyncGenerator[Progress, None]:
        raise _no_folder(f"'{name}' cannot be pulled")

    async def remove(self, model_id: str) -> None:
        raise _no_folder(f"'{model_id}' cannot be deleted")


def _no_folder(what: str) -> InvalidRequest:
    return InvalidRequest(
        f"{what}: this server has no folder of models.",
        "Use edgellm pull and edgellm rm, or start it with edgellm serve.",
        param="model",
    )
