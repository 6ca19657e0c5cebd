"""`edgellm plan`: on this machine, and on captured devices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgellm.cli.runtimes import installed_runtimes, llama_cpp_runtime, replayed_runtimes
from edgellm.hardware.native import NativeBuild, NativeFailure
from edgellm.hardware.profile import HardwareProfile
from tests.cli.conftest import Cli

DEVICES = Path(__file__).parents[1] / "fixtures" / "hardware"


def test_this_machine_gets_a_plan(cli: Cli) -> None:
    done = cli("plan", "--format", "json")
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert found["backend"] == "llama_cpp"
    assert found["needed_bytes"] > 0
    assert found["decode_tokens_per_second"] > 0
    assert found["reasons"]
    assert {"model", "backend", "quant", "code", "reason"} == set(found["rejected"][0])


def test_a_captured_device_and_a_named_model(cli: Cli) -> None:
    root = str(DEVICES / "raspberry-pi-5-8gb")
    done = cli("plan", "qwen3-0.6b", "--root", root, "--context", "4096", "--prefer", "speed")
    assert done.returncode == 0
    assert done.stdout.startswith("qwen3-0.6b:Q4_K_M\n")
    assert "context 4,096 tokens" in done.stdout
    assert "\nmodel       runtime    quantisation" in done.stdout
    assert "qwen3-0.6b  mlc        q4f16_1 q4f32_1 q0f16" in done.stdout


def test_what_does_not_fit_is_refused_with_what_would(cli: Cli) -> None:
    root = str(DEVICES / "cgroup-v2-limit")
    done = cli("plan", "phi-4:Q8_0", "--root", root)
    assert done.returncode == 1
    assert "can be used" in done.stdout
    assert "error: Nothing fits" in done.stderr
    forced = cli("plan", "phi-4:Q8_0", "--root", root, "--force")
    assert forced.returncode == 0
    assert "It was forced" in forced.stdout
    told = cli("plan", "phi-4:Q8_0", "--root", root, "--format", "json")
    assert json.loads(told.stdout)["rejected"][0]["code"] == "memory"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("qwen3-5b",), "hint: Did you mean qwen3"),
        (("qwen3-4b:Q9",), "hint: It has: "),
        (("hf:o",), "is not a model of the hub"),
        (("--root", "nowhere"), "no capture at nowhere"),
        (("--kv-type", "q7"), "--kv-type cannot be 'q7'"),
        (("--prefer", "beauty"), "beauty"),
        (("--context", "0"), "--context"),
    ],
)
def test_mistakes(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    done = cli("plan", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_a_mistake_in_the_users_own_models_names_its_line(
    cli: Cli, environment: dict[str, str]
) -> None:
    home = Path(environment["EDGELLM_HOME"])
    home.mkdir()
    (home / "models.yaml").write_text("models:\n  - id: mine\n    parms: 3\n")
    done = cli("plan")
    assert done.returncode == 2
    assert "models.yaml:3: unknown key 'parms'" in done.stderr


def test_what_a_build_of_llama_cpp_reaches() -> None:
    plain = NativeBuild("b1", "CPU : SSE3 = 1 | AVX = 1 | REPACK = 1 | ")
    assert llama_cpp_runtime(plain).apis == ("cpu",)
    cuda = NativeBuild("b1", "CUDA : ARCHS = 870 | USE_GRAPHS = 1 | CPU : NEON = 1 | ")
    assert llama_cpp_runtime(cuda).apis == ("cpu", "cuda")
    metal = NativeBuild("b1", "MTL : EMBED_LIBRARY = 1 | CPU : NEON = 1 | ")
    assert llama_cpp_runtime(metal).apis == ("cpu", "metal")
    broken = llama_cpp_runtime(NativeFailure("illegal instruction", "build it"))
    assert (broken.is_installed, broken.hint) == (False, "illegal instruction")
    assert {r.backend for r in installed_runtimes(plain) if r.is_served} == {"llama_cpp"}
    assert replayed_runtimes(HardwareProfile(os="darwin"))[0].apis == ("cpu", "metal")
