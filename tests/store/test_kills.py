"""A pull that is killed (-9) at random moments leaves a store that works, and goes on.

The kernel keeps what a killed process wrote, and a power cut does not: what fsync is for is argued
in `shelf.py` and `download.py`, and a part with wrong bytes in it is tested in `test_pull.py`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgellm.store.model import RemoteFile, Wanted
from edgellm.store.sources.huggingface import Hub
from edgellm.store.store import Store
from tests.store.conftest import REPO, content
from tests.support.hub import FakeHub, sha256

ROOT = Path(__file__).parents[2]
PARTS = ("tiny-BF16-00001-of-00002.gguf", "tiny-BF16-00002-of-00002.gguf")


def start(folder: Path, remote: FakeHub, rate: float, home: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HOME": str(home)}
    env.pop("HF_TOKEN", None)
    arguments = (str(folder), remote.url, ",".join(PARTS), str(rate))
    return subprocess.Popen(
        (sys.executable, "-m", "tests.store.killed", *arguments),
        stdout=subprocess.PIPE,
        env=env,
        cwd=ROOT,
        text=True,
    )


def kill_at_random(child: subprocess.Popen[str], chance: random.Random, longest: float) -> None:
    """Some time after it has begun; perhaps it is through by then."""
    assert child.stdout is not None
    assert child.stdout.readline() == "begins\n"
    time.sleep(chance.random() * longest)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()


def check_consistent(store: Store, remote: FakeHub) -> None:
    """Whatever is offered is whole: nobody was told of half a model."""
    for model in store.list():
        for file in model.manifest.files:
            data = (model.folder / file.path).read_bytes()
            assert data == remote.repos[REPO].files[file.path]
    assert store.broken() == ()
    assert not store.places.quarantine.exists()


def survive(tmp_path: Path, remote: FakeHub, rounds: int, rate: float, longest: float) -> None:
    chance = random.Random(rounds)
    store = Store(tmp_path / "models", Hub(remote.url))
    num_whole = 0
    for _ in range(rounds):
        child = start(store.places.root, remote, rate, tmp_path / "hf")
        kill_at_random(child, chance, longest)
        check_consistent(store, remote)
        for model in store.list():  # so that later rounds find something to do
            num_whole += 1
            store.remove(model)
    wanted = Wanted("victim", f"hf:{REPO}", tuple(map(RemoteFile, PARTS)))
    model = store.pull(wanted)
    assert [file.sha256 for file in model.manifest.files] == [
        sha256(content(3)),
        sha256(content(4)),
    ]
    assert store.verify(model).is_ok
    assert num_whole < rounds, "no child was killed before its end"
    assert store.clean(unfinished=True) == 0


def test_a_few_kills(tmp_path: Path, remote: FakeHub) -> None:
    survive(tmp_path, remote, rounds=5, rate=600_000, longest=1.4)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("rate", "longest"), [(600_000, 1.6), (0, 0.6), (200_000, 3.0)])
def test_many_kills(tmp_path: Path, remote: FakeHub, rate: float, longest: float) -> None:
    survive(tmp_path, remote, rounds=60, rate=rate, longest=longest)


def test_the_lock_of_a_killed_process_is_no_obstacle(tmp_path: Path, remote: FakeHub) -> None:
    folder = tmp_path / "models"
    child = start(folder, remote, 50_000, tmp_path / "hf")
    while not list(folder.rglob("*.gguf.part")):
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert child.stdout is not None
    child.stdout.close()
    wanted = Wanted("victim", f"hf:{REPO}", tuple(map(RemoteFile, PARTS)))
    assert Store(folder, Hub(remote.url)).pull(wanted).path.read_bytes() == content(3)
