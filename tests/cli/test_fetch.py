"""Any model by its name, as users run it: real processes, and a hub on real sockets."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.test_serve import _lines_until, _serving
from tests.cli.test_store import on_terminal
from tests.support.gguf_bytes import gguf_bytes
from tests.support.hub import FakeHub, Repo, fake_hub

TINY = "hf:owner/tiny:F32"


@pytest.fixture
def hub(tiny_model: Path) -> Iterator[FakeHub]:
    huge = gguf_bytes(100_000, layers=400, width=16_384, vocab=128_000)  # 3 TB, it claims
    with fake_hub() as running:
        running.repos["owner/tiny"] = Repo({"tiny-F32.gguf": tiny_model.read_bytes()})
        running.repos["owner/huge"] = Repo({"huge-Q4_K_M.gguf": huge})
        yield running


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path, hub: FakeHub) -> dict[str, str]:
    kept = {name: value for name, value in environment.items() if not name.startswith("HF_")}
    return {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}


def test_a_name_is_fetched_and_served(environment: dict[str, str], hub: FakeHub) -> None:
    with _serving(environment, TINY, "--port", "0", "--alias", "mine") as process:
        lines = _lines_until(process, "ready in ")
        assert any(line.startswith(f"{TINY}: ") for line in lines)
        assert any(line.startswith(f"{TINY} is not here yet: fetching 360 KiB") for line in lines)
        assert f": {TINY}, context 512, 4 parallel" in lines[-1]
        start = next(line for line in lines if "OpenAI base URL" in line)
        url = start.rpartition("OpenAI base URL: ")[2].removesuffix("/v1)")
        body = {"model": "hf:owner/tiny", "prompt": "a", "max_tokens": 2}
        request = urllib.request.Request(url + "/v1/completions", json.dumps(body).encode())
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["usage"]["completion_tokens"] == 2
        with urllib.request.urlopen(url + "/admin/models") as answer:
            told = json.load(answer)
        assert "mine" in json.dumps(told)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_what_is_here_needs_no_network(cli: Cli, hub: FakeHub) -> None:
    asked = ("run", "hi", "--model", TINY, "--max-tokens", "2", "--format", "json")
    first = cli(*asked, "--offline")
    assert first.returncode == 6
    assert "nothing may be fetched (offline)" in first.stderr
    assert "hint: Leave --offline" in first.stderr
    assert hub.requests == []
    assert cli(*asked).returncode == 0
    hub.requests.clear()
    again = cli(*asked, env={"HF_HUB_OFFLINE": "1"})
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["usage"]["completion_tokens"] == 2
    assert hub.requests == []


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("pull",)])
def test_what_does_not_fit_is_refused_before_the_download(
    cli: Cli, hub: FakeHub, command: tuple[str, ...]
) -> None:
    done = cli(command[0], "hf:owner/huge", *command[1:])
    assert done.returncode == 3, done.stderr
    error, hint = done.stderr.splitlines()[-2:]
    assert error.startswith("error: hf:owner/huge (Q4_K_M) does not fit on this device: it needs ")
    assert error.endswith(" can be used.")
    assert "without a name, " in hint
    assert "--force" in hint
    assert hub.count("/api/models/owner/huge") == 1
    assert cli("list", "--format", "json").stdout.count('"name"') == 1


def test_force_pulls_what_does_not_fit(cli: Cli) -> None:
    done = cli("pull", "hf:owner/huge", "--force")
    assert done.returncode == 0, done.stderr
    assert "warning: hf:owner/huge:Q4_K_M needs " in done.stderr


def test_on_a_terminal_it_asks_once(cli: Cli, environment: dict[str, str]) -> None:
    asked = ("chat", "--model", TINY)
    shown = on_terminal(asked, environment, "n\n")
    assert f"{TINY} is not here yet. Fetch 360 KiB?" in shown
    assert "Nothing was fetched" in shown
    assert len(json.loads(cli("list", "--format", "json").stdout)) == 1
    on_terminal((*asked, "--yes"), environment, "/exit\n")
    assert len(json.loads(cli("list", "--format", "json").stdout)) == 2


def test_what_was_set_is_refused_rather_than_cut(cli: Cli, tiny_model: Path) -> None:
    done = cli("serve", str(tiny_model), "--port", "0", "--context", "4096")
    assert done.returncode == 2
    assert "holds 512 tokens at most" in done.stderr
    done = cli("serve", str(tiny_model), "--port", "0", "--kv-tokens", "9000000000")
    assert done.returncode == 3
    assert "does not fit on this device: it needs " in done.stderr


def test_force_serves_what_does_not_fit(
    cli: Cli, environment: dict[str, str], tiny_model: Path
) -> None:
    asked = (str(tiny_model), "--port", "0", "--memory-limit", "8MiB")
    refused = cli("serve", *asked)
    assert refused.returncode == 3
    assert "0.0 GiB can be used" in refused.stderr
    with _serving(environment, *asked, "--force") as process:
        lines = _lines_until(process, "ready in ")
    assert any("It was forced." in line for line in lines)


def test_show_tells_what_the_header_says(cli: Cli, hub: FakeHub, tiny_model: Path) -> None:
    shown = json.loads(cli("show", str(tiny_model), "--format", "json").stdout)
    header, fit = shown["header"], shown["fit"]
    assert (header["architecture"], header["layers"], header["params"]) == ("llama", 2, 90_688)
    assert (header["heads"], header["kv_heads"], header["context"]) == (2, 1, 512)
    assert (header["types"], header["has_template"]) == ({"F32": 1.0}, True)
    assert header["size_bytes"] == tiny_model.stat().st_size
    assert fit["fits"]
    assert fit["needed_bytes"] > tiny_model.stat().st_size
    assert fit["decode_tokens_per_second"] > 0
    there = cli("show", "hf:owner/huge")
    assert there.returncode == 0, there.stderr
    assert "this device   does not fit: hf:owner/huge needs " in there.stdout
    assert "what would do: " in there.stdout
    assert hub.sent_bytes < 200_000


def test_plan_takes_every_name(cli: Cli, tiny_model: Path) -> None:
    for name in (TINY, "hf:owner/tiny", str(tiny_model)):
        found = json.loads(cli("plan", name, "--format", "json").stdout)
        assert (found["quant"], found["context"]) == ("F32", 512)
    done = cli("plan", "hf:owner/none")
    assert (done.returncode, "error: " in done.stderr, "hint: " in done.stderr) == (6, True, True)
