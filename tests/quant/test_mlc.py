"""MLC folders: what is asked of mlc_llm, and how to get it. A stand-in plays the program."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from edgellm_quant.checkpoint import read_checkpoint
from edgellm_quant.mlc import device_of, how_to_install, make_mlc, template_of

from edgellm.errors import QuantCancelled, QuantError
from edgellm.hardware.profile import Device, HardwareProfile
from tests.quant.tiny_checkpoint import write_checkpoint

PC = HardwareProfile("linux", "x86_64")
NVIDIA = Device("gpu", "nvidia", "A GPU", "dedicated", apis=("vulkan", "cuda"), driver="570.10")
PROGRAM = """#!{python}
import json, os, pathlib, sys
log = pathlib.Path({log!r})
calls = json.loads(log.read_text()) if log.exists() else []
log.write_text(json.dumps([*calls, sys.argv[1:]]))
verb, out = sys.argv[1], pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
if verb == os.environ.get("STAND_IN"):
    sys.exit("ValueError: this is too odd")
if verb == "convert_weight":
    (out / "tensor-cache.json").write_text("{{}}")
    (out / "params_shard_0.bin").write_text("weights")
elif verb == "gen_config":
    (out / "mlc-chat-config.json").write_text("{{}}")
else:
    assert pathlib.Path(sys.argv[2]).is_file()
    out.write_text("library")
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the program on the PATH notes how it was called."""
    folder, log = tmp_path / "bin", tmp_path / "calls.json"
    folder.mkdir()
    program = folder / "mlc_llm"
    program.write_text(PROGRAM.format(python=sys.executable, log=str(log)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return log


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "tiny", "Qwen3ForCausalLM", "qwen3")


def beside(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.glob(f"{target.name}*"))


def test_weights_config_and_library(log: Path, checkpoint: Path, tmp_path: Path) -> None:
    target, told = tmp_path / "q4", []
    profile = HardwareProfile("linux", "x86_64", devices=(NVIDIA,))
    made = make_mlc(
        checkpoint, target, "q4f16_1", profile=profile, on_progress=lambda *n: told.append(n)
    )
    assert made == target
    assert beside(target) == ["q4"]
    names = {path.name for path in target.iterdir()}
    assert names == {
        "mlc-chat-config.json", "tensor-cache.json", "params_shard_0.bin", "model-cuda.so",
    }  # fmt: skip
    partial, source = str(tmp_path / "q4.partial"), str(checkpoint)
    common = [source, "--quantization", "q4f16_1"]
    config, library = f"{partial}/mlc-chat-config.json", f"{partial}/model-cuda.so"
    assert json.loads(log.read_text()) == [
        ["convert_weight", *common, "-o", partial],
        ["gen_config", *common, "--conv-template", "qwen3", "-o", partial],
        ["compile", config, "--device", "cuda", "-o", library],
    ]
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("verb", ["convert_weight", "gen_config", "compile"])
def test_a_step_that_fails_leaves_nothing(
    verb: str, log: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", verb)
    with pytest.raises(QuantError, match=f"mlc_llm {verb} failed: ValueError: this is too odd"):
        make_mlc(checkpoint, tmp_path / "q4", "q4f16_1", profile=PC)
    assert beside(tmp_path / "q4") == []


def test_cancelled_between_steps(log: Path, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(QuantCancelled):
        make_mlc(checkpoint, tmp_path / "q4", "q4f16_1", profile=PC, is_cancelled=lambda: True)
    assert beside(tmp_path / "q4") == []


def test_where_it_is_not_installed_the_command_is_told(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(QuantError, match="need mlc_llm, which is not installed") as error:
        make_mlc(checkpoint, tmp_path / "q4", "q4f16_1", profile=PC)
    assert "mlc-llm-nightly-cpu mlc-ai-nightly-cpu" in error.value.hint


@pytest.mark.parametrize(
    ("profile", "device", "wheel"),
    [
        (PC, "cpu", "cpu"),
        (HardwareProfile("linux", "x86_64", devices=(NVIDIA,)), "cuda", "cu128"),
        (HardwareProfile("darwin", "aarch64", devices=(
            Device("gpu", "apple", "M4", "unified", apis=("metal",)),)), "metal", "cpu"),
        (HardwareProfile("linux", "x86_64", devices=(
            Device("gpu", "amd", "Big", apis=("vulkan", "rocm")),)), "rocm", "rocm62"),
        (HardwareProfile("linux", "x86_64", devices=(
            Device("gpu", "intel", "Small", apis=("vulkan",)),)), "vulkan", "cpu"),
    ],
)  # fmt: skip
def test_each_device_has_its_wheel(profile: HardwareProfile, device: str, wheel: str) -> None:
    assert device_of(profile) == device
    assert f"mlc-llm-nightly-{wheel} mlc-ai-nightly-{wheel};" in how_to_install(profile)


def test_what_is_not_known_of_wheels_is_said() -> None:
    newer = Device("gpu", "nvidia", "A GPU", apis=("cuda",), driver="581.0")
    assert "-cu130 " in how_to_install(HardwareProfile("linux", "x86_64", devices=(newer,)))
    board = how_to_install(HardwareProfile("linux", "aarch64"))
    assert "Whether there is a wheel for aarch64 is not known" in board


def test_the_conversation_template(tmp_path: Path) -> None:
    def told(model_type: str, template: str | None = None) -> str:
        folder = write_checkpoint(tmp_path / model_type, model_type=model_type)
        if template is not None:
            (folder / "chat_template.jinja").write_text(template)
        return template_of(read_checkpoint(folder))

    assert told("qwen2") == "qwen2"
    assert told("gemma3_text") == "gemma3_instruction"
    assert told("llama") == "chatml"  # as SmolLM2 has it
    assert told("llama", "{{ '<|start_header_id|>' }}") == "llama-3_1"
    assert told("mistral", "[INST] {{ x }} [/INST]") == "mistral_default"
    with pytest.raises(QuantError, match="templates llama has cannot be told"):
        told("llama", "{{ messages }}")
    with pytest.raises(QuantError, match="type 'mamba' for MLC") as error:
        told("mamba")
    assert "qwen3" in error.value.hint
