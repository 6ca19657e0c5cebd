"""Where things lie below the folder of the models. Creates nothing.

<models>/
  <name>-<digest>/           a model, whole and verified: its files and edgellm-model.json
  .unfinished/<key>/         files on their way; never opened by anybody but a pull
  .quarantine/               files that were not what their digest says, each with its reason
  .locks/
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class Places(Struct, frozen=True):
    """The folders of a store."""

    root: Path

    @property
    def unfinished(self) -> Path:
        """Of all pulls that are not at their end."""
        return self.root / ".unfinished"

    @property
    def quarantine(self) -> Path:
        """Of what must not be loaded."""
        return self.root / ".quarantine"

    def staging(self, key: str) -> Path:
        """Where a pull gathers its files."""
        return self.unfinished / key

    def pull_lock(self, key: str) -> Path:
        """Who holds it pulls the files of that key."""
        return self.root / ".locks" / f"pull-{key}"

    def model_lock(self, model_id: str) -> Path:
        """Who serves a model shares it; who holds it alone may remove the model."""
        return self.root / ".locks" / f"model-{model_id}"

    @property
    def change_lock(self) -> Path:
        """Held for the moment in which models appear, disappear or get another manifest."""
        return self.root / ".locks" / "change"
