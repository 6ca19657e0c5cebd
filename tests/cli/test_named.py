"""What users call models, made into plans: headers over real sockets, nothing else fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.assets import catalog_file
from edgellm.catalog.card import Catalog
from edgellm.catalog.load import load_catalog
from edgellm.cli.fetch import refusal
from edgellm.cli.named import find_named, plan_named
from edgellm.errors import ConfigError, DownloadFailed, ModelFileError, NotEnoughMemory
from edgellm.hardware.profile import Bandwidth, Cpu, HardwareProfile, Memory
from edgellm.planner.footprint import estimator
from edgellm.planner.goal import Goal, NoFit, Plan, Situation
from edgellm.planner.memory import Environment
from edgellm.planner.runtime import Runtime
from edgellm.store.store import Store
from edgellm.types import EngineOptions
from tests.store import conftest as stores
from tests.store.conftest import REPO
from tests.support.gguf_bytes import gguf_bytes
from tests.support.hub import FakeHub, Repo

remote, store = stores.remote, stores.store  # the fixtures

GIB = 2**30
BIG = {"layers": 32, "width": 4096, "vocab": 32_000, "context": 32_768}  # 11 GB at F16


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog(catalog_file())


def device(gib: float, catalog: Catalog) -> Situation:
    profile = HardwareProfile(
        "linux",
        "x86_64",
        cpu=Cpu(num_cores=4, num_allowed_cores=4),
        memory=Memory(int(gib * GIB), int(gib * GIB)),
        bandwidth=Bandwidth(50e9, "measured"),
    )
    runtimes = (Runtime("llama_cpp"),)
    return Situation(profile, catalog, runtimes, estimator(Environment()), is_here=False)


def planned(text: str, store: Store, catalog: Catalog, gib: float = 8, **goal: object) -> Plan:
    named = find_named(text, store, catalog)
    found = plan_named(named, Goal(**goal), device(gib, catalog), store)  # type: ignore[arg-type]
    assert isinstance(found, Plan)
    return found


def test_a_repository_is_one_card_and_the_plan_picks(
    store: Store, remote: FakeHub, catalog: Catalog
) -> None:
    found = planned(f"hf:{REPO}", store, catalog)
    assert found.card.id == f"hf:{REPO}"
    assert found.variant.quant == "Q8_0"  # BF16 is twice as large, for nothing that one could see
    assert found.variant.files[0].sha256 is not None
    assert {each.quant for each in found.rejected if each.model == found.card.id} == {"Q4_K_M"}
    fetched = [each.path for each in remote.requests if "/resolve/" in each.path]
    assert {path.rpartition("/")[2] for path in fetched} == {"tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf"}
    assert all("Range" in r.headers for r in remote.requests if "/resolve/" in r.path)


@pytest.mark.parametrize("text", [f"hf:{REPO}:bf16", f"hf:{REPO}/tiny-BF16-00002-of-00002.gguf"])
def test_what_is_named_is_what_is_planned(
    store: Store, remote: FakeHub, catalog: Catalog, text: str
) -> None:
    found = planned(text, store, catalog)
    assert [file.path for file in found.variant.files] == [
        "tiny-BF16-00001-of-00002.gguf",
        "tiny-BF16-00002-of-00002.gguf",
    ]


def test_the_header_counts_and_not_the_size_of_the_file(
    store: Store, remote: FakeHub, catalog: Catalog
) -> None:
    remote.repos["owner/big"] = Repo({"big-F16.gguf": gguf_bytes(**BIG)})
    named = find_named("hf:owner/big:F16", store, catalog)
    assert named.card.params == 32 * (2 * 4096**2 + 8 * 4096**2) + 4096 * 32_000
    assert (named.card.shape.layers, named.card.context, named.card.family) == (32, 32_768, "llama")
    found = plan_named(named, Goal(), device(4, catalog), store)
    assert isinstance(found, NoFit)
    error = refusal(named, found)
    assert isinstance(error, NotEnoughMemory)
    assert "needs 10." in error.message
    assert "3.8 GiB can be used" in error.message
    assert "--force" in error.hint
    assert "the next smaller model, " in error.hint
    forced = planned("hf:owner/big:F16", store, catalog, gib=4, is_forced=True)
    assert forced.reasons[0].startswith("It does not fit")
    assert remote.sent_bytes < 100_000  # headers alone


def test_an_address_and_the_same_file_by_the_hub_s_own_address(
    store: Store, remote: FakeHub, catalog: Catalog
) -> None:
    remote.files["x.gguf"] = gguf_bytes(50_000)
    named = find_named(f"{remote.url}/files/x.gguf?key=secret", store, catalog)
    assert named.card.id == f"{remote.url}/files/x.gguf"
    assert named.card.variants[0].quant == "F16"  # as the header says
    assert named.card.variants[0].size_bytes == 50_000
    page = find_named(f"{remote.url}/{REPO}/resolve/main/tiny-Q8_0.gguf", store, catalog)
    assert page.card.id == f"hf:{REPO}/tiny-Q8_0.gguf"


def test_a_file_here_is_planned_by_its_header(
    store: Store, catalog: Catalog, tiny_model: Path, remote: FakeHub
) -> None:
    found = planned(str(tiny_model), store, catalog, context=300, parallel=2)
    assert (found.context, found.parallel, found.cells) == (300, 2, 600)
    assert found.card.params == 90_688
    assert remote.requests == []
    with pytest.raises(ModelFileError, match="There is no file"):
        find_named("./absent.gguf", store, catalog)


def test_what_was_set_is_kept(store: Store, catalog: Catalog, tiny_model: Path) -> None:
    options = EngineOptions(cells=700, batch_tokens=64)
    found = planned(str(tiny_model), store, catalog, options=options)
    assert found.cells == 700
    named = find_named(str(tiny_model), store, catalog)
    refused = plan_named(named, Goal(context=4096), device(8, catalog), store)
    assert isinstance(refused, NoFit)
    error = refusal(named, refused)
    assert isinstance(error, ConfigError)
    assert "holds 512 tokens at most" in error.message


def test_what_is_in_the_store_needs_no_network(
    store: Store, remote: FakeHub, catalog: Catalog
) -> None:
    from edgellm.store.locate import named_in

    local = store.pull(named_in(store.hub.describe(REPO, "main"), quant="Q4_K_M"))
    remote.requests.clear()
    for text in (f"hf:{REPO}:Q4_K_M", f"hf:{REPO}:q4_k_m", f"hf:{REPO}", local.id):
        named = find_named(text, store, catalog, is_offline=True)
        assert list(named.here.values()) == [local]
        assert named.card.id == f"hf:{REPO}:Q4_K_M"
    assert remote.requests == []
    with pytest.raises(DownloadFailed, match="nothing may be fetched"):
        find_named(f"hf:{REPO}:Q8_0", store, catalog, is_offline=True)
    whole = find_named(f"hf:{REPO}", store, catalog, "remote")
    assert len(whole.card.variants) == 2


def test_a_card_keeps_its_facts_and_its_choice(store: Store, catalog: Catalog) -> None:
    named = find_named("qwen3-4b", store, catalog)
    assert named.is_of_catalogue
    assert not named.exact
    found = planned("qwen3-4b:q5_k_m", store, catalog)
    assert (found.card.id, found.variant.quant, found.score is not None) == (
        "qwen3-4b",
        "Q5_K_M",
        True,
    )


def test_a_repository_without_a_gguf_that_can_be_read(
    store: Store, remote: FakeHub, catalog: Catalog
) -> None:
    remote.repos["owner/bad"] = Repo({"bad-Q4_K_M.gguf": b"GGUF" + bytes(100)})
    with pytest.raises(ModelFileError, match="bad-Q4_K_M"):
        find_named("hf:owner/bad", store, catalog)
