"""Importance matrices: llama-imatrix's sums, names and counts; cancelled, resumed, never half.

The golden ones were made with

    llama-imatrix -m pocket.gguf -f calibration.txt -c 512 -b 512 --chunks 4 --no-ppl -o FILE
    llama-imatrix -m tiny-gemma3.gguf -f calibration.txt -c 256 -b 256 --chunks 4 --no-ppl \
        --process-output -o imatrix-tiny-gemma3.gguf

of the version that llama-cpp-python 0.3.36 comes with. `-b` is the context, because llama-imatrix
passes over the last few tokens of batches that do not divide by its number of sequences.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from edgellm_quant import calibrate, imatrix_file
from edgellm_quant.texts import calibration_text

from edgellm.errors import QuantCancelled, QuantError
from tests.quant.support import NUM_EXPERTS, write_mixture
from tests.support.tiny_model import write_tiny_model

GOLDEN = Path(__file__).parent / "golden"
TEXT = "It was a bright cold day in April, and nobody had wound the clocks. " * 12


def test_pockets_matrix_is_llama_imatrixs(pocket: Path, tmp_path: Path) -> None:
    target = tmp_path / "imatrix.gguf"
    calibrate.collect(pocket, target, calibration_text(), most_windows=4, dataset="built-in")
    made = imatrix_file.read(target)
    golden = json.loads((GOLDEN / "imatrix-pocket.json").read_text())
    assert (made.num_chunks, made.chunk_tokens, made.datasets) == (4, 512, ("built-in",))
    assert made.sums.keys() == golden.keys()
    for name, wanted in golden.items():
        sums = made.sums[name]
        assert sums.counts.tolist() == [wanted["count"]]
        assert sums.squares.sum() == pytest.approx(wanted["sum"], rel=1e-3)
        assert sums.squares[0, wanted["column"]] == pytest.approx(wanted["max"], rel=1e-3)


def test_gemmas_matrix_is_llama_imatrixs_in_each_column(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "tiny.gguf", architecture="gemma3")
    target = tmp_path / "imatrix.gguf"
    calibrate.collect(
        model, target, calibration_text(), context=256, most_windows=4, has_output=True
    )
    made = imatrix_file.read(target)
    golden = imatrix_file.read(GOLDEN / "imatrix-tiny-gemma3.gguf")
    assert made.sums.keys() == golden.sums.keys()
    for name, wanted in golden.sums.items():
        np.testing.assert_array_equal(made.sums[name].counts, wanted.counts)
        np.testing.assert_allclose(made.sums[name].squares, wanted.squares, rtol=1e-3)


@pytest.mark.parametrize("architecture", ["mamba", "lfm2"])
def test_other_architectures_have_a_column_for_each_input(
    tmp_path: Path, architecture: str
) -> None:
    model = write_tiny_model(tmp_path / "tiny.gguf", architecture=architecture)
    calibrate.collect(model, tmp_path / "i.gguf", TEXT, context=64)
    sums = imatrix_file.read(tmp_path / "i.gguf").sums
    name = "blk.0.ssm_in.weight" if architecture == "mamba" else "blk.1.attn_q.weight"
    assert sums[name].squares.shape == (1, 64)
    assert sums[name].counts.tolist() == [12 * 64]
    assert (sums[name].squares > 0).all()


def test_each_expert_of_a_mixture_counts_by_itself(tmp_path: Path) -> None:
    model = write_mixture(tmp_path / "mixture.gguf")
    calibrate.collect(model, tmp_path / "i.gguf", TEXT, context=64, has_output=True)
    sums = imatrix_file.read(tmp_path / "i.gguf").sums
    gate, down = sums["blk.0.ffn_gate_exps.weight"], sums["blk.0.ffn_down_exps.weight"]
    assert gate.squares.shape == (NUM_EXPERTS, 64)
    assert down.squares.shape == (NUM_EXPERTS, 128)
    assert gate.counts.sum() == down.counts.sum() == 12 * 64 * 2  # two experts for each token
    assert (gate.counts == down.counts).all()
    whole = sums["blk.0.ffn_gate_inp.weight"]  # sees the same, once for each token
    np.testing.assert_allclose(gate.squares.sum(axis=0), 2 * whole.squares[0], rtol=1e-4)


def test_output_is_counted_only_when_asked_for(tmp_path: Path) -> None:
    model = write_mixture(tmp_path / "mixture.gguf")
    calibrate.collect(model, tmp_path / "without.gguf", TEXT, context=64, most_windows=2)
    calibrate.collect(
        model, tmp_path / "with.gguf", TEXT, context=64, most_windows=2, has_output=True
    )
    without = imatrix_file.read(tmp_path / "without.gguf").sums.keys()
    assert imatrix_file.read(tmp_path / "with.gguf").sums.keys() - without == {"output.weight"}


def test_a_cancelled_run_goes_on_where_it_stopped(tiny_model: Path, tmp_path: Path) -> None:
    target, whole = tmp_path / "i.gguf", tmp_path / "whole.gguf"
    calibrate.collect(tiny_model, whole, TEXT, context=64)
    told: list[int] = []
    with pytest.raises(QuantCancelled):
        calibrate.collect(
            tiny_model,
            target,
            TEXT,
            context=64,
            on_progress=lambda done, total: told.append(done),
            is_cancelled=lambda: len(told) == 6,
        )
    assert not target.exists()
    assert imatrix_file.read(tmp_path / "i.gguf.partial").num_chunks == 5
    told.clear()
    calibrate.collect(
        tiny_model, target, TEXT, context=64, on_progress=lambda done, total: told.append(done)
    )
    assert told == list(range(5, 13))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["i.gguf", "whole.gguf"]
    made, wanted = imatrix_file.read(target), imatrix_file.read(whole)
    assert made.num_chunks == wanted.num_chunks == 12
    for name, sums in wanted.sums.items():
        np.testing.assert_allclose(made.sums[name].squares, sums.squares, rtol=1e-5)


def test_it_saves_what_it_has_now_and_then(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "SAVE_SECONDS", 0.0)
    partial, saved = tmp_path / "i.gguf.partial", list[int]()

    def look(done: int, total: int) -> None:
        if partial.exists():
            saved.append(imatrix_file.read(partial).num_chunks)

    calibrate.collect(tiny_model, tmp_path / "i.gguf", TEXT, context=64, on_progress=look)
    assert saved == list(range(11))
    assert not partial.exists()


def test_what_another_run_left_is_not_taken_over(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(QuantCancelled):
        calibrate.collect(
            tiny_model, tmp_path / "i.gguf", TEXT, context=64, is_cancelled=lambda: True
        )
    told: list[int] = []
    calibrate.collect(
        tiny_model,
        tmp_path / "i.gguf",
        TEXT + "!",
        context=64,
        on_progress=lambda done, total: told.append(done),
    )
    assert told[0] == 0


def test_a_damaged_partial_file_is_no_harm(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "i.gguf.partial").write_bytes(b"GGUF\x03\0\0\0nothing else")
    calibrate.collect(tiny_model, tmp_path / "i.gguf", TEXT, context=64, most_windows=1)
    assert imatrix_file.read(tmp_path / "i.gguf").num_chunks == 1


def test_in_a_child_it_is_the_same(tiny_model: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    calibrate.make_imatrix(
        tiny_model,
        tmp_path / "child.gguf",
        TEXT,
        context=64,
        on_progress=lambda *done: told.append(done),
    )
    calibrate.collect(tiny_model, tmp_path / "here.gguf", TEXT, context=64)
    assert (tmp_path / "child.gguf").read_bytes() == (tmp_path / "here.gguf").read_bytes()
    assert told[-1] == (12, 12)


def test_a_model_that_overflows_is_told(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "tiny.gguf")
    data = bytearray(model.read_bytes())
    data[-4096:] = np.full(1024, 1e38, np.float32).tobytes()  # of the last matrix
    data[-70_000:-66_000] = np.full(1000, 1e38, np.float32).tobytes()
    model.write_bytes(data)
    with pytest.raises(QuantError, match="not finite") as caught:
        calibrate.collect(model, tmp_path / "i.gguf", TEXT, context=64)
    assert "bf16" in caught.value.hint
    assert not (tmp_path / "i.gguf").exists()
