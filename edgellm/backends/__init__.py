"""The runtimes, by name. Native libraries are imported in this package only, when they are used."""

from __future__ import annotations

from edgellm.backends.base import ProgressCallback, TokenBackend
from edgellm.errors import EngineLoadError
from edgellm.types import EngineOptions

TOKEN_BACKENDS = ("llama_cpp",)


def load_backend(
    name: str, path: str, options: EngineOptions, on_progress: ProgressCallback
) -> TokenBackend:
    """Load the model at `path` with the runtime `name`.

    Raises:
        EngineLoadError: no such runtime, or it cannot load the file.
    """
    if name == "llama_cpp":
        from edgellm.backends.llama_cpp import LlamaCppBackend

        return LlamaCppBackend.load(path, options, on_progress)
    raise EngineLoadError(
        f"There is no runtime called '{name}'.", f"Known: {', '.join(TOKEN_BACKENDS)}."
    )
