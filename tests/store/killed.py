"""A process that pulls, to be killed at any moment. Its arguments: folder, hub, file, rate."""

from __future__ import annotations

import sys
from pathlib import Path

from edgellm.store.model import RemoteFile, Wanted
from edgellm.store.sources.huggingface import Hub
from edgellm.store.store import Store
from tests.store.conftest import REPO


def main(folder: str, endpoint: str, paths: str, rate: str) -> None:
    files = tuple(RemoteFile(path) for path in paths.split(","))
    store = Store(Path(folder), Hub(endpoint))
    sys.stdout.write("begins\n")
    sys.stdout.flush()
    model = store.pull(Wanted("victim", f"hf:{REPO}", files), limit_rate=float(rate) or None)
    store.verify(model)  # which writes, too
    sys.stdout.write(f"{model.path}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
