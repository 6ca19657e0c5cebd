"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from edgellm_quant.folder import appearing, check_disk, check_memory

from edgellm.errors import DiskFull, QuantError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_appears_with_all_that_is_in_it(tmp_path: Path) -> None:
    target = tmp_path / "new" / "made"
    with appearing(target) as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "file").write_text("x")
        assert not target.exists()
    assert names(tmp_path / "new") == ["made"]
    assert (target / "inner" / "file").read_text() == "x"


def test_a_failure_leaves_the_older_one(tmp_path: Path) -> None:
    target = tmp_path / "made"
    target.mkdir()
    (target / "old").write_text("x")
    with pytest.raises(ValueError, match="odd"), appearing(target) as partial:
        (partial / "half").write_text("x")
        raise ValueError("odd")
    assert names(tmp_path) == ["made"]
    assert names(target) == ["old"]
    with appearing(target) as partial:
        (partial / "new").write_text("x")
    assert names(target) == ["new"]
    assert names(tmp_path) == ["made"]


def test_killed_in_between_the_next_one_begins_afresh(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from edgellm_quant.folder import appearing\n"
        "with appearing(Path(sys.argv[1])) as partial:\n"
        "    (partial / 'half').write_text('x'); os.kill(os.getpid(), 9)\n"
    )
    target = tmp_path / "made"
    done = subprocess.run((sys.executable, "-c", code, str(target)), check=False)
    assert done.returncode == -signal.SIGKILL
    assert names(tmp_path) == ["made.partial"]
    with appearing(target) as partial:
        assert names(partial) == []
    assert names(tmp_path) == ["made"]


def test_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(QuantError) as error, appearing(target):
            pass
        assert "--out" in error.value.hint
    assert (tmp_path / "file").read_text() == "x"


def test_room_is_looked_for_before(tmp_path: Path) -> None:
    check_disk(tmp_path / "not" / "there" / "yet", 1000)
    with pytest.raises(DiskFull, match="made takes up to") as error:
        check_disk(tmp_path / "made", 1 << 60)
    assert "--out" in error.value.hint
    check_memory("it", 10, None)
    check_memory("it", 10, os.sysconf("SC_PAGE_SIZE"))
    with pytest.raises(QuantError, match="GiB can be had"):
        check_memory("it", 10, 5)
