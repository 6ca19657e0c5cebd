"""`llm`, the command, with this server as one of its extra OpenAI models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.clients.asking import FACT, FORECAST, FORM, WEATHER, check_forecast, is_the_fact
from tests.support.server import Server

FUNCTION = """
def get_weather(city: str):
    "Get the current weather in a city"
    return {"temperature": 21}
"""


@pytest.fixture
def folder(server: Server, tmp_path: Path) -> Path:
    model = {
        "model_id": "edge",
        "model_name": "pocket",
        "api_base": f"{server.url}/v1",
        "supports_schema": True,
        "supports_tools": True,
    }
    (tmp_path / "extra-openai-models.yaml").write_text(yaml.safe_dump([model]))
    return tmp_path


def llm(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "llm", "prompt", "-m", "edge", "--no-log", *words]
    environ = {**os.environ, "LLM_USER_PATH": str(folder)}
    answer = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.mark.parametrize("how", [[], ["--no-stream"]])
def test_a_question(folder: Path, how: list[str]) -> None:
    assert is_the_fact(llm(folder, FACT, "-o", "temperature", "0", *how))


def test_a_tool_round_trip(folder: Path) -> None:
    answer = llm(folder, WEATHER, "--functions", FUNCTION, "-o", "temperature", "0")
    assert "21" in answer


def test_a_schema(folder: Path) -> None:
    check_forecast(llm(folder, FORM, "--schema", json.dumps(FORECAST)))
