"""What the README promises is there: every setting with its flag, every command, every route."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from edgellm.api.app import create_app
from edgellm.cli.main import app
from edgellm.config import Settings
from tests.api.conftest import ScriptedRouter

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_every_setting_is_in_the_table_with_its_flag_and_variable() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| `(\w+)` \|", README, re.MULTILINE)
    assert sorted(name for name, _, _ in rows) == sorted(
        field.name for field in msgspec.structs.fields(Settings)
    )
    serve = (ROOT / "edgellm" / "cli" / "serve.py").read_text()
    for name, flag, variable in rows:
        assert variable == f"EDGELLM_{name.upper()}"
        assert flag == "MODEL" or flag.removeprefix("--").replace("-", "_") + ": " in serve


@pytest.mark.parametrize("command", [str(each.name) for each in app.registered_commands])
def test_every_command_has_an_example(command: str) -> None:
    assert f"edgellm {command}" in README


def test_every_route_is_in_the_readme() -> None:
    paths = create_app(ScriptedRouter()).openapi()["paths"]
    for path in paths:
        assert path.split("{")[0].rstrip("/") in README, path


def test_the_architecture_names_every_module() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    folders = {path.parent.name for path in (ROOT / "edgellm").glob("*/*.py")}
    modules = [
        path.name
        for folder in folders - {"api", "cli", "_assets"}  # named by a pattern there
        for path in (ROOT / "edgellm" / folder).glob("*.py")
        if path.name != "__init__.py"
    ]
    assert [name for name in modules if name not in text] == []
