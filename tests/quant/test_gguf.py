"""Quantising: the same bytes as llama-quantize, or nothing."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from edgellm_quant import gguf as module
from edgellm_quant.digest import Sealed, is_intact, move, seal
from edgellm_quant.file_types import file_types
from edgellm_quant.forecast import forecast
from edgellm_quant.gguf import quantise
from edgellm_quant.spec import Override, Recipe

from edgellm.errors import DiskFull, ModelFileError, QuantCancelled, QuantError
from edgellm.store.gguf_header import read_header
from tests.quant.conftest import split, write_imatrix
from tests.quant.golden import golden, has_fma, tensor_digest

FIRST = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M")
PROGRAM = os.environ.get("EDGELLM_LLAMA_QUANTIZE", "")  # llama.cpp's own, to compare with
FFN_DOWN = (Override("ffn_down", "Q8_0"),)
REST = sorted(set(golden()) - set(FIRST))


@pytest.mark.skipif(not has_fma(), reason="the digests hold for x86-64 with FMA")
@pytest.mark.parametrize(
    "name", [*FIRST, *(pytest.param(name, marks=pytest.mark.slow) for name in REST)]
)
def test_the_tensors_are_those_of_llama_quantize(pocket: Path, tmp_path: Path, name: str) -> None:
    made = quantise(pocket, tmp_path / "made.gguf", Recipe(name))
    assert tensor_digest(made) == golden()[name]
    assert [path.name for path in tmp_path.iterdir()] == ["made.gguf"]


def test_a_type_is_in_the_golden_file_or_refused_with_a_reason(pocket: Path) -> None:
    """A llama.cpp that learns a type makes this fail until its golden digest is there."""
    for name in sorted(set(file_types()) - set(golden())):
        try:
            needs_imatrix = forecast(pocket, Recipe(name)).needs_imatrix
        except QuantError as error:
            assert "invalid output file type" in error.message  # noqa: PT017
        else:
            assert needs_imatrix, name


@pytest.mark.skipif(not PROGRAM, reason="EDGELLM_LLAMA_QUANTIZE names no llama-quantize")
@pytest.mark.parametrize(
    ("flags", "recipe"),
    [
        (["--pure"], Recipe("Q4_K_M", is_pure=True)),
        (["--tensor-type", "ffn_down=q8_0"], Recipe("Q4_K_M", overrides=FFN_DOWN)),
        (["--token-embedding-type", "q8_0"], Recipe("Q4_K_M", embedding_type="Q8_0")),
        (["--output-tensor-type", "q5_0"], Recipe("Q4_K_M", output_type="Q5_0")),
        (["--prune-layers", "1,3"], Recipe("Q8_0", pruned_blocks=(3, 1))),
        (["--imatrix", "@"], Recipe("IQ2_XS")),
        (["--imatrix", "@"], Recipe("IQ1_S")),
        (["--imatrix", "@"], Recipe("Q4_K_M")),
        (["--imatrix", "@", "--prune-layers", "2"], Recipe("Q3_K_M", pruned_blocks=(2,))),
    ],
)
def test_options_do_what_llama_quantize_does(
    pocket: Path, imatrix: Path, tmp_path: Path, flags: list[str], recipe: Recipe
) -> None:
    words = [str(imatrix) if word == "@" else word for word in flags]
    theirs, ours = tmp_path / "theirs.gguf", tmp_path / "ours.gguf"
    command = (PROGRAM, *words, str(pocket), str(theirs), recipe.type)
    subprocess.run(command, check=True, capture_output=True)
    quantise(pocket, ours, recipe, imatrix=imatrix if "@" in flags else None)
    assert tensor_digest(ours) == tensor_digest(theirs)


def test_split_models(pocket: Path, tmp_path: Path) -> None:
    """Each part gets its name when it is whole, the first one last."""
    first = split(pocket, tmp_path)
    made = quantise(first, tmp_path / "made.gguf", Recipe("Q4_K_M", keep_split=True))
    assert made.name == "made-00001-of-00003.gguf"
    header = read_header(made)
    assert header.num_parts == 3
    whole = quantise(pocket, tmp_path / "whole.gguf", Recipe("Q4_K_M"))
    types = {tensor.name: tensor.type for tensor in read_header(whole).tensors}
    assert {tensor.name: tensor.type for tensor in header.tensors} == types
    joined = quantise(first, tmp_path / "joined.gguf", Recipe("Q4_K_M"))
    assert tensor_digest(joined) == tensor_digest(whole)
    assert sorted(path.name for path in tmp_path.iterdir() if "made" in path.name) == [
        f"made-{number:05}-of-00003.gguf" for number in (1, 2, 3)
    ]
    seal_before = seal(made)
    moved = move(made, tmp_path / "final.gguf")
    assert moved.name == "final-00001-of-00003.gguf"
    assert (seal(moved).sha256, seal(moved).size_bytes) == (
        seal_before.sha256,
        seal_before.size_bytes,
    )
    assert is_intact(Sealed(str(moved), seal_before.size_bytes, seal_before.sha256))


def test_the_forecast_is_what_comes(pocket: Path, tmp_path: Path) -> None:
    recipe = Recipe("Q4_K_M", overrides=(Override("ffn_down", "Q8_0"),))
    expected = forecast(pocket, recipe)
    made = quantise(pocket, tmp_path / "made.gguf", recipe)
    header = read_header(made)
    assert {c.name: c.target for c in expected.changes} == {t.name: t.type for t in header.tensors}
    assert 0 <= expected.size_bytes - made.stat().st_size < 100 * 1024
    assert expected.source_bytes == read_header(pocket).tensor_bytes


def test_overrides_and_pruned_blocks(pocket: Path, tmp_path: Path) -> None:
    recipe = Recipe(
        "Q4_K_M",
        overrides=(Override(r"blk\.0\..*ffn_down", "Q8_0"),),
        embedding_type="F16",
        pruned_blocks=(5, 2),
    )
    header = read_header(quantise(pocket, tmp_path / "made.gguf", recipe))
    types = {tensor.name: tensor.type for tensor in header.tensors}
    assert types["token_embd.weight"] == "F16"
    assert types["blk.0.ffn_down.weight"] == "Q8_0"
    assert header.metadata["llama.block_count"] == 5
    assert "blk.4.attn_q.weight" in types
    assert "blk.5.attn_q.weight" not in types


def test_an_importance_matrix_is_used_and_noted(
    pocket: Path, imatrix: Path, tmp_path: Path
) -> None:
    plain = quantise(pocket, tmp_path / "plain.gguf", Recipe("Q4_K_S"))
    weighed = quantise(pocket, tmp_path / "weighed.gguf", Recipe("Q4_K_S"), imatrix=imatrix)
    assert tensor_digest(plain) != tensor_digest(weighed)
    metadata = read_header(weighed).metadata
    assert metadata["quantize.imatrix.file"] == "imatrix.gguf"
    assert metadata["quantize.imatrix.dataset"] == "text.txt"  # whose home it was is not told
    assert metadata["quantize.imatrix.entries_count"] == 49
    assert metadata["quantize.imatrix.chunks_count"] == 3


@pytest.mark.parametrize("name", ["IQ2_XS", "IQ1_M", "IQ3_XXS", "Q2_K_S"])
def test_no_use_without_a_matrix(pocket: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(QuantError, match="of no use without an importance matrix") as caught:
        quantise(pocket, tmp_path / "made.gguf", Recipe(name))
    assert "--calibrate" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_matrix_of_another_model(pocket: Path, tiny_model: Path, tmp_path: Path) -> None:
    foreign = write_imatrix(tmp_path / "imatrix.gguf", tiny_model)
    with pytest.raises(QuantError, match="imatrix size 64 is different from tensor size 256"):
        quantise(pocket, tmp_path / "made.gguf", Recipe("Q4_K_M"), imatrix=foreign)
    assert [path.name for path in tmp_path.iterdir()] == ["imatrix.gguf"]


def test_quantised_once_is_enough(pocket: Path, tmp_path: Path) -> None:
    once = quantise(pocket, tmp_path / "once.gguf", Recipe("Q8_0"))
    with pytest.raises(QuantError, match=r"quantised already \(Q8_0\)"):
        quantise(once, tmp_path / "twice.gguf", Recipe("Q4_K_M"))
    assert not (tmp_path / "twice.gguf").exists()
    notes: list[str] = []
    recipe = Recipe("Q4_K_M", can_requantise=True)
    quantise(once, tmp_path / "twice.gguf", recipe, on_note=notes.append)
    assert notes == ["the source is quantised already (Q8_0): the result is worse than one of F16"]


def test_fallback_types_are_told(tiny_model: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    made = quantise(tiny_model, tmp_path / "m.gguf", Recipe("Q4_K_M"), on_note=notes.append)
    assert any("Q5_0 instead of Q4_K, for rows are no multiple of 256" in note for note in notes)
    types = {tensor.type for tensor in read_header(made).tensors}
    assert types == {"F32", "Q5_0", "Q8_0"}


def test_progress_counts_the_sources_bytes(pocket: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    quantise(
        pocket, tmp_path / "m.gguf", Recipe("Q8_0"), on_progress=lambda *pair: told.append(pair)
    )
    total = read_header(pocket).tensor_bytes
    assert told == sorted(told)
    assert told[0] == (0, total)
    assert told[-1] == (total, total)
    assert len(told) > 60


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe("Q4_K_M", overrides=(Override("nothing", "Q8_0"),)), "matches no tensor"),
        (Recipe("Q4_K_M", overrides=(Override("(", "Q8_0"),)), "no regular expression"),
        (Recipe("F16", overrides=(Override("ffn", "Q8_0"),)), "ignores overrides"),
        (Recipe("Q4_K_M", pruned_blocks=(7,)), "not all in the model"),
        (Recipe("Q4_K_M", pruned_blocks=tuple(range(7))), "At least one block must stay"),
        (Recipe("Q4KM"), "no file type 'Q4KM'"),
        (Recipe("Q4_K_M", output_type="Q4_K_M"), "no tensor type 'Q4_K_M'"),
        (Recipe("NVFP4"), "invalid output file type"),
    ],
)
def test_recipes_that_cannot_be_followed(
    pocket: Path, tmp_path: Path, recipe: Recipe, words: str
) -> None:
    with pytest.raises(QuantError, match=words):
        quantise(pocket, tmp_path / "made.gguf", recipe)
    assert list(tmp_path.iterdir()) == []


def test_bad_sources(pocket: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError):
        quantise(tmp_path / "absent.gguf", tmp_path / "made.gguf", Recipe("Q8_0"))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(pocket.read_bytes()[:5_000_000])
    with pytest.raises(QuantError, match=r"llama\.cpp cannot make Q8_0 of broken\.gguf"):
        quantise(broken, tmp_path / "made.gguf", Recipe("Q8_0"))
    with pytest.raises(QuantError, match="the source itself"):
        quantise(pocket, pocket, Recipe("Q8_0"))
    assert [path.name for path in tmp_path.iterdir()] == ["broken.gguf"]


def test_a_source_that_changes_meanwhile(pocket: Path, tmp_path: Path) -> None:
    source = Path(shutil.copy(pocket, tmp_path / "source.gguf"))

    def touch(done: int, _total: int) -> None:
        if done:
            os.utime(source, ns=(1, 1))

    with pytest.raises(QuantError, match="changed while it was quantised"):
        quantise(source, tmp_path / "made.gguf", Recipe("Q8_0"), on_progress=touch)
    assert [path.name for path in tmp_path.iterdir()] == ["source.gguf"]


def test_cancelling(pocket: Path, tmp_path: Path) -> None:
    done = [0]

    def progress(now: int, _total: int) -> None:
        done[0] = now

    with pytest.raises(QuantCancelled):
        quantise(
            pocket,
            tmp_path / "made.gguf",
            Recipe("IQ3_S"),
            on_progress=progress,
            is_cancelled=lambda: done[0] > 0,
        )
    assert list(tmp_path.iterdir()) == []


def test_an_old_target_stays_until_the_new_one_is_whole(pocket: Path, tmp_path: Path) -> None:
    target = tmp_path / "made.gguf"
    target.write_bytes(b"old")
    seen = set()
    quantise(pocket, target, Recipe("Q8_0"), on_progress=lambda *_: seen.add(target.stat().st_size))
    assert seen == {3}
    assert read_header(target).tensors


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = (mount or "", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder))
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(("umount", str(folder)), check=True)


def test_a_disk_that_is_too_small_is_known_before(pocket: Path, small_disk: Path) -> None:
    with pytest.raises(DiskFull, match=r"needs 7,\d+,\d+ bytes, and .* has 4,"):
        quantise(pocket, small_disk / "made.gguf", Recipe("Q8_0"))
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile(
    pocket: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else took the room after it was looked at."""
    monkeypatch.setattr(module, "check_disk", lambda *_: None)
    with pytest.raises(DiskFull, match="The disk filled up") as caught:
        quantise(pocket, small_disk / "made.gguf", Recipe("Q8_0"))
    assert "Make room" in caught.value.hint
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("missing_bytes", [1, 5_000, 3_000_000])
def test_a_limit_for_files(pocket: Path, tmp_path: Path, missing_bytes: int) -> None:
    """Also where only the last bytes are missing, which llama.cpp itself does not notice."""
    whole = quantise(pocket, tmp_path / "whole.gguf", Recipe("Q8_0")).stat().st_size
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole - missing_bytes, old[1]))
    try:
        with pytest.raises(DiskFull, match="may have more than"):
            quantise(pocket, tmp_path / "made.gguf", Recipe("Q8_0"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert [path.name for path in tmp_path.iterdir()] == ["whole.gguf"]
