"""Compared with llama.cpp's own tools, where the environment names their folder:

    EDGELLM_LLAMA_BIN=.../build/bin pytest tests/quant/test_llama_tools.py

`benches/README.md` says how they are built. The batch is the context (`-b`), as ours is: with more
sequences in a batch llama-perplexity's own figures move, for Q8_0 and windows of 128 tokens by 3 %.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from edgellm_quant import calibrate, divergence, imatrix_file
from edgellm_quant.reference import Reference
from edgellm_quant.texts import calibration_text, evaluation_text

from tests.quant.support import Q8_0, llama_tool, quantise, write_mixture
from tests.support.tiny_model import write_tiny_model


def run(tool: str, *arguments: object) -> str:
    done = subprocess.run(
        [llama_tool(tool), *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def figure(output: str, label: str) -> float:
    found = re.search(rf"{re.escape(label)}\s*[:=]\s*([\d.]+)", output)
    assert found, output[-2000:]
    return float(found[1])


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    path = tmp_path / "evaluation.txt"
    path.write_text(evaluation_text())
    return path


@pytest.mark.parametrize("context", [128, 512, 1024])
def test_perplexity_and_divergence(
    pocket: Path, tmp_path: Path, evaluation: Path, context: int
) -> None:
    model, base = quantise(pocket, tmp_path / "q8.gguf", Q8_0), tmp_path / "base"
    chunks = 4096 // context
    usual = ("-f", evaluation, "-c", context, "-b", context, "-t", 1, "--chunks", chunks)
    theirs = run("llama-perplexity", "-m", pocket, *usual, "--kl-divergence-base", base)
    compared = run(
        "llama-perplexity", "-m", model, *usual, "--kl-divergence", "--kl-divergence-base", base
    )
    reference = Reference.compute(
        pocket, evaluation_text(), tmp_path, context=context, most_windows=chunks
    )
    loss = divergence.measure(model, reference)
    assert reference.perplexity() == pytest.approx(figure(theirs, "Final estimate: PPL"), rel=1e-3)
    assert loss.perplexity == pytest.approx(figure(compared, "Mean PPL(Q)"), rel=1e-3)
    for label, ours in (
        ("Mean    KLD", loss.kld_mean),
        ("90.0%   KLD", loss.kld_p90),
        ("99.0%   KLD", loss.kld_p99),
        ("Maximum KLD", loss.kld_max),
        ("Same top p", 100 * loss.top1),
    ):
        assert ours == pytest.approx(figure(compared, label), rel=1e-2), label


@pytest.mark.parametrize("kind", ["llama", "gemma3", "mamba", "lfm2", "mixture"])
def test_importance_matrix(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.gguf"
    model = write_mixture(path) if kind == "mixture" else write_tiny_model(path, architecture=kind)
    text = tmp_path / "calibration.txt"
    text.write_text(calibration_text())
    theirs, ours = tmp_path / "theirs.gguf", tmp_path / "ours.gguf"
    usual = ("-c", 128, "-b", 128, "-t", 1, "--chunks", 20, "--no-ppl", "--process-output")
    run("llama-imatrix", "-m", model, "-f", text, "-o", theirs, *usual)
    calibrate.collect(
        model, ours, calibration_text(), context=128, most_windows=20, has_output=True
    )
    made, wanted = imatrix_file.read(ours), imatrix_file.read(theirs)
    assert made.sums.keys() == wanted.sums.keys()
    assert (made.num_chunks, made.chunk_tokens) == (20, 128)
    for name, sums in wanted.sums.items():
        np.testing.assert_array_equal(made.sums[name].counts, sums.counts)
        np.testing.assert_allclose(made.sums[name].squares, sums.squares, rtol=1e-3, atol=1e-6)


def test_llama_quantize_takes_our_matrix(pocket: Path, tmp_path: Path) -> None:
    matrix = calibrate.collect(pocket, tmp_path / "i.gguf", calibration_text(), most_windows=2)
    output = run(
        "llama-quantize", "--imatrix", matrix, pocket, tmp_path / "q2.gguf", "IQ2_XS", 1
    )  # a type that cannot be made without one
    assert (tmp_path / "q2.gguf").stat().st_size > 1 << 20
    assert "49 importance matrix entries" in output
