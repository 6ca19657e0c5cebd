"""The fingerprint: the same over restarts, another one for anything that changes results."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec.structs import replace

from edgellm.serving.fingerprint import fingerprint
from edgellm.serving.resolver import ServedModel
from edgellm.types import EngineOptions
from tests.support.scripted_engine import INFO


def test_by_digest(tmp_path: Path) -> None:
    model = ServedModel("m", tmp_path / "gone", digest="ab" * 32)
    first = fingerprint(model, INFO)
    assert first.startswith("fp_")
    assert len(first) == 13
    assert fingerprint(replace(model, id="n", path=tmp_path / "b"), INFO) == first
    others = {
        fingerprint(replace(model, digest="cd" * 32), INFO),
        fingerprint(model, replace(INFO, engine="llama.cpp 2")),
        fingerprint(model, replace(INFO, gpu_layers=5)),
        fingerprint(replace(model, options=EngineOptions(kv_type="q8_0")), INFO),
    }
    assert len(others) == 4
    assert first not in others
    assert fingerprint(replace(model, options=EngineOptions(parallel=9)), INFO) == first


def test_by_file(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + b"x" * 1000)
    model = ServedModel("m", path)
    first = fingerprint(model, INFO)
    assert fingerprint(model, INFO) == first
    stat = path.stat()
    path.write_bytes(b"GGUF" + b"y" * 1000)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fingerprint(model, INFO) != first
    path.unlink()
    assert fingerprint(model, INFO).startswith("fp_")
