"""Every route, with requests that schemathesis makes from the server's own document.

No answer is a 5xx, none has a status that the document does not name, and the server lives on.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.server import Server, serve

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance"


def try_routes(server: Server, *arguments: str) -> int:
    """Gives the number of cases that were tried; fails with schemathesis' own words."""
    tool = Path(sys.executable).parent / "schemathesis"
    done = subprocess.run(
        [tool, "run", f"{server.url}/openapi.json", "--checks", CHECKS, "--no-color", *arguments],
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.e2e.schemathesis_hooks"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    found = re.search(r"([\d,]+) generated", done.stdout)
    assert found, done.stdout[-2000:]
    body = {"prompt": "Hello", "max_tokens": 3}
    assert httpx.post(f"{server.url}/v1/completions", json=body, timeout=60).status_code == 200
    return int(found[1].replace(",", ""))


def test_a_few_requests_to_every_route(tmp_path: Path) -> None:
    with serve(tmp_path, "--context", "128") as server:
        assert try_routes(server, "--phases", "fuzzing", "-n", "8", "--seed", "1") >= 50


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_thousands_of_requests(tmp_path: Path) -> None:
    """A new seed each time: what it was stands in the output of a run that fails."""
    with serve(tmp_path, "--context", "128") as server:
        num_cases = try_routes(server, "--phases", "coverage,fuzzing", "-n", "60")
    logging.info("%d cases", num_cases)  # pytest --log-cli-level info shows it
    assert num_cases >= 2000
