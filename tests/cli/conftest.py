"""The program as users start it, and a scripted server for it to talk to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.cli.fake_server import FakeServer, fake_server

PROGRAM = (sys.executable, "-m", "edgellm.cli.main")


class Cli(Protocol):
    """Runs the program to its end. A folder of its own is its home."""

    def __call__(
        self, *args: str, stdin: str | bytes = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """This process's, without the settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EDGELLM_")}
    return {**kept, "EDGELLM_HOME": str(tmp_path / "home"), "PYTHONUTF8": "1"}


@pytest.fixture
def cli(environment: dict[str, str]) -> Cli:
    def call(
        *args: str, stdin: str | bytes = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            (*PROGRAM, *args),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env={**environment, **(env or {})},
            timeout=100,
            check=False,
        )
        texts = (done.stdout.decode(), done.stderr.decode())
        return subprocess.CompletedProcess(done.args, done.returncode, *texts)

    return call


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as running:
        yield running
