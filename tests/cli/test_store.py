"""The commands about models, as users run them, against a hub on real sockets."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, Cli
from tests.store.conftest import REPO, content
from tests.support.hub import FakeHub, Repo, fake_hub, sha256

Q4 = f"hf:{REPO}:Q4_K_M"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with fake_hub() as running:
        running.repos[REPO] = Repo(
            {
                "tiny-Q4_K_M.gguf": content(1),
                "tiny-Q8_0.gguf": content(2),
                "tiny-BF16-00001-of-00002.gguf": content(3),
                "tiny-BF16-00002-of-00002.gguf": content(4),
            }
        )
        yield running


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path, hub: FakeHub) -> dict[str, str]:
    kept = {name: value for name, value in environment.items() if not name.startswith("HF_")}
    return {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}


def test_a_model_s_life(cli: Cli, hub: FakeHub, environment: dict[str, str]) -> None:
    pulled = cli("pull", Q4)
    assert pulled.returncode == 0, pulled.stderr
    path = Path(pulled.stdout.strip())
    assert path.read_bytes() == content(1)
    assert path.is_relative_to(Path(environment["EDGELLM_HOME"]) / "data" / "models")
    assert "fetching tiny-Q4_K_M.gguf" in pulled.stderr
    assert f"{Q4}: 293 KiB, sha256 verified" in pulled.stderr

    listed = json.loads(cli("list", "--format", "json").stdout)
    assert [row["name"] for row in listed] == ["pocket", Q4]
    assert (listed[1]["sha256"], listed[1]["quant"]) == (sha256(content(1)), "Q4_K_M")
    assert Q4 in cli("list").stdout

    shown = cli("show", f"hf:{REPO}").stdout
    assert "apache-2.0" in shown
    assert "Q4_K_M  llama_cpp  293 KiB  yes" in shown
    assert "Q8_0    llama_cpp  293 KiB  -" in shown
    offers = json.loads(cli("show", f"hf:{REPO}", "--format", "json").stdout)["offers"]
    here = {offer["quant"]: offer["local"] is not None for offer in offers}
    assert here == {"Q4_K_M": True, "Q8_0": False, "BF16": False}

    assert cli("verify").stdout.startswith("ok")
    usage = json.loads(cli("du", "--format", "json").stdout)
    assert usage["total_bytes"] > len(content(1))
    assert "free" in cli("du").stdout

    refused = cli("rm", Q4)
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    assert cli("rm", Q4, "--yes").returncode == 0
    assert not path.exists()
    gone = cli("rm", Q4, "--yes")
    assert (gone.returncode, "hint: Nothing was pulled yet" in gone.stderr) == (2, True)


def test_the_catalogue_s_names(cli: Cli, hub: FakeHub) -> None:
    built_in = cli("pull", "pocket")
    assert (built_in.returncode, "needs no pull" in built_in.stderr) == (2, True)
    shown = cli("show", "pocket")
    assert "Apache-2.0" in shown.stdout
    assert "comes with edgellm" in shown.stdout
    unknown = cli("pull", "pockt")
    assert unknown.returncode == 2
    assert "hint: Did you mean pocket?" in unknown.stderr
    no_quant = cli("pull", "pocket:Q3_K_M")
    assert "hint: It has: F16." in no_quant.stderr
    assert hub.requests == []


def test_a_corrupt_file_is_found_told_and_mended(cli: Cli) -> None:
    path = Path(cli("pull", Q4).stdout.strip())
    data = bytearray(path.read_bytes())
    data[5000] ^= 255
    path.write_bytes(data)
    verified = cli("verify", Q4)
    assert verified.returncode == 6
    assert "CORRUPT" in verified.stdout
    assert "its sha256 is" in verified.stdout
    assert "hint: Pull again" in verified.stderr
    assert cli("pull", Q4).returncode == 0
    assert path.read_bytes() == content(1)
    assert "freed 293 KiB" in cli("rm", "--quarantined").stderr


@pytest.mark.parametrize(
    ("faults", "code", "error", "hint"),
    [
        ({"api_statuses": [(401, {})]}, 6, "has no model repository", "hf auth login"),
        ({"api_statuses": [(404, {"X-Error-Code": "RepoNotFound"})]}, 6, "no model rep", "Check"),
        ({"statuses": [(403, {"X-Error-Code": "GatedRepo"})]}, 6, "is gated", "Accept the lic"),
        ({"statuses": [(429, {"Retry-After": "90"})]}, 6, "too many requests", "in 90 seconds"),
        ({"corrupt": True}, 6, "is not what it has to be", "It was moved to"),
    ],
)
def test_what_goes_wrong_has_a_message_and_a_hint(
    cli: Cli, hub: FakeHub, faults: dict[str, object], code: int, error: str, hint: str
) -> None:
    for name, value in faults.items():
        setattr(hub.faults, name, value)
    done = cli("pull", Q4, "--force")  # or a corrupt header ends it first
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    assert any(line.startswith("error: ") and error in line for line in lines), done.stderr
    assert any(line.startswith("hint: ") and hint in line for line in lines), done.stderr
    assert "Traceback" not in done.stderr


def test_offline(cli: Cli) -> None:
    done = cli("pull", f"hf:{REPO}/tiny-Q4_K_M.gguf", env={"HF_HUB_OFFLINE": "1"})
    assert (done.returncode, "HF_HUB_OFFLINE is set" in done.stderr) == (6, True)


def test_offline_a_name_means_what_it_meant(cli: Cli) -> None:
    path = cli("pull", Q4).stdout
    for name in (Q4, f"hf:{REPO}", f"hf:{REPO}/tiny-Q4_K_M.gguf"):
        done = cli("pull", name, env={"HF_HUB_OFFLINE": "1"})
        assert (done.returncode, done.stdout) == (0, path), done.stderr


def test_a_rate_that_is_none(cli: Cli) -> None:
    done = cli("pull", Q4, "--limit-rate", "fast")
    assert (done.returncode, "such as 500K or 5M" in done.stderr) == (2, True)


def test_another_folder(cli: Cli, tmp_path: Path) -> None:
    elsewhere = {"EDGELLM_MODELS_FOLDER": str(tmp_path / "stick")}
    file = tmp_path / "mine.gguf"
    file.write_bytes(content(9))
    done = cli("pull", str(file), env=elsewhere)
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "stick")
    assert "mine" in cli("list", env=elsewhere).stdout
    assert "mine" not in cli("list").stdout


def test_an_interrupted_pull_says_so_and_goes_on(
    cli: Cli, hub: FakeHub, environment: dict[str, str]
) -> None:
    command = (*PROGRAM, "pull", Q4, "--limit-rate", "50K")
    child = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    folder = Path(environment["EDGELLM_HOME"]) / "data" / "models"
    while not any(path.stat().st_size for path in folder.rglob("*.gguf.part")):
        assert child.poll() is None
        time.sleep(0.05)
    child.terminate()
    _, said = child.communicate()
    assert child.returncode == 130, said
    assert "hint: What came is kept" in said
    assert "Traceback" not in said
    assert cli("pull", Q4).returncode == 0


def test_two_processes_fetch_it_once(hub: FakeHub, environment: dict[str, str]) -> None:
    hub.faults.bytes_per_second = 150_000
    command = (*PROGRAM, "pull", Q4)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    children = [subprocess.Popen(command, env=environment, **pipes) for _ in range(2)]
    told = [child.communicate(timeout=60) for child in children]
    assert [child.returncode for child in children] == [0, 0], told
    assert told[0][0] == told[1][0]
    whole = [each for each in hub.requests if "/cdn/" in each.path and "Range" not in each.headers]
    assert len(whole) == 1  # beside the headers, which are read by ranges
    assert any("waiting for another process" in said for _, said in told)


def test_rm_asks_on_a_terminal_and_pull_shows_a_bar(
    cli: Cli, hub: FakeHub, environment: dict[str, str]
) -> None:
    pulled = on_terminal(("pull", Q4, "--limit-rate", "200K"), environment)
    assert "fetching tiny-Q4_K_M.gguf" in pulled
    assert "sha256 verified" in pulled
    assert f"remove {Q4}" in on_terminal(("rm", Q4), environment, "n\n")
    assert len(json.loads(cli("list", "--format", "json").stdout)) == 2
    assert "freed" in on_terminal(("rm", Q4), environment, "y\n")
    assert len(json.loads(cli("list", "--format", "json").stdout)) == 1


def on_terminal(args: tuple[str, ...], environment: dict[str, str], answer: str = "") -> str:
    """What the program shows on a terminal."""
    master, slave = pty.openpty()
    child = subprocess.Popen(
        (*PROGRAM, *args), env=environment, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    os.write(master, answer.encode())
    shown = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    child.wait()
    return shown.decode()
