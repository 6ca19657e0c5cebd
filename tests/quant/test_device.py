"""What a job asks of its device, against a real HTTP server."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import msgspec
import pytest
from edgellm_quant.device import num_running, this_device, threads_for, wait_for_memory
from msgspec.structs import replace

from edgellm.api.app import create_app
from edgellm.errors import QuantCancelled
from edgellm.types import ModelStatus
from tests.api.conftest import READY, ScriptedRouter, serve
from tests.quant.standin import IDLE


def test_how_many_requests_the_server_answers() -> None:
    router = ScriptedRouter()
    busy: ModelStatus = msgspec.structs.replace(
        READY, stats=msgspec.structs.replace(READY.stats, num_running=3)
    )
    router.models = (READY, busy)
    with serve(create_app(router)) as url:
        assert num_running(urlsplit(url).port or 0) == 3


def test_where_no_server_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert num_running(port) == 0  # it accepts, and never answers
    assert num_running(port) == 0
    assert this_device(port).num_cpus >= 1


@pytest.mark.parametrize(
    ("asked", "running", "threads"), [(0, 0, 8), (0, 1, 4), (2, 1, 2), (16, 0, 16), (16, 1, 4)]
)
def test_threads(asked: int, running: int, threads: int) -> None:
    device = replace(IDLE, num_cpus=8, num_running=lambda: running)
    assert threads_for(asked, device) == threads
    assert threads_for(0, replace(device, num_cpus=1)) == 1


def test_memory_that_becomes_free() -> None:
    left = iter((5, 5, 50))
    told: list[str] = []
    device = replace(IDLE, usable_bytes=lambda: next(left) << 20, sleep=lambda _: None)
    wait_for_memory(40 << 20, device, told.append, lambda: False)
    assert told == ["needs 40 MiB of memory; 5 MiB are free"]
    wait_for_memory(1 << 40, replace(IDLE, usable_bytes=lambda: None), told.append, lambda: False)
    with pytest.raises(QuantCancelled):
        wait_for_memory(1 << 40, replace(IDLE, sleep=lambda _: None), told.append, lambda: True)
