"""What a job made becomes a model of this device: in the store, the catalogue and the plan, and it
answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx
import pytest
from edgellm_quant.cards import Origin, card_for, find_card, id_of
from edgellm_quant.emit import Adopted, adopt, to_variant
from edgellm_quant.learn import learn
from msgspec.structs import replace

from edgellm.catalog.card import Catalog
from edgellm.catalog.made import stanza
from edgellm.catalog.parse import parse_catalog
from edgellm.cli.catalogue import user_catalog
from edgellm.cli.made import made_file
from edgellm.cli.store import wanted_of
from edgellm.errors import ModelFileError, QuantError, RemoteNotFound
from edgellm.hardware.profile import Cpu, HardwareProfile
from edgellm.planner.header_facts import facts_of_header
from edgellm.planner.learned import correct, key_of
from edgellm.planner.memory import MIB, SERVER_BYTES, Breakdown, Environment, estimate
from edgellm.store.gguf_header import read_header
from edgellm.store.model import Wanted
from edgellm.store.store import Store
from edgellm.types import EngineOptions
from tests.cli.conftest import Cli, cli, environment  # noqa: F401  (fixtures)
from tests.quant.made import evaluation, made
from tests.support.server import serve
from tests.support.tiny_model import write_tiny_model

BOARD = HardwareProfile("linux", "aarch64", "Some Board", Cpu(num_cores=4))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As `environment` has it for the program."""
    monkeypatch.setenv("EDGELLM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Store:
    return Store(home / "data" / "models")


@pytest.fixture
def output(tmp_path: Path, pocket: Path) -> Path:
    """A file of a job: the built-in model under another name."""
    path = tmp_path / "out" / "pocket-mine.gguf"
    path.parent.mkdir()
    shutil.copyfile(pocket, path)
    return path


def adopted(output: Path, store: Store, label: str = "mine") -> Adopted:
    file = made(output, label)
    return adopt(file, Origin("pocket"), store, user_catalog(), BOARD)


def test_a_stanza_has_all_that_was_measured(output: Path) -> None:
    file = made(output, "Q4_K_M", kld=0.0212345678)
    variant = to_variant(file, device="Some Board, 4 cores")
    (only,) = variant.files
    assert (only.path, only.size_bytes, only.sha256) == (output.name, file.size_bytes, file.sha256)
    assert variant.source == f"file:{output.parent}"
    found = variant.measured
    assert found is not None
    assert (found.kld_mean, found.perplexity_ratio, found.top1) == (0.021235, 1.0212, 0.97877)
    assert (found.device, found.decode_tokens_per_second) == ("Some Board, 4 cores", 40)
    published = to_variant(file, source="hf:me/pocket-GGUF")
    assert published.source == "hf:me/pocket-GGUF"
    text = Path(__file__).parents[2].joinpath("models.yaml").read_text().split("\n\n")[0]
    own = parse_catalog(f"{text}\n      {stanza(published)}\n", "here").find("pocket")
    assert own is not None
    assert own.variants[-1] == published


def test_what_was_refused_is_not_released(output: Path) -> None:
    with pytest.raises(QuantError, match=r"Q2_K was not released: Its KLD is 1\.$"):
        to_variant(made(output, "Q2_K", refusal="Its KLD is 1."))


def test_a_folder_has_a_digest_for_each_file(tmp_path: Path) -> None:
    folder = tmp_path / "int4"
    folder.mkdir()
    for name in ("genai_config.json", "model.onnx", "a.json"):
        (folder / name).write_text(name)
    file = replace(made(folder / "model.onnx", "int4", kld=None), path=str(folder))
    variant = to_variant(replace(file, runtime="ort_genai", sha256=""))
    assert [each.path for each in variant.files] == ["genai_config.json", "a.json", "model.onnx"]
    assert all(len(each.sha256 or "") == 64 for each in variant.files)
    assert variant.requires.device == ""
    gpu = replace(file, runtime="ort_genai", recipe=replace(file.recipe, type="fp16"))
    assert to_variant(gpu).requires.device == "cuda"


def test_it_is_in_the_store_and_in_the_catalogue(output: Path, store: Store) -> None:
    before = user_catalog().find("pocket")
    found = adopted(output, store)
    assert found.name == "pocket:mine"
    assert found.model.path.samefile(output)  # by a hard link
    after = user_catalog().find("pocket")
    assert before is not None
    assert after is not None
    assert after.variants == (found.variant, *before.variants)
    assert store.find("pocket:mine") is not None
    text = made_file().read_text()
    assert adopted(output, store) == replace(found, card=after)  # again: nothing changes
    assert made_file().read_text() == text


def test_a_file_that_is_another_one_by_now_is_not_taken(output: Path, store: Store) -> None:
    file = made(output, "mine")
    with output.open("r+b") as spoilt:
        spoilt.seek(-1, 2)
        spoilt.write(b"!")
    with pytest.raises(ModelFileError, match="its sha256 is"):
        adopt(file, Origin("pocket"), store, user_catalog(), BOARD)
    assert not made_file().exists()
    assert store.list() == ()


def test_a_model_that_no_catalogue_has(tmp_path: Path, store: Store) -> None:
    path = write_tiny_model(tmp_path / "My Own-Q8_0.gguf")
    file = made(path, "Q8_0")
    found = adopt(file, Origin(str(path)), store, user_catalog(), BOARD)
    assert found.name == "my-own:Q8_0"
    card = user_catalog().find("my-own")
    assert card is not None
    assert (card.family, card.context, card.quality) == ("llama", 512, None)


def test_what_a_model_is_called() -> None:
    named = {
        "hf:owner/Some-Model_7B": "some-model_7b",
        "hf:owner/Some-Model@v1": "some-model",
        "hf:owner/Some-GGUF:F16": "some-gguf",
        "/a/b/Mine-f16.gguf": "mine",
        "/a/checkpoint folder/": "checkpoint-folder",
        "...": "model",
    }
    assert {source: id_of(Origin(source)) for source in named} == named
    assert id_of(Origin("/a/b.gguf", "Other Name")) == "other-name"


def test_the_card_is_found_by_name_and_by_repository() -> None:
    catalog = user_catalog()
    for words in (
        "qwen3-0.6b",
        "qwen3-0.6b:F16",
        "hf:Qwen/Qwen3-0.6B",
        "hf:unsloth/Qwen3-0.6B-GGUF:F16",
    ):
        card = find_card(Origin(words), catalog)
        assert card is not None, words
        assert card.id == "qwen3-0.6b"
    assert find_card(Origin("hf:nobody/nothing"), catalog) is None
    assert find_card(Origin("/a/b.gguf"), catalog) is None


def test_another_shape_is_another_model(tmp_path: Path, tiny_model: Path) -> None:
    catalog = user_catalog()
    with pytest.raises(QuantError, match="pocket is another model in the catalogue") as error:
        card_for(made(tiny_model), Origin("pocket"), catalog)
    assert "--name" in error.value.hint
    own = card_for(made(tiny_model), Origin("x", name="own"), catalog)
    assert own.id == "own"


def test_a_pruned_model_is_one_of_its_own(tiny_model: Path) -> None:
    """It keeps what its maker said of it, and its score as far as its loss was measured."""
    catalog = user_catalog()
    file = made(tiny_model, "Q4_K_M")
    file = replace(file, recipe=replace(file.recipe, pruned_blocks=(3, 4)))
    card = card_for(file, Origin("qwen3-0.6b"), catalog)
    whole = catalog.find("qwen3-0.6b")
    assert whole is not None
    assert (card.id, card.parser, card.quality) == ("qwen3-0.6b-pruned2", "qwen3", whole.quality)
    assert card.shape.layers == 2
    assert card_for(replace(file, evaluation=None), Origin("qwen3-0.6b"), catalog).quality is None


def test_without_header_or_card_nothing_can_be_planned(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    file = replace(made(tmp_path / "x", "int4"), runtime="ort_genai")
    with pytest.raises(QuantError, match="No catalogue knows /a/b") as error:
        card_for(file, Origin("/a/b"), Catalog(()))
    assert "GGUF" in error.value.hint


def test_memory_is_learned_where_the_estimate_was_too_low(
    output: Path, store: Store, home: Path
) -> None:
    facts = facts_of_header(read_header(output))
    expected = estimate(facts, EngineOptions(), Environment()).total - SERVER_BYTES
    file = made(output)
    less = replace(file, evaluation=evaluation(resident_bytes=expected - 20 * MIB))
    more = replace(file, evaluation=evaluation(resident_bytes=expected + 20 * MIB))
    assert not learn(less, BOARD)  # it fills no cache
    assert learn(more, BOARD)
    key = key_of(file.sha256, EngineOptions(context=1024, parallel=1), BOARD)
    corrected = correct(home / "cache" / "memory", key, Breakdown(weights=10 * MIB))
    assert corrected.learned == 20 * MIB
    assert not learn(replace(file, evaluation=None), BOARD)


def test_the_program_plans_shows_lists_serves_and_removes_it(
    output: Path,
    store: Store,
    cli: Cli,  # noqa: F811
    tmp_path: Path,
) -> None:
    adopted(output, store)
    shown = json.loads(cli("show", "pocket", "--format", "json").stdout)
    (offer,) = [each for each in shown["offers"] if each["quant"] == "mine"]
    assert offer["measured"]["kld_mean"] == 0.02
    assert offer["local"]["path"].endswith("pocket-mine.gguf")
    human = cli("show", "pocket").stdout
    assert "KL divergence" in human
    assert "x 1.0200" in human
    assert any(
        row["name"] == "pocket:mine" for row in json.loads(cli("list", "--format", "json").stdout)
    )
    planned = cli("plan", "pocket:mine", "--format", "json")
    assert json.loads(planned.stdout)["quant"] == "mine", planned.stderr
    with serve(tmp_path, "pocket:mine") as server:
        body = {"model": "pocket:mine", "messages": [{"role": "user", "content": "Who are you?"}]}
        answer = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=60)
        assert "edgellm" in answer.json()["choices"][0]["message"]["content"]
    removed = cli("rm", "pocket:mine", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert "mine" not in [each.quant for each in user_catalog().models[0].variants]
    assert output.exists()


def test_what_is_not_in_the_store_comes_again_from_where_it_was_made(
    output: Path,
    store: Store,
    cli: Cli,  # noqa: F811
) -> None:
    found = adopted(output, store)
    store.remove(found.model)
    assert cli("pull", "pocket:mine").returncode == 0
    assert store.find("pocket:mine") is not None
    store.remove(store.find("pocket:mine"))
    output.unlink()
    gone = cli("pull", "pocket:mine")
    assert gone.returncode == 6
    assert "is gone" in gone.stderr
    assert "edgellm rm pocket:mine" in gone.stderr
    assert cli("rm", "pocket:mine", "--yes").returncode == 0
    assert "pocket:mine" not in made_file().read_text()
    with pytest.raises(RemoteNotFound):
        store.pull(_wanted(found))


def _wanted(found: Adopted) -> Wanted:
    return wanted_of(found.card, found.variant)
