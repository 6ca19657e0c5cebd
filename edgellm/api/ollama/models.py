"""Models as `/api/tags`, `/api/ps` and `/api/show` list them. Pure but for the facts given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from edgellm.api.ollama.describe import Facts, capabilities, details, digest
from edgellm.api.ollama.names import listed
from edgellm.api.ollama.output import timestamp
from edgellm.serving.library import Description, Library
from edgellm.types import ModelStatus

Json = dict[str, Any]

# The release of Ollama whose API this is. Clients compare it with the least that they need.
OLLAMA_VERSION = "0.12.11"

_FOREVER_SECONDS = 100 * 365 * 86400.0  # Ollama says a date in some centuries, too
_LOADED = ("starting", "ready", "draining")


class Known(Struct, frozen=True):
    """A model, with all that is known of it."""

    status: ModelStatus
    description: Description | None
    facts: Facts

    def entry(self) -> Json:
        """What every list has."""
        card = self.description.card if self.description else None
        name = listed(self.status.id)
        return {
            "name": name,
            "model": name,
            "size": self.status.size_bytes or 0,
            "digest": digest(self.status, self.description),
            "details": details(self.facts, card),
        }


def known(
    status: ModelStatus, library: Library, read: Callable[[Description | None], Facts]
) -> Known:
    """Blocks: it may read the header of the model's file."""
    description = library.describe(status.id)
    return Known(status, description, read(description))


def tag(model: Known) -> Json:
    return {**model.entry(), "modified_at": _second(model.status.created)}


def process(model: Known, now: float) -> Json:
    """A model that is loaded. `now`: Unix seconds."""
    status = model.status
    size = status.memory_bytes or status.needed_bytes or status.size_bytes or 0
    left = status.unload_seconds
    expires = now + min(_FOREVER_SECONDS, left if left is not None else _FOREVER_SECONDS)
    return {
        **model.entry(),
        "size": size,
        "size_vram": round(size * status.gpu_share),
        "expires_at": timestamp(int(expires * 1e9)),
        "context_length": status.context or 0,
    }


def is_loaded(status: ModelStatus) -> bool:
    return status.state in _LOADED


def show(model: Known) -> Json:
    facts, card = model.facts, model.description.card if model.description else None
    parameters = "\n".join(f"{name} {value:.6g}" for name, value in facts.sampling.items())
    return {
        "license": card.licence if card else facts.licence,
        "modelfile": _modelfile(listed(model.status.id), facts),
        "parameters": parameters,
        "template": facts.template,
        "details": details(facts, card),
        "model_info": facts.keys,
        "capabilities": capabilities(facts, card),
        "modified_at": _second(model.status.created),
    }


def _modelfile(name: str, facts: Facts) -> str:
    lines = ["# What edgellm serves, in the words of a Modelfile.", f"FROM {name}"]
    if facts.template:
        lines.append(f'TEMPLATE """{facts.template}"""')
    lines += [f"PARAMETER {key} {value:.6g}" for key, value in facts.sampling.items()]
    return "\n".join(lines) + "\n"


def _second(seconds: int) -> str:
    return timestamp(seconds * 10**9)
