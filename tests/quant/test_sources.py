"""What may be named as a source, and what comes of it; the hub is a real server."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from edgellm_quant.sources import as_gguf, choose_files, open_source

from edgellm.errors import QuantCancelled, QuantError
from edgellm.store.gguf_header import read_header
from edgellm.store.store import Store
from tests.quant.convert.checkpoints import write_checkpoint
from tests.store.conftest import remote, store  # noqa: F401  (fixtures)
from tests.support.hub import FakeHub, Repo
from tests.support.tiny_model import write_tiny_model

HUB = "owner/Tiny-Qwen2-1B"


@pytest.fixture
def sources(tmp_path: Path, remote: FakeHub) -> Store:  # noqa: F811
    from edgellm.store.sources.huggingface import Hub

    folder = write_checkpoint("qwen2", tmp_path / "made")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    extra = {"consolidated.safetensors": b"twice", "training/args.bin": b"not wanted"}
    remote.repos[HUB] = Repo({**files, **extra})
    return Store(tmp_path / "sources", Hub(remote.url))


def quantised(path: Path) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    data = gguf.quants.quantize(np.ones((4, 64), np.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("token_embd.weight", data, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_file_is_taken_as_it_is(tmp_path: Path, store: Store, sources: Store) -> None:  # noqa: F811
    path = write_tiny_model(tmp_path / "a.gguf")
    found = open_source(str(path), models=store, sources=sources)
    assert (found.kind, found.name, found.quants, found.warning) == ("gguf", "tiny", (), "")
    assert as_gguf(found, tmp_path / "never.gguf") == path


def test_a_quantised_file_wants_leave_and_warns(
    tmp_path: Path,
    store: Store,  # noqa: F811
    sources: Store,
) -> None:
    path = quantised(tmp_path / "a-Q8_0.gguf")
    with pytest.raises(QuantError, match="quantised already") as caught:
        open_source(str(path), models=store, sources=sources)
    assert "--requantise" in caught.value.hint
    found = open_source(str(path), models=store, sources=sources, can_requantise=True)
    assert found.quants == ("Q8_0",)
    assert "not with the original" in found.warning


def test_a_folder_is_converted_without_loss(tmp_path: Path, store: Store, sources: Store) -> None:  # noqa: F811
    folder = write_checkpoint("llama3", tmp_path)
    found = open_source(str(folder), models=store, sources=sources)
    header = read_header(as_gguf(found, tmp_path / "model.gguf"))
    assert {tensor.type for tensor in header.tensors} == {"BF16", "F32"}


def test_a_folder_with_one_gguf_is_that_file(tmp_path: Path, store: Store, sources: Store) -> None:  # noqa: F811
    path = write_tiny_model(tmp_path / "a.gguf")
    assert open_source(str(tmp_path), models=store, sources=sources).path == path
    write_tiny_model(tmp_path / "b.gguf")
    with pytest.raises(QuantError, match="2 GGUF files"):
        open_source(str(tmp_path), models=store, sources=sources)


def test_a_repository_is_fetched_once_and_keeps_its_name(
    tmp_path: Path,
    store: Store,  # noqa: F811
    sources: Store,
    remote: FakeHub,  # noqa: F811
) -> None:
    told: list[tuple[int, int]] = []
    found = open_source(
        f"hf:{HUB}",
        models=store,
        sources=sources,
        on_progress=lambda *now: told.append(now),
    )
    assert told[-1][0] == told[-1][1] > 0
    assert (found.kind, found.name, found.licence) == ("safetensors", "Tiny-Qwen2-1B", "apache-2.0")
    assert not (found.path / "consolidated.safetensors").exists()
    header = read_header(as_gguf(found, tmp_path / "model.gguf"))
    assert header.metadata["general.basename"] == "Tiny-Qwen2"
    assert header.metadata["general.license"] == "apache-2.0"
    sent = remote.sent_bytes
    again = open_source(f"hf:{HUB}", models=store, sources=sources)
    assert (again.path, remote.sent_bytes) == (found.path, sent)


def test_a_fetch_that_is_cancelled_goes_on_later(store: Store, sources: Store) -> None:  # noqa: F811
    with pytest.raises(QuantCancelled):
        open_source(f"hf:{HUB}", models=store, sources=sources, is_cancelled=lambda: True)
    assert open_source(f"hf:{HUB}", models=store, sources=sources).kind == "safetensors"


def test_a_model_in_the_store_is_found_by_its_name(
    tmp_path: Path,
    store: Store,  # noqa: F811
    sources: Store,
) -> None:
    taken = store.take_in(write_tiny_model(tmp_path / "mine.gguf"))
    assert open_source(taken.name, models=store, sources=sources).path == taken.path


@pytest.mark.parametrize("text", ["nothing", "./nothing.gguf", ""])
def test_what_is_not_there_is_an_error(text: str, store: Store, sources: Store) -> None:  # noqa: F811
    if text:
        with pytest.raises(QuantError, match="There is no"):
            open_source(text, models=store, sources=sources)


def test_one_file_of_a_folder_leads_to_the_folder(
    tmp_path: Path,
    store: Store,  # noqa: F811
    sources: Store,
) -> None:
    folder = write_checkpoint("qwen3", tmp_path)
    with pytest.raises(QuantError, match="one file of a model"):
        open_source(str(folder / "model.safetensors"), models=store, sources=sources)


SAFE = ("README.md", "config.json", "model.safetensors", "tokenizer.json", "x/model.safetensors")
GGUF = ("a-BF16-00001-of-00002.gguf", "a-BF16-00002-of-00002.gguf", "a-F16.gguf", "a-Q4_0.gguf")


def test_safetensors_go_first() -> None:
    assert choose_files((*GGUF, *SAFE), "r")[0] == "model.safetensors"
    assert "x/model.safetensors" not in choose_files(SAFE, "r")


def test_else_the_gguf_with_most_bits() -> None:
    assert choose_files(GGUF, "r") == GGUF[:2]
    assert choose_files((*GGUF, *SAFE), "r", "F16") == ("a-F16.gguf",)


def test_nothing_to_quantise_says_what_there_is() -> None:
    with pytest.raises(QuantError) as caught:
        choose_files(("a-Q4_0.gguf",), "r")
    assert "Q4_0" in caught.value.hint
    with pytest.raises(QuantError, match="no GGUF of f32"):
        choose_files(GGUF, "r", "f32")
