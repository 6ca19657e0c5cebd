"""The packaged catalogue holds together; the user's own goes first; a mistake names its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgellm.assets import catalog_file
from edgellm.catalog.card import Catalog, ModelCard, Shape, Variant
from edgellm.catalog.load import load_catalog, merge
from edgellm.catalog.parse import parse_catalog
from edgellm.chat.parsers import PARSERS
from edgellm.errors import ConfigError

POCKET = catalog_file().read_text().split("\n\n")[0] + "\n"
NUM_POCKET_LINES = POCKET.count("\n")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog(catalog_file())


def test_the_built_in_model_is_known_in_any_case_of_letters(catalog: Catalog) -> None:
    card = catalog.find("Pocket")
    assert card is not None
    assert card.parser == "hermes"
    assert catalog.find("nobody") is None


def test_the_promised_models_are_there(catalog: Catalog) -> None:
    chat = [card for card in catalog.models if card.task == "chat" and card.id != "pocket"]
    assert len(chat) >= 25
    assert min(card.params for card in chat) < 140_000_000
    assert max(card.params for card in chat) > 14_000_000_000
    assert {card.task for card in catalog.models} == {"chat", "embedding", "rerank"}
    backends = {variant.backend for card in catalog.models for variant in card.variants}
    assert backends == {"llama_cpp", "mlc", "hailo", "ort_genai"}
    quants = {v.quant for card in chat for v in card.variants if v.backend == "llama_cpp"}
    assert {"Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0"} <= quants


def test_every_card_can_be_planned_and_fetched(catalog: Catalog) -> None:
    for card in catalog.models:
        assert card.variants, card.id
        assert card.parser is None or card.parser in PARSERS, card.id
        for variant in card.variants:
            label = f"{card.id} {variant.backend} {variant.quant}"
            assert bool(variant.asset) != bool(variant.source), label
            assert re.match(r"(hf:[\w.-]+/[\w.-]+|https://[\w./-]+)?$", variant.source), label
            for file in (*variant.files, *variant.pins):
                assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256), label
                assert file.path.startswith(variant.folder), label


def test_sizes_agree_with_parameters(catalog: Catalog) -> None:
    """A wrong figure in a row would be far outside what its quantisation can be."""
    bits = {"Q4": (4.3, 8.6), "Q5": (5.3, 8.6), "Q6": (6.4, 11), "Q8": (8.3, 11)}
    for card in catalog.models:
        for variant in card.variants:
            size = variant.planned_bytes
            if size is None or variant.backend != "llama_cpp":
                continue
            low, high = bits[variant.quant[:2]]
            assert low <= size * 8 / card.params <= high, f"{card.id} {variant.quant}"


def test_the_cache_of_a_token_follows_from_the_shape(catalog: Catalog) -> None:
    for card in catalog.models:
        shape = card.shape
        if card.task == "chat" and not shape.window and not shape.state_bytes:
            expected = 2 * 2 * shape.layers * shape.kv_heads * shape.head_dim
            assert shape.kv_bytes_per_token == expected, card.id


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        (("parser: hermes", "prser: hermes"), "unknown key 'prser'", "Did you mean 'parser'?"),
        (("context: 2048", "context: many"), "Expected `int`, got `str`", ""),
        (("quant: F16", "qant: F16"), "unknown key 'qant'", "Did you mean 'quant'?"),
        (("heads: 4,", "heads: 4.5,"), "Expected `int`", ""),
        (("    parser: hermes", "    params: 1"), "'params' is given twice", "Keep one."),
        (("    licence: Apache-2.0\n", ""), "missing required field `licence`", ""),
    ],
)
def test_a_mistake_is_pointed_at(change: tuple[str, str], message: str, hint: str) -> None:
    text = POCKET.replace(*change)
    changed = change[1].strip() or "id: pocket"
    line = next(n for n, words in enumerate(text.splitlines(), 1) if changed in words)
    with pytest.raises(ConfigError) as caught:
        parse_catalog(text, "mine.yaml")
    assert caught.value.message.startswith(f"mine.yaml:{line}: ")
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_what_is_no_yaml_or_no_catalogue(tmp_path: Path) -> None:
    for text, message in (
        ("models: [", r"mine.yaml:1 is not valid YAML"),
        ("models:\n\t- id: x\n", r"mine.yaml:2 is not valid YAML"),
        ("", r"mine.yaml is empty"),
        ("models: 3\n", r"mine.yaml:1: Expected `array`"),
        ("- a\n", r"mine.yaml:1: Expected `object`"),
        ("models: []\nmodel: []\n", r"mine.yaml:2: unknown key 'model'"),
    ):
        with pytest.raises(ConfigError, match=message):
            parse_catalog(text, "mine.yaml")
    file = tmp_path / "models.yaml"
    file.write_bytes(b"models: \xff\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_catalog(file)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_catalog(tmp_path)


def test_two_cards_of_one_name_are_refused() -> None:
    body = POCKET[POCKET.index("  - id: pocket") :]
    with pytest.raises(ConfigError, match=f":{NUM_POCKET_LINES + 1}: more than one model is"):
        parse_catalog(POCKET + body, "mine.yaml")


def test_an_entry_of_the_user_replaces_whole(tmp_path: Path, catalog: Catalog) -> None:
    own = tmp_path / "models.yaml"
    own.write_text(POCKET.replace("    parser: hermes\n", "    aliases: [mini]\n"))
    merged = load_catalog(catalog_file(), own)
    card = merged.find("mini")
    assert card is not None
    assert (card.id, card.parser) == ("pocket", None)
    assert len(merged.models) == len(catalog.models)
    assert load_catalog(catalog_file(), tmp_path / "absent.yaml") == catalog


def test_the_user_may_not_take_the_name_of_another_model() -> None:
    shape = Shape(layers=1, hidden=8, heads=1, kv_heads=1, head_dim=8, vocab=9)
    variants = (Variant(backend="llama_cpp", quant="F16", asset="x"),)
    base = ModelCard("base", 1, 64, "MIT", shape, variants, aliases=("known",))
    with pytest.raises(ConfigError, match="other is called known, and so is base"):
        merge(Catalog((base,)), Catalog((replace(base, id="other"),)), "mine.yaml")


def test_a_parsed_copy_is_used_and_made_again_when_damaged(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    assert load_catalog(catalog_file(), cache=cache) == catalog
    (copy,) = cache.iterdir()
    whole = copy.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("edgellm.catalog.parse.parse_catalog", None)  # would be called in vain
        assert load_catalog(catalog_file(), cache=cache) == catalog
    copy.write_bytes(whole[: len(whole) // 2])
    assert load_catalog(catalog_file(), cache=cache) == catalog
    assert copy.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path, catalog: Catalog) -> None:
    (tmp_path / "file").write_text("")
    assert load_catalog(catalog_file(), cache=tmp_path / "file") == catalog


def test_sizes_are_only_known_when_all_are() -> None:
    variant = Variant(backend="llama_cpp", quant="F16", asset="x")
    assert (variant.size_bytes, variant.planned_bytes) == (None, None)
    assert replace(variant, expected_bytes=7).planned_bytes == 7


def test_every_chat_model_names_a_parser_that_is_there() -> None:
    cards = [card for card in load_catalog(catalog_file()).models if card.task == "chat"]
    assert {card.parser for card in cards} <= PARSERS.keys()
