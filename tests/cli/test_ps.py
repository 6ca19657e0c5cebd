"""`ps`, `load` and `stop` against a server in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from edgellm.api.app import create_app
from edgellm.cli.ps import format_seconds, is_active, remarks, render
from edgellm.client import ModelSpeed, Quantiles, Recent
from edgellm.errors import ModelBusy
from edgellm.types import ModelStatus
from tests.api.conftest import ScriptedRouter, serve
from tests.cli.conftest import Cli

READY = ModelStatus(
    "qwen3",
    "ready",
    0,
    context=4096,
    parallel=4,
    memory_bytes=900 * 2**20,
    idle_seconds=30.4,
    unload_seconds=269.6,
)
OTHERS = (
    ModelStatus("gemma", "starting", 0, progress=0.42, num_waiting=2, is_pinned=True),
    ModelStatus("broken", "stopped", 0, error="It is cut off.", hint="Fetch it again."),
    ModelStatus("absent", "stopped", 0),
)


@pytest.fixture
def admin() -> Iterator[tuple[str, ScriptedRouter]]:
    router = ScriptedRouter()
    router.models = (READY, *OTHERS)
    with serve(create_app(router)) as url:
        yield url, router


def test_the_table() -> None:
    assert render([READY, *OTHERS]).splitlines() == [
        "model   state        memory   context  parallel  requests       idle  unloads in",
        "qwen3   ready        900 MiB  4096     4         0              30 s  4 min",
        "gemma   loading 42%  -        -        -         0 + 2 waiting  -     never (pinned)",
        "broken  failed       -        -        -         0              -     -",
        "absent  not loaded   -        -        -         0              -     -",
    ]
    assert [is_active(model) for model in OTHERS] == [True, True, False]


def test_the_speed_of_late_is_told_once_there_is_one() -> None:
    recent = Recent(Quantiles(p50=12.345), Quantiles(p95=0.678))
    speeds = [ModelSpeed("qwen3", recent), ModelSpeed("gemma")]
    head, first, second, third, _ = render([READY, *OTHERS], speeds).splitlines()
    assert head.endswith("unloads in      tokens/s  TTFT p95")
    assert first.endswith("4 min           12.3      0.68 s")
    assert second.endswith("never (pinned)  -         -")
    assert third.split()[-2:] == ["-", "-"]
    assert render([READY], [ModelSpeed("qwen3")]) == render([READY])


def test_ps_asks_for_the_speed(cli: Cli, admin: tuple[str, ScriptedRouter]) -> None:
    url, router = admin
    router.models = (msgspec.structs.replace(READY, aliases=("tiny",)),)
    httpx.post(f"{url}/v1/completions", json={"prompt": "x", "model": "tiny"}).raise_for_status()
    assert "TTFT p95" in cli("ps", "--server", url).stdout
    (speed,) = json.loads(cli("ps", "--format", "json", "--server", url).stdout)["speeds"]
    assert speed["id"] == "qwen3"
    assert speed["recent"]["decode_rate"]["p50"] == pytest.approx(10, rel=0.06)


def test_warnings_and_errors_are_told_below() -> None:
    model = ModelStatus("m", "ready", 0, warnings=("none of the 28 layers are on it",))
    assert remarks([model, *OTHERS]) == [
        "warning: m: none of the 28 layers are on it",
        "error: broken: It is cut off. Fetch it again.",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (11_430, "3 h 10 min")]
)
def test_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_ps(cli: Cli, admin: tuple[str, ScriptedRouter]) -> None:
    url, _ = admin
    done = cli("ps", "--server", url)
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "model",
        "qwen3",
        "gemma",
        "broken",
    ]
    assert "error: broken: It is cut off." in done.stderr
    document: dict[str, Any] = json.loads(
        cli("ps", "--all", "--format", "json", "--server", url).stdout
    )
    assert [model["id"] for model in document["models"]] == ["qwen3", "gemma", "broken", "absent"]
    assert document["models"][0]["memory_bytes"] == 900 * 2**20


def test_nothing_is_loaded(cli: Cli, admin: tuple[str, ScriptedRouter]) -> None:
    url, router = admin
    router.models = (OTHERS[2],)
    done = cli("ps", env={"EDGELLM_SERVER": url})
    assert (done.returncode, done.stdout) == (0, "")
    assert "no model is loaded" in done.stderr


def test_load_and_stop(cli: Cli, admin: tuple[str, ScriptedRouter]) -> None:
    url, router = admin
    done = cli("load", "qwen3", "--pin", "--keep-alive", "5m", "--server", url)
    assert (done.returncode, done.stderr) == (0, "qwen3 is loaded, 900 MiB\n")
    assert cli("load", "qwen3", "--server", url).returncode == 0
    done = cli("stop", "qwen3", "--wait", "--server", url)
    assert (done.returncode, done.stderr) == (0, "qwen3 is unloaded\n")
    assert router.admin_calls == [
        ("load", "qwen3", True, 300),
        ("load", "qwen3", None, None),
        ("unload", "qwen3", True),
    ]


def test_what_can_go_wrong(cli: Cli, admin: tuple[str, ScriptedRouter]) -> None:
    url, router = admin
    done = cli("load", "nothing", "--server", url)
    assert done.returncode == 2
    assert "error: The model 'nothing' does not exist" in done.stderr
    assert "hint: Served here: qwen3" in done.stderr
    router.admin_error = ModelBusy("qwen3", 1)
    done = cli("stop", "qwen3", "--server", url)
    assert done.returncode == 2
    assert "hint: Try again when it is idle" in done.stderr
    assert cli("ps", "--server", "http://127.0.0.1:1").returncode == 4
