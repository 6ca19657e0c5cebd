"""MLC folders, through MLC's own `mlc_llm` where it is installed: weights, config and library.

Its wheels are not on Python's usual index and need an environment of their own, so it is a program
to us: whatever `mlc_llm` the PATH has. Where there is none, the error has the command that installs
the one for this device. Not known: what the result loses.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from msgspec import Struct

from edgellm.errors import QuantError
from edgellm.hardware.profile import HardwareProfile
from edgellm_quant.checkpoint import Checkpoint, chat_template, read_checkpoint
from edgellm_quant.folder import appearing, check_disk
from edgellm_quant.tool_process import run_tool

Quantisation: TypeAlias = Literal[
    "q0f16", "q0f32", "q3f16_1", "q4f16_0", "q4f16_1", "q4f16_2", "q4f32_1", "q4bf16_1"
]
Device: TypeAlias = Literal["cuda", "rocm", "metal", "vulkan", "opencl", "cpu"]

QUANTISATIONS: tuple[Quantisation, ...] = get_args(Quantisation)
_ORDER: tuple[Device, ...] = ("cuda", "rocm", "metal", "vulkan", "opencl", "cpu")  # MLC's own
_WHEELS = "https://mlc.ai/wheels"
_CONFIG, _WEIGHTS = "mlc-chat-config.json", ("tensor-cache.json", "ndarray-cache.json")
_SUFFIXES = {"darwin": ".dylib"}
_CACHE_BITS = {"q0f16": 16.5, "q0f32": 33, "q3f16_1": 4.5}  # of a weight, at most; 5.5 the others
# MLC does not read Jinja: its conversation template is told by a marker in the model's own one,
_MARKED = (("<|start_header_id|>", "llama-3_1"), ("<|im_start|>", "chatml"))
# or, before that, by transformers' model type. Those without a name go by their marker.
_TEMPLATES = {
    "llama": "",
    "mistral": "",
    "olmo2": "olmo2",
    "ministral3": "ministral3",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "qwen3_5": "qwen3_5",
    "phi3": "phi-3",
    "gemma": "gemma_instruction",
    "gemma2": "gemma_instruction",
    "gemma3": "gemma3_instruction",
    "gemma3_text": "gemma3_instruction",
}


class Step(Struct, frozen=True):
    """One call of the program."""

    name: str  # as errors call it
    arguments: tuple[str, ...]


def make_mlc(
    checkpoint: Path,
    target: Path,
    quantisation: Quantisation,
    *,
    profile: HardwareProfile,
    template: str = "",
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    command: Sequence[str] = (),
) -> Path:
    """Make the folder `target` of a Hugging Face folder, for the best device of this system.

    Args:
        profile: this system.
        template: MLC's name of the conversation template; empty = by the type of the model.
        on_progress: steps done, and in all.
        command: the program; empty = `mlc_llm` on the PATH.

    Raises:
        ModelFileError: the source is no such folder.
        QuantError: the program is missing or failed, or cannot convert this model.
        DiskFull, QuantCancelled: nothing is left behind.
    """
    source = read_checkpoint(checkpoint)
    program = tuple(command) or find_program(profile)
    name = template or template_of(source)
    check_disk(target, disk_bytes(source, quantisation))
    with appearing(target) as partial:
        plan = steps(source, partial, quantisation, name, device_of(profile), profile.os or "linux")
        for number, step in enumerate(plan):
            on_progress(number, len(plan))
            run_tool((*program, *step.arguments), step.name, is_cancelled=is_cancelled)
        _check_whole(partial)
    on_progress(len(plan), len(plan))
    return target


def steps(
    source: Checkpoint,
    target: Path,
    quantisation: Quantisation,
    template: str,
    device: Device,
    system: str,
) -> tuple[Step, ...]:
    """What is called, in this order."""
    library = target / f"model-{device}{_SUFFIXES.get(system, '.so')}"
    common = ("--quantization", quantisation)
    folder, out = str(source.folder), ("-o", str(target))
    return (
        Step("mlc_llm convert_weight", ("convert_weight", folder, *common, *out)),
        Step(
            "mlc_llm gen_config",
            ("gen_config", folder, *common, "--conv-template", template, *out),
        ),
        Step(
            "mlc_llm compile",
            ("compile", str(target / _CONFIG), "--device", device, "-o", str(library)),
        ),
    )


def find_program(profile: HardwareProfile) -> tuple[str, ...]:
    """`mlc_llm` on the PATH. Raises QuantError with how to get it."""
    found = shutil.which("mlc_llm")
    if found is None:
        raise QuantError("MLC files need mlc_llm, which is not installed.", how_to_install(profile))
    return (found,)


def how_to_install(profile: HardwareProfile) -> str:
    """The command for this system, as MLC's documentation has it."""
    kind = _wheel(profile)
    command = (
        f"python -m pip install --pre -U -f {_WHEELS} mlc-llm-nightly-{kind} mlc-ai-nightly-{kind}"
    )
    text = f"In a Python environment of its own: {command}; then put its bin on the PATH."
    if profile.os == "linux" and profile.arch != "x86_64":
        text += (
            f" Whether there is a wheel for {profile.arch} is not known: if pip finds none, MLC has"
            " to be built from source (CMake, Rust), or the folder made on an x86-64 machine."
        )
    return text


def device_of(profile: HardwareProfile) -> Device:
    """What the library is compiled for: the first of MLC's own order that is here."""
    there = {api for device in profile.devices if device.can_run_llms for api in device.apis}
    return next((each for each in _ORDER if each in there), "cpu")


def template_of(source: Checkpoint) -> str:
    """MLC's conversation template.

    Raises:
        QuantError: it is not known which one, or whether MLC knows this type of model at all.
    """
    if source.model_type not in _TEMPLATES:
        raise QuantError(
            f"No way is known to convert models of the type '{source.model_type}' for MLC.",
            f"There is one for {', '.join(sorted(_TEMPLATES))}. A GGUF file may do: --to Q4_K_M.",
        )
    text = chat_template(source.folder)
    marked = next((name for marker, name in _MARKED if marker in text), "")
    found = _TEMPLATES[source.model_type] or marked or _by_brackets(text)
    if not found:
        raise QuantError(
            f"Which of MLC's conversation templates {source.folder.name} has cannot be told by its "
            "own one.",
            "Convert it by hand: mlc_llm gen_config --help lists the templates.",
        )
    return found


def _by_brackets(text: str) -> str:
    return "mistral_default" if "[INST]" in text else ""


def disk_bytes(source: Checkpoint, quantisation: Quantisation) -> int:
    """That the result takes at most, without its library."""
    return int(source.params * _CACHE_BITS.get(quantisation, 5.5) / 8) + 64 * 1024 * 1024


def _wheel(profile: HardwareProfile) -> str:
    """CUDA 13 needs NVIDIA's driver 580 or later."""
    device = device_of(profile)
    if device == "rocm":
        return "rocm62"
    if device != "cuda":
        return "cpu"  # with Vulkan, on a Mac with Metal
    drivers = [each.driver or "" for each in profile.devices if "cuda" in each.apis]
    major = drivers[0].partition(".")[0]
    return "cu130" if major.isdecimal() and int(major) >= 580 else "cu128"


def _check_whole(folder: Path) -> None:
    """Raises QuantError. A program that was content may still have left something out."""
    has_weights = any((folder / name).is_file() for name in _WEIGHTS)
    has_library = any(folder.glob("model-*"))
    if not (folder / _CONFIG).is_file() or not has_weights or not has_library:
        raise QuantError(f"mlc_llm ended well, and left {folder.name} without all of its parts.")
