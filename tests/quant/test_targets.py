"""The targets that are not GGUF files, by their names; and the answer to who wants a HEF."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgellm_quant import targets as module
from edgellm_quant.cards import Origin
from edgellm_quant.hailo import ready
from edgellm_quant.targets import Source, targets

from edgellm.assets import catalog_file
from edgellm.catalog.card import Catalog
from edgellm.catalog.load import load_catalog
from edgellm.errors import QuantError
from edgellm.hardware.profile import HardwareProfile


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog(catalog_file())


def source(name: str, catalog: Catalog) -> Source:
    return Source(Path("/a/checkpoint"), Origin(name), HardwareProfile("linux"), catalog)


def test_all_are_there_by_name(catalog: Catalog) -> None:
    found = targets()
    assert {"onnx-int4", "onnx-int8", "onnx-fp16", "mlc-q4f16_1", "mlc-q0f16", "hailo"} <= set(
        found
    )
    assert all(name == target.name for name, target in found.items())
    assert (found["onnx-int4"].runtime, found["onnx-int4"].quant) == ("ort_genai", "int4")
    assert (found["mlc-q4f32_1"].runtime, found["mlc-q4f32_1"].quant) == ("mlc", "q4f32_1")
    quants = {(v.backend, v.quant) for card in catalog.models for v in card.variants}
    for name in ("onnx-int4", "mlc-q4f16_1"):  # the catalogue calls them the same
        assert (found[name].runtime, found[name].quant) in quants


def test_they_call_their_makers(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[object, ...]] = []

    def maker(checkpoint: Path, folder: Path, quant: str, **options: object) -> Path:
        options["on_progress"](1, 2)
        called.append((checkpoint, folder, quant, options.get("profile")))
        return folder

    monkeypatch.setattr(module, "make_onnx", maker)
    monkeypatch.setattr(module, "make_mlc", maker)
    told: list[tuple[int, int]] = []
    wanted = source("pocket", catalog)
    for name in ("onnx-int8", "mlc-q4f16_1"):
        out = Path("/out") / name
        made = targets()[name].make(wanted, out, lambda *n: told.append(n), lambda: False)
        assert made == out
    assert called == [
        (Path("/a/checkpoint"), Path("/out/onnx-int8"), "int8", None),
        (Path("/a/checkpoint"), Path("/out/mlc-q4f16_1"), "q4f16_1", wanted.profile),
    ]
    assert told == [(1, 2), (1, 2)]


def refusal(name: str, catalog: Catalog) -> QuantError:
    with pytest.raises(QuantError, match="Dataflow Compiler, for x86-64 Linux") as error:
        targets()["hailo"].make(source(name, catalog), Path("/out"), lambda *_: None, lambda: False)
    return error.value


def test_a_ready_hef_is_named_with_its_command(catalog: Catalog) -> None:
    for name in ("qwen2.5-1.5b", "hf:Qwen/Qwen2.5-1.5B-Instruct"):
        hint = refusal(name, catalog).hint
        assert hint == (
            "There is a ready one of qwen2.5-1.5b: edgellm pull qwen2.5-1.5b:a8w4 "
            "(for HailoRT 5.1, 6.95 tokens/s as published)."
        )


def test_without_one_the_nearest_come_first(catalog: Catalog) -> None:
    error = refusal("qwen2.5-0.5b", catalog)
    assert "publishes none of qwen2.5-0.5b" in error.message
    assert error.hint.startswith("Ready ones: edgellm pull qwen2.5-1.5b:a8w4")
    assert error.hint.count("edgellm pull") == len(ready(catalog))
    assert refusal("hf:nobody/knows", catalog).hint.count("edgellm pull") == len(ready(catalog))
