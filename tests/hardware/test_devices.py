"""Accelerators, boards, power and heat: whole profiles of captured devices, and odd cases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgellm.hardware.detect import detect
from edgellm.hardware.host import Host
from edgellm.hardware.profile import Battery, Device, HardwareProfile, Thermal
from tests.hardware.golden import DEVICES, GOLDEN, devices, profile_of

GIB = 1024**3
SMI = (
    ".commands/nvidia-smi --query-gpu=name,pci.device_id,memory.total,memory.free,driver_version,"
    "compute_cap --format=csv,noheader,nounits"
)


@pytest.mark.parametrize("device", devices())
def test_the_whole_profile(device: str) -> None:
    assert profile_of(device) == json.loads((GOLDEN / f"{device}.json").read_text())


def test_every_golden_profile_has_its_device() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == devices()


def _captured(device: str) -> HardwareProfile:
    return detect(Host(DEVICES / device))


def _profile(root: Path, files: Mapping[str, str]) -> HardwareProfile:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return detect(Host(root))


def _uevent(slot: str, identity: str, class_code: str, driver: str = "") -> dict[str, str]:
    text = f"PCI_CLASS={class_code}\nPCI_ID={identity}\nPCI_SLOT_NAME={slot}\n"
    text += f"DRIVER={driver}\n" if driver else ""
    return {f"sys/bus/pci/devices/{slot}/uevent": text}


def test_a_jetson_never_has_the_memory_that_nvidia_smi_tells() -> None:
    for board in ("jetson-orin-nano-super", "jetson-agx-orin-64", "jetson-thor"):
        (gpu,) = _captured(board).devices
        assert (gpu.memory_kind, gpu.memory_bytes, gpu.available_bytes) == ("unified", None, None)
        assert gpu.apis == ("cuda", "vulkan")


def test_power_modes_of_a_jetson_by_command_and_by_file() -> None:
    assert _captured("jetson-orin-nano-super").power_mode == "MAXN_SUPER"
    assert _captured("jetson-orin-nano-15w").power_mode == "15W"


def test_a_hailo_8_says_that_it_cannot_and_a_10h_that_it_can() -> None:
    (old,) = _captured("raspberry-pi-5-hailo-8").devices
    assert not old.can_run_llms
    assert "cannot run language models" in old.note
    for capture, runtime in (("10h", "5.1.1"), ("10h-driver-5.3", "5.3.0")):
        (new,) = _captured(f"raspberry-pi-5-hailo-{capture}").devices
        assert new.can_run_llms
        assert (new.memory_kind, new.memory_bytes, new.apis) == ("dedicated", 8 * GIB, ("hailo",))
        assert new.driver == runtime


def test_a_hailo_without_its_driver_and_an_8l(tmp_path: Path) -> None:
    slot = _uevent("0001:01:00.0", "1E60:45C4", "120000")
    (device,) = _profile(tmp_path / "a", slot).devices
    assert device.apis == ()
    assert "not loaded" in device.note
    slot = _uevent("0001:01:00.0", "1E60:2864", "120000", "hailo")
    identity = {
        "dev/hailo0": "",
        ".commands/hailortcli fw-control identify": "Device Architecture: HAILO8L",
    }
    (device,) = _profile(tmp_path / "b", slot | identity).devices
    assert (device.name, device.architecture) == ("Hailo-8L", "HAILO8L")


def test_a_laptop_has_its_fast_gpu_first_and_no_mouse_for_a_battery() -> None:
    profile = _captured("laptop-rtx-4060-8gb")
    assert [device.vendor for device in profile.devices] == ["nvidia", "intel"]
    assert profile.devices[0].memory_bytes == 8188 * 1024**2
    assert profile.battery == Battery(83, True)
    assert profile.cpu.num_physical_cores == 14
    assert profile.bandwidth is None  # the card's memory says nothing of main memory


def test_gb10_has_no_memory_of_its_own(tmp_path: Path) -> None:
    text = "NVIDIA GB10, 0x2E1210DE, [N/A], [N/A], 580.95.05, 12.1\n"
    (gpu,) = _profile(tmp_path, {SMI: text}).devices
    assert gpu == Device(
        kind="gpu",
        vendor="nvidia",
        name="NVIDIA GB10",
        memory_kind="unified",
        apis=("cuda",),
        driver="580.95.05",
        architecture="sm_121",
        pci_id="10de:2e12",
    )


@pytest.mark.parametrize("text", ["", "No devices were found", "a, b", "NVIDIA-SMI has failed"])
def test_nvidia_smi_that_finds_nothing(tmp_path: Path, text: str) -> None:
    slot = _uevent("0000:01:00.0", "10DE:28E0", "30000", "nouveau")
    audio = _uevent("0000:01:00.1", "10DE:22BE", "40300", "snd_hda_intel")
    (gpu,) = _profile(tmp_path, {SMI: text} | slot | audio).devices
    assert (gpu.name, gpu.apis, gpu.driver) == ("NVIDIA GPU 10de:28e0", (), "nouveau")
    assert "install NVIDIA's driver" in gpu.note


def test_cards_with_their_own_memory(tmp_path: Path) -> None:
    radeon, arc = "0000:03:00.0", "0000:04:00.0"
    files = {
        **_uevent(radeon, "1002:7480", "30000", "amdgpu"),
        f"sys/bus/pci/devices/{radeon}/mem_info_vram_total": str(8 * GIB),
        f"sys/bus/pci/devices/{radeon}/mem_info_vram_used": str(GIB),
        ".commands/vulkaninfo --summary": "GPU0:\n\tvendorID = 0x1002\n\tdeviceID = 0x7480\n"
        "\tdeviceType = PHYSICAL_DEVICE_TYPE_DISCRETE_GPU\n\tdeviceName = AMD Radeon RX 7600\n",
        **_uevent(arc, "8086:56A0", "30000", "i915"),
        f"sys/bus/pci/devices/{arc}/lmem_total_bytes": "0x3fa000000",
    }
    amd, intel = _profile(tmp_path, files).devices
    assert (amd.memory_kind, amd.memory_bytes, amd.available_bytes) == (
        "dedicated",
        8 * GIB,
        7 * GIB,
    )
    assert (amd.name, amd.apis) == ("AMD Radeon RX 7600", ("vulkan",))
    assert (intel.memory_kind, intel.memory_bytes) == ("dedicated", 0x3FA000000)


def test_an_amd_card_without_vulkan_is_of_unknown_kind(tmp_path: Path) -> None:
    (gpu,) = _profile(tmp_path, _uevent("0000:03:00.0", "1002:73BF", "30000", "amdgpu")).devices
    assert (gpu.name, gpu.memory_kind, gpu.apis) == ("AMD GPU 1002:73bf", None, ())


def test_a_snapdragon(tmp_path: Path) -> None:
    files = {
        "proc/device-tree/compatible": "qcom,x1e80100-crd\0qcom,x1e80100\0",
        "proc/device-tree/soc@0/gpu@3d00000/compatible": "qcom,adreno-43050c01\0qcom,adreno\0",
        "usr/share/vulkan/icd.d/freedreno_icd.aarch64.json": "",
        "dev/fastrpc-cdsp": "",
    }
    gpu, npu = _profile(tmp_path, files).devices
    assert (gpu.vendor, gpu.apis) == ("qualcomm", ("vulkan",))
    assert (npu.name, npu.apis) == ("Hexagon NPU (Snapdragon X Elite)", ("qnn",))


def test_vulkan_names_what_no_other_probe_does(tmp_path: Path) -> None:
    text = (
        "GPU0:\n\tvendorID = 0x14e4\n\tdeviceID = 0x71a\n\tdeviceName = V3D 7.1.7.0\n"
        "\tdeviceType = PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU\n\tdriverInfo = Mesa 24.2\n"
        "GPU1:\n\tvendorID = 0x10005\n\tdeviceType = PHYSICAL_DEVICE_TYPE_CPU\n"
        "GPU2:\n\tvendorID = garbage\n"
    )
    (gpu,) = _profile(tmp_path, {".commands/vulkaninfo --summary": text}).devices
    assert (gpu.vendor, gpu.name, gpu.driver) == ("broadcom", "V3D 7.1.7.0", "Mesa 24.2")


def test_an_rk3568_has_an_npu_without_language_models(tmp_path: Path) -> None:
    (npu,) = _profile(tmp_path, {"proc/device-tree/compatible": "rockchip,rk3568\0"}).devices
    assert not npu.can_run_llms
    assert "RKLLM does not support" in npu.note


def test_a_limit_that_was_set_on_a_mac(tmp_path: Path) -> None:
    gpu = {"sppci_model": "Apple M1", "sppci_cores": "8"}
    files = {
        ".commands/system_profiler SPDisplaysDataType -json": json.dumps(
            {"SPDisplaysDataType": [gpu, "not a GPU", {"_name": "nameless"}]}
        ),
        ".commands/sysctl -n iogpu.wired_limit_mb": "12288",
    }
    (found,) = _profile(tmp_path, files).devices
    assert (found.memory_bytes, found.note) == (12 * GIB, "")


@pytest.mark.parametrize("text", ["[]", "{", '{"SPDisplaysDataType": 1}', '"x"'])
def test_system_profiler_with_nonsense(tmp_path: Path, text: str) -> None:
    files = {".commands/system_profiler SPDisplaysDataType -json": text}
    assert _profile(tmp_path, files).devices == ()


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ("throttled=0x0", Thermal(None, False, False, False)),
        ("throttled=0x50005", Thermal(None, True, True, True)),
        ("throttled=0x80008", Thermal(None, True, True, False)),
        ("throttled=0xe0000", Thermal(None, False, True, False)),
        ("VCHI initialization failed", Thermal()),
    ],
)
def test_what_the_raspberry_pi_firmware_says(tmp_path: Path, bits: str, expected: Thermal) -> None:
    assert _profile(tmp_path, {".commands/vcgencmd get_throttled": bits}).thermal == expected


def test_throttling_by_the_kernel(tmp_path: Path) -> None:
    files = {
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
        "sys/class/thermal/thermal_zone0/temp": "84000",
        "sys/class/thermal/thermal_zone1/type": "gpu-thermal",
        "sys/class/thermal/thermal_zone1/temp": "-256000",  # asleep
        "sys/class/thermal/thermal_zone2/type": "iwlwifi_1",
        "sys/class/thermal/thermal_zone2/temp": "99000",
        "sys/class/thermal/cooling_device0/type": "cpufreq-cpu0",
        "sys/class/thermal/cooling_device0/cur_state": "3",
        "sys/class/thermal/cooling_device1/type": "pwm-fan",
        "sys/class/thermal/cooling_device1/cur_state": "4",
    }
    assert _profile(tmp_path, files).thermal == Thermal(84.0, True, True, None)


def test_firmware_that_nobody_filled_in_names_no_board(tmp_path: Path) -> None:
    dmi = "sys/class/dmi/id/"
    filled = {f"{dmi}sys_vendor": "Framework", f"{dmi}product_name": "Laptop 12"}
    assert _profile(tmp_path / "a", filled).board == "Framework Laptop 12"
    doubled = {f"{dmi}sys_vendor": "HP", f"{dmi}product_name": "HP ZBook Ultra G1a"}
    assert _profile(tmp_path / "b", doubled).board == "HP ZBook Ultra G1a"
    empty = {f"{dmi}sys_vendor": "AZW", f"{dmi}product_name": "To Be Filled By O.E.M."}
    assert _profile(tmp_path / "c", empty).board is None


@pytest.mark.parametrize(
    "uevent", ["", "PCI_ID=10DE:28E0", "PCI_ID=1\nPCI_CLASS=30000", "PCI_ID=10DE:1\nPCI_CLASS=x"]
)
def test_pci_devices_that_tell_too_little(tmp_path: Path, uevent: str) -> None:
    path = "sys/bus/pci/devices/0000:01:00.0/uevent"
    assert _profile(tmp_path, {path: uevent}).devices == ()
