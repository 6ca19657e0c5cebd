"""Where a variant could run, and why an accelerator idles."""

from __future__ import annotations

from msgspec.structs import replace

from edgellm.catalog.card import Requires, Variant
from edgellm.hardware.profile import Device, HardwareProfile
from edgellm.planner.runtime import Place, Runtime, find_places, why_unused

GGUF = Variant("llama_cpp", "Q4_K_M", source="hf:o/r")
MLC = Variant("mlc", "q4f16_1", source="hf:o/r")
ORT = Variant("ort_genai", "int4", source="hf:o/r", requires=Requires("cpu"))
GPU = Device("gpu", "nvidia", "G", "dedicated", apis=("vulkan", "cuda"))
HAILO_8 = Device("npu", "hailo", "Hailo-8", apis=("hailo",), can_run_llms=False, note="no memory")
PROFILE = HardwareProfile(devices=(GPU, HAILO_8))
LLAMA = Runtime("llama_cpp", apis=("cpu", "vulkan", "cuda"))


def test_accelerators_come_first() -> None:
    assert find_places(GGUF, PROFILE, (LLAMA,)) == (Place("cuda", GPU), Place("cpu"))
    assert find_places(GGUF, PROFILE, (Runtime("llama_cpp"),)) == (Place("cpu"),)
    assert find_places(ORT, PROFILE, (Runtime("ort_genai"),)) == (Place("cpu"),)
    vulkan = replace(LLAMA, apis=("cpu", "vulkan"))
    places = find_places(GGUF, PROFILE, (vulkan,))
    assert places == (Place("vulkan", GPU), Place("cpu"))


def test_a_variant_for_one_api_runs_nowhere_else() -> None:
    only = replace(GGUF, requires=Requires("cuda"))
    assert find_places(only, PROFILE, (LLAMA,)) == (Place("cuda", GPU),)
    assert find_places(only, HardwareProfile(), (LLAMA,)) == "needs a device with cuda"


def test_obstacles() -> None:
    assert find_places(MLC, PROFILE, ()) == "the runtime mlc is not installed"
    hint = Runtime("mlc", is_installed=False, hint="get it")
    assert find_places(MLC, PROFILE, (hint,)) == "the runtime mlc is not installed (get it)"
    assert "does not serve" in str(find_places(MLC, PROFILE, (Runtime("mlc", is_served=False),)))
    metal = Runtime("mlc", apis=("metal",))
    assert find_places(MLC, PROFILE, (metal,)) == "this build of mlc does not reach the G"
    assert str(find_places(MLC, HardwareProfile(), (metal,))).startswith("needs a device with cuda")


def test_why_a_device_idles() -> None:
    assert why_unused(GPU, (LLAMA,)) == ""
    assert why_unused(HAILO_8, (LLAMA,)) == "no memory"
    assert why_unused(GPU, (Runtime("llama_cpp"),)) == "llama_cpp was built without vulkan or cuda"
    npu = Device("npu", "rockchip", "R", apis=("rknn",))
    assert why_unused(npu, (LLAMA,)) == "no runtime reaches it"
    module = Device("npu", "hailo", "H", apis=("hailo",))
    absent = Runtime("hailo", is_installed=False)
    assert why_unused(module, (absent,)) == "hailo is not installed"
    unserved = Runtime("hailo", is_served=False)
    assert why_unused(module, (unserved,)) == "hailo is not served by edgellm yet"
