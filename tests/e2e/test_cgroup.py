"""Inside of a real memory limit: it is seen, the plan keeps below it, and nothing is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from benches._cgroup import MemoryCgroup, NoCgroups
from tests.support.server import serve

LIMIT_BYTES = 300 * 2**20


@pytest.fixture
def group() -> Iterator[MemoryCgroup]:
    made = MemoryCgroup(LIMIT_BYTES)
    try:
        made.__enter__()
    except NoCgroups as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    yield made
    made.__exit__(None, None, None)
    assert not made.path.exists()


def run(group: MemoryCgroup, home: Path, *words: str) -> tuple[int, Any]:
    """A command's exit code, and the JSON that it printed."""
    done = subprocess.run(
        [*group.prefix, sys.executable, "-m", "edgellm", *words, "--format", "json"],
        env={**os.environ, "EDGELLM_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def test_the_limit_is_seen(group: MemoryCgroup, tmp_path: Path) -> None:
    code, profile = run(group, tmp_path, "detect")
    assert code == 0
    assert profile["memory"]["limit_bytes"] == LIMIT_BYTES
    assert profile["memory"]["available_bytes"] < LIMIT_BYTES < profile["memory"]["total_bytes"]


def test_what_does_not_fit_is_not_planned(group: MemoryCgroup, tmp_path: Path) -> None:
    code, found = run(group, tmp_path, "plan", "qwen3-0.6b")
    assert code == 1
    reasons = [each["reason"] for each in found["rejected"] if each["backend"] == "llama_cpp"]
    assert reasons
    assert all("GiB can be used" in reason for reason in reasons)
    assert group.num_oom_kills == 0


def test_the_built_in_model_answers_at_its_whole_context(
    group: MemoryCgroup, tmp_path: Path
) -> None:
    with serve(tmp_path, "--context", "512", "--parallel", "2", prefix=group.prefix) as server:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
            done = client.completions.create(
                model="pocket",
                prompt=[300 + number % 500 for number in range(448)],
                max_tokens=64,
                extra_body={"ignore_eos": True},
            )
        assert done.usage is not None
        assert done.usage.total_tokens == 512
        health = server.health()
        assert (health["status"], health["models"][0]["restarts"]) == ("ok", 0)
        engines = httpx.get(f"{server.url}/admin/models").json()
        assert 0 < engines["memory"]["budget_bytes"] < LIMIT_BYTES
        assert 0 < group.anonymous_bytes < LIMIT_BYTES
    assert group.num_oom_kills == 0
    assert 0 < group.peak_bytes <= LIMIT_BYTES
