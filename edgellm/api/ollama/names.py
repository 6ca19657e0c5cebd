"""Which served model an Ollama client means by a name, and what it is called in lists."""

from __future__ import annotations

from edgellm.catalog.ollama_names import best_match, plain
from edgellm.errors import ModelNotFound
from edgellm.serving.router import Router
from edgellm.types import ModelStatus


class NoSuchModel(ModelNotFound):
    """In the words that Ollama's clients look for before they pull what is missing."""

    def __init__(self, name: str, hint: str) -> None:
        super().__init__(name, ())
        self.message = f"model '{name[:200]}' not found"
        self.hint = hint


def find(router: Router, name: str) -> ModelStatus:
    """The model that answers to a name, in whatever form clients write it.

    Raises:
        ModelNotFound: none does.
    """
    try:
        return router.status(name)
    except ModelNotFound as error:
        hint = error.hint
    statuses = router.statuses()
    id_ = best_match(name, [(each.id, each.aliases) for each in statuses])
    try:
        return router.status(id_ or plain(name) or name)
    except ModelNotFound as error:
        raise NoSuchModel(name, error.hint or hint) from None


def listed(model_id: str) -> str:
    """Ollama's names always have a tag, and clients compare them with what they were given."""
    return model_id if ":" in model_id else f"{model_id}:latest"
