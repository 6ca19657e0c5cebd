"""The noise of rounded activations: what rounding really does to values of those sizes."""

from __future__ import annotations

import numpy as np
import pytest
from edgellm_quant.activations import block_of, rounding_noise
from edgellm_quant.blocks import Blocks


@pytest.mark.parametrize("has_outliers", [False, True])
def test_it_is_what_rounding_does(has_outliers: bool) -> None:
    random = np.random.default_rng(1)
    sizes = random.lognormal(0, 0.5, 512).astype(np.float32)
    if has_outliers:
        sizes[[7, 300]] *= 1000
    values = (random.normal(0, 1, (2000, 512)) * np.sqrt(sizes)).astype(np.float32)
    blocks = Blocks()
    rounded = blocks.decode(blocks.encode(values, "Q8_0"), "Q8_0", 512)
    measured = np.square(rounded - values).mean(axis=0).reshape(-1, 32).mean(axis=1)
    foretold = rounding_noise(sizes, 32).reshape(-1, 32).mean(axis=1)
    np.testing.assert_allclose(foretold, measured, rtol=0.4)
    assert foretold.sum() == pytest.approx(measured.sum(), rel=0.25)


def test_a_large_block_suffers_more_from_one_large_value() -> None:
    sizes = np.ones(256, np.float32)
    sizes[0] = 4096
    assert rounding_noise(sizes, 256).sum() > 5 * rounding_noise(sizes, 32).sum()
    assert rounding_noise(sizes, 0).sum() == 0


def test_blocks_are_those_of_the_weights_kernels() -> None:
    assert [block_of(type_) for type_ in ("Q4_K", "IQ3_S", "Q6_K")] == [256, 256, 256]
    assert [block_of(type_) for type_ in ("Q8_0", "Q5_1", "IQ4_NL")] == [32, 32, 32]
    assert [block_of(type_) for type_ in ("F16", "BF16", "F32")] == [0, 0, 0]
