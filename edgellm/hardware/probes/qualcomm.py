"""Qualcomm's Adreno GPUs and Hexagon NPUs, by the device tree and the drivers' nodes."""

from __future__ import annotations

from edgellm.hardware.host import Host
from edgellm.hardware.probes import vulkan
from edgellm.hardware.probes.board import compatible
from edgellm.hardware.probes.mali import GPU_NODES
from edgellm.hardware.profile import Device

# Chips with a Hexagon processor that runs networks; the last word of the root's `compatible`.
_CHIPS = {
    "qcom,x1e80100": "Snapdragon X Elite",
    "qcom,x1p42100": "Snapdragon X Plus",
    "qcom,sc8280xp": "Snapdragon 8cx Gen 3",
    "qcom,sm8550": "Snapdragon 8 Gen 2",
    "qcom,sm8650": "Snapdragon 8 Gen 3",
    "qcom,sm8750": "Snapdragon 8 Elite",
    "qcom,qcs6490": "QCS6490",
    "qcom,qcm6490": "QCM6490",
    "qcom,qcs9075": "QCS9075",
}


def probe(host: Host) -> tuple[Device, ...]:
    """The GPU, then the NPU."""
    return (*_gpu(host), *_npu(host))


def _gpu(host: Host) -> tuple[Device, ...]:
    told = host.read("/sys/class/kgsl/kgsl-3d0/gpu_model")
    words = " ".join(host.read(path) or "" for node in GPU_NODES for path in host.glob(node))
    if told is None and "qcom,adreno" not in words:
        return ()
    found = vulkan.find(host, "qualcomm")
    apis = ["opencl"] if host.glob("/usr/lib/*/libOpenCL_adreno.so*") else []
    if vulkan.is_reachable(host, "qualcomm"):
        apis.append("vulkan")
    return (
        Device(
            kind="gpu",
            vendor="qualcomm",
            name=told or (found.name if found else "Adreno GPU"),
            memory_kind="shared",
            apis=tuple(apis),
            driver=found.driver if found else None,
            note="llama.cpp reaches it through OpenCL, far below the memory's bandwidth",
        ),
    )


def _npu(host: Host) -> tuple[Device, ...]:
    chip = next((_CHIPS[word] for word in compatible(host) if word in _CHIPS), None)
    if chip is None:
        return ()
    has_driver = bool(host.glob("/dev/fastrpc-cdsp*"))
    return (
        Device(
            kind="npu",
            vendor="qualcomm",
            name=f"Hexagon NPU ({chip})",
            memory_kind="shared",
            apis=("qnn",) if has_driver else (),
            note="llama.cpp's Hexagon backend or ONNX Runtime GenAI with QNN could use it; "
            "edgellm does not",
        ),
    )
