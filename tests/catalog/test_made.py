"""What was quantised on this device: added to the catalogue, taken out again, nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from edgellm.assets import catalog_file
from edgellm.catalog import made
from edgellm.catalog.card import Catalog, Measured, ModelFile, Requires, Variant
from edgellm.catalog.load import load_catalog
from edgellm.catalog.parse import parse_catalog
from edgellm.errors import ConfigError

DIGEST = "ab" * 32
VARIANT = Variant(
    "llama_cpp",
    "mix-3.0GiB",
    source="file:/home/somebody/out folder",
    files=(ModelFile("pocket: a.gguf", 123, DIGEST),),
    requires=Requires(device="cpu"),
    measured=Measured(0.0123, 1.0045, 0.97, "A board, 4 cores", 10**9, 100.5, 9.25),
)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog(catalog_file())


def test_every_card_survives_being_written(catalog: Catalog) -> None:
    text = "models:\n" + "\n\n".join(map(made.entry, catalog.models)) + "\n"
    assert parse_catalog(text, "here") == catalog


def test_a_stanza_is_one_line_that_can_be_copied(catalog: Catalog) -> None:
    card = replace(catalog.models[0], variants=(VARIANT,))
    line = made.stanza(VARIANT)
    assert "\n" not in line
    assert f"    {line}" in made.entry(card).splitlines()
    assert parse_catalog(f"models:\n{made.entry(card)}\n", "here").models == (card,)


def test_a_variant_is_added_and_nothing_is_lost(catalog: Catalog, tmp_path: Path) -> None:
    file = tmp_path / "data" / "made.yaml"
    card = catalog.find("qwen3-0.6b")
    assert card is not None
    made.add(file, card, VARIANT)
    own = load_catalog(catalog_file(), made=file)
    found = own.find("qwen3-0.6b")
    assert found is not None
    assert found.variants == (VARIANT, *card.variants)
    assert replace(found, variants=()) == replace(card, variants=())
    others = [each for each in catalog.models if each.id != card.id]
    assert [each for each in own.models if each.id != card.id] == others


def test_the_users_file_goes_on_replacing_and_is_added_to(catalog: Catalog, tmp_path: Path) -> None:
    user, file = tmp_path / "models.yaml", tmp_path / "made.yaml"
    card = catalog.find("pocket")
    assert card is not None
    user.write_text("# mine\nmodels:\n" + made.entry(replace(card, description="mine")) + "\n")
    made.add(file, card, VARIANT)
    found = load_catalog(catalog_file(), user, made=file).find("pocket")
    assert found is not None
    assert found.description == "mine"
    assert found.variants == (VARIANT, *card.variants)
    assert user.read_text().startswith("# mine")


def test_the_same_name_takes_the_others_place(catalog: Catalog, tmp_path: Path) -> None:
    """What was made here is measured; what is called the same and could be fetched is not."""
    file = tmp_path / "made.yaml"
    card = catalog.find("qwen3-0.6b")
    assert card is not None
    first = replace(VARIANT, quant="Q4_K_M")
    made.add(file, card, first)
    made.add(file, card, replace(first, files=(ModelFile("b.gguf", 5, "cd" * 32),)))
    found = load_catalog(catalog_file(), made=file).find("qwen3-0.6b")
    assert found is not None
    quants = [each.quant for each in found.variants if each.backend == "llama_cpp"]
    assert quants.count("Q4_K_M") == 1
    assert len(found.variants) == len(card.variants)
    assert found.variants[0].files[0].path == "b.gguf"


def test_a_model_that_no_catalogue_has_is_a_card_of_its_own(
    catalog: Catalog, tmp_path: Path
) -> None:
    file = tmp_path / "made.yaml"
    card = replace(catalog.models[0], id="mine", aliases=())
    made.add(file, card, VARIANT)
    found = load_catalog(catalog_file(), made=file).find("mine")
    assert found == replace(card, variants=(VARIANT,))


def test_taken_out_by_its_digest(catalog: Catalog, tmp_path: Path) -> None:
    file = tmp_path / "made.yaml"
    card = catalog.models[0]
    other = replace(VARIANT, quant="Q8_0", files=(ModelFile("b.gguf", 5, "cd" * 32),))
    made.add(file, card, VARIANT)
    made.add(file, card, other)
    assert not made.take_out(file, frozenset({"00" * 32}))
    assert made.take_out(file, frozenset({DIGEST}))
    found = load_catalog(catalog_file(), made=file).find(card.id)
    assert found is not None
    assert found.variants == (other, *card.variants)
    assert made.take_out(file, frozenset({"cd" * 32}))
    assert load_catalog(catalog_file(), made=file) == catalog


def test_a_file_that_somebody_spoilt_is_not_written_over(catalog: Catalog, tmp_path: Path) -> None:
    file = tmp_path / "made.yaml"
    file.write_text("models:\n  - nonsense: 1\n")
    with pytest.raises(ConfigError, match=r"made\.yaml:2"):
        made.add(file, catalog.models[0], VARIANT)
    assert "nonsense" in file.read_text()
