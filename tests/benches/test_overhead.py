"""The bench of the server's own time, end to end with tiny counts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benches.overhead import has_text, num_tokens

ROOT = Path(__file__).parents[2]


def test_it_measures_a_server_and_an_engine() -> None:
    sizes = ("--rounds", "1", "--streams", "2", "--tokens", "40", "--repeat", "2")
    command = [sys.executable, "-m", "benches.overhead", *sizes]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["bench"] == "overhead"
    assert line["plan"]["streams"] == 2
    results = line["results"]
    assert results["http_ttft_ms"] > 0
    assert results["engine_ttft_ms"] > 0
    assert results["cpu_ms_per_streamed_token"] >= 0  # the clock's tick is 10 ms


def test_the_role_is_no_text_yet() -> None:
    assert not has_text(b'data: {"delta":{"role":"assistant","content":""}}')
    assert has_text(b'data: {"delta":{"content":"a"}}')
    assert num_tokens(b'"usage":null ... {"completion_tokens":12,"total":3}') == 12
