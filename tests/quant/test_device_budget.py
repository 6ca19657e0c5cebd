"""The size for a device: what the planner would load, and hardly a byte less."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgellm_quant import device_budget
from edgellm_quant.device_budget import largest_fitting
from edgellm_quant.mix import quantisable
from edgellm_quant.size import Target, file_bytes

from edgellm.catalog.card import Catalog
from edgellm.errors import QuantError
from edgellm.hardware.profile import Bandwidth, HardwareProfile, Memory
from edgellm.planner.footprint import estimator
from edgellm.planner.goal import NoFit, Situation
from edgellm.planner.memory import Environment
from edgellm.planner.runtime import Runtime
from edgellm.store.gguf_header import read_header

MIB = 1024 * 1024


def situation(available_bytes: int) -> Situation:
    """A device without GPUs, with so much memory free."""
    profile = HardwareProfile(
        memory=Memory(1024 * MIB, available_bytes),
        bandwidth=Bandwidth(20e9, "measured"),
        os="linux",
    )
    runtimes = (Runtime("llama_cpp"),)
    return Situation(profile, Catalog(()), runtimes, estimator(Environment()), is_here=False)


def test_more_memory_allows_more_up_to_the_whole_file(pocket: Path) -> None:
    header, tensors = read_header(pocket), quantisable(pocket)
    sizes = [
        largest_fitting(header, tensors, 2048, situation(mib * MIB))
        for mib in (452, 455, 458, 462, 1024)
    ]
    assert sizes == sorted(sizes)
    assert 0 <= sizes[-1] - pocket.stat().st_size < 128  # llama.cpp writes a line more into it


def test_the_next_larger_one_would_not_be_loaded(pocket: Path) -> None:
    header, tensors = read_header(pocket), quantisable(pocket)
    here = situation(455 * MIB)
    found = largest_fitting(header, tensors, 2048, here)
    last = len(device_budget._LEVELS) * len(tensors)
    files = [
        device_budget._retyped(header, device_budget._types(tensors, number))
        for number in range(last + 1)
    ]
    fit = [not isinstance(device_budget._plan(file, 2048, here), NoFit) for file in files]
    assert 0 < sum(fit) < len(fit)
    assert fit == sorted(fit, reverse=True)
    largest = files[sum(fit) - 1]
    assert found == file_bytes(header, [Target(t.name, t.shape, t.type) for t in largest.tensors])
    assert sum(fit) % len(tensors)  # within a level, not only at its end


def test_a_longer_context_leaves_less(pocket: Path) -> None:
    header, tensors = read_header(pocket), quantisable(pocket)
    here = situation(452 * MIB)
    short, long = (largest_fitting(header, tensors, context, here) for context in (256, 2048))
    assert long < short


def test_what_fits_nowhere_says_why(pocket: Path) -> None:
    with pytest.raises(QuantError, match=r"GiB of memory; 0\.\d+ GiB can be used") as caught:
        largest_fitting(read_header(pocket), quantisable(pocket), 2048, situation(300 * MIB))
    assert "smaller" in caught.value.hint
