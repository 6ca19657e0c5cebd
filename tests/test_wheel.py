"""The wheel works without the checkout: installed into an empty environment, it chats."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT),
        cwd=folder,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_assets_and_nothing_of_the_workshop(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "edgellm/_assets/pocket.gguf" in names
    assert "edgellm/_assets/models.yaml" in names
    assert "edgellm/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "benches", "quant", "builtin"))]


@pytest.mark.timeout(1800)  # without pip's cache of the built runtime, llama.cpp is compiled here
def test_it_chats_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    run(
        *(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("-c", ROOT / "constraints.txt", wheel),
        cwd=tmp_path,
    )
    where = run(python, "-c", "import edgellm; print(edgellm.__file__)", cwd=tmp_path)
    assert where.startswith(str(environment))
    answer = run(
        *(environment / "bin" / "edgellm", "run", "--temperature", "0", "What is GGUF?"),
        cwd=tmp_path,
        EDGELLM_HOME=str(tmp_path / "home"),
    )
    assert "GGUF" in answer
    assert len(answer.split()) > 5
