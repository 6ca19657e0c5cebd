"""The catalogue is strict: what it does not know is an error that says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.assets import catalog_file
from edgellm.catalog.load import load_catalog
from edgellm.errors import ConfigError


def test_the_packaged_catalogue_knows_the_built_in_model() -> None:
    card = load_catalog(catalog_file()).find("pocket")
    assert card is not None
    assert card.parser == "hermes"
    assert load_catalog(catalog_file()).find("nobody") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("parser: hermes", "prser: hermes"), "prser"),
        (("context: 2048", "context: many"), r"context"),
        (("models:", "models: ["), "models.yaml"),
    ],
)
def test_mistakes_are_pointed_at(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(catalog_file().read_text().replace(*change))
    with pytest.raises(ConfigError, match=message):
        load_catalog(file)


def test_two_cards_of_one_name_are_refused(tmp_path: Path) -> None:
    text = catalog_file().read_text()
    body = text[text.index("  - id: pocket") :]
    file = tmp_path / "models.yaml"
    file.write_text(text + body)
    with pytest.raises(ConfigError, match="more than one model is called pocket"):
        load_catalog(file)
