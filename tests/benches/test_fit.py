"""The bench of memory limits: what it compares, and one whole limit on a model made in a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from benches import fit
from benches._cgroup import MemoryCgroup, NoCgroups
from benches.fit import Measured, Planned, measure, next_larger, prompt, report
from benches.synthetic import synthetic_model

SIZES = {"small": 1, "middle": 2, "large": 3, "huge": 4}


def rejection(model: str, code: str, backend: str = "llama_cpp") -> dict[str, str]:
    return {"model": model, "backend": backend, "code": code}


def test_the_next_larger_model_is_out_for_memory_alone() -> None:
    rejected = [
        rejection("huge", "memory"),
        rejection("middle", "memory"),
        rejection("middle", "rank"),  # another quantisation of it fits
        rejection("large", "memory"),
        rejection("large", "runtime", "mlc"),
    ]
    assert next_larger("small", rejected, SIZES) == "large"
    assert next_larger("large", rejected, SIZES) == "huge"
    assert next_larger("huge", rejected, SIZES) is None


def test_prompts_share_no_beginning() -> None:
    firsts = {prompt(index, 10)[0] for index in range(5)}
    assert len(firsts) == 5
    assert len(prompt(0, 5000)) == 5000


def test_the_table_tells_what_was_killed(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = Planned("m", "Q8_0", 2048, 4, 4096, "f16", 700_000_000, None, "n:Q4_0 needs 9 GiB")
    found = Measured(900_000_000, 500_000_000, 800_000_000, 7, 3, 2, 5, 2048)
    report({"1GB": (chosen, found)})
    head, row, refused = capsys.readouterr().out.splitlines()
    assert head.endswith("disk faults  answers  OOM kills  restarts")
    assert row.split()[-4:] == ["7", "5", "3", "2"]  # answers come before what went wrong
    assert refused == "refused in 1GB: n:Q4_0 needs 9 GiB"


def test_a_small_hybrid_fills_its_whole_context_below_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "LEFT_TOKENS", 16)
    limit = 400_000_000
    path = synthetic_model("tiny-hybrid", "Q4_K_M", folder=tmp_path)
    chosen = Planned("tiny-hybrid", "Q4_K_M", 256, 2, 256, "f16", 0, None)
    try:
        with MemoryCgroup(limit):
            pass
    except NoCgroups as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    home = {"EDGELLM_HOME": str(tmp_path / "home")}
    found = measure(limit, chosen, path, home, tmp_path / "log")
    assert (found.num_oom_kills, found.num_restarts) == (0, 0)
    assert (found.num_answers, found.longest_tokens) == (3, 256)
    assert 0 < found.anonymous_bytes < found.peak_bytes <= limit
