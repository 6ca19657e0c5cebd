"""What a process does not import costs no memory: it counts on a 2 GB board."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def modules_after(statement: str) -> set[str]:
    script = f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in json.loads(result.stdout)}


@pytest.mark.parametrize("module", ["edgellm.engine.__main__", "edgellm.engine.loop"])
def test_the_engine_needs_no_web_framework(module: str) -> None:
    loaded = modules_after(f"import {module}")
    assert loaded.isdisjoint({"fastapi", "pydantic", "starlette", "textual", "jinja2", "httpx"})


def test_the_server_needs_no_native_runtime() -> None:
    loaded = modules_after("import edgellm.api.app, edgellm.serving.router, edgellm.cli.serve")
    assert loaded.isdisjoint({"llama_cpp", "numpy", "torch", "transformers", "textual"})


def test_help_needs_no_server() -> None:
    loaded = modules_after("import edgellm.cli.main")
    assert loaded.isdisjoint({"fastapi", "uvicorn", "httpx", "jinja2"})
