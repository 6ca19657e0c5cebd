"""compare.py and engine.py as their users run them, on the smallest model."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benches._server import ServerFailed, fill, serve
from benches.compare import OURS, make_sides
from benches.synthetic import synthetic_model

ROOT = Path(__file__).parents[2]
ENGINE_SIZES = "--sequences 1 3 --prompt 16 --decode 4 --repeat 1 --threads 1"
COMPARED = shlex.split("--quick --rounds 1 --repeat 1 --parallel 4 --context 512 --threads 1")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_model("tiny", "Q8_0", folder=tmp_path_factory.mktemp("models"))


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"benches.{module}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_value_is_never_split() -> None:
    values = {"model": "a b.gguf", "port": 1}
    assert fill("server -m {model} --port {port} 'x y'", values) == [
        *("server", "-m", "a b.gguf", "--port", "1", "x y")
    ]


def test_placeholders_know_all_sequences(tmp_path: Path) -> None:
    options = argparse.Namespace(
        model=Path("m.gguf"), threads=2, parallel=8, context=2048, ours_cmd=OURS, peer_cmd="x"
    )
    ours, peer = make_sides(options, tmp_path)
    assert ours.values["total"] == 16384
    assert ours.folder != peer.folder
    assert "--parallel 8" in " ".join(fill(ours.command, {**ours.values, "port": 1}))


def test_a_server_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    command = f"{sys.executable} -c 'import sys; sys.exit(\"no such model\")'"
    with (
        pytest.raises(ServerFailed, match="no such model"),
        serve(command, {}, tmp_path / "log", {}),
    ):
        pass


def test_only_what_was_started_is_ended(tmp_path: Path, tiny: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    values = {"model": tiny, "context": 256, "parallel": 2, "threads": 1}
    with serve(OURS, values, tmp_path / "log", {"EDGELLM_HOME": str(tmp_path)}) as server:
        assert server.model == tiny.stem
        tree = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        assert len(tree) == 2
    assert not any(process.is_running() for process in tree)
    assert bystander.poll() is None
    bystander.communicate(b"\n")


def test_the_engine_is_measured_against_bare_decode(tiny: Path) -> None:
    done = run("engine", str(tiny), *shlex.split(ENGINE_SIZES))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])["results"]
    assert found.keys() == {"1", "3"}
    for loops in found.values():
        assert loops.keys() == {"bare", "NoCache", "RadixCache"}
        assert all(loop["decode_tokens_per_second"] > 0 for loop in loops.values())
        assert 0 < loops["RadixCache"]["python_fraction"] < 1


@pytest.mark.slow
def test_two_servers_are_compared(tiny: Path, tmp_path: Path) -> None:
    peer = OURS + " --log-level warning"
    began = time.time()
    done = run("compare", str(tiny), "--peer-cmd", peer, "--logs", str(tmp_path), *COMPARED)
    assert done.returncode == 0, done.stderr
    *table, line = done.stdout.splitlines()
    assert any("shared.ttft_p50_seconds" in row and "<= 0.08x" in row for row in table)
    found = json.loads(line)
    assert found["results"]["ratios"].keys() >= {
        "single.ttft_seconds", "memory.peak_rss_bytes", "restart.warm_to_cold"
    }  # fmt: skip
    assert found["results"]["ours"]["copy.copied_fraction"] > 0.8
    assert (tmp_path / "peer" / "server.log").stat().st_mtime >= began
