"""What cannot be converted ends in an error that says why, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgellm_quant.convert import convert, natural_dtype, supported
from edgellm_quant.convert.outputs import straight
from edgellm_quant.convert.stored import read_stored

from edgellm.errors import DiskFull, EdgellmError, QuantCancelled, QuantError
from tests.quant.convert.checkpoints import write_checkpoint
from tests.quant.convert.tensors import Tensors, write_safetensors


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    return write_checkpoint("llama2", tmp_path)


@pytest.fixture
def qwen(tmp_path: Path) -> Path:
    return write_checkpoint("qwen2", tmp_path)


def refused(folder: Path, **options: Any) -> QuantError:
    target = folder.parent / "out" / "model.gguf"
    with pytest.raises(QuantError) as caught:
        convert(folder, target, **options)
    assert not target.parent.exists() or not list(target.parent.iterdir())
    return caught.value


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_an_unknown_architecture_is_named_with_what_is_known(qwen: Path) -> None:
    change(qwen / "config.json", architectures=["RwkvForCausalLM"])
    error = refused(qwen)
    assert "RwkvForCausalLM" in error.message
    assert all(name in error.hint for name in supported())
    assert "convert_hf_to_gguf.py" in error.hint


@pytest.mark.parametrize("how", ["fp8", "gptq", "awq", "bitsandbytes"])
def test_quantised_weights_are_named(qwen: Path, how: str) -> None:
    change(qwen / "config.json", quantization_config={"quant_method": how})
    assert how in refused(qwen).message


def test_tensors_of_another_type_are_named(qwen: Path) -> None:
    path = qwen / "model.safetensors"
    tensors = {"model.norm.weight": ("F8_E4M3", np.zeros(64, np.uint8))}
    write_safetensors(path, tensors)
    error = refused(qwen)
    assert "model.norm.weight" in error.message
    assert "F8_E4M3" in error.message


def test_a_pickle_is_not_opened(qwen: Path) -> None:
    (qwen / "model.safetensors").rename(qwen / "pytorch_model.bin")
    assert "can run any code" in refused(qwen).message


def test_an_adapter_is_no_model(qwen: Path) -> None:
    (qwen / "model.safetensors").rename(qwen / "adapter_model.safetensors")
    assert "LoRA" in refused(qwen).message


def test_a_missing_shard_is_named(llama: Path) -> None:
    (llama / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors" in refused(llama).message


def test_a_missing_shard_is_noticed_without_an_index(llama: Path) -> None:
    (llama / "model-00002-of-00002.safetensors").unlink()
    (llama / "model.safetensors.index.json").unlink()
    assert "1 of 2 files" in refused(llama).message


def test_a_tensor_that_only_the_index_has_is_named(llama: Path) -> None:
    path = llama / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"]["model.extra.weight"] = "model-00001-of-00002.safetensors"
    path.write_text(json.dumps(index))
    assert "model.extra.weight" in refused(llama).message


def test_an_index_cannot_lead_out_of_its_folder(llama: Path) -> None:
    change(llama / "model.safetensors.index.json", weight_map={"a": "../../secret.safetensors"})
    assert "not in its folder" in refused(llama).message


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.999])
def test_a_cut_off_file_is_noticed_before_anything_is_written(qwen: Path, keep: float) -> None:
    path = qwen / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(keep if keep > 1 else len(data) * keep)])
    assert "model.safetensors" in refused(qwen).message


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b"[1, 2]",
        b"[" * 20_000,
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}',
        b'{"a": {"dtype": "F32", "shape": [9999999999999], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": 1, "shape": [1], "data_offsets": [0, 4]}}',
        b'{"a": {}}',
    ],
)
def test_a_header_that_lies_is_an_error(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(QuantError):
        read_stored(path)


def test_a_header_longer_than_the_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\xff" * 16)
    with pytest.raises(QuantError, match="no whole safetensors file"):
        read_stored(path)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"hidden_size": 128}, "embedding"),
        ({"vocab_size": 400}, "embedding"),
        ({"vocab_size": 270}, "token"),
        ({"num_hidden_layers": 3}, "block 2"),
        ({"num_hidden_layers": 1}, "model.layers.1"),
        ({"num_hidden_layers": "two"}, "num_hidden_layers"),
        ({"num_attention_heads": None}, "num_attention_heads"),
        ({"architectures": []}, "no architecture"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "dynamic"),
        ({"rope_scaling": {"type": "linear"}}, "factor"),
        ({"use_sliding_window": True}, "sliding window"),
    ],
)
def test_a_config_of_another_model_is_noticed(
    qwen: Path, changes: dict[str, Any], part: str
) -> None:
    change(qwen / "config.json", **changes)
    assert part in refused(qwen).message


def test_heads_that_do_not_fit_are_noticed(llama: Path) -> None:
    change(llama / "config.json", num_attention_heads=5)
    assert "5 heads" in refused(llama).message


def test_a_lost_norm_is_noticed(tmp_path: Path) -> None:
    folder = write_checkpoint("qwen3", tmp_path)
    stored = read_stored(folder / "model.safetensors")
    del stored["model.norm.weight"]
    kept = {name: ("F32", tensor.whole()) for name, tensor in stored.items()}
    write_safetensors(folder / "model.safetensors", kept)
    assert "last norm" in refused(folder).message


def test_a_lost_expert_is_noticed(tmp_path: Path) -> None:
    folder = write_checkpoint("qwen3-moe", tmp_path)
    change(folder / "config.json", num_experts=5)
    assert "4 of 5 experts" in refused(folder).message


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def tekken_alone(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "tekken.json")


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (no_config, "no config.json"),
        (broken_config, "config.json is not what it should be"),
        (no_tokenizer, "neither tokenizer.json nor tokenizer.model"),
        (tekken_alone, "tekken.json"),
    ],
)
def test_a_missing_or_broken_small_file_is_named(
    qwen: Path, spoil: Callable[[Path], None], part: str
) -> None:
    spoil(qwen)
    assert part in refused(qwen).message


def test_an_unknown_cut_of_words_is_shown(qwen: Path) -> None:
    path = qwen / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\w+"
    path.write_text(json.dumps(tokenizer))
    assert r"Split \w+ then ByteLevel" in refused(qwen).message


def test_a_normalizer_that_llama_cpp_lacks_is_named(qwen: Path) -> None:
    change(qwen / "tokenizer.json", normalizer={"type": "Lowercase"})
    assert "Lowercase" in refused(qwen).message


def test_another_kind_of_tokenizer_is_named(qwen: Path) -> None:
    change(qwen / "tokenizer.json", model={"type": "WordPiece", "vocab": {}})
    assert "WordPiece" in refused(qwen).message


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, b"\x0a\xff\xff\x03abc", b"\x0a\x02\x18\x63"])
def test_a_broken_sentencepiece_model_is_named(llama: Path, data: bytes) -> None:
    (llama / "tokenizer.model").write_bytes(data)
    assert "tokenizer.model" in refused(llama).message


def test_granite_with_state_space_layers_is_refused(tmp_path: Path) -> None:
    folder = write_checkpoint("granite4", tmp_path)
    change(folder / "config.json", layer_types=["mamba", "attention"])
    assert "Mamba" in refused(folder).message


def test_smollm3_with_other_layers_without_positions_is_refused(tmp_path: Path) -> None:
    folder = write_checkpoint("smollm3", tmp_path)
    change(folder / "config.json", no_rope_layers=[1, 0, 1, 0])
    assert "every fourth" in refused(folder).message


@pytest.mark.parametrize(("value", "part"), [(np.nan, "no numbers"), (70000.0, "65504")])
def test_values_that_f16_cannot_hold_are_an_error(tmp_path: Path, value: float, part: str) -> None:
    folder = write_checkpoint("qwen3", tmp_path)
    stored = read_stored(folder / "model.safetensors")
    values = {name: tensor.whole() for name, tensor in stored.items()}
    values["model.layers.1.mlp.up_proj.weight"][3, 5] = value
    kept = {name: ("F32", each) for name, each in values.items()}
    write_safetensors(folder / "model.safetensors", kept)
    error = refused(folder)
    assert part in error.message
    assert "blk.1.ffn_up.weight" in error.message
    if part == "65504":
        assert "bf16" in error.hint
        assert convert(folder, tmp_path / "model.gguf", dtype="bf16").is_file()


def test_a_cancelled_conversion_leaves_nothing(llama: Path) -> None:
    done: list[int] = []
    error = refused(
        llama,
        on_progress=lambda now, _total: done.append(now),
        is_cancelled=lambda: len(done) == 5,
    )
    assert isinstance(error, QuantCancelled)
    assert len(done) == 5


def test_progress_ends_at_all_bytes(llama: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    convert(llama, tmp_path / "m.gguf", on_progress=lambda *now: told.append(now))
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_an_older_result_stays_until_the_new_one_is_whole(llama: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.gguf"
    target.write_bytes(b"old")
    with pytest.raises(QuantCancelled):
        convert(llama, target, is_cancelled=lambda: True)
    assert target.read_bytes() == b"old"
    assert convert(llama, target).stat().st_size > 1000


def test_too_little_room_is_said_before_the_work(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(DiskFull, match="left"):
        convert(llama, tmp_path / "out" / "model.gguf")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_cannot_grow_leaves_nothing(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10**15}))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(DiskFull):
            convert(llama, tmp_path / "out" / "model.gguf")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_natural_type_loses_nothing(tmp_path: Path) -> None:
    assert natural_dtype(write_checkpoint("llama2", tmp_path)) == "f16"
    assert natural_dtype(write_checkpoint("llama3", tmp_path)) == "bf16"
    assert natural_dtype(write_checkpoint("qwen3", tmp_path)) == "f32"


def test_a_broken_head_of_the_readme_costs_only_what_it_says(qwen: Path, tmp_path: Path) -> None:
    (qwen / "README.md").write_text("---\nlicense: [apache\n---\n")
    assert convert(qwen, tmp_path / "model.gguf").is_file()


@pytest.mark.parametrize("name", ["llama2", "qwen3-moe", "phi4-mini"])
@pytest.mark.parametrize("junk", [None, "text", -1, {"a": [1]}])
def test_junk_in_any_field_is_converted_or_refused(name: str, junk: object, tmp_path: Path) -> None:
    folder = write_checkpoint(name, tmp_path)
    for file in (
        "config.json",
        "tokenizer_config.json",
        "tokenizer.json",
        "generation_config.json",
    ):
        path = folder / file
        whole = json.loads(path.read_text()) if path.exists() else {"top_k": 1, "temperature": 1.0}
        for key in whole:
            path.write_text(json.dumps({**whole, key: junk}))
            with contextlib.suppress(EdgellmError):
                convert(folder, tmp_path / "model.gguf")
        path.write_text(json.dumps(whole))
    assert convert(folder, tmp_path / "model.gguf").is_file()


def test_a_killed_conversion_leaves_no_result_and_does_not_hinder_the_next(
    llama: Path, tmp_path: Path
) -> None:
    target = tmp_path / "model.gguf"
    code = (
        "import os, sys; from pathlib import Path; from edgellm_quant.convert import convert;"
        "convert(Path(sys.argv[1]), Path(sys.argv[2]),"
        " on_progress=lambda done, all: os.kill(os.getpid(), 9) if done > all // 2 else None)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(llama), str(target)])
    assert killed.returncode == -9
    assert not target.exists()
    whole = convert(llama, target).read_bytes()
    assert whole == convert(llama, tmp_path / "other.gguf").read_bytes()
    assert [path.name for path in tmp_path.glob("model.gguf*")] == ["model.gguf"]


def test_memory_stays_at_some_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgellm_quant.convert.stored.CHUNK_BYTES", 1 << 16)
    tensors = Tensors("BF16")
    tensors.add("a", 50_000, 64)
    write_safetensors(tmp_path / "a.safetensors", tensors.made)
    stored = read_stored(tmp_path / "a.safetensors")["a"]
    tracemalloc.start()
    num_bytes = sum(data.nbytes for data in straight("a.weight", stored).data("F16"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert num_bytes == 50_000 * 64 * 2
    assert peak < 12 * (1 << 16)


def test_large_tensors_come_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgellm_quant.convert.stored.CHUNK_BYTES", 1000)
    tensors = Tensors("BF16")
    tensors.add("a", 100, 64)
    write_safetensors(tmp_path / "a.safetensors", tensors.made)
    stored = read_stored(tmp_path / "a.safetensors")["a"]
    pieces = list(stored.pieces())
    assert max(piece.nbytes for piece in pieces) <= 2 * 1000
    assert (np.concatenate(pieces) == stored.whole()).all()
    assert (np.concatenate(list(stored.pieces(3, 50))) == stored.whole()[3:50]).all()
