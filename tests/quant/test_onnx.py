"""ONNX folders: what is asked of ORT-GenAI's builder, and what becomes of its failures.

A stand-in for the builder is enough for that. With the real one (the extra `quant-onnx` here, or in
the interpreter that ORT_TEST_PYTHON names) a tiny model is made and generates.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from edgellm_quant import onnx
from edgellm_quant.checkpoint import read_checkpoint
from edgellm_quant.onnx import (
    Builder,
    ask_builder,
    check_builder,
    disk_bytes,
    make_onnx,
    memory_bytes,
)

from edgellm.errors import DiskFull, ModelFileError, QuantCancelled, QuantError
from edgellm.hardware.profile import Memory
from tests.quant.tiny_checkpoint import write_checkpoint

# Writes what the real one writes, says what it says, and remembers how it was called.
BUILDER = """
import argparse, json, os, pathlib, sys, time
config = type("Config", (), {"architectures": ["LlamaForCausalLM"]})
if config.architectures[0] == "LlamaForCausalLM":
    pass
elif config.architectures[0] == "Qwen3ForCausalLM":
    pass
if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in "iopec":
        parser.add_argument("-" + name)
    parser.add_argument("--extra_options", nargs="*")
    args = parser.parse_args()
    out = pathlib.Path(args.o)
    out.mkdir(exist_ok=True)
    pathlib.Path(args.c).mkdir()
    pathlib.Path(args.c, "tensor.bin").write_bytes(b"x")
    print("Reading embedding layer")
    for layer in range(2):
        print(f"Reading layer {layer}")
    print("Reading final norm")
    print("Reading LM head")
    mode = os.environ.get("STAND_IN", "")
    (out / "model.onnx").write_text("graph")
    if mode == "dies":
        raise RuntimeError("the builder broke")
    if mode == "hangs":
        time.sleep(600)
    for layer in range(2):
        sys.stderr.write(f"INFO - start to quantize /model/layers.{layer}/attn ...\\n")
        sys.stderr.write(f"INFO - start to quantize /model/layers.{layer}/mlp ...\\n")
    if mode != "forgets":
        called = {"args": vars(args), "env": dict(os.environ)}
        (out / "genai_config.json").write_text(json.dumps(called))
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packages of the names that the extra has."""
    site = tmp_path / "site"
    for name in ("onnxruntime_genai/models", "onnx", "onnx_ir", "torch", "transformers"):
        (site / name).mkdir(parents=True)
        (site / name / "__init__.py").write_text("")
    (site / "onnxruntime_genai" / "__init__.py").write_text("raise SystemExit('imported')")
    (site / "onnxruntime_genai" / "models" / "builder.py").write_text(BUILDER)
    info = site / "onnxruntime_genai-9.8.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-genai\nVersion: 9.8\n")
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    return site


@pytest.fixture
def runnable(stand_in: Path) -> Path:
    (stand_in / "onnxruntime_genai" / "__init__.py").write_text("")
    return stand_in


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "tiny")


def beside(target: Path) -> list[str]:
    """What was left next to a target."""
    return sorted(path.name for path in target.parent.glob(f"{target.name}*"))


def test_the_builder_is_asked_without_being_loaded(stand_in: Path) -> None:
    found = ask_builder()
    assert found == Builder((), ("LlamaForCausalLM", "Qwen3ForCausalLM"), "9.8")


def test_a_folder_is_made(runnable: Path, checkpoint: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    target = tmp_path / "out" / "tiny-int4"
    made = make_onnx(checkpoint, target, "int4", on_progress=lambda *step: told.append(step))
    assert made == target
    assert beside(target) == ["tiny-int4"]
    called = json.loads((target / "genai_config.json").read_text())
    arguments = called["args"]
    assert (arguments["i"], arguments["p"], arguments["e"]) == (str(checkpoint), "int4", "cpu")
    assert arguments["extra_options"] == ["hf_remote=false", "hf_token=false"]
    for name in ("ORT_DISABLE_TELEMETRY", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        assert called["env"][name] == "1"
    assert told == [(done, 9) for done in range(1, 8)] + [(9, 9)]


def test_fp16_is_for_gpus(runnable: Path, checkpoint: Path, tmp_path: Path) -> None:
    target = make_onnx(checkpoint, tmp_path / "fp16", "fp16")
    called = json.loads((target / "genai_config.json").read_text())
    assert (called["args"]["p"], called["args"]["e"]) == ("fp16", "cuda")


def test_an_older_folder_is_replaced_by_a_whole_one_only(
    runnable: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "int4"
    target.mkdir()
    (target / "old").write_text("")
    monkeypatch.setenv("STAND_IN", "dies")
    with pytest.raises(QuantError, match="builder failed: RuntimeError: the builder broke"):
        make_onnx(checkpoint, target, "int4")
    assert beside(target) == ["int4"]
    assert (target / "old").exists()
    monkeypatch.setenv("STAND_IN", "forgets")
    with pytest.raises(QuantError, match=r"made no genai_config\.json"):
        make_onnx(checkpoint, target, "int4")
    assert (target / "old").exists()
    monkeypatch.delenv("STAND_IN")
    make_onnx(checkpoint, target, "int4")
    assert beside(target) == ["int4"]
    assert not (target / "old").exists()


def test_cancelled_nothing_is_left(
    runnable: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "hangs")
    target = tmp_path / "int4"
    told: list[int] = []
    with pytest.raises(QuantCancelled):
        make_onnx(
            checkpoint,
            target,
            "int4",
            on_progress=lambda done, _: told.append(done),
            is_cancelled=lambda: len(told) >= 5,
        )
    assert beside(target) == []


def test_what_a_killed_run_left_goes(runnable: Path, checkpoint: Path, tmp_path: Path) -> None:
    stale = tmp_path / "int4.partial"
    stale.mkdir()
    (stale / "half").write_text("")
    target = make_onnx(checkpoint, tmp_path / "int4", "int4")
    assert beside(target) == ["int4"]
    assert not (target / "half").exists()


def test_an_architecture_that_the_builder_has_not_is_named(stand_in: Path, tmp_path: Path) -> None:
    odd = write_checkpoint(tmp_path / "odd", "MambaForCausalLM", "mamba")
    with pytest.raises(QuantError, match=r"9\.8 cannot convert MambaForCausalLM") as error:
        make_onnx(odd, tmp_path / "int4", "int4")
    assert "Llama, Qwen3" in error.value.hint


def test_a_missing_extra_is_named_with_its_command(checkpoint: Path) -> None:
    with pytest.raises(QuantError, match="need onnx_ir, torch, which are not installed") as error:
        check_builder(Builder(("onnx_ir", "torch")), read_checkpoint(checkpoint))
    assert "pip install 'edgellm[quant-onnx]'" in error.value.hint


def test_no_checkpoint_no_onnx(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no config\.json"):
        make_onnx(tmp_path / "nothing", tmp_path / "int4", "int4")
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(ModelFileError, match="safetensors"):
        make_onnx(checkpoint, tmp_path / "int4", "int4")


def test_too_little_room_or_memory_is_found_before(
    runnable: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx.memory, "probe", lambda _host: Memory(available_bytes=10**6))
    with pytest.raises(QuantError, match="GiB of memory") as error:
        make_onnx(checkpoint, tmp_path / "int4", "int4")
    assert "larger machine" in error.value.hint
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=1000))
    with pytest.raises(DiskFull, match="int4 takes up to"):
        make_onnx(checkpoint, tmp_path / "int4", "int4")
    assert beside(tmp_path / "int4") == []


def test_what_it_takes_was_measured(checkpoint: Path) -> None:
    """A Llama of 317 million parameters in bfloat16 took 2.71, 2.90 and 1.22 GB, and its folders
    had 310, 452 and 635 MB."""
    from msgspec.structs import replace

    tiny = read_checkpoint(checkpoint)
    llama = replace(tiny, params=317_228_032, weight_bytes=634_456_064, vocab=32000, hidden=1024)
    peaks = {"int4": 2.771e9, "int8": 2.968e9, "fp16": 1.249e9}
    sizes = {"int4": 309_632_810, "int8": 451_845_946, "fp16": 634_823_876}
    for precision in ("int4", "int8", "fp16"):
        assert peaks[precision] <= memory_bytes(llama, precision) <= 1.2 * peaks[precision]
        assert sizes[precision] <= disk_bytes(llama, precision) <= 1.8 * sizes[precision]


GENERATE = """
import os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime_genai as og
model = og.Model(sys.argv[1])
params = og.GeneratorParams(model)
params.set_search_options(max_length=24, min_length=24, do_sample=False)
generator = og.Generator(model, params)
generator.append_tokens(og.Tokenizer(model).encode("hello"))
while not generator.is_done():
    generator.generate_next_token()
print("tokens", *generator.get_sequence(0))
"""


def test_the_real_builder_makes_what_generates(checkpoint: Path, tmp_path: Path) -> None:
    python = os.environ.get("ORT_TEST_PYTHON", sys.executable)
    if ask_builder(python).missing:
        pytest.skip("the extra quant-onnx is not installed")
    told: list[tuple[int, int]] = []
    target = make_onnx(
        checkpoint,
        tmp_path / "int4",
        "int4",
        python=python,
        on_progress=lambda *step: told.append(step),
    )
    assert told[-1] == (9, 9)
    assert len(told) >= 8
    done = subprocess.run(
        (python, "-c", GENERATE, str(target)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    words = done.stdout.split("tokens ")[-1].split()
    assert len(words) == 24
