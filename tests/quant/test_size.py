"""Sizes: to the byte, against files that llama.cpp made."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgellm_quant.gguf import quantise
from edgellm_quant.size import recipe_bytes
from edgellm_quant.spec import Override, Recipe

from tests.quant.mix_support import matrix_of

MIXED = (Override(r"^blk\.\d\.attn_v", "Q6_K"), Override(r"^token_embd\.weight$", "IQ4_XS"))


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("Q4_K_M"),
        Recipe("Q3_K_M", overrides=MIXED),
        Recipe("Q8_0", is_pure=True),
        Recipe("Q5_K_M", pruned_blocks=(2, 5)),
        Recipe("F16"),
    ],
    ids=lambda recipe: f"{recipe.type}-{len(recipe.overrides)}-{len(recipe.pruned_blocks)}",
)
def test_the_file_has_the_size_that_was_foretold(
    pocket: Path, tmp_path: Path, recipe: Recipe
) -> None:
    made = quantise(pocket, tmp_path / "made.gguf", recipe)
    assert recipe_bytes(pocket, recipe) == made.stat().st_size


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "mamba", "lfm2"])
def test_short_rows_and_other_architectures(tmp_path: Path, architecture: str) -> None:
    from tests.support.tiny_model import write_tiny_model

    source = write_tiny_model(tmp_path / "model.gguf", architecture=architecture)
    recipe = Recipe("Q4_K_M")
    made = quantise(source, tmp_path / "made.gguf", recipe)
    assert recipe_bytes(source, recipe) == made.stat().st_size


def test_the_file_says_which_matrix_it_was_made_with(pocket: Path, tmp_path: Path) -> None:
    matrix = matrix_of(pocket, tmp_path / "a matrix of pocket.gguf")
    recipe = Recipe("IQ3_M")
    made = quantise(pocket, tmp_path / "made.gguf", recipe, imatrix=matrix)
    assert recipe_bytes(pocket, recipe, matrix) == made.stat().st_size


def test_more_than_ten_blocks_have_shorter_names_when_they_become_less(tmp_path: Path) -> None:
    from tests.quant.mix_support import write_deep_model

    source = write_deep_model(tmp_path / "deep.gguf", num_blocks=12)
    recipe = Recipe("Q8_0", pruned_blocks=(3, 7, 8))
    made = quantise(source, tmp_path / "made.gguf", recipe)
    assert recipe_bytes(source, recipe) == made.stat().st_size
